"""One request to the Flexibility Provider: who sent it, what it says, and how it may be refused.

As observed in SolarNetwork (oscp20.md §2.4, §2.5, §5.1, §5.2 and §9.3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from oscp_schemas import Document
from oscp_send.findings import Finding
from oscp_sim.access_tokens import SCOPES, TokenRefused
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.delivery import System, party_of
from oscp_sim.flexibility_provider.surroundings import as_json, container_error, refused
from oscp_sim.http import Request, Response, error_content, respond
from oscp_sim.shared import Shared
from oscp_sim.world import User


class RequestRefused(Exception):
    """Raised for a request that is refused without a body.

    `why` is what the simulator knows about it, for its journal; it holds no secret.
    """

    def __init__(
        self, status: int, why: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers or {}

    def response(self, request: Request, at: datetime) -> Response:  # noqa: ARG002 - for the others
        """Return the response."""
        return respond(self.status, headers=self.headers.items())


class ServiceRefused(RequestRefused):
    """Raised for a request that the service refuses in its own words.

    `errors` is each property that is wrong, as `location`, `code`, `rejectedValue` and `message`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        why: str | None = None,
    ) -> None:
        super().__init__(status, why)
        self.message = message
        self.code = code
        self.errors = errors

    def __str__(self) -> str:
        return self.message

    def response(self, request: Request, at: datetime) -> Response:  # noqa: ARG002 - for the others
        """Return the response."""
        content = {
            "success": False,
            "code": self.code,
            "message": self.message,
            "errors": list(self.errors) or None,
            "data": None,
        }
        return refused(request, self.status, content)


class ContainerRefused(RequestRefused):
    """Raised for a request that the container refuses before it reaches the service."""

    def __init__(
        self, status: HTTPStatus, headers: Mapping[str, str] | None = None, why: str | None = None
    ) -> None:
        super().__init__(status, why or status.phrase, headers)

    def response(self, request: Request, at: datetime) -> Response:
        """Return the response, with its time to the millisecond."""
        content = error_content(request, self.status, at)
        return container_error(request, self.status, content).adding(self.headers.items())


def database_refused(why: str) -> ServiceRefused:
    """Return the refusal of what the database cannot store (inferred)."""
    return ServiceRefused(500, "Internal error", why=f"the database does not take it: {why}")


def success(data: object) -> Response:
    """Return the response that holds some data, as the service wraps it."""
    return as_json({"success": True, "data": data}, 200)


@dataclass(frozen=True, slots=True)
class Caller:
    """A system that has shown its token, with the values that it has when it calls.

    Attributes:
        name: Under which the service knows it: the token, or the client of an access token.
        scopes: Those of its access token; None where it has shown none.
    """

    user: User
    system: System
    name: str = field(repr=False)
    scopes: frozenset[str] | None = None

    @property
    def role(self) -> PartyName:
        """What it may do depends on this alone; whether it is enabled is not checked (§5.2)."""
        return party_of(self.system)

    def is_it(self, system: System) -> bool:
        """Return whether one of the user's systems is this one, whatever has changed in it."""
        return isinstance(system, type(self.system)) and system.id == self.system.id


_SCHEME: Final = "Token"


def caller_of(request: Request, shared: Shared, replaced: Collection[str | None]) -> Caller:
    """Return the system whose token a request shows; refuse any other with 403.

    The header is split at its first blank, and the case of `Token` counts. `replaced` are the
    tokens that were good until a registration replaced them.
    """
    # The container takes blanks off the end of any header.
    authorization = request.fields.get("authorization", "").rstrip(" \t")
    if not authorization:
        raise _unknown("there is no Authorization header")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return _bearer(token, shared)
    if scheme != _SCHEME:
        raise _unknown(f'the scheme of Authorization is not "{_SCHEME}", in exactly this case')
    found = shared.world.caller(token)
    if found is not None:
        return Caller(*found, token)
    if token in replaced:
        raise _unknown(
            "the token was replaced when its system registered: the new one is in the Register "
            "that the Flexibility Provider sends about a second later; where that cannot be "
            "brought, only SolarUser makes another one"
        )
    blank = " (it begins with a blank)" if token.startswith(" ") else ""
    raise _unknown(f"no system has this token{blank}")


def _bearer(token: str, shared: Shared) -> Caller:
    """Return the system for whose client a JSON Web Token was issued (measured, as 204 or 403)."""
    try:
        client, scopes = shared.access_tokens.claims(token)
    except TokenRefused as refused:
        why = f'{refused}; what the Flexibility Provider gave goes behind "{_SCHEME}"'
        raise _unknown(f"the access token is refused: {why}") from None
    found = shared.world.client(client)
    if found is None:
        raise _unknown(f"no system has the flexibility_provider_client {client} any more")
    return Caller(*found, client, scopes)


def _unknown(why: str) -> ContainerRefused:
    return ContainerRefused(HTTPStatus.FORBIDDEN, why=why)


def check_role(caller: Caller, roles: frozenset[PartyName]) -> None:
    """Refuse, with 403, a caller that has none of some roles; an access token gives its own."""
    if caller.scopes is not None:
        needed = [SCOPES[role] for role in sorted(roles)]
        if caller.scopes.isdisjoint(needed):
            why = f"the access token needs the scope {' or '.join(needed)}"
            raise RequestRefused(403, why, {"WWW-Authenticate": f"Bearer {_INSUFFICIENT}"})
    if caller.role in roles:
        return
    who = " or ".join(sorted(each.replace("_", " ") for each in roles))
    why = f"only a {who} may, and this is a {caller.role.replace('_', ' ')}"
    if caller.scopes is not None:
        raise ServiceRefused(403, "ACCESS_DENIED", why=why)
    raise RequestRefused(403, why, {"WWW-Authenticate": "Bearer"})


# Its beginning is measured, the rest read in the service's framework.
_INSUFFICIENT: Final = (
    'error="insufficient_scope", error_description="The request requires higher privileges than '
    'provided by the access token.", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1"'
)


@dataclass(slots=True)
class IncomingCall:
    """A request on its way through the endpoints, as far as it is known.

    Attributes:
        action: The OSCP message of its path; empty where there is none.
        known_caller: The sender; None until its token is checked.
        body: The bytes of a message whose headers are in order; None until they are checked.
        document: The body as JSON; None until it is parsed.
        message: What the service decodes: floats, texts, aware datetimes in UTC; empty until then.
        findings: Findings about the message, for the journal.
        why: What the simulator knows about a refusal, for the journal.
    """

    request: Request
    action: str = ""
    known_caller: Caller | None = None
    body: bytes | None = None
    document: Document | None = None
    message: Mapping[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    why: str | None = None

    @property
    def caller(self) -> Caller:
        """The sender, who is always known to a handler of messages."""
        if self.known_caller is None:
            raise AssertionError("a handler was called before the token was checked")
        return self.known_caller

    @property
    def request_id(self) -> str | None:
        """The X-Request-ID; several are joined."""
        values = [value for name, value in self.request.headers if name == "x-request-id"]
        return ",".join(values) if values else None

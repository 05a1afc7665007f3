"""The Flexibility Provider's endpoints: from the first check of a request to the journal.

As observed in SolarNetwork (oscp20.md §2.4, §2.5, §5.1 and §9.3). The order of the checks is
(inferred): who asks, where to, how, and what.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from oscp_schemas.show import nearest
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding
from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH as _FP
from oscp_sim.conversation import ExchangedMessage, journaled
from oscp_sim.dataclass_values import changed
from oscp_sim.entry import Entry, PartyName
from oscp_sim.flexibility_provider.call import (
    ContainerRefused,
    IncomingCall,
    RequestRefused,
    ServiceRefused,
    caller_of,
    check_role,
    database_refused,
    success,
)
from oscp_sim.flexibility_provider.delivery import row_of
from oscp_sim.flexibility_provider.forwarding import forward
from oscp_sim.flexibility_provider.provider import FlexibilityProvider, Later
from oscp_sim.flexibility_provider.reading import judge_message, read_json, read_message
from oscp_sim.flexibility_provider.registration import acknowledged, handshake, heartbeat, register
from oscp_sim.flexibility_provider.surroundings import WELCOME, as_json, surrounded
from oscp_sim.http import (
    HINT,
    LONGEST_BODY,
    OURS,
    TRACED,
    VARY_BY_ORIGIN,
    Request,
    Response,
    bare_page,
    compressed,
    cross_origin,
    flaw_of,
    masked,
    no_error,
    rejection,
    respond,
    streamed,
    with_its_host,
)

# Returns the response to a GET; of a message that is accepted, what is left to do after the 204.
_Handler: TypeAlias = Callable[[FlexibilityProvider, IncomingCall], Response | Later | None]

_PROVIDERS: Final[frozenset[PartyName]] = frozenset({"capacity_provider"})
_OPTIMIZERS: Final[frozenset[PartyName]] = frozenset({"capacity_optimizer"})
_SYSTEMS: Final = _PROVIDERS | _OPTIMIZERS
# No token is asked for.
_ANYBODY: Final[frozenset[PartyName]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One path, and what it takes.

    Attributes:
        method: With GET also HEAD.
        action: The OSCP message name; empty where it takes none.
        roles: The senders whose token it takes; empty: none is needed.
        handler: Does what the request wants, or raises `RequestRefused`.
        needs_request_id: Whether a message is refused without an X-Request-ID.
    """

    method: Literal["GET", "POST"]
    path: str
    action: str
    roles: frozenset[PartyName]
    handler: _Handler
    needs_request_id: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it takes, apart from OPTIONS."""
        return ("GET", "HEAD") if self.method == "GET" else ("POST",)


def _ping(provider: FlexibilityProvider, _call: IncomingCall) -> Response:
    # The results are those of the service's own machine.
    now = timestamp(provider.shared.now("flexibility_provider"))
    return success({"allGood": True, "date": now, "results": {}})


def _hello(_provider: FlexibilityProvider, call: IncomingCall) -> Response:
    # The token is the name under which the service knows a caller (measured).
    return success(f"Hi there, {call.caller.name}")


_ACKNOWLEDGE: Final = "HandshakeAcknowledge"
_UPDATE: Final = "UpdateGroupCapacityForecast"
_ADJUST: Final = "AdjustGroupCapacityForecast"

# Who may send which message where (§5.1).
_TABLE: Final = (
    _Endpoint("GET", "/ping", "", _ANYBODY, _ping),
    _Endpoint("GET", "/oscp/hello", "", _SYSTEMS, _hello),
    _Endpoint("POST", f"{_FP}/register", "Register", _SYSTEMS, register, needs_request_id=False),
    _Endpoint("POST", f"{_FP}/handshake", "Handshake", _SYSTEMS, handshake),
    _Endpoint("POST", f"{_FP}/handshake_acknowledge", _ACKNOWLEDGE, _SYSTEMS, acknowledged),
    _Endpoint("POST", f"{_FP}/heartbeat", "Heartbeat", _SYSTEMS, heartbeat, needs_request_id=False),
    _Endpoint("POST", f"{_FP}/update_group_capacity_forecast", _UPDATE, _PROVIDERS, forward),
    _Endpoint("POST", f"{_FP}/adjust_group_capacity_forecast", _ADJUST, _OPTIMIZERS, forward),
)
_ENDPOINTS: Final = {endpoint.path: endpoint for endpoint in _TABLE}


def _welcome(_provider: FlexibilityProvider, call: IncomingCall) -> Response:
    if call.request.path == "/":
        language = [("Content-Language", "en")]
        return respond(200, WELCOME, "text/html;charset=UTF-8", language)
    return respond(200, WELCOME, "text/html")


def _error(provider: FlexibilityProvider, _call: IncomingCall) -> Response:
    return streamed(as_json(no_error(provider.shared.now("flexibility_provider")), 500))


def _operations(_provider: FlexibilityProvider, _call: IncomingCall) -> Response:
    realm = 'Basic realm="SN Operations", charset="UTF-8"'
    raise ContainerRefused(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": realm})


def _health(_provider: FlexibilityProvider, _call: IncomingCall) -> Response:
    return as_json({"status": "UP"}, 200)


# What else the service's host has (the health's text is inferred).
_HOST: Final = (
    _Endpoint("GET", "/", "", _ANYBODY, _welcome),
    _Endpoint("GET", "/index.html", "", _ANYBODY, _welcome),
    _Endpoint("GET", "/error", "", _ANYBODY, _error),
    _Endpoint("GET", "/ops", "", _ANYBODY, _operations),
    _Endpoint("GET", "/ops/health", "", _ANYBODY, _health),
)
_PAGES: Final = {endpoint.path: endpoint for endpoint in _HOST}

# What is stored in the system's own row.
_WRITING: Final = frozenset({"Register", "Handshake", "HandshakeAcknowledge", "Heartbeat"})


_BELOW: Final = f"{_FP.rpartition('/')[0]}/"
_OSCP: Final = "/oscp/"
# The service also takes a body in another encoding than UTF-8.
_JSON: Final = re.compile(
    r'application/json\s*(?:;\s*charset\s*=\s*"?([^\s";]+)"?\s*)?', re.IGNORECASE
)


class FlexibilityProviderEndpoints:
    """The party that answers requests in a Flexibility Provider's name."""

    name: Final = "flexibility_provider"

    def __init__(self, provider: FlexibilityProvider) -> None:
        self._provider = provider
        self._shared = provider.shared
        self._sessions = Random(f"sessions {self._shared.seed}")  # noqa: S311 - of a rehearsal

    def is_for(self, path: str) -> bool:
        """Return whether a decoded path is one of the Flexibility Provider's."""
        return path in _ENDPOINTS or path.startswith(_BELOW)

    def handle(self, request: Request) -> Response:
        """Answer a request, record it in the journal, and do what is left to do."""
        call = IncomingCall(request)
        response, later = self._respond(call)
        said = self._judge(call, accepted=response.status == HTTPStatus.NO_CONTENT)
        entry = self._record(call, response)
        if said is not None:
            caller, said = call.caller, changed(said, number=entry.number)
            self._provider.conversations.remember(caller.user.id, caller.system, said)
        if later is not None:
            later()
        return compressed(request, response)

    def _respond(self, call: IncomingCall) -> tuple[Response, Later | None]:
        response = self._at_the_edge(call)
        if response is not None:
            return response, None
        result = self._result(call)
        response, later = (result, None) if isinstance(result, Response) else (respond(204), result)
        session = self._sessions if call.known_caller else None
        response = surrounded(call.request, response, session)
        return response, later

    def _at_the_edge(self, call: IncomingCall) -> Response | None:
        """Return what is said before the framework's own filters, or None."""
        request = call.request
        is_strict = self._shared.behaviour.follows_service("host_names")
        flaw = flaw_of(request, takes_underscores=not is_strict)
        if flaw is not None:
            call.why = flaw.why
            return bare_page(flaw)
        if request.method == "TRACE":
            refusal = ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, TRACED)
            return refusal.response(request, self._shared.now(self.name)).adding(VARY_BY_ORIGIN)
        why = rejection(request)
        if why is None:
            return None
        call.why = "the server does not let such a request in"
        return as_json({"success": False, "message": why}, 400)

    def _result(self, call: IncomingCall) -> Response | Later | None:
        """Return what comes of a request, refused or not."""
        try:
            return cross_origin(call.request, _METHODS, _HEADERS) or self._handle(call)
        except RequestRefused as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - the service answers, whatever went wrong
            what = f"{call.request.method} {call.request.path} could not be answered"
            why = self._shared.journal.mistake(error, what)
            refusal = ServiceRefused(500, "Internal error", why=why)
        is_lost = refusal.status == HTTPStatus.NOT_FOUND
        call.why = (is_lost and _meant(call.request)) or refusal.why
        response = refusal.response(call.request, self._shared.now(self.name))
        if response.status == refusal.status:
            return response
        call.why = masked(response.status, refusal.status, str(refusal), call.why)
        if self._shared.behaviour.follows_service("masked_errors"):
            return response
        plain = tuple(pair for pair in call.request.headers if pair[0] != "accept")
        return refusal.response(changed(call.request, headers=plain), self._shared.now(self.name))

    def _handle(self, call: IncomingCall) -> Response | Later | None:
        path = unquote(call.request.path)
        endpoint = _ENDPOINTS.get(path) or _PAGES.get(path)
        roles = endpoint.roles if endpoint else _SYSTEMS
        call.action = endpoint.action if endpoint else ""
        if endpoint is None and not path.startswith(_OSCP):
            raise ContainerRefused(HTTPStatus.FORBIDDEN, why=f"nobody is at {path}: {HINT}")
        if roles:
            replaced = self._provider.replaced_tokens
            call.known_caller = caller_of(call.request, self._shared, replaced)
            check_role(call.caller, roles)
        if endpoint is None:
            why = None if path.startswith(_BELOW) else f"nobody is at {path}: {HINT}"
            raise ContainerRefused(HTTPStatus.NOT_FOUND, why=why)
        if call.request.method == "OPTIONS":
            allowed = ",".join((*endpoint.methods, "OPTIONS"))
            return respond(200, headers=[("Allow", allowed), ("Accept-Patch", "")])
        if call.request.method not in endpoint.methods:
            allow = {"Allow": ", ".join(endpoint.methods)}
            raise ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, allow)
        if endpoint.action:
            self._read(call, endpoint)
        if endpoint.action in _WRITING:
            self._wait_for_row(call)
        return endpoint.handler(self._provider, call)

    def _wait_for_row(self, call: IncomingCall) -> None:
        row = row_of(call.caller.user.id, call.caller.system)
        if self._provider.rows.wait(row, 2 * self._provider.outbox.timeout[1]):
            message = (
                "this came while the Flexibility Provider's Register to the same system had no "
                "answer yet: SolarNetwork lets it wait until that Register times out after 20 s"
            )
            hint = "answer the Register first, then call back"
            call.findings.append(Finding("meaning", "too-early", "warning", "", message, hint))

    def _read(self, call: IncomingCall, endpoint: _Endpoint) -> None:
        """Read a message; a missing X-Request-ID counts only when all of it is in order."""
        call.body, charset = _checked_body(call)
        call.document = read_json(call.body, endpoint.action, charset)
        call.message = read_message(endpoint.action, call.document)
        if endpoint.needs_request_id and call.request_id is None:
            raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the X-Request-ID header is missing")
        if "\0" in call.message.get("group_id", ""):
            raise database_refused("a text there holds no NUL")

    def _judge(self, call: IncomingCall, *, accepted: bool) -> ExchangedMessage | None:
        """Add the findings about a message; return it in the form to remember, or None."""
        if call.body is None:
            return None
        now = self._shared.now(self.name)
        call.findings += judge_message(call, now, accepted=accepted)
        if not accepted:
            return None
        correlation_id = call.request.fields.get("x-correlation-id")
        said = ExchangedMessage(
            call.action, call.message, call.request_id, correlation_id, sent=False, at=now
        )
        caller = call.caller
        call.findings += self._provider.conversations.judge(caller.user.id, caller.system, said)
        return said

    def _record(self, call: IncomingCall, response: Response) -> Entry:
        why = with_its_host(call.why, call.request)
        detail = {"why": why} if why else {}
        caller = call.known_caller
        who = {"user": caller.user.id, "id": caller.system.id} if caller else {}
        return self._shared.journal.append(
            "flexibility_provider",
            "exchange",
            request=call.request,
            response=response,
            action=call.action or None,
            findings=[journaled(finding) for finding in call.findings],
            detail={**detail, **who},
            peer=caller.role if caller else None,
        )


# What a page of another origin may use; the last two headers are inferred.
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_HEADERS: Final = ("Authorization", "X-Request-ID", "Content-Type", "X-Correlation-ID")


class HostOfFlexibilityProvider:
    """The party that is asked last: the service's host answers wherever nobody else is."""

    name: Final = None

    def __init__(self, endpoints: FlexibilityProviderEndpoints, behaviour: Behaviour) -> None:
        self._endpoints = endpoints
        self._is_seen = behaviour.follows_service("other_paths")

    def is_for(self, path: str) -> bool:
        """Return whether a decoded path is left to the host; those of the simulator are not."""
        return self._is_seen and path != OURS and not path.startswith(f"{OURS}/")

    def handle(self, request: Request) -> Response:
        """Answer a request, and record the exchange in the journal.

        A party that is played here and looks for another one has not come to this host.
        """
        if request.exchange_id is not None:
            return respond(HTTPStatus.NOT_FOUND)
        return self._endpoints.handle(request)


def _checked_body(call: IncomingCall) -> tuple[bytes, str | None]:
    """Return the body of a message and its charset; headers not in order are refused."""
    content_type = call.request.fields.get("content-type", "").strip()
    match = _JSON.fullmatch(content_type)
    charset = match[1] if match else None
    if match is None or (charset is not None and not _is_known(charset)):
        raise ContainerRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            {"Accept": "application/json"},
            f'the Content-Type must be application/json, not "{content_type}"',
        )
    if call.request.body is None:
        raise ContainerRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why=f"the body is over {LONGEST_BODY} bytes"
        )
    return call.request.body, charset


def _is_known(charset: str) -> bool:
    try:
        codecs.lookup(charset)
    except LookupError:
        return False
    return True


def _meant(request: Request) -> str | None:
    """Return which path may have been meant by one that there is not, or None."""
    path, below = unquote(request.path), f"{_FP}/"
    if path in _ENDPOINTS or not path.startswith(below):
        return None
    found = nearest(path.removeprefix(below), [each.removeprefix(below) for each in _ENDPOINTS])
    return found and f'there is no "{path.removeprefix(below)}": is it "{found}"?'

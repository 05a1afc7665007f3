"""The one contract of the house: a request, a response, and a party that turns one into the other.

The same two types are what a server receives, what a party answers, what one party sends another,
and what the journal keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias
from urllib.parse import unquote

Headers: TypeAlias = tuple[tuple[str, str], ...]

#: Bytes of the longest body that is read; SolarUser's own limit (solaruser.md §7.4).
LONGEST_BODY: Final = 20_971_520

_UNREAD: Final = "(longer than the limit, not read)"


@dataclass(frozen=True, slots=True)
class Request:
    """A request exactly as it was sent.

    Attributes:
        method: As `POST`.
        target: As on the request line: the raw path and query, or a whole URL where it was sent.
        headers: Names and values in order, repeated ones included; names of a received request
            are lower case.
        body: The bytes; None where there were more than are read.
        client: The address of the client; empty where it is not known.
        exchange_id: The number that both sides' journal entries share; None where the sender is not
            played here.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes | None = b""
    client: str = field(default="", compare=False)
    exchange_id: int | None = field(default=None, compare=False)

    @property
    def path(self) -> str:
        """The path as sent, undecoded, without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as sent, without the question mark; empty where there is none."""
        return self.target.partition("?")[2]

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return _UNREAD if self.body is None else self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """Return the first value of a header, by its lower-case name, or None."""
        for each, value in self.headers:
            if each == name:
                return value
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {
            "method": self.method,
            "target": self.target,
            "headers": [list(pair) for pair in self.headers],
            "body": self.text,
        }


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request.

    Attributes:
        status: Of HTTP.
        headers: Names and values in order.
        body: The bytes.
        reason: The phrase beside the status; None for the usual one.
        after: Seconds by the simulator's clock until the answer comes; infinite for one that never
            does. Over the network it really comes that late.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: str | None = field(default=None, compare=False)
    after: float = field(default=0.0, compare=False)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def shown(self) -> str:
        """The body for people: as text, or described where it is not text."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            media_type = (self.header("content-type") or "").partition(";")[0]
            return f"({media_type}, {len(self.body)} bytes)"

    @property
    def phrase(self) -> str:
        """The phrase beside the status."""
        if self.reason is not None:
            return self.reason
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Unknown"

    def header(self, name: str) -> str | None:
        """Return the first value of a header, by its name in any case, or None."""
        wanted = name.lower()
        return next((value for each, value in self.headers if each.lower() == wanted), None)

    def adding(self, headers: Iterable[tuple[str, str]]) -> Response:
        """Return the same response with more headers behind its own."""
        return replace(self, headers=(*self.headers, *headers))

    def setting(self, headers: Mapping[str, str]) -> Response:
        """Return the same response with these headers in the place of those of the same name."""
        left = {name.lower(): (name, value) for name, value in headers.items()}
        kept = [left.pop(name.lower(), (name, value)) for name, value in self.headers]
        return replace(self, headers=(*kept, *left.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {
            "status": self.status,
            "headers": [list(pair) for pair in self.headers],
            "body": self.text,
        }


def respond(
    status: int,
    body: bytes | None = None,
    content_type: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Return a response with the headers that describe its body, then the others.

    Args:
        status: Of HTTP.
        body: The bytes; None for an answer without a body.
        content_type: Of the body.
        headers: More headers, in order.
    """
    described: list[tuple[str, str]] = []
    if content_type is not None:
        described.append(("Content-Type", content_type))
    if body is not None:
        described.append(("Content-Length", str(len(body))))
    return Response(status, (*described, *headers), body or b"")


class Party(Protocol):
    """Whom requests are sent to: SolarUser, the Flexibility Provider, systems, a token endpoint."""

    def is_for(self, path: str) -> bool:
        """Return whether a decoded path is one of the party's."""
        ...

    def handle(self, request: Request) -> Response:
        """Answer a request, and record the exchange in the journal."""
        ...


class Parties:
    """The parties that are played here, each below its own paths.

    Args:
        parties: The first that a path belongs to answers.
        asked: Entered while a party answers.
    """

    def __init__(
        self, parties: Iterable[Party], asked: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._parties = tuple(parties)
        self._asked = asked

    def have(self, path: str) -> bool:
        """Return whether a decoded path belongs to one of them."""
        return self._at(path) is not None

    def handle(self, request: Request) -> Response:
        """Return the answer of the party that a request is for.

        Raises:
            LookupError: It is for none; see `have`.
        """
        party = self._at(unquote(request.path, errors="replace"))
        if party is None:
            raise LookupError(f"no party is at {request.path}")
        with self._asked():
            response = party.handle(_bounded(request))
        return replace(response, body=b"") if request.method == "HEAD" else response

    def _at(self, path: str) -> Party | None:
        # However many slashes a path begins with, it is looked up with one.
        path = f"/{path.lstrip('/')}"
        return next((party for party in self._parties if party.is_for(path)), None)


def _bounded(request: Request) -> Request:
    """Return a request without its body where that is, or is declared to be, over the limit."""
    declared = request.header("content-length") or "0"
    length = int(declared) if declared.isdecimal() else 0
    longest = max(length, len(request.body or b""))
    return replace(request, body=None) if longest > LONGEST_BODY else request


# What the framework of SolarNetwork's services refuses before anything else looks at a request
# (solaruser.md §5.7 and §7.1; oscp20.md §9.3, X20), in the order in which the services list it.
_METHODS: Final = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PATCH", "PUT")
# "//" before anything else: which of several is named is not known.
_ANYWHERE: Final = ("//", ";", "\\", "\0", "\n", "\r")
_ENCODED: Final = ("%2e", "%3b", "%2f", "%5c", "%00", "%0a", "%0d", "%25")
_DECODED: Final = ("%", "\u2028", "\u2029")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_PRINTABLE: Final = re.compile("[^ -~]")


def rejection(request: Request) -> str | None:
    """Return why a method, an address or a header looks like an attack, or None.

    The text is the service's; it goes with the status 400, signed or not.
    """
    if request.method not in _METHODS:
        return _rejected(
            f'the HTTP method "{request.method}" was not included within the list of allowed HTTP '
            f"methods [{', '.join(_METHODS)}]"
        )
    return _path_rejection(request.path) or _header_rejection(request.headers)


def _path_rejection(path: str) -> str | None:
    found = next((text for text in _ANYWHERE if text in path), None)
    if found is None and "%" in path:
        at = next((path.lower().find(code) for code in _ENCODED if code in path.lower()), -1)
        found = path[at : at + 3] if at >= 0 else None
    if found is None and "%" in path:
        decoded = unquote(path)
        found = next((text for text in (*_DECODED, *_ANYWHERE) if text in decoded), None)
    if found is not None:
        return _rejected(f'the URL contained a potentially malicious String "{found}"')
    if {".", ".."} & set(path.split("/")):
        return _rejected("the URL was not normalized.")
    if _NOT_PRINTABLE.search(path):
        # The one text that begins otherwise.
        return "The requestURI was rejected because it can only contain printable ASCII characters."
    return None


def _header_rejection(headers: Headers) -> str | None:
    for name, value in headers:
        if _CONTROL.search(name) or _CONTROL.search(value):
            # The service quotes the value; this does not, for it may be a credential.
            shown = _CONTROL.sub("?", name)
            return _rejected(f'the header: "{shown} " has a value that is not allowed.')
    return None


def _rejected(why: str) -> str:
    return f"The request was rejected because {why}"


class RouteParameter(NamedTuple):
    """A parameter of a route, for the API's description.

    Attributes:
        name: As the client writes it.
        where: `query`, `path`, `header`, or `form` for a field of a form body.
        required: Whether a request without it is refused.
        schema: JSON Schema of its value.
        description: One line.
    """

    name: str
    where: Literal["query", "path", "header", "form"]
    required: bool
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class RouteDocs:
    """What the API's description says about a route.

    Attributes:
        parameters: Of the query, the path, the headers and a form body.
        request_schema: JSON Schema of a JSON body; None where there is none.
        response_schema: JSON Schema of the body of a success; None where it has none.
        statuses: Each status that the handler may answer with, and when. Those that any request
            may get (authentication, policy, rate limit) are added for all routes in one place.
        summary: One line, where the route has none of its own.
    """

    parameters: tuple[RouteParameter, ...] = ()
    request_schema: Mapping[str, Any] | None = None
    response_schema: Mapping[str, Any] | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)
    summary: str = ""

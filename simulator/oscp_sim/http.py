"""The one contract of the house: a request, a response, and a party that turns one into the other.

The same two types are what a server receives, what a party answers, what one party sends another,
and what the journal keeps. Behind them is what SolarUser and the Flexibility Provider have in
common: the container, Tomcat, and the framework, Spring, that both run in.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias
from urllib.parse import unquote

import orjson

from oscp_send.solarnetwork.dates import timestamp

Headers: TypeAlias = tuple[tuple[str, str], ...]

#: Bytes of the longest body that is read; SolarUser's own limit (solaruser.md §7.4).
LONGEST_BODY: Final = 20_971_520

_UNREAD: Final = "(longer than the limit, not read)"


class Flaw(NamedTuple):
    """Why the container refuses a request before anything looks at what it asks for.

    Attributes:
        status: Of the refusal.
        why: For the journal; the container says nothing.
    """

    status: int
    why: str


_SCHEME_AND_HOST: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


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
        flaw: Why it cannot be read, as its server found.
        is_let_in: Whether its server has asked already whether to reset it unread.
        path: The path as sent, undecoded, without the query.
        query: The query as sent, without the question mark; empty where there is none.
        fields: The first value of each header, by its name.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes | None = b""
    client: str = field(default="", compare=False)
    exchange_id: int | None = field(default=None, compare=False)
    flaw: Flaw | None = None
    is_let_in: bool = field(default=False, compare=False)

    path: str = field(init=False, repr=False, compare=False)
    query: str = field(init=False, repr=False, compare=False)
    fields: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each is asked for many times on a message's way.
        path, _, query = self.target.partition("?")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "query", query)
        object.__setattr__(self, "fields", dict(reversed(self.headers)))

    @property
    def without_host(self) -> str:
        """The path and query, of a whole URL as well; any target has them, and none is refused."""
        return _SCHEME_AND_HOST.sub("", self.target, count=1).partition("#")[0]

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return _UNREAD if self.body is None else self.body.decode("utf-8", "replace")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {
            "method": self.method,
            "target": self.target,
            "headers": [list(pair) for pair in self.headers],
            "body": self.text,
        }


@dataclass(frozen=True, slots=True)
class Errand(Request):
    """A request of a party that is played here, where it matters what it is for.

    Attributes:
        to: The party that it is sent to.
        instruction_id: The instruction that it delivers, if any.
    """

    to: str = ""
    instruction_id: int | None = None

    @classmethod
    def of(cls, request: Request, to: str, instruction_id: int | None = None) -> Errand:
        """Return a request with what it is for."""
        given = {each.name: getattr(request, each.name) for each in fields(Request) if each.init}
        return cls(**given, to=to, instruction_id=instruction_id)


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
        for each, value in self.headers:
            if each.lower() == wanted:
                return value
        return None

    def having(self, headers: Headers) -> Response:
        """Return the same response with these headers alone."""
        return Response(self.status, headers, self.body, self.reason, self.after)

    def adding(self, headers: Iterable[tuple[str, str]]) -> Response:
        """Return the same response with more headers behind its own."""
        return self.having((*self.headers, *headers))

    def setting(self, headers: Mapping[str, str]) -> Response:
        """Return the same response with these headers in the place of those of the same name."""
        left = {name.lower(): (name, value) for name, value in headers.items()}
        kept = [left.pop(name.lower(), (name, value)) for name, value in self.headers]
        return self.having((*kept, *left.values()))

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


def json_bytes(content: object, default: Callable[[Any], object]) -> bytes:
    """Return JSON; what JSON has no word for, as `default` makes it."""
    try:
        return orjson.dumps(content, default=default)
    except TypeError:
        # It writes no number beyond 64 bits, and no half of a surrogate pair.
        return json.dumps(content, default=default, separators=(",", ":")).encode()


class Party(Protocol):
    """Whom requests are sent to: SolarUser, the Flexibility Provider, systems, a token endpoint."""

    @property
    def name(self) -> str | None:
        """The party that the rules of faults name so; None: no rule is for it."""
        ...

    def is_for(self, path: str) -> bool:
        """Return whether a decoded path is one of the party's."""
        ...

    def handle(self, request: Request) -> Response:
        """Answer a request, and record the exchange in the journal."""
        ...


class Rules(Protocol):
    """The rules by which something goes wrong; empty: nothing does."""

    @property
    def rules(self) -> Collection[object]:
        """The rules."""
        ...


_Handler: TypeAlias = Callable[[Request], Response]


class Parties:
    """The parties that are played here, each below its own paths.

    Args:
        parties: The first that a path belongs to answers.
        asked: Entered while a party answers.
        faults: What goes wrong with the answers.
        spoil: Where anything does: returns how a party's answer comes out, by its name, a request,
            and what answers it.
    """

    def __init__(
        self,
        parties: Iterable[Party],
        asked: Callable[[], AbstractContextManager[None]],
        faults: Rules,
        spoil: Callable[[str | None, Request, _Handler], Response],
    ) -> None:
        self._parties = tuple(parties)
        self._asked = asked
        self._faults = faults
        self._spoil = spoil

    def at(self, path: str) -> Callable[[Request], Response] | None:
        """Return what answers requests for a path, as it was sent; None where nobody does."""
        # However many slashes a path begins with, it is looked up with one.
        path = f"/{unquote(path, errors='replace').lstrip('/')}"
        for party in self._parties:
            if party.is_for(path):
                return partial(self._answer, party)
        return None

    def name_at(self, path: str) -> str | None:
        """Return the name of the party that a path, as it was sent, belongs to; None of another."""
        path = f"/{unquote(path, errors='replace').lstrip('/')}"
        return next((party.name for party in self._parties if party.is_for(path)), None)

    def _answer(self, party: Party, request: Request) -> Response:
        with self._asked():
            if self._faults.rules:
                response = self._spoil(party.name, _bounded(request), party.handle)
            else:
                response = party.handle(_bounded(request))
        return replace(response, body=b"") if request.method == "HEAD" else response


def _bounded(request: Request) -> Request:
    """Return a request without its body where that is, or is declared to be, over the limit."""
    declared = request.fields.get("content-length") or "0"
    # Python reads no number of thousands of digits; the first twenty are enough to be too many.
    length = int(declared.lstrip("0")[:20] or "0") if declared.isdecimal() else 0
    longest = max(length, len(request.body or b""))
    return replace(request, body=None) if longest > LONGEST_BODY else request


def masked(status: int, meant: int, message: str | None, why: str | None) -> str:
    """Return what the journal says of a refusal that no accepted type can hold."""
    known = f" ({why})" if why else ""
    return (
        f"the running service masks {meant} {message or ''}{known} as {status}: no type in Accept "
        "can hold the refusal; accept application/json"
    )


# What Tomcat, the container of both services, refuses before anything else (measured). What ends
# a head or begins a body is for `server`.
_LONGEST_HEAD: Final = 8192
_MOST_HEADERS: Final = 100
_PATH: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_QUERY: Final = re.compile(r"[\w.~!$&'()*+,;=:@/?%-]*", re.ASCII)
_UNDECODED: Final = re.compile("%(?:2f|5c|00)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?", re.ASCII)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~\w-]+", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def flaw_of(request: Request, *, takes_underscores: bool) -> Flaw | None:
    """Return why Tomcat does not let a request in, or None.

    Hosts with an underscore may be taken nevertheless: containers have such names.
    """
    why = _flaw_of_target(request) or _flaw_of_head(request)
    if why is None and not takes_underscores and "_" in request.fields.get("host", ""):
        why = "Host holds an underscore: use another name, or --set host_names=documented"
    if why is not None:
        return Flaw(400, why)
    expected = request.fields.get("expect")
    if expected is not None and "100-continue" not in expected.lower():
        return Flaw(417, "only 100-continue can be expected")
    return None


def with_its_host(why: str | None, request: Request) -> str | None:
    """Return what the journal says, and also that a Host which was taken is refused elsewhere."""
    if "_" not in request.fields.get("host", ""):
        return why
    said = "the running service refuses a Host that holds an underscore with 400"
    return said if why is None else why if "underscore" in why else f"{why}; {said}"


def _flaw_of_target(request: Request) -> str | None:
    path, query = request.path, request.query
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        return "the address holds a character that must be sent as %XX, such as [ as %5B"
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return "the path is not in UTF-8: encode it so before escaping it"
    found = _UNDECODED.search(path)
    return found and f"the path holds {found[0]}, which the server never decodes: leave it out"


def _flaw_of_head(request: Request) -> str | None:
    headers = request.headers
    names, values = [name for name, _ in headers], [value for _, value in headers]
    hosts = [value for name, value in headers if name.lower() == "host"]
    all_names, all_values = "".join(names), "".join(values)
    length = len(f"{request.method} {request.target} HTTP/1.1\r\n\r\n")
    length += len(all_names) + len(all_values) + len(": \r\n") * len(headers)
    if length > _LONGEST_HEAD:
        return f"address and headers are {length} bytes; {_LONGEST_HEAD} are read: send a body"
    if len(headers) > _MOST_HEADERS:
        return f"there are {len(headers)} headers; {_MOST_HEADERS} are read"
    if len(hosts) > 1 or not all(_HOST.fullmatch(each) for each in hosts):
        return "Host is not one name of letters, digits, periods and hyphens, and a port"
    if all(names) and _NAME.fullmatch(all_names or "-") and not _CONTROL.search(all_values):
        return None
    wrong = (name for name, value in headers if not _NAME.fullmatch(name) or _CONTROL.search(value))
    # The value is not shown: it may be a credential.
    return f"the header {_CONTROL.sub('?', next(wrong))!r} has a character that is not allowed"


_PAGE: Final = (
    '<!doctype html><html lang="en"><head><title>HTTP Status {0}</title><style '
    'type="text/css">body {{font-family:Tahoma,Arial,sans-serif;}} h1, h2, h3, b {{color:white;'
    "background-color:#525D76;}} h1 {{font-size:22px;}} h2 {{font-size:16px;}} h3 "
    "{{font-size:14px;}} p {{font-size:12px;}} a {{color:black;}} .line {{height:1px;"
    "background-color:#525D76;border:none;}}</style></head><body><h1>HTTP Status {0}</h1></body>"
    "</html>"
)


def bare_page(flaw: Flaw) -> Response:
    """Return what Tomcat says of a request that it does not let in."""
    html = _PAGE.format(f"{flaw.status} \u2013 {HTTPStatus(flaw.status).phrase}")
    content_type = "text/html;charset=utf-8"
    return respond(flaw.status, html.encode(), content_type, [("Content-Language", "en")])


# What the framework of SolarNetwork's services refuses next (solaruser.md §5.7 and §7.1;
# oscp20.md §9.3, X20), in the order in which the services list it.
_METHODS: Final = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PATCH", "PUT")
_MALICIOUS: Final = ("//", ";", "%2e", "%2E", "%3b", "%3B", "%0a", "%0A", "%0d", "%0D", "%25")
_DECODED: Final = ("%", "\u2028", "\u2029")


def rejection(request: Request) -> str | None:
    """Return why a method or an address looks like an attack, or None.

    The text is the service's; it goes with the status 400, signed or not.
    """
    if request.method not in _METHODS:
        return _rejected(
            f'the HTTP method "{request.method}" was not included within the list of allowed HTTP '
            f"methods [{', '.join(_METHODS)}]"
        )
    path = request.path
    found = next((text for text in _MALICIOUS if text in path), None)
    if found is None and "%" in path:
        decoded = unquote(path)
        found = next((text for text in _DECODED if text in decoded), None)
    if found is not None:
        return _rejected(f'the URL contained a potentially malicious String "{found}"')
    return _rejected("the URL was not normalized.") if {".", ".."} & set(path.split("/")) else None


def _rejected(why: str) -> str:
    return f"The request was rejected because {why}"


#: The simulator's own pages are below it.
OURS: Final = "/_sim"
#: Said, or noted in the journal, where nobody is at an address.
HINT: Final = (
    "SolarUser is at /solaruser/api/v1/sec/instr, the Capacity Provider at /oscp/cp/2.0, the "
    "Flexibility Provider at /oscp/fp/2.0, and what happened at /_sim/journal"
)
#: The answer where nobody is at an address; our own pages answer so, too.
NOBODY: Final = respond(
    404, f'{{"error": "404 Not Found", "hint": "{HINT}"}}\n'.encode(), "application/json"
)
#: What the container says to TRACE, which it does not hand on (measured).
TRACED: Final = {"Allow": "HEAD, DELETE, POST, GET, OPTIONS, PUT"}


def error_content(request: Request, status: int, at: datetime) -> dict[str, Any]:
    """Return what the container of both services says of a request that it refuses (measured)."""
    return {
        "timestamp": _to_the_millisecond(at),
        "status": status,
        "error": HTTPStatus(status).phrase,
        "path": request.path,
        "success": False,
    }


def _to_the_millisecond(at: datetime) -> str:
    return timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000))


def no_error(at: datetime) -> dict[str, Any]:
    """Return what the page for errors says where there was none; it goes with 500 (measured)."""
    return {"timestamp": _to_the_millisecond(at), "status": 999, "error": "None", "success": False}


# What the framework of both services makes of browsers, whose pages of any origin are let in
# (measured; solaruser.md §7.4, oscp20.md §2.5).

_VARYING: Final = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
VARY_BY_ORIGIN: Final[Headers] = tuple(("Vary", name) for name in _VARYING)
_MAXIMUM_AGE: Final = "86400"
_NOT_LET_IN: Final = b"Invalid CORS request"


def cross_origin(
    request: Request, methods: Collection[str], headers: Collection[str]
) -> Response | None:
    """Answer a browser's preflight, or refuse what comes from nowhere; None for all else.

    Args:
        request: Unsigned or not.
        methods: Those that a page may use.
        headers: Those that a page may send.
    """
    method, origin = request.method, request.fields.get("origin")
    asked = request.fields.get("access-control-request-method")
    is_preflight = method == "OPTIONS" and origin is not None and asked is not None
    if not _is_from_elsewhere(request):
        return respond(200, b"") if is_preflight else None
    wanted: list[str] = []
    if is_preflight:
        method = asked or ""
        values = (v for name, v in request.headers if name == "access-control-request-headers")
        wanted = [name.strip() for name in ",".join(values).split(",") if name.strip()]
    known = {name.lower() for name in headers}
    allowed = [name for name in wanted if name.lower() in known]
    if method not in methods or (wanted and not allowed) or not (origin or "").strip():
        return respond(403, _NOT_LET_IN)
    if not is_preflight:
        return None
    granted = [("Access-Control-Allow-Methods", ",".join(methods))]
    granted += [("Access-Control-Allow-Headers", ", ".join(allowed))] if allowed else []
    return respond(200, b"", headers=[*granted, ("Access-Control-Max-Age", _MAXIMUM_AGE)])


def letting_in(request: Request, response: Response) -> Headers:
    """Return the headers with which a page of another origin may read a response."""
    origin = request.fields.get("origin")
    if origin is None or not _is_from_elsewhere(request) or response.body == _NOT_LET_IN:
        return ()
    return (("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"))


def _is_from_elsewhere(request: Request) -> bool:
    origin = request.fields.get("origin")
    return origin is not None and origin != base_url(request)


def base_url(request: Request) -> str:
    """Return the address at which a request says that it reached the service."""
    scheme = "https" if is_secure(request) else "http"
    return f"{scheme}://{request.fields.get('host') or 'localhost'}"


def is_secure(request: Request) -> bool:
    """Return whether a proxy says that a request came to it by https."""
    return request.fields.get("x-forwarded-proto", "").strip().lower() == "https"


_STRICT: Final = ("Strict-Transport-Security", "max-age=31536000 ; includeSubDomains")
_SAFE: Final[Headers] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "0"),
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
)


def security_headers(request: Request) -> Headers:
    """Return the headers that tell browsers what they must not do."""
    strict = [_STRICT] if is_secure(request) else []
    return (*_SAFE, *strict, ("X-Frame-Options", "DENY"))


# Compression, as the container of both services does it (solaruser.md §1.6; measured).

_SHORTEST: Final = 2048
_KINDS: Final = frozenset(
    {"application/json", "application/cbor", "text/html", "text/plain", "text/xml"}
)
_LEVEL: Final = 1


def compressed(request: Request, response: Response) -> Response:
    """Return a reply compressed, if the client accepts gzip, and it is long or streamed."""
    media_type = (response.header("content-type") or "").partition(";")[0]
    is_wanted = is_streamed(response) or len(response.body) >= _SHORTEST
    if media_type not in _KINDS or not is_wanted:
        return response
    response = _varying_by_encoding(response)
    if not _accepts_gzip(request.fields.get("accept-encoding", "")):
        return response
    # Without a time in it, the same reply is the same bytes.
    body = gzip.compress(response.body, _LEVEL, mtime=0)
    response = streamed(response).adding([("Content-Encoding", "gzip")])
    return replace(response, body=body)


def streamed(response: Response) -> Response:
    """Return a response whose length the container does not know beforehand."""
    return response.having(tuple(pair for pair in response.headers if pair[0] != "Content-Length"))


def is_streamed(response: Response) -> bool:
    """Return whether a response has a body of unknown length."""
    return bool(response.body) and response.header("content-length") is None


def _varying_by_encoding(response: Response) -> Response:
    """Return a response with all that it varies by in one line, as the container rewrites it."""
    names = [value.lower() for name, value in response.headers if name == "Vary"]
    kept = [pair for pair in response.headers if pair[0] != "Vary"]
    merged = ("Vary", ",".join([*names, "accept-encoding"]))
    return response.having((merged, *kept))


def _accepts_gzip(accepted: str) -> bool:
    for entry in accepted.split(","):
        coding, *parameters = (part.strip().lower() for part in entry.split(";"))
        if coding == "gzip":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) <= 0
    except ValueError:
        return False


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

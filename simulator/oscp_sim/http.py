"""What the API's description says of a route, whoever answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from urllib.parse import quote, unquote

from flask import Blueprint, Flask, Response
from flask import Request as FlaskRequest
from werkzeug.exceptions import BadRequest, HTTPException

from oscp_sim.entry import Entry, Party, Request
from oscp_sim.entry import Response as RecordedResponse
from oscp_sim.journal import Journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "RAW_HEADERS",
    "RAW_TARGET",
    "Desk",
    "Desks",
    "RouteDocs",
    "RouteParameter",
    "WireRequest",
    "body_within",
    "environment",
    "make_application",
    "record_exchange",
    "rejection",
]


# § A request as it stood on the wire, whatever the server between has made of it.
#
# WSGI decodes the path and joins repeated headers, but a signature covers what was sent. Our
# servers put both into the environment of each request, raw; this is where they are named and
# read.

RAW_HEADERS = "oscp.raw_headers"
RAW_TARGET = "oscp.raw_target"

_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What was sent, before anything was decoded.

    Attributes:
        method: As `POST`.
        path: As sent, undecoded, without the query.
        query: As sent, without the question mark; empty where there is none.
        headers: Lower-case names and values, in order, repeated ones included.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> WireRequest:
        """Answers with the request of a WSGI environment, as raw as its server left it."""
        target = environ.get(RAW_TARGET)
        if target is None:
            path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
            target = f"{quote(path)}?{environ.get('QUERY_STRING', '')}"
        if not target.startswith("/"):
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        return cls(environ["REQUEST_METHOD"], path, query, _headers(environ))

    @property
    def target(self) -> str:
        """Path and query, as on the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """Answers with the first value of a header, by its lower-case name, or None."""
        return next((value for each, value in self.headers if each == name), None)


def environment(
    method: str, target: str, headers: Iterable[tuple[str, str]], *, path: str, **server: object
) -> dict[str, Any]:
    """Answers with a WSGI environment that also keeps the request as it was sent.

    Args:
        method: As `POST`.
        target: The raw path and query.
        headers: Names and values in order, as sent.
        path: The decoded path.
        **server: What else the environment holds, `wsgi_` standing for `wsgi.`.
    """
    raw = tuple((name.lower(), value) for name, value in headers)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": target.partition("?")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        RAW_TARGET: target,
        RAW_HEADERS: raw,
    }
    environ.update((name.replace("wsgi_", "wsgi."), value) for name, value in server.items())
    for name, value in raw:
        key = _UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _headers(environ: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if RAW_HEADERS in environ:
        raw: tuple[tuple[str, str], ...] = environ[RAW_HEADERS]
        return raw
    named = [
        (key[5:].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    return tuple(named + [(name, environ[k]) for name, k in _UNPREFIXED.items() if environ.get(k)])


# § Reading a request's body within a limit, and telling the journal of the whole exchange.


def body_within(request: FlaskRequest, limit: int) -> bytes | None:
    """Answers with a request's body, or None where it is longer than `limit` bytes.

    A body that declares its length is not read when that is too long; any other is read no further
    than the limit.

    Raises:
        BadRequest: It is not sent as HTTP says.
    """
    if (request.content_length or 0) > limit:
        return None
    try:
        body: bytes = request.stream.read(limit + 1)
    except OSError as error:
        raise BadRequest(str(error)) from None
    return body if len(body) <= limit else None


def record_exchange(
    journal: Journal,
    party: Party,
    wire: WireRequest,
    body: bytes | None,
    response: Response,
    *,
    action: str | None = None,
    instruction_id: int | None = None,
    findings: Iterable[Mapping[str, Any]] = (),
    detail: Mapping[str, Any] | None = None,
    peer: Party | None = None,
) -> Entry:
    """Tells the journal what a party was asked and what it answered, and answers with the entry."""
    text = "(longer than the limit, not read)" if body is None else body.decode("utf-8", "replace")
    return journal.append(
        party,
        "exchange",
        action=action,
        instruction_id=instruction_id,
        request=Request(wire.method, wire.target, wire.headers, text),
        response=RecordedResponse(
            response.status_code,
            tuple(response.headers.items()),
            _text(response),
        ),
        findings=findings,
        detail=detail,
        peer=peer,
    )


def _text(response: Response) -> str:
    data = response.get_data()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({response.mimetype}, {len(data)} bytes)"


# § Parties at their own desks: what is for one of them goes there straight.
#
# A party looks at a request itself, from the first byte to the journal, as the service that it
# plays does; a web framework's routing before it would only hide what came.


class Desk(Protocol):
    """A party that answers what is sent to its paths."""

    def is_for(self, path: str) -> bool:
        """Tells whether a decoded path is one of its own."""
        ...

    def answer(self, request: FlaskRequest) -> Response:
        """Answers a request."""
        ...


class Desks:
    """A WSGI application that brings each request to its desk, and all others to another one.

    Args:
        desks: The first that a path is for answers.
        otherwise: Answers the rest.
        refused: Makes the answer to a request that is not sent as HTTP says.
        asked: Entered while a desk answers.
    """

    def __init__(
        self,
        desks: Iterable[Desk],
        otherwise: WSGIApplication,
        refused: Callable[[HTTPException], Response],
        asked: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._desks = tuple(desks)
        self._otherwise = otherwise
        self._refused = refused
        self._asked = asked

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        response = self.answer(environ)
        if response is None:
            return self._otherwise(environ, start_response)
        chunks: Iterable[bytes] = response(environ, start_response)
        return chunks

    def answer(self, environ: dict[str, Any]) -> Response | None:
        """Answers with the response of the desk that a request is for; None where there is none."""
        # WSGI has a decoded path in the encoding of its bytes.
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        # As the request itself has it: however many slashes it begins with.
        path = f"/{path.lstrip('/')}"
        desk = next((each for each in self._desks if each.is_for(path)), None)
        if desk is None:
            return None
        with self._asked():
            try:
                return desk.answer(FlaskRequest(environ))
            except HTTPException as error:
                return self._refused(error)


# § The Flask application that all parties are registered on, and its answer to everything else.


def make_application(
    desks: Iterable[Desk],
    blueprints: Iterable[Blueprint],
    asked: Callable[[], AbstractContextManager[None]],
) -> Flask:
    """Answers with a WSGI application of parties, and of what is no party.

    Args:
        desks: The parties.
        blueprints: What answers beside them.
        asked: Entered while a party answers.
    """
    application = Flask("simulator", static_folder=None)
    application.url_map.merge_slashes = False
    for blueprint in blueprints:
        application.register_blueprint(blueprint)
    application.register_error_handler(HTTPException, _refused)
    application.wsgi_app = Desks(desks, application.wsgi_app, _refused, asked)  # type: ignore[method-assign] # Flask's own way to put something before it
    return application


def _refused(error: HTTPException) -> Response:
    told = {
        "error": f"{error.code} {error.name}",
        "hint": "SolarUser is at /solaruser/api/v1/sec/instr, the Capacity Provider at "
        "/oscp/cp/2.0, the Flexibility Provider at /oscp/fp/2.0, and what happened at "
        "/_sim/journal",
    }
    response = Response(json.dumps(told) + "\n", error.code or 500, mimetype="application/json")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


# § What the framework of SolarNetwork's services refuses before anybody asks who it is.
#
# As observed in SolarNetwork (solaruser.md §5.7 and §7.1). Which strings, and how the texts
# go on, are those of the framework's own firewall; that the Flexibility Provider has the same one
# is (inferred), as its dossier says of a double slash (oscp20.md §9.3, X20).

# In the order in which the services list them.
_METHODS = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PATCH", "PUT")
# "//" before anything else: which of several is named is not known.
_ANYWHERE = ("//", ";", "\\", "\0", "\n", "\r")
_ENCODED = re.compile("%(?:2e|3b|2f|5c|00|0a|0d|25)", re.IGNORECASE)
_DECODED = ("%", "\u2028", "\u2029")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_PRINTABLE = re.compile("[^ -~]")


def rejection(request: WireRequest) -> str | None:
    """Answers with why a method, an address or a header looks like an attack; None where none does.

    The text is the service's; it goes with the status 400, whoever asks.
    """
    if request.method not in _METHODS:
        return _rejected(
            f'the HTTP method "{request.method}" was not included within the list of allowed HTTP '
            f"methods [{', '.join(_METHODS)}]"
        )
    return _of_path(request.path) or _of_headers(request)


def _of_path(path: str) -> str | None:
    found = next((text for text in _ANYWHERE if text in path), None)
    encoded = _ENCODED.search(path)
    if found is None and encoded:
        found = encoded[0]
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


def _of_headers(request: WireRequest) -> str | None:
    for name, value in request.headers:
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
    """What the API's description says of a route beyond its summary.

    Attributes:
        parameters: Of the query, the path, the headers and a form body.
        request_schema: JSON Schema of a JSON body; None where there is none.
        response_schema: JSON Schema of the body of a success; None where it has none.
        statuses: Each status that the handler may answer with, and when. Those that any request
            may get (authentication, policy, rate limit) are added for all routes in one place.
    """

    parameters: tuple[RouteParameter, ...] = ()
    request_schema: Mapping[str, Any] | None = None
    response_schema: Mapping[str, Any] | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)

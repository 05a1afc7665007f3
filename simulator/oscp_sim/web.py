"""The Flask application in front of the parties, and the two ways between WSGI and the contract.

A party looks at a request itself, from the first byte to the journal, as the service that it plays
does: a web framework's routing before it would only hide what came. So the parties are mounted in
front of Flask's own routes, which are those of `/_sim/`.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from flask import Blueprint, Flask
from flask import Response as FlaskResponse
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

from oscp_sim.faults.wire import Spoilt
from oscp_sim.http import HINT, LONGEST_BODY, Headers, Parties, Request, Response, respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where our own servers leave a request as it was sent: WSGI decodes paths and joins headers.
RAW_HEADERS: Final = "oscp.raw_headers"
RAW_TARGET: Final = "oscp.raw_target"

_UNPREFIXED: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
# However late an answer is: a client on the network is not kept waiting for longer, in seconds.
_LONGEST_WAIT: Final = 60.0
_BODILESS: Final = frozenset({204, 304})
# What a WSGI server can do without its socket: the rest needs our own server.
_BY_WSGI: Final = frozenset({"half", "closed"})
_NO_SOCKET: Final = respond(
    502,
    b'{"error": "a fault of the rehearsal needs a socket, which a WSGI server does not give away: '
    b'use oscp-sim serve"}\n',
    "application/json",
)
_MALFORMED: Final = respond(
    400,
    b'{"error": "400 Bad Request", "hint": "the body is not sent as HTTP says"}\n',
    "application/json",
)


def make_application(
    parties: Parties, blueprints: Iterable[Blueprint], closing: threading.Event
) -> Flask:
    """Return the Flask application of the parties, and of our own pages.

    Args:
        parties: Answer what is sent to their paths.
        blueprints: Answer beside them.
        closing: Set when late answers need not be waited for any longer.
    """
    application = Flask("oscp_sim", static_folder=None)
    application.url_map.merge_slashes = False
    for blueprint in blueprints:
        application.register_blueprint(blueprint)
    application.register_error_handler(HTTPException, _refused)
    application.wsgi_app = _Mounted(parties, application.wsgi_app, closing)  # type: ignore[method-assign] # Flask's own way to put something before it
    return application


class _Mounted:
    """A WSGI application that brings each request to its party, and all others to another one."""

    def __init__(
        self, parties: Parties, otherwise: WSGIApplication, closing: threading.Event
    ) -> None:
        self._parties = parties
        self._otherwise = otherwise
        self._closing = closing

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._parties.at(_target(environ).partition("?")[0])
        if answer is None:
            return self._otherwise(environ, start_response)
        try:
            request = received(environ)
        except (BadRequest, OSError):
            response = _MALFORMED
        else:
            response = answer(request)
        if isinstance(response, Spoilt) and response.how not in _BY_WSGI:
            response = _NO_SOCKET
        if response.after:
            self._closing.wait(min(response.after, _LONGEST_WAIT))
        start_response(f"{response.status} {response.phrase}", list(_wire_headers(response)))
        if isinstance(response, Spoilt) and response.how == "half":
            return [response.body[: len(response.body) // 2]]
        return [response.body]


def _wire_headers(response: Response) -> Headers:
    """Return the headers as they go over the network: with a length wherever there may be one."""
    if response.status in _BODILESS:
        return tuple(each for each in response.headers if each[0].lower() != "content-length")
    if response.header("content-length") is not None:
        return response.headers
    return (*response.headers, ("Content-Length", str(len(response.body))))


def received(environ: WSGIEnvironment) -> Request:
    """Return the request of a WSGI environment, as raw as its server left it.

    Raises:
        BadRequest: Its body is not sent as HTTP says; or an OSError, as the server has it.
    """
    return Request(
        environ["REQUEST_METHOD"],
        _target(environ),
        _headers(environ),
        _body(environ),
        client=environ.get("REMOTE_ADDR", ""),
    )


def _target(environ: WSGIEnvironment) -> str:
    target: str | None = environ.get(RAW_TARGET)
    if target is None:
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        query = environ.get("QUERY_STRING", "")
        return f"{quote(path)}?{query}" if query else quote(path)
    if not target.startswith("/"):
        # A whole URL, as to a proxy.
        return "/" + target.partition("://")[2].partition("/")[2]
    return target


def _headers(environ: WSGIEnvironment) -> Headers:
    if RAW_HEADERS in environ:
        raw: Headers = environ[RAW_HEADERS]
        return raw
    named = [
        (key[5:].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    return tuple(named + [(name, environ[k]) for name, k in _UNPREFIXED.items() if environ.get(k)])


def _body(environ: WSGIEnvironment) -> bytes | None:
    """Return the body, or None where it is longer than the limit.

    One that declares to be is not read at all; any other is read no further than the limit.
    """
    declared = environ.get("CONTENT_LENGTH") or "0"
    if declared.isdecimal() and int(declared) > LONGEST_BODY:
        return None
    body = get_input_stream(environ).read(LONGEST_BODY + 1)
    return body if len(body) <= LONGEST_BODY else None


def _refused(error: HTTPException) -> FlaskResponse:
    ways = [] if not isinstance(error, MethodNotAllowed) else sorted(error.valid_methods or ())
    named = [each for each in ways if each not in {"HEAD", "OPTIONS"}]
    hint = f"it is asked with {' or '.join(named)}" if named else HINT
    content = {"error": f"{error.code} {error.name}", "hint": hint}
    response = FlaskResponse(json.dumps(content) + "\n", error.code or 500)
    response.mimetype = "application/json"
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def environment(request: Request, scheme: str = "http") -> dict[str, Any]:
    """Return the WSGI environment of a request, which also keeps it as it was sent."""
    path = unquote(request.path, errors="surrogateescape")
    host, _, port = request.fields.get("host", "").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(request.body or b""),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        RAW_TARGET: request.target,
        RAW_HEADERS: request.headers,
    }
    for name, value in request.headers:
        key = _UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def through_wsgi(application: WSGIApplication) -> Callable[[Request], Response]:
    """Return a handler that asks a WSGI application."""

    def handle(request: Request) -> Response:
        chunks, status, headers = run_wsgi_app(application, environment(request), buffered=True)
        number, _, reason = status.partition(" ")
        return Response(int(number), tuple(headers.items()), b"".join(chunks), reason)

    return handle

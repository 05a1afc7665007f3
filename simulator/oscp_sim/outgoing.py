"""HTTP between the simulated parties: the same requests, through WSGI, without a socket."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import urllib3
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from werkzeug.test import run_wsgi_app

from oscp_sim.http import Desks, environment

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["IN_PROCESS_URL", "Answering", "Outgoing", "Reply", "Unanswered", "WsgiAdapter"]


# § Requests from one party to another: through WSGI in this process, else over the network.

# A name that no resolver knows (RFC 2606): what is sent there cannot leave this process.
IN_PROCESS_URL: Final = "http://simulator.invalid"

# The most redirects that are followed, and the bytes of the longest body that is read, in pieces.
_REDIRECTS: Final = 30
_LONGEST_BODY: Final = 1_048_576
_PIECE: Final = 65_536

# What a header can hold: one line, without a blank at its beginning.
_VALUE: Final = re.compile(r"(?:\S[^\r\n]*)?")

_ANSWERING: Final = "oscp.answering"

Failure = Literal["refused", "connect_timeout", "read_timeout", "other"]
Headers: TypeAlias = "Iterable[tuple[str, str]]"


@dataclass(slots=True)
class Answering:
    """How long a party in this process takes to answer, as it says itself.

    Nobody really waits: whoever asked goes on that much later by the simulator's clock.

    Attributes:
        after: Seconds; infinite for one that never answers.
    """

    after: float = 0.0

    @staticmethod
    def of(environ: Mapping[str, Any]) -> Answering | None:
        """Answers with where to say it, or None for a request that came over the network."""
        found: Answering | None = environ.get(_ANSWERING)
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """What another party answered.

    Attributes:
        status: Of HTTP.
        reason: The phrase beside it.
        headers: Names and values, in order.
        body: As it came, with any compression undone.
        after: Seconds by the simulator's clock until it comes; 0 for what came over the network.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    after: float = 0.0

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


class Unanswered(Exception):
    """Raised for a request to which no answer came; its text says why, as Java does.

    Attributes:
        failure: The kind of trouble.
        after: Seconds by the simulator's clock until that is known.
    """

    def __init__(self, failure: Failure, cause: str, after: float = 0.0) -> None:
        super().__init__(cause)
        self.failure = failure
        self.after = after


class Outgoing:
    """Sends requests; whether the other party is simulated or real shows in its URL alone.

    Args:
        application: Who answers below `IN_PROCESS_URL`; may be set later.
    """

    def __init__(self, application: WSGIApplication | None = None) -> None:
        self.application = application
        # No proxy that the environment names, no cookies, nothing tried again; redirects followed.
        self._pool = urllib3.PoolManager(
            num_pools=20,
            maxsize=4,
            retries=urllib3.Retry(
                total=None, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS
            ),
        )

    def post(
        self,
        url: str,
        headers: Headers,
        body: bytes,
        *,
        timeout: tuple[float, float],
        method: str = "POST",
    ) -> Reply:
        """Sends a request, once.

        Args:
            url: Where to.
            headers: Names and values in order; one that comes twice is sent twice.
            body: As it stands.
            timeout: Seconds to connect, and seconds without a byte of the answer.
            method: Of HTTP.

        Raises:
            Unanswered: No answer came.
        """
        headers = tuple(headers)
        if not all(_VALUE.fullmatch(value) for _, value in headers):
            raise Unanswered("other", "InvalidHeader")
        if self.application is not None and url.startswith(f"{IN_PROCESS_URL}/"):
            return _ask(self.application, method, url, headers, body, timeout[1])
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=urllib3.HTTPHeaderDict(headers),
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
                preload_content=False,
            )
            return _read(response, timeout[1])
        except (HTTPError, ValueError) as error:
            raise _unanswered(error) from error

    def close(self) -> None:
        """Lets go of the connections."""
        self._pool.clear()


def _ask(  # noqa: PLR0917 - the parts of a request
    application: WSGIApplication,
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    patience: float,
) -> Reply:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    answering = Answering()
    environ = environment(
        method,
        target,
        [("Host", parts.netloc), *headers, ("Content-Length", str(len(body)))],
        path=unquote(parts.path),
        SERVER_NAME=parts.hostname or "",
        SERVER_PORT="80",
        REMOTE_ADDR="127.0.0.1",
        wsgi_version=(1, 0),
        wsgi_url_scheme=parts.scheme,
        wsgi_input=io.BytesIO(body),
        wsgi_errors=sys.stderr,
        wsgi_multithread=True,
        wsgi_multiprocess=False,
        wsgi_run_once=False,
    )
    environ[_ANSWERING] = answering
    status, got, chunks = _answered(application, environ)
    if answering.after > patience:
        raise Unanswered("read_timeout", "Read timed out", patience)
    number, _, reason = status.partition(" ")
    return Reply(int(number), reason, tuple(got), b"".join(chunks), answering.after)


def _answered(
    application: WSGIApplication, environ: dict[str, Any]
) -> tuple[str, Iterable[tuple[str, str]], Iterable[bytes]]:
    """Answers with status line, headers and body; a desk is asked without any WSGI between."""
    desks = getattr(application, "wsgi_app", application)
    response = desks.answer(environ) if isinstance(desks, Desks) else None
    if response is None:
        chunks, status, headers = run_wsgi_app(application, environ, buffered=True)
        return status, headers.items(), chunks
    return response.status, response.headers.items(), [response.get_data()]


def _read(response: urllib3.BaseHTTPResponse, patience: float) -> Reply:
    """Answers with a response, and as much of its body as comes in time.

    The service does not look at bodies, so one that is long or never ends must hold up nobody.
    """
    deadline = time.monotonic() + patience
    body = bytearray()
    try:
        while len(body) < _LONGEST_BODY and time.monotonic() < deadline:
            piece = response.read1(_PIECE)
            if not piece:
                break
            body += piece
        else:
            response.close()
    finally:
        response.release_conn()
    return Reply(
        response.status, response.reason or "", tuple(response.headers.items()), bytes(body)
    )


def _unanswered(error: Exception) -> Unanswered:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, ReadTimeoutError):
        return Unanswered("read_timeout", "Read timed out")
    if isinstance(cause.__cause__, ConnectionRefusedError):
        return Unanswered("refused", "Connection refused")
    # A connection that fails at once counts as one of these to the library.
    if isinstance(cause, ConnectTimeoutError) and not isinstance(cause, NewConnectionError):
        return Unanswered("connect_timeout", "Connect timed out")
    if isinstance(cause, ProtocolError):
        return Unanswered("other", "Connection broken")
    return Unanswered("other", type(cause).__name__)


class WsgiAdapter(BaseAdapter):
    """Lets a `requests` session reach a WSGI application in this process.

    Mount it on a base URL: `session.mount("http://simulator.invalid", WsgiAdapter(app))`.

    Args:
        application: What answers every request that comes this way.
    """

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__()
        self._application = application

    def send(  # noqa: PLR0917 - the signature is requests'
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Response:
        """Answers with the application's response; there is nothing to time out or to verify."""
        chunks, status, headers = run_wsgi_app(self._application, _environ(request), buffered=True)
        response = Response()
        response.request = request
        response.url = request.url or ""
        response.status_code = int(status.partition(" ")[0])
        response.reason = status.partition(" ")[2]
        response.headers = CaseInsensitiveDict(headers.items())
        # Undoes a compression, as for any response that comes over the network.
        response.raw = HTTPResponse(
            io.BytesIO(b"".join(chunks)), response.headers, preload_content=False
        )
        return response

    def close(self) -> None:
        """Does nothing: there is no connection."""


def _environ(request: PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = [(name, _text(value)) for name, value in request.headers.items()]
    if "host" not in {name.lower() for name, _ in headers}:
        headers.insert(0, ("Host", url.netloc))
    return environment(
        request.method or "GET",
        request.path_url,
        headers,
        path=unquote(url.path or "/"),
        SERVER_NAME=url.hostname or "",
        SERVER_PORT=str(url.port or 80),
        REMOTE_ADDR="127.0.0.1",
        wsgi_version=(1, 0),
        wsgi_url_scheme=url.scheme,
        wsgi_input=io.BytesIO(body),
        wsgi_errors=sys.stderr,
        wsgi_multithread=True,
        wsgi_multiprocess=False,
        wsgi_run_once=False,
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

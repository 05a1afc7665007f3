"""`http.client`, urllib3, and `requests` above it, also where mocks of `responses` are at work."""

from __future__ import annotations

import io
import re
import socket
import sys
from collections.abc import Callable
from functools import partial
from http import client
from typing import Any
from urllib.parse import urlsplit

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, port_by_scheme
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util import parse_url

from oscp_sim.intercept.board import Answerer, Board, Layer, Refused
from oscp_sim.outgoing import Unintercepted
from oscp_sim.server import NotWhole


class _Socket:
    """What `http.client` needs of a socket, with the simulator at its other end."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._written = bytearray()
        self._patience: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Set how long a byte is waited for."""
        self._patience = seconds

    def sendall(self, data: bytes) -> None:
        """Take a piece of a request."""
        self._written += data

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what is read of the answer."""
        return io.BufferedReader(_Answer(self._exchanged))

    def close(self) -> None:
        """Do nothing: there is nothing to let go."""

    def _exchanged(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        return self._answerer.exchanged(data, self._patience)


class _Answer(io.RawIOBase):
    """The bytes of an answer, which is asked for once the first of them is read."""

    def __init__(self, ask: Callable[[], bytes]) -> None:
        super().__init__()
        self._ask = ask
        self._data: io.BytesIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._data is None:
            self._data = io.BytesIO(self._ask())
        return self._data.readinto(buffer)


class _SocketAsked(_Socket):
    """The same, asked as soon as a request is whole: nobody may be there to take it."""

    def __init__(self, answerer: Answerer) -> None:
        super().__init__(answerer)
        self._came: bytes | OSError | None = None

    def ask(self) -> None:
        """Send what was written, unless more of it is to come.

        Raises:
            ConnectionRefusedError: Nobody listens.
        """
        written = bytes(self._written)
        try:
            self._came = super()._exchanged()
        except NotWhole:
            self._written[:] = written
        except ConnectionRefusedError:
            raise
        except OSError as error:
            self._came = error

    def _exchanged(self) -> bytes:
        came, self._came = self._came, None
        if isinstance(came, OSError):
            raise came
        return super()._exchanged() if came is None else came


def reach_http_client(board: Board) -> None:
    """Lead the requests of `http.client`, so of `urllib.request`, to who answers their hosts."""
    board.cover(client.HTTPConnection, "connect", partial(_connect, board, "http"))
    board.cover(client.HTTPSConnection, "connect", partial(_connect, board, "https"))
    board.cover(client.HTTPConnection, "endheaders", _endheaders)
    board.cover(client.HTTPConnection, "getresponse", _getresponse)


def _connect(board: Board, scheme: str, before: Callable[..., Any]) -> Callable[..., Any]:
    def connect(connection: Any) -> None:
        host, port = _goal(connection)
        answerer = board.answerer(scheme, host, port)
        if answerer is None:
            before(connection)
            return
        given = connection.timeout
        has_own = given is None or isinstance(given, int | float)
        connection.sock = _SocketAsked(answerer)
        connection.sock.settimeout(given if has_own else socket.getdefaulttimeout())

    return connect


def _goal(connection: Any) -> tuple[str | None, int | None]:
    """Return host and port that a request is for, also through a proxy."""
    # It says so nowhere else.
    state = vars(connection)
    if state["_tunnel_host"]:
        return state["_tunnel_host"], state["_tunnel_port"]
    # A proxy without TLS is told the whole address.
    written = b"".join(state["_buffer"][:1]).decode("latin-1")
    target = f"{written} ".split(" ")[1]
    if target.startswith("http://"):
        at = urlsplit(target)
        return at.hostname, at.port or client.HTTP_PORT
    return connection.host, connection.port


def _endheaders(before: Callable[..., Any]) -> Callable[..., Any]:
    def endheaders(connection: Any, *args: Any, **kw: Any) -> None:
        before(connection, *args, **kw)
        if isinstance(connection.sock, _SocketAsked):
            connection.sock.ask()

    return endheaders


def _getresponse(before: Callable[..., Any]) -> Callable[..., Any]:
    def getresponse(connection: Any) -> Any:
        response = before(connection)
        if isinstance(connection.sock, _SocketAsked):
            # Each request has its own: the next one may be for nobody here any more.
            connection.sock = None
        return response

    return getresponse


class _Connection(HTTPConnection):
    """A connection to the simulator."""

    def __init__(
        self, host: str, port: int | None = None, *, answerer: Answerer, **kw: Any
    ) -> None:
        super().__init__(host, port, **kw)
        self._answerer = answerer

    def connect(self) -> None:
        self.sock = _Socket(self._answerer)

    @property
    def is_connected(self) -> bool:
        """Whether it can be used once more: each request has its own."""
        return False

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except ConnectionRefusedError as error:
            text = f"Failed to establish a new connection: {error}"
            raise NewConnectionError(self, text) from error


class _SecureConnection(_Connection):
    default_port = port_by_scheme["https"]  # type: ignore[misc] # as in urllib3


class _Pool(Unintercepted, urllib3.HTTPConnectionPool):
    """Leads to the simulator, for one request with all its retries; then nothing of it is left."""

    ConnectionCls = _Connection


class _SecurePool(_Pool):
    scheme = "https"
    ConnectionCls = _SecureConnection


# By these names the errors of urllib3 show them, as they show its own.
_Connection.__name__, _SecureConnection.__name__ = "HTTPConnection", "HTTPSConnection"
_Pool.__name__, _SecurePool.__name__ = "HTTPConnectionPool", "HTTPSConnectionPool"


def reach_urllib3(board: Board) -> None:
    """Lead the requests of urllib3, and of what is built on it, to who answers their hosts."""
    board.cover(urllib3.HTTPConnectionPool, "urlopen", partial(_urlopen, board))


def _urlopen(board: Board, before: Callable[..., Any]) -> Callable[..., Any]:
    def urlopen(
        pool: urllib3.HTTPConnectionPool, method: str, url: str, *args: Any, **kw: Any
    ) -> Any:
        if isinstance(pool, Unintercepted):
            return before(pool, method, url, *args, **kw)
        # Through a proxy, it is the address that says where it goes.
        at = parse_url(url)
        scheme, host, port = (
            (at.scheme, at.host, at.port) if at.host else (pool.scheme, pool.host, pool.port)
        )
        try:
            answerer = board.answerer(scheme, host, port)
        except Refused as error:
            why = NewConnectionError(HTTPConnection(host or "", port), str(error.strerror))
            raise MaxRetryError(pool, url, why) from error
        if answerer is not None:
            kind = _SecurePool if scheme == "https" else _Pool
            pool = kind(
                host or "",
                port,
                timeout=pool.timeout,
                headers=pool.headers,
                retries=pool.retries,
                answerer=answerer,
            )
        return before(pool, method, url, *args, **kw)

    return urlopen


def reach_responses(board: Board) -> None:
    """Let mocks that begin to work meanwhile pass on what they do not answer themselves."""
    from responses import RequestsMock

    board.cover(RequestsMock, "unbound_on_send", partial(_unbound_on_send, board))


def _unbound_on_send(board: Board, before: Callable[..., Any]) -> Callable[..., Any]:
    def unbound_on_send(mock: Any) -> Callable[..., Any]:
        send = before(mock)

        def letting_through(adapter: HTTPAdapter, request: Any, *args: Any, **kw: Any) -> Any:
            through = _pattern(board)
            if through.match(request.url or "") and through not in mock.passthru_prefixes:
                mock.add_passthru(through)
                board.at_the_end(partial(_forget, mock, through))
            return send(adapter, request, *args, **kw)

        return letting_through

    return unbound_on_send


def _pattern(board: Board) -> re.Pattern[str]:
    hosts = "|".join(re.escape(each) for each in sorted(board.hosts))
    # With nobody left to answer, nothing fits.
    return re.compile(
        rf"https?://([^/?#]*@)?({hosts or '(?!)'})\.?(:\d*)?(?![^/?#])", re.IGNORECASE
    )


def _forget(mock: Any, pattern: re.Pattern[str]) -> None:
    mock.passthru_prefixes = tuple(each for each in mock.passthru_prefixes if each != pattern)


def over_mocks(board: Board) -> Layer | None:
    """Put a layer over the mocks that are at work already, for the hosts that somebody answers."""
    is_free = HTTPAdapter.send.__module__ == HTTPAdapter.__module__
    if is_free or "responses" not in sys.modules:
        return None
    from responses import RequestsMock

    # Lets through all that comes, to where `requests` sends it.
    passing = RequestsMock()
    passing.add_passthru(re.compile(""))
    through = passing.unbound_on_send()

    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def send(adapter: HTTPAdapter, request: Any, *args: Any, **kw: Any) -> Any:
            is_ours = not layer.is_lifted and _pattern(board).match(request.url or "")
            return (through if is_ours else before)(adapter, request, *args, **kw)

        return send

    layer = Layer(HTTPAdapter, "send", make)
    return layer

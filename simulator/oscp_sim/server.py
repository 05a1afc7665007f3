"""The server in front of a simulator: a thread for each connection, and requests as they were sent.

A signature covers the raw request target and each header as it was sent, which WSGI does not pass
on; so requests are read from the socket by httptools and handed over as they are. A request that
takes long holds up its own connection alone.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Final

import httptools

from oscp_sim.http import LONGEST_BODY, Request, Response, respond

_LOG = logging.getLogger(__name__)

_PIECE: Final = 65_536
_WAITING_CONNECTIONS: Final = 512
# However late an answer is, a client is not kept waiting for longer; in seconds, as the next two.
_LONGEST_WAIT: Final = 60.0
_LONGEST_IDLE: Final = 75.0
# How long the rest of a refused request is read, so that its sender can read the refusal.
_LONGEST_FAREWELL: Final = 2.0
_MOST_LATE: Final = 1000
_BODILESS: Final = frozenset({204, 304})
# What the parser knows; it is given POST in the place of any other method.
_METHODS: Final = frozenset({b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT"})
_LONGEST_METHOD: Final = 32
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class PortUnavailable(Exception):
    """Raised when nothing can listen where it should; its text says why and what to do."""


class Server:
    """Serves requests on a port until it is closed.

    Args:
        handle: Answers a request; called by many threads at once.
        host: Where to listen: an address or name of this machine.
        port: Where to listen; 0 takes a free one.

    Attributes:
        url: The base URL.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
    """

    def __init__(
        self, handle: Callable[[Request], Response], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._handle = handle
        self._listener = _listener(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._listener.getsockname()[1]}"
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        # The threads of answers that are, or were, late; a few of the newest are enough to join.
        self._late: deque[threading.Thread] = deque(maxlen=_MOST_LATE)
        self._thread = threading.Thread(target=self._accept, name="server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and let go of every connection."""
        self._closing.set()
        # Wakes the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            connections = tuple(self._open)
        for each in connections:
            # Nothing more is read, but an answer that is under way may still go out.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD)
        until = time.monotonic() + _LONGEST_FAREWELL
        for late in self._late:
            late.join(max(0.0, until - time.monotonic()))

    def _wait_for(self, seconds: float) -> None:
        """Let an answer be late; when the server closes, it goes out at once."""
        with self._lock:
            self._late.append(threading.current_thread())
        self._closing.wait(min(seconds, _LONGEST_WAIT))

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError:
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_LONGEST_IDLE)
            with self._lock:
                self._open.add(connection)
            threading.Thread(
                target=self._serve, args=(connection, address[0]), name="connection", daemon=True
            ).start()

    def _serve(self, connection: socket.socket, client: str) -> None:
        with connection:
            try:
                self._converse(connection, client)
            except OSError as error:
                _LOG.debug("a connection from %s ended: %s", client, error)
            except Exception:  # noqa: BLE001 - the other connections go on
                _LOG.exception("a connection from %s failed", client)
        with self._lock:
            self._open.discard(connection)

    def _converse(self, connection: socket.socket, client: str) -> None:
        """Answer the requests of one connection, one after the other."""
        reader = _Reader(client)
        while data := connection.recv(_PIECE):
            goes_on = reader.feed(data)
            if reader.wants_to_continue():
                connection.sendall(_CONTINUE)
            while reader.requests:
                request, stays = reader.requests.popleft()
                goes_on = goes_on and stays
                response = self._handle(request)
                if response.after:
                    self._wait_for(response.after)
                connection.sendall(_written(response, stays=goes_on))
            if reader.is_broken:
                connection.sendall(_written(_BAD_REQUEST, stays=False))
            if not goes_on:
                _take_leave(connection)
                return


_BAD_REQUEST: Final = respond(400, b"the request is not HTTP\n", "text/plain; charset=utf-8")


class _Reader:
    """Makes requests of the bytes of one connection; the methods in the middle are the parser's."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._parser = httptools.HttpRequestParser(self)
        self._is_between = True
        self._method = ""
        self._expects = False
        self._begin()
        self.requests: deque[tuple[Request, bool]] = deque()
        self.is_broken = False

    def feed(self, data: bytes) -> bool:
        """Read bytes; return whether more may follow."""
        if self._is_between:
            data = self._with_known_method(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return False
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            self.is_broken = not self._is_refused
            return False
        return True

    def wants_to_continue(self) -> bool:
        """Return whether the client waits for leave to send its body; only once a request."""
        expects, self._expects = self._expects, False
        return expects

    def _with_known_method(self, data: bytes) -> bytes:
        method, blank, rest = data.lstrip(b"\r\n").partition(b" ")
        if not blank or len(method) > _LONGEST_METHOD or method in _METHODS:
            self._method = ""
            return data
        self._method = method.decode("latin-1")
        return b"POST " + rest

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._length = 0
        self._is_read = False
        self._is_refused = False

    def on_message_begin(self) -> None:
        self._begin()
        self._is_between = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_read:
            # What comes behind a chunked body is not a header of the request.
            self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._is_read = True
        named = dict(self._headers)
        declared = named.get("content-length", "")
        if declared.isdecimal() and int(declared) > LONGEST_BODY:
            # It is refused for that alone: its body need not be sent at all.
            self._is_refused = True
            self._finish(stays=False)
            raise _TooLong
        self._expects = named.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        self._length += len(body)
        if self._length <= LONGEST_BODY:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._finish(stays=self._parser.should_keep_alive())
        self._is_between = True

    def _finish(self, *, stays: bool) -> None:
        is_whole = self._length <= LONGEST_BODY and not self._is_refused
        request = Request(
            self._method or self._parser.get_method().decode(),
            _origin_form(self._target.decode("latin-1")),
            tuple(self._headers),
            b"".join(self._body) if is_whole else None,
            self._client,
        )
        self._expects = False
        self.requests.append((request, stays))


class _TooLong(Exception):
    """Raised to the parser, which need not read on."""


def _origin_form(target: str) -> str:
    """Return the path and query of a target, which may be a whole URL, as to a proxy."""
    return target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]


def _written(response: Response, *, stays: bool) -> bytes:
    """Return a response as it goes over the network."""
    lines = [f"HTTP/1.1 {response.status} {response.phrase}"]
    has_length = False
    for name, value in response.headers:
        is_length = name.lower() == "content-length"
        has_length = has_length or is_length
        if not (is_length and response.status in _BODILESS):
            lines.append(f"{name}: {value}")
    if not has_length and response.status not in _BODILESS:
        lines.append(f"Content-Length: {len(response.body)}")
    lines.append(f"Date: {_date(int(time.time()))}")
    if not stays:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head + response.body


def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _take_leave(connection: socket.socket) -> None:
    """Read what is still being sent: closing at once would take the answer from its reader."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_LONGEST_FAREWELL)
    until = time.monotonic() + _LONGEST_FAREWELL
    while time.monotonic() < until and connection.recv(_PIECE):
        pass


def _listener(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # Of a name with both, as localhost, the address that every client tries.
        family, _, _, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _unavailable(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise _unavailable(host, port, error) from error
    return listener


def _unavailable(host: str, port: int, error: OSError) -> PortUnavailable:
    reason = (error.strerror or str(error)).lower()
    return PortUnavailable(
        f"cannot listen on {host}:{port}: {reason}; "
        "choose another with --port, or any free one with --port 0"
    )

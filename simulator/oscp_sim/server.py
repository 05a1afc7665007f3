"""The server in front of a simulator: a thread for each connection, and requests as they were sent.

A signature covers the raw request target and each header as it was sent, which WSGI does not pass
on; so requests are read from the socket and handed over as they are, with what Tomcat, which both
services run in, finds wrong with them. A request that takes long holds up its own connection alone.
A thread that waits for its client costs 20 KB and no time, so a thousand of them harm nobody; where
there is no room for another, who has kept it waiting for longest goes. TLS, and what a proxy is
told, come before the requests of a connection, in its own thread.
"""

from __future__ import annotations

import errno
import logging
import math
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from ipaddress import ip_address
from selectors import EVENT_READ, BaseSelector, DefaultSelector, SelectorKey
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from oscp_sim.faults.answers import is_reset
from oscp_sim.faults.strikes import Faults
from oscp_sim.faults.wire import Spoilt, play, reset_when_closed
from oscp_sim.http import LONGEST_BODY, Flaw, Headers, Request, Response, respond

if TYPE_CHECKING:
    from ssl import SSLContext, SSLSocket

try:
    import resource
except ImportError:
    # Windows has none, and no such limit either.
    resource = None  # type: ignore[assignment]

_LOG = logging.getLogger(__name__)

_PIECE: Final = 65_536
_WAITING_CONNECTIONS: Final = 1024
# With more, those that wait for their clients make room; half of what may be open is for others.
_MOST_CONNECTIONS: Final = 2000
# However late an answer is, a client is not kept waiting for longer; in seconds, as the next three.
_LONGEST_WAIT: Final = 60.0
_LONGEST_PARTING: Final = 0.5
# How long more of a refused request is waited for, so that its sender can read the refusal.
_LONGEST_FAREWELL: Final = 2.0
_MOST_LATE: Final = 1000
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# How long nothing may come to, or from, a server elsewhere.
_LONGEST_QUIET: Final = 600.0
# As much goes into one record of TLS; and a moment, in which what is over time is ended.
_RECORD: Final = 16_384
_INSTANT: Final = 1e-6
_FIRST_OF_TLS: Final = b"\x16"
_BODILESS: Final = frozenset({204, 304})
#: Said to a client that waits for it before it sends a body.
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class PortUnavailable(Exception):
    """Raised when nothing can listen where it should; its text says why and what to do."""


class Limits(NamedTuple):
    """How long each phase may take, and how much memory unfinished requests may.

    One that takes longer, in seconds, ends its connection.

    Attributes:
        idle: Until it begins.
        head: From its first byte to the end of its headers.
        body: From there to its end.
        answer: Until the answer is taken.
        bytes: Of all requests that are not whole yet; with more, the large one that began first
            goes.
    """

    idle: float = 75.0
    head: float = 20.0
    body: float = 60.0
    answer: float = 60.0
    bytes: int = 8 * LONGEST_BODY


_LIMITS: Final = Limits()


#: What comes before the requests of a connection; returns whether they shall be answered.
Entrance: TypeAlias = Callable[["Stream"], bool]
#: What is done before, and behind, each answer.
Attended: TypeAlias = Callable[[], AbstractContextManager[None]]


class Server:
    """Serves requests on a port until it is closed.

    Args:
        handle: Answers a request; called by many threads at once.
        host: Where to listen: an address or name of this machine.
        port: Where to listen; 0 takes a free one.
        limits: What is too slow, or too much.
        faults: What shall go wrong before a request is read.
        tls: With what connections are encrypted; not at all where not given.
        entrance: What comes first on each connection.
        attended: In what context a request is answered, by the thread that serves its connection.

    Attributes:
        url: The base URL; where it listens at all addresses, that for this machine's programs.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
    """

    def __init__(
        self,
        handle: Callable[[Request], Response],
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = _LIMITS,
        *,
        faults: Faults | None = None,
        tls: SSLContext | None = None,
        entrance: Entrance | None = None,
        attended: Attended = nullcontext,
    ) -> None:
        self._handle = handle
        self._attended = attended
        self._limits = limits
        self._faults = faults
        self._listener = _listener(host, port)
        self.url = _url(host, self._listener, "http" if tls is None else "https")
        self._entrance = entrance if tls is None else partial(_by_tls, tls)
        self._place = self._listener.getsockname()[:2]
        self._closed_until = 0.0
        self._changed = threading.Event()
        self._listens = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[Stream, threading.Thread] = {}
        self._held = 0
        # The threads of answers that are, or were, late; a few of the newest are enough to join.
        self._late: deque[threading.Thread] = deque(maxlen=_MOST_LATE)
        self._thread = threading.Thread(target=self._accept, name="server", daemon=True)
        self._listens.set()
        if faults is not None:
            faults.add_port(self.listen_after)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and let go of every connection."""
        self._closing.set()
        self._changed.set()
        if self._faults is not None:
            self._faults.remove_port(self.listen_after)
        # Wakes the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        # It may have been opened again meanwhile.
        self._listener.close()
        with self._lock:
            streams = tuple(self._open)
        for each in streams:
            each.end(socket.SHUT_RD)
        until = time.monotonic() + _LONGEST_PARTING
        for late in self._late:
            late.join(max(0.0, until - time.monotonic()))

    def answer_by(
        self,
        handle: Callable[[Request], Response],
        faults: Faults | None = None,
        attended: Attended = nullcontext,
    ) -> None:
        """Let others answer from the next request on, at the same address.

        It listens again, if the faults so far have it closed and those that follow do not.
        """
        if self._faults is not None:
            self._faults.remove_port(self.listen_after)
        self._handle, self._faults, self._attended = handle, faults, attended
        if faults is None:
            self.listen_after(0)
        else:
            faults.add_port(self.listen_after)
        if not self._is_closed():
            self._listens.wait(_LONGEST_PARTING)

    def listen_after(self, seconds: float) -> None:
        """Let nobody connect for so many seconds: the port is closed, and who waits is let go."""
        self._closed_until = time.monotonic() + seconds
        self._changed.set()
        if not seconds:
            return
        self._listens.clear()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            idle = [each for each in self._open if each.since != math.inf]
        for each in idle:
            each.end(socket.SHUT_RDWR)

    def _is_closed(self) -> bool:
        return time.monotonic() < self._closed_until

    def _listen_again(self) -> None:
        """Wait until the time has come, and listen at the same port again."""
        while not self._closing.is_set():
            left = self._closed_until - time.monotonic()
            if left > 0:
                self._changed.wait(left)
                self._changed.clear()
                continue
            try:
                self._listener = _listener(*self._place)
            except PortUnavailable as error:
                # Somebody else has taken it meanwhile.
                _LOG.warning("%s", error)
                self._closing.wait(_LONGEST_PARTING)
            else:
                self._listens.set()
                return

    def _wait_for(self, seconds: float) -> None:
        """Let an answer be late; when the server closes, it goes out at once."""
        with self._lock:
            self._late.append(threading.current_thread())
        self._closing.wait(min(seconds, _LONGEST_WAIT))

    def _accept(self) -> None:
        most = _most_connections()
        while not self._closing.is_set():
            try:
                connection, address = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                if self._listener.fileno() < 0:
                    self._listen_again()
                elif error.errno in _NO_ROOM and not self._make_room():
                    self._closing.wait(_LONGEST_PARTING)
                continue
            if len(self._open) >= most:
                self._make_room()
            self._begin(Stream(connection, self._limits, self._hold), address[0])

    def _begin(self, stream: Stream, client: str) -> None:
        """Give a connection a thread of its own, or end it where there is none to be had."""
        while not self._closing.is_set():
            thread = threading.Thread(
                target=self._serve, args=(stream, client), name="connection", daemon=True
            )
            with self._lock:
                self._open[stream] = thread
            try:
                return thread.start()
            except RuntimeError:
                self._forget(stream)
                if not self._make_room():
                    break
        return stream.close()

    def _hold(self, stream: Stream, more: int) -> None:
        """Make a note that a connection holds more of a request, or less; see to the memory."""
        with self._lock:
            stream.held += more
            self._held += more
            is_too_much = more > 0 and self._held > self._limits.bytes
        if is_too_much:
            self._make_room(_PIECE)

    def _make_room(self, least: int = 0) -> bool:
        """End the connection that has waited for its client for longest; return whether one has.

        Of those alone that hold so many bytes.
        """
        with self._lock:
            waiting = [each for each in self._open.items() if each[0].held >= least]
            stream, thread = min(waiting, key=lambda each: each[0].since, default=(None, None))
        if stream is None or thread is None or stream.since == math.inf:
            return False
        stream.end(socket.SHUT_RDWR)
        if thread is not threading.current_thread():
            thread.join(_LONGEST_PARTING)
        return True

    def _serve(self, stream: Stream, client: str) -> None:
        try:
            if self._entrance is None or self._entrance(stream):
                self._converse(stream, client)
        except OSError as error:
            _LOG.debug("a connection from %s ended: %s", client, error)
        except Exception:  # noqa: BLE001 - the other connections go on
            _LOG.exception("a connection from %s failed", client)
        finally:
            stream.close()
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        with self._lock:
            self._open.pop(stream, None)
            self._held -= stream.held
            stream.held = 0

    def _converse(self, stream: Stream, client: str) -> None:
        """Answer the requests of one connection, one after the other."""
        # It may have come just before the port was closed, which has not seen it then.
        stays = not (self._closed_until and self._is_closed())
        while stays and stream.goes_on():
            received = _received(stream, client, self._faults)
            if received is None or (self._closed_until and self._is_closed()):
                return stream.reset()
            request, stays = received
            stays = stays and not stream.has_one_request
            stream.is_whole()
            with self._attended():
                response = self._handle(request)
                # What it leaves to be done waits neither for time nor for the client.
                is_begun = not response.after and not isinstance(response, Spoilt)
                if is_begun:
                    stays = self._begin_answer(stream, response, stays=stays)
            if response.after:
                self._wait_for(response.after)
            if isinstance(response, Spoilt):
                return self._spoil(stream, response)
            if not is_begun:
                stays = self._begin_answer(stream, response, stays=stays)
            stream.finish()
        if not stays:
            stream.take_leave()
        return None

    def _begin_answer(self, stream: Stream, response: Response, *, stays: bool) -> bool:
        """Begin to send an answer; return whether another request may follow."""
        stays = stays and not (self._closed_until and self._is_closed())
        stream.begin(written(response, stays=stays))
        return stays

    def _spoil(self, stream: Stream, response: Spoilt) -> None:
        """Answer as a fault says, and let the connection end."""
        with self._lock:
            self._late.append(threading.current_thread())
        if play(response, written(response, stays=False), stream, self._closing):
            stream.take_leave()


def _by_tls(context: SSLContext, stream: Stream) -> bool:
    """Let a connection begin with TLS; say so to who speaks plainly, as programs show it."""
    if stream.begins_tls():
        stream.secure(context)
        return True
    refuse(stream, 400, "this port speaks TLS: write https:// in place of http://")
    return False


def refuse(stream: Stream, status: int, why: str) -> None:
    """Say why nobody answers the requests of a connection, in the phrase beside the status, too.

    Of what a proxy answers, most programs show that alone.
    """
    response = respond(status, f"oscp-sim: {why}\n".encode(), "text/plain;charset=utf-8")
    phrase = why.encode("ascii", "replace").decode()
    stream.answer(written(replace(response, reason=phrase), stays=False))
    stream.take_leave()


def allow_connections() -> None:
    """Let this process have as many files open as all connections and others need, if it may."""
    if resource:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * _MOST_CONNECTIONS if hard < 0 else min(2 * _MOST_CONNECTIONS, hard)
        if 0 <= soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _most_connections() -> int:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else -1
    return _MOST_CONNECTIONS if files < 0 else min(_MOST_CONNECTIONS, files // 2)


class _Incoming:
    """What comes of a request, and is cut up as it is read."""

    def __init__(self) -> None:
        self._data = bytearray()

    def expect_body(self) -> None:
        """Begin to wait for the body."""

    def say(self, data: bytes) -> None:
        """Send something between requests."""
        raise NotImplementedError

    def begins_with(self, expression: re.Pattern[bytes]) -> bool:
        """Return whether what has come begins so."""
        return expression.match(self._data) is not None

    def has_more(self) -> bool:
        """Return whether something has come that was not taken yet."""
        return bool(self._data)

    def until(self, end: re.Pattern[bytes], most: int) -> bytes | None:
        """Take all up to and with an end; None where there is none within so many bytes."""
        start = 0
        while not (found := end.search(self._data, start)):
            if len(self._data) > most:
                return None
            start = max(0, len(self._data) - _LONGEST_END)
            self._need()
        return self.take(found.end())

    def take(self, length: int) -> bytes:
        """Take so many bytes."""
        while len(self._data) < length:
            self._need()
        taken = bytes(self._data[:length])
        del self._data[:length]
        return taken

    def _need(self) -> None:
        if not self._reads():
            raise ConnectionError("the other side went away in the middle of a request")

    def _reads(self) -> bool:
        """Return whether more has come."""
        raise NotImplementedError


class Stream(_Incoming):
    """What comes over a connection; a sender who is gone before its end is a `ConnectionError`.

    Attributes:
        since: When it began to wait for its client; infinite from a whole request to its answer.
        has_one_request: Whether it ends with the answer to its first request.
        held: How many bytes of an unfinished request it has; `hold` is told of more and less.
    """

    def __init__(
        self, connection: socket.socket, limits: Limits, hold: Callable[[Stream, int], None]
    ) -> None:
        super().__init__()
        self._connection = connection
        self._tls: SSLSocket | None = None
        self._other: socket.socket | None = None
        self._is_ended = False
        self._unsent = b""
        self._limits = limits
        self._hold = hold
        self.has_one_request = False
        self.held = 0
        self._allow(limits.idle)

    def begins_tls(self) -> bool:
        """Wait for the first byte of what comes next; return whether it is the first one of TLS."""
        first = bytes(self._data[:1])
        if not first:
            self._allow(self._limits.idle)
            self._connection.settimeout(self._limits.idle)
            first = self._connection.recv(1, socket.MSG_PEEK)
            if not first:
                raise ConnectionError("the other side went away before it said anything")
        return first == _FIRST_OF_TLS

    def secure(self, context: SSLContext) -> None:
        """Shake hands by TLS, within the time that the headers of a request may take.

        Raises:
            OSError: It came to nothing.
        """
        if self._data:
            raise ConnectionError("TLS began before there was anybody to speak it with")
        self._allow(self._limits.head)
        self._tls = self._connection = context.wrap_socket(
            self._connection, server_side=True, do_handshake_on_connect=False
        )
        if self._is_ended:
            raise ConnectionError("it was ended meanwhile")
        self._tls.settimeout(self._limits.head)
        self._tls.do_handshake()

    def goes_on(self) -> bool:
        """Wait for the next request; return whether any comes."""
        self._allow(self._limits.idle)
        while not self._skip_lines():
            self._let_go()
            if not self._reads():
                return False
        self._allow(self._limits.head)
        return True

    def is_whole(self) -> None:
        """Note that its request is whole: until it is answered, it is ended for no other one."""
        self.since = math.inf
        self._let_go()

    def expect_body(self) -> None:
        """Begin to wait for the body."""
        self._allow(self._limits.body)

    def say(self, data: bytes) -> None:
        """Send something between requests."""
        self._connection.settimeout(self._limits.answer)
        self._connection.sendall(data)

    def answer(self, data: bytes) -> None:
        """Send an answer."""
        self.begin(data)
        self.finish()

    def begin(self, data: bytes) -> None:
        """Send as much of an answer as is taken at once."""
        self._connection.settimeout(0)
        sent, size = 0, self._piece(data)
        # What is wrong is so again where the rest is sent.
        with suppress(OSError):
            while sent < len(data):
                sent += self._connection.send(memoryview(data)[sent : sent + size])
        self._unsent = data[sent:]

    def finish(self) -> None:
        """Send the rest of the answer that has begun."""
        data, self._unsent = self._unsent, b""
        # Of all of it: how much is taken at a time does not count.
        until, size = time.monotonic() + self._limits.answer, self._piece(data)
        for start in range(0, len(data), size):
            self._connection.settimeout(max(_INSTANT, until - time.monotonic()))
            self._connection.sendall(memoryview(data)[start : start + size])

    def _piece(self, data: bytes) -> int:
        """Return how much is sent at a time."""
        return _RECORD if self._tls else max(1, len(data))

    def reset(self) -> None:
        """Let the connection end with a reset, once it is closed."""
        reset_when_closed(self._connection)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the other side is gone, at most so long."""
        self._allow(seconds)
        with suppress(TimeoutError):
            while self._reads():
                self._data.clear()

    def take_leave(self) -> None:
        """Read what is still being sent: closing at once would take the answer from its reader."""
        self._allow(_LONGEST_WAIT)
        if self._tls is not None:
            # Says that this is all, and does not wait for the other side to say so, too.
            self._tls.settimeout(0)
            with suppress(OSError):
                self._tls.unwrap()
        socket.socket.shutdown(self._connection, socket.SHUT_WR)
        self._connection.settimeout(_LONGEST_FAREWELL)
        while time.monotonic() < self._until and socket.socket.recv(self._connection, _PIECE):
            pass

    def end(self, how: int) -> None:
        """Let nothing more be read, or written either."""
        self._is_ended = True
        for each in (self._connection, self._other):
            if each is not None:
                with suppress(OSError):
                    # Not that of TLS, behind which an answer under way would go out as plain text.
                    socket.socket.shutdown(each, how)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def head(self) -> bytes:
        """Return the head of the request that has begun, if it is one, and leave it there."""
        is_text = self.begins_with(_METHOD)
        head = (is_text and self.until(_END_OF_HEAD, _LONGEST_HEAD)) or b""
        self._data[:0] = head
        return head

    def join(self, other: socket.socket) -> None:
        """Carry all that comes to another connection and back, until both sides have ended.

        Or one of them is gone, or nothing comes for long.
        """
        self._other = other
        other.settimeout(self._limits.answer)
        self._connection.settimeout(self._limits.answer)
        other.sendall(self.take(len(self._data)))
        with DefaultSelector() as ready:
            ready.register(other, EVENT_READ, self._connection)
            ready.register(self._connection, EVENT_READ, other)
            while ready.get_map():
                self._allow(_LONGEST_QUIET)
                events = ready.select(_LONGEST_QUIET)
                if not events or self._is_ended:
                    return
                for key, _ in events:
                    self._carry(key, ready)

    @staticmethod
    def _carry(key: SelectorKey, ready: BaseSelector) -> None:
        """Carry what has come from one side to the other, or that no more will."""
        source: socket.socket = key.fileobj  # type: ignore[assignment] # they were registered
        target: socket.socket = key.data
        if data := source.recv(_PIECE):
            target.sendall(data)
            return
        ready.unregister(source)
        target.shutdown(socket.SHUT_WR)

    def _allow(self, seconds: float) -> None:
        self.since = time.monotonic()
        self._until = self.since + seconds

    def _let_go(self) -> None:
        self._hold(self, len(self._data) - self.held)

    def _skip_lines(self) -> bool:
        """Leave out the empty lines before a request; return whether it has begun."""
        self._data = self._data.lstrip(b"\r\n")
        return bool(self._data)

    def _reads(self) -> bool:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request did not come in time")
        self._connection.settimeout(left)
        data = self._connection.recv(_PIECE)
        self._data += data
        self._hold(self, len(data))
        return bool(data)


_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_END_OF_LINE: Final = re.compile(rb"\r?\n")
_LONGEST_END: Final = 4
# No party reads as much; without an end until there it is no request.
_LONGEST_HEAD: Final = 131_072
_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~\w-]+) +(\S+) +(HTTP/\d\.\d)", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}")
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~\w-]")
_NO_REQUEST: Final = Flaw(400, "what came is no HTTP request")


def _received(stream: _Incoming, client: str, faults: Faults | None) -> tuple[Request, bool] | None:
    """Return the next request, and whether another one may follow on its connection.

    None where the connection shall be reset before its body is read: its head says who it is for.
    """
    is_text = stream.begins_with(_METHOD)
    head = (is_text and stream.until(_END_OF_HEAD, _LONGEST_HEAD)) or b""
    first, *lines = re.split("\r?\n", head.decode("latin-1").strip("\r\n"))
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        return Request("GET", "/", client=client, flaw=_NO_REQUEST), False
    method, target, version = line.groups()
    headers = tuple(_header(each) for each in lines)
    flaw = _flaw(target, version, headers)
    body: bytes | None = b""
    is_asked = faults is not None and bool(faults.rules) and flaw is None
    if faults is not None and is_asked:
        told = Request(method, _origin_form(target), headers, client=client)
        if is_reset(faults, told):
            return None
    if flaw is None:
        stream.expect_body()
        try:
            body = _body(stream, headers)
        except ValueError:
            flaw = Flaw(400, "the chunks of the body do not begin with their lengths")
    request = Request(
        method, _origin_form(target), headers, body, client, flaw=flaw, is_let_in=is_asked
    )
    return request, flaw is None and body is not None and _stays(version, headers)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    return (name.lower(), value.strip(" \t")) if colon else (f"{line} ", "")


def _stays(version: str, headers: Headers) -> bool:
    wanted = ",".join(value for name, value in headers if name == "connection").lower()
    return "keep-alive" in wanted if version == "HTTP/1.0" else "close" not in wanted


def _flaw(target: str, version: str, headers: Headers) -> Flaw | None:
    """Return why a request cannot be read, whoever it is for, or None (measured)."""
    named = [name for name, _ in headers]
    hosts = [value.lower() for name, value in headers if name == "host"]
    authority = "" if target.startswith("/") else re.split("[/?]", target.partition("://")[2])[0]
    if version not in {"HTTP/1.0", "HTTP/1.1"}:
        return Flaw(505, f"HTTP/1.1 is spoken here, not {version}")
    if len(hosts) != 1 and (hosts or version == "HTTP/1.1"):
        return Flaw(400, f"a request has one Host header, and this has {len(hosts) or 'none'}")
    if authority and authority.rpartition("@")[2].lower() not in hosts:
        return Flaw(400, "the request is addressed to another host than its Host header says")
    if "transfer-encoding" in named:
        codings = [value for name, value in headers if name == "transfer-encoding"]
        if [each.lower() for each in codings] != ["chunked"]:
            return Flaw(501, f"the only Transfer-Encoding is chunked, not {', '.join(codings)}")
    elif "content-length" in named:
        lengths = [value for name, value in headers if name == "content-length"]
        if len(lengths) > 1 or not _WHOLE.fullmatch(lengths[0]):
            return Flaw(400, "Content-Length is not one whole number of 64 bits")
    return None


def _body(stream: _Incoming, headers: Headers) -> bytes | None:
    """Return the body, or None where it is over the limit, or says so: it is not read on then.

    Raises:
        ValueError: It is in chunks, but not as HTTP has them.
    """
    named = dict(headers)
    is_chunked = "transfer-encoding" in named
    length = 0 if is_chunked else int(named.get("content-length", "0"))
    if length > LONGEST_BODY:
        return None
    waits = "100-continue" in named.get("expect", "").lower() and (is_chunked or length)
    if waits and not stream.has_more():
        stream.say(CONTINUE)
    return _of_chunks(stream) if is_chunked else stream.take(length)


def _of_chunks(stream: _Incoming) -> bytes | None:
    """Return what all chunks hold; what comes behind them are no headers of the request."""
    body = bytearray()
    while length := _length_of_chunk(stream):
        if len(body) + length > LONGEST_BODY:
            return None
        body += stream.take(length)
        if stream.until(_END_OF_LINE, 1) not in _EMPTY_LINES:
            raise ValueError("a chunk is longer than it says")
    while stream.until(_END_OF_LINE, _LONGEST_HEAD) not in {*_EMPTY_LINES, None}:
        pass
    return bytes(body)


def _length_of_chunk(stream: _Incoming) -> int:
    line = stream.until(_END_OF_LINE, _PIECE) or b""
    text = line.partition(b";")[0].strip()
    if not _LENGTH.fullmatch(text):
        raise ValueError("a chunk begins with its length")
    return int(text, 16)


class _Written(_Incoming):
    """What a client has written so far where there is no socket; reading beyond it is an error."""

    is_awaited = False

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data += data

    def say(self, data: bytes) -> None:
        """Note that the client waits to be told to go on."""
        self.is_awaited = bool(data)

    def _reads(self) -> bool:
        return False


class NotWhole(ConnectionError):
    """Raised for a request of which something is missing.

    Attributes:
        is_awaited: Whether its client waits for `CONTINUE` before it sends the rest.
    """

    def __init__(self, why: str, *, is_awaited: bool) -> None:
        super().__init__(why)
        self.is_awaited = is_awaited


def read_request(data: bytes, client: str = "127.0.0.1") -> Request:
    """Return the request that a client has written, as it would be read off a socket.

    Raises:
        NotWhole: There is more to come.
    """
    came = _Written(data)
    try:
        received = _received(came, client, None)
    except ConnectionError as error:
        raise NotWhole(str(error), is_awaited=came.is_awaited) from error
    if received is None:
        raise NotWhole("nothing has come", is_awaited=False)
    return received[0]


_EMPTY_LINES: Final = frozenset({b"\r\n", b"\n"})
_LENGTH: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")


def _origin_form(target: str) -> str:
    """Return the path and query of a target, which may be a whole URL, as to a proxy."""
    return target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]


def written(response: Response, *, stays: bool = True) -> bytes:
    """Return a response as it goes over the network.

    Args:
        response: The answer.
        stays: Whether the connection stays open behind it.
    """
    headers = list(response.headers)
    if response.status in _BODILESS:
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    elif response.header("content-length") is None:
        headers.append(("Content-Length", str(len(response.body))))
    headers.append(("Date", _date(int(time.time()))))
    if not stays:
        headers.append(("Connection", "close"))
    first = f"HTTP/1.1 {response.status} {response.phrase}"
    lines = [first, *map(": ".join, headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + response.body


def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _listener(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # Of a name with both, as localhost, the address that every client tries.
        family, _, _, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PortUnavailable(_why_not(host, port, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_WAITING_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise PortUnavailable(_why_not(host, port, error)) from error
    return listener


_OF_PORTS: Final = frozenset({errno.EADDRINUSE, errno.EACCES, errno.EPERM})


def _why_not(host: str, port: int, error: Exception) -> str:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    remedy = (
        "choose another with --port, or any free one with --port 0"
        if getattr(error, "errno", None) in _OF_PORTS
        else "give an address of this machine with --host, such as 127.0.0.1, or 0.0.0.0 for all"
    )
    return f"cannot listen on {host}:{port}: {reason}; {remedy}"


def _url(host: str, listener: socket.socket, scheme: str) -> str:
    """Return where a listener is reached: "all addresses" is none that can be called."""
    address, port = listener.getsockname()[:2]
    if ip_address(address.partition("%")[0]).is_unspecified:
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

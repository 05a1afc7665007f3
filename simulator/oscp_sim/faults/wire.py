"""How an answer goes wrong on a socket, and what a client library makes of it without one."""

from __future__ import annotations

import errno
import http.client
import io
import math
import os
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, Protocol, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from oscp_sim.http import Response

How = Literal["refused", "reset", "silent", "half", "closed", "slow", "garbage"]

_BODILESS: Final = frozenset({204, 304})
_END_OF_HEAD: Final = b"\r\n\r\n"
#: How long a socket is kept open on which no answer comes, in seconds.
LONGEST_SILENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Spoilt(Response):
    """An answer that goes wrong on its way.

    Attributes:
        how: `refused` (there is no connection at all) and `reset`: it is lost; `silent`: it never
            comes; `half`: it breaks off; `closed`: the connection ends behind it; `slow`: it comes
            byte by byte; `garbage`: its body is all that comes.
        rate: Of a slow one: bytes in a second.
    """

    how: How = "reset"
    rate: float = 100.0

    @classmethod
    def of(cls, response: Response, how: How, rate: float = 100.0) -> Self:
        """Return an answer that goes wrong so."""
        given = {each.name: getattr(response, each.name) for each in fields(Response)}
        return cls(**given, how=how, rate=rate)

    def written(self, whole: bytes) -> bytes:
        """Return the bytes that go out, of those of the whole answer."""
        if self.how == "garbage":
            return self.body
        if self.how != "half":
            return whole
        head = whole.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        return whole[: head + len(self.body) // 2] if self.body else whole[: head // 2]


def whole_but_late(response: Response) -> Spoilt:
    """Return an answer that is late, or never comes, as one that goes wrong so."""
    if response.after == math.inf:
        return Spoilt.of(replace(response, after=0.0), "silent")
    return Spoilt.of(response, "closed")


class Connection(Protocol):
    """What a server's connection has to be able to do here."""

    def say(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def reset(self) -> None:
        """Let the connection end with a reset, once it is closed."""
        ...

    def wait_for_end(self, seconds: float) -> None:
        """Wait until the other side is gone, at most so long."""
        ...


def play(spoilt: Spoilt, whole: bytes, connection: Connection, closing: threading.Event) -> bool:
    """Send an answer as it goes wrong; return whether the connection is to end in order."""
    if spoilt.how in {"reset", "refused"}:
        connection.reset()
        return False
    if spoilt.how == "silent":
        connection.wait_for_end(LONGEST_SILENCE)
        return False
    if spoilt.how != "slow":
        connection.say(spoilt.written(whole))
        return True
    for at in range(len(whole)):
        connection.say(whole[at : at + 1])
        closing.wait(min(1 / spoilt.rate, LONGEST_SILENCE))
    return True


def reset_when_closed(connection: socket.socket) -> None:
    """Let a socket end with a reset rather than in order, once it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# What urllib3, below `requests` and below the Flexibility Provider's client here, makes of it.


def seconds_of(spoilt: Spoilt, patience: float | None) -> float:
    """Return how long a client waits for such an answer, by its patience between two bytes."""
    if spoilt.how == "refused":
        return 0.0
    if patience is not None and spoilt.after >= patience:
        return patience
    if spoilt.how == "silent":
        return LONGEST_SILENCE if patience is None else patience
    # Over the network, nobody is kept waiting for longer.
    after = min(spoilt.after, LONGEST_SILENCE) if patience is None else spoilt.after
    if spoilt.how != "slow":
        return after
    if patience is not None and 1 / spoilt.rate > patience:
        return after + patience
    return after + len(_whole(spoilt)) / spoilt.rate


def error_of(spoilt: Spoilt, patience: float | None) -> type[OSError] | None:
    """Return the error of the socket to which such an answer leads; None: bytes come, or an end."""
    if spoilt.how == "refused":
        return ConnectionRefusedError
    if patience is not None:
        is_too_slow = spoilt.how == "slow" and 1 / spoilt.rate > patience
        if is_too_slow or spoilt.after >= patience or spoilt.how == "silent":
            return TimeoutError
    return ConnectionResetError if spoilt.how == "reset" else None


def through_urllib3(
    spoilt: Spoilt, method: str, url: str, patience: float | None
) -> urllib3.HTTPResponse:
    """Return the response that urllib3 makes of an answer that goes wrong.

    The client waits so many seconds for a byte; without any patience given, as long as it takes.

    Raises:
        HTTPError: What urllib3 raises.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "localhost", parts.port)
    pool = urllib3.HTTPConnectionPool(parts.hostname or "localhost", parts.port)
    if spoilt.how == "refused":
        refused = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        text = f"Failed to establish a new connection: {refused}"
        new = NewConnectionError(connection, text)
        new.__cause__ = refused
        raise MaxRetryError(pool, url, new) from new
    error = error_of(spoilt, patience)
    if error is TimeoutError:
        raise ReadTimeoutError(pool, url, f"Read timed out. (read timeout={patience})")
    if error is ConnectionResetError:
        reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        raise ProtocolError("Connection aborted.", reset)
    raw = b"" if spoilt.how == "silent" else spoilt.written(_whole(spoilt))
    return _read(raw, method)


def _read(raw: bytes, method: str) -> urllib3.HTTPResponse:
    """Return the response in the bytes of a connection that was closed behind them."""
    got = http.client.HTTPResponse(_Bytes(raw), method=method)  # type: ignore[arg-type] # it is read from alone
    try:
        got.begin()
    except (http.client.HTTPException, OSError) as error:
        raise ProtocolError("Connection aborted.", error) from error
    return urllib3.HTTPResponse(
        got,
        urllib3.HTTPHeaderDict(got.msg.items()),
        got.status,
        got.version,
        reason=got.reason,
        preload_content=False,
        original_response=got,
        request_method=method,
    )


class _Bytes:
    """What a socket would bring."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return it as a file."""
        return io.BytesIO(self._raw)


def _whole(response: Response) -> bytes:
    """Return the bytes of an answer."""
    head = "\r\n".join([*_lines(response), "", ""]).encode("latin-1", "replace")
    return head + response.body


def _lines(response: Response) -> Iterator[str]:
    yield f"HTTP/1.1 {response.status} {response.phrase}"
    has_length = response.header("content-length") is not None
    for name, value in response.headers:
        yield f"{name}: {value}"
    if not has_length and response.status not in _BODILESS:
        yield f"Content-Length: {len(response.body)}"
    yield "Connection: close"

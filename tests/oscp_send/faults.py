"""What can go wrong between the sender and SolarUser, on real sockets: the table of faults.

`python -m tests.docs` writes it into docs/faults.md, with what the sender said of each.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

Says = Literal["sent", "not sent", "not queued", "unknown"]
Play = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: For people.
        play: What a server does with a connection; None where nobody listens.
        says: What the sender says: that it was queued, that it was certainly not sent, that it was
            sent and certainly not queued, or that it is not known.
        tls: Whether the connection is to be one of TLS.
        proxy: Whether the server is a proxy before the real one.
    """

    name: str
    play: Play | None
    says: Says
    tls: Literal["no", "trusted", "untrusted", "claimed"] = "no"
    proxy: bool = False


def read_request(connection: socket.socket) -> bytes:
    """Return a whole request, or what came of it."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(65536)
        if not piece:
            return raw
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class Listener:
    """Takes connections on a port that the system chose, and remembers the whole requests.

    Args:
        play: What is done with each connection once its request was read, or at once.
        context: Makes the connections ones of TLS.
        reads: Whether the request is read first.
    """

    def __init__(
        self, play: Play, *, context: ssl.SSLContext | None = None, reads: bool = True
    ) -> None:
        self._play, self._context, self._reads = play, context, reads
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    self._serve(connection)
                except OSError:
                    continue

    def _serve(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            if self._reads:
                self.requests.append(read_request(connection))
            self._play(connection)

    def close(self) -> None:
        """Take no more."""
        # Wakes accept, which closing alone does not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@contextmanager
def listening(
    play: Play, *, context: ssl.SSLContext | None = None, reads: bool = True
) -> Iterator[Listener]:
    """Listen while the block runs."""
    listener = Listener(play, context=context, reads=reads)
    try:
        yield listener
    finally:
        listener.close()


# What SolarUser answers, and what others do.

_QUEUED: Final = {"id": 1, "nodeId": 101, "topic": "OSCP_v20", "state": "Queuing"}
_OWN: Final = {"success": False, "code": "VAL.00001", "message": "No."}
_PAGE: Final = b"<html><title>No</title></html>"


def answer(status: int, body: bytes = b"", content_type: str = "text/html", *headers: str) -> Play:
    """Return what answers a request with a status and a body."""
    head = [f"HTTP/1.1 {status} Because", f"Content-Type: {content_type}", *headers]
    head.append(f"Content-Length: {len(body)}")
    return _bytes("\r\n".join([*head, "", ""]).encode() + body)


def as_json(status: int, content: object) -> Play:
    """Return what answers with JSON, as SolarUser does."""
    return answer(status, json.dumps(content).encode(), "application/json")


def _bytes(raw: bytes) -> Play:
    def send(connection: socket.socket) -> None:
        connection.sendall(raw)

    return send


def _closed(_: socket.socket) -> None:
    """The connection ends."""


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _silent(connection: socket.socket) -> None:
    """Wait until the other side gives up."""
    while connection.recv(65536):
        pass


def _below_tls(connection: socket.socket) -> None:
    """Write bytes that are not TLS on a connection that is."""
    raw = socket.socket(fileno=connection.detach())
    raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    raw.close()


_WHOLE: Final = json.dumps({"success": True, "data": _QUEUED}).encode()
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _queued(**changes: object) -> Play:
    return as_json(200, {"success": True, "data": {**_QUEUED, **changes}})


_PARTS: Final = [{"name": "coId", "value": "8"}, {"name": "action", "value": "Handshake"}]
_PROXIED: Final = partial(Fault, proxy=True)

FAULTS: Final = (
    Fault("an answer of SolarUser's", _queued(), "sent"),
    # Before the request.
    Fault("nobody listens", None, "not sent"),
    _PROXIED("nobody listens at the proxy", None, "not sent"),
    _PROXIED("the proxy refuses to connect", answer(403), "not sent", tls="claimed"),
    _PROXIED("the proxy wants a password", answer(407), "not sent", tls="claimed"),
    _PROXIED("the proxy resets instead of connecting", _reset, "not sent", tls="claimed"),
    _PROXIED("the proxy closes instead of connecting", _closed, "not sent", tls="claimed"),
    Fault("the server does not speak TLS", answer(400), "not sent", tls="claimed"),
    Fault("the server closes while TLS is negotiated", _closed, "not sent", tls="claimed"),
    Fault("the server resets while TLS is negotiated", _reset, "not sent", tls="claimed"),
    Fault("the certificate is not trusted", _closed, "not sent", tls="untrusted"),
    # After it.
    Fault("closed without an answer", _closed, "unknown"),
    Fault("reset without an answer", _reset, "unknown"),
    Fault("no answer in time", _silent, "unknown"),
    Fault("half of a status line", _bytes(b"HTTP/1.1 2"), "unknown"),
    Fault("half of a head", _bytes(_HEAD), "unknown"),
    Fault("garbage", _bytes(b"\x00\x01 garbage\r\n\r\n"), "unknown"),
    Fault("half of an answer", _bytes(_HEAD + b"Content-Length: 99\r\n\r\n{"), "unknown"),
    Fault(
        "half of a chunked answer",
        _bytes(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"),
        "unknown",
    ),
    Fault(
        "a chunk that is none",
        _bytes(_HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        "unknown",
    ),
    Fault(
        "gzip that is none",
        _bytes(_HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
        "unknown",
    ),
    Fault(
        "an answer that is cut by its length",
        _bytes(_HEAD + b"Content-Length: 20\r\n\r\n" + _WHOLE),
        "unknown",
    ),
    Fault("100, and then nothing", _bytes(b"HTTP/1.1 100 Continue\r\n\r\n"), "unknown"),
    _PROXIED("the proxy closes without an answer", _closed, "unknown"),
    _PROXIED("the proxy resets without an answer", _reset, "unknown"),
    _PROXIED("the proxy cannot reach the server", answer(502, _PAGE), "unknown"),
    Fault("over TLS, closed without an answer", _closed, "unknown", tls="trusted"),
    Fault("over TLS, no answer in time", _silent, "unknown", tls="trusted"),
    Fault("over TLS, bytes that are not TLS", _below_tls, "unknown", tls="trusted"),
    Fault("over TLS, an answer of SolarUser's", _queued(), "sent", tls="trusted"),
    # Answers that are not SolarUser's.
    Fault("200, another node's instruction", _queued(nodeId=102), "unknown"),
    Fault("200, another topic's instruction", _queued(topic="Other"), "unknown"),
    Fault("200, other parameters", _queued(parameters=_PARTS), "unknown"),
    Fault("200, JSON with success false", as_json(200, _OWN), "unknown"),
    Fault("200, JSON of another form", as_json(200, {"ok": True}), "unknown"),
    Fault("200, success without data", as_json(200, {"success": True}), "unknown"),
    Fault("200, a list for one", as_json(200, {"success": True, "data": []}), "unknown"),
    *(
        Fault(
            f"{status}, {what}",
            answer(status, body, kind, "Location: https://other.example/"),
            "unknown",
        )
        for status in (200, 202, 204, 301, 302, 303, 307, 308)
        for what, body, kind in (("a page", _PAGE, "text/html"), ("no body", b"", "text/html"))
        if (status, body) != (204, _PAGE)
    ),
    *(
        Fault(f"{status}, {what}", play(status), "unknown")
        for status in (
            400,
            401,
            403,
            404,
            405,
            406,
            408,
            411,
            413,
            415,
            422,
            425,
            429,
            431,
            451,
            499,
        )
        for what, play in (
            ("a page", lambda status: answer(status, _PAGE)),
            ("no body", answer),
            ("JSON of another form", lambda status: as_json(status, {"error": "No."})),
        )
    ),
    *(
        Fault(f"{status}, SolarUser's own refusal", as_json(status, _OWN), "not queued")
        for status in (400, 401, 403, 404, 405, 413, 415, 422, 429)
    ),
    *(
        Fault(f"{status}, JSON as SolarUser's", as_json(status, _OWN), "unknown")
        for status in (408, 425, 499, 500, 502, 503, 504)
    ),
    *(
        Fault(f"{status}, a page", answer(status, _PAGE), "unknown")
        for status in (500, 502, 503, 504, 520, 599)
    ),
)

"""On a real socket: what is signed is what is sent, once, and what may have arrived is said."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from oscp_send.client import SolarUserClient
from oscp_send.errors import PossiblySent, Unreachable
from oscp_send.snws2 import canonical_request, signature, signing_key, string_to_sign
from oscp_send.transport import was_never_sent
from tests.oscp_send.sender_world import HANDSHAKE, NOW, SECRET, TO, accepting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 88\r\n\r\n"
    b'{"success":true,"data":{"id":1,"nodeId":101,"topic":"OSCP_v20","state":"Queuing"      }}'
)


class Listener:
    """Takes connections on a port that the system chose, and remembers each request's bytes."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
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
                self.requests.append(read_request(connection))
                self._answer(connection)

    def close(self) -> None:
        # Wakes accept, which closing alone does not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def read_request(connection: socket.socket) -> bytes:
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


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[Listener]:
    listener = Listener(answer)
    try:
        yield listener
    finally:
        listener.close()


def client_of(url: str, session: requests.Session | None = None) -> SolarUserClient:
    return SolarUserClient(
        url,
        "the-token",
        SECRET,
        session=session,
        timeout=5,
        clock=lambda: NOW,
        checker=accepting,
    )


def test_the_bytes_on_the_wire_verify() -> None:
    with listening(lambda connection: connection.sendall(OK)) as listener:
        with client_of(listener.url) as client:
            client.send("Handshake", HANDSHAKE, **TO)
        raw = listener.requests[0]
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name.lower(), value) for name, value in (line.split(":", 1) for line in lines)]
    header = dict(headers)["authorization"].strip()
    scheme, _, components = header.partition(" ")
    given = dict(component.split("=", 1) for component in components.split(","))
    canonical = canonical_request(
        method,
        target,
        "",
        headers,
        given["SignedHeaders"].split(";"),
        hashlib.sha256(body).hexdigest(),
    )
    assert scheme == "SNWS2"
    assert target == "/solaruser/api/v1/sec/instr/add/OSCP_v20"
    assert [value.strip() for name, value in headers if name == "host"] == [listener.url[7:]]
    assert given["Signature"] == signature(
        signing_key(SECRET, NOW.date()), string_to_sign(NOW, canonical)
    )


def refused_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_a_refused_connection_was_never_sent() -> None:
    with client_of(refused_port()) as client, pytest.raises(Unreachable) as caught:
        client.send("Handshake", HANDSHAKE, **TO)
    assert "refused" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)


def test_an_unknown_host_was_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with client_of("http://nowhere.example") as client, pytest.raises(Unreachable) as caught:
        client.send("Handshake", HANDSHAKE, **TO)
    assert "name is not known" in str(caught.value)


def test_a_connection_that_is_not_made_in_time_was_never_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", late)
    with client_of("http://127.0.0.1:9") as client, pytest.raises(Unreachable, match="in time"):
        client.send("Handshake", HANDSHAKE, **TO)


def test_https_to_a_server_of_plain_http_was_never_sent() -> None:
    def plain(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def first_bytes(connection: socket.socket) -> bytes:
        return connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                first_bytes(connection)
                plain(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with client_of(url) as client, pytest.raises(Unreachable):
            client.send("Handshake", HANDSHAKE, **TO)
        thread.join(10)


def broken_off(connection: socket.socket) -> None:
    connection.close()


def half_an_answer(connection: socket.socket) -> None:
    connection.sendall(OK[:-20])


def half_a_head(connection: socket.socket) -> None:
    connection.sendall(OK[:10])


@pytest.mark.parametrize("answer", [broken_off, half_an_answer, half_a_head])
def test_a_connection_lost_after_sending_is_possibly_sent_and_sent_once(
    answer: Callable[[socket.socket], None],
) -> None:
    with listening(answer) as listener:
        with client_of(listener.url) as client, pytest.raises(PossiblySent) as caught:
            client.send("Handshake", HANDSHAKE, **TO)
        assert len(listener.requests) == 1
    assert caught.value.instruction.node_id == 101
    assert caught.value.status == 0
    assert "was not sent again" in str(caught.value)


def test_an_answer_that_does_not_come_in_time_is_possibly_sent() -> None:
    done = threading.Event()
    with listening(lambda _: assert_set(done)) as listener:
        client = SolarUserClient(
            listener.url, "t", SECRET, timeout=(5, 0.05), checker=accepting, clock=lambda: NOW
        )
        with client, pytest.raises(PossiblySent, match="no answer came in time"):
            client.send("Handshake", HANDSHAKE, **TO)
        done.set()


def assert_set(event: threading.Event) -> None:
    assert event.wait(10)


def test_a_look_that_is_lost_is_unreachable() -> None:
    with (
        listening(broken_off) as listener,
        client_of(listener.url) as client,
        pytest.raises(Unreachable),
    ):
        client.view(1)


def test_what_was_handled_before_says_nothing_of_a_second_request() -> None:
    with (
        listening(broken_off) as listener,
        client_of(refused_port()) as nobody,
        client_of(listener.url) as client,
    ):
        try:
            nobody.send("Handshake", HANDSHAKE, **TO)
        except Unreachable:
            with pytest.raises(PossiblySent):
                client.send("Handshake", HANDSHAKE, **TO)
        assert len(listener.requests) == 1


@pytest.mark.parametrize(
    ("error", "never"),
    [
        (requests.ConnectionError("lost"), False),
        (requests.ReadTimeout("late"), False),
        (requests.ConnectTimeout("late"), True),
        (requests.exceptions.ProxyError("no"), True),
        (requests.exceptions.InvalidHeader("in the answer"), False),
        (requests.exceptions.ChunkedEncodingError("half"), False),
        (requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF occurred")), False),
        (requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "untrusted")), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_certainly_not_have_arrived(error: Exception, *, never: bool) -> None:
    assert was_never_sent(error) is never


def session_with(retry: Retry | int) -> requests.Session:
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


@pytest.mark.parametrize(
    "retry",
    [
        3,
        Retry(3),
        Retry(3, allowed_methods=None, other=0),
        Retry(3, allowed_methods={"POST"}, other=0),
        Retry(None, read=3),
    ],
    ids=["number", "default", "any-method", "post", "read"],
)
def test_a_session_that_may_repeat_a_post_is_refused(retry: Retry | int) -> None:
    with listening(broken_off) as listener:
        with session_with(retry) as session, pytest.raises(ValueError, match="twice"):
            client_of(listener.url, session).send("Handshake", HANDSHAKE, **TO)
        assert listener.requests == []


@pytest.mark.parametrize(
    "retry", [0, Retry(0), Retry(False), Retry(3, other=0)], ids=["none", "zero", "off", "connect"]
)
def test_a_session_that_never_repeats_a_post_is_used(retry: Retry | int) -> None:
    with listening(broken_off) as listener:
        with session_with(retry) as session, pytest.raises(PossiblySent):
            client_of(listener.url, session).send("Handshake", HANDSHAKE, **TO)
        assert len(listener.requests) == 1

"""On a real socket: what is signed is what is sent, once, and what may have arrived is said."""

from __future__ import annotations

import hashlib
import socket
import ssl

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from oscp_send.client import SolarUserClient
from oscp_send.errors import PossiblySent, Unreachable
from oscp_send.snws2 import canonical_request, signature, signing_key, string_to_sign
from oscp_send.transport import was_never_sent
from tests.oscp_send.faults import listening
from tests.oscp_send.sender_world import HANDSHAKE, NOW, SECRET, TO, accepting

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 88\r\n\r\n"
    b'{"success":true,"data":{"id":1,"nodeId":101,"topic":"OSCP_v20","state":"Queuing"      }}'
)


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


def test_what_was_lost_after_sending_says_what_was_sent() -> None:
    with listening(broken_off) as listener:
        with client_of(listener.url) as client, pytest.raises(PossiblySent) as caught:
            client.send("Handshake", HANDSHAKE, **TO)
        assert len(listener.requests) == 1
    assert caught.value.instruction.node_id == 101
    assert caught.value.status == 0
    assert "was not sent again" in str(caught.value)


def broken_off(connection: socket.socket) -> None:
    connection.close()


def test_a_look_that_is_lost_is_unreachable() -> None:
    with (
        listening(broken_off) as listener,
        client_of(listener.url) as client,
        pytest.raises(Unreachable),
    ):
        client.view(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_proxy_of_the_environment_is_not_asked_for_a_loopback_address(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(broken_off) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        port = refused_port().rpartition(":")[2]
        with client_of(f"http://{host}:{port}") as client, pytest.raises(Unreachable):
            client.send("Handshake", HANDSHAKE, **TO)
        assert proxy.requests == []
        with client_of("http://solar.example") as client, pytest.raises(PossiblySent):
            client.send("Handshake", HANDSHAKE, **TO)
        assert len(proxy.requests) == 1


def test_a_proxy_of_the_session_is_asked_for_any_address() -> None:
    with listening(broken_off) as proxy, requests.Session() as session:
        session.proxies = {"http": proxy.url}
        with pytest.raises(PossiblySent):
            client_of(refused_port(), session).send("Handshake", HANDSHAKE, **TO)
        assert len(proxy.requests) == 1


def test_a_socks_proxy_without_its_package_says_which() -> None:
    with requests.Session() as session:
        session.proxies = {"http": "socks5://127.0.0.1:9"}
        with pytest.raises(Unreachable, match=r"pip install 'requests\[socks\]'"):
            client_of("http://solar.example", session).send("Handshake", HANDSHAKE, **TO)


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
        (requests.exceptions.ProxyError("no"), False),
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

"""On a real socket: what is signed is what is sent, once, and what may have arrived is said."""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
from typing import Any, TypeVar

import pytest
import requests
import responses
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import Retry

from oscp_send.client import SolarUserClient, was_never_sent
from oscp_send.errors import PossiblySent, Unreachable
from oscp_send.snws2 import canonical_request, signature, signing_key, string_to_sign
from tests.oscp_send.faults import listening
from tests.oscp_send.sender_world import (
    ADD,
    BASE,
    HANDSHAKE,
    NOW,
    SECRET,
    TO,
    VIEW,
    accepting,
    reply,
)

CHECK = "Check the base URL, the network, and proxies on the way."
LOOK = f"A look changes nothing, and may be repeated. {CHECK}"
OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 88\r\n\r\n"
    b'{"success":true,"data":{"id":1,"nodeId":101,"topic":"OSCP_v20","state":"Queuing"      }}'
)


def client_of(
    url: str, session: requests.Session | None = None, timeout: float | tuple[float, float] = 5
) -> SolarUserClient:
    return SolarUserClient(
        url,
        "the-token",
        SECRET,
        session=session,
        timeout=timeout,
        clock=lambda: NOW,
        checker=accepting,
    )


E = TypeVar("E", bound=Exception)


def failing(kind: type[E], url: str, session: requests.Session | None = None) -> E:
    """Return what sending raises."""
    with client_of(url, session) as client, pytest.raises(kind) as caught:
        client.send("Handshake", HANDSHAKE, **TO)
    return caught.value


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
    error = failing(Unreachable, refused_port())
    assert (
        str(error)
        == f"SolarUser could not be reached: connection refused\nNothing was sent. {CHECK}"
    )
    assert isinstance(error.__cause__, requests.ConnectionError)
    assert "hunter2" not in str(error) + repr(error.__cause__)


def test_an_unknown_host_was_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "name is not known" in str(failing(Unreachable, "http://nowhere.example"))


def test_a_connection_that_is_not_made_in_time_was_never_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", late)
    assert "in time" in str(failing(Unreachable, "http://127.0.0.1:9"))


def test_what_was_lost_after_sending_says_what_was_sent() -> None:
    with listening(broken_off) as listener:
        error = failing(PossiblySent, listener.url)
        assert len(listener.requests) == 1
    assert error.instruction.node_id == 101
    assert error.status == 0
    assert error.reason == "the exchange failed (RemoteDisconnected)"
    assert "was not sent again" in str(error)


def broken_off(connection: socket.socket) -> None:
    connection.close()


def test_a_look_that_is_lost_is_unreachable() -> None:
    with (
        listening(broken_off) as listener,
        client_of(listener.url) as client,
        pytest.raises(Unreachable) as caught,
    ):
        client.view(1)
    assert caught.value.reason == "the exchange failed (RemoteDisconnected)"
    assert caught.value.hint == LOOK


@pytest.mark.parametrize("patience", [None, (5, None)])
def test_a_client_may_wait_without_end(patience: Any) -> None:  # noqa: ANN401 - as requests has it
    with (
        listening(lambda connection: connection.sendall(OK)) as listener,
        client_of(listener.url, timeout=patience) as client,
    ):
        assert client.send("Handshake", HANDSHAKE, **TO).state == "Queuing"


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side has had enough


def test_of_a_look_that_takes_too_long_nobody_says_that_nothing_was_sent() -> None:
    with (
        listening(silent) as listener,
        client_of(listener.url, timeout=0.1) as client,
        pytest.raises(Unreachable) as caught,
    ):
        client.list(ids=[1, 2])
    assert str(caught.value) == (f"SolarUser could not be reached: no answer came in time\n{LOOK}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_proxy_of_the_environment_is_not_asked_for_a_loopback_address(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(broken_off) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        port = refused_port().rpartition(":")[2]
        failing(Unreachable, f"http://{host}:{port}")
        assert proxy.requests == []
        failing(PossiblySent, "http://solar.example")
        assert len(proxy.requests) == 1


def test_a_proxy_of_the_session_is_asked_for_any_address() -> None:
    with listening(broken_off) as proxy, requests.Session() as session:
        session.proxies = {"http": proxy.url}
        failing(PossiblySent, refused_port(), session)
        assert len(proxy.requests) == 1


def test_a_proxy_that_does_not_connect_was_sent_nothing() -> None:
    with listening(broken_off) as proxy, requests.Session() as session:
        session.proxies = {"https": proxy.url}
        error = failing(Unreachable, "https://solar.example", session)
    assert "reached: the exchange failed" in str(error)


def test_a_socks_proxy_without_its_package_says_which() -> None:
    with requests.Session() as session:
        session.proxies = {"http": "socks5://127.0.0.1:9"}
        reason = failing(Unreachable, "http://solar.example", session).reason
    assert reason == "a SOCKS proxy needs one package more: pip install 'requests[socks]'"


@pytest.mark.parametrize(("url", "kind"), [("http://.x", "URL"), ("http://x", "Schema")])
def test_an_address_that_cannot_be_used_was_never_asked(url: str, kind: str) -> None:
    with requests.Session() as session:
        session.adapters.clear()
        client = client_of(url, session)
        with pytest.raises(Unreachable) as caught:
            client.view(1)
        assert caught.value.reason == f"the exchange failed (Invalid{kind})"
        assert caught.value.hint == LOOK
        with pytest.raises(Unreachable, match=f"Nothing was sent. {CHECK}"):
            client.send("Handshake", HANDSHAKE, **TO)


def test_what_cannot_be_prepared_was_not_sent() -> None:
    with client_of("http://.x") as client, pytest.raises(Unreachable) as caught:
        client.prepare("Handshake", HANDSHAKE, **TO)
    assert caught.value.hint == f"Nothing was sent. {CHECK}"
    assert isinstance(caught.value.__cause__, requests.exceptions.InvalidURL)


@pytest.mark.parametrize(
    ("trusted", "kept"), [(True, "of.pem"), ("my.pem", "my.pem"), (False, False)]
)
def test_a_request_has_the_patience_and_the_trust_that_were_given(
    *, trusted: bool | str, kept: bool | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "of.pem")
    with responses.RequestsMock() as service, requests.Session() as session:
        service.get(VIEW, json=reply())
        service.post(ADD, json=reply())
        session.verify = trusted
        client = client_of(BASE, session, timeout=(2, 3))
        client.view(1)
        client.send("Handshake", HANDSHAKE, **TO)
        given = [vars(call.request)["req_kwargs"] for call in service.calls]
    assert [(each["timeout"], each["verify"]) for each in given] == [((2, 3), kept)] * 2


def test_each_exchange_is_told_in_the_log_without_its_host(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "oscp_send")
    client = client_of(BASE)
    with responses.RequestsMock() as service:
        service.post(ADD, json=reply())
        client.send("Handshake", HANDSHAKE, **TO)
        service.replace("POST", ADD, body=requests.ReadTimeout())
        with pytest.raises(PossiblySent, match="ReadTimeout"):
            client.send("Handshake", HANDSHAKE, **TO)
    path = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
    assert caplog.messages == [f"POST {path}: HTTP 200", f"POST {path}: ReadTimeout"]


def test_what_was_handled_before_says_nothing_of_a_second_request() -> None:
    with listening(broken_off) as listener, client_of(refused_port()) as nobody:
        try:
            nobody.send("Handshake", HANDSHAKE, **TO)
        except Unreachable:
            failing(PossiblySent, listener.url)
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


def test_errors_that_hold_each_other_come_to_an_end() -> None:
    inner = requests.ConnectionError("lost")
    outer = requests.ConnectionError(inner)
    inner.__cause__ = outer
    assert not was_never_sent(outer)
    late = requests.ConnectTimeout("late")
    assert was_never_sent(urllib3.exceptions.ProtocolError(inner, inner, late))


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
        with session_with(retry) as session:
            error = failing(ValueError, listener.url, session)
        assert listener.requests == []
    assert str(error) == (
        "the session may repeat a POST, which could send an instruction twice: mount an adapter "
        "with max_retries=0, or with a Retry that has other=0 and leaves POST out of "
        "allowed_methods"
    )


def test_an_adapter_that_knows_no_retries_is_used() -> None:
    session = requests.Session()
    session.mount("http://", BaseAdapter())
    failing(NotImplementedError, "http://solar.example", session)


@pytest.mark.parametrize(
    "retry", [0, Retry(0), Retry(False), Retry(3, other=0)], ids=["none", "zero", "off", "connect"]
)
def test_a_session_that_never_repeats_a_post_is_used(retry: Retry | int) -> None:
    with listening(broken_off) as listener:
        with session_with(retry) as session:
            failing(PossiblySent, listener.url, session)
        assert len(listener.requests) == 1

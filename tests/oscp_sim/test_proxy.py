"""The proxy that answers production's hosts itself, as raw clients see it."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from oscp_sim import Simulator
from oscp_sim.addresses import Others
from oscp_sim.authority import Authority
from oscp_sim.production import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20
PATH = "/solaruser/api/v1/sec/instr/view?id=1"
VIEW = f"GET {PATH} HTTP/1.1\r\nHost: data.solarnetwork.net\r\n\r\n".encode()
ANSWER = b"HTTP/1.1 401 Unauthorized\r\n"
WORLD = "{%s, users: [{id: 1, tokens: [{id: a, secret: b, type: User}]}]}"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority({"data.solarnetwork.net", "solar.example"})


class Elsewhere(BaseHTTPRequestHandler):
    """A server that shows what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = f"{self.requestline}\n{self.headers}".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Where another server is, as a host and a port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def proxied(authority: Authority, others: Others = "pass", world: str = "") -> Iterator[str]:
    with (
        Simulator(WORLD % world if world else None) as simulator,
        surroundings(simulator, authority, {}, others) as around,
    ):
        assert around.proxy
        yield around.proxy


@pytest.fixture(scope="module")
def proxy(authority: Authority) -> Iterator[str]:
    with proxied(authority) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def strict(authority: Authority) -> Iterator[str]:
    with proxied(authority, "refuse") as proxy:
        yield proxy


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE)


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 65_536), b""))


def say(proxy: str, said: bytes) -> bytes:
    with connect(proxy) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        return all_of(connection)


@contextmanager
def tunnel(proxy: str, to: str) -> Iterator[socket.socket]:
    with connect(proxy) as connection:
        connection.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        assert connection.recv(1000) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        yield connection


def post(target: str, host: str, more: str = "") -> bytes:
    return f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: 2\r\n\r\nhi".encode()


@pytest.mark.parametrize(
    "place", ["data.solarnetwork.net:443", "OSCP.solarnetwork.net.:443", "data.solarnetwork.net:8"]
)
@pytest.mark.parametrize("others", ["proxy", "strict"])
def test_who_asks_for_production_is_answered_here(
    request: pytest.FixtureRequest, place: str, others: str
) -> None:
    with tunnel(request.getfixturevalue(others), place) as plain:
        plain.sendall(VIEW * 2)
        assert plain.recv(10).startswith(ANSWER[:10])


def test_a_connection_to_production_is_encrypted_for_its_name(
    proxy: str, authority: Authority
) -> None:
    trusting = ssl.create_default_context(cadata=authority.certificate)
    with (
        tunnel(proxy, "data.solarnetwork.net:443") as plain,
        trusting.wrap_socket(plain, server_hostname="data.solarnetwork.net") as connection,
    ):
        for _ in range(2):
            connection.sendall(VIEW)
            assert connection.recv(10_000).startswith(ANSWER)


def test_a_connection_that_is_led_here_without_a_word_is_answered(
    proxy: str, authority: Authority
) -> None:
    trusting = ssl.create_default_context(cadata=authority.certificate)
    name = "data.solarnetwork.net"
    with trusting.wrap_socket(connect(proxy), server_hostname=name) as connection:
        connection.sendall(VIEW)
        assert connection.recv(10_000).startswith(ANSWER)


def test_tls_that_comes_before_the_answer_is_let_go(proxy: str) -> None:
    connect_to = b"CONNECT data.solarnetwork.net:443 HTTP/1.1\r\n\r\n"
    assert say(proxy, connect_to + b"\x16\x03\x01").endswith(b"Connection established\r\n\r\n")


@pytest.mark.parametrize("target", [f"http://data.solarnetwork.net{PATH}", PATH])
def test_a_plain_request_for_production_is_answered_once_a_connection(
    proxy: str, target: str
) -> None:
    asked = VIEW.replace(PATH.encode(), target.encode())
    answer = say(proxy, asked * 2)
    assert answer.startswith(ANSWER)
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(ANSWER) == 1


def test_a_connection_to_another_host_is_passed_on(proxy: str, elsewhere: str) -> None:
    with tunnel(proxy, elsewhere) as connection:
        for number in range(2):
            connection.sendall(post(f"/a?{number}", "h"))
            answer = b""
            while not answer.endswith(b"hi"):
                answer += connection.recv(10_000)
            assert b"POST /a?%d HTTP/1.1\nHost: h" % number in answer
        connection.shutdown(socket.SHUT_WR)
        assert all_of(connection) == b""


def test_a_plain_request_for_another_host_is_passed_on_as_that_host_gets_it(
    proxy: str, elsewhere: str
) -> None:
    more = "Proxy-Authorization: Basic eDp5\r\nX-A: 1\r\nConnection: keep-alive\r\n"
    answer = say(proxy, post(f"http://{elsewhere}/a%2Fb?c=d", elsewhere, more))
    expected = (
        f"POST /a%2Fb?c=d HTTP/1.1\nHost: {elsewhere}\nX-A: 1\nContent-Length: 2\n"
        "Connection: close\n\nhi"
    )
    assert answer.endswith(expected.encode())


def test_other_hosts_are_refused_where_that_is_asked_for(
    strict: str, elsewhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    for asked in (
        f"CONNECT {elsewhere} HTTP/1.1\r\n\r\n",
        f"GET http://{elsewhere}/ HTTP/1.1\r\n\r\n",
    ):
        answer = say(strict, asked.encode())
        why = f"{elsewhere} is not a host of this rehearsal, and others are refused"
        assert answer.startswith(f"HTTP/1.1 403 {why}\r\n".encode())
        assert answer.endswith(f"\r\n\r\noscp-sim: {why}\n".encode())
    assert caplog.text.count(f"the proxy has refused {elsewhere}") == 1


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("CONNECT 127.0.0.1:1", "502 cannot connect to 127.0.0.1:1: Connection refused"),
        ("GET http://127.0.0.1:1/", "502 cannot connect to 127.0.0.1:1: Connection refused"),
        ("CONNECT a..b:1", "502 cannot connect to a..b:1: "),
        ("CONNECT :443", "400 :443 is not the address of a server"),
        ("CONNECT h:x", "400 h:x is not the address of a server"),
        ("GET ftp://h/", "400 this is a proxy, to be named in HTTPS_PROXY; the simulator is at h"),
        ("GET /", "400 this is a proxy, to be named in HTTPS_PROXY; the simulator is at h"),
        ("GET http://h:99999/", "400 http://h:99999/ is not the address of a server"),
        ("nonsense", "400 "),
    ],
)
def test_what_cannot_be_reached_is_told_with_the_reason(
    proxy: str, asked: str, status: str
) -> None:
    assert say(proxy, f"{asked} HTTP/1.1\r\nHost: h\r\n\r\n".encode()).startswith(
        f"HTTP/1.1 {status}".encode()
    )


def test_the_simulators_own_address_is_answered_where_others_are_refused(
    authority: Authority,
) -> None:
    with (
        Simulator() as simulator,
        surroundings(simulator, authority, {}, "refuse") as around,
        tunnel(around.proxy or "", urlsplit(simulator.url).netloc) as connection,
    ):
        connection.sendall(VIEW)
        assert connection.recv(1000).startswith(ANSWER)


def test_hosts_that_the_world_names_are_answered_and_those_of_real_parties_are_not(
    authority: Authority,
) -> None:
    world = "hosts: [Solar.Example], solaruser: {base_url: 'https://data.solarnetwork.net'}"
    with proxied(authority, "refuse", world) as proxy:
        with tunnel(proxy, "solar.example:443"):
            pass
        refused = say(proxy, b"CONNECT data.solarnetwork.net:443 HTTP/1.1\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("named", ["HTTPS_PROXY", "http_proxy"])
def test_what_goes_elsewhere_goes_through_the_proxy_that_was_named_before(
    authority: Authority, named: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Simulator() as simulator:
        further = f"http://x:%40y@127.0.0.1:{listener.getsockname()[1]}"
        environment = {named: further, "NO_PROXY": "direct.invalid"}
        asked = "CONNECT grid.example:443" if named == "HTTPS_PROXY" else "GET http://grid.example/"
        direct = asked.replace("grid.example", "direct.invalid")
        with surroundings(simulator, authority, environment, "pass") as around:
            proxy = around.proxy or ""
            with connect(proxy) as connection:
                connection.sendall(f"{asked} HTTP/1.1\r\nHost: grid.example\r\n\r\n".encode())
                other, _ = listener.accept()
                with other:
                    head = other.recv(10_000).decode()
                    other.sendall(b"HTTP/1.1 200 as the next one says\r\n\r\n")
                assert all_of(connection) == b"HTTP/1.1 200 as the next one says\r\n\r\n"
            lines = head.split("\r\n")
            assert lines[:3] == [
                f"{asked} HTTP/1.1",
                "Host: grid.example",
                "Proxy-Authorization: Basic eDpAeQ==",
            ]
            assert lines[3:] == (["", ""] if "CONNECT" in asked else ["Connection: close", "", ""])
            told = say(proxy, f"{direct} HTTP/1.1\r\nHost: direct.invalid\r\n\r\n".encode())
            assert told.startswith(b"HTTP/1.1 502 cannot connect to direct.invalid:")


@pytest.mark.parametrize("is_done", [False, True], ids=["whole", "its client is done"])
def test_when_it_closes_both_sides_of_a_connection_end(authority: Authority, is_done: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Simulator() as simulator:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with surroundings(simulator, authority, {}, "pass") as around:
            opened = tunnel(around.proxy or "", place)
            connection = opened.__enter__()
            other, _ = listener.accept()
            other.settimeout(PATIENCE)
            if is_done:
                connection.shutdown(socket.SHUT_WR)
                assert other.recv(1) == b""
        with other, closing(connection):
            assert other.recv(1) == b""
            assert connection.recv(1) == b""

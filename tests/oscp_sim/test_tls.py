"""The server behind TLS: as steady as without, and clear to who does not speak it."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_sim import Simulator
from oscp_sim.authority import Authority, TlsUnavailable
from oscp_sim.cli.main import main
from oscp_sim.http import Request, Response
from oscp_sim.server import Limits, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority({"sim.example"})


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.certificate)


class Echo:
    def __init__(self) -> None:
        self.waits, self.gate = threading.Event(), threading.Event()
        self.thread = threading.current_thread()

    def __call__(self, request: Request) -> Response:
        self.thread = threading.current_thread()
        if request.path == "/wait":
            self.waits.set()
            self.gate.wait(PATIENCE)
        length = 30_000_000 if request.path == "/long" else 100_000
        return Response(200, (), b"x" * length)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.gate.set()


@pytest.fixture
def server(echo: Echo, authority: Authority) -> Iterator[Server]:
    with closing(Server(echo, tls=authority.context)) as server:
        yield server


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("https://").rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)


def secure(server: Server, trusting: ssl.SSLContext, name: str = "127.0.0.1") -> ssl.SSLSocket:
    return trusting.wrap_socket(connect(server), server_hostname=name)


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1_000_000), b""))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "sim.example"])
def test_the_certificate_is_for_each_name_of_the_server(
    server: Server, trusting: ssl.SSLContext, name: str
) -> None:
    with secure(server, trusting, name) as connection:
        connection.sendall(GET + GET.replace(b"Host", b"Connection: close\r\nHost"))
        answers = all_of(connection)
    assert server.url.startswith("https://127.0.0.1:")
    assert (answers.count(OK), answers.count(b"x" * 100_000)) == (2, 2)


def test_the_last_answer_of_a_connection_says_that_it_is_whole(
    server: Server, trusting: ssl.SSLContext
) -> None:
    asked = GET.replace(b"Host", b"Connection: close\r\nHost")
    with trusting.wrap_socket(
        connect(server), server_hostname="localhost", suppress_ragged_eofs=False
    ) as connection:
        connection.sendall(asked)
        # An end without a word would be a mistake here.
        assert all_of(connection).startswith(OK)


def test_a_long_answer_comes_whole_and_is_waited_for_behind_what_is_left(
    echo: Echo, authority: Authority, trusting: ssl.SSLContext
) -> None:
    left = threading.Event()

    @contextmanager
    def attended() -> Iterator[None]:
        yield
        left.set()

    with closing(Server(echo, tls=authority.context, attended=attended)) as server:
        asked = GET.replace(b"/a", b"/long").replace(b"Host", b"Connection: close\r\nHost")
        with secure(server, trusting) as connection:
            connection.sendall(asked)
            assert left.wait(PATIENCE)
            body = all_of(connection).partition(b"\r\n\r\n")[2]
    assert body == b"x" * 30_000_000


def test_the_certificate_is_for_no_other_name(server: Server, trusting: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(server, trusting, "other.example")


def test_who_does_not_trust_the_authority_does_not_connect(server: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(server, ssl.create_default_context())


def test_who_speaks_plainly_is_told(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(GET)
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 400 this port speaks TLS: write https:// in place of http")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(idle=0.05), b""),
        (Limits(head=0.05), b"\x16"),
        (Limits(head=0.05), b"\x16\x03\x01\x02\x00\x01"),
    ],
)
def test_a_handshake_has_its_time(
    echo: Echo, authority: Authority, limits: Limits, said: bytes
) -> None:
    served = Server(echo, limits=limits, tls=authority.context)
    with closing(served) as server, connect(server) as slow:
        slow.sendall(said)
        assert slow.recv(1) == b""


def test_who_waits_in_any_phase_holds_up_nobody(server: Server, trusting: ssl.SSLContext) -> None:
    opened = [connect(server) for _ in range(100)]
    for each, said in zip(
        opened, cycle((b"", b"\x16", b"\x16\x03\x01\x02\x00", b"G")), strict=False
    ):
        each.sendall(said)
    with secure(server, trusting) as connection:
        connection.sendall(GET)
        assert connection.recv(1000).startswith(OK)
    for each in opened:
        each.close()


def test_who_is_slow_to_take_an_answer_loses_it(
    echo: Echo, authority: Authority, trusting: ssl.SSLContext
) -> None:
    served = Server(echo, limits=Limits(answer=0.05), tls=authority.context)
    with closing(served) as server, secure(server, trusting) as slow:
        slow.sendall(GET.replace(b"/a", b"/long"))
        assert slow.recv(1) == b"H"
        echo.thread.join(PATIENCE)
        assert not echo.thread.is_alive()


def test_an_answer_under_way_stays_secret_when_the_server_closes(
    server: Server, trusting: ssl.SSLContext, echo: Echo
) -> None:
    with secure(server, trusting) as connection:
        connection.sendall(GET.replace(b"/a", b"/wait"))
        assert echo.waits.wait(PATIENCE)
        server.close()
        echo.gate.set()
        assert all_of(connection).startswith(OK)


@contextmanager
def faulty(authority: Authority, fault: str, **words: str) -> Iterator[Server]:
    with Simulator() as simulator:
        simulator.faults.add(where="solaruser", fault=fault, **words)
        served = Server(simulator.handle, tls=authority.context, faults=simulator.faults)
        with closing(served) as server:
            yield server


VIEW = GET.replace(b"/a", b"/solaruser/api/v1/sec/instr/view?id=1")


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_reset_comes_behind_tls(
    authority: Authority, trusting: ssl.SSLContext, fault: str
) -> None:
    with faulty(authority, fault) as server, secure(server, trusting) as connection:
        connection.sendall(VIEW)
        # Python's own TLS tells no reset from an end.
        with pytest.raises(ConnectionResetError):
            list(iter(partial(socket.socket.recv, connection, 65_536), b""))


def test_a_half_answer_and_garbage_come_behind_tls(
    authority: Authority, trusting: ssl.SSLContext
) -> None:
    with faulty(authority, "half_answer") as server, secure(server, trusting) as connection:
        connection.sendall(VIEW)
        body = all_of(connection).partition(b"\r\n\r\n")[2]
        assert body == b'{"success":false,"message":"Full authentic'
    with faulty(authority, "garbage", body="?") as server, secure(server, trusting) as connection:
        connection.sendall(VIEW)
        assert all_of(connection) == b"?"


def test_a_name_that_no_certificate_can_have_is_told() -> None:
    with pytest.raises(TlsUnavailable, match=r"no certificate for such a host: .*'my_sim'"):
        Authority({"my_sim"})


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    result = CliRunner().invoke(main, ["serve", "--tls", "--port", "0"])
    assert result.exit_code == 2
    assert result.stderr == (
        "oscp-sim serve: TLS needs the library trustme: pip install 'oscp-rehearsal[tls]'\n"
    )

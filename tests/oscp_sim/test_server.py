"""The server: requests as they were sent, on connections that do not wait for each other."""

from __future__ import annotations

import resource
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import cycle
from queue import SimpleQueue
from select import select
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.faults.wire import Spoilt
from oscp_sim.http import LONGEST_BODY, Request, Response, bare_page
from oscp_sim.server import Limits, PortUnavailable, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20
OK = b"HTTP/1.1 200 OK\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
GET_WAIT = GET.replace(b"/a", b"/wait")


class Echo:
    """Answers 200 and remembers; waits first where the path says so."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.waits = threading.Event()
        self.gate = threading.Event()
        self.thread = threading.current_thread()

    def __call__(self, request: Request) -> Response:
        self.thread = threading.current_thread()
        if request.flaw is not None:
            return bare_page(request.flaw)
        if request.path == "/wait":
            self.waits.set()
            self.gate.wait(PATIENCE)
        if request.path == "/broken":
            raise ValueError("a mistake of the handler's own")
        self.got.append(request)
        if request.path == "/long":
            return Response(200, (), b"x" * 50_000_000)
        after = 60.0 if request.path == "/late" else 0.0
        return Response(200, (("X-A", "1"), ("X-A", "2")), request.body or b"", after=after)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.gate.set()


@pytest.fixture
def server(echo: Echo) -> Iterator[Server]:
    with closing(Server(echo)) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "is_answered_first"), [("/a", True), ("/late", False), ("/long", False)]
)
def test_what_is_left_is_done_behind_the_answer_unless_that_takes_long(
    echo: Echo, path: str, *, is_answered_first: bool
) -> None:
    is_told, left = threading.Event(), SimpleQueue[str]()

    @contextmanager
    def attended() -> Iterator[None]:
        yield
        is_told.wait(PATIENCE if is_answered_first else 0)
        left.put(threading.current_thread().name)

    with closing(Server(echo, attended=attended)) as server, connect(server) as connection:
        connection.sendall(GET.replace(b"/a", path.encode()))
        if is_answered_first:
            assert connection.recv(len(OK)) == OK
            is_told.set()
        assert left.get(timeout=PATIENCE) == "connection"


def test_a_spoilt_answer_is_whole_behind_one_that_was_taken_at_once(echo: Echo) -> None:
    def handle(request: Request) -> Response:
        long = Spoilt(200, (), b"x" * 20_000_000, how="closed")
        return long if request.path == "/closed" else echo(request)

    with closing(Server(handle)) as server:
        answers = say(server, GET + GET.replace(b"/a", b"/closed"))
    assert answers.count(b"x" * 20_000_000) == 1


def connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)


def say(server: Server, *pieces: bytes) -> bytes:
    """Sends bytes, then reads until the other side closes."""
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_request_is_handed_over_as_it_was_sent(server: Server, echo: Echo) -> None:
    answer = say(
        server, b"POST /a%2Fb?x=%20&[0] HTTP/1.1\r\nHost: h\r\nX-N: 1\r\nx-n: \xe9\r\n\r\n"
    )
    assert answer.startswith(OK + b"X-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n")
    pairs = (("host", "h"), ("x-n", "1"), ("x-n", "\xe9"))
    assert echo.got == [Request("POST", "/a%2Fb?x=%20&[0]", pairs, b"")]
    assert echo.got[0].client == "127.0.0.1"


@pytest.mark.parametrize(
    ("target", "expected"),
    [("http://u@H/a?b=c", "/a?b=c"), ("http://h", "/"), ("*", "/"), ("/a??b=c://d", "/a??b=c://d")],
)
def test_targets_of_every_form(server: Server, echo: Echo, target: str, expected: str) -> None:
    say(server, f"OPTIONS {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert echo.got[0].target == expected


@pytest.mark.parametrize("method", ["BREW", "CONNECT", "PROPFIND", "X-Y"])
def test_any_method_reaches_the_handler(server: Server, echo: Echo, method: str) -> None:
    say(server, f"{method} /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi".encode())
    assert [(each.method, each.body) for each in echo.got] == [(method, b"hi")]


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(1, 40))
def test_bodies_of_one_connection_in_pieces_of_any_size(bodies: list[bytes], size: int) -> None:
    echo = Echo()
    sent = b"".join(
        b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (number, len(body), body)
        for number, body in enumerate(bodies)
    )
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    with closing(Server(echo)) as server:
        answer = say(server, *pieces)
    assert [(each.target, each.body) for each in echo.got] == [
        (f"/{number}", body) for number, body in enumerate(bodies)
    ]
    assert answer.count(OK) == len(bodies)


def test_a_chunked_body_with_extensions_and_trailers(server: Server, echo: Echo) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    say(server, head, b"2;a=b\r\nhi\r\n", b"1\r\n!\r\n0\r\nX-Late: 1\r\n\r\n")
    assert echo.got[0].body == b"hi!"
    assert echo.got[0].fields.get("x-late") is None


def test_chunks_count_more_than_a_length(server: Server, echo: Echo) -> None:
    head = CHUNKED.replace(b"Host", b"Content-Length: 9\r\nHost")
    say(server, head, b"2\r\nhi\r\n0\r\n\r\n")
    assert echo.got[0].body == b"hi"


def test_who_asks_before_sending_a_body_may(server: Server, echo: Echo) -> None:
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        assert connection.recv(1000).startswith(OK)
    assert echo.got[0].body == b"hi"


def test_a_body_that_declares_to_be_too_long_need_not_be_sent(server: Server, echo: Echo) -> None:
    declared = b"Content-Length: %d\r\n" % (LONGEST_BODY + 1)
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + declared + b"\r\n"
    answer = say(server, head)
    assert answer.startswith(OK)
    assert b"\r\nConnection: close\r\n" in answer
    assert [each.body for each in echo.got] == [None]


def test_a_refusal_is_readable_while_a_body_is_still_being_sent(server: Server) -> None:
    declared = b"Content-Length: %d\r\n" % (LONGEST_BODY + 1)
    pieces = [b"x" * 65_536] * 80
    answer = say(server, b"POST /a HTTP/1.1\r\nHost: h\r\n" + declared + b"\r\n", *pieces)
    assert answer.startswith(OK)


def test_a_chunked_body_is_kept_no_further_than_the_limit(server: Server, echo: Echo) -> None:
    piece = b"%x\r\n%s\r\n" % (1_048_576, b"x" * 1_048_576)
    head = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = say(server, head, *[piece] * 21, b"0\r\n\r\n")
    assert answer.startswith(OK)
    assert [each.body for each in echo.got] == [None]


CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 150_000, 400),
        (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        (b"GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: foo\r\n\r\nhi", 501),
        (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: abc\r\n\r\nhi", 400),
        (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nhi", 400),
        (b"POST /a HTTP/1.1\r\nHost: h\r\n" + b"Content-Length: 2\r\n" * 2 + b"\r\nhi", 400),
        (CHUNKED + b"x\r\nhi\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused(server: Server, echo: Echo, raw: bytes, status: int) -> None:
    answer = say(server, raw)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert say(server, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").startswith(OK)
    assert len(echo.got) == 1


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [("1.1", "", True), ("1.1", "Connection: close\r\n", False), ("1.0", "", False)],
)
def test_a_connection_stays_where_the_client_wants_it(
    server: Server, version: str, header: str, stays: bool
) -> None:
    asked = f"GET /a HTTP/{version}\r\nHost: h\r\n{header}\r\n".encode()
    assert say(server, asked * 2).count(OK) == (2 if stays else 1)


HALF_HEAD = GET[:9]
HALF_BODY = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab"


@contextmanager
def connected(server: Server, count: int, *said: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that have said no more than this, in turn."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(server)) for _ in range(count)]
        for each, beginning in zip(opened, cycle(said), strict=False):
            each.sendall(beginning)
        yield opened


def is_answered(server: Server) -> bool:
    return say(server, GET).startswith(OK)


def test_who_waits_or_is_slow_holds_up_nobody(server: Server, echo: Echo) -> None:
    # Both ends are in this process.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3
    with connected(server, min(1000, most), GET_WAIT, b"", HALF_HEAD, HALF_BODY) as slow:
        assert echo.waits.wait(PATIENCE)
        assert is_answered(server)
        echo.gate.set()
        slow[1].sendall(GET)
        slow[2].sendall(GET[9:])
        slow[3].sendall(b"cdefghi")
        assert all(each.recv(1000).startswith(OK) for each in slow[:4])


def test_who_closes_its_sending_side_gets_its_answer(server: Server, echo: Echo) -> None:
    with connected(server, 1, GET_WAIT) as (half,):
        half.shutdown(socket.SHUT_WR)
        assert echo.waits.wait(PATIENCE)
        echo.gate.set()
        assert half.recv(1000).startswith(OK)


def test_who_keeps_it_waiting_for_longest_makes_room(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (20, 20))
    with closing(Server(echo)) as server, connected(server, 1, GET_WAIT) as (busy,):
        assert echo.waits.wait(PATIENCE)
        with connected(server, 20, HALF_HEAD) as slow:
            assert is_answered(server)
            assert slow[0].recv(1) == b""
            slow[-1].sendall(GET[9:])
            assert slow[-1].recv(1000).startswith(OK)
            echo.gate.set()
            assert busy.recv(1000).startswith(OK)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_of_bodies_that_are_never_whole_the_oldest_makes_room(echo: Echo, is_chunked: bool) -> None:
    head = CHUNKED if is_chunked else HALF_BODY[:-2].replace(b": 9", b": 200000")
    chunk, rest = (b"186a0\r\n", b"\r\n0\r\n\r\n") if is_chunked else (b"", b"x" * 100_000)
    with (
        closing(Server(echo, limits=Limits(bytes=450_000))) as server,
        connected(server, 1, HALF_HEAD) as (slow,),
        connected(server, 5, head.replace(b"Host", b"Expect: 100-continue\r\nHost")) as large,
    ):
        for each in large:
            assert each.recv(100).endswith(b"Continue\r\n\r\n")
            each.sendall(chunk + b"x" * 100_000)
        (ended,) = select(large, (), (), PATIENCE)[0]
        assert ended.recv(1) == b""
        other = next(each for each in reversed(large) if each is not ended)
        other.sendall(rest)
        assert other.recv(1000).startswith(OK)
        slow.sendall(GET[9:])
        assert slow.recv(1000).startswith(OK)


def post(path: bytes, length: int) -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (path, length)
    return head + b"x" * length


def test_a_request_that_is_whole_takes_no_room_from_others(echo: Echo) -> None:
    with (
        closing(Server(echo, limits=Limits(bytes=200_000))) as server,
        connected(server, 1, post(b"/wait", 150_000)) as (busy,),
    ):
        assert echo.waits.wait(PATIENCE)
        assert say(server, post(b"/a", 180_000)).startswith(OK)
        assert say(server, b"\r\n" * 200_000, GET).startswith(OK)
        echo.gate.set()
        assert busy.recv(1000).startswith(OK)


@pytest.mark.parametrize("lacking", ["memory", "connections"])
def test_an_answer_that_is_being_sent_makes_room_for_nobody(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (20, 20))
    with (
        closing(Server(echo, limits=Limits(bytes=200_000))) as server,
        connected(server, 1, post(b"/long", 150_000)) as (reader,),
    ):
        assert reader.recv(1) == OK[:1]
        with connected(server, 20 if lacking == "connections" else 0, HALF_HEAD):
            assert say(server, post(b"/a", 100_000)).startswith(OK)
        reader.shutdown(socket.SHUT_WR)
        assert sum(map(len, iter(lambda: reader.recv(1_000_000), b""))) > 50_000_000


def test_where_no_thread_is_to_be_had_an_idle_one_is_freed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, before = threading.Thread.start, set(threading.enumerate())

    def start_few(thread: threading.Thread) -> None:
        if len(set(threading.enumerate()) - before) >= 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    with connected(server, 5, b"") as idle:
        assert is_answered(server)
        assert idle[0].recv(1) == b""


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(idle=0.05), b""),
        (Limits(idle=0.05), b"\r\n"),
        (Limits(idle=0.05), GET),
        (Limits(head=0.05), HALF_HEAD),
        (Limits(body=0.05), HALF_BODY),
        (Limits(body=0.05), CHUNKED + b"2\r\nhi\r\n"),
    ],
)
def test_each_phase_of_a_request_has_its_time(limits: Limits, said: bytes, echo: Echo) -> None:
    with closing(Server(echo, limits=limits)) as server, connected(server, 1, said) as (slow,):
        if said == GET:
            assert slow.recv(1000).startswith(OK)
        assert slow.recv(1) == b""


def test_an_answer_has_its_time_to_be_taken(echo: Echo) -> None:
    asked = GET.replace(b"/a", b"/long")
    with (
        closing(Server(echo, limits=Limits(answer=0.05))) as server,
        connected(server, 1, asked) as (slow,),
    ):
        assert slow.recv(1) == OK[:1]
        echo.thread.join(PATIENCE)
        assert not echo.thread.is_alive()


def test_a_handler_that_fails_costs_its_own_connection_alone(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert say(server, b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n") == b""
    assert "a mistake of the handler's own" in caplog.text
    assert say(server, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").startswith(OK)


def test_a_late_answer_goes_out_when_the_server_closes(echo: Echo) -> None:
    with closing(Server(echo)) as server, connect(server) as connection:
        connection.sendall(b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        server.close()
        connection.settimeout(PATIENCE)
        assert connection.recv(1000).startswith(OK)


def test_closing_waits_for_nobody_and_may_be_said_again(echo: Echo) -> None:
    server = Server(echo)
    with connect(server) as waiting, connect(server) as idle:
        waiting.sendall(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
        assert echo.waits.wait(PATIENCE)
        idle.sendall(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert idle.recv(1000).startswith(OK)
        server.close()
        server.close()
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_a_port_that_is_taken(server: Server, echo: Echo) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(
        PortUnavailable, match=f"cannot listen on 127.0.0.1:{port}: address .*; .* --port 0"
    ):
        Server(echo, port=port)


def test_of_those_that_want_a_port_at_the_same_time_one_gets_it(echo: Echo) -> None:
    with closing(Server(echo)) as free:
        port = int(free.url.rpartition(":")[2])
    barrier = threading.Barrier(8)

    def listen(_: int) -> Server | None:
        barrier.wait(PATIENCE)
        with suppress(PortUnavailable):
            return Server(echo, port=port)
        return None

    with ThreadPoolExecutor(8) as pool:
        listening = [each for each in pool.map(listen, range(8)) if each is not None]
    assert len(listening) == 1
    assert is_answered(listening[0])
    listening[0].close()


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "a" * 64, "[::1]"])
def test_a_host_that_is_not_this_machine_s(echo: Echo, host: str) -> None:
    with pytest.raises(PortUnavailable, match=r"; give an address of this machine with --host, "):
        Server(echo, host)


@pytest.mark.parametrize(
    ("host", "announced"),
    [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:"), ("::1", "http://[::1]:")],  # noqa: S104
)
def test_an_address_that_can_be_reached_is_announced(echo: Echo, host: str, announced: str) -> None:
    with closing(Server(echo, host)) as server:
        assert server.url.startswith(announced)
        assert is_answered(server)

"""What becomes of an instruction, by what its Capacity Provider does: oscp20.md §7.3 and §5.10.

Nobody waits for a time-out of the service's: a party in this process says by the clock how late it
is, and over a real socket the time-out is made short.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request, Response
from tests.oscp_sim.peers import START, provider, provider_of, world
from tests.oscp_sim.rig import VIEW, Provider, get, instruction, post, settled, shared_of

INF = float("inf")


@contextmanager
def simulated(**of_provider: Any) -> Iterator[Simulator]:  # noqa: ANN401 - of a world file
    of = world([provider(**of_provider)])
    with Simulator(of, clock=FrozenClock(START)) as simulator:
        yield simulator


def send(simulator: Simulator) -> None:
    body = instruction(cgIdentifier="depot-7")
    assert post(simulator, body, when=START).data["state"] == "Queuing"


def state(simulator: Simulator) -> tuple[str, str | None]:
    """Of the last instruction: its state and its reason."""
    found = get(simulator, f"{VIEW}?id=1", when=simulator.clock.now()).data
    return found["state"], found.get("resultParameters", {}).get("error")


def outcome(simulator: Simulator) -> tuple[str, str | None]:
    send(simulator)
    settled(simulator)
    return state(simulator)


# --- an answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "status", "body"),
    [
        ("204", 204, b""),
        ("200 with any body", 200, b""),
        ("200 with any body", 200, b'{"message":"no"}'),
        ("200 with any body", 200, b"<html>\xff"),
        ("202", 202, b"later"),
        ("any below 400", 201, b""),
        ("any below 400", 302, b""),
        ("any below 400", 304, b""),
    ],
)
def test_completed(row: str, status: int, body: bytes) -> None:
    with Provider(status, body) as there, simulated(base_url=there.url) as simulator:
        assert outcome(simulator) == ("Completed", None)
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"", "400 Bad Request: [no body]"),
        (401, b"", "401 Unauthorized: [no body]"),
        (403, b"", "403 Forbidden: [no body]"),
        (404, b'{"message":"x"}', '404 Not Found: "{"message":"x"}"'),
        (409, b"", "409 Conflict: [no body]"),
        (499, b"a", '499 : "a"'),
        (500, b"", "500 Internal Server Error: [no body]"),
        (503, b"busy", '503 Service Unavailable: "busy"'),
        (599, b"", "599 : [no body]"),
    ],
)
def test_4xx_and_5xx_are_declined_after_one_try(status: int, body: bytes, reason: str) -> None:
    with Provider(status, body) as there, simulated(base_url=there.url) as simulator:
        assert outcome(simulator) == ("Declined", reason)
        simulator.clock.advance(3600)
    assert len(there.asked) == 1


# --- no connection -----------------------------------------------------------------------------


def test_a_refused_connection_is_declined_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/cp"
        with simulated(base_url=url) as simulator:
            assert outcome(simulator) == (
                "Declined",
                f'I/O error on POST request for "{url}/handshake": Connection refused',
            )
            assert simulator.clock.now() == START


@contextmanager
def deaf_socket() -> Iterator[str]:
    """Listens, but its queue is full: whoever connects now gets no answer at all."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/cp"


def test_a_connection_that_never_completes_is_declined() -> None:
    with deaf_socket() as url, simulated(base_url=url) as simulator:
        provider_of(simulator).outbox.timeout = (0.2, 60.0)
        assert outcome(simulator) == (
            "Declined",
            f'I/O error on POST request for "{url}/handshake": Connect timed out',
        )


def test_the_services_time_outs_are_sixty_seconds_and_twenty() -> None:
    with simulated() as simulator:
        assert provider_of(simulator).outbox.timeout == (60.0, 20.0)


# --- no answer ---------------------------------------------------------------------------------


@contextmanager
def silent_socket() -> Iterator[str]:
    """Accepts what comes, reads it, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def hold() -> None:
            with suppress(OSError):
                while True:
                    stack.enter_context(server.accept()[0])

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/cp"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_silence_over_a_socket_is_declined() -> None:
    with silent_socket() as url, simulated(base_url=url) as simulator:
        provider_of(simulator).outbox.timeout = (60.0, 0.2)
        assert outcome(simulator) == (
            "Declined",
            f'I/O error on POST request for "{url}/handshake": Read timed out',
        )
        (entry,) = simulator.journal.entries(party="flexibility_provider", kind="exchange")
        assert entry.response is None


class Late:
    """A Capacity Provider in this process that takes its time, by the simulator's clock."""

    def __init__(self, after: float, status: int = 204) -> None:
        self.after = after
        self.status = status
        self.asked = 0

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        assert request.path == "/cp/handshake"
        return Response(self.status, after=self.after)


@pytest.mark.parametrize("status", [204, 500])
@pytest.mark.parametrize("after", [0.5, 19.0, 20.0])
def test_an_answer_within_twenty_seconds_counts_when_it_comes(after: float, status: int) -> None:
    late = Late(after, status)
    with simulated(base_url="http://simulator.invalid/cp") as simulator:
        shared_of(simulator).outgoing.handle = late
        send(simulator)
        simulator.clock.advance(after - 0.001)
        assert state(simulator) == ("Executing", None)
        assert simulator.pending == 1
        simulator.clock.advance(0.001)
        assert state(simulator)[0] == ("Completed" if status == 204 else "Declined")
    assert late.asked == 1


@pytest.mark.parametrize("after", [20.001, 21.0, 3600.0, INF])
def test_no_answer_for_over_twenty_seconds_is_declined(after: float) -> None:
    late = Late(after)
    with simulated(base_url="http://simulator.invalid/cp") as simulator:
        shared_of(simulator).outgoing.handle = late
        send(simulator)
        simulator.clock.advance(19.999)
        assert state(simulator) == ("Executing", None)
        simulator.clock.advance(0.001)
        assert state(simulator) == (
            "Declined",
            'I/O error on POST request for "http://simulator.invalid/cp/handshake": Read timed out',
        )
        simulator.clock.advance(7200)
        assert state(simulator)[0] == "Declined"
        assert simulator.pending == 0
    # The provider may have acted: it has been asked, once.
    assert late.asked == 1


# --- nowhere to send it ------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", [None, "", "   "])
def test_without_a_base_url_it_is_completed_and_nothing_sent(base_url: str | None) -> None:
    with simulated(base_url=base_url) as simulator:
        assert outcome(simulator) == ("Completed", None)
        assert simulator.journal.entries(party="flexibility_provider", kind="exchange") == ()


# --- the HTTP client (§5.10) -------------------------------------------------------------------


class Connected:
    """A real server that keeps connections open, and counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        there = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                there.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                there.asked.append((self.command, self.path, headers, body))
                moved = self.path == "/moved/handshake"
                self.send_response(307 if moved else 204)
                if moved:
                    self.send_header("Location", "/cp/handshake")
                    self.send_header("Content-Length", "0")
                self.send_header("Set-Cookie", "session=1; Path=/")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def connected() -> Iterator[Connected]:
    there = Connected()
    yield there
    there.close()


def test_a_connection_is_kept_and_a_cookie_is_not(connected: Connected) -> None:
    with simulated(base_url=f"{connected.url}/cp") as simulator:
        for _ in range(3):
            send(simulator)
            settled(simulator)
    assert len(connected.asked) == 3
    assert connected.connections == 1
    assert all("cookie" not in headers for _, _, headers, _ in connected.asked)


def test_a_redirect_is_followed(connected: Connected) -> None:
    with simulated(base_url=f"{connected.url}/moved") as simulator:
        assert outcome(simulator) == ("Completed", None)
    assert [(method, path) for method, path, _, _ in connected.asked] == [
        ("POST", "/moved/handshake"),
        ("POST", "/cp/handshake"),
    ]
    first, second = (headers["x-request-id"] for _, _, headers, _ in connected.asked)
    assert first == second
    assert connected.asked[0][3] == connected.asked[1][3] == b"{}"

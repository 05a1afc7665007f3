"""What becomes of an instruction, by what its Capacity Provider does: oscp20.md §7.3 and §5.10.

Nobody waits for a time-out of the service's: a party in this process says by the clock how late it
is, and over a real socket the time-out is made short.
"""

from __future__ import annotations

import re
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
from tests.oscp_sim.rig import VIEW, Provider, body_of, get, instruction, post, settled, shared_of

INF = float("inf")


@contextmanager
def simulated(**of_provider: Any) -> Iterator[Simulator]:  # noqa: ANN401 - of a world file
    of = world([provider(**of_provider)])
    with Simulator(of, clock=FrozenClock(START)) as simulator:
        yield simulator


def send(simulator: Simulator) -> None:
    body = instruction(cgIdentifier="depot-7")
    assert post(simulator, body, when=simulator.clock.now()).data["state"] == "Queuing"


def state(simulator: Simulator, number: int = 1) -> tuple[str, str | None]:
    """Of an instruction: its state and its reason."""
    found = get(simulator, f"{VIEW}?id={number}", when=simulator.clock.now()).data
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
        (400, b"", "400 Bad Request{}: [no body]"),
        (401, b"", "401 Unauthorized{}: [no body]"),
        (403, b"", "403 Forbidden{}: [no body]"),
        (404, b'{"message":"x"}', '404 Not Found{}: "{"message":"x"}"'),
        (409, b"", "409 Conflict{}: [no body]"),
        (499, b"a", '499 {}: "a"'),
        (500, b"", "500 Internal Server Error{}: [no body]"),
        (504, b"busy", '504 Gateway Timeout{}: "busy"'),
        (599, b"", "599 {}: [no body]"),
    ],
)
def test_4xx_and_5xx_are_declined_after_one_try(status: int, body: bytes, reason: str) -> None:
    with Provider(status, body) as there, simulated(base_url=there.url) as simulator:
        on = f' on POST request for "{there.url}/handshake"'
        assert outcome(simulator) == ("Declined", reason.replace("{}", on))
        simulator.clock.advance(3600)
    assert len(there.asked) == 1


# --- no connection -----------------------------------------------------------------------------


def test_a_refused_connection_is_declined_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{closed.getsockname()[1]}"
        url = f"{place}/cp"
        with simulated(base_url=url) as simulator:
            assert outcome(simulator) == (
                "Declined",
                f'I/O error on POST request for "{url}/handshake": Connect to {place} failed: '
                "Connection refused",
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
            f'I/O error on POST request for "{url}/handshake": Connect to '
            f"{url.removesuffix('/cp')} failed: Connect timed out",
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


def test_four_connections_and_fifteen_seconds_in_the_line() -> None:
    late = Late(19.0)
    with simulated(base_url="http://simulator.invalid/cp") as simulator:
        shared_of(simulator).outgoing.handle = late
        for _ in range(6):
            send(simulator)
        simulator.clock.advance(15)
        assert late.asked == 4
        assert state(simulator, 6) == (
            "Declined",
            'I/O error on POST request for "http://simulator.invalid/cp/handshake": '
            "Timeout deadline: 15000 MILLISECONDS, actual: 15001 MILLISECONDS",
        )
        simulator.clock.advance(4)
        assert state(simulator, 4) == ("Completed", None)
        send(simulator)
        simulator.clock.advance(19)
        assert state(simulator, 7) == ("Completed", None)


def test_a_reset_lets_go_of_all_connections() -> None:
    late = Late(19.0)
    with simulated(base_url="http://simulator.invalid/cp") as simulator:
        shared_of(simulator).outgoing.handle = late
        for _ in range(4):
            send(simulator)
            simulator.clock.advance(0)
        simulator.reset()
        send(simulator)
        simulator.clock.advance(0)
        assert late.asked == 5


# --- nowhere to send it ------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", [None, "", "   "])
def test_without_a_base_url_it_is_completed_and_nothing_sent(base_url: str | None) -> None:
    with simulated(base_url=base_url) as simulator:
        assert outcome(simulator) == ("Completed", None)
        assert simulator.journal.entries(party="flexibility_provider", kind="exchange") == ()


NO_URL = (
    "[Handshake] task with CapacityOptimizer (42,3) failed because the OSCP URL [{}] is not valid: "
)
ON = 'I/O error on POST request for "{}/handshake": '


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("not a url", NO_URL + "Illegal character in path at index 3: not a url/handshake"),
        ("http://a b", NO_URL + "Illegal character in authority at index 7: http://a b/handshake"),
        ("http://[", NO_URL + "Malformed IPv6 address at index 8: http://[/handshake"),
        ("ftp://h/x", ON + "ftp protocol is not supported"),
        ("http://a:x", ON + "Target host is not specified"),
        ("localhost", ON + "Target host is not specified"),
    ],
)
def test_what_is_no_url_is_stored_and_declined(base_url: str, reason: str) -> None:
    with simulated(base_url=base_url) as simulator:
        assert outcome(simulator) == ("Declined", reason.replace("{}", base_url))


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

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = body_of(self)
                headers = {name.lower(): value for name, value in self.headers.items()}
                there.asked.append((self.command, self.path, headers, body))
                moved = re.fullmatch("/moved(...)/handshake", self.path)
                self.send_response(int(moved[1]) if moved else 204)
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


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed(connected: Connected, status: int) -> None:
    with simulated(base_url=f"{connected.url}/moved{status}") as simulator:
        assert outcome(simulator) == ("Completed", None)
    (*_, path, first, body), (*_, other, second, again) = (each[1:] for each in connected.asked)
    assert (path, other) == (f"/moved{status}/handshake", "/cp/handshake")
    assert first == second
    assert body == again == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_may_lose_the_message_and_counts_as_success(
    connected: Connected, status: int
) -> None:
    with simulated(base_url=f"{connected.url}/moved{status}") as simulator:
        assert outcome(simulator) == ("Completed", None)
        sent = simulator.journal.entries(party="flexibility_provider", kind="exchange")
    assert [each.request and each.request.method for each in sent] == ["POST", "GET"]
    assert "is lost" in sent[1].detail["why"]
    method, path, headers, body = connected.asked[1]
    assert (method, path, body) == ("GET", "/cp/handshake", b"")
    assert sorted(headers) == ["accept-encoding", "host", "user-agent"]


def test_a_message_is_chunked_and_has_the_clients_headers(connected: Connected) -> None:
    with simulated(base_url=f"{connected.url}/cp") as simulator:
        send(simulator)
        settled(simulator)
        (entry,) = simulator.journal.entries(party="flexibility_provider", kind="exchange")
    ((_, _, headers, body),) = connected.asked
    assert body == b"{}"
    assert "content-length" not in headers
    assert headers["transfer-encoding"] == "chunked"
    assert headers["accept"].startswith("application/json, application/cbor, application/yaml")
    assert headers["user-agent"].startswith("Apache-HttpClient/5.6.1 ")
    assert entry.request is not None
    shown = {name.lower() for name, _ in entry.request.headers}
    assert shown == set(headers) - {"host"}


def tried(simulator: Simulator, *seconds: float) -> list[int]:
    """How often the provider was asked at once, and after each of these seconds more."""
    counts = []
    send(simulator)
    for each in (0.0, *seconds):
        simulator.clock.advance(each)
        entries = simulator.journal.entries(party="flexibility_provider", kind="exchange")
        counts.append(len(entries))
    return counts


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ({}, 1.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:09 GMT"}, 4.0),
    ],
)
def test_429_and_503_are_asked_once_more(
    status: int, retry_after: dict[str, str], seconds: float
) -> None:
    with (
        Provider(status, b"busy", retry_after) as there,
        simulated(base_url=there.url) as simulator,
    ):
        assert tried(simulator, seconds - 0.001, 0.001, 3600) == [1, 1, 2, 2]
        assert state(simulator)[0] == "Declined"
    (_, first, _), (_, second, _) = there.asked
    assert first == second


def test_who_asks_for_a_longer_wait_is_not_asked_again() -> None:
    headers = {"Retry-After": "21"}
    with (
        Provider(503, b"", headers) as there,
        simulated(base_url=there.url) as simulator,
    ):
        assert tried(simulator, 3600) == [1, 1]


@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        ("http://cp.test/a b", "Illegal character in path at index 16"),
        ("http://cp.test/{}", "Illegal character in path at index 15"),
        ("http://cp.test/%zz", "Malformed escape pair at index 15"),
    ],
)
def test_an_illegal_url_is_never_asked(base_url: str, why: str) -> None:
    with simulated(base_url=base_url) as simulator:
        assert outcome(simulator) == (
            "Declined",
            "[Handshake] task with CapacityOptimizer (42,3) failed because the OSCP URL "
            f"[{base_url}] is not valid: {why}: {base_url}/handshake",
        )
        assert simulator.journal.entries(party="flexibility_provider", kind="exchange") == ()


def test_an_unknown_host_is_named() -> None:
    with simulated(base_url="http://cp.invalid/cp") as simulator:
        assert outcome(simulator) == (
            "Declined",
            'I/O error on POST request for "http://cp.invalid/cp/handshake": cp.invalid: Name or '
            "service not known",
        )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"one\ntwo", "one<EOL>two"),
        (b"one\r\ntwo", "one<EOL><EOL>two"),
        (b"a\tb", "a?b"),
    ],
)
def test_what_a_provider_says_is_put_on_one_line(body: bytes, shown: str) -> None:
    with Provider(400, body) as there, simulated(base_url=there.url) as simulator:
        assert outcome(simulator)[1] == (
            f'400 Bad Request on POST request for "{there.url}/handshake": "{shown}"'
        )

"""Whoever takes long holds up nobody else, by the machine's clock, however it came to be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oscp_sim import Simulator
from oscp_sim.faults import Rule
from oscp_sim.http import Request
from tests.oscp_sim.fp_callers import (
    HANDSHAKE,
    REGISTER,
    behaviour,
    forecast,
    registration,
    say,
    system,
)
from tests.oscp_sim.rig import body_of, encoded, instruction, post, shared_of
from tests.oscp_sim.worlds import DEPOT, TOKENS, group, user, world

PATIENCE = 12.0
SLOW = {"id": 3, "name": "Slow", "token": "cp-token", "flexibility_provider_token": "fp-token"}
OTHER = {"id": 4, "name": "Other", "token": "other-token"}
CP = "/oscp/cp/2.0"


@dataclass
class Hanging:
    """A real server that answers nobody until it is let go."""

    url: str
    is_asked: threading.Event = field(default_factory=threading.Event)
    is_let_go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hanging() -> Iterator[Hanging]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.is_asked.set()
            found.is_let_go.wait(PATIENCE)
            body_of(self)
            with suppress(OSError):
                self.send_response(204)
                self.end_headers()

        do_GET = do_POST  # noqa: N815 - as the base class calls it

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Hanging(f"http://127.0.0.1:{server.server_address[1]}/there")
        threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
        try:
            yield found
        finally:
            found.is_let_go.set()
            server.shutdown()


@pytest.fixture
def there() -> Iterator[Hanging]:
    with hanging() as found:
        yield found


@contextmanager
def rehearsing(**of_slow: object) -> Iterator[Simulator]:
    of = user(
        tokens=TOKENS,
        capacity_providers=[SLOW | of_slow, OTHER],
        capacity_optimizers=[DEPOT],
        capacity_groups=[group(), group(20, "other-group", provider=4)],
    )
    with Simulator(world(of)) as simulator:
        yield simulator


def check_the_other(simulator: Simulator, there: Hanging) -> None:
    """Check that an instruction for the other one comes to its end while the slow one is slow."""
    assert there.is_asked.wait(PATIENCE)
    now = simulator.clock.now()
    mark = simulator.journal.last
    body = instruction(cgIdentifier="other-group")
    assert post(simulator, body, when=now).data["state"] == "Queuing"
    simulator.journal.wait_for(kind="state", state="Completed", since=mark, timeout=PATIENCE / 4)
    assert not there.is_let_go.is_set()
    there.is_let_go.set()


def tell(simulator: Simulator) -> None:
    post(simulator, instruction(), when=simulator.clock.now())


def told(simulator: Simulator, path: str, body: object) -> int:
    """Send a simulated Capacity Provider a message, as any Flexibility Provider would."""
    headers = {
        "host": "cp.test",
        "authorization": "Token cp-token",
        "content-type": "application/json",
        "x-request-id": "r1",
        "x-correlation-id": "c1",
    }
    data = encoded(body)
    headers["content-length"] = str(len(data))
    return simulator.handle(Request("POST", CP + path, tuple(headers.items()), data)).status


def test_one_that_is_played_here_and_registers_from_elsewhere(there: Hanging) -> None:
    with rehearsing() as simulator:
        assert say(simulator, REGISTER, registration(there.url)).status == 204
        check_the_other(simulator, there)


def test_one_that_moves_while_something_waits_for_it(there: Hanging) -> None:
    with rehearsing(registration_status="Registered", oscp_version="2.0") as simulator:
        assert say(simulator, HANDSHAKE, behaviour()).status == 204
        shared_of(simulator).change_system(42, system(simulator), base_url=there.url)
        check_the_other(simulator, there)


def test_where_a_fault_leads_elsewhere(there: Hanging) -> None:
    with rehearsing() as simulator:
        simulator.faults.add(
            Rule(
                where="capacity_provider", fault="redirect", status=302, times=1, location=there.url
            )
        )
        threading.Thread(target=lambda: tell(simulator), daemon=True).start()
        check_the_other(simulator, there)


def test_a_flexibility_provider_that_moves_while_something_waits_for_it(there: Hanging) -> None:
    with rehearsing(behaviour={"adjustments": "answer", "answer_after": "500ms"}) as simulator:
        assert told(simulator, "/adjust_group_capacity_forecast", forecast("foo-group")) == 204
        assert told(simulator, "/register", registration(there.url)) == 204
        check_the_other(simulator, there)

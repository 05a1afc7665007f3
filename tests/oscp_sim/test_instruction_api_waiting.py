"""Waiting for results: the solaruser.md §1.9."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.instructions import Instruction, Instructions
from oscp_sim.solaruser.waiting import wait_for_results
from tests.oscp_sim.instruction_api import TWO_USERS, form, handshake_form, ids, states
from tests.oscp_sim.rig import (
    BASE,
    NOW,
    Provider,
    ask_over_network,
    encoded,
    get,
    instruction,
    post,
    shared_of,
    signed_headers,
)

EXEC = f"{BASE}/exec/OSCP_v20"
OTHER = f"{BASE}/exec/other"
TIMEOUT = {"message": "Timeout waiting for instruction result."}
PATIENCE = 20


def test_the_final_state_is_answered(simulator: Simulator) -> None:
    data = post(simulator, instruction(), EXEC).data
    assert data["state"] == "Completed"
    assert "resultParameters" not in data
    assert get(simulator, f"{BASE}/view?id=1").data == data


def test_the_exchange_is_recorded_after_everything_that_it_waited_for(simulator: Simulator) -> None:
    post(simulator, instruction(), EXEC)
    recorded = [(entry.party, entry.kind, entry.state) for entry in simulator.journal.entries()]
    assert recorded == [
        ("solaruser", "state", "Queuing"),
        ("solaruser", "note", None),
        ("flexibility_provider", "state", "Executing"),
        ("capacity_provider", "exchange", None),
        ("flexibility_provider", "exchange", None),
        ("flexibility_provider", "state", "Completed"),
        ("solaruser", "exchange", None),
    ]


def test_what_is_declined_when_it_is_queued_is_answered(simulator: Simulator) -> None:
    data = post(simulator, instruction(coId="77"), EXEC).data
    assert (data["state"], data["resultParameters"]) == (
        "Declined",
        {"error": "Unknown capacity optimizer"},
    )


def test_what_the_provider_refuses_is_answered() -> None:
    with Provider(status=500, body=b"no") as provider:
        world = TWO_USERS | {"users": [dict(TWO_USERS["users"][0])]}
        world["users"][0]["capacity_providers"] = [
            {"id": 3, "name": "P", "token": "cp-token", "base_url": provider.url}
        ]
        with Simulator(world, clock=FrozenClock(NOW)) as simulator:
            data = post(simulator, instruction(), EXEC).data
    assert data["state"] == "Declined"
    assert data["resultParameters"]["error"].startswith("500 ")


def test_several_nodes_are_all_waited_for() -> None:
    with Simulator(TWO_USERS, clock=FrozenClock(NOW)) as simulator:
        answer = form(simulator, EXEC, handshake_form(("nodeIds", "12,1,11")))
    assert [(each["nodeId"], each["state"]) for each in answer.data] == [
        (12, "Completed"),
        (1, "Completed"),
        (11, "Completed"),
    ]


# --- the time-out ------------------------------------------------------------------------------


def test_on_time_out_what_is_unfinished_says_so_in_the_reply_only(simulator: Simulator) -> None:
    data = post(simulator, {"nodeId": 1}, f"{OTHER}?resultMaxWait=100").data
    assert (data["state"], data["resultParameters"]) == ("Queuing", TIMEOUT)
    assert "resultParameters" not in get(simulator, f"{BASE}/view?id=1").data


def test_on_time_out_of_several_each_says_how_it_stands() -> None:
    simulator = Simulator(TWO_USERS, clock=FrozenClock(NOW))
    instructions = shared_of(simulator).instructions
    done, waiting = (queued(instructions, state) for state in ("Completed", "Executing"))
    answered = wait_for_results(instructions, [done, waiting], 100).rows
    assert [(row.id, row.state, row.result) for row in answered] == [
        (done.id, "Completed", {"error": "kept"}),
        (waiting.id, "Executing", TIMEOUT),
    ]


@pytest.mark.parametrize("wait", ["0", "99", "-1", "-99999999999", "1", "%2099%20"])
def test_below_100_ms_it_is_answered_at_once(wait: str) -> None:
    # Not started: nobody will ever finish it.
    simulator = Simulator(clock=FrozenClock(NOW))
    data = post(simulator, instruction(), f"{EXEC}?resultMaxWait={wait.replace('%20', '')}").data
    assert data["state"] == "Queuing"
    assert "resultParameters" not in data


def test_below_100_ms_it_is_delivered_all_the_same(simulator: Simulator) -> None:
    post(simulator, instruction(), f"{EXEC}?resultMaxWait=0")
    assert simulator.wait_until_settled(PATIENCE)
    assert ids(get(simulator, f"{BASE}?nodeId=1&state=Completed")) == [1]


@pytest.mark.parametrize("body", ["json", "form"])
@pytest.mark.parametrize("text", ["abc", "1.5", "99999999999999999999"])
def test_a_wait_that_is_no_number(simulator: Simulator, body: str, text: str) -> None:
    target = f"{OTHER}?resultMaxWait={text}"
    answer = (
        post(simulator, {"nodeId": 1}, target)
        if body == "json"
        else form(simulator, target, "nodeId=1")
    )
    status, message = answer.refusal
    assert status == 422
    assert message.startswith("Illegal argument: Method parameter 'resultMaxWait': Failed to ")
    assert simulator.journal.entries(kind="state") == ()


class Recorder:
    """In the place of the instructions: what would be waited for, and how long."""

    def __init__(self, instructions: Instructions) -> None:
        self.get = instructions.get
        self.asked: list[float] = []

    def wait_until_final(self, _: object, timeout: float) -> bool:
        self.asked.append(timeout)
        return False


CLAMPED: dict[str, tuple[int | None, list[float]]] = {
    "absent": (None, [60.0]),
    "longest": (60_000, [60.0]),
    "longer": (60_001, [60.0]),
    "far-longer": (2**63 - 1, [60.0]),
    "as-asked": (1234, [1.234]),
    "shortest": (100, [0.1]),
    "too-short": (99, []),
    "zero": (0, []),
    "negative": (-(2**63), []),
}


@pytest.mark.parametrize("row", CLAMPED.values(), ids=CLAMPED)
def test_the_wait_is_clamped(row: tuple[int | None, list[float]]) -> None:
    milliseconds, expected = row
    instructions = shared_of(Simulator(clock=FrozenClock(NOW))).instructions
    recorder = Recorder(instructions)
    wait_for_results(recorder, [queued(instructions)], milliseconds)  # type: ignore[arg-type]
    assert recorder.asked == expected


@pytest.mark.parametrize("target", [f"{EXEC}?resultMaxWait=", EXEC])
def test_an_empty_wait_is_the_longest(simulator: Simulator, target: str) -> None:
    assert post(simulator, instruction(), target).data["state"] == "Completed"


# --- waiting, alone ----------------------------------------------------------------------------


def queued(instructions: Instructions, state: str = "Queued") -> Instruction:
    return instructions.add(
        node_id=1,
        topic="x",
        pieces=(),
        state=state,  # type: ignore[arg-type]
        result={} if state == "Queued" else {"error": "kept"},
    )


def wakes(simulator: Simulator, row: Instruction, by: Callable[[], object]) -> tuple[bool, float]:
    """What waiting comes to when something happens meanwhile, and after how many seconds."""
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            shared_of(simulator).instructions.wait_until_final, [row.id], 3 * PATIENCE
        )
        by()
        return waiting.result(PATIENCE), time.monotonic() - began


@pytest.mark.parametrize("state", ["Completed", "Declined"])
def test_it_ends_with_a_final_state(simulator: Simulator, state: str) -> None:
    instructions = shared_of(simulator).instructions
    row = queued(instructions)
    ended, seconds = wakes(
        simulator,
        row,
        lambda: instructions.set_state(row.id, state),  # type: ignore[arg-type]
    )
    assert ended
    assert seconds < PATIENCE


def test_it_ends_with_what_is_forgotten(simulator: Simulator) -> None:
    ended, _ = wakes(
        simulator,
        queued(shared_of(simulator).instructions),
        shared_of(simulator).instructions.clear,
    )
    assert ended


class Ticking(FrozenClock):
    """Twenty seconds pass whenever somebody looks at it."""

    def monotonic(self) -> float:
        self.advance(20)
        return super().monotonic()


def test_it_ends_by_the_simulator_s_clock() -> None:
    instructions = shared_of(Simulator(clock=Ticking(NOW))).instructions
    row = queued(instructions)
    began = time.monotonic()
    assert instructions.wait_until_final([row.id], 2 * PATIENCE) is False
    assert time.monotonic() - began < PATIENCE


def test_it_ends_with_what_the_clock_alone_brings() -> None:
    instructions = shared_of(Simulator(clock=Ticking(NOW))).instructions
    row = instructions.add(
        node_id=1, topic="x", pieces=(), state="Queued", result={}, expiration_date=NOW
    )
    assert instructions.wait_until_final([row.id], 100 * PATIENCE) is True
    found = instructions.get(row.id)
    assert found is not None
    assert (found.state, found.result) == ("Declined", {"message": "Expired"})


def test_a_clock_that_stands_still_keeps_nobody_for_ever(simulator: Simulator) -> None:
    row = queued(shared_of(simulator).instructions)
    assert shared_of(simulator).instructions.wait_until_final([row.id], 0.05) is False


# --- nobody else has to wait -------------------------------------------------------------------


def test_others_are_answered_meanwhile(simulator: Simulator) -> None:
    host = simulator.url.removeprefix("http://")

    def over_network(method: str, target: str, body: bytes) -> int:
        headers = signed_headers(method, target, body, host=host)
        return ask_over_network(simulator.url, method, target, headers, body).status

    with ThreadPoolExecutor(1) as pool:
        body = encoded({"nodeId": 1})
        waiting = pool.submit(over_network, "POST", f"{OTHER}?resultMaxWait=60000", body)
        simulator.journal.wait_for(kind="state", state="Queuing", timeout=PATIENCE)
        assert over_network("GET", f"{BASE}/view?id=1", b"") == 200
        assert not waiting.done()
        update = f"{BASE}/updateState?id=1&state=Completed"
        assert over_network("POST", update, b"") == 200
        assert waiting.result(PATIENCE) == 200
    assert ("solaruser", 1, "Completed") in states(simulator)

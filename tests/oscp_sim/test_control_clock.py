"""The simulator's clock, looked at and moved from outside."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FastClock, FrozenClock
from oscp_sim.faults import Rule
from tests.oscp_sim.rig import ask, get, instruction, post, shared_of, signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_sim.clock import Clock
    from tests.oscp_sim.rig import Answer

START = datetime(2026, 5, 4, 15, 58, tzinfo=UTC)
HOST = [("Host", "localhost")]


@pytest.fixture
def frozen() -> Simulator:
    return Simulator(clock=FrozenClock(START))


def clock(simulator: Simulator) -> dict[str, Any]:
    answer = ask(simulator, "GET", "/_sim/clock", HOST)
    assert answer.status == 200
    shown: dict[str, Any] = answer.json
    return shown


def advance(simulator: Simulator, by: object) -> Answer:
    body = by if isinstance(by, bytes) else json.dumps({"advance": by}).encode()
    return ask(simulator, "POST", "/_sim/clock", HOST, body)


def test_what_time_it_is(frozen: Simulator) -> None:
    assert clock(frozen) == {
        "now": "2026-05-04T15:58:00Z",
        "runs": "frozen",
        "next_due": None,
        "pending": 0,
    }
    shared_of(frozen).schedule.after(2.5, lambda: None)
    assert clock(frozen)["next_due"] == "2026-05-04T15:58:02.500000Z"
    assert clock(frozen)["pending"] == 1


def test_how_it_runs() -> None:
    with Simulator() as simulator:
        assert clock(simulator)["runs"] == "real"
    fast = clock(Simulator(clock=FastClock(START, 60)))
    assert (fast["runs"], fast["speed"]) == ("fast", 60)
    standing = clock(Simulator(clock=FastClock(START)))
    assert (standing["runs"], standing["speed"]) == ("fast", None)


@pytest.mark.parametrize(
    ("by", "now"),
    [
        (90, "15:59:30"),
        (0.5, "15:58:00.500000"),
        (0, "15:58:00"),
        ("15m", "16:13:00"),
        ("PT1H", "16:58:00"),
    ],
)
def test_it_is_moved(frozen: Simulator, by: object, now: str) -> None:
    with frozen:
        answer = advance(frozen, by)
    assert (answer.status, answer.json["now"]) == (200, f"2026-05-04T{now}Z")


def test_what_is_due_is_done_meanwhile(frozen: Simulator) -> None:
    done: list[datetime] = []
    with frozen:
        schedule = shared_of(frozen).schedule
        schedule.after(60, lambda: done.append(frozen.clock.now()))
        assert advance(frozen, 59).json["pending"] == 1
        assert done == []
        assert advance(frozen, 1).json["pending"] == 0
    assert done == [START + timedelta(minutes=1)]


def test_the_machine_s_is_not() -> None:
    with Simulator() as simulator:
        answer = advance(simulator, 60)
    assert answer.status == 409
    assert "--clock frozen or fast" in answer.json["error"]


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (-1, "0 or more"),
        (True, "a number of seconds"),
        (None, "a number of seconds"),
        ([1], "a number of seconds"),
        ("soon", '"soon" is not a duration'),
        ("-1s", "is not a duration"),
        (1e300, "at most 366d"),
        ("367d", "at most 366d"),
        (b"", "say by how much"),
        (b"[]", "say by how much"),
        (b'{"advance": 1, "to": 2}', "say by how much"),
        (b"{", "not JSON"),
        (b'{"advance": NaN}', "not JSON"),
        (b"\xff", "not JSON"),
    ],
)
def test_what_makes_no_sense(frozen: Simulator, by: object, told: str) -> None:
    with frozen:
        answer = advance(frozen, by)
    assert answer.status == 400
    assert told in answer.json["error"]
    assert clock(frozen)["now"] == "2026-05-04T15:58:00Z"


def run_at(simulator: Simulator, speed: object) -> Answer:
    return ask(simulator, "POST", "/_sim/clock", HOST, json.dumps({"speed": speed}).encode())


def test_a_fast_one_is_told_how_fast_to_run() -> None:
    with Simulator(clock=FastClock(START)) as simulator:
        done = threading.Event()
        shared_of(simulator).schedule.after(3600, done.set)
        assert run_at(simulator, 100_000).json["speed"] == 100_000
        assert done.wait(20)
        assert run_at(simulator, None).json["speed"] is None
        assert run_at(simulator, 2).json["speed"] == 2


@pytest.mark.parametrize("speed", [0, -1, True, "60", [1]])
def test_a_speed_is_a_number_above_zero(speed: object) -> None:
    with Simulator(clock=FastClock(START, 60)) as simulator:
        answer = run_at(simulator, speed)
        assert (answer.status, "above 0" in answer.json["error"]) == (400, True)
        assert clock(simulator)["speed"] == 60


def test_a_frozen_one_has_no_speed(frozen: Simulator) -> None:
    with frozen:
        answer = run_at(frozen, 60)
    assert (answer.status, "--clock fast" in answer.json["error"]) == (409, True)


def test_the_end_of_time() -> None:
    with Simulator(clock=FrozenClock(datetime(9999, 12, 31, tzinfo=UTC))) as simulator:
        answer = advance(simulator, "2d")
    assert (answer.status, answer.json["error"]) == (400, "no clock goes beyond the year 9999")


# --- the dates of clients who have another clock -----------------------------------------------


@pytest.mark.parametrize("make", [FrozenClock, FastClock])
def test_requests_may_be_dated_by_the_machine_s_clock_too(
    make: Callable[[datetime], Clock],
) -> None:
    machine = datetime.now(UTC)
    with Simulator(clock=make(START)) as simulator:
        assert post(simulator, instruction(), when=machine).data["state"] == "Queuing"
        assert post(simulator, instruction(), when=START).data["state"] == "Queuing"
        for other in (START + timedelta(minutes=16), machine - timedelta(minutes=16)):
            assert post(simulator, instruction(), when=other).status == 401


@pytest.mark.parametrize("is_served", [False, True])
def test_but_not_where_dates_are_strict(is_served: bool) -> None:
    with Simulator(clock=FrozenClock(START), strict_dates=True) as simulator:
        if is_served:
            simulator.serve_at("http://127.0.0.1:9")
        assert post(simulator, instruction(), when=datetime.now(UTC)).status == 401
        assert post(simulator, instruction(), when=START).data["state"] == "Queuing"


CLOCKS: dict[str, tuple[dict[str, Any], str]] = {
    "frozen and strict": (
        {"clock": FrozenClock(START), "strict_dates": True},
        " by the simulator's clock, the only one here, as strict_dates says: sign by it, as "
        "simulator.clock.now() tells the time",
    ),
    "frozen": (
        {"clock": FrozenClock(START)},
        " by the simulator's clock: set the clock right, this machine's or that one",
    ),
    "real and strict": ({"strict_dates": True}, ": set the clock right"),
    "real": ({}, ": set the clock right"),
}


@pytest.mark.parametrize("made", CLOCKS)
def test_what_is_dated_by_another_clock_is_told_by_which_to_sign(made: str) -> None:
    settings, said = CLOCKS[made]
    path = "/solaruser/api/v1/sec/instr/view?id=1"
    with Simulator(**settings) as simulator:
        assert get(simulator, path, when=START - timedelta(days=400)).status == 401
        (entry,) = simulator.journal.entries()
    assert f"+00:00{said}; the guide says 401 here" in entry.detail["why"]


def test_a_clock_that_a_fault_makes_wrong_is_wrong_for_every_date() -> None:
    wrong = [Rule(where="solaruser", fault="clock", behind=timedelta(hours=1))]
    with Simulator(clock=FrozenClock(START), faults=wrong) as simulator:
        for when in (START, datetime.now(UTC)):
            assert post(simulator, instruction(), when=when).status == 401
        for when in (START, datetime.now(UTC)):
            wrong_alike = when - timedelta(hours=1)
            assert post(simulator, instruction(), when=wrong_alike).data["state"] == "Queuing"


def test_but_not_where_there_is_one_clock_alone() -> None:
    with Simulator() as simulator:
        simulator.serve_at("http://127.0.0.1:9")
        assert shared_of(simulator).clients_clock is None
        old = datetime.now(UTC) - timedelta(hours=1)
        assert get(simulator, "/solaruser/api/v1/sec/instr/view?id=1", when=old).status == 401


# --- the control token -------------------------------------------------------------------------


class TestControlToken:
    @pytest.fixture
    def guarded(self) -> Simulator:
        return Simulator(clock=FrozenClock(START), control_token="sesame")

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "clock"), ("GET", "journal"), ("POST", "reset"), ("GET", "providers/3")],
    )
    @pytest.mark.parametrize("shown", [None, "Bearer other", "Bearer", "Token sesame", "sesame"])
    def test_without_it_nothing_is_told(
        self, guarded: Simulator, method: str, path: str, shown: str | None
    ) -> None:
        headers = HOST if shown is None else [*HOST, ("Authorization", shown)]
        answer = ask(guarded, method, f"/_sim/{path}", headers)
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, "Bearer")
        assert "sesame" not in str(answer)

    def test_with_it_all_is(self, guarded: Simulator) -> None:
        headers = [*HOST, ("Authorization", "Bearer sesame")]
        assert ask(guarded, "GET", "/_sim/clock", headers).status == 200

    def test_whether_it_is_there_anybody_may_ask(self, guarded: Simulator) -> None:
        assert ask(guarded, "GET", "/_sim/health", HOST).status == 200

    def test_the_parties_have_tokens_of_their_own(self, guarded: Simulator) -> None:
        target = "/solaruser/api/v1/sec/instr/view?id=1"
        headers = signed_headers("GET", target, when=START)
        assert ask(guarded, "GET", target, headers).status == 200

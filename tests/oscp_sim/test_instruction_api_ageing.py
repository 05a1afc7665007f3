"""States and what time does to them: the solaruser.md §2.4 and §2.6."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.instructions import STATES, Instruction, State, aged
from tests.oscp_sim.instruction_api import form, ids, states
from tests.oscp_sim.rig import (
    BASE,
    NOW,
    Answer,
    delivered,
    get,
    instruction,
    post,
    settled,
    shared_of,
)

FINAL = {"Completed", "Declined"}
OTHER = f"{BASE}/add/other"


def dated(**dates: datetime) -> dict[str, Any]:
    return instruction() | {name: timestamp(date) for name, date in dates.items()}


def view(simulator: Simulator, at: datetime) -> dict[str, Any]:
    answer: Answer = get(simulator, f"{BASE}/view?id=1", when=at)
    data: dict[str, Any] = answer.data
    return data


# --- §2.4 --------------------------------------------------------------------------------------

ORIGINS: dict[str, tuple[str, str, str]] = {
    "other": (OTHER, "1", "Queuing"),
    "Queuing": (f"{BASE}/add/OSCP_v20", "1", "Queuing"),
    "Declined": (f"{BASE}/add/OSCP_v20", "77", "Declined"),
}


@pytest.mark.parametrize("row", ORIGINS.values(), ids=ORIGINS)
def test_2_4_state_after_queueing(row: tuple[str, str, str]) -> None:
    target, optimizer, state = row
    simulator = Simulator(clock=FrozenClock(NOW))
    assert post(simulator, instruction(coId=optimizer), target).data["state"] == state


@pytest.mark.parametrize("topic", ["OSCP_V20", "oscp_v20", "OSCP_v2", "SetControlParameter"])
def test_2_4_any_other_topic_is_an_ordinary_instruction(simulator: Simulator, topic: str) -> None:
    data = post(simulator, instruction(coId="77"), f"{BASE}/add/{topic}").data
    assert (data["state"], "resultParameters" in data) == ("Queuing", False)
    assert delivered(simulator) == []


def test_2_4_the_path_of_a_message(simulator: Simulator) -> None:
    post(simulator, instruction())
    settled(simulator)
    assert states(simulator) == [
        ("solaruser", 1, "Queuing"),
        ("flexibility_provider", 1, "Executing"),
        ("flexibility_provider", 1, "Completed"),
    ]


# --- §2.6: the stale job -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "Queuing"), (29, "Queuing"), (30, "Queuing"), (30.000001, "Queued")]
)
def test_2_6_what_nobody_claims_goes_stale(seconds: float, state: str) -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    post(simulator, instruction())
    at = clock.advance(seconds)
    assert view(simulator, at)["state"] == state


@pytest.mark.parametrize("look", ["view?id=1", "view?ids=1", "viewActive?nodeId=1", "?nodeId=1"])
def test_2_6_every_look_sees_it(look: str) -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    post(simulator, instruction())
    at = clock.advance(31)
    target = f"{BASE}{look}" if look.startswith("?") else f"{BASE}/{look}"
    data = get(simulator, target, when=at).data
    assert (data[0] if isinstance(data, list) else data)["state"] == "Queued"


def test_2_6_what_is_stale_is_never_delivered() -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    post(simulator, instruction())
    at = clock.advance(31)
    with simulator:
        settled(simulator)
        assert view(simulator, at)["state"] == "Queued"
        form(simulator, f"{BASE}/updateState", "id=1&state=Queuing", when=at)
        assert view(simulator, at)["state"] == "Queued"
    assert delivered(simulator) == []


@pytest.mark.parametrize("started", [True, False])
def test_2_6_a_past_date_makes_it_stale_at_once(started: bool) -> None:
    simulator = Simulator(clock=FrozenClock(NOW))
    if started:
        simulator.start()
    body = dated(instructionDate=NOW - timedelta(seconds=30, microseconds=1))
    # In the reply it is what it was when it was stored.
    assert post(simulator, body).data["state"] == "Queuing"
    settled(simulator)
    simulator.close()
    assert view(simulator, NOW)["state"] == "Queued"
    assert delivered(simulator) == []
    last = simulator.journal.entries(kind="state")[-1]
    assert (last.party, last.state) == ("solaruser", "Queued")
    assert "never delivered" in last.detail["why"]


def test_2_6_a_date_of_30_seconds_ago_is_good_enough(simulator: Simulator) -> None:
    post(simulator, dated(instructionDate=NOW - timedelta(seconds=30)))
    settled(simulator)
    assert view(simulator, NOW)["state"] == "Completed"


def test_2_6_a_past_date_does_not_mend_a_refusal(simulator: Simulator) -> None:
    body = dated(instructionDate=NOW - timedelta(days=1))
    body["params"] = {}
    post(simulator, body)
    assert view(simulator, NOW)["state"] == "Declined"


def test_2_6_a_future_date_keeps_it_fresh() -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    post(simulator, dated(instructionDate=NOW + timedelta(minutes=10)))
    assert view(simulator, clock.advance(timedelta(minutes=10)))["state"] == "Queuing"
    assert view(simulator, clock.advance(31))["state"] == "Queued"


# --- §2.6: the expiry job ----------------------------------------------------------------------


def test_2_6_what_is_not_final_expires() -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    body = {"nodeId": 1, "expirationDate": timestamp(NOW + timedelta(minutes=5))}
    post(simulator, body, OTHER)
    at = clock.advance(timedelta(minutes=5))
    assert view(simulator, at)["state"] == "Queued"
    seen = view(simulator, clock.advance(timedelta(microseconds=1)))
    assert (seen["state"], seen["resultParameters"]) == ("Declined", {"message": "Expired"})
    last = simulator.journal.entries(kind="state")[-1]
    assert (last.state, last.reason) == ("Declined", "Expired")


def test_2_6_what_is_expired_from_the_start_is_delivered_all_the_same(
    simulator: Simulator, clock: FrozenClock
) -> None:
    post(simulator, dated(expirationDate=NOW - timedelta(days=1)))
    settled(simulator)
    clock.advance(timedelta(hours=1))
    assert view(simulator, clock.now())["state"] == "Completed"


def test_2_6_the_job_comes_to_what_is_expired_from_the_start_if_nobody_else_does() -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    post(simulator, {"nodeId": 1, "expirationDate": "2020-01-01 00:00:00Z"}, OTHER)
    assert view(simulator, clock.advance(59))["state"] == "Queued"
    assert view(simulator, clock.advance(1))["state"] == "Declined"


def test_2_6_expiry_is_merged_into_what_there_is() -> None:
    clock = FrozenClock(NOW)
    simulator = Simulator(clock=clock)
    body = instruction(coId="77") | {"expirationDate": timestamp(NOW)}
    post(simulator, body)
    form(simulator, f"{BASE}/updateState", "id=1&state=Received")
    seen = view(simulator, clock.advance(61))
    assert seen["resultParameters"] == {"error": "Unknown capacity optimizer", "message": "Expired"}


def test_2_6_what_expires_on_its_way_stays_declined(
    simulator: Simulator, clock: FrozenClock
) -> None:
    instructions = shared_of(simulator).instructions
    row = instructions.add(
        node_id=1, topic="x", pieces=(), state="Executing", result={}, expiration_date=NOW
    )
    clock.advance(61)
    assert instructions.change("flexibility_provider", row.id, "Executing", "Completed") is None
    found = instructions.get(row.id)
    assert found is not None
    assert found.state == "Declined"


# --- both, alone -------------------------------------------------------------------------------

SECONDS = st.integers(-200, 200).map(lambda number: timedelta(seconds=number))


@given(st.sampled_from(STATES), SECONDS, st.none() | SECONDS, SECONDS)
def test_ageing(
    state: State, dated_: timedelta, expires: timedelta | None, passed: timedelta
) -> None:
    row = Instruction(
        id=1,
        created=NOW,
        node_id=1,
        topic="x",
        instruction_date=NOW + dated_,
        state=state,
        status_date=NOW,
        expiration_date=None if expires is None else NOW + expires,
        result={"a": 1},
    )
    now = NOW + abs(passed)
    grown = aged(row, now)
    stale = state == "Queuing" and now - (NOW + dated_) > timedelta(seconds=30)
    expired = (
        expires is not None
        and state not in FINAL
        and NOW + expires < now
        and abs(passed) >= timedelta(seconds=60)
    )
    expected: State = "Declined" if expired else "Queued" if stale else state
    result = {"a": 1, "message": "Expired"} if expired else {"a": 1}
    assert grown == replace(row, state=expected, result=result)
    # Once looked at, it is what it is.
    assert aged(grown, now) is grown
    if not stale and not expired:
        assert grown is row


def test_waiting_until_all_is_settled_sees_what_is_stale(simulator: Simulator) -> None:
    for _ in range(3):
        shared_of(simulator).instructions.add(
            node_id=1,
            topic="OSCP_v20",
            pieces=(),
            state="Queuing",
            result={},
            instruction_date=NOW - timedelta(minutes=1),
        )
    assert simulator.wait_until_settled(0)
    assert ids(get(simulator, f"{BASE}/viewActive?nodeId=1")) == [1, 2, 3]


def test_waiting_until_all_is_settled_ends_with_a_reset() -> None:
    simulator = Simulator(clock=FrozenClock(NOW))
    post(simulator, instruction())
    assert not simulator.wait_until_settled(0)
    shared_of(simulator).instructions.clear()
    assert simulator.wait_until_settled(0)

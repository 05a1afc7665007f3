"""A Capacity Provider with ELMO's ways and timetable (oscp20.md §4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.other_side import FP, OtherSide, notes, register, rules, world
from tests.oscp_sim.rig import BLOCK, block, measured, shared_of

ELMO = "/oscp/2.0"
# 09:00 in Taipei.
MORNING = datetime(2026, 5, 4, 1, tzinfo=UTC)
USAGE = measured(measure_time="2026-05-04T01:00:00Z")


@contextmanager
def elmo(behaviour: object = None, **more: object) -> Iterator[OtherSide]:
    made = world(behaviour or {"timetable": 100}, profile="elmo", **more)
    with Simulator(made, clock=FrozenClock(MORNING)) as simulator:
        yield OtherSide(simulator)


def test_tomorrow_is_assigned_at_ten_every_day() -> None:
    with elmo() as other:
        other.simulator.clock.advance(timedelta(minutes=59))
        assert other.got == []
        other.simulator.clock.advance(timedelta(minutes=1))
        (got,) = other.got
        blocks = got.json["forecasted_blocks"]
        assert len(blocks) == 24
        times = "2026-05-05T00:00:00.000+08:00", "2026-05-05T01:00:00.000+08:00"
        assert blocks[0] == block(*times, 100)
        other.simulator.clock.advance(timedelta(days=3))
        assert len(other.got) == 4
        assert other.simulator.pending == 0


def test_nothing_is_assigned_before_the_registration() -> None:
    with elmo(registration_status="Pending") as other:
        other.simulator.clock.advance(timedelta(days=1))
        assert other.got == []
        assert "not registered" in notes(other.simulator)[0].detail["why"]


def test_an_assignment_that_is_not_taken_is_sent_again() -> None:
    with elmo() as other:
        # ELMO takes 204 alone for an answer.
        other.answers = [200, 500]
        other.simulator.clock.advance(timedelta(hours=2))
        assert len(other.got) == 3


def test_nothing_is_assigned_by_one_that_is_configured_no_more() -> None:
    with elmo() as other:
        shared = shared_of(other.simulator)
        with shared.world_lock:
            shared.replace_world(type(shared.world)(users=()))
        other.simulator.clock.advance(timedelta(days=2))
        assert other.got == []


def test_without_a_timetable_nothing_is_sent() -> None:
    with elmo({"adjustments": "accept"}) as other:
        other.simulator.clock.advance(timedelta(days=2))
        assert other.got == []


@pytest.mark.parametrize(
    ("purpose", "blocks", "end"),
    [
        ("negotiation_assign_capacity", 24, "2026-05-06T00:00:00.000+08:00"),
        ("negotiation_reply_request_additional_capacity", 24, "2026-05-06T00:00:00.000+08:00"),
        ("emergency_assign_capacity", 1, "2026-05-05T00:00:00.000+08:00"),
    ],
)
def test_the_purposes_of_its_test_bed(purpose: str, blocks: int, end: str) -> None:
    with elmo() as other:
        assert other.provider.forecast(purpose=purpose, capacity=7).status == 204
        got = other.got[0].json["forecasted_blocks"]
        assert (len(got), got[-1]["end_time"]) == (blocks, end)


def test_it_is_registered_with_by_the_other_side_and_shakes_hands_itself() -> None:
    """Register back at once after its 204, and a Handshake 5 s later."""
    with elmo(registration_status="Pending") as other:
        assert other.tell("Register", register(), to=ELMO).status == 204
        other.simulator.clock.advance(5)
        assert [(each.action, each.at) for each in other.got] == [
            ("Register", "01:00:00.000"),
            ("Handshake", "01:00:05.000"),
        ]
        # Told to somebody outside, it is where the outside finds it.
        (version,) = other.got[0].json["version_url"]
        assert version == {"version": "2.0", "base_url": other.simulator.url + ELMO}
        assert other.got[1].url == f"{FP}/handshake"


@pytest.mark.parametrize("action", ["HandshakeAcknowledge", "GroupCapacityComplianceError"])
@pytest.mark.parametrize(("named", "status"), [(False, 400), (True, 204)])
def test_it_wants_a_correlation_id(action: str, named: bool, status: int) -> None:
    with elmo() as other:
        other.provider.handshake(request_id="h1")
        other.provider.forecast(capacities=[5], request_id="r1")
        message: dict[str, Any] = {} if action.startswith("H") else {"message": "x"}
        known = "h1" if action.startswith("H") else "r1"
        how: dict[str, Any] = {"correlation_id": known} if named else {}
        assert other.tell(action, message, to=ELMO, **how).status == status


@pytest.mark.parametrize("action", ["Heartbeat", "Handshake", "UpdateAssetMeasurement"])
def test_it_has_no_other_endpoints(action: str) -> None:
    with elmo() as other:
        assert other.tell(action, {}, to=ELMO).status == 404


def test_it_is_not_below_the_usual_path() -> None:
    with elmo() as other:
        assert other.tell("UpdateGroupMeasurements", USAGE).status == 403


def test_an_unknown_group_is_a_bad_request() -> None:
    with elmo() as other:
        message = {**USAGE, "group_id": "bar"}
        assert other.tell("UpdateGroupMeasurements", message, to=ELMO).status == 400


def test_a_late_request_is_flagged() -> None:
    message = {"group_id": "foo-group", "type": "CONSUMPTION"}
    tomorrow = block("2026-05-05T00:00:00+08:00", "2026-05-05T01:00:00+08:00")
    with elmo() as other:
        asked = {**message, "forecasted_blocks": [tomorrow]}
        other.tell("AdjustGroupCapacityForecast", asked, to=ELMO)
        assert "elmo-timetable" not in rules(other.simulator)
        other.simulator.clock.advance(timedelta(hours=5, seconds=1))
        other.tell("AdjustGroupCapacityForecast", asked, to=ELMO, request_id="u2")
        assert "elmo-timetable" in rules(other.simulator)


def test_an_answer_comes_by_four() -> None:
    behaviour = {"adjustments": "answer", "answer_after": "12h"}
    with elmo(behaviour) as other:
        asked = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
        other.tell("AdjustGroupCapacityForecast", asked, to=ELMO)
        other.simulator.clock.advance(timedelta(hours=7))
        assert [each.at for each in other.got] == ["08:00:00.000"]


def test_missing_usage_is_noticed_once() -> None:
    with elmo() as other:
        for number in range(3):
            other.tell("UpdateGroupMeasurements", USAGE, to=ELMO, request_id=f"u{number}")
            other.simulator.clock.advance(60)
        assert notes(other.simulator) == []
        other.simulator.clock.advance(600)
        (note,) = notes(other.simulator)
        assert [each["rule"] for each in note.findings] == ["elmo-timetable"]
        other.tell("UpdateGroupMeasurements", USAGE, to=ELMO, request_id="u9")
        other.simulator.clock.advance(600)
        assert len(notes(other.simulator)) == 2


def test_others_do_not_miss_any() -> None:
    with Simulator(world(), clock=FrozenClock(MORNING)) as simulator:
        OtherSide(simulator).tell("UpdateGroupMeasurements", USAGE)
        simulator.clock.advance(600)
        assert notes(simulator) == []

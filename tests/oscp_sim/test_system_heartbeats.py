"""Heartbeats both ways, and what follows when they fail to come (oscp20.md §3.6 and §3.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import Clock, FrozenClock, Schedule, Task
from oscp_sim.system.heartbeats import Heartbeats
from tests.oscp_sim.other_side import CO, OtherSide, facing, notes, rules, simulated, world
from tests.oscp_sim.rig import BLOCK, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable


def heartbeat(seconds: float) -> dict[str, str]:
    """One that announces to be offline so many seconds after the beginning."""
    at = NOW + timedelta(seconds=seconds)
    return {"offline_mode_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def why(simulator: Simulator) -> list[str]:
    return [note.detail["why"].partition(":")[0].partition(";")[0] for note in notes(simulator)]


GONE, BACK = "the Flexibility Provider is offline", "the Flexibility Provider is back online"


# --- the other side's ----------------------------------------------------------------------------


def test_nobody_is_offline_who_never_said_when() -> None:
    with simulated() as simulator:
        simulator.provider(3)
        simulator.clock.advance(timedelta(days=400))
        assert notes(simulator) == []


def test_offline_is_noticed_when_the_time_has_passed_and_not_before(other: OtherSide) -> None:
    assert other.tell("Heartbeat", heartbeat(120)).status == 204
    assert other.provider.to_dict()["offline_mode_at"] == "2026-01-02T03:06:05.123Z"
    assert other.simulator.pending == 0
    other.simulator.clock.advance(119)
    assert notes(other.simulator) == []
    other.simulator.clock.advance(2)
    assert why(other.simulator) == [GONE]
    assert other.provider.to_dict()["offline"] is True
    other.simulator.clock.advance(timedelta(days=1))
    assert why(other.simulator) == [GONE]


@pytest.mark.parametrize("beats", [range(0, 600, 60), range(0, 600, 120)])
def test_nobody_is_offline_whose_next_heartbeat_is_in_time(
    other: OtherSide, beats: Iterable[int]
) -> None:
    """SolarNetwork's come every 120 s and announce 120 s: in time by a hair (§5.5)."""
    for at in beats:
        other.simulator.clock.advance(NOW + timedelta(seconds=at) - other.simulator.clock.now())
        other.tell("Heartbeat", heartbeat(at + 120), request_id=f"u{at}")
    assert notes(other.simulator) == []


def test_a_heartbeat_that_takes_back_its_time_counts(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(600))
    other.tell("Heartbeat", heartbeat(60), request_id="u2")
    other.simulator.clock.advance(61)
    assert why(other.simulator) == [GONE]


def test_the_last_heartbeat_counts(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60))
    other.tell("Heartbeat", heartbeat(61), request_id="u2")
    other.simulator.clock.advance(60.5)
    assert notes(other.simulator) == []
    other.simulator.clock.advance(1)
    assert why(other.simulator) == [GONE]


def test_the_next_heartbeat_brings_it_back(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60))
    other.simulator.clock.advance(100)
    other.tell("Heartbeat", heartbeat(220), request_id="u2")
    assert why(other.simulator) == [GONE, BACK]
    assert other.provider.to_dict()["offline"] is False
    other.simulator.clock.advance(121)
    assert why(other.simulator) == [GONE, BACK, GONE]


def test_a_heartbeat_of_the_past_brings_nobody_back(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60))
    other.simulator.clock.advance(100)
    other.tell("Heartbeat", heartbeat(90), request_id="u2")
    other.simulator.clock.advance(1)
    assert why(other.simulator) == [GONE]


@pytest.mark.parametrize("covered", [True, False])
def test_s9_the_fallback_forecasts_are_looked_at_when_it_goes_offline(
    other: OtherSide, covered: bool
) -> None:
    block = {**BLOCK, "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-09T00:00:00Z"}
    kind = "FALLBACK_CONSUMPTION" if covered else "CONSUMPTION"
    other.provider.forecast(
        message={"group_id": "foo-group", "type": kind, "forecasted_blocks": [block]}
    )
    other.tell("Heartbeat", heartbeat(60))
    other.simulator.clock.advance(61)
    (note,) = notes(other.simulator)
    severities = {each["severity"] for each in note.findings if each["rule"] == "S9"}
    assert severities == ({"info"} if covered else {"warning"})
    assert note.detail["offline_mode_at"] == heartbeat(60)["offline_mode_at"]


def test_s12_a_heartbeat_of_the_past_is_taken_with_a_finding(other: OtherSide) -> None:
    assert other.tell("Heartbeat", heartbeat(-1)).status == 204
    assert "S12" in rules(other.simulator)


def test_the_end_of_time_is_no_task(other: OtherSide) -> None:
    message = {"offline_mode_at": "9999-12-31T23:59:59.999999Z"}
    assert other.tell("Heartbeat", message).status == 204
    other.simulator.clock.advance(timedelta(days=1))
    assert notes(other.simulator) == []


def test_the_end_of_time_is_no_task_after_another_heartbeat_either(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60))
    message = {"offline_mode_at": "9999-12-31T23:59:59.999999Z"}
    assert other.tell("Heartbeat", message, request_id="u2").status == 204
    other.simulator.clock.advance(timedelta(days=1))
    assert notes(other.simulator) == []


def test_unregistering_ends_the_waiting(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60))
    other.tell("Register", method="DELETE")
    other.simulator.clock.advance(100)
    assert notes(other.simulator) == []


# --- its own -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2026-01-02T03:06:05.123Z"),
        ({"offline_mode_at": "tomorrow"}, "tomorrow"),
        ({"offline_mode_at": datetime(2030, 1, 1, tzinfo=UTC)}, "2030-01-01T00:00:00Z"),
    ],
)
def test_heartbeat_says_until_when(other: OtherSide, fields: dict[str, Any], expected: str) -> None:
    other.provider.heartbeat(**fields)
    assert other.got[0].json == {"offline_mode_at": expected}


@pytest.mark.parametrize("party", ["provider", "optimizer"])
def test_own_heartbeats_come_at_the_worlds_interval(party: str) -> None:
    made = dict(world({"heartbeat_every": "5m"} if party == "provider" else None))
    if party == "optimizer":
        made["users"][0]["capacity_optimizers"][0]["heartbeat_every"] = "5m"
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        other = OtherSide(simulator)
        simulator.clock.advance(timedelta(minutes=16))
        assert other.actions() == ["Heartbeat"] * 3
        assert [each.at for each in other.got] == [
            "03:09:05.123",
            "03:14:05.123",
            "03:19:05.123",
        ]
        assert other.got[0].json == {"offline_mode_at": "2026-01-02T03:19:05.123Z"}
        ids = [each.header("X-Request-ID") for each in other.got]
        assert len(set(ids)) == 3
        assert simulator.pending == 0


def test_own_heartbeats_wait_for_the_registration() -> None:
    behaviour = {"heartbeat_every": "1m"}
    with facing(behaviour, registration_status="Pending") as other:
        other.simulator.clock.advance(timedelta(minutes=10))
        assert other.got == []
        other.provider.register()
        message = {"token": "t", "version_url": [{"version": "2.0", "base_url": "http://f"}]}
        other.tell("Register", message)
        other.simulator.clock.advance(timedelta(minutes=2))
        assert other.actions() == ["Register", "Heartbeat", "Heartbeat"]


@pytest.mark.parametrize("action", ["Handshake", "HandshakeAcknowledge"])
def test_own_heartbeats_come_as_often_as_the_other_side_asks(other: OtherSide, action: str) -> None:
    """At its rate, not at the one that this side has asked for (§6.2, 10)."""
    other.provider.handshake(heartbeat_interval=7)
    asked = {"heartbeat_interval": 30, "measurement_configuration": []}
    other.tell(action, {"required_behaviour": asked})
    assert other.provider.to_dict()["asked"] == asked
    other.simulator.clock.advance(91)
    beats = [each for each in other.got if each.action == "Heartbeat"]
    assert len(beats) == 3
    assert beats[0].json == {"offline_mode_at": "2026-01-02T03:05:35.123Z"}


@pytest.mark.parametrize("interval", [0, -5, 0.5])
def test_an_interval_below_a_second_is_none(other: OtherSide, interval: float) -> None:
    asked = {"heartbeat_interval": interval, "measurement_configuration": []}
    other.tell("HandshakeAcknowledge", {"required_behaviour": asked})
    other.simulator.clock.advance(600)
    assert other.got == []


@pytest.mark.parametrize("interval", [1e12, 1e300, 9007199254740993])
def test_an_interval_beyond_every_calendar_is_a_century(other: OtherSide, interval: float) -> None:
    asked = {"heartbeat_interval": interval, "measurement_configuration": []}
    other.tell("HandshakeAcknowledge", {"required_behaviour": asked})
    other.simulator.clock.advance(timedelta(days=36_524))
    assert other.got == []
    other.simulator.clock.advance(timedelta(days=2))
    assert other.actions() == ["Heartbeat"]


class RecordingSchedule(Schedule):
    """A schedule that keeps the tasks that were made, in order."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.made: list[Task] = []

    def at(
        self,
        when: datetime,
        do: Callable[[], object],
        *,
        job: bool = False,
        queue: Hashable = None,
    ) -> Task:
        task = super().at(when, do, job=job, queue=queue)
        self.made.append(task)
        return task


def test_a_plan_that_changes_while_one_is_due_does_not_double_them() -> None:
    clock = FrozenClock(NOW)
    schedule = RecordingSchedule(clock)
    beats = list[datetime]()
    heartbeats = Heartbeats(clock, schedule, lambda: 60.0, lambda: beats.append(clock.now()))
    heartbeats.plan()
    schedule.start()
    schedule.after(59.9, heartbeats.plan)
    clock.advance(59.9)
    # The first task: taken off the schedule before the plan changed, and not begun until now.
    schedule.made[0].do()
    clock.advance(600)
    assert len(beats) == 10
    schedule.close(10)


def test_a_failed_heartbeat_is_followed_by_the_next() -> None:
    with facing({"heartbeat_every": "1m"}) as other:
        other.answers = [500, None]
        other.simulator.clock.advance(181)
        assert len(other.got) == 3


def test_a_year_without_heartbeats_takes_no_time() -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        OtherSide(simulator)
        simulator.clock.advance(timedelta(days=366))
        assert simulator.journal.entries() == ()


def test_a_capacity_optimizer_notices_the_same(other: OtherSide) -> None:
    other.tell("Heartbeat", heartbeat(60), token="co-token", to=CO)
    other.simulator.clock.advance(61)
    (note,) = notes(other.simulator)
    assert note.party == "capacity_optimizer"
    assert (note.detail["user"], note.detail["id"]) == (42, 1)

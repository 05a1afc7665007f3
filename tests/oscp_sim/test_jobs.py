"""When what comes again and again is begun, and what there is to it while nobody needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.flexibility_provider.jobs import Job, Jobs, Timetable
from oscp_sim.shared import Shared
from tests.oscp_sim.peers import START, optimizer, peers, provider, world
from tests.oscp_sim.rig import shared_of

INSTANTS = st.timedeltas(timedelta(), timedelta(days=36500)).map(
    lambda passed: datetime(2000, 1, 1, tzinfo=UTC) + passed
)
NEVER = START + timedelta(days=365)


@given(INSTANTS, st.integers(0, 59), st.booleans())
def test_the_next_instant_of_a_timetable(now: datetime, second: int, odd: bool) -> None:
    found = Timetable(second, odd).first_from(now)
    assert now <= found < now + timedelta(minutes=2 if odd else 1)
    assert (found.second, found.microsecond) == (second, 0)
    assert found.minute % 2 == 1 or not odd


@dataclass
class Work:
    """Does what it is told, and says when."""

    shared: Shared
    next: datetime | None = None
    every: timedelta | None = None
    pauses: list[float] = field(default_factory=list)
    fails: bool = False
    begun: list[datetime] = field(default_factory=list)
    done: list[datetime] = field(default_factory=list)

    def due(self) -> datetime | None:
        return self.next

    def steps(self, begun: datetime) -> Iterator[float]:
        self.begun.append(begun)
        yield from self.pauses
        if self.fails:
            raise ZeroDivisionError
        self.done.append(self.shared.clock.now())
        self.next = None if self.every is None else begun + self.every


@pytest.fixture
def shared() -> Iterator[Shared]:
    with peers(world()) as there:
        yield shared_of(there.simulator)


def seconds(instants: list[datetime]) -> list[float]:
    return [(each - START).total_seconds() for each in instants]


def test_it_is_begun_when_it_is_due_and_not_before(shared: Shared) -> None:
    work = Work(shared, START + timedelta(seconds=200))
    Job(shared, Timetable(10), work).plan()
    shared.clock.advance(1000)
    assert seconds(work.begun) == [245]


def test_it_comes_again_for_as_long_as_there_is_something(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta())
    Job(shared, Timetable(10), work).plan()
    shared.clock.advance(200)
    assert seconds(work.begun) == [5, 65, 125, 185]


def test_what_nobody_needs_is_not_on_the_schedule(shared: Shared) -> None:
    job = Job(shared, Timetable(10), Work(shared))
    job.plan()
    assert shared.schedule.next_due is None
    job.review()
    assert shared.schedule.next_due is None


def test_a_review_follows_what_has_changed(shared: Shared) -> None:
    work = Work(shared)
    job = Job(shared, Timetable(10), work)
    job.plan()
    work.next = START + timedelta(hours=1)
    job.review()
    assert shared.schedule.next_due == START + timedelta(hours=1, seconds=5)
    work.next = START
    job.review()
    assert shared.schedule.next_due == START + timedelta(seconds=5)
    work.next = None
    job.review()
    assert shared.schedule.next_due is None
    shared.clock.advance(7200)
    assert work.begun == []


def test_a_run_that_lasts_is_not_overtaken(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta(), pauses=[50.0, 50.0])
    job = Job(shared, Timetable(10), work)
    job.plan()
    shared.clock.advance(10)
    job.review()
    assert shared.schedule.pending == 1
    shared.clock.advance(190)
    assert seconds(work.begun) == [5, 125]
    assert seconds(work.done) == [105]


def test_one_that_fails_unexpectedly_comes_again(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(shared, START, fails=True)
    Job(shared, Timetable(10), work).plan()
    with caplog.at_level(logging.CRITICAL):
        shared.clock.advance(70)
    assert seconds(work.begun) == [5, 65]


def test_planning_again_calls_off_what_is_under_way(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta(), pauses=[50.0])
    job = Job(shared, Timetable(10), work)
    job.plan()
    shared.clock.advance(30)
    shared.schedule.clear()
    job.plan()
    assert seconds(work.begun) == [5]
    shared.clock.advance(95)
    assert seconds(work.begun) == [5, 65, 125]
    assert seconds(work.done) == [115]


def test_what_was_called_off_does_not_go_on_though_it_is_still_on_the_schedule(
    shared: Shared,
) -> None:
    work = Work(shared, START, every=timedelta(), pauses=[50.0])
    job = Job(shared, Timetable(10), work)
    job.plan()
    shared.clock.advance(30)
    job.plan()
    shared.clock.advance(50)
    assert seconds(work.begun) == [5, 65]
    assert work.done == []


def test_a_review_counts_again_once_a_run_was_called_off(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta(), pauses=[50.0])
    job = Job(shared, Timetable(10), work)
    job.plan()
    shared.clock.advance(30)
    job.plan()
    work.next = None
    job.review()
    shared.clock.advance(600)
    assert seconds(work.begun) == [5]


def test_planning_twice_does_not_do_it_twice(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta())
    job = Job(shared, Timetable(10), work)
    for _ in range(3):
        job.plan()
    shared.clock.advance(70)
    assert seconds(work.begun) == [5, 65]


def test_jobs_that_are_not_started_are_not_planned(shared: Shared) -> None:
    work = Work(shared, START, every=timedelta())
    jobs = Jobs(shared, [Job(shared, Timetable(10), work)])
    jobs.plan()
    assert shared.schedule.next_due is None
    jobs.start()
    jobs.start()
    shared.clock.advance(70)
    assert seconds(work.begun) == [5, 65]


# --- in a simulator ----------------------------------------------------------------------------

BEATS = {"settings": {"heartbeat_seconds": 60}}


def test_a_year_without_such_a_system_has_no_ticks() -> None:
    with peers(world()) as there:
        schedule = shared_of(there.simulator).schedule
        assert schedule.next_due is None
        there.clock.advance(timedelta(days=365))
        assert there.clock.now() == NEVER
        assert there.sent == []


def test_a_year_with_one_that_is_far_from_due_has_few() -> None:
    settings = {"heartbeat_seconds": 180 * 86400}
    with peers(world([provider(settings=settings)])) as there:
        there.clock.advance(timedelta(days=365))
        assert len(there.sent) == 3


def test_jobs_are_never_pending() -> None:
    with peers(world([provider(**BEATS)])) as there:
        assert shared_of(there.simulator).schedule.next_due is not None
        assert there.simulator.pending == 0


def test_a_changed_world_changes_what_is_planned() -> None:
    with peers(world([provider(registration_status="Pending", **BEATS)], [optimizer()])) as there:
        shared = shared_of(there.simulator)
        (system,) = shared.world.users[0].capacity_providers
        assert shared.schedule.next_due is None
        shared.change_system(42, system, registration_status="Registered")
        assert shared.schedule.next_due == START.replace(minute=1, second=0)
        shared.change_system(42, system, enabled=False)
        assert shared.schedule.next_due is None


def test_a_cleared_schedule_is_planned_again() -> None:
    """As a reset does it: the schedule is cleared, the world replaced, and all planned anew."""
    with peers(world([provider(**BEATS)])) as there:
        shared, first = shared_of(there.simulator), shared_of(there.simulator).world
        there.clock.advance(60)
        assert len(there.sent) == 1
        shared.schedule.clear()
        with shared.world_lock:
            shared.replace_world(first)
        there.party.plan()
        there.party.plan()
        there.clock.advance(60)
        assert len(there.sent) == 2
        assert shared.world.users[0].capacity_providers[0].heartbeat_date is not None

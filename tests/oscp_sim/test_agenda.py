"""What is due is done at its instant, in order, whoever moves the clock."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import Agenda, Clock, FastClock, FrozenClock, RealClock

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = 10


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def agenda(clock: FrozenClock) -> Iterator[Agenda]:
    agenda = Agenda(clock)
    agenda.start()
    yield agenda
    agenda.close(PATIENCE)


@given(st.lists(st.integers(0, 100), max_size=30), st.lists(st.integers(0, 50), max_size=6))
def test_all_that_is_due_is_done_in_order_at_its_instant(
    delays: list[int], advances: list[int]
) -> None:
    clock = FrozenClock(START)
    agenda = Agenda(clock)
    done: list[tuple[datetime, int]] = []
    for number, delay in enumerate(delays):
        agenda.after(delay, lambda number=number: done.append((clock.now(), number)))  # type: ignore[misc]
    agenda.start()
    for step in advances:
        clock.advance(step)
    clock.advance(0)
    passed = sum(advances)
    due = sorted((delay, number) for number, delay in enumerate(delays) if delay <= passed)
    assert done == [(START + timedelta(seconds=delay), number) for delay, number in due]
    assert agenda.pending == len(delays) - len(due)
    agenda.close(PATIENCE)


def test_a_task_may_make_appointments_that_are_kept_on_the_way(
    clock: FrozenClock, agenda: Agenda
) -> None:
    seen: list[datetime] = []

    def tick() -> None:
        seen.append(clock.now())
        agenda.after(60, tick)

    agenda.after(60, tick)
    clock.advance(timedelta(minutes=5))
    assert seen == [START + timedelta(minutes=number) for number in range(1, 6)]


def test_what_is_called_off_is_not_done(clock: FrozenClock, agenda: Agenda) -> None:
    done: list[int] = []
    agenda.after(1, lambda: done.append(1)).cancel()
    agenda.after(2, lambda: done.append(2))
    assert agenda.pending == 1
    clock.advance(3)
    assert done == [2]


def test_a_job_is_never_pending(agenda: Agenda) -> None:
    agenda.after(1, lambda: None, job=True)
    assert agenda.pending == 0
    assert agenda.next_due == START + timedelta(seconds=1)


def test_a_task_that_fails_is_logged_and_the_rest_goes_on(
    clock: FrozenClock, agenda: Agenda, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise LookupError("nobody is there")

    agenda.after(1, fail)
    agenda.after(1, lambda: done.append(1))
    with caplog.at_level(logging.ERROR):
        clock.advance(1)
    assert done == [1]
    assert "nobody is there" in caplog.text


def test_what_is_due_cannot_advance_the_clock(
    clock: FrozenClock, agenda: Agenda, caplog: pytest.LogCaptureFixture
) -> None:
    agenda.after(1, lambda: clock.advance(1))
    with caplog.at_level(logging.ERROR):
        clock.advance(2)
    assert "it would wait for itself" in caplog.text


@pytest.mark.parametrize("clock", [FrozenClock(START), FastClock(START), RealClock()])
def test_what_is_due_at_once_needs_nobody_to_move_the_clock(clock: Clock) -> None:
    agenda, done = Agenda(clock), threading.Event()
    agenda.start()
    agenda.soon(done.set)
    assert done.wait(PATIENCE)
    agenda.close(PATIENCE)


def test_by_the_machines_clock_it_is_done_in_time() -> None:
    clock = RealClock()
    agenda, done = Agenda(clock), threading.Event()
    agenda.start()
    at: list[datetime] = []
    when = clock.now() + timedelta(milliseconds=20)
    agenda.at(when, lambda: at.append(clock.now()))
    agenda.at(when, done.set)
    assert done.wait(PATIENCE)
    assert at[0] >= when
    agenda.close(PATIENCE)


def test_closing_does_what_is_due_and_nothing_more(clock: FrozenClock) -> None:
    agenda, done = Agenda(clock), list[int]()
    agenda.soon(lambda: done.append(1))
    agenda.after(1, lambda: done.append(2))
    agenda.start()
    agenda.close(PATIENCE)
    agenda.close(PATIENCE)
    clock.advance(2)
    assert done == [1]


def test_before_its_start_nothing_is_done(clock: FrozenClock) -> None:
    agenda, done = Agenda(clock), list[int]()
    agenda.soon(lambda: done.append(1))
    clock.advance(1)
    assert done == []
    agenda.start()
    clock.advance(0)
    assert done == [1]
    agenda.close(PATIENCE)


def test_two_agendas_share_a_clock(clock: FrozenClock, agenda: Agenda) -> None:
    other, seen = Agenda(clock), list[str]()
    other.start()
    agenda.after(2, lambda: seen.append("second"))
    other.after(1, lambda: seen.append("first"))
    agenda.after(3, lambda: other.soon(lambda: seen.append("third")))
    clock.advance(3)
    assert seen == ["first", "second", "third"]
    other.close(PATIENCE)


def test_what_is_due_in_ages_does_not_end_the_agenda() -> None:
    agenda, done = Agenda(RealClock()), threading.Event()
    agenda.start()
    agenda.at(datetime.max.replace(tzinfo=UTC), done.clear)
    agenda.soon(done.set)
    assert done.wait(PATIENCE)
    agenda.close(PATIENCE)


def test_what_is_called_off_is_not_kept(agenda: Agenda) -> None:
    for _ in range(5000):
        agenda.after(86_400, lambda: None).cancel()
    assert len(agenda._due) < 1000


def test_several_who_advance_it_advance_it_by_the_sum(clock: FrozenClock, agenda: Agenda) -> None:
    for second in range(40):
        agenda.after(second, lambda: None)
    threads = [threading.Thread(target=clock.advance, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert clock.now() == START + timedelta(seconds=40)


class TestWhoAsks:
    def test_what_a_request_leaves_is_done_before_its_answer_by_who_asked(
        self, agenda: Agenda
    ) -> None:
        threads = list[int]()
        with agenda.asked():
            agenda.soon(lambda: threads.append(threading.get_ident()))
            assert threads == []
        assert threads == [threading.get_ident()]

    def test_a_request_that_a_task_makes_waits_for_nobody(self, agenda: Agenda) -> None:
        seen = list[str]()

        def ask() -> None:
            with agenda.asked():
                agenda.soon(lambda: seen.append("left by the inner request"))
            seen.append("asked")

        with agenda.asked():
            agenda.soon(ask)
        assert seen == ["asked", "left by the inner request"]

    def test_before_its_start_nobody_does_it(self, clock: FrozenClock) -> None:
        agenda, done = Agenda(clock), list[int]()
        with agenda.asked():
            agenda.soon(lambda: done.append(1))
        assert (done, agenda.pending) == ([], 1)

    def test_by_the_machines_clock_the_agendas_own_thread_does_it(self) -> None:
        agenda, thread = Agenda(RealClock()), SimpleQueue[int]()
        agenda.start()
        with agenda.asked():
            agenda.soon(lambda: thread.put(threading.get_ident()))
        assert thread.get(timeout=PATIENCE) != threading.get_ident()
        agenda.close(PATIENCE)


class TestFastClock:
    def test_it_stands_still_while_nobody_waits(self) -> None:
        clock = FastClock(START)
        assert clock.now() == clock.now() == START

    def test_a_sleep_does_what_is_due_and_takes_no_time(self) -> None:
        clock = FastClock(START)
        agenda, seen = Agenda(clock), list[datetime]()
        agenda.start()
        agenda.after(3600, lambda: seen.append(clock.now()))
        clock.sleep(86_400)
        assert seen == [START + timedelta(hours=1)]
        assert clock.now() == START + timedelta(days=1)
        agenda.close(PATIENCE)

    def test_with_a_speed_it_runs_by_itself(self) -> None:
        clock, done = FastClock(START, speed=100_000), threading.Event()
        agenda = Agenda(clock)
        agenda.start()
        agenda.after(3600, done.set)
        assert done.wait(PATIENCE)
        assert clock.now() >= START + timedelta(hours=1)
        clock.sleep(60)
        assert clock.now() >= START + timedelta(hours=1, minutes=1)
        agenda.close(PATIENCE)

    @pytest.mark.parametrize("speed", [0, -1, float("nan")])
    def test_a_speed_is_above_zero(self, speed: float) -> None:
        with pytest.raises(ValueError, match="give one above 0"):
            FastClock(START, speed)


class TestLanes:
    @pytest.fixture
    def real(self) -> Iterator[Agenda]:
        agenda = Agenda(RealClock())
        agenda.start()
        yield agenda
        agenda.close(PATIENCE)

    def test_one_that_waits_holds_up_its_own_lane_alone(self, real: Agenda) -> None:
        let_go, seen = threading.Event(), SimpleQueue[str]()
        real.soon(lambda: seen.put("slow" if let_go.wait(PATIENCE) else "late"), lane="slow")
        real.soon(lambda: seen.put("behind the slow one"), lane="slow")
        real.soon(lambda: seen.put("fast"), lane="fast")
        assert seen.get(timeout=PATIENCE) == "fast"
        assert real.pending >= 2
        let_go.set()
        real.close(PATIENCE)
        assert [seen.get_nowait(), seen.get_nowait()] == ["slow", "behind the slow one"]
        assert real.pending == 0

    def test_what_fails_in_a_lane_does_not_stop_it(
        self, real: Agenda, caplog: pytest.LogCaptureFixture
    ) -> None:
        done = threading.Event()

        def fail() -> None:
            raise LookupError("nobody is there")

        real.soon(fail, lane=1)
        real.soon(done.set, lane=1)
        assert done.wait(PATIENCE)
        assert "nobody is there" in caplog.text

    def test_by_a_simulated_clock_there_are_no_lanes(
        self, clock: FrozenClock, agenda: Agenda
    ) -> None:
        threads = set[int]()
        for lane in range(5):
            agenda.after(1, lambda: threads.add(threading.get_ident()), lane=lane)
        clock.advance(1)
        assert threads == {threading.get_ident()}

"""What is due is done at its instant, in order, whoever moves the clock."""

from __future__ import annotations

import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import Clock, FastClock, FrozenClock, Line, RealClock, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = 10


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def schedule(clock: FrozenClock) -> Iterator[Schedule]:
    schedule = Schedule(clock)
    schedule.start()
    yield schedule
    schedule.close(PATIENCE)


@given(st.lists(st.integers(0, 100), max_size=30), st.lists(st.integers(0, 50), max_size=6))
def test_all_that_is_due_is_done_in_order_at_its_instant(
    delays: list[int], advances: list[int]
) -> None:
    clock = FrozenClock(START)
    schedule = Schedule(clock)
    done: list[tuple[datetime, int]] = []
    for number, delay in enumerate(delays):
        schedule.after(delay, lambda number=number: done.append((clock.now(), number)))  # type: ignore[misc]
    schedule.start()
    for step in advances:
        clock.advance(step)
    clock.advance(0)
    passed = sum(advances)
    due = sorted((delay, number) for number, delay in enumerate(delays) if delay <= passed)
    assert done == [(START + timedelta(seconds=delay), number) for delay, number in due]
    assert schedule.pending == len(delays) - len(due)
    schedule.close(PATIENCE)


def test_a_task_may_make_tasks_that_are_kept_on_the_way(
    clock: FrozenClock, schedule: Schedule
) -> None:
    seen: list[datetime] = []

    def tick() -> None:
        seen.append(clock.now())
        schedule.after(60, tick)

    schedule.after(60, tick)
    clock.advance(timedelta(minutes=5))
    assert seen == [START + timedelta(minutes=number) for number in range(1, 6)]


def test_what_is_called_off_is_not_done(clock: FrozenClock, schedule: Schedule) -> None:
    done: list[int] = []
    schedule.after(1, lambda: done.append(1)).cancel()
    schedule.after(2, lambda: done.append(2))
    assert schedule.pending == 1
    clock.advance(3)
    assert done == [2]


def test_a_job_is_never_pending(schedule: Schedule) -> None:
    schedule.after(1, lambda: None, job=True)
    assert schedule.pending == 0
    assert schedule.next_due == START + timedelta(seconds=1)


def test_a_task_that_fails_is_logged_and_the_rest_goes_on(
    clock: FrozenClock, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise LookupError("nobody is there")

    schedule.after(1, fail)
    schedule.after(1, lambda: done.append(1))
    with caplog.at_level(logging.ERROR):
        clock.advance(1)
    assert done == [1]
    assert "nobody is there" in caplog.text


def test_what_is_due_cannot_advance_the_clock(
    clock: FrozenClock, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    schedule.after(1, lambda: clock.advance(1))
    with caplog.at_level(logging.ERROR):
        clock.advance(2)
    assert "it would wait for itself" in caplog.text


@pytest.mark.parametrize("clock", [FrozenClock(START), FastClock(START), RealClock()])
def test_what_is_due_at_once_needs_nobody_to_move_the_clock(clock: Clock) -> None:
    schedule, done = Schedule(clock), threading.Event()
    schedule.start()
    schedule.soon(done.set)
    assert done.wait(PATIENCE)
    schedule.close(PATIENCE)


def test_by_the_machines_clock_it_is_done_in_time() -> None:
    clock = RealClock()
    schedule, done = Schedule(clock), threading.Event()
    schedule.start()
    at: list[datetime] = []
    when = clock.now() + timedelta(milliseconds=20)
    schedule.at(when, lambda: at.append(clock.now()))
    schedule.at(when, done.set)
    assert done.wait(PATIENCE)
    assert at[0] >= when
    schedule.close(PATIENCE)


def test_closing_does_what_is_due_and_nothing_more(clock: FrozenClock) -> None:
    schedule, done = Schedule(clock), list[int]()
    schedule.soon(lambda: done.append(1))
    schedule.after(1, lambda: done.append(2))
    schedule.start()
    schedule.close(PATIENCE)
    schedule.close(PATIENCE)
    clock.advance(2)
    assert done == [1]


def test_before_its_start_nothing_is_done(clock: FrozenClock) -> None:
    schedule, done = Schedule(clock), list[int]()
    schedule.soon(lambda: done.append(1))
    clock.advance(1)
    assert done == []
    schedule.start()
    clock.advance(0)
    assert done == [1]
    schedule.close(PATIENCE)


def test_two_agendas_share_a_clock(clock: FrozenClock, schedule: Schedule) -> None:
    other, seen = Schedule(clock), list[str]()
    other.start()
    schedule.after(2, lambda: seen.append("second"))
    other.after(1, lambda: seen.append("first"))
    schedule.after(3, lambda: other.soon(lambda: seen.append("third")))
    clock.advance(3)
    assert seen == ["first", "second", "third"]
    other.close(PATIENCE)


def test_what_is_due_in_ages_does_not_end_the_schedule() -> None:
    schedule, done = Schedule(RealClock()), threading.Event()
    schedule.start()
    schedule.at(datetime.max.replace(tzinfo=UTC), done.clear)
    schedule.soon(done.set)
    assert done.wait(PATIENCE)
    schedule.close(PATIENCE)


def test_what_is_called_off_is_not_kept(schedule: Schedule) -> None:
    kept = WeakSet[threading.Event]()
    for _ in range(5000):
        thing = threading.Event()
        kept.add(thing)
        schedule.after(86_400, thing.set).cancel()
    assert len(kept) < 1000


def test_several_who_advance_it_advance_it_by_the_sum(
    clock: FrozenClock, schedule: Schedule
) -> None:
    for second in range(40):
        schedule.after(second, lambda: None)
    threads = [threading.Thread(target=clock.advance, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert clock.now() == START + timedelta(seconds=40)


@pytest.fixture
def real() -> Iterator[Schedule]:
    schedule = Schedule(RealClock())
    schedule.start()
    yield schedule
    schedule.close(PATIENCE)


class TestWhoAsks:
    def test_what_a_request_leaves_is_done_before_its_answer_by_who_asked(
        self, schedule: Schedule
    ) -> None:
        threads = list[int]()
        with schedule.asked():
            schedule.soon(lambda: threads.append(threading.get_ident()))
            assert threads == []
        assert threads == [threading.get_ident()]

    def test_a_request_that_a_task_makes_waits_for_nobody(self, schedule: Schedule) -> None:
        seen = list[str]()

        def ask() -> None:
            with schedule.asked():
                schedule.soon(lambda: seen.append("left by the inner request"))
            seen.append("asked")

        with schedule.asked():
            schedule.soon(ask)
        assert seen == ["asked", "left by the inner request"]

    def test_before_its_start_nobody_does_it(self, clock: FrozenClock) -> None:
        schedule, done = Schedule(clock), list[int]()
        with schedule.asked():
            schedule.soon(lambda: done.append(1))
        assert (done, schedule.pending) == ([], 1)

    def test_by_the_machines_clock_who_asks_does_all_but_what_has_a_queue(
        self, real: Schedule
    ) -> None:
        done, queued = list[int](), SimpleQueue[int]()
        with real.asked():
            real.soon(lambda: done.append(threading.get_ident()))
            real.soon(lambda: real.soon(lambda: done.append(threading.get_ident())))
            real.soon(lambda: queued.put(threading.get_ident()), queue="elsewhere")
            assert done == []
        assert done == [threading.get_ident()] * 2
        assert queued.get(timeout=PATIENCE) != threading.get_ident()

    def test_who_attends_does_it_at_the_end(self, real: Schedule) -> None:
        done = list[int]()
        with real.attended():
            with real.asked():
                real.soon(lambda: done.append(threading.get_ident()))
            assert (done, real.pending) == ([], 1)
        assert done == [threading.get_ident()]

    def test_what_who_attends_leaves_for_later_is_done_then(self, real: Schedule) -> None:
        done = SimpleQueue[int]()
        with real.attended():
            real.soon(lambda: real.after(0.001, lambda: done.put(1)))
            real.after(0.001, lambda: done.put(2))
        assert {done.get(timeout=PATIENCE), done.get(timeout=PATIENCE)} == {1, 2}

    def test_by_a_simulated_clock_it_is_done_before_the_answer_all_the_same(
        self, schedule: Schedule
    ) -> None:
        done = list[int]()
        with schedule.attended():
            with schedule.asked():
                schedule.soon(lambda: done.append(1))
            assert done == [1]

    def test_who_has_attended_asks_for_a_worker_again(self, real: Schedule) -> None:
        done = SimpleQueue[int]()
        with real.attended():
            pass
        real.soon(lambda: done.put(threading.get_ident()))
        assert done.get(timeout=PATIENCE) != threading.get_ident()

    def test_who_cannot_have_a_turn_leaves_it_to_others(
        self, real: Schedule, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("oscp_sim.clock._MOMENT", 0.001)
        begun, let_go, done = threading.Event(), threading.Event(), SimpleQueue[int]()

        def take_long() -> None:
            begun.set()
            let_go.wait(PATIENCE)

        def ask() -> None:
            with real.asked():
                real.soon(take_long)

        other = threading.Thread(target=ask)
        other.start()
        assert begun.wait(PATIENCE)
        with real.asked():
            real.soon(lambda: done.put(threading.get_ident()))
        assert real.pending == 2
        let_go.set()
        assert done.get(timeout=PATIENCE) != threading.get_ident()
        other.join(PATIENCE)

    def test_who_has_a_turn_is_not_kept_by_those_who_make_more(self, real: Schedule) -> None:
        until, threads = time.monotonic() + PATIENCE, set[int]()

        def go_on() -> None:
            threads.add(threading.get_ident())
            if len(threads) == 1 and time.monotonic() < until:
                real.soon(go_on)

        with real.asked():
            real.soon(go_on)
        assert time.monotonic() < until

    def test_who_is_interrupted_leaves_it_to_others(self, real: Schedule) -> None:
        done = SimpleQueue[int]()

        def interrupt() -> None:
            raise KeyboardInterrupt

        def ask() -> None:
            with real.asked():
                real.soon(interrupt)
                real.soon(lambda: done.put(1))

        with pytest.raises(KeyboardInterrupt):
            ask()
        assert done.get(timeout=PATIENCE) == 1
        assert real.pending == 0


class TestFastClock:
    def test_it_stands_still_while_nobody_waits(self) -> None:
        clock = FastClock(START)
        assert clock.now() == clock.now() == START

    def test_a_sleep_does_what_is_due_and_takes_no_time(self) -> None:
        clock = FastClock(START)
        schedule, seen = Schedule(clock), list[datetime]()
        schedule.start()
        schedule.after(3600, lambda: seen.append(clock.now()))
        clock.sleep(86_400)
        assert seen == [START + timedelta(hours=1)]
        assert clock.now() == START + timedelta(days=1)
        schedule.close(PATIENCE)

    def test_with_a_speed_it_runs_by_itself(self) -> None:
        clock, done = FastClock(START, speed=100_000), threading.Event()
        schedule = Schedule(clock)
        schedule.start()
        schedule.after(3600, done.set)
        assert done.wait(PATIENCE)
        assert clock.now() >= START + timedelta(hours=1)
        clock.sleep(60)
        assert clock.now() >= START + timedelta(hours=1, minutes=1)
        schedule.close(PATIENCE)

    @pytest.mark.parametrize("speed", [0, -1, float("nan")])
    def test_a_speed_is_above_zero(self, speed: float) -> None:
        with pytest.raises(ValueError, match="give one above 0"):
            FastClock(START, speed)


class TestDelay:
    """Who makes more than is done in time waits for some of it."""

    @pytest.fixture(autouse=True)
    def limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("oscp_sim.clock._LONGEST_DELAY", PATIENCE)
        monkeypatch.setattr("oscp_sim.clock._BACKLOG", 3)

    @pytest.fixture
    def let_go(self, real: Schedule) -> Iterator[threading.Event]:
        """What lets a long queue go on."""
        event = threading.Event()
        real.soon(lambda: event.wait(PATIENCE), queue="busy")
        for _ in range(5):
            real.soon(bool, queue="busy")
        yield event
        event.set()

    def ask(self, real: Schedule, queue: str | None) -> tuple[threading.Thread, SimpleQueue[int]]:
        """Return a thread that is asked for more, and how much was left when it was answered."""
        asked, left = threading.Event(), SimpleQueue[int]()

        def ask() -> None:
            with real.asked():
                real.soon(bool, queue=queue)
                asked.set()
            left.put(real.pending)

        asker = threading.Thread(target=ask)
        asker.start()
        assert asked.wait(PATIENCE)
        return asker, left

    def test_in_a_queue_that_is_long(self, real: Schedule, let_go: threading.Event) -> None:
        asker, left = self.ask(real, "busy")
        let_go.set()
        asker.join(PATIENCE)
        assert left.get_nowait() <= 4

    def test_but_not_for_a_queue_that_is_another_s(
        self, real: Schedule, let_go: threading.Event
    ) -> None:
        began = time.monotonic()
        with real.asked():
            real.soon(bool, queue="free")
        with real.asked():
            real.soon(bool)
        with real.asked():
            pass
        assert time.monotonic() - began < PATIENCE
        assert not let_go.is_set()

    def test_where_what_is_due_is_late(
        self, real: Schedule, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("oscp_sim.clock._LATE", 0.0)
        begun, let_go = threading.Event(), threading.Event()

        def take_long() -> None:
            begun.set()
            let_go.wait(PATIENCE)

        real.soon(take_long)
        assert begun.wait(PATIENCE)
        real.soon(bool)
        asker, left = self.ask(real, None)
        let_go.set()
        asker.join(PATIENCE)
        assert left.get_nowait() == 0

    @pytest.mark.usefixtures("let_go")
    def test_for_a_while_at_most(self, real: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("oscp_sim.clock._LONGEST_DELAY", 0.01)
        asker, left = self.ask(real, "busy")
        asker.join(PATIENCE)
        assert left.get_nowait() == 7


def test_a_clock_that_runs_goes_on_behind_what_ends_its_thread() -> None:
    done = threading.Event()
    schedule = Schedule(FastClock(START, speed=100_000))
    schedule.start()
    schedule.after(3600, sys.exit)
    schedule.after(7200, done.set)
    assert done.wait(PATIENCE)
    schedule.close(PATIENCE)


@pytest.mark.parametrize("queue", [None, "a"])
def test_what_ends_its_thread_leaves_the_rest_to_be_done(queue: str | None) -> None:
    failed, done = SimpleQueue[BaseException](), threading.Event()
    real = Schedule(RealClock(), lambda error, _: failed.put(error))
    real.start()
    real.soon(sys.exit, queue=queue)
    real.soon(done.set, queue=queue)
    assert done.wait(PATIENCE)
    assert isinstance(failed.get_nowait(), SystemExit)
    real.close(PATIENCE)


class TestLanes:
    @pytest.mark.parametrize("is_quick", [True, False])
    def test_what_is_quick_once_it_is_begun_needs_no_thread(
        self, real: Schedule, *, is_quick: bool
    ) -> None:
        found, threads = [not is_quick], SimpleQueue[int]()
        with real.asked():
            line = Line("any", lambda: found[0])
            # What is due before lets it wait until it is begun.
            real.soon(bool)
            real.soon(lambda: threads.put(threading.get_ident()), queue=line)
            found[0] = is_quick
        assert (threads.get(timeout=PATIENCE) == threading.get_ident()) is is_quick

    def test_what_is_quick_waits_for_what_is_not_all_the_same(self, real: Schedule) -> None:
        let_go, seen = threading.Event(), SimpleQueue[str]()
        slow = Line("a", lambda: False)
        real.soon(lambda: seen.put("slow" if let_go.wait(PATIENCE) else "late"), queue=slow)
        with real.asked():
            real.soon(lambda: seen.put("quick"), queue=Line("a", lambda: True))
            real.soon(lambda: seen.put("other"), queue=Line("b", lambda: True))
        assert seen.get(timeout=PATIENCE) == "other"
        let_go.set()
        assert [seen.get(timeout=PATIENCE), seen.get(timeout=PATIENCE)] == ["slow", "quick"]

    def test_one_that_waits_holds_up_its_own_queue_alone(self, real: Schedule) -> None:
        let_go, seen = threading.Event(), SimpleQueue[str]()
        real.soon(lambda: seen.put("slow" if let_go.wait(PATIENCE) else "late"), queue="slow")
        real.soon(lambda: seen.put("behind the slow one"), queue="slow")
        real.soon(lambda: seen.put("fast"), queue="fast")
        assert seen.get(timeout=PATIENCE) == "fast"
        assert real.pending >= 2
        let_go.set()
        real.close(PATIENCE)
        assert [seen.get_nowait(), seen.get_nowait()] == ["slow", "behind the slow one"]
        assert real.pending == 0

    def test_what_fails_in_a_queue_does_not_stop_it(
        self, real: Schedule, caplog: pytest.LogCaptureFixture
    ) -> None:
        done = threading.Event()

        def fail() -> None:
            raise LookupError("nobody is there")

        real.soon(fail, queue=1)
        real.soon(done.set, queue=1)
        assert done.wait(PATIENCE)
        assert "nobody is there" in caplog.text

    def test_by_a_simulated_clock_there_are_no_queues(
        self, clock: FrozenClock, schedule: Schedule
    ) -> None:
        threads = set[int]()
        for queue in range(5):
            schedule.after(1, lambda: threads.add(threading.get_ident()), queue=queue)
        clock.advance(1)
        assert threads == {threading.get_ident()}

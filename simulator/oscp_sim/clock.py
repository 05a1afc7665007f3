"""Tell the parties of a rehearsal what time it is, and let it pass."""

from __future__ import annotations

import heapq
import logging
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, Protocol

__all__ = [
    "Clock",
    "EndOfTime",
    "FastClock",
    "FrozenClock",
    "Line",
    "RealClock",
    "Schedule",
    "Task",
    "parse_duration",
]


# Durations, as people write them in files.

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?:([0-9]+)D)?(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?\Z"
)


def parse_duration(text: str) -> timedelta:
    """Read a duration as `15m`, `2s`, `500ms`, `1h30m`, or as in ISO 8601 from days down: `PT15M`.

    Raises:
        ValueError: It is none, or not above zero; the message says what to write.
    """
    if text.startswith("P"):
        found = _ISO.match(text)
        parts = list(zip(found.groups(), ("d", "h", "m", "s"), strict=True)) if found else []
    else:
        parts = [] if _SHORT.sub("", text) else _SHORT.findall(text)
    try:
        duration = timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts if n))
    except OverflowError:
        duration = timedelta()
    if not duration:
        message = (
            f'"{text}" is not a duration above zero: write it as 15m, 2s, 500ms, 1h30m or PT15M'
        )
        raise ValueError(message)
    return duration


# What is due, and when, by the simulator's clock.
#
# By a clock that the simulator owns, one thing is done after the other, so that the same seed
# gives the same bytes. By the machine's, what has a queue of its own does not wait for other
# queues: a slow Capacity Provider holds up nobody but itself.

_LOG = logging.getLogger(__name__)

# Seconds of real time after which a waiting thread looks again.
_LONGEST_WAIT: Final = 3600.0
# For how many seconds who asks does what it leaves, or waits for its turn to do so.
_MOMENT: Final = 0.02
# For how many seconds what is due may wait, and how many tasks in one queue, before who makes more
# waits, too; and for how many seconds it does, at most.
_LATE: Final = 0.25
_BACKLOG: Final = 1000
_LONGEST_DELAY: Final = 5.0
# Where time ends: a day before Python's, so that what is planned a little ahead can be written.
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
# How many tasks there are before those that are cancelled are looked for.
_FEW: Final = 256


@dataclass(frozen=True, slots=True)
class Line:
    """A queue of what may be quick enough to do without one, as shows when it is begun.

    Attributes:
        name: Whose it is; two of one name are one queue.
        is_quick: Whether what waits there would take no time by now: a party is asked that is
            played here. It is asked with a lock held, and may wait for nothing.
    """

    name: Hashable
    is_quick: Callable[[], bool] = field(compare=False, repr=False)


@dataclass(order=True, slots=True)
class Task:
    """Something to do at an instant; of two at the same one, the first made comes first.

    Attributes:
        when: The instant, in UTC.
        number: In the order in which they were made.
        do: What to do.
        job: Whether it comes again and again, so that nobody waits for it to be done.
        queue: Those of one queue are done one after the other; None: one that never takes long.
        cancelled: Whether it is called off.
        tell: Tells those who wait that it is.
    """

    when: datetime
    number: int
    do: Callable[[], object] = field(compare=False)
    job: bool = field(default=False, compare=False)
    queue: Hashable = field(default=None, compare=False)
    cancelled: bool = field(default=False, compare=False)
    tell: Callable[[], object] = field(default=bool, compare=False, repr=False)

    def cancel(self) -> None:
        """Call it off; without effect where it is done already."""
        self.cancelled = True
        self.tell()


class _Told:
    """Those who are told of each change, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Callable[[], object], ...] = ()

    def tell(self) -> None:
        for tell in self._all:
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            self._all = (*self._all, tell)
        try:
            yield
        finally:
            with self._lock:
                told = list(self._all)
                told.remove(tell)
                self._all = tuple(told)


class _Mine(threading.local):
    """What is so for the calling thread alone.

    Attributes:
        is_ours: Whether it is one of the schedule's own, which carries out tasks and nothing else.
        attends: Whether it will soon do itself what it leaves to be done, by the machine's clock.
        asked: How many requests it is answering, one inside the other.
        made: The last task that these made.
    """

    is_ours = False
    attends = False
    asked = 0
    made: Task | None = None


class Schedule:
    """Carries out what is due, one task after the other, in the order in which it is due.

    The thread that asked for it does it, or the one that moves the clock, or its own. A task that
    fails is logged, and the rest goes on.

    Args:
        clock: Says when.
        failed: Told of an error of a task, and what could not be done, instead of the log.
    """

    def __init__(
        self, clock: Clock, failed: Callable[[BaseException, str], object] | None = None
    ) -> None:
        self._clock = clock
        self._failed = failed or _logged
        self._lock = threading.RLock()
        # Woken only where there is something for them: two threads that take turns are slow.
        self._wanted = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._less = threading.Condition(self._lock)
        self._mine = _Mine()
        self._due: list[Task] = []
        self._numbers = count(1)
        self._busy: int | None = None
        self._answering = 0
        # Until when the worker sleeps; None: it is awake, and looks again.
        self._asleep_until: datetime | None = None
        # Those who attend to what is due by the machine's clock do so in turn.
        self._turn = threading.Lock()
        self._told = _Told()
        self._tidy_at = _FEW
        self._queues: dict[Hashable, deque[Task]] = {}
        self._state = "new"
        self._thread = threading.Thread(target=self._work, name="schedule", daemon=True)

    def at(
        self,
        when: datetime,
        do: Callable[[], object],
        *,
        job: bool = False,
        queue: Hashable = None,
    ) -> Task:
        """Do something at an instant, or as soon as possible after it.

        Args:
            when: Aware; one that is past is due at once.
            do: What to do; it may make further tasks, but must not wait for any.
            job: Whether it is one of those that always come again, and never count as pending.
            queue: Tasks of one queue never overlap: all that wait for the same other party.
        """
        with self._lock:
            task = Task(when, next(self._numbers), do, job, queue, tell=self._told.tell)
            if self._mine.asked:
                self._mine.made = task
            may_begin = queue is not None and self._may_begin(when) and self._needs_queue(task)
            if may_begin and self._enter_queue(task):
                return task
            heapq.heappush(self._due, task)
            if len(self._due) > self._tidy_at:
                self._tidy()
            if self._is_for_the_worker(task):
                self._wanted.notify()
        return task

    def after(
        self,
        seconds: float,
        do: Callable[[], object],
        *,
        job: bool = False,
        queue: Hashable = None,
    ) -> Task:
        """Do something so many seconds from now."""
        return self.at(self._clock.now() + timedelta(seconds=seconds), do, job=job, queue=queue)

    def soon(self, do: Callable[[], object], *, queue: Hashable = None) -> Task:
        """Do something as soon as what is due before is done."""
        return self.at(self._clock.now(), do, queue=queue)

    @property
    def next_due(self) -> datetime | None:
        """When there is something to do next; None where there is nothing."""
        with self._lock:
            self._forget_cancelled()
            return self._due[0].when if self._due else None

    @property
    def pending(self) -> int:
        """How much is still to be done, or being done, jobs left aside."""
        with self._lock:
            waiting = sum(not (each.job or each.cancelled) for each in self._due)
            in_queues = sum(len(queue) + 1 for queue in self._queues.values())
            return waiting + in_queues + (self._busy is not None)

    @property
    def is_working(self) -> bool:
        """Whether a request is being answered, or something is due by now or being done."""
        with self._lock:
            self._forget_cancelled()
            is_due = bool(self._due) and self._due[0].when <= self._clock.now()
            is_done = self._busy is not None or bool(self._queues)
            return is_due or is_done or self._answering > 0

    def telling(self, tell: Callable[[], object]) -> AbstractContextManager[None]:
        """Call something each time that there is less to do, meanwhile; it must be quick."""
        return self._told.telling(tell)

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread is carrying out a task of this schedule."""
        return self._busy == threading.get_ident()

    @property
    def is_at_work(self) -> bool:
        """Whether the calling thread is carrying out a task, of this schedule or of its queues."""
        return self._mine.is_ours or self.is_mine

    def carry_out_due(self) -> None:
        """Do, on the calling thread, whatever is due; return when nothing more is."""
        while True:
            with self._lock:
                self._idle.wait_for(lambda: self._busy is None)
                task = self._pop_due()
                if task is None:
                    return
                self._busy = threading.get_ident()
            self._carry_out(task)

    def catch_up(self) -> None:
        """Do what is due, unless another thread is doing so already.

        By the machine's clock for a moment alone, and after a moment's wait: where others keep
        making more, the worker goes on with it, as it does where this thread is interrupted.
        """
        if self._clock.is_simulated:
            self._do_due()
            return
        self._mine.attends = False
        is_done = False
        try:
            if self._turn.acquire(timeout=_MOMENT):
                try:
                    is_done = self._do_due(_MOMENT)
                finally:
                    self._turn.release()
        finally:
            if not is_done:
                with self._lock:
                    self._wanted.notify()

    def _do_due(self, seconds: float = math.inf) -> bool:
        """Do what is due, for so long; return whether the rest, if any, is another thread's."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                may_do = self._busy is None and self._state == "open"
                task = self._pop_due() if may_do else None
                if task is None:
                    return True
                self._busy = threading.get_ident()
            self._begin(task)
        return False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Let a request be answered, and do what it leaves to be done.

        The asking thread does it, before it gets its answer: then no thread races another, and
        what happens has one order. What has a queue of its own does not wait for it by the
        machine's clock, nor it for that; but for a while where it adds to what is late already:
        asked for more and more, memory would fill.
        """
        mine = self._mine
        attends = self._clock.is_simulated or self._attends()
        try:
            with self._lock:
                self._answering += 1
            mine.asked += 1
            try:
                yield
            finally:
                mine.asked -= 1
                made, mine.made = mine.made, mine.made if mine.asked else None
                with self._lock:
                    self._answering -= 1
                    self._told.tell()
            if made is not None and not mine.asked:
                self._wait_for_less(made)
        finally:
            if attends:
                self.catch_up()

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Let the calling thread do by the machine's clock what it leaves to be done, at the end.

        So what a request leaves can wait until its answer was sent.
        """
        attends = not self._clock.is_simulated and self._attends()
        try:
            yield
        finally:
            if attends:
                self.catch_up()

    def _attends(self) -> bool:
        """Return whether the calling thread will do what is due from now on, and did not before."""
        if self._mine.attends or self.is_at_work:
            return False
        self._mine.attends = True
        return True

    def _is_for_the_worker(self, task: Task) -> bool:
        """Return whether a task of the calling thread would not be done without the worker.

        Who is busy looks again afterwards; a simulated clock calls when time has come.
        """
        seconds = self._clock.seconds_until(task.when)
        if seconds is None or seconds > 0:
            asleep_until = self._asleep_until
            return seconds is not None and asleep_until is not None and task.when < asleep_until
        if self._clock.is_simulated:
            return self._busy is None and not self._answering
        return self._busy is None and not self._mine.attends

    def clear(self) -> None:
        """Call off all that is not being done already."""
        with self._lock:
            self._due.clear()
            self._told.tell()

    def start(self) -> None:
        """Start to carry out what is due."""
        self._state = "open"
        self._clock.attach(self)
        self._thread.start()

    def close(self, timeout: float | None = None) -> None:
        """Do what is due already, and no more; may be called again.

        Args:
            timeout: Seconds of real time to wait for that; as long as it takes where not given.
        """
        with self._lock:
            started, self._state = self._state == "open", "closed"
            self._wanted.notify()
        if started:
            self._clock.detach(self)
            self._thread.join(timeout)
            with self._lock:
                self._idle.wait_for(lambda: not self._queues, timeout)

    def _work(self) -> None:
        self._mine.is_ours = True
        while (task := self._wait_for_due()) is not None:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        """Carry it out, or let it be done in its queue where that does not hold up others."""
        if self._needs_queue(task) and self._enter_queue(task):
            with self._lock:
                self._be_idle()
        else:
            self._carry_out(task)

    def _needs_queue(self, task: Task) -> bool:
        """Return whether a task might hold up others, or waits for those of its own queue."""
        queue = task.queue
        if queue is None or self._clock.is_simulated:
            return False
        return not isinstance(queue, Line) or queue in self._queues or not queue.is_quick()

    def _may_begin(self, when: datetime) -> bool:
        """Return whether a task may enter its queue at once: nothing else is due before it."""
        # The worker may have taken out what is due before, and not begun it yet.
        if self._clock.is_simulated or self._state != "open" or self._busy is not None:
            return False
        now = self._clock.now()
        return when <= now and not (self._due and self._due[0].when <= now)

    def _enter_queue(self, task: Task) -> bool:
        """Let it be done on its queue's own thread, behind what is there already.

        Return whether it will be: there may be no thread to be had.
        """
        with self._lock:
            if task.queue in self._queues:
                self._queues[task.queue].append(task)
                return True
            self._queues[task.queue] = deque()
            thread = threading.Thread(
                target=self._drive, args=(task,), name="schedule queue", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                del self._queues[task.queue]
                return False
            return True

    def _wait_for_less(self, made: Task) -> None:
        """Wait while a task that the calling thread has made adds to what is not done in time."""
        if self.is_at_work:
            return
        until = time.monotonic() + _LONGEST_DELAY
        with self._lock:
            while self._is_late() or len(self._queues.get(made.queue, ())) > _BACKLOG:
                left = until - time.monotonic()
                if left <= 0 or self._state != "open":
                    return
                # Nobody else may be at it; and what is called off is less, too, and wakes nobody.
                self._wanted.notify()
                self._less.wait(min(left, _LATE))

    def _is_late(self) -> bool:
        """Return whether what is due by the machine's clock has not been done for a while."""
        if self._clock.is_simulated:
            return False
        self._forget_cancelled()
        left = self._clock.seconds_until(self._due[0].when) if self._due else None
        return left is not None and left < -_LATE

    def _drive(self, task: Task) -> None:
        self._mine.is_ours = True
        following: Task | None = task
        while following is not None:
            self._do(following)
            with self._lock:
                queue = self._queues[task.queue]
                if len(queue) <= _BACKLOG:
                    self._less.notify_all()
                following = queue.popleft() if queue else None
                if following is None:
                    del self._queues[task.queue]
                    self._idle.notify_all()
                    self._told.tell()

    def _wait_for_due(self) -> Task | None:
        with self._lock:
            while True:
                self._idle.wait_for(lambda: self._busy is None)
                is_attended = self._clock.is_simulated and self._answering
                task = None if is_attended else self._pop_due()
                if task is not None:
                    self._busy = threading.get_ident()
                    return task
                if self._state == "closed":
                    return None
                self._asleep_until = self._due[0].when if self._due else _LAST
                left = self._clock.seconds_until(self._asleep_until)
                # In pieces: a heartbeat may announce a year that no lock can wait for.
                self._wanted.wait(None if left is None else min(left, _LONGEST_WAIT))
                self._asleep_until = None

    def _pop_due(self) -> Task | None:
        self._forget_cancelled()
        if self._due and self._due[0].when <= self._clock.now():
            return heapq.heappop(self._due)
        return None

    def _tidy(self) -> None:
        """Forget what is cancelled, however far away it is."""
        self._due = [each for each in self._due if not each.cancelled]
        heapq.heapify(self._due)
        self._tidy_at = max(_FEW, 2 * len(self._due))

    def _forget_cancelled(self) -> None:
        while self._due and self._due[0].cancelled:
            heapq.heappop(self._due)

    def _carry_out(self, task: Task) -> None:
        try:
            self._do(task)
        finally:
            # Who asked does it, and may be interrupted, as by Ctrl-C in a test.
            with self._lock:
                self._be_idle()

    def _be_idle(self) -> None:
        self._busy = None
        self._idle.notify_all()
        if not self._is_late():
            self._less.notify_all()
        self._told.tell()

    def _do(self, task: Task) -> None:
        try:
            task.do()
        except BaseException as error:
            # What interrupts who asked, as Ctrl-C, is its own; a thread of ours is nobody's.
            if not isinstance(error, Exception) and not self._mine.is_ours:
                raise
            self._failed(error, f"what was due at {task.when.isoformat()} failed")


def _logged(error: BaseException, what: str) -> None:
    _LOG.error("%s", what, exc_info=error)


# How often a clock that runs faster than the wall's looks up to it, in seconds.
_TICK = 0.002


class EndOfTime(ValueError):
    """Raised where time would pass beyond the year 9999."""


class Clock(Protocol):
    """The one source of time that all parties of a simulator share."""

    @property
    def is_simulated(self) -> bool:
        """Whether it waits for what is due to be done, as the machine's clock does not."""
        ...

    def now(self) -> datetime:
        """Return the present instant, always aware and always in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring how long something took."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed by this clock."""
        ...

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move the clock forward, do what becomes due on the way, and return the new instant."""
        ...

    def seconds_until(self, when: datetime) -> float | None:
        """Return how long that is in real seconds, or None where somebody must move the clock."""
        ...

    def attach(self, schedule: Schedule) -> None:
        """Let what is due in a schedule be done before time passes it by."""
        ...

    def detach(self, schedule: Schedule) -> None:
        """Let time pass without that schedule."""
        ...

    def telling(self, tell: Callable[[], object]) -> AbstractContextManager[None]:
        """Call something each time that somebody has moved the clock, meanwhile."""
        ...


class RealClock:
    """The clock of the machine."""

    is_simulated = False

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def advance(self, by: timedelta | float | str) -> datetime:
        """Refuse: nobody moves this clock.

        Raises:
            RuntimeError: Always.
        """
        message = (
            f"the machine's clock cannot be moved by {by}: give the simulator a FrozenClock or a "
            "FastClock, its test the marker oscp(clock='frozen'), or its command --clock frozen or "
            "fast"
        )
        raise RuntimeError(message)

    def seconds_until(self, when: datetime) -> float:
        """Return the seconds until then, below 0 where it is past."""
        return (when - self.now()).total_seconds()

    def attach(self, schedule: Schedule) -> None:
        """Do nothing: this clock waits for nobody."""

    def detach(self, schedule: Schedule) -> None:
        """Do nothing."""

    def telling(self, tell: Callable[[], object]) -> AbstractContextManager[None]:  # noqa: ARG002 - as others
        """Do nothing: nobody moves this clock."""
        return nullcontext()


class FrozenClock:
    """A clock that stands still until it is advanced, shared safely between threads.

    Whatever becomes due on the way is done at its instant, before time goes on; so a week passes
    as quickly as what happens in it can be done, and always in the same order.

    Args:
        start: The first instant, with any offset; it is kept in UTC.

    Raises:
        ValueError: `start` has no offset, so it names no instant.
    """

    is_simulated = True

    def __init__(self, start: datetime) -> None:
        if start.utcoffset() is None:
            message = (
                f"a clock cannot start at {start.isoformat()}: add an offset, such as tzinfo=UTC"
            )
            raise ValueError(message)
        # Read without a lock: it is replaced whole.
        self._now = self._start = start.astimezone(UTC)
        self._moved = threading.Condition()
        self._advancing = threading.Lock()
        self._schedules: tuple[Schedule, ...] = ()
        self._told = _Told()

    def now(self) -> datetime:
        """Return the start plus all that was advanced, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which this clock was advanced."""
        return (self._now - self._start).total_seconds()

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move the clock forward, do what becomes due on the way, and return the new instant.

        Args:
            by: A timedelta, seconds, or a duration as `15m`.

        Raises:
            EndOfTime: It leads there.
            ValueError: `by` is not a duration; or it is negative: time that runs back is another
                clock.
            RuntimeError: Something that is due asks for it: it cannot wait for itself.
        """
        return self._advance_by(self._step(by))

    def _step(self, by: timedelta | float | str) -> timedelta:
        """Return how much time is to pass; raises what `advance` does."""
        step = _duration(by)
        if step < timedelta():
            message = (
                f"a clock cannot advance by {step.total_seconds():g} s: make another FrozenClock"
            )
            raise ValueError(message)
        if step and step > _LAST - self.now():
            raise EndOfTime(f"a clock cannot advance by {by}: no clock goes beyond the year 9999")
        return step

    def sleep(self, seconds: float) -> None:
        """Wait until somebody has advanced the clock by so many seconds.

        Raises:
            EndOfTime: That cannot be.
        """
        until = self.monotonic() + self._step(max(0.0, seconds)).total_seconds()
        with self._moved:
            self._moved.wait_for(lambda: self.monotonic() >= until)

    def seconds_until(self, when: datetime) -> float | None:
        """Return None, unless it is due: only `advance` moves this clock."""
        return 0.0 if when <= self.now() else None

    def attach(self, schedule: Schedule) -> None:
        """Let what is due in a schedule be done before time passes it by."""
        self._schedules += (schedule,)

    def detach(self, schedule: Schedule) -> None:
        """Let time pass without that schedule."""
        self._schedules = tuple(each for each in self._schedules if each is not schedule)

    def telling(self, tell: Callable[[], object]) -> AbstractContextManager[None]:
        """Call something each time that the clock was moved, on the thread that moves it."""
        return self._told.telling(tell)

    def _advance_by(self, step: timedelta) -> datetime:
        if any(schedule.is_mine for schedule in self._schedules):
            message = "what is due cannot advance the clock: it would wait for itself"
            raise RuntimeError(message)
        with self._advancing:
            target = self.now() + step
            while True:
                for schedule in self._schedules:
                    schedule.carry_out_due()
                due = self._next_due()
                if due is None or due > target:
                    break
                self._move_to(due)
            self._move_to(target)
            return self.now()

    def _next_due(self) -> datetime | None:
        due = [
            each for each in (schedule.next_due for schedule in self._schedules) if each is not None
        ]
        return min(due, default=None)

    def _move_to(self, instant: datetime) -> None:
        with self._moved:
            self._now = max(self._now, instant.astimezone(UTC))
            self._moved.notify_all()
        self._told.tell()


def _duration(by: timedelta | float | str) -> timedelta:
    """Return what a clock is asked to advance by.

    Raises:
        ValueError: It is none.
    """
    if isinstance(by, timedelta):
        return by
    if isinstance(by, str):
        return parse_duration(by)
    if not math.isfinite(by):
        message = f"a clock cannot advance by {by} s: give a number of seconds, or a text as 15m"
        raise ValueError(message)
    try:
        return timedelta(seconds=by)
    except OverflowError:
        message = f"a clock cannot advance by {by:g} s: no clock goes beyond the year 9999"
        raise EndOfTime(message) from None


def _speed(speed: float | None) -> float | None:
    """Return a speed that a clock can run at.

    Raises:
        ValueError: It is none.
    """
    if speed is not None and not 0 < speed < math.inf:
        message = f"a clock cannot run at a speed of {speed:g}: give one above 0, and finite"
        raise ValueError(message)
    return speed


class FastClock(FrozenClock):
    """A clock that moves by itself: while somebody waits for it, or all the time.

    Without a speed, time stands still while nobody sleeps, and jumps from one thing that is due to
    the next while somebody does. With one, it runs by itself, never past what is due and not done,
    until it stops at the end of the year 9999.

    Args:
        start: The first instant, with any offset.
        speed: Its seconds in a second of the wall's clock.

    Raises:
        ValueError: `start` has no offset, or the speed is not a number above 0.
    """

    def __init__(self, start: datetime, speed: float | None = None) -> None:
        super().__init__(start)
        self._speed = _speed(speed)
        self._starting = threading.Lock()
        self._runner: threading.Thread | None = None

    @property
    def speed(self) -> float | None:
        """Its seconds in a second of the wall's clock; None where it runs only for who waits.

        Raises:
            ValueError: It is set to what is not a number above 0, nor None.
        """
        return self._speed

    @speed.setter
    def speed(self, speed: float | None) -> None:
        self._speed = _speed(speed)
        self._start_to_run()

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, and do what is due meanwhile."""
        if self._runner is None or self._speed is None:
            self.advance(seconds)
        else:
            super().sleep(seconds)

    def attach(self, schedule: Schedule) -> None:
        """Let what is due in a schedule be done before time passes it by, and start to run."""
        super().attach(schedule)
        self._start_to_run()

    def _start_to_run(self) -> None:
        with self._starting:
            if self._speed is not None and self._schedules and self._runner is None:
                self._runner = threading.Thread(target=self._run, name="fast-clock", daemon=True)
                self._runner.start()

    def _run(self) -> None:
        """Follow the wall's clock at the chosen speed, as long as there are one and a schedule."""
        at = time.monotonic()
        while self._goes_on():
            time.sleep(_TICK)
            now = time.monotonic()
            if not self._run_on((now - at) * (self._speed or 0.0)):
                break
            at = now
        else:
            return
        self._runner = None

    def _goes_on(self) -> bool:
        with self._starting:
            if self._schedules and self._speed is not None:
                return True
            self._runner = None
            return False

    def _run_on(self, seconds: float) -> bool:
        """Advance, and tell whether there is still time left."""
        left = max(0.0, (_LAST - self.now()).total_seconds())
        try:
            self.advance(min(seconds, left))
        except ValueError:
            # Somebody else has advanced it meanwhile: there is less left.
            return True
        except BaseException:  # noqa: BLE001 - a task ends its thread, as by sys.exit; time goes on
            _LOG.exception("what was due by a clock that runs failed")
            return True
        if seconds < left:
            return True
        _LOG.warning("the clock has come to the end of the year 9999, and stops there")
        return False

"""Plan what the Flexibility Provider does again and again, at fixed seconds of the clock.

As observed in SolarNetwork (oscp20.md §5.5 and §5.7). A job is on the schedule only while there is
something for it to do, and then for the first time at which it can do it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from oscp_sim.clock import Task
from oscp_sim.shared import Shared

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The instants at which a job may begin: a second of every minute, or of every odd one."""

    second: int
    odd_minutes: bool = False

    def first_from(self, instant: datetime) -> datetime:
        """Return the first such instant that is not before another one."""
        found = instant.astimezone(UTC).replace(second=self.second, microsecond=0)
        while found < instant or (self.odd_minutes and found.minute % 2 == 0):
            found += _MINUTE
        return found


class Work(Protocol):
    """The work of a job: heartbeats, or measurements."""

    def due(self) -> datetime | None:
        """Return when there is something to do at the earliest, or None."""
        ...

    def steps(self, begun: datetime) -> Iterator[float]:
        """Do what is due, one message after the other.

        `begun` is the instant of the timetable, which is the present for the whole run. Yield the
        seconds to wait, by the simulator's clock, before the next step.
        """
        ...


class Job:
    """One job: it waits for its time, works, and waits again.

    Any thread may plan and review it; it works in a queue of its own.
    """

    def __init__(self, shared: Shared, timetable: Timetable, work: Work) -> None:
        self._shared = shared
        self._timetable = timetable
        self._work = work
        # Held to look at what is planned, never while it works: work changes the world, and each
        # change of the world makes a review.
        self._lock = threading.Lock()
        self._task: Task | None = None
        self._is_working = False
        self._last: datetime | None = None
        # The number of the present plan or run: an older one does not go on.
        self._number = 0

    def plan(self) -> None:
        """Forget what was planned or begun, and plan again."""
        with self._lock:
            self._is_working, self._last = False, None
            self._plan(self._next())

    def review(self) -> None:
        """Check whether the next time is still the right one; leave a run under way alone."""
        with self._lock:
            if self._is_working:
                return
            when = self._next()
            if when != (self._task and self._task.when):
                self._plan(when)

    def _plan(self, when: datetime | None) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._number += 1
        if when is not None:
            begin = partial(self._begin, self._number, when)
            # A job waits for each system in turn, and holds up nothing but itself.
            self._task = self._shared.schedule.at(when, begin, job=True, queue=self)

    def _next(self) -> datetime | None:
        due = self._work.due()
        if due is None:
            return None
        try:
            when = self._timetable.first_from(max(due, self._shared.clock.now()))
            if self._last is not None and when <= self._last:
                return self._timetable.first_from(self._last + _MINUTE)
        except OverflowError:
            # It is due after the end of the calendar.
            return None
        return when

    def _begin(self, number: int, when: datetime) -> None:
        with self._lock:
            if number != self._number:
                return
            self._task, self._is_working, self._last = None, True, when
        self._go_on(number, self._work.steps(when))

    def _go_on(self, number: int, steps: Iterator[float]) -> None:
        if number != self._number:
            return
        seconds = None
        try:
            seconds = next(steps, None)
        finally:
            if seconds is None:
                self._end(number)
        if seconds is not None:
            # Not as a job: it ends, so those who wait for pending tasks wait for it.
            self._shared.schedule.after(seconds, partial(self._go_on, number, steps), queue=self)

    def _end(self, number: int) -> None:
        with self._lock:
            if number == self._number:
                self._is_working = False
                self._plan(self._next())


class Jobs:
    """All jobs of a Flexibility Provider, kept in step with the world."""

    def __init__(self, shared: Shared, jobs: Iterable[Job]) -> None:
        self._shared = shared
        self._jobs = tuple(jobs)
        self._is_started = False

    def start(self) -> None:
        """Plan them, and review them from now on whenever the world changes."""
        if not self._is_started:
            self._is_started = True
            self._shared.watchers.append(self._review)
            self.plan()

    def plan(self) -> None:
        """Plan them again, after the schedule was cleared; do nothing before `start`."""
        if self._is_started:
            for job in self._jobs:
                job.plan()

    def _review(self) -> None:
        for job in self._jobs:
            job.review()

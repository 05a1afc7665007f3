"""What the Flexibility Provider does again and again, at fixed seconds of the clock.

As observed in SolarNetwork (OSCP dossier §5.5 and §5.7). A job is on the agenda only while there is
something for it to do, and then for the first time that it can be done.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.agenda import Appointment
    from simulator.rooms import Rooms

__all__ = ["Job", "Jobs", "Timetable", "Work"]

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """At which instants a job is begun.

    Attributes:
        second: Of the minute.
        odd_minutes: Whether only those minutes count that have an odd number.
    """

    second: int
    odd_minutes: bool = False

    def first_from(self, instant: datetime) -> datetime:
        """Answers with the first such instant that is not before another one."""
        found = instant.astimezone(UTC).replace(second=self.second, microsecond=0)
        while found < instant or (self.odd_minutes and found.minute % 2 == 0):
            found += _MINUTE
        return found


class Work(Protocol):
    """What a job does."""

    def due(self) -> datetime | None:
        """Answers with when there is something to do at the earliest; None: never."""
        ...

    def steps(self, begun: datetime) -> Iterator[float]:
        """Does what is due, one message after the other.

        Args:
            begun: The instant of the timetable; what counts as now for the whole run.

        Yields:
            The seconds by the simulator's clock after which to go on.
        """
        ...


class Job:
    """One job: it waits for its time, works, and waits again.

    Any thread may plan and review it; it works in a lane of its own.

    Args:
        rooms: The shared rooms.
        timetable: When it may begin.
        work: What it does.
    """

    def __init__(self, rooms: Rooms, timetable: Timetable, work: Work) -> None:
        self._rooms = rooms
        self._timetable = timetable
        self._work = work
        # Held for a look at what is planned, never while it works: that changes the world, and who
        # changes the world reviews.
        self._lock = threading.Lock()
        self._appointment: Appointment | None = None
        self._is_working = False
        self._last: datetime | None = None
        # Of what is planned or under way: what was called off does not go on.
        self._number = 0

    def plan(self) -> None:
        """Forgets what was planned or begun, and plans anew."""
        with self._lock:
            self._is_working, self._last = False, None
            self._plan(self._next())

    def review(self) -> None:
        """Looks whether the next time is still the right one; a run under way is left alone."""
        with self._lock:
            if self._is_working:
                return
            when = self._next()
            if when != (self._appointment and self._appointment.when):
                self._plan(when)

    def _plan(self, when: datetime | None) -> None:
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None
        self._number += 1
        if when is not None:
            task = partial(self._begin, self._number, when)
            # A job waits for each system in turn, and holds up nothing but itself.
            self._appointment = self._rooms.agenda.at(when, task, job=True, lane=self)

    def _next(self) -> datetime | None:
        due = self._work.due()
        if due is None:
            return None
        try:
            when = self._timetable.first_from(max(due, self._rooms.clock.now()))
            if self._last is not None and when <= self._last:
                return self._timetable.first_from(self._last + _MINUTE)
        except OverflowError:
            # After all times that there are.
            return None
        return when

    def _begin(self, number: int, when: datetime) -> None:
        with self._lock:
            if number != self._number:
                return
            self._appointment, self._is_working, self._last = None, True, when
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
            # No job: it comes to its end, and whoever waits for what is pending waits for it.
            self._rooms.agenda.after(seconds, partial(self._go_on, number, steps), lane=self)

    def _end(self, number: int) -> None:
        with self._lock:
            if number == self._number:
                self._is_working = False
                self._plan(self._next())


class Jobs:
    """All jobs of a Flexibility Provider, kept in step with the world.

    Args:
        rooms: The shared rooms.
        jobs: They themselves.
    """

    def __init__(self, rooms: Rooms, jobs: Iterable[Job]) -> None:
        self._rooms = rooms
        self._jobs = tuple(jobs)
        self._is_started = False

    def start(self) -> None:
        """Plans them, and from now on again whenever the world changes."""
        if not self._is_started:
            self._is_started = True
            self._rooms.watchers.append(self._review)
            self.plan()

    def plan(self) -> None:
        """Plans them anew, after the agenda was cleared; nothing where they are not started."""
        if self._is_started:
            for job in self._jobs:
                job.plan()

    def _review(self) -> None:
        for job in self._jobs:
            job.review()

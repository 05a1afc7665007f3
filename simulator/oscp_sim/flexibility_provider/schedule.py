"""The heartbeats that the Flexibility Provider sends (oscp20.md §5.5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from oscp_sim.clock import Task
from oscp_sim.flexibility_provider.delivery import ConfigurationProblem, DeliveryFailed
from oscp_sim.flexibility_provider.outbox import Outbox, check_version
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider

__all__ = ["Job", "Jobs", "Timetable", "Work", "heartbeat_jobs"]


# § What the Flexibility Provider does again and again, at fixed seconds of the clock.
#
# As observed in SolarNetwork (oscp20.md §5.5 and §5.7). A job is on the schedule only while
# there is something for it to do, and then for the first time that it can be done.

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

    Any thread may plan and review it; it works in a queue of its own.

    Args:
        shared: The shared shared.
        timetable: When it may begin.
        work: What it does.
    """

    def __init__(self, shared: Shared, timetable: Timetable, work: Work) -> None:
        self._shared = shared
        self._timetable = timetable
        self._work = work
        # Held for a look at what is planned, never while it works: that changes the world, and who
        # changes the world reviews.
        self._lock = threading.Lock()
        self._task: Task | None = None
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
            if when != (self._task and self._task.when):
                self._plan(when)

    def _plan(self, when: datetime | None) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._number += 1
        if when is not None:
            task = partial(self._begin, self._number, when)
            # A job waits for each system in turn, and holds up nothing but itself.
            self._task = self._shared.schedule.at(when, task, job=True, queue=self)

    def _next(self) -> datetime | None:
        due = self._work.due()
        if due is None:
            return None
        try:
            when = self._timetable.first_from(max(due, self._shared.clock.now()))
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
            # No job: it comes to its end, and whoever waits for what is pending waits for it.
            self._shared.schedule.after(seconds, partial(self._go_on, number, steps), queue=self)

    def _end(self, number: int) -> None:
        with self._lock:
            if number == self._number:
                self._is_working = False
                self._plan(self._next())


class Jobs:
    """All jobs of a Flexibility Provider, kept in step with the world.

    Args:
        shared: The shared shared.
        jobs: They themselves.
    """

    def __init__(self, shared: Shared, jobs: Iterable[Job]) -> None:
        self._shared = shared
        self._jobs = tuple(jobs)
        self._is_started = False

    def start(self) -> None:
        """Plans them, and from now on again whenever the world changes."""
        if not self._is_started:
            self._is_started = True
            self._shared.watchers.append(self._review)
            self.plan()

    def plan(self) -> None:
        """Plans them anew, after the schedule was cleared; nothing where they are not started."""
        if self._is_started:
            for job in self._jobs:
                job.plan()

    def _review(self) -> None:
        for job in self._jobs:
            job.review()


if TYPE_CHECKING:
    System = CapacityProvider | CapacityOptimizer


_ACTION: Final = "Heartbeat"
_EVER: Final = datetime.min.replace(tzinfo=UTC)
# A system is due once its interval has passed, not when it passes.
_JUST_AFTER: Final = timedelta(microseconds=1)


def heartbeat_jobs(
    shared: Shared, outbox: Outbox, new_request_id: Callable[[], str]
) -> tuple[Job, Job]:
    """Answers with the two jobs: Capacity Providers at second 0, Optimizers at second 30.

    Args:
        shared: The shared shared.
        outbox: Sends them.
        new_request_id: Makes an X-Request-ID.
    """
    make = partial(_Heartbeats, shared, outbox, new_request_id)
    return (
        Job(shared, Timetable(second=0), make(CapacityProvider)),
        Job(shared, Timetable(second=30), make(CapacityOptimizer)),
    )


class _Heartbeats:
    def __init__(
        self,
        shared: Shared,
        outbox: Outbox,
        new_request_id: Callable[[], str],
        kind: type[System],
    ) -> None:
        self._shared = shared
        self._outbox = outbox
        self._new_request_id = new_request_id
        self._kind = kind

    def due(self) -> datetime | None:
        return min((when for _, _, when in self._wanted()), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Sends one to each system that is due; the first that fails ends the run (§5.5).

        In which order they come is not known: here, as the world lists them (inferred).
        """
        for user_id, chosen, _ in [each for each in self._wanted() if each[2] <= begun]:
            system = self._current(user_id, chosen)
            if system is None:
                continue
            # When it was sent, which is never before the timetable's instant.
            now, after, failure = self._shared.clock.now(), 0.0, None
            try:
                after = self._send(user_id, system, now)
            except (DeliveryFailed, ConfigurationProblem) as problem:
                failure, after = problem, getattr(problem, "after", 0.0)
            if after:
                yield after
            if failure is not None:
                self._note(f"{system.name} has not been sent a heartbeat: {failure}")
                return
            self._shared.change_system(user_id, system, heartbeat_date=now)

    def _send(self, user_id: int, system: System, now: datetime) -> float:
        """Answers with the seconds by the simulator's clock until the answer comes."""
        check_version(user_id, system, _ACTION)
        seconds = 2 * (_interval(system) or timedelta())
        content = {"offline_mode_at": now + seconds}
        delivery = self._outbox.delivery(system, _ACTION, content, self._new_request_id())
        if delivery is None:
            # As with instructions, what need not be sent counts as sent (inferred).
            self._note(f"{system.name} has no base URL: no heartbeat is sent, and it counts as one")
            return 0.0
        return self._outbox.send(user_id, system, delivery).after

    def _wanted(self) -> Iterator[tuple[int, System, datetime]]:
        """Answers with each system that wants heartbeats, whose it is, and when it is due."""
        for user in self._shared.world.users:
            for system in user.systems:
                interval = _interval(system)
                if isinstance(system, self._kind) and interval is not None:
                    last = system.heartbeat_date
                    yield user.id, system, _EVER if last is None else _later(last, interval)

    def _current(self, user_id: int, chosen: System) -> System | None:
        """Answers with a system as it is now, if it still wants heartbeats."""
        found = (system for owner, system, _ in self._wanted() if owner == user_id)
        return next((each for each in found if each.id == chosen.id), None)

    def _note(self, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=_ACTION, detail={"why": why}
        )


def _interval(system: System) -> timedelta | None:
    """Answers with how often a system is sent heartbeats; None: never."""
    seconds = system.settings.heartbeat_seconds if system.settings else None
    if not system.enabled or system.registration_status != "Registered" or not seconds:
        return None
    return timedelta(seconds=seconds) if seconds > 0 else None


def _later(last: datetime, interval: timedelta) -> datetime:
    try:
        return last + interval + _JUST_AFTER
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)

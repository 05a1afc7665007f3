"""Whether the other side is there, as far as its heartbeats tell (oscp20.md §3.14)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_sim.clock import Clock, Schedule, Task

__all__ = ["OwnHeartbeats", "Presence"]


# § The heartbeats that an external system sends by itself.


class OwnHeartbeats:
    """Sends one after each interval, for as long as there is one.

    Args:
        clock: What time it is.
        schedule: Where to wait.
        interval: Answers with the seconds between two; None: none are to be sent.
        beat: Sends one.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: Schedule,
        interval: Callable[[], float | None],
        beat: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._schedule = schedule
        self._interval = interval
        self._beat = beat
        self._task: Task | None = None
        # Of the plan: one that is due already when it is changed knows by it.
        self._number = 0
        self._lock = threading.RLock()

    def plan(self) -> None:
        """Begins, goes on at another rate, or ends, as the interval has it now."""
        with self._lock:
            self.end()
            seconds = self._interval()
            if seconds is not None:
                self._wait_until(self._clock.now() + timedelta(seconds=seconds))

    def end(self) -> None:
        """Sends no more."""
        with self._lock:
            if self._task is not None:
                self._task.cancel()
            self._task = None
            self._number += 1

    def _wait_until(self, when: datetime) -> None:
        self._number += 1
        task = partial(self._due, self._number, when)
        self._task = self._schedule.at(when, task, job=True, queue=self)

    def _due(self, number: int, when: datetime) -> None:
        with self._lock:
            seconds = self._interval()
            if number != self._number or seconds is None:
                return
            step = timedelta(seconds=seconds)
            missed = (self._clock.now() - when) // step
            # Before it is sent: what comes of it may change the plan.
            self._wait_until(when + step * (missed + 1))
        self._beat()


# "The moment after which": a heartbeat that comes at that very instant still is in time, as
# SolarNetwork's do where they are due every minute (§5.5).
_AFTER = timedelta(milliseconds=1)


class Presence:
    """Waits for the other side's heartbeats, and tells when they fail to come, and when they do.

    Args:
        clock: What time it is.
        schedule: Where to wait.
        gone: Called when the other side has to be taken for offline, with its `offline_mode_at`.
        back: Called when it is there again, with the same instant.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: Schedule,
        gone: Callable[[datetime], None],
        back: Callable[[datetime], None],
    ) -> None:
        self._clock = clock
        self._schedule = schedule
        self._gone = gone
        self._back = back
        self._task: Task | None = None
        self.offline_at: datetime | None = None
        self.is_offline = False

    def heartbeat(self, offline_mode_at: datetime) -> None:
        """Takes note of a heartbeat."""
        before, self.offline_at = self.offline_at, offline_mode_at
        if self.is_offline and before is not None and offline_mode_at > self._clock.now():
            self.is_offline = False
            self._back(before)
        task = self._task
        if task is None or task.when > offline_mode_at + _AFTER:
            self._wait_until(offline_mode_at)
        # Else the task comes before, and makes the next one then.

    def end(self) -> None:
        """Waits no more."""
        if self._task is not None:
            self._task.cancel()
        self._task, self.offline_at, self.is_offline = None, None, False

    def _wait_until(self, instant: datetime) -> None:
        if self._task is not None:
            self._task.cancel()
        # A job, for it is made anew as long as heartbeats come.
        self._task = self._schedule.at(_later(instant), self._look, job=True)

    def _look(self) -> None:
        self._task = None
        if self.offline_at is None or self.is_offline:
            return
        if self._clock.now() > self.offline_at:
            self.is_offline = True
            self._gone(self.offline_at)
        else:
            self._wait_until(self.offline_at)


def _later(instant: datetime) -> datetime:
    latest = datetime.max.replace(tzinfo=UTC)
    return latest if instant > latest - _AFTER else instant + _AFTER

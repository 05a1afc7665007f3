"""Heartbeats: those that a system sends, and the watch over the other side's (oscp20.md §3.14)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from oscp_sim.clock import Clock, Schedule, Task


class Heartbeats:
    """Sends a heartbeat after each interval, in seconds, for as long as there is one.

    The first one may be sent at the next full minute.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: Schedule,
        interval: Callable[[], float | None],
        beat: Callable[[], object],
        on_the_minute: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._schedule = schedule
        self._interval = interval
        self._beat = beat
        self._on_the_minute = on_the_minute
        self._task: Task | None = None
        # Tells a task of an earlier plan, which may be due already when the plan changes.
        self._number = 0
        self._lock = threading.RLock()

    def plan(self) -> None:
        """Begin, go on at another rate, or end, as the interval is now."""
        with self._lock:
            self.end()
            seconds = self._interval()
            if seconds is not None:
                now = self._clock.now()
                if self._on_the_minute():
                    now, seconds = now.replace(second=0, microsecond=0), 60.0
                self._wait_until(now + timedelta(seconds=seconds))

    def end(self) -> None:
        """Send no more."""
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
            # Before it is sent: its answer may change the plan.
            self._wait_until(when + step * (missed + 1))
        self._beat()


# "The moment after which": a heartbeat that comes at that very instant still is in time, as
# SolarNetwork's do where they are due every minute (oscp20.md §5.5).
_AFTER: Final = timedelta(milliseconds=1)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


class OfflineWatch:
    """Waits for the other side's heartbeats, and says when it goes offline and when it is back.

    Both are told the `offline_mode_at` from which on it has to be considered offline.
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
        """Record a heartbeat."""
        before, self.offline_at = self.offline_at, offline_mode_at
        if self.is_offline and before is not None and offline_mode_at > self._clock.now():
            self.is_offline = False
            self._back(before)
        task = self._task
        if task is None or task.when > _just_after(offline_mode_at):
            self._wait_until(offline_mode_at)
        # Else the task that there is comes first, and plans the next one then.

    def end(self) -> None:
        """Wait no more."""
        if self._task is not None:
            self._task.cancel()
        self._task, self.offline_at, self.is_offline = None, None, False

    def _wait_until(self, instant: datetime) -> None:
        if self._task is not None:
            self._task.cancel()
        # A job, because there is always a next one as long as heartbeats come.
        self._task = self._schedule.at(_just_after(instant), self._look, job=True)

    def _look(self) -> None:
        self._task = None
        if self.offline_at is None or self.is_offline:
            return
        if self._clock.now() > self.offline_at:
            self.is_offline = True
            self._gone(self.offline_at)
        else:
            self._wait_until(self.offline_at)


def _just_after(instant: datetime) -> datetime:
    return _LATEST if instant > _LATEST - _AFTER else instant + _AFTER

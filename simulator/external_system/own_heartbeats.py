"""The heartbeats that an external system sends by itself."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simulator.agenda import Agenda, Appointment
    from simulator.clock import Clock

__all__ = ["OwnHeartbeats"]


class OwnHeartbeats:
    """Sends one after each interval, for as long as there is one.

    Args:
        clock: What time it is.
        agenda: Where to wait.
        interval: Answers with the seconds between two; None: none are to be sent.
        beat: Sends one.
    """

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        interval: Callable[[], float | None],
        beat: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._agenda = agenda
        self._interval = interval
        self._beat = beat
        self._appointment: Appointment | None = None
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
            if self._appointment is not None:
                self._appointment.cancel()
            self._appointment = None
            self._number += 1

    def _wait_until(self, when: datetime) -> None:
        self._number += 1
        task = partial(self._due, self._number, when)
        self._appointment = self._agenda.at(when, task, job=True, lane=self)

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

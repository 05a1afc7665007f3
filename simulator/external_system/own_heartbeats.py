"""The heartbeats that an external system sends by itself."""

from __future__ import annotations

from datetime import timedelta
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

    def plan(self) -> None:
        """Begins, goes on at another rate, or ends, as the interval has it now."""
        self.end()
        seconds = self._interval()
        if seconds is not None:
            self._wait_until(self._clock.now() + timedelta(seconds=seconds))

    def end(self) -> None:
        """Sends no more."""
        if self._appointment is not None:
            self._appointment.cancel()
        self._appointment = None

    def _wait_until(self, when: datetime) -> None:
        self._appointment = self._agenda.at(when, self._due, job=True, lane=self)

    def _due(self) -> None:
        due, seconds = self._appointment, self._interval()
        if due is None or seconds is None:
            return
        step = timedelta(seconds=seconds)
        missed = (self._clock.now() - due.when) // step
        # Before it is sent: what comes of it may change the plan.
        self._wait_until(due.when + step * (missed + 1))
        self._beat()

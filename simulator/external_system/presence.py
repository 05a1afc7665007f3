"""Whether the other side is there, as far as its heartbeats tell (OSCP dossier §3.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.agenda import Agenda, Appointment
    from simulator.clock import Clock

__all__ = ["Presence"]

# "The moment after which": a heartbeat that comes at that very instant still is in time, as
# SolarNetwork's do where they are due every minute (§5.5).
_AFTER = timedelta(milliseconds=1)


class Presence:
    """Waits for the other side's heartbeats, and tells when they fail to come, and when they do.

    Args:
        clock: What time it is.
        agenda: Where to wait.
        gone: Called when the other side has to be taken for offline, with its `offline_mode_at`.
        back: Called when it is there again, with the same instant.
    """

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        gone: Callable[[datetime], None],
        back: Callable[[datetime], None],
    ) -> None:
        self._clock = clock
        self._agenda = agenda
        self._gone = gone
        self._back = back
        self._appointment: Appointment | None = None
        self.offline_at: datetime | None = None
        self.is_offline = False

    def heartbeat(self, offline_mode_at: datetime) -> None:
        """Takes note of a heartbeat."""
        before, self.offline_at = self.offline_at, offline_mode_at
        if self.is_offline and before is not None and offline_mode_at > self._clock.now():
            self.is_offline = False
            self._back(before)
        appointment = self._appointment
        if appointment is None or appointment.when > offline_mode_at + _AFTER:
            self._wait_until(offline_mode_at)
        # Else the appointment comes before, and makes the next one then.

    def end(self) -> None:
        """Waits no more."""
        if self._appointment is not None:
            self._appointment.cancel()
        self._appointment, self.offline_at, self.is_offline = None, None, False

    def _wait_until(self, instant: datetime) -> None:
        if self._appointment is not None:
            self._appointment.cancel()
        # A job, for it is made anew as long as heartbeats come.
        self._appointment = self._agenda.at(_later(instant), self._look, job=True)

    def _look(self) -> None:
        self._appointment = None
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

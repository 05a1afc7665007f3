"""ELMO's day: what a Capacity Provider with its profile does by the clock (OSCP dossier §4)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.capacity_provider.elmo import PURPOSES, missed_measurements, next_assignment
from simulator.capacity_provider.profiles import PROFILES
from simulator.external_system import insist

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.agenda import Appointment
    from simulator.capacity_provider.seat import ProviderSeat

__all__ = ["Timetable"]

_USAGE_WITHIN: Final = timedelta(minutes=1, milliseconds=1)


class Timetable:
    """Assigns tomorrow's capacities, and watches that usage is reported.

    Args:
        seat: The Capacity Provider; one without ELMO's profile has no timetable.
    """

    def __init__(self, seat: ProviderSeat) -> None:
        self._seat = seat
        self._agenda = seat.rooms.agenda
        self._clock = seat.rooms.clock
        self._assignment: Appointment | None = None
        self._watch: Appointment | None = None
        self._last_usage: datetime | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the Capacity Provider goes by a timetable."""
        return PROFILES[self._seat.provider.profile].has_timetable

    def plan(self) -> None:
        """Makes the appointment for the next assignment, if there are any."""
        if self._assignment is not None:
            self._assignment.cancel()
        self._assignment = None
        if self.is_kept and self._seat.provider.behaviour.timetable is not None:
            when = next_assignment(self._clock.now())
            self._assignment = self._agenda.at(when, self._assign, job=True, lane=self._seat.lane)

    def usage(self, now: datetime) -> None:
        """Takes note that usage was reported: the next report is due within a minute."""
        if not self.is_kept:
            return
        self._last_usage = now
        if self._watch is None:
            self._watch = self._agenda.at(now + _USAGE_WITHIN, self._look, job=True)

    def end(self) -> None:
        """Does nothing any more."""
        for appointment in (self._assignment, self._watch):
            if appointment is not None:
                appointment.cancel()
        self._assignment = self._watch = self._last_usage = None

    def _assign(self) -> None:
        seat, capacity = self._seat, self._seat.provider.behaviour.timetable
        if not seat.is_configured:
            return
        self.plan()
        if not seat.registration.is_registered:
            seat.note("no capacities are assigned for tomorrow: it is not registered")
            return
        for group in sorted(seat.groups):
            request_id = seat.correspondence.new_request_id()
            send = partial(
                seat.forecast,
                purpose=PURPOSES[0],
                capacity=capacity,
                group=group,
                request_id=request_id,
            )
            insist(seat, send)

    def _look(self) -> None:
        self._watch, last = None, self._last_usage
        if last is None:
            return
        finding = missed_measurements(last, self._clock.now())
        if finding is None:
            self._watch = self._agenda.at(last + _USAGE_WITHIN, self._look, job=True)
            return
        self._seat.rooms.journal.append(
            self._seat.party,
            "note",
            action="UpdateGroupMeasurements",
            findings=[finding.to_dict()],
            detail={"why": finding.message, **self._seat.who},
        )

"""What a Capacity Provider with ELMO's timetable does by the clock (oscp20.md §4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from oscp_sim.clock import Task
from oscp_sim.system.elmo import day_ahead, missed_measurements, next_assignment
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import FORECAST, System

_USAGE_WITHIN: Final = timedelta(minutes=1, milliseconds=1)


class Timetable:
    """Assigns tomorrow's capacities, and watches that usage is reported.

    Args:
        system: The Capacity Provider; without ELMO's profile it has no timetable.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._schedule = system.shared.schedule
        self._clock = system.shared.clock
        self._assignment: Task | None = None
        self._watch: Task | None = None
        self._last_usage: datetime | None = None

    def plan(self) -> None:
        """Plan the next assignment, if there is to be one."""
        if self._assignment is not None:
            self._assignment.cancel()
        self._assignment = None
        profile = self._system.profile
        if profile.has_timetable and profile.timetable is not None:
            when, queue = next_assignment(self._clock.now()), self._system.queue
            self._assignment = self._schedule.at(when, self._assign, job=True, queue=queue)

    def usage_reported(self, now: datetime) -> None:
        """Record that usage was reported: the next report is due within a minute."""
        if not self._system.profile.has_timetable:
            return
        self._last_usage = now
        if self._watch is None:
            self._watch = self._schedule.at(now + _USAGE_WITHIN, self._look, job=True)

    def end(self) -> None:
        """Do nothing any more."""
        for task in (self._assignment, self._watch):
            if task is not None:
                task.cancel()
        self._assignment = self._watch = self._last_usage = None

    def _assign(self) -> None:
        system, capacity = self._system, self._system.profile.timetable
        if not system.is_configured or capacity is None:
            return
        self.plan()
        if not system.registration.is_registered:
            system.note("no capacities are assigned for tomorrow: it is not registered")
            return
        for group in sorted(system.groups):
            system.retry(partial(self._send, group, capacity, system.new_request_id()))

    def _send(self, group: str, capacity: float, request_id: str) -> Sent:
        message = day_ahead(group, capacity, self._clock.now())
        return self._system.post(FORECAST, message, request_id=request_id)

    def _look(self) -> None:
        self._watch, last = None, self._last_usage
        if last is None:
            return
        finding = missed_measurements(last, self._clock.now())
        if finding is None:
            self._watch = self._schedule.at(last + _USAGE_WITHIN, self._look, job=True)
            return
        system = self._system
        system.shared.journal.append(
            system.party,
            "note",
            action="UpdateGroupMeasurements",
            findings=[finding.to_dict()],
            detail={"why": finding.message, **system.who},
        )

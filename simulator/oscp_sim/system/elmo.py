"""The day of ELMO, Taipower's Capacity Provider, and what it assigns (oscp20.md §4).

Capacities for tomorrow by 10:00, requests for more of them by 14:00, answers to these by 16:00,
usage every minute; an emergency is an Update for what is left of today. All in Taipei's time, which
has had no daylight saving since 1979: a fixed offset. `Timetable` does all this when it is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

from oscp_send.findings import Finding
from oscp_send.messages import ForecastedBlock, UpdateGroupCapacityForecast, forecasted_blocks
from oscp_send.times import read_instant
from oscp_sim.clock import Task
from oscp_sim.system.profile import PROFILES
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import FORECAST, System

EMERGENCY: Final = "emergency_assign_capacity"

#: The names of the three kinds of forecast that ELMO sends, as its test bed calls them.
PURPOSES: Final = (
    "negotiation_assign_capacity",
    "negotiation_reply_request_additional_capacity",
    EMERGENCY,
)

_ELMO: Final = PROFILES["elmo"]
TAIPEI: Final = _ELMO.zone

_ASSIGNED_BY: Final = timedelta(hours=10)
_REQUESTED_BY: Final = timedelta(hours=14)
_ANSWERED_BY: Final = timedelta(hours=16)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_HOURS: Final = 24
_USAGE_EVERY: Final = timedelta(minutes=1)
_LATE: Final = timedelta(milliseconds=1)
_RULE: Final = "elmo-timetable"
_DAY_RULE: Final = "elmo-day"
_ENDS: Final = ("start_time", "end_time")


def day_ahead(group: str, capacity: float, now: datetime) -> dict[str, Any]:
    """Return the forecast that assigns one power to each hour of tomorrow.

    An answer to a request for more is one, too, since requests are about tomorrow (inferred). The
    capacity is in kilowatt; tomorrow is the day after `now` in Taipei.
    """
    return _body(group, forecasted_blocks(_ELMO.next_midnight(now), _HOUR, [capacity] * _HOURS))


def emergency(group: str, capacity: float, now: datetime) -> dict[str, Any]:
    """Return the forecast that limits a group from now to the next midnight."""
    # Cut as the message will be: a block is a whole number of milliseconds.
    start = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return _body(group, forecasted_blocks(start, _ELMO.next_midnight(now) - start, [capacity]))


def next_assignment(now: datetime) -> datetime:
    """Return the next 10:00 that has not come yet, in UTC."""
    today = _midnight(now) + _ASSIGNED_BY
    return (today if today > now else today + _DAY).astimezone(UTC)


def answer_by(now: datetime) -> datetime:
    """Return when a request that comes in now has to be answered, in UTC.

    At 16:00 of the same day; one that is too late for today, at 16:00 of the next (inferred).
    """
    today = _midnight(now)
    day = today if now <= today + _REQUESTED_BY else today + _DAY
    return (day + _ANSWERED_BY).astimezone(UTC)


def late_request(adjustment: Mapping[str, Any], now: datetime) -> Finding | None:
    """Return the finding about an adjustment that comes too late, or None.

    A change of a day has to be asked for by 14:00 of the day before. The earliest day counts;
    blocks that cannot be read are ignored.
    """
    first = min(_starts(adjustment), default=None)
    if first is None:
        return None
    start, pointer = first
    deadline = _midnight(start) - _DAY + _REQUESTED_BY
    if now <= deadline:
        return None
    return Finding(
        "meaning",
        _RULE,
        "warning",
        f"{pointer}/start_time",
        f"asks for a change of {start.astimezone(TAIPEI):%Y-%m-%d} at {_shown(now)}: "
        f"requests were taken until {_shown(deadline)}",
        "ask by 14:00 (+08:00) of the day before",
    )


def broken_day(adjustment: Mapping[str, Any]) -> Finding | None:
    """Return the finding about an adjustment that is not one whole day by the hour, or None.

    ELMO refuses any other than 24 blocks of one hour, from 00:00 to 24:00 in Taipei.
    """
    blocks = adjustment.get("forecasted_blocks")
    blocks = blocks if isinstance(blocks, list) else []
    spans = [tuple(read_instant(each[name]) for name in _ENDS) for each in blocks]
    first = spans[0][0] if spans else None
    if first is not None and MINYEAR < first.year < MAXYEAR and len(spans) == _HOURS:
        hours = [_midnight(first) + _HOUR * each for each in range(_HOURS + 1)]
        if spans == list(pairwise(hours)):
            return None
    return Finding(
        "meaning",
        _DAY_RULE,
        "warning",
        "/forecasted_blocks",
        f"{len(blocks)} blocks that are not the 24 hours of a day: ELMO itself answers 400",
        "send 24 blocks of one hour, from 00:00 to 24:00 (+08:00)",
    )


def missed_measurements(last: datetime, now: datetime) -> Finding | None:
    """Return the finding about usage that was not reported for over a minute, or None."""
    silence = now - last
    if silence <= _USAGE_EVERY:
        return None
    return Finding(
        "meaning",
        _RULE,
        "warning",
        "",
        f"no measurements for {silence.total_seconds():.0f} s, since {_shown(last)}",
        "report usage every minute",
    )


def _body(group: str, blocks: Iterable[ForecastedBlock]) -> dict[str, Any]:
    """Return a forecast as ELMO writes it: CONSUMPTION, in Taipei's time."""
    return _ELMO.write_forecast(UpdateGroupCapacityForecast(group, "CONSUMPTION", blocks))


def _starts(adjustment: Mapping[str, Any]) -> Iterator[tuple[datetime, str]]:
    listed = adjustment.get("forecasted_blocks")
    for index, block in enumerate(listed if isinstance(listed, list) else ()):
        text = block.get("start_time") if isinstance(block, dict) else None
        start = read_instant(text) if isinstance(text, str) else None
        # The first and the last year have days that end beyond what a datetime can say.
        if start is not None and MINYEAR < start.year < MAXYEAR:
            yield start, f"/forecasted_blocks/{index}"


def _midnight(instant: datetime) -> datetime:
    """Return the midnight at which an instant's day began in Taipei."""
    return instant.astimezone(TAIPEI).replace(hour=0, minute=0, second=0, microsecond=0)


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(TAIPEI):%Y-%m-%d %H:%M} (+08:00)"


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
        if profile.has_timetable and profile.behaviour.timetable is not None:
            when, queue = next_assignment(self._clock.now()), self._system.queue
            self._assignment = self._schedule.at(when, self._assign, job=True, queue=queue)

    def usage_reported(self, now: datetime) -> None:
        """Record that usage was reported: the next report is due within a minute."""
        if not self._system.profile.has_timetable:
            return
        self._last_usage = now
        if self._watch is None:
            self._watch = self._schedule.at(now + _USAGE_EVERY + _LATE, self._look, job=True)

    def end(self) -> None:
        """Do nothing any more."""
        for task in (self._assignment, self._watch):
            if task is not None:
                task.cancel()
        self._assignment = self._watch = self._last_usage = None

    def _assign(self) -> None:
        system, capacity = self._system, self._system.profile.behaviour.timetable
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
            self._watch = self._schedule.at(last + _USAGE_EVERY + _LATE, self._look, job=True)
            return
        system = self._system
        system.shared.journal.append(
            system.party,
            "note",
            action="UpdateGroupMeasurements",
            findings=[finding.to_dict()],
            detail={"why": finding.message, **system.who},
        )

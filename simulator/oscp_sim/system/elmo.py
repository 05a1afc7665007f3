"""ELMO's day: what a Capacity Provider with its profile does by the clock (oscp20.md §4)."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from oscp_send.findings import Finding
from oscp_send.messages import UpdateGroupCapacityForecast, forecasted_blocks
from oscp_send.times import read_instant
from oscp_sim.system.profile import PROFILES, written
from oscp_sim.system.sending import insist

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from oscp_send.messages import ForecastedBlock
    from oscp_sim.clock import Task
    from oscp_sim.system.capacity_provider import ProviderSeat

__all__ = [
    "EMERGENCY",
    "PURPOSES",
    "TAIPEI",
    "Timetable",
    "answer_by",
    "day_ahead",
    "emergency",
    "late_request",
    "missed_measurements",
    "next_assignment",
]


# § The timetable of ELMO, Taipower's Capacity Provider, and what it assigns (oscp20.md §4).
#
# Capacities for tomorrow by 10:00, requests for more of them by 14:00, answers to these by 16:00,
# usage every minute; an emergency is an Update for what is left of today. All in Taipei's time,
# which has had no daylight saving since 1979: a fixed offset.

EMERGENCY: Final = "emergency_assign_capacity"

#: What its test bed calls the three kinds of forecast that it sends.
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
_RULE: Final = "elmo-timetable"


def day_ahead(group: str, capacity: float, now: datetime) -> dict[str, Any]:
    """Answers with the forecast that assigns one power to each hour of tomorrow.

    An answer to a request for more is one, too, since requests are about tomorrow (inferred).

    Args:
        group: The Capacity Group.
        capacity: In kilowatt.
        now: The time; tomorrow is the day after it in Taipei.
    """
    return _body(group, forecasted_blocks(_ELMO.next_midnight(now), _HOUR, [capacity] * _HOURS))


def emergency(group: str, capacity: float, now: datetime) -> dict[str, Any]:
    """Answers with the forecast that limits a group from now to the next midnight.

    Args:
        group: The Capacity Group.
        capacity: In kilowatt.
        now: The time.
    """
    # Cut as the message will be: a block is a whole number of milliseconds.
    start = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return _body(group, forecasted_blocks(start, _ELMO.next_midnight(now) - start, [capacity]))


def next_assignment(now: datetime) -> datetime:
    """Answers with the next 10:00 that has not come yet, in UTC."""
    today = _midnight(now) + _ASSIGNED_BY
    return (today if today > now else today + _DAY).astimezone(UTC)


def answer_by(now: datetime) -> datetime:
    """Answers with when a request that comes in now is to be answered, in UTC.

    At 16:00 of the same day; one that is too late for today, at 16:00 of the next (inferred).
    """
    today = _midnight(now)
    day = today if now <= today + _REQUESTED_BY else today + _DAY
    return (day + _ANSWERED_BY).astimezone(UTC)


def late_request(adjustment: Mapping[str, Any], now: datetime) -> Finding | None:
    """Answers with what is to be said of an adjustment that comes too late, if it does.

    What is asked of a day is to be asked by 14:00 of the day before. The earliest day counts.

    Args:
        adjustment: An AdjustGroupCapacityForecast; blocks that cannot be read are passed over.
        now: When it came in.
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


def missed_measurements(last: datetime, now: datetime) -> Finding | None:
    """Answers with what is to be said where no usage was reported for over a minute, if so.

    Args:
        last: When usage was last reported, or when reporting was to begin.
        now: The time.
    """
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
    """Answers with a forecast as ELMO writes it: CONSUMPTION, in Taipei's time."""
    message = UpdateGroupCapacityForecast(group, "CONSUMPTION", blocks)
    return written(message, _ELMO)


def _starts(adjustment: Mapping[str, Any]) -> Iterator[tuple[datetime, str]]:
    listed = adjustment.get("forecasted_blocks")
    for index, block in enumerate(listed if isinstance(listed, list) else ()):
        start = read_instant(block.get("start_time")) if isinstance(block, dict) else None
        # The first and the last year have days that end beyond what a datetime can say.
        if start is not None and MINYEAR < start.year < MAXYEAR:
            yield start, f"/forecasted_blocks/{index}"


def _midnight(instant: datetime) -> datetime:
    """Answers with the midnight at which an instant's day began in Taipei."""
    return instant.astimezone(TAIPEI).replace(hour=0, minute=0, second=0, microsecond=0)


def _shown(instant: datetime) -> str:
    return f"{instant.astimezone(TAIPEI):%Y-%m-%d %H:%M} (+08:00)"


_USAGE_WITHIN: Final = timedelta(minutes=1, milliseconds=1)


class Timetable:
    """Assigns tomorrow's capacities, and watches that usage is reported.

    Args:
        seat: The Capacity Provider; one without ELMO's profile has no timetable.
    """

    def __init__(self, seat: ProviderSeat) -> None:
        self._seat = seat
        self._schedule = seat.shared.schedule
        self._clock = seat.shared.clock
        self._assignment: Task | None = None
        self._watch: Task | None = None
        self._last_usage: datetime | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the Capacity Provider goes by a timetable."""
        return PROFILES[self._seat.provider.profile].has_timetable

    def plan(self) -> None:
        """Makes the task for the next assignment, if there are any."""
        if self._assignment is not None:
            self._assignment.cancel()
        self._assignment = None
        if self.is_kept and self._seat.provider.behaviour.timetable is not None:
            when = next_assignment(self._clock.now())
            self._assignment = self._schedule.at(
                when, self._assign, job=True, queue=self._seat.queue
            )

    def usage(self, now: datetime) -> None:
        """Takes note that usage was reported: the next report is due within a minute."""
        if not self.is_kept:
            return
        self._last_usage = now
        if self._watch is None:
            self._watch = self._schedule.at(now + _USAGE_WITHIN, self._look, job=True)

    def end(self) -> None:
        """Does nothing any more."""
        for task in (self._assignment, self._watch):
            if task is not None:
                task.cancel()
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
            self._watch = self._schedule.at(last + _USAGE_WITHIN, self._look, job=True)
            return
        self._seat.shared.journal.append(
            self._seat.party,
            "note",
            action="UpdateGroupMeasurements",
            findings=[finding.to_dict()],
            detail={"why": finding.message, **self._seat.who},
        )

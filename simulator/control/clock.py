"""The simulator's clock, looked at and moved from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.clock import FastClock, FrozenClock
from simulator.control.answers import BadRequestBody, json_answer, json_body, refusal
from simulator.control.operations import LONGEST_ADVANCE
from simulator.durations import parse_duration

if TYPE_CHECKING:
    from datetime import datetime

    from flask import Response

    from simulator.clock import Clock
    from simulator.rooms import Rooms

__all__ = ["move_clock", "show_clock"]


def show_clock(rooms: Rooms) -> Response:
    """Answers with what time it is, how the clock runs, and what is due."""
    return json_answer(_clock(rooms))


def move_clock(rooms: Rooms) -> Response:
    """Lets time pass by as much as the request's body says, and answers as `show_clock`."""
    try:
        seconds = _seconds(json_body())
    except BadRequestBody as error:
        return refusal(400, str(error))
    try:
        rooms.clock.advance(seconds)
    except RuntimeError as error:
        return refusal(409, str(error))
    except (OverflowError, ValueError):
        return refusal(400, "no clock goes beyond the year 9999")
    return json_answer(_clock(rooms))


def _clock(rooms: Rooms) -> dict[str, Any]:
    due = rooms.agenda.next_due
    shown: dict[str, Any] = {
        "now": _instant(rooms.clock.now()),
        "runs": _runs(rooms.clock),
        "next_due": None if due is None else _instant(due),
        "pending": rooms.agenda.pending,
    }
    if isinstance(rooms.clock, FastClock):
        shown["speed"] = rooms.clock.speed
    return shown


def _runs(clock: Clock) -> str:
    if isinstance(clock, FastClock):
        return "fast"
    return "frozen" if isinstance(clock, FrozenClock) else "real"


def _seconds(body: object) -> float:
    if not isinstance(body, Mapping) or body.keys() != {"advance"}:
        raise BadRequestBody('say by how much, as {"advance": 90} in seconds or {"advance": "15m"}')
    by = body["advance"]
    if isinstance(by, str):
        try:
            by = parse_duration(by).total_seconds()
        except ValueError as error:
            raise BadRequestBody(f"advance: {error}") from None
    if isinstance(by, bool) or not isinstance(by, int | float) or by < 0:
        raise BadRequestBody("advance is a number of seconds, 0 or more, or a duration as 15m")
    if by > LONGEST_ADVANCE:
        raise BadRequestBody("advance by at most 366d at once; ask several times for more")
    return float(by)


def _instant(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")

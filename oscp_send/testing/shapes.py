"""Forecasts of the shapes that travel in production: a local day, what is left of it, per phase.

A forecast of a hundred blocks is drawn by the few parameters of its shape, so that it is drawn as
fast as one of a single block, and shrinks to a flat one of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, partial
from math import exp
from types import MappingProxyType
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hypothesis import strategies as st

from oscp_send.testing.strategies import (
    FORECAST_TYPES,
    Sample,
    Strings,
    blocks,
    check_strategy,
    run_of_blocks,
)
from oscp_send.testing.strategies import group_ids as usual_group_ids

Shape = Literal["short", "day-ahead", "intraday", "per-phase", "clock-change"]
_SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)
_QUARTER: Final = timedelta(minutes=15)
_FIRST_DAY: Final = date(2031, 3, 1)
_MOST_BLOCKS: Final = 96


def forecasts(
    shape: Shape | None = None,
    *,
    action: str = "AdjustGroupCapacityForecast",
    group_ids: Strings | None = None,
    time_zone: str | tzinfo = "Europe/Amsterdam",
    days: st.SearchStrategy[date] | None = None,
) -> st.SearchStrategy[Sample]:
    """Return sound forecasts of realistic shapes, each with its action.

    Args:
        shape: `short`, one to four blocks; `day-ahead`, the quarter hours of a local day, 96 of
            them or, when the clocks change, usually 92 or 100; `intraday`, from a quarter hour of
            the day until its end; `per-phase`, up to 96 blocks for the phases ONE, TWO and THREE;
            `clock-change`, a day ahead on which the clocks change. Any that the time zone has when
            left out.
        action: `AdjustGroupCapacityForecast` or `UpdateGroupCapacityForecast`.
        group_ids: What to draw `group_id` from; short identifiers when left out.
        time_zone: Whose days they are: a name of the IANA database, or a zone.
        days: What to draw the local day from; any of 2025 to 2040 when left out, and for
            `day-ahead` often one when the clocks change.

    Raises:
        ValueError: The shape, the action or the time zone is unknown, or its clocks never change.
        TypeError: The group ids or the days are not a strategy.
    """
    check_strategy("group_ids", group_ids)
    check_strategy("days", days)
    if shape is not None and shape not in _SHAPES:
        raise ValueError(f"shape is one of {', '.join(_SHAPES)}, not {shape!r}")
    if action not in {"AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast"}:
        raise ValueError(
            f"{action!r} is not a forecast: give Adjust- or UpdateGroupCapacityForecast"
        )
    zone, groups = _zone(time_zone), usual_group_ids() if group_ids is None else group_ids
    shapes = [shape] if shape else list(_SHAPES)
    if shape is None and not _days_of_change(zone):
        shapes.remove("clock-change")
    drawn = [_blocks(each, zone, days) for each in shapes]
    contents = st.fixed_dictionaries(
        {
            "group_id": groups,
            "type": st.sampled_from(FORECAST_TYPES),
            "forecasted_blocks": st.one_of(drawn),
        }
    )
    return st.builds(Sample, st.just(action), contents)


def _zone(time_zone: str | tzinfo) -> tzinfo:
    if not isinstance(time_zone, str):
        return time_zone
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        hint = "give a name such as Europe/Berlin, and pip install tzdata where the system has none"
        raise ValueError(f"there is no time zone {time_zone!r}: {hint}") from None


def _blocks(
    shape: Shape, zone: tzinfo, days: st.SearchStrategy[date] | None
) -> st.SearchStrategy[list[dict[str, Any]]]:
    if shape == "short":
        return blocks()
    if shape == "clock-change":
        if days is None and not _days_of_change(zone):
            raise ValueError(f"the clocks of {zone} do not change between 2025 and 2040")
        changing = st.sampled_from(_days_of_change(zone)) if days is None else days
        days = changing.filter(partial(_changes, zone))
    elif days is None:
        days = _days_with_changes(zone) if shape == "day-ahead" else _usual_days()
    # A zone that moved to the other side of the date line left out a day.
    whole = days.filter(lambda day: _start(day, zone) < _end(day, zone))
    return {"intraday": _intraday, "per-phase": _per_phase}.get(shape, _day_ahead)(whole, zone)


@cache
def _usual_days() -> st.SearchStrategy[date]:
    return st.integers(-2250, 3500).map(lambda days: _FIRST_DAY + timedelta(days=days))


def _days_with_changes(zone: tzinfo) -> st.SearchStrategy[date]:
    """Return the usual days, of which those when the clocks change are drawn more often."""
    changing = _days_of_change(zone)
    if not changing:
        return _usual_days()
    # Of each year two, they would hardly ever be tried.
    kinds = st.sampled_from((*[_usual_days()] * 4, st.sampled_from(changing)))
    return kinds.flatmap(lambda days: days)


@cache
def _days_of_change(zone: tzinfo) -> tuple[date, ...]:
    """Return the days of 2025 to 2040 on which the clocks of a zone change, from 2031 on first."""
    days = [
        date(2031, 1, 1) + timedelta(days=each) for each in (*range(3652), *range(-1, -2191, -1))
    ]
    return tuple(day for day in days if _changes(zone, day))


def _changes(zone: tzinfo, day: date) -> bool:
    return _end(day, zone) - _start(day, zone) != timedelta(days=1)


def _start(day: date, zone: tzinfo) -> datetime:
    """Return the local midnight at which a day begins, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _end(day: date, zone: tzinfo) -> datetime:
    return _start(day + timedelta(days=1), zone)


@st.composite
def _day_ahead(
    draw: st.DrawFn, days: st.SearchStrategy[date], zone: tzinfo
) -> list[dict[str, Any]]:
    day = draw(days)
    start = _start(day, zone)
    count = (_end(day, zone) - start) // _QUARTER
    return _drawn(draw, start, _QUARTER, count, zone)


@st.composite
def _intraday(draw: st.DrawFn, days: st.SearchStrategy[date], zone: tzinfo) -> list[dict[str, Any]]:
    day = draw(days)
    count = (_end(day, zone) - _start(day, zone)) // _QUARTER
    left = min(draw(st.integers(1, _MOST_BLOCKS)), count)
    return _drawn(draw, _end(day, zone) - left * _QUARTER, _QUARTER, left, zone)


@st.composite
def _per_phase(
    draw: st.DrawFn, days: st.SearchStrategy[date], zone: tzinfo
) -> list[dict[str, Any]]:
    phases = ("ONE", "TWO", "THREE")
    start = _start(draw(days), zone)
    intervals = draw(st.integers(1, _MOST_BLOCKS // len(phases)))
    step = draw(st.sampled_from((4 * _QUARTER, _QUARTER)))
    return _drawn(draw, start, step, intervals, zone, phases=phases, units=("A", "KW", "W"))


def _drawn(
    draw: st.DrawFn,
    start: datetime,
    step: timedelta,
    count: int,
    zone: tzinfo,
    *,
    phases: Sequence[str] = ("ALL",),
    units: Sequence[str] = ("KW", "W"),
) -> list[dict[str, Any]]:
    """Draw a curve of capacities, and return its blocks."""
    peak, level = draw(st.integers(0, 5000)), CURVES[draw(_curves())]
    noise = draw(_noise())
    hours = step / timedelta(hours=1)
    shares = [level(index // len(phases) * hours % 24) for index in range(count * len(phases))]
    capacities = [
        _capacity(peak, share, noise[index % len(noise)]) for index, share in enumerate(shares)
    ]
    unit = draw(st.sampled_from(units))
    written_in = draw(st.sampled_from((UTC, zone)))
    has_fraction = draw(st.booleans())
    return run_of_blocks(
        start, step, capacities, written_in, unit=unit, phases=phases, has_fraction=has_fraction
    )


def _capacity(peak: int, share: float, noise: int) -> float:
    """Return a part of the peak, in hundredths, that a byte of noise moves a little."""
    hundredths = min(100, round(100 * share) + noise % 16) if share else 0
    exact = peak * hundredths / 100
    return int(exact) if exact == int(exact) else exact


@cache
def _curves() -> Strings:
    return st.sampled_from(tuple(CURVES))


@cache
def _noise() -> st.SearchStrategy[bytes]:
    return st.binary(min_size=_MOST_BLOCKS, max_size=_MOST_BLOCKS)


def _hill(hour: float, at: float, width: float) -> float:
    return exp(-(((hour - at) / width) ** 2))


_DUSK, _DAWN = 20.5, 5.5

#: The share of the peak at each hour of the day, from 0 to 1.
CURVES: Final[MappingProxyType[str, Callable[[float], float]]] = MappingProxyType(
    {
        "flat": lambda _: 1.0,
        "two peaks": lambda hour: 0.25 + 0.5 * _hill(hour, 8, 2) + 0.75 * _hill(hour, 18.5, 2.5),
        "sun": lambda hour: _hill(hour, 13, 3.5) if _DAWN <= hour < _DUSK else 0.0,
        "night": lambda hour: 0.1 if 6 <= hour < 22 else 1.0,  # noqa: PLR2004 - hours of the night
        "limited": lambda hour: 0.2 if 16 <= hour < 20 else 1.0,  # noqa: PLR2004 - of the evening
    }
)

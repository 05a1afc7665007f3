"""The forecast with which a Capacity Provider answers an adjustment (oscp20.md §3.7, §7.1).

Granted, trimmed or denied, as its profile says. What was not asked about stays as it was.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, Final, TypeAlias

from oscp_schemas import judge
from oscp_send.times import read_instant
from oscp_sim.conversation.memory import Coverage
from oscp_sim.system.profile import Profile

# What one of a unit is in watt, or in watt for an hour; amperes are of a kind of their own.
_FACTORS: Final = {"A": 1, "W": 1, "KW": 1000, "WH": 1, "KWH": 1000}
_ENERGIES: Final = frozenset({"WH", "KWH"})
_HOUR: Final = 3_600_000_000
_LARGEST: Final = 1.7976931348623157e308
_MILLISECOND: Final = 1000


def asks_for_anything(adjustment: Mapping[str, Any]) -> bool:
    """Return whether an adjustment, valid by its schema, can be answered with a forecast.

    It cannot where none of its blocks ends after it starts (S1).
    """
    return any(_pieces_of(adjustment))


def answer_to(
    adjustment: Mapping[str, Any], forecasts: Sequence[Mapping[str, Any]], profile: Profile
) -> dict[str, Any]:
    """Return the UpdateGroupCapacityForecast that follows an AdjustGroupCapacityForecast.

    It starts from the last forecast of that group and type that covers all that is asked about;
    without one, from the last that covers some of it.

    - `grant`: what is asked for takes the place of what was forecast for that phase, also where it
      is stated in another unit (a power and the energy of its interval are one and the same thing,
      a current is another). Of an energy that is cut, each part keeps its share.
    - `trim`: the same, but no more than the limit, in the unit that was asked for; without a
      limit, no more than was forecast, which is 0 where nothing was.
    - `deny`: the forecast as it was; where there is none, a capacity of 0 for what was asked about,
      because a forecast needs blocks.

    Of blocks in the adjustment that overlap, the later in its list counts; those that do not end
    after they start are ignored.

    Args:
        adjustment: Valid by its schema.
        forecasts: Those that were sent, the last one last; invalid ones are ignored.
        profile: What is answered, within which limit, and how times are written.

    Raises:
        ValueError: The adjustment asks for nothing: none of its blocks ends after it starts.
    """
    asked = list(_pieces_of(adjustment))
    if not asked:
        raise ValueError(
            "the adjustment asks for nothing: none of its blocks ends after it starts (S1)"
        )
    forecast = _forecast(adjustment, asked, forecasts)
    if profile.behaviour.answer == "deny" and forecast is not None:
        return deepcopy(dict(forecast))
    before, after = _laid_down(forecast), _laid_down(forecast)
    for piece in asked:
        for layer in _competing(after, piece):
            _make_way(layer, piece)
        for each in _answered(piece, before, profile):
            insort(after.setdefault((each.phase, each.unit), []), each, key=_START)
    pieces = chain(*after.values())
    return {
        "group_id": adjustment["group_id"],
        "type": adjustment["type"],
        "forecasted_blocks": [
            _written(piece, profile)
            for piece in sorted(pieces, key=attrgetter("start", "end", "phase", "unit"))
        ],
    }


def _forecast(
    adjustment: Mapping[str, Any], asked: list[_Piece], forecasts: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the forecast that an adjustment is about, or None."""
    touched: Mapping[str, Any] | None = None
    latest_first: Iterable[Mapping[str, Any]] = reversed(forecasts)
    for forecast in latest_first:
        is_alike = all(forecast.get(name) == adjustment[name] for name in ("group_id", "type"))
        if not is_alike or judge("UpdateGroupCapacityForecast", forecast):
            continue
        # In any phase.
        covered = Coverage(limit=len(forecast["forecasted_blocks"]))
        for piece in _pieces_of(forecast):
            covered.add(piece.start, piece.end)
        missing = [covered.missing(each.start, each.end) for each in asked]
        if not any(missing):
            return forecast
        if missing != [[(each.start, each.end)] for each in asked]:
            touched = touched or forecast
    return touched


def _beside(piece: _Piece, other: _Piece) -> list[_Piece]:
    """Return what an overlapping one leaves of a piece."""
    before = [piece.part(piece.start, other.start)] if piece.start < other.start else []
    after = [piece.part(other.end, piece.end)] if other.end < piece.end else []
    return before + after


# Pieces by phase and unit; those of a layer are in order, and none overlaps another.
_Layers: TypeAlias = "dict[tuple[str, str], list[_Piece]]"
_START: Final = attrgetter("start")
_END: Final = attrgetter("end")


def _laid_down(forecast: Mapping[str, Any] | None) -> _Layers:
    """Return the pieces of a forecast; where it overlaps itself, the later one counts."""
    layers: _Layers = {}
    for piece in _pieces_of(forecast, verbatim=True) if forecast is not None else ():
        own = layers.setdefault((piece.phase, piece.unit), [])
        _make_way(own, piece)
        insort(own, piece, key=_START)
    return layers


def _competing(layers: _Layers, piece: _Piece) -> Iterator[list[_Piece]]:
    """Yield the layers of what a piece competes for: the power, or the current, of its phase.

    Energy is power over time, so a block in KWH and one in W are about the same.
    """
    for (phase, unit), layer in layers.items():
        if phase == piece.phase and (unit == "A") == (piece.unit == "A"):
            yield layer


def _make_way(layer: list[_Piece], piece: _Piece) -> None:
    there = _under(layer, piece)
    layer[there] = [part for each in layer[there] for part in _beside(each, piece)]


def _under(layer: list[_Piece], piece: _Piece) -> slice:
    """Return where the pieces of a layer are that overlap one."""
    return slice(
        bisect_right(layer, piece.start, key=_END), bisect_left(layer, piece.end, key=_START)
    )


def _answered(piece: _Piece, forecast: _Layers, profile: Profile) -> list[_Piece]:
    """Return what is granted of one piece that was asked for."""
    if profile.behaviour.answer == "grant":
        return [piece]
    if profile.behaviour.answer == "deny":
        return [piece.holding(0)]
    if profile.behaviour.limit is not None:
        return [piece.holding(min(piece.capacity, profile.behaviour.limit))]
    known = (layer[_under(layer, piece)] for layer in _competing(forecast, piece))
    return _at_most(piece, list(chain(*known)))


def _at_most(piece: _Piece, known: Sequence[_Piece]) -> list[_Piece]:
    """Return a piece, cut where it has to be, at no more than was forecast for it."""
    moments = {moment for each in known for moment in (each.start, each.end)}
    inside = sorted(moment for moment in moments if piece.start < moment < piece.end)
    spans: list[tuple[datetime, datetime, Fraction]] = []
    for start, end in pairwise([piece.start, *inside, piece.end]):
        # Where a forecast states a power and an energy, the lower of the two binds.
        rates = [each.rate for each in known if each.start <= start and end <= each.end]
        rate = min(piece.rate, min(rates, default=Fraction(0)))
        begun = spans.pop()[0] if spans and spans[-1][2] == rate else start
        spans.append((begun, end, rate))
    return [piece.part(start, end).at_rate(rate) for start, end, rate in spans]


def _written(piece: _Piece, profile: Profile) -> dict[str, Any]:
    """Return a block; one of the forecast that is still whole stays as it was written."""
    if piece.source is not None:
        return deepcopy(dict(piece.source))
    return {
        "capacity": piece.capacity,
        "phase": piece.phase,
        "unit": piece.unit,
        "start_time": profile.write_time(piece.start),
        "end_time": profile.write_time(piece.end),
    }


@dataclass(frozen=True, slots=True)
class _Piece:
    """A forecasted block, or a part of one; from start to end in UTC and whole milliseconds.

    Attributes:
        capacity: In its unit; of an energy, as much as falls into this interval.
        source: The block's own JSON values, while this is all of it; None of a part.
    """

    start: datetime
    end: datetime
    capacity: float
    phase: str
    unit: str
    source: Mapping[str, Any] | None = None

    @property
    def rate(self) -> Fraction:
        """The power in watt, or the current in ampere, that it means on the average."""
        amount = Fraction(self.capacity) * _FACTORS[self.unit]
        return amount * _HOUR / self._length if self.unit in _ENERGIES else amount

    def part(self, start: datetime, end: datetime) -> _Piece:
        """Return its part from one moment to another, at most all of it.

        An energy is that of its interval, so a part has its share of it (oscp20.md §3.13, S7).
        """
        start, end = max(start, self.start), min(end, self.end)
        if (start, end) == (self.start, self.end):
            return self
        cut = replace(self, start=start, end=end, source=None)
        return cut.at_rate(self.rate)

    def at_rate(self, rate: Fraction) -> _Piece:
        """Return the same interval at another power or current."""
        amount = rate / _FACTORS[self.unit]
        if self.unit in _ENERGIES:
            amount = amount * self._length / _HOUR
        return self.holding(_LARGEST if amount > _LARGEST else float(amount))

    def holding(self, capacity: float) -> _Piece:
        """Return the same interval with another capacity."""
        return self if capacity == self.capacity else replace(self, capacity=capacity, source=None)

    @property
    def _length(self) -> int:
        """The microseconds from start to end."""
        span = self.end - self.start
        return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _pieces_of(message: Mapping[str, Any], *, verbatim: bool = False) -> Iterator[_Piece]:
    """Yield the blocks of a message that is valid by its schema, in its order.

    Those that do not end after they start (S1) are left out, as are those that end within the same
    millisecond, which is as fine as SolarNetwork reads. Verbatim, pieces remember their blocks, to
    be repeated as they were written.
    """
    for block in message["forecasted_blocks"]:
        exact = read_instant(block["start_time"]), read_instant(block["end_time"])
        start, end = map(_cut, exact)
        if start is None or end is None or start >= end:
            continue
        source = block if verbatim and exact == (start, end) else None
        yield _Piece(start, end, _plain(block["capacity"]), block["phase"], block["unit"], source)


def _cut(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(microsecond=instant.microsecond // _MILLISECOND * _MILLISECOND)


def _plain(capacity: float) -> float:
    """Return a capacity that JSON can hold: the strict reader has decimals beyond doubles."""
    if isinstance(capacity, int):
        return capacity
    plain = float(capacity)
    return plain if math.isfinite(plain) else _LARGEST

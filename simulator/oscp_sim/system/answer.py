"""The forecast with which a Capacity Provider answers an adjustment (oscp20.md §3.7, §7.1).

Granted, trimmed or denied, as its behaviour says. What was not asked about stays as it was.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from oscp_schemas import judge
from oscp_send.times import read_instant
from oscp_sim.system.profile import Profile, profile_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from oscp_sim.world.model import ProviderBehaviour

__all__ = ["Piece", "answer_to", "asks_for_anything", "carve", "pieces_of"]


# § Forecasted blocks as intervals that can be cut, with what a capacity means for a part of one.

# What one of a unit is in watt, or in watt for an hour; amperes are of a kind of their own.
_FACTORS: Final = {"A": 1, "W": 1, "KW": 1000, "WH": 1, "KWH": 1000}
_ENERGIES: Final = frozenset({"WH", "KWH"})
_HOUR: Final = 3_600_000_000
_LARGEST: Final = 1.7976931348623157e308
_MILLISECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Piece:
    """A forecasted block, or a part of one.

    Attributes:
        start: Where it begins, in UTC and whole milliseconds.
        end: Where it ends, after it begins.
        capacity: In its unit; of an energy, as much as falls into this interval.
        phase: As the block says.
        unit: As the block says.
        source: The block's own JSON values, while this is all of it; None of a part.
    """

    start: datetime
    end: datetime
    capacity: float
    phase: str
    unit: str
    source: Mapping[str, Any] | None = None

    @property
    def queue(self) -> tuple[str, bool]:
        """What it competes for with others: a phase, and its power or its current.

        Energy is power over time, so a block in KWH and one in W say something of the same.
        """
        return self.phase, self.unit == "A"

    @property
    def rate(self) -> Fraction:
        """The power in watt, or the current in ampere, that it means on the average."""
        amount = Fraction(self.capacity) * _FACTORS[self.unit]
        return amount * _HOUR / self._length if self.unit in _ENERGIES else amount

    def overlaps(self, other: Piece) -> bool:
        """Tells whether both say something of the same moment."""
        return self.start < other.end and other.start < self.end

    def part(self, start: datetime, end: datetime) -> Piece:
        """Answers with what is left of it from one moment to another, at most all of it.

        An energy is that of its interval, so a part has its share of it (oscp20.md §3.13, S7).
        """
        start, end = max(start, self.start), min(end, self.end)
        if (start, end) == (self.start, self.end):
            return self
        cut = replace(self, start=start, end=end, source=None)
        return cut.at_rate(self.rate)

    def at_rate(self, rate: Fraction) -> Piece:
        """Answers with the same interval at another power or current."""
        amount = rate / _FACTORS[self.unit]
        if self.unit in _ENERGIES:
            amount = amount * self._length / _HOUR
        return self.holding(_number(amount))

    def holding(self, capacity: float) -> Piece:
        """Answers with the same interval with another capacity."""
        return self if capacity == self.capacity else replace(self, capacity=capacity, source=None)

    @property
    def _length(self) -> int:
        """The microseconds from start to end."""
        span = self.end - self.start
        return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def pieces_of(message: Mapping[str, Any], *, verbatim: bool = False) -> Iterator[Piece]:
    """Yields the blocks of a message that is valid by its schema, in its order.

    Those that do not end after they start say nothing (S1) and are left out, as are those that are
    over within a millisecond, which is as fine as SolarNetwork reads.

    Args:
        message: Has `forecasted_blocks`.
        verbatim: Whether pieces remember the blocks that they are, to be repeated as they are.
    """
    for block in message["forecasted_blocks"]:
        exact = read_instant(block["start_time"]), read_instant(block["end_time"])
        start, end = map(_cut, exact)
        if start is None or end is None or start >= end:
            continue
        source = block if verbatim and exact == (start, end) else None
        yield Piece(start, end, _plain(block["capacity"]), block["phase"], block["unit"], source)


def carve(pieces: Iterable[Piece], hole: Piece, *, same_unit: bool = False) -> list[Piece]:
    """Answers with what is left of pieces where another one takes its interval.

    Args:
        pieces: Those of other queues stay as they are.
        hole: What takes its place.
        same_unit: Whether only pieces in the same unit make way.
    """
    left: list[Piece] = []
    for piece in pieces:
        # Time first: of the blocks of a day all but a few are elsewhere.
        if not piece.overlaps(hole) or not _compete(piece, hole, same_unit=same_unit):
            left.append(piece)
            continue
        if piece.start < hole.start:
            left.append(piece.part(piece.start, hole.start))
        if hole.end < piece.end:
            left.append(piece.part(hole.end, piece.end))
    return left


def _compete(piece: Piece, hole: Piece, *, same_unit: bool) -> bool:
    return piece.queue == hole.queue and (not same_unit or piece.unit == hole.unit)


def _cut(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(microsecond=instant.microsecond // _MILLISECOND * _MILLISECOND)


def _plain(capacity: float) -> float:
    """Answers with a capacity that JSON can hold: the strict reader has decimals beyond doubles."""
    if isinstance(capacity, int):
        return capacity
    plain = float(capacity)
    return plain if math.isfinite(plain) else _LARGEST


def _number(amount: Fraction) -> float:
    return _LARGEST if amount > _LARGEST else float(amount)


def asks_for_anything(adjustment: Mapping[str, Any]) -> bool:
    """Tells whether an adjustment, valid by its schema, can be answered with a forecast.

    It cannot where none of its blocks ends after it starts (S1).
    """
    return any(pieces_of(adjustment))


def answer_to(
    adjustment: Mapping[str, Any],
    forecasts: Sequence[Mapping[str, Any]],
    behaviour: ProviderBehaviour,
    *,
    profile: Profile | str = "specification",
) -> dict[str, Any]:
    """Answers with the UpdateGroupCapacityForecast that follows an AdjustGroupCapacityForecast.

    It starts from the last forecast of that group and type that covers all that is asked about;
    without one, from the last that covers some of it.

    - `grant`: what is asked for takes the place of what was forecast for that phase, also where it
      is stated in another unit (a power and the energy of its interval are one and the same thing,
      a current is another). Of an energy that is cut, each part keeps its share.
    - `trim`: the same, but no more than the limit, in the unit that was asked for; without a
      limit, no more than was forecast, which is nothing where nothing was.
    - `deny`: the forecast as it was; where there is none, no capacity at all for what was asked
      about, because something has to be said.

    Of blocks in the adjustment that overlap, the later in its list counts; those that do not end
    after they start say nothing.

    Args:
        adjustment: Valid by its schema.
        forecasts: The forecasts that were sent, the last one last; invalid ones are passed over.
        behaviour: `answer` and `limit` of it.
        profile: How to write the times of blocks that are new.

    Raises:
        ValueError: Nothing is asked: no block of the adjustment ends after it starts.
    """
    asked = list(pieces_of(adjustment))
    if not asked:
        raise ValueError(
            "the adjustment asks for nothing: none of its blocks ends after it starts (S1)"
        )
    forecast = _forecast(adjustment, asked, forecasts)
    if behaviour.answer == "deny" and forecast is not None:
        return deepcopy(dict(forecast))
    before = _laid_down(forecast)
    after = list(before)
    for piece in asked:
        after = carve(after, piece) + _answered(piece, before, behaviour)
    ways = profile_of(profile)
    return {
        "group_id": adjustment["group_id"],
        "type": adjustment["type"],
        "forecasted_blocks": [_written(piece, ways) for piece in sorted(after, key=_order)],
    }


def _forecast(
    adjustment: Mapping[str, Any], asked: list[Piece], forecasts: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Answers with the forecast that an adjustment is about."""
    touched: Mapping[str, Any] | None = None
    latest_first: Iterable[Mapping[str, Any]] = reversed(forecasts)
    for forecast in latest_first:
        if not _is_alike(forecast, adjustment) or judge("UpdateGroupCapacityForecast", forecast):
            continue
        pieces = list(pieces_of(forecast))
        if not any(piece.overlaps(each) for piece in pieces for each in asked):
            continue
        if not any(_uncovered(each, pieces) for each in asked):
            return forecast
        touched = touched or forecast
    return touched


def _is_alike(forecast: Mapping[str, Any], adjustment: Mapping[str, Any]) -> bool:
    return all(forecast.get(name) == adjustment[name] for name in ("group_id", "type"))


def _uncovered(piece: Piece, by: Iterable[Piece]) -> list[Piece]:
    """Answers with the parts of a piece of which others, of whatever phase, say nothing."""
    left = [piece]
    for each in filter(piece.overlaps, by):
        left = [part for whole in left for part in _beside(whole, each)]
    return left


def _beside(piece: Piece, other: Piece) -> list[Piece]:
    if not piece.overlaps(other):
        return [piece]
    before = [piece.part(piece.start, other.start)] if piece.start < other.start else []
    after = [piece.part(other.end, piece.end)] if other.end < piece.end else []
    return before + after


def _laid_down(forecast: Mapping[str, Any] | None) -> list[Piece]:
    """Answers with the pieces of a forecast; where it overlaps itself, the later one counts."""
    pieces: list[Piece] = []
    for piece in pieces_of(forecast, verbatim=True) if forecast is not None else ():
        pieces = [*carve(pieces, piece, same_unit=True), piece]
    return pieces


def _answered(piece: Piece, forecast: Iterable[Piece], behaviour: ProviderBehaviour) -> list[Piece]:
    """Answers with what is granted of one piece that was asked for."""
    if behaviour.answer == "grant":
        return [piece]
    if behaviour.answer == "deny":
        return [piece.holding(0)]
    if behaviour.limit is not None:
        return [piece.holding(min(piece.capacity, behaviour.limit))]
    return _at_most(piece, [each for each in forecast if each.queue == piece.queue])


def _at_most(piece: Piece, forecast: Iterable[Piece]) -> list[Piece]:
    """Answers with a piece, cut where it has to be, at no more than was forecast for it."""
    known = [each for each in forecast if each.overlaps(piece)]
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


def _order(piece: Piece) -> tuple[object, ...]:
    return piece.start, piece.end, piece.phase, piece.unit


def _written(piece: Piece, profile: Profile) -> dict[str, Any]:
    """Answers with a block; one of the forecast that is still whole stays as it was written."""
    if piece.source is not None:
        return deepcopy(dict(piece.source))
    return {
        "capacity": piece.capacity,
        "phase": piece.phase,
        "unit": piece.unit,
        "start_time": profile.write_time(piece.start),
        "end_time": profile.write_time(piece.end),
    }

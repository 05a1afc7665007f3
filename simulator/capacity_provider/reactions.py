"""The forecast with which a Capacity Provider answers an adjustment (OSCP dossier §3.7, §7.1).

Granted, trimmed or denied, as its behaviour says. What was not asked about stays as it was.
"""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from schemas import judge
from simulator.capacity_provider.intervals import Piece, carve, pieces_of
from simulator.capacity_provider.profiles import Profile, profile_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from simulator.world.provider_behaviour import ProviderBehaviour

__all__ = ["answer_to", "asks_for_anything"]


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
    return _at_most(piece, [each for each in forecast if each.lane == piece.lane])


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

"""Forecasted blocks as intervals that can be cut, with what a capacity means for a part of one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from oscp_send.instants import read_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

__all__ = ["Piece", "carve", "pieces_of"]

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
    def lane(self) -> tuple[str, bool]:
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

        An energy is that of its interval, so a part has its share of it (OSCP dossier §3.13, S7).
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
        pieces: Those of other lanes stay as they are.
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
    return piece.lane == hole.lane and (not same_unit or piece.unit == hole.unit)


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

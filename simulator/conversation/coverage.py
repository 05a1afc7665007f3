"""Which stretches of time forecasts have spoken of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime

__all__ = ["Coverage", "Span"]

Span = tuple[datetime, datetime]

_MOST_SPANS = 1000


class Coverage:
    """A set of instants, held as spans that neither overlap nor touch, in order of time.

    The earliest span is forgotten where there are more than `limit` of them; forecasts that follow
    one another are one span, however many they are.
    """

    def __init__(self, limit: int = _MOST_SPANS) -> None:
        self._limit = limit
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans, each from its first instant to the one after its last."""
        return tuple(zip(self._starts, self._ends, strict=True))

    @property
    def end(self) -> datetime | None:
        """The end of the last span."""
        return self._ends[-1] if self._ends else None

    def add(self, start: datetime, end: datetime) -> None:
        """Adds the instants from `start` up to `end`, which comes later."""
        first, after = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]
        if len(self._starts) > self._limit:
            del self._starts[0], self._ends[0]

    def end_after(self, instant: datetime) -> datetime | None:
        """Answers with the end of the span that holds an instant, or None where none does."""
        index = bisect_right(self._starts, instant) - 1
        return self._ends[index] if index >= 0 and instant < self._ends[index] else None

    def missing(self, start: datetime, end: datetime) -> list[Span]:
        """Answers with what lies between two instants and is in no span."""
        gaps = []
        for index in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._ends[index]
        return [*gaps, (start, end)] if start < end else gaps

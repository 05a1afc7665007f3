"""What the datum streams of a world's file measure in a span of time.

How SolarNetwork works this out in detail is not known (inferred throughout): the average, count,
minimum and maximum are those of the values in the span; the start and the end are what a meter
shows at its two ends, that is the last value before or at each; the difference is that of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from simulator.world import DatumStream
    from simulator.world.capacity_group import Asset, AssetMeasurement, StatisticType

__all__ = ["Window", "measured"]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time.

    Attributes:
        start: Within it.
        end: The first instant after it.
    """

    start: datetime
    end: datetime


def measured(
    streams: Iterable[DatumStream], asset: Asset, measurement: AssetMeasurement, window: Window
) -> float:
    """Answers with what an asset's datum stream measures in a span of time.

    That several properties are added up is (inferred). Where nothing was measured, it is zero
    (OSCP dossier §5.7).

    Args:
        streams: Those of the asset's user.
        asset: Names the node and the source.
        measurement: Names the properties, and says what to make of them.
        window: The span.
    """
    own = [each for each in streams if (each.node_id, each.source_id) == _stream_of(asset)]
    total = 0.0
    for name in measurement.property_names:
        stream = next((each for each in own if name in each.values), None)
        if stream is not None:
            total += _statistic(_Readings(stream, name), measurement.statistic_type, window) or 0.0
    return total * (1 if measurement.multiplier is None else measurement.multiplier)


def _stream_of(asset: Asset) -> tuple[int, str]:
    return asset.node_id, asset.source_id


class _Readings:
    """The values of one property, also those after the last that is listed."""

    def __init__(self, stream: DatumStream, name: str) -> None:
        self._stream = stream
        self._values = stream.values[name]

    def within(self, window: Window) -> list[float]:
        """Answers with the values from a window's start to before its end."""
        first, end = self._index(window.start, up=True), self._index(window.end, up=True)
        if self._stream.repeat == "nothing":
            end = min(end, len(self._values))
        return [self._value(index) for index in range(max(first, 0), end)]

    def at(self, instant: datetime) -> float | None:
        """Answers with the last value before or at an instant; None before the first."""
        index = self._index(instant, up=False)
        if self._stream.repeat == "nothing":
            index = min(index, len(self._values) - 1)
        return self._value(index) if index >= 0 else None

    def first_up_to(self, instant: datetime) -> float | None:
        """Answers with the first value, if there is one before or at an instant."""
        return self._value(0) if self._index(instant, up=False) >= 0 else None

    def _index(self, instant: datetime, *, up: bool) -> int:
        stream = self._stream
        if up:
            return -((stream.start - instant) // stream.step)
        return (instant - stream.start) // stream.step

    def _value(self, index: int) -> float:
        values, last = self._values, len(self._values) - 1
        if index <= last:
            return values[index]
        if self._stream.repeat == "values" or last == 0:
            return values[index % len(values)]
        # As many rounds as there are increments in the list, and then some of them.
        rounds, rest = divmod(index, last)
        return values[rest] + rounds * (values[last] - values[0])


def _statistic(readings: _Readings, kind: StatisticType, window: Window) -> float | None:
    """Answers with one value; None where there is nothing to make it of."""
    if kind in {"Start", "End", "Difference"}:
        start, end = readings.at(window.start), readings.at(window.end)
        if start is None:
            start = readings.first_up_to(window.end)
        if kind == "Difference":
            return None if start is None or end is None else end - start
        return start if kind == "Start" else end
    values = readings.within(window)
    if kind == "Count":
        return float(len(values))
    if not values:
        return None
    if kind == "Average":
        return fmean(values)
    return min(values) if kind == "Minimum" else max(values)

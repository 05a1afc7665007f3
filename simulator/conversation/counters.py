"""The latest reading of each counter that one side sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulator.conversation.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from oscp_send.meaning.measurements import Reading as EnergyReading
    from simulator.conversation.reading import Reading

__all__ = ["Count", "Counters"]

_MOST_COUNTERS = 10_000


class Count(NamedTuple):
    """What a counter said, when, since when it counts, and in which exchange."""

    value: float
    at: datetime
    began: datetime | None
    number: int | None


class Counters:
    """Remembers the latest reading of each counter: of a group, an asset, a phase, a direction."""

    def __init__(self) -> None:
        self._latest: Recent[str, Count] = Recent(_MOST_COUNTERS)

    def remember(self, reading: Reading) -> None:
        """Remembers what the counters of a message said, where it is news."""
        for counter, energy in _counted(reading):
            before = self._latest.get(counter)
            if before is None or energy.at >= before.at:
                count = Count(energy.value or 0.0, energy.at, energy.began, reading.said.number)
                self._latest.put(counter, count)

    def compare(self, reading: Reading) -> Iterator[tuple[EnergyReading, Count]]:
        """Yields each counter's first reading in a message, with the latest one before that."""
        seen = set()
        for counter, energy in _counted(reading):
            before = self._latest.get(counter)
            if before is not None and counter not in seen:
                yield energy, before
            seen.add(counter)


def _counted(reading: Reading) -> Iterator[tuple[str, EnergyReading]]:
    """Yields the readings that are of counters, in order of time."""
    for energy in sorted(reading.readings, key=lambda each: each.at):
        # What is netted may fall: it is no counter.
        if energy.value is not None and energy.direction != "NET":
            # A text, because what no schema has seen may hold lists and objects.
            yield repr((reading.group, energy.counter)), energy

"""The forecasts of one side: which times they cover, and the latest of them block by block."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from oscp_send.enumerations import CapacityForecastType
from simulator.conversation.coverage import Coverage
from simulator.conversation.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.conversation.reading import Block, Reading

__all__ = ["Covered", "Forecast", "Forecasts"]

_MOST_BLOCKS = 10_000
_MOST_GROUPS = 1000


class Forecast(NamedTuple):
    """An UpdateGroupCapacityForecast, with its blocks in order of time."""

    request_id: str | None
    number: int | None
    group: str
    type: str
    blocks: tuple[Block, ...]


@dataclass(slots=True)
class Covered:
    """The times that the forecasts of a group and type covered, and the number of the latest."""

    times: Coverage = field(default_factory=Coverage)
    number: int | None = None


class Forecasts:
    """Remembers forecasts: the times of all of them, the blocks of the latest.

    Of a forecast that is sent again under its X-Request-ID, the later one is remembered.
    """

    def __init__(self) -> None:
        self._covered: dict[str, Recent[str, Covered]] = {
            kind.value: Recent(_MOST_GROUPS) for kind in CapacityForecastType
        }
        self._latest: deque[Forecast] = deque()
        self._with_id: dict[str, Forecast] = {}
        self._block_count = 0

    def remember(self, reading: Reading) -> None:
        """Remembers a forecast."""
        group, kind, said = reading.group, reading.type, reading.said
        if group is None or kind not in self._covered:
            return
        covered = self.covered(group, kind) or Covered()
        for block in reading.blocks:
            covered.times.add(block.start, block.end)
        covered.number = said.number
        self._covered[kind].put(group, covered)
        self._keep(Forecast(said.request_id, said.number, group, kind, reading.blocks))

    def covered(self, group: str, kind: str) -> Covered | None:
        """Answers with the times that a group's forecasts of a type covered, if there were any."""
        groups = self._covered.get(kind)
        return None if groups is None else groups.get(group)

    def of_type(self, kind: str) -> Iterator[tuple[str, Covered]]:
        """Yields the groups of which there were forecasts of a type, and their times."""
        yield from self._covered[kind].items()

    def groups(self) -> set[str]:
        """Answers with the groups of which there were forecasts."""
        return {group for groups in self._covered.values() for group, _ in groups.items()}

    def types_of(self, group: str) -> list[str]:
        """Answers with the types of a group's forecasts."""
        return [kind for kind in self._covered if self.covered(group, kind) is not None]

    def with_id(self, request_id: str) -> Forecast | None:
        """Answers with a forecast, or None where it is unknown or too long ago."""
        return self._with_id.get(request_id)

    def latest_of(self, group: str, kind: str) -> Iterator[Forecast]:
        """Yields a group's forecasts of a type, the latest first."""
        for forecast in reversed(self._latest):
            if (forecast.group, forecast.type) == (group, kind):
                yield forecast

    def _keep(self, forecast: Forecast) -> None:
        self._latest.append(forecast)
        self._block_count += len(forecast.blocks) + 1
        if forecast.request_id is not None:
            self._with_id[forecast.request_id] = forecast
        while self._block_count > _MOST_BLOCKS and len(self._latest) > 1:
            oldest = self._latest.popleft()
            self._block_count -= len(oldest.blocks) + 1
            if oldest.request_id is not None and self._with_id[oldest.request_id] is oldest:
                del self._with_id[oldest.request_id]

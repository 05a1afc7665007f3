"""What a message says, read once for all rules; what its schema refuses is passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from oscp_send.instants import read_instant
from oscp_send.meaning.measurements import energy_readings

if TYPE_CHECKING:
    from oscp_send.meaning.measurements import Reading as EnergyReading
    from simulator.conversation.said import Said

__all__ = ["Block", "Reading", "number"]

_FAR_FROM_OVERFLOW = 1e300


class Block(NamedTuple):
    """A forecasted block that ends after it starts; `capacity` is None where it is no number."""

    position: int
    start: datetime
    end: datetime
    unit: str
    phase: str
    capacity: float | None

    @property
    def pointer(self) -> str:
        """Where the message has it."""
        return f"/forecasted_blocks/{self.position}"


class Reading:
    """A message and what the rules ask of it, each part read when it is first asked for."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.body: Mapping[str, Any] = said.body if isinstance(said.body, Mapping) else {}

    @cached_property
    def group(self) -> str | None:
        """The Capacity Group's name."""
        group = self.body.get("group_id")
        return group if isinstance(group, str) else None

    @cached_property
    def type(self) -> str | None:
        """The type of forecast."""
        kind = self.body.get("type")
        return str(kind) if isinstance(kind, str) else None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The forecasted blocks, in order of time."""
        listed = self.body.get("forecasted_blocks")
        return tuple(sorted(_blocks(listed if isinstance(listed, list | tuple) else ()), key=_time))

    @cached_property
    def readings(self) -> tuple[EnergyReading, ...]:
        """The readings of counters, as the message lists them."""
        listed = self.body.get("measurements")
        return tuple(
            energy_readings(list(listed) if isinstance(listed, list | tuple) else [], _instant)
        )

    @cached_property
    def offline_at(self) -> datetime | None:
        """When the sender of a heartbeat is to be taken as offline."""
        return _instant(self.body.get("offline_mode_at"))


def number(value: object) -> float | None:
    """Answers with a JSON number as a double, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _FAR_FROM_OVERFLOW else None


def _blocks(listed: Iterable[object]) -> Iterator[Block]:
    for position, block in enumerate(listed):
        if not isinstance(block, Mapping):
            continue
        start, end = _instant(block.get("start_time")), _instant(block.get("end_time"))
        if start is not None and end is not None and start < end:
            unit, phase = str(block.get("unit")), str(block.get("phase"))
            yield Block(position, start, end, unit, phase, number(block.get("capacity")))


def _instant(value: object) -> datetime | None:
    """Answers with an instant in UTC: who reads as SolarNetwork does holds times, not texts."""
    if not isinstance(value, datetime):
        return read_instant(value)
    try:
        return None if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def _time(block: Block) -> tuple[datetime, datetime]:
    return block.start, block.end

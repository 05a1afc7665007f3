"""S8: an adjustment asks for other values where there is a forecast to adjust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.conversation.coverage import Coverage
from simulator.conversation.texts import remark, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from simulator.conversation.forecasts import Covered
    from simulator.conversation.reading import Reading
    from simulator.conversation.side import Side

__all__ = ["judge_adjustment"]

_HINT = "adjust what was forecast: the same group and type, and intervals within the forecast"


def judge_adjustment(reading: Reading, _sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S8 for a group, a type or intervals of which the receiver sent no forecast."""
    group, kind = reading.group, reading.type
    if group is None or kind is None:
        return
    covered = receiver.forecasts.covered(group, kind)
    if covered is not None:
        yield from _outside(reading, covered)
        return
    others = receiver.forecasts.types_of(group)
    if others:
        message = f"{receiver.name} sent no {kind} forecast of {group}, only {', '.join(others)}"
        yield remark("S8", "/type", message, _HINT)
    else:
        message = f"{receiver.name} sent no forecast of {group}"
        yield remark("S8", "/group_id", message, _HINT)


def _outside(reading: Reading, covered: Covered) -> Iterator[Finding]:
    """Yields one finding for each stretch that was not forecast, at the first block in it."""
    asked = Coverage()
    for block in reading.blocks:
        asked.add(block.start, block.end)
    for start, end in asked.spans:
        for gap in covered.times.missing(start, end):
            block = next(each for each in reading.blocks if each.end > gap[0])
            message = f"{span(*gap)} was not forecast for {reading.group}"
            yield remark("S8", block.pointer, message, _HINT, covered.number)

"""S18: a compliance error repeats blocks of the forecast that it is about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.conversation.texts import remark, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from simulator.conversation.forecasts import Forecast
    from simulator.conversation.reading import Block, Reading
    from simulator.conversation.side import Side

__all__ = ["judge_blocks_of_forecast"]

_HINT = "repeat the blocks that cannot be complied with as the forecast had them, or leave them out"


def judge_blocks_of_forecast(reading: Reading, _sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S18 for each block that the forecast named by the X-Correlation-ID does not have."""
    named = reading.said.correlation_id
    forecast = receiver.forecasts.with_id(named) if named else None
    if forecast is None:
        return
    for block in reading.blocks:
        alike = [each for each in forecast.blocks if _place(each) == _place(block)]
        if any(_same(each.capacity, block.capacity) for each in alike):
            continue
        pointer = f"{block.pointer}/capacity" if alike else block.pointer
        message = f"{span(block.start, block.end)}: {_difference(block, alike, forecast)}"
        yield remark("S18", pointer, message, _HINT, forecast.number)


def _place(block: Block) -> tuple[object, ...]:
    return block.start, block.end, block.unit, block.phase


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return True
    return math.isclose(one, other)


def _difference(block: Block, alike: list[Block], forecast: Forecast) -> str:
    name = f"forecast {forecast.request_id}"
    if alike:
        return f"{name} says {alike[0].capacity:g} {block.unit}, not {block.capacity:g}"
    near = [each for each in forecast.blocks if each.start < block.end and block.start < each.end]
    if not near:
        return f"{name} has nothing there"
    found = near[0]
    return (
        f"{name} has no such block, but {span(found.start, found.end)} "
        f"in {found.unit} of phase {found.phase}"
    )

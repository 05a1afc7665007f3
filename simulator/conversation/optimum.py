"""S10: an optimum lies within the limits that were forecast."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from simulator.conversation.coverage import Coverage
from simulator.conversation.texts import remark, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from oscp_send.findings import Finding
    from simulator.conversation.forecasts import Forecast
    from simulator.conversation.reading import Block, Reading
    from simulator.conversation.side import Side

__all__ = ["judge_optimum"]

_POWERS = {"W": 1.0, "KW": 1000.0}
_ENERGIES = {"WH": 1.0, "KWH": 1000.0}
_SLACK = 1e-9
_HINT = "recommend a use within the limits of the CONSUMPTION and GENERATION forecasts"


class _Limit(NamedTuple):
    start: datetime
    end: datetime
    block: Block
    forecast: Forecast


def judge_optimum(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S10 for each block of an optimum that is beyond the limits of its group.

    An optimum does not say which way the energy flows. What is not negative may therefore keep to
    either limit where both are known, what is negative has the GENERATION limit alone (inferred).
    An energy counts as the mean power of its block; amperes are compared with amperes.
    """
    if reading.type != "OPTIMUM" or reading.group is None:
        return
    for block in reading.blocks:
        amount = _amount(block)
        kinds = ("GENERATION",) if amount < 0 else ("CONSUMPTION", "GENERATION")
        limits = [
            limit
            for kind in kinds
            for limit in _limits(block, _forecasts(reading.group, kind, sender, receiver))
        ]
        beyond = _beyond(abs(amount), limits)
        if beyond is not None:
            yield _finding(block, beyond)


def _beyond(amount: float, limits: list[_Limit]) -> _Limit | None:
    """Answers with the first limit that an amount exceeds while no other one allows it."""
    allowed, exceeded = Coverage(), []
    for limit in limits:
        most = _amount(limit.block)
        if amount > most + _SLACK * max(1.0, abs(most)):
            exceeded.append(limit)
        else:
            allowed.add(limit.start, limit.end)
    for limit in sorted(exceeded, key=lambda each: each.start):
        gaps = allowed.missing(limit.start, limit.end)
        if gaps:
            return limit._replace(start=gaps[0][0], end=gaps[0][1])
    return None


def _limits(block: Block, forecasts: Iterator[Forecast]) -> Iterator[_Limit]:
    """Yields the limits that hold during a block, each for as long as no later one replaces it."""
    known = Coverage()
    for forecast in forecasts:
        for limit in forecast.blocks:
            start, end = max(limit.start, block.start), min(limit.end, block.end)
            if start < end and _kind(limit) == _kind(block):
                for gap in known.missing(start, end):
                    yield _Limit(*gap, limit, forecast)
                known.add(start, end)
        if not known.missing(block.start, block.end):
            return


def _forecasts(group: str, kind: str, sender: Side, receiver: Side) -> Iterator[Forecast]:
    """Yields the forecasts that limit an optimum: its receiver's, then those of its sender."""
    for side in (receiver, sender):
        yield from side.forecasts.latest_of(group, kind)


def _kind(block: Block) -> tuple[str, str] | None:
    """Answers with what a block can be compared by, or None where it has no amount."""
    if block.capacity is None or block.unit not in {"A", *_POWERS, *_ENERGIES}:
        return None
    return block.phase, "A" if block.unit == "A" else "W"


def _amount(block: Block) -> float:
    """Answers with the amperes or watts of a block."""
    capacity = block.capacity or 0.0
    if block.unit in _ENERGIES:
        return capacity * _ENERGIES[block.unit] / ((block.end - block.start) / timedelta(hours=1))
    return capacity * _POWERS.get(block.unit, 1.0)


def _finding(block: Block, limit: _Limit) -> Finding:
    forecast = limit.forecast
    name = f"the {forecast.type} forecast {forecast.request_id or ''}".rstrip()
    message = (
        f"{block.capacity:g} {block.unit} is beyond the {limit.block.capacity:g} "
        f"{limit.block.unit} of {name}, {span(limit.start, limit.end)}"
    )
    return remark("S10", f"{block.pointer}/capacity", message, _HINT, forecast.number)

"""Rules S8 to S10 and S18: what one party says about the other's forecasts, or its own.

They are those of docs/protocol/oscp20.md §3.13; for offline mode see its §3.14.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from oscp_send.blocks import Block
from oscp_send.findings import Finding
from oscp_sim.conversation.memory import Coverage, Forecast, ForecastTimes, Speaker
from oscp_sim.conversation.message import ParsedMessage, finding, interval, utc

# S8: an adjustment asks for other values of what was forecast.

_ADJUSTMENT_HINT: Final = (
    "adjust what was forecast: the same group and type, and intervals within the forecast"
)


def judge_adjustment(
    parsed: ParsedMessage, _sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield S8 for a group, a type or intervals for which the receiver sent no forecast."""
    group, kind = parsed.group, parsed.type
    if group is None or kind is None:
        return
    known = receiver.forecasts.times_of(group, kind)
    if known is not None:
        yield from _outside(parsed, known)
    elif others := receiver.forecasts.types_of(group):
        message = f"{receiver.name} sent no {kind} forecast of {group}, only {', '.join(others)}"
        yield finding("S8", "/type", message, _ADJUSTMENT_HINT)
    else:
        message = f"{receiver.name} sent no forecast of {group}"
        yield finding("S8", "/group_id", message, _ADJUSTMENT_HINT)


def _outside(parsed: ParsedMessage, known: ForecastTimes) -> Iterator[Finding]:
    """Yield one finding for each span that was not forecast, at the first block in it."""
    asked = Coverage()
    for block in parsed.blocks:
        asked.add(block.start, block.end)
    for start, end in asked.spans:
        for gap in known.times.missing(start, end):
            block = next(each for each in parsed.blocks if each.end > gap[0])
            message = f"{interval(*gap)} was not forecast for {parsed.group}"
            yield finding("S8", block.pointer, message, _ADJUSTMENT_HINT, known.number)


# S9: fallback forecasts cover the time for which a party is offline.

_FALLBACK: Final = "FALLBACK_"
_NORMAL: Final = ("CONSUMPTION", "GENERATION")
_FALLBACKS: Final = tuple(_FALLBACK + kind for kind in _NORMAL)
_OFFLINE_HINT: Final = "send FALLBACK_ forecasts that cover the time after offline_mode_at"
_UNDEFINED: Final = "what holds while offline is undefined"


def judge_fallback(parsed: ParsedMessage, sender: Speaker, _receiver: Speaker) -> Iterator[Finding]:
    """Yield S9 for a fallback forecast that does not cover when its sender would go offline."""
    kind, heartbeat, group = parsed.type, sender.heartbeat, parsed.group
    if group is None or kind not in _FALLBACKS or heartbeat is None:
        return
    offline_at = heartbeat.offline_at
    if offline_at < parsed.message.at or any(b.start <= offline_at < b.end for b in parsed.blocks):
        return
    known = sender.forecasts.times_of(group, kind)
    if known is None or known.times.end_after(offline_at) is None:
        message = (
            f"{kind} of {group} does not cover {utc(offline_at)}, "
            f"when {sender.name} would go offline"
        )
        yield finding("S9", "/forecasted_blocks", message, _OFFLINE_HINT, heartbeat.number)


def judge_last_heartbeat(
    parsed: ParsedMessage, sender: Speaker, _receiver: Speaker
) -> Iterator[Finding]:
    """Yield S9 for the first heartbeat whose offline time is not covered by fallback forecasts.

    The heartbeats after it would only repeat that. If no fallback forecast was ever sent,
    `judge_fallbacks_at` says so once it matters.
    """
    offline_at, before = parsed.offline_at, sender.heartbeat
    if offline_at is None or offline_at <= parsed.message.at:
        return
    for kind in _FALLBACKS:
        for group, known in sender.forecasts.groups_of(kind):
            times = known.times
            was_covered = before is None or times.end_after(before.offline_at) is not None
            if was_covered and times.end_after(offline_at) is None:
                message = f"{kind} of {group} does not cover {utc(offline_at)}"
                yield finding("S9", "/offline_mode_at", message, _OFFLINE_HINT, known.number)


def judge_fallbacks_at(at: datetime, sides: Iterable[Speaker]) -> Iterator[Finding]:
    """Yield S9 for each group: what its fallback forecasts say of the time from `at` on."""
    found = [
        each
        for side in sides
        for group in sorted(side.forecasts.groups())
        for kind in _NORMAL
        for each in _fallback_at(side, group, kind, at.astimezone(UTC))
    ]
    if found:
        yield from found
    else:
        yield finding("S9", "", f"no fallback forecast is known: {_UNDEFINED}", _OFFLINE_HINT)


def _fallback_at(side: Speaker, group: str, kind: str, at: datetime) -> Iterator[Finding]:
    normal = side.forecasts.times_of(group, kind)
    fallback = side.forecasts.times_of(group, _FALLBACK + kind)
    name, until = f"{_FALLBACK}{kind} of {group}", normal.times.end if normal else None
    if fallback is None:
        if normal is not None and until is not None and until > at:
            message = f"{side.name} sent no {name}: {_UNDEFINED}"
            yield finding("S9", "", message, _OFFLINE_HINT, normal.number)
        return
    covered_until = fallback.times.end_after(at)
    if covered_until is None:
        message = f"{name} does not cover {utc(at)}: {_UNDEFINED}"
        yield finding("S9", "", message, _OFFLINE_HINT, fallback.number)
    elif until is not None and until > covered_until:
        message = f"{name} ends {utc(covered_until)}, the {kind} forecast {utc(until)}"
        yield finding("S9", "", message, _OFFLINE_HINT, fallback.number)
    else:
        message = f"{name} covers {utc(at)} to {utc(covered_until)}"
        yield finding("S9", "", message, "", fallback.number, severity="info")


# S10: an optimum lies within the limits that were forecast.

_POWERS: Final = {"W": 1.0, "KW": 1000.0}
_ENERGIES: Final = {"WH": 1.0, "KWH": 1000.0}
_SLACK: Final = 1e-9


class _Limit(NamedTuple):
    """Part of an optimum's block, and the block of a forecast that limits it."""

    start: datetime
    end: datetime
    block: Block
    forecast: Forecast


def judge_optimum(parsed: ParsedMessage, sender: Speaker, receiver: Speaker) -> Iterator[Finding]:
    """Yield S10 for each block of an optimum that is beyond the limits of its group.

    An optimum does not say which way the energy flows. A value that is not negative may therefore
    keep to either limit if both are known; a negative one has the GENERATION limit alone
    (inferred). An energy counts as the mean power of its block; amperes are compared with amperes.
    """
    if parsed.type != "OPTIMUM" or parsed.group is None:
        return
    for block in parsed.blocks:
        amount = _amount(block)
        limits = [
            limit
            for kind in (("GENERATION",) if amount < 0 else ("CONSUMPTION", "GENERATION"))
            for limit in _limits(block, _forecasts(parsed.group, kind, sender, receiver))
        ]
        if beyond := _beyond(abs(amount), limits):
            yield _beyond_limit(block, beyond)


def _forecasts(group: str, kind: str, sender: Speaker, receiver: Speaker) -> Iterator[Forecast]:
    """Yield the forecasts that limit an optimum: its receiver's, then those of its sender."""
    for side in (receiver, sender):
        yield from side.forecasts.latest_of(group, kind)


def _limits(block: Block, forecasts: Iterator[Forecast]) -> Iterator[_Limit]:
    """Yield the limits that hold during a block, each for as long as no later one replaces it."""
    known = Coverage()
    for forecast in forecasts:
        for limit in forecast.blocks:
            start, end = max(limit.start, block.start), min(limit.end, block.end)
            if start < end and _quantity(limit) == _quantity(block):
                for gap in known.missing(start, end):
                    yield _Limit(*gap, limit, forecast)
                known.add(start, end)
        if not known.missing(block.start, block.end):
            return


def _beyond(amount: float, limits: list[_Limit]) -> _Limit | None:
    """Return the first limit that an amount exceeds while no other one allows it, or None."""
    allowed, exceeded = Coverage(), []
    for limit in limits:
        most = _amount(limit.block)
        if amount > most + _SLACK * max(1.0, abs(most)):
            exceeded.append(limit)
        else:
            allowed.add(limit.start, limit.end)
    for limit in sorted(exceeded, key=lambda each: each.start):
        if gaps := allowed.missing(limit.start, limit.end):
            return limit._replace(start=gaps[0][0], end=gaps[0][1])
    return None


def _quantity(block: Block) -> tuple[str, str] | None:
    """Return the phase and unit in which a block can be compared; None if it has no amount."""
    if block.capacity is None or block.unit not in {"A", *_POWERS, *_ENERGIES}:
        return None
    return block.phase, "A" if block.unit == "A" else "W"


def _amount(block: Block) -> float:
    """Return the amperes or watts of a block."""
    capacity = block.capacity or 0.0
    if block.unit in _ENERGIES:
        return capacity * _ENERGIES[block.unit] / ((block.end - block.start) / timedelta(hours=1))
    return capacity * _POWERS.get(block.unit, 1.0)


def _beyond_limit(block: Block, limit: _Limit) -> Finding:
    forecast = limit.forecast
    name = f"the {forecast.type} forecast {forecast.request_id or ''}".rstrip()
    message = (
        f"{block.capacity:g} {block.unit} is beyond the {limit.block.capacity:g} "
        f"{limit.block.unit} of {name}, {interval(limit.start, limit.end)}"
    )
    hint = "recommend a use within the limits of the CONSUMPTION and GENERATION forecasts"
    return finding("S10", f"{block.pointer}/capacity", message, hint, forecast.number)


# S18: a compliance error repeats blocks of the forecast that it is about.


def judge_blocks_of_forecast(
    parsed: ParsedMessage, _sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield S18 for each block that the forecast named by the X-Correlation-ID does not have."""
    named = parsed.message.correlation_id
    forecast = receiver.forecasts.with_id(named) if named else None
    if forecast is None:
        return
    hint = (
        "repeat the blocks that cannot be complied with as the forecast had them, or leave them out"
    )
    for block in parsed.blocks:
        alike = [each for each in forecast.blocks if _place(each) == _place(block)]
        if any(_same(each.capacity, block.capacity) for each in alike):
            continue
        pointer = f"{block.pointer}/capacity" if alike else block.pointer
        message = f"{interval(block.start, block.end)}: {_difference(block, alike, forecast)}"
        yield finding("S18", pointer, message, hint, forecast.number)


def _place(block: Block) -> tuple[object, ...]:
    return block.start, block.end, block.unit, block.phase


def _same(one: float | None, other: float | None) -> bool:
    return one is None or other is None or math.isclose(one, other)


def _difference(block: Block, alike: list[Block], forecast: Forecast) -> str:
    name = f"forecast {forecast.request_id}"
    if alike:
        return f"{name} says {alike[0].capacity:g} {block.unit}, not {block.capacity:g}"
    near = [each for each in forecast.blocks if each.start < block.end and block.start < each.end]
    if not near:
        return f"{name} has no block at that time"
    found = near[0]
    return (
        f"{name} has no such block, but {interval(found.start, found.end)} "
        f"in {found.unit} of phase {found.phase}"
    )

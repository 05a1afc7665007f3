"""S18: a compliance error repeats blocks of the forecast that it is about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from oscp_send.findings import Finding
from oscp_send.meaning import Reading as EnergyReading
from oscp_sim.conversation import memory
from oscp_sim.conversation.memory import (
    Block,
    Count,
    Coverage,
    Covered,
    Forecast,
    Mention,
    Reading,
    RequiredBehaviour,
    Side,
    moment,
    problem,
    remark,
    span,
)

__all__ = [
    "judge_acknowledged",
    "judge_adjusted",
    "judge_adjustment",
    "judge_blocks_of_forecast",
    "judge_complained_of",
    "judge_counters",
    "judge_duplicate",
    "judge_fallback",
    "judge_fallbacks_at",
    "judge_heartbeat",
    "judge_intermittent",
    "judge_last_heartbeat",
    "judge_optimum",
    "judge_order",
]


# § S17 and S19: what comes too early, and what comes twice.

_FORECASTS = frozenset({"AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast"})


def judge_order(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S17: Register comes first, by both sides, then Handshake, by one, then all else."""
    action = reading.said.action
    if action == "Register":
        return
    if not (sender.registered and receiver.registered):
        yield problem(
            "S17",
            "",
            f"{action} comes before registration: {_who_registered(sender, receiver)}",
            memory.BEFORE_REGISTRATION,
        )
    elif action != "Handshake" and not (sender.handshaken or receiver.handshaken):
        message = f"{action} comes before a handshake: neither side has sent Handshake"
        yield problem("S17", "", message, _before_handshake(action))


def judge_duplicate(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S19 for an X-Request-ID that its sender used before."""
    said = reading.said
    known = None if said.request_id is None else sender.ids.find(said.request_id)
    if known is None:
        return
    what = "this message" if known.action == said.action else known.action
    message = f"{sender.name} has used X-Request-ID {said.request_id} before, for {what}"
    yield remark("S19", "", message, memory.DUPLICATE, known.number)


def _who_registered(sender: Side, receiver: Side) -> str:
    for side, other in ((sender, receiver), (receiver, sender)):
        if side.registered:
            return f"{side.name} has sent Register, and {other.name} has not answered with its own"
    return "neither side has sent Register"


def _before_handshake(action: str) -> str:
    if action == "HandshakeAcknowledge":
        return memory.ACKNOWLEDGE_WITHOUT_HANDSHAKE
    return memory.FORECAST_BEFORE_HANDSHAKE if action in _FORECASTS else memory.BEFORE_HANDSHAKE


# § S15, S16 and part of S8: what an X-Correlation-ID names.

_FORECAST = "UpdateGroupCapacityForecast"


def judge_complained_of(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S15: nothing but the X-Correlation-ID tells which forecast cannot be complied with."""
    named = reading.said.correlation_id
    if not named:
        message = "names no forecast: there is no X-Correlation-ID"
        yield problem("S15", "", message, memory.NO_FORECAST_NAMED)
        return
    message, known = _misnamed(named, _FORECAST, sender, receiver)
    if message:
        exchange = known.number if known else None
        yield problem("S15", "", message, memory.UNKNOWN_FORECAST_NAMED, exchange)


def judge_adjusted(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S8 for an adjustment that names another message than a forecast; it need name none."""
    named = reading.said.correlation_id
    if not named:
        return
    message, known = _misnamed(named, _FORECAST, sender, receiver)
    if message:
        exchange = known.number if known else None
        yield remark("S8", "", message, memory.ADJUSTS_UNKNOWN_FORECAST, exchange)


def judge_acknowledged(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S16: an acknowledge names the Handshake that it answers.

    It is left to S17 where it comes before registration, or before any handshake.
    """
    if not (sender.registered and receiver.registered):
        return
    if not receiver.handshaken and not sender.handshaken:
        return
    named = reading.said.correlation_id
    if receiver.ids.knows("Handshake"):
        yield from _names_handshake(named, sender, receiver)
        return
    yield problem(
        "S16",
        "",
        f"answers no Handshake: {receiver.name} has sent none",
        memory.ACKNOWLEDGE_WITHOUT_HANDSHAKE,
    )


def _names_handshake(named: str | None, sender: Side, receiver: Side) -> Iterator[Finding]:
    if not named:
        message = "names no Handshake: there is no X-Correlation-ID"
        yield problem("S16", "", message, memory.NO_HANDSHAKE_NAMED, receiver.handshake)
        return
    message, known = _misnamed(named, "Handshake", sender, receiver)
    if message:
        exchange = known.number if known else receiver.handshake
        yield problem("S16", "", message, memory.NO_HANDSHAKE_NAMED, exchange)


def _misnamed(named: str, action: str, sender: Side, receiver: Side) -> tuple[str, Mention | None]:
    """Answers with what is wrong with an id that ought to be of a message of the receiver's."""
    of_receiver = receiver.ids.find(named)
    if of_receiver is not None and of_receiver.action == action:
        return "", None
    message = f"X-Correlation-ID {named} names no {action} that {receiver.name} sent"
    for side, mention in ((receiver, of_receiver), (sender, sender.ids.find(named))):
        if mention is not None:
            return f"{message}: it is of {mention.action} of {side.name}", mention
    return message, None


# § S12: a heartbeat says that its sender is there for at least as long as until the next one.

_POINTER = "/offline_mode_at"
# What a message takes on its way is not its sender's mistake.
_MOST_ON_THE_WAY = 1.0
_SHARE_ON_THE_WAY = 0.1


def judge_heartbeat(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S12 where the next heartbeat would be late, or the offline time stands still.

    A time in the past needs no history to be wrong: `oscp_send.meaning` says so.
    """
    said, offline_at = reading.said, reading.offline_at
    if offline_at is None or offline_at <= said.at:
        return
    asked, before = receiver.requires, sender.heartbeat
    ahead = (offline_at - said.at).total_seconds()
    if asked is not None and asked.heartbeat_interval is not None:
        interval = asked.heartbeat_interval
        if ahead < interval - min(_MOST_ON_THE_WAY, interval * _SHARE_ON_THE_WAY):
            message = (
                f"{moment(offline_at)} is {ahead:g} s ahead, "
                f"but {receiver.name} asked for a heartbeat every {interval:g} s"
            )
            hint = "set it at least one heartbeat interval ahead; SolarNetwork sets it two ahead"
            yield remark("S12", _POINTER, message, hint, asked.number)
            return
    if before is None or _is_repeated(reading, sender):
        return
    if offline_at < before.offline_at or (offline_at == before.offline_at and said.at > before.at):
        how = "is earlier than" if offline_at < before.offline_at else "is still"
        message = f"{moment(offline_at)} {how} that of the heartbeat before"
        hint = "move offline_mode_at with each heartbeat"
        yield remark("S12", _POINTER, message, hint, before.number)


def _is_repeated(reading: Reading, sender: Side) -> bool:
    request_id = reading.said.request_id
    return request_id is not None and sender.ids.find(request_id) is not None


# § S9: the fallback forecasts cover the time for which a party is offline (oscp20.md §3.14).

_FALLBACK = "FALLBACK_"
_NORMAL = ("CONSUMPTION", "GENERATION")
_FALLBACKS = tuple(_FALLBACK + kind for kind in _NORMAL)
_OFFLINE_HINT = "send FALLBACK_ forecasts that cover the time after offline_mode_at"
_UNDEFINED = "what holds while offline is undefined"


def judge_fallback(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S9 for a fallback forecast that leaves out when its sender would go offline."""
    kind, heartbeat, group = reading.type, sender.heartbeat, reading.group
    if group is None or kind not in _FALLBACKS or heartbeat is None:
        return
    offline_at = heartbeat.offline_at
    if offline_at < reading.said.at or any(b.start <= offline_at < b.end for b in reading.blocks):
        return
    covered = sender.forecasts.covered(group, kind)
    if covered is None or covered.times.end_after(offline_at) is None:
        message = (
            f"{kind} of {group} says nothing of {moment(offline_at)}, "
            f"when {sender.name} would go offline"
        )
        yield remark("S9", "/forecasted_blocks", message, _OFFLINE_HINT, heartbeat.number)


def judge_last_heartbeat(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S9 for the heartbeat whose offline time is the first after the fallback forecasts.

    The heartbeats after it are no news. Who never sent a fallback forecast is told by
    `judge_fallbacks_at`, once it matters.
    """
    offline_at = reading.offline_at
    if offline_at is None or offline_at <= reading.said.at:
        return
    before = sender.heartbeat
    for kind, group, covered in _fallbacks(sender):
        times = covered.times
        was_covered = before is None or times.end_after(before.offline_at) is not None
        if was_covered and times.end_after(offline_at) is None:
            message = f"{kind} of {group} says nothing of {moment(offline_at)}"
            yield remark("S9", "/offline_mode_at", message, _OFFLINE_HINT, covered.number)


def judge_fallbacks_at(at: datetime, sides: Iterable[Side]) -> Iterator[Finding]:
    """Yields S9 for each group: what its fallback forecasts say of the time from `at` on."""
    found = [
        finding
        for side in sides
        for group in sorted(side.forecasts.groups())
        for kind in _NORMAL
        for finding in _fallback(side, group, kind, at.astimezone(UTC))
    ]
    if not found:
        found = [remark("S9", "", f"no fallback forecast is known: {_UNDEFINED}", _OFFLINE_HINT)]
    yield from found


def _fallbacks(side: Side) -> Iterator[tuple[str, str, Covered]]:
    for kind in _FALLBACKS:
        for group, covered in side.forecasts.of_type(kind):
            yield kind, group, covered


def _fallback(side: Side, group: str, kind: str, at: datetime) -> Iterator[Finding]:
    normal = side.forecasts.covered(group, kind)
    fallback = side.forecasts.covered(group, _FALLBACK + kind)
    name, until = f"{_FALLBACK}{kind} of {group}", _end(normal)
    if fallback is None:
        if until is not None and until > at:
            message = f"{side.name} sent no {name}: {_UNDEFINED}"
            yield remark("S9", "", message, _OFFLINE_HINT, normal.number if normal else None)
        return
    covered_until = fallback.times.end_after(at)
    if covered_until is None:
        message = f"{name} says nothing of {moment(at)}: {_UNDEFINED}"
        yield remark("S9", "", message, _OFFLINE_HINT, fallback.number)
    elif until is not None and until > covered_until:
        message = f"{name} ends {moment(covered_until)}, the {kind} forecast {moment(until)}"
        yield remark("S9", "", message, _OFFLINE_HINT, fallback.number)
    else:
        message, hint = f"{name} covers {moment(at)} to {moment(covered_until)}", ""
        yield remark("S9", "", message, hint, fallback.number, severity="info")


def _end(covered: Covered | None) -> datetime | None:
    return None if covered is None else covered.times.end


# § S13 and S14: what counters say over several messages, and what was agreed of them.

_FELL = "a counter that is not restarted never decreases; give initial_measure_time where it is"
_RESTARTED = "a counter is never restarted for who asked for CONTINUOUS: count on from the value"


def judge_intermittent(reading: Reading, _sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S13 for each reading that does not say since when it counts.

    A receiver that asked for CONTINUOUS as well may be sent either, so that this is a warning then.
    """
    asked = receiver.requires
    if asked is None or "INTERMITTENT" not in asked.measurement_configuration:
        return
    tell = remark if "CONTINUOUS" in asked.measurement_configuration else problem
    for energy in reading.readings:
        if energy.began is None:
            message = f"lacks initial_measure_time: {receiver.name} asked for INTERMITTENT"
            hint = "say in initial_measure_time when the counting started"
            yield tell("S13", energy.pointer, message, hint, asked.number)


def judge_counters(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S14 for each counter that says less than it said before.

    A counter whose `initial_measure_time` changed was restarted, and may; but not where its
    receiver asked for CONTINUOUS alone, which means that it never is.
    """
    for energy, before in sender.counters.compare(reading):
        restarted = energy.began != before.began
        if not _fell(energy, before) or (restarted and not _never_restarts(receiver.requires)):
            continue
        how = "less" if energy.at > before.at else "more"
        hint = _RESTARTED if restarted else _FELL
        message = f"{energy.value:g} is {how} than the {before.value:g} of {moment(before.at)}"
        yield remark("S14", f"{energy.pointer}/value", message, hint, before.number)


def _fell(energy: EnergyReading, before: Count) -> bool:
    """Tells whether a counter fell, also where its earlier reading arrives after the later one."""
    value = energy.value or 0.0
    if energy.at == before.at:
        return False
    return value < before.value if energy.at > before.at else value > before.value


def _never_restarts(asked: RequiredBehaviour | None) -> bool:
    return asked is not None and asked.measurement_configuration == {"CONTINUOUS"}


# § S8: an adjustment asks for other values where there is a forecast to adjust.

_ADJUSTMENT_HINT = (
    "adjust what was forecast: the same group and type, and intervals within the forecast"
)


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
        yield remark("S8", "/type", message, _ADJUSTMENT_HINT)
    else:
        message = f"{receiver.name} sent no forecast of {group}"
        yield remark("S8", "/group_id", message, _ADJUSTMENT_HINT)


def _outside(reading: Reading, covered: Covered) -> Iterator[Finding]:
    """Yields one finding for each stretch that was not forecast, at the first block in it."""
    asked = Coverage()
    for block in reading.blocks:
        asked.add(block.start, block.end)
    for start, end in asked.spans:
        for gap in covered.times.missing(start, end):
            block = next(each for each in reading.blocks if each.end > gap[0])
            message = f"{span(*gap)} was not forecast for {reading.group}"
            yield remark("S8", block.pointer, message, _ADJUSTMENT_HINT, covered.number)


# § S10: an optimum lies within the limits that were forecast.

_POWERS = {"W": 1.0, "KW": 1000.0}
_ENERGIES = {"WH": 1.0, "KWH": 1000.0}
_SLACK = 1e-9
_OPTIMUM_HINT = "recommend a use within the limits of the CONSUMPTION and GENERATION forecasts"


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
    return remark("S10", f"{block.pointer}/capacity", message, _OPTIMUM_HINT, forecast.number)


_COMPLIANCE_HINT = (
    "repeat the blocks that cannot be complied with as the forecast had them, or leave them out"
)


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
        yield remark("S18", pointer, message, _COMPLIANCE_HINT, forecast.number)


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

"""The rules S1 to S19 that no schema can express, as far as they need no history.

They are those of oscp20.md §3.13. The real services enforce none of them, so they
warn; a grid operator will not be so kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from oscp_schemas import escape_pointer
from oscp_send.findings import Finding, Severity, Source, bounded
from oscp_send.times import has_no_offset, read_instant

#: Larger numbers are skipped: JSON's integers have no limit, and the arithmetic here is in doubles.
_FAR_FROM_OVERFLOW: Final = 1e300


def judge_meaning(message: object, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the meaning of a parsed message, valid by its schema or not.

    What the schema refuses is skipped, so that one mistake is reported once; except for a time
    without an offset, because the schema does not say why that matters (S4).

    Anything but an object has no meaning to judge. A heartbeat is compared with `now`.
    """
    return bounded(_judged(message, now))


def _judged(message: object, now: datetime) -> Iterator[Finding]:
    if not isinstance(message, Mapping):
        return
    yield from _times(message)
    yield from _blocks(message)
    yield from _heartbeat_interval(message)
    yield from _offline_mode(message, now)
    yield from _measurements(message)


def _found(
    rule: str,
    severity: Severity,
    pointer: str,
    message: str,
    hint: str,
    *,
    source: Source = "documented",
) -> Finding:
    return Finding("meaning", rule, severity, pointer, message, hint, source)


def _number(value: object) -> float | None:
    """Return a JSON number that is safe to calculate with, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < _FAR_FROM_OVERFLOW else None


_TIME_FIELDS: Final = frozenset(
    {"end_time", "initial_measure_time", "measure_time", "offline_mode_at", "start_time"}
)


def _times(message: object) -> Iterator[Finding]:
    """Yield S4 for each time without its offset from UTC."""
    # Pointers are built only for a message with such a time, and hardly any message has one.
    if not _lacks_offset(message):
        return
    waiting: list[tuple[str, object]] = [("", message)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(
                (f"{pointer}/{escape_pointer(str(name))}", value[name]) for name in reversed(value)
            )
        elif isinstance(value, list):
            waiting.extend((f"{pointer}/{i}", value[i]) for i in reversed(range(len(value))))
        elif pointer.rpartition("/")[2] in _TIME_FIELDS and has_no_offset(value):
            yield _found(
                "S4",
                "error",
                pointer,
                f'"{value}" has no offset from UTC',
                "end it in Z, or in the local offset such as +02:00: on the days when clocks "
                "change, a local time alone names two instants or none",
            )


def _lacks_offset(message: object) -> bool:
    waiting = [message]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, str):
                    if name in _TIME_FIELDS and has_no_offset(member):
                        return True
                elif isinstance(member, (dict, list)):
                    waiting.append(member)
    return False


_SINGLE_PHASES: Final = frozenset({"ONE", "TWO", "THREE"})
_POWER_OF_ENERGY: Final = MappingProxyType({"WH": "W", "KWH": "kW"})
_TOLERANCE: Final = 1e-9


class _Block(NamedTuple):
    at: int
    start: datetime
    end: datetime
    unit: str
    phase: str
    capacity: float | None

    @property
    def pointer(self) -> str:
        return f"/forecasted_blocks/{self.at}"

    def interval(self) -> str:
        if self.start.date() == self.end.date():
            return f"{_clock(self.start)} to {_clock(self.end)}"
        days = (f"{moment:%Y-%m-%d} {_clock(moment)}" for moment in (self.start, self.end))
        return " to ".join(days)


def _blocks(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yield S1 to S3 and S5 to S7 for the forecasted blocks, each and together."""
    listed = message.get("forecasted_blocks")
    blocks = list(_readable(listed if isinstance(listed, list) else []))
    if not blocks:
        return
    yield from _end_before_they_start(blocks)
    forward = [block for block in blocks if block.end > block.start]
    alike: dict[tuple[str, str], list[_Block]] = defaultdict(list)
    for block in forward:
        alike[block.phase, block.unit].append(block)
    groups = [sorted(group, key=lambda each: (each.start, each.end)) for group in alike.values()]
    for group in groups:
        yield from _overlaps(group)
    for group in groups:
        yield from _gaps(group)
    yield from _out_of_order(blocks)
    yield from _ampere_of_all_phases(blocks)
    yield from _conflicting_totals(forward)
    yield from _energy(forward)


def _readable(blocks: Iterable[object]) -> Iterator[_Block]:
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        start, end = _instant(block.get("start_time")), _instant(block.get("end_time"))
        if start is not None and end is not None:
            unit, phase = str(block.get("unit")), str(block.get("phase"))
            yield _Block(index, start, end, unit, phase, _number(block.get("capacity")))


def _end_before_they_start(blocks: list[_Block]) -> Iterator[Finding]:
    for block in blocks:
        if block.end > block.start:
            continue
        what = "has no length" if block.end == block.start else "ends before it starts"
        yield _found(
            "S1",
            "error",
            f"{block.pointer}/end_time",
            f"{what} ({block.interval()})",
            "SolarNetwork would let this through; a grid operator will not",
        )


def _overlaps(ordered: list[_Block]) -> Iterator[Finding]:
    longest = ordered[0]
    for block in ordered[1:]:
        if block.start < longest.end:
            yield _found(
                "S2",
                "error",
                block.pointer,
                f"{block.interval()} overlaps {longest.pointer}, {longest.interval()}",
                "blocks of one phase and unit must not overlap: leave one of the two, or cut them",
            )
        if block.end > longest.end:
            longest = block


def _gaps(ordered: list[_Block]) -> Iterator[Finding]:
    covered = ordered[0].end
    for block in ordered[1:]:
        if block.start > covered:
            yield _found(
                "S3",
                "info",
                f"{block.pointer}/start_time",
                f"no block covers {_clock(covered)} to {_clock(block.start)}",
                "gaps are allowed; fill this one if it is not intended",
            )
        covered = max(covered, block.end)


def _out_of_order(blocks: list[_Block]) -> Iterator[Finding]:
    for before, block in pairwise(blocks):
        if block.start < before.start:
            yield _found(
                "S3",
                "info",
                f"{block.pointer}/start_time",
                f"starts before the block that is listed before it ({_clock(before.start)})",
                "any order is allowed; chronological order is easier for every reader",
            )
            return


def _ampere_of_all_phases(blocks: list[_Block]) -> Iterator[Finding]:
    for block in blocks:
        if block.unit == "A" and block.phase == "ALL":
            yield _found(
                "S5",
                "warning",
                f"{block.pointer}/phase",
                "amperes for ALL phases are ambiguous: a current belongs to one phase",
                "state it for ONE, TWO and THREE, or give a power in KW",
            )


def _conflicting_totals(blocks: list[_Block]) -> Iterator[Finding]:
    if len({block.phase for block in blocks}) < 2:  # noqa: PLR2004 - a total, and what it is of
        return
    intervals: dict[tuple[datetime, datetime, str], dict[str, _Block]] = defaultdict(dict)
    for block in blocks:
        if block.unit != "A" and block.capacity is not None:
            intervals[block.start, block.end, block.unit].setdefault(block.phase, block)
    for phases in intervals.values():
        total = phases.get("ALL")
        singles = [phases[phase] for phase in sorted(_SINGLE_PHASES & phases.keys())]
        if total is None or not singles:
            continue
        stated, added = total.capacity or 0.0, sum(block.capacity or 0.0 for block in singles)
        complete = len(singles) == len(_SINGLE_PHASES)
        slack = _TOLERANCE * max(1.0, abs(stated), abs(added))
        if added > stated + slack or (complete and added < stated - slack):
            yield _found(
                "S6",
                "warning",
                f"{total.pointer}/capacity",
                f"ALL says {stated:g} {total.unit}, its phases add up to {added:g}",
                "state an interval either per phase or as ALL, or make the two agree",
            )


def _energy(blocks: list[_Block]) -> Iterator[Finding]:
    block = next((each for each in blocks if each.unit in _POWER_OF_ENERGY), None)
    if block is None or block.capacity is None:
        return
    power = block.capacity / ((block.end - block.start) / timedelta(hours=1))
    amount = f"{block.capacity:g} {block.unit}"
    yield _found(
        "S7",
        "info",
        f"{block.pointer}/unit",
        f"{amount} in this block is {power:g} {_POWER_OF_ENERGY[block.unit]}",
        "a WH or KWH capacity is the energy of its block: divide by the block's length to compare",
    )


def _clock(instant: datetime) -> str:
    return instant.strftime("%H:%M:%S" if instant.second else "%H:%M")


_INTERVAL: Final = "/required_behaviour/heartbeat_interval"
_LARGEST_STORED_INTERVAL: Final = 32767


def _heartbeat_interval(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yield what is odd about the heartbeat interval of a handshake (S11)."""
    behaviour = message.get("required_behaviour")
    interval = behaviour.get("heartbeat_interval") if isinstance(behaviour, Mapping) else None
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        return
    interval = max(-_FAR_FROM_OVERFLOW, min(interval, _FAR_FROM_OVERFLOW))
    if interval < 1:
        what = f"{interval:g} is not an interval: it counts seconds, 1 or more"
        remedy = "leave heartbeat_interval out when no heartbeats are wanted"
        yield _found("S11", "error", _INTERVAL, what, remedy)
    elif interval != int(interval):
        what = f"{interval:g} seconds are cut to {int(interval)}"
        yield _found("S11", "warning", _INTERVAL, what, "give whole seconds", source="observed")
    elif interval > _LARGEST_STORED_INTERVAL:
        what = f"{interval:g} seconds are more than can be stored"
        remedy = f"give {_LARGEST_STORED_INTERVAL} or less"
        yield _found("S11", "warning", _INTERVAL, what, remedy, source="observed")


def _offline_mode(message: Mapping[str, object], now: datetime) -> Iterator[Finding]:
    """Yield S12 for a heartbeat whose sender would be offline already."""
    offline = _instant(message.get("offline_mode_at"))
    if offline is not None and offline <= now:
        yield _found(
            "S12",
            "warning",
            "/offline_mode_at",
            f"{message['offline_mode_at']} is in the past: the sender counts as offline at once",
            "set it at least one heartbeat interval ahead",
        )


class Reading(NamedTuple):
    """What a counter of energy showed.

    Attributes:
        counter: What distinguishes it: asset, phase, unit, direction, kind of energy.
        at: When it was read.
        began: Its `initial_measure_time`, or None.
        value: What it showed; None where that is not a usable number.
    """

    pointer: str
    counter: tuple[object, ...]
    direction: object
    at: datetime
    began: datetime | None
    value: float | None


def _instant(value: object) -> datetime | None:
    return read_instant(value) if isinstance(value, str) else None


def energy_readings(
    measurements: list[object], instant: Callable[[object], datetime | None] = _instant
) -> Iterator[Reading]:
    """Yield the readings of counters among the measurements of a message; skip the unreadable."""
    for index, entry in enumerate(measurements):
        if not isinstance(entry, Mapping):
            continue
        pointer, energy = f"/measurements/{index}", entry
        if isinstance(entry.get("energy_measurement"), Mapping):
            pointer, energy = f"{pointer}/energy_measurement", entry["energy_measurement"]
        at = instant(energy.get("measure_time"))
        if at is None or "direction" not in energy:
            continue
        counter = (
            entry.get("asset_id"),
            energy.get("phase"),
            energy.get("unit"),
            energy["direction"],
            energy.get("energy_type", "TOTAL"),
        )
        began, value = instant(energy.get("initial_measure_time")), _number(energy.get("value"))
        yield Reading(pointer, counter, energy["direction"], at, began, value)


def _measurements(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yield S13 and S14 for the times and the counters of measurements."""
    listed = message.get("measurements")
    readings = list(energy_readings(listed if isinstance(listed, list) else []))
    for reading in readings:
        if reading.began is not None and reading.began > reading.at:
            yield _found(
                "S13",
                "error",
                f"{reading.pointer}/initial_measure_time",
                "the counting starts after the reading was taken",
                "initial_measure_time is the start of the counting: at or before measure_time",
            )
    yield from _falling_counters(readings)


def _falling_counters(readings: list[Reading]) -> Iterator[Finding]:
    latest: dict[str, tuple[str, float]] = {}
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.value is None or reading.direction == "NET":
            continue
        counter = repr((reading.counter, reading.began))  # what it is made of may not be hashable
        where, before = latest.get(counter, ("", reading.value))
        if reading.value < before:
            yield _found(
                "S14",
                "warning",
                f"{reading.pointer}/value",
                f"{reading.value:g} is less than the {before:g} of {where}, which is earlier",
                "a counter that is not restarted never decreases; give initial_measure_time "
                "if it was restarted",
            )
        latest[counter] = reading.pointer, reading.value

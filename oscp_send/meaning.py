"""What no schema can express, as far as it needs no history: S1 to S19, and what is only odd.

The S rules are those of oscp20.md §3.13; those about blocks are in `blocks.py`. The real services
enforce none of them, so they warn; a grid operator will not be so kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from oscp_schemas import escape_pointer
from oscp_send.blocks import FAR_FROM_OVERFLOW, MeaningRule, instant, judge_blocks, number
from oscp_send.findings import Finding, bounded
from oscp_send.times import has_no_offset, read_instant


def judge_meaning(message: object, now: datetime, *, past_blocks: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with the meaning of a parsed message, valid by its schema or not.

    What the schema refuses is skipped, so that one mistake is reported once; except for a time
    without an offset, because the schema does not say why that matters (S4).

    Anything but an object has no meaning to judge. A heartbeat is compared with `now`, and so are
    the blocks of a forecast, if `past_blocks`: a message may have been written long ago.
    """
    return bounded(_judged(message, now, past_blocks=past_blocks))


def _judged(message: object, now: datetime, *, past_blocks: bool) -> Iterator[Finding]:
    if not isinstance(message, Mapping):
        return
    yield from _times(message)
    yield from judge_blocks(message, now if past_blocks else None)
    yield from _heartbeat_interval(message)
    yield from _offline_mode(message, now)
    yield from _measurements(message)


_OFFSET: Final = MeaningRule(
    "S4",
    "error",
    "end it in Z, or in the local offset such as +02:00: on the days when clocks change, a local "
    "time alone names two instants or none",
)
_NO_INTERVAL: Final = MeaningRule(
    "S11", "error", "leave heartbeat_interval out when no heartbeats are wanted"
)
_CUT_INTERVAL: Final = MeaningRule("S11", "warning", "give whole seconds", "observed")
_LARGEST_STORED_INTERVAL: Final = 32767
_LONG_INTERVAL: Final = MeaningRule(
    "S11", "warning", f"give {_LARGEST_STORED_INTERVAL} or less", "observed"
)
_OFFLINE: Final = MeaningRule("S12", "warning", "set it at least one heartbeat interval ahead")
_BEGINNING: Final = MeaningRule(
    "S13", "error", "initial_measure_time is the start of the counting: at or before measure_time"
)
_FALLING: Final = MeaningRule(
    "S14",
    "warning",
    "a counter that is not restarted never decreases; give initial_measure_time if it was "
    "restarted",
)
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
            yield _OFFSET(pointer, f'"{value}" has no offset from UTC')


def _lacks_offset(message: object) -> bool:
    waiting = [message]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, str):
                    # What can be read has its offset, and is remembered.
                    if name in _TIME_FIELDS and not read_instant(member) and has_no_offset(member):
                        return True
                elif isinstance(member, (dict, list)):
                    waiting.append(member)
    return False


_INTERVAL: Final = "/required_behaviour/heartbeat_interval"


def _heartbeat_interval(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yield what is odd about the heartbeat interval of a handshake (S11)."""
    behaviour = message.get("required_behaviour")
    interval = behaviour.get("heartbeat_interval") if isinstance(behaviour, Mapping) else None
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        return
    interval = max(-FAR_FROM_OVERFLOW, min(interval, FAR_FROM_OVERFLOW))
    if interval < 1:
        what = f"{interval:g} is not an interval: it counts seconds, 1 or more"
        yield _NO_INTERVAL(_INTERVAL, what)
    elif interval != int(interval):
        yield _CUT_INTERVAL(_INTERVAL, f"{interval:g} seconds are cut to {int(interval)}")
    elif interval > _LARGEST_STORED_INTERVAL:
        yield _LONG_INTERVAL(_INTERVAL, f"{interval:g} seconds are more than can be stored")


def _offline_mode(message: Mapping[str, object], now: datetime) -> Iterator[Finding]:
    """Yield S12 for a heartbeat whose sender would be offline already."""
    offline = instant(message.get("offline_mode_at"))
    if offline is not None and offline <= now:
        what = f"{message['offline_mode_at']} is in the past: the sender counts as offline at once"
        yield _OFFLINE("/offline_mode_at", what)


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


def energy_readings(
    measurements: list[object], instant: Callable[[object], datetime | None] = instant
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
        began, value = instant(energy.get("initial_measure_time")), number(energy.get("value"))
        yield Reading(pointer, counter, energy["direction"], at, began, value)


def _measurements(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yield S13 and S14 for the times and the counters of measurements."""
    listed = message.get("measurements")
    readings = list(energy_readings(listed if isinstance(listed, list) else []))
    for reading in readings:
        if reading.began is not None and reading.began > reading.at:
            pointer = f"{reading.pointer}/initial_measure_time"
            yield _BEGINNING(pointer, "the counting starts after the reading was taken")
    yield from _falling_counters(readings)


def _falling_counters(readings: list[Reading]) -> Iterator[Finding]:
    latest: dict[str, tuple[str, float]] = {}
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.value is None or reading.direction == "NET":
            continue
        counter = repr((reading.counter, reading.began))  # what it is made of may not be hashable
        where, before = latest.get(counter, ("", reading.value))
        if reading.value < before:
            what = f"{reading.value:g} is less than the {before:g} of {where}, which is earlier"
            yield _FALLING(f"{reading.pointer}/value", what)
        latest[counter] = reading.pointer, reading.value

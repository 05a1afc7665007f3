"""S13 and S14: the times and the counters of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from oscp_send.findings import Finding
from oscp_send.instants import read_instant

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["judge_measurements"]


class _Reading(NamedTuple):
    pointer: str
    counter: tuple[object, ...]
    direction: object
    at: datetime
    began: datetime | None
    value: float | None


def judge_measurements(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yields what is wrong with the `measurements` of a group or of assets."""
    listed = message.get("measurements")
    readings = list(_readings(listed if isinstance(listed, list) else []))
    for reading in readings:
        if reading.began is not None and reading.began > reading.at:
            yield Finding(
                "meaning",
                "S13",
                "error",
                f"{reading.pointer}/initial_measure_time",
                "the counting starts after the reading was taken",
                "initial_measure_time is the start of the counting: at or before measure_time",
            )
    yield from _falling_counters(readings)


def _readings(measurements: list[object]) -> Iterator[_Reading]:
    for index, entry in enumerate(measurements):
        if not isinstance(entry, Mapping):
            continue
        pointer, energy = f"/measurements/{index}", entry
        if isinstance(entry.get("energy_measurement"), Mapping):
            pointer, energy = f"{pointer}/energy_measurement", entry["energy_measurement"]
        at, value = read_instant(energy.get("measure_time")), energy.get("value")
        if at is None or "direction" not in energy:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        yield _Reading(
            pointer,
            (
                entry.get("asset_id"),
                energy.get("initial_measure_time"),
                energy.get("phase"),
                energy.get("unit"),
                energy.get("direction"),
                energy.get("energy_type", "TOTAL"),
            ),
            energy["direction"],
            at,
            read_instant(energy.get("initial_measure_time")),
            value if number else None,
        )


def _falling_counters(readings: list[_Reading]) -> Iterator[Finding]:
    latest: dict[str, _Reading] = {}
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.value is None or reading.direction == "NET":
            continue
        before = latest.get(repr(reading.counter))
        if before is not None and before.value is not None and reading.value < before.value:
            yield Finding(
                "meaning",
                "S14",
                "warning",
                f"{reading.pointer}/value",
                f"{reading.value:g} is less than the {before.value:g} of {before.pointer}, "
                "which is earlier",
                "a counter that is not restarted never decreases; give initial_measure_time "
                "where it is",
            )
        latest[repr(reading.counter)] = reading

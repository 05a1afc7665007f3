"""S13 and S14: the times and the counters of measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from oscp_send.findings import Finding
from oscp_send.instants import read_instant

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Reading", "energy_readings", "judge_measurements"]

_FAR_FROM_OVERFLOW = 1e300


class Reading(NamedTuple):
    """What a counter of energy said, and when; `began` is its `initial_measure_time`, if any."""

    pointer: str
    counter: tuple[object, ...]
    direction: object
    at: datetime
    began: datetime | None
    value: float | None


def judge_measurements(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yields what is wrong with the `measurements` of a group or of assets."""
    listed = message.get("measurements")
    readings = list(energy_readings(listed if isinstance(listed, list) else []))
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


def energy_readings(
    measurements: list[object], instant: Callable[[object], datetime | None] = read_instant
) -> Iterator[Reading]:
    """Yields the readings of the counters among measurements, of a group or of assets.

    Args:
        measurements: As a message lists them; what cannot be read is passed over.
        instant: How to read a time.
    """
    for index, entry in enumerate(measurements):
        if not isinstance(entry, Mapping):
            continue
        pointer, energy = f"/measurements/{index}", entry
        if isinstance(entry.get("energy_measurement"), Mapping):
            pointer, energy = f"{pointer}/energy_measurement", entry["energy_measurement"]
        at, value = instant(energy.get("measure_time")), energy.get("value")
        if at is None or "direction" not in energy:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        yield Reading(
            pointer,
            (
                entry.get("asset_id"),
                energy.get("phase"),
                energy.get("unit"),
                energy.get("direction"),
                energy.get("energy_type", "TOTAL"),
            ),
            energy["direction"],
            at,
            instant(energy.get("initial_measure_time")),
            value if number and abs(value) < _FAR_FROM_OVERFLOW else None,  # type: ignore[arg-type]
        )


def _falling_counters(readings: list[Reading]) -> Iterator[Finding]:
    latest: dict[str, Reading] = {}
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.value is None or reading.direction == "NET":
            continue
        counter = repr((reading.counter, reading.began))
        before = latest.get(counter)
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
        latest[counter] = reading

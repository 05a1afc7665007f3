"""How to break the meaning of a message, which no service refuses: a table (oscp20.md §3.13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from functools import partial
from itertools import pairwise
from typing import Final

from oscp_send.testing.strategies import Sample
from oscp_send.testing.ways_of_form import (
    NO_TIME,
    Damage,
    JsonObject,
    Place,
    Steps,
    Way,
    changed,
    inserted,
    later,
    of_action,
    places_with,
    refused,
    time_of,
    value_at,
    without,
)


def _list_of(sample: Sample) -> list[JsonObject]:
    listed: list[JsonObject] = sample.message.get("forecasted_blocks", [])
    return listed


def _each_block(sample: Sample) -> list[int]:
    return list(range(len(_list_of(sample))))


def _block(at: int, *steps: str | int) -> Steps:
    return ("forecasted_blocks", at, *steps)


def _changed_block(sample: Sample, at: int, change: JsonObject, *place: str | int) -> Damage:
    message = changed(sample.message, _block(at), {**_list_of(sample)[at], **change})
    return Damage(message, _block(at, *place))


def _without_length(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"end_time": _list_of(sample)[at]["start_time"]}, "end_time")


def _backwards(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    change = {"start_time": block["end_time"], "end_time": block["start_time"]}
    return _changed_block(sample, at, change, "end_time")


def _listed_twice(sample: Sample, at: int) -> Damage:
    message = inserted(sample.message, _block(at + 1), _list_of(sample)[at])
    return Damage(message, _block(at + 1))


def _of_one_kind(sample: Sample) -> list[list[int]]:
    """Return where the blocks of each phase and unit are."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for at, block in enumerate(_list_of(sample)):
        kinds.setdefault((block["phase"], block["unit"]), []).append(at)
    return list(kinds.values())


def _between_others(sample: Sample) -> list[tuple[int, int]]:
    """Return blocks that have others before and after, each with the one after."""
    rows = _of_one_kind(sample)
    return [pair for row in rows for pair in pairwise(row[1:])]


def _with_a_gap(sample: Sample, found: tuple[int, int]) -> Damage:
    at, after = found
    return Damage(without(sample.message, _block(at)), _block(after - 1, "start_time"))


def _before_a_later_one(sample: Sample) -> list[int]:
    starts = [each["start_time"] for each in _list_of(sample)]
    return [at for at in range(len(starts) - 1) if starts[at] != starts[at + 1]]


def _swapped(sample: Sample, at: int) -> Damage:
    first, second = _list_of(sample)[at : at + 2]
    message = changed(changed(sample.message, _block(at), second), _block(at + 1), first)
    return Damage(message, _block(at + 1, "start_time"))


def _without_offset(sample: Sample, place: Place) -> Damage:
    text = place.value.removesuffix("Z") if place.value.endswith("Z") else place.value[:-6]
    return refused(sample, place.steps, text, NO_TIME)._replace(also=("format",))


def _first_of(phase: str | None, units: Sequence[str], sample: Sample) -> list[int]:
    """Return the first block, if it has one of the units, and the phase if that is given.

    The first alone: another leaves a gap where it was.
    """
    first = _list_of(sample)[:1]
    return [0 for each in first if each["unit"] in units and phase in {None, each["phase"]}]


def _in_ampere(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"unit": "A"}, "phase")


def _of_all_phases(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"phase": "ALL"}, "phase")


def _totals(sample: Sample) -> list[int]:
    listed = enumerate(_list_of(sample))
    return [at for at, each in listed if each["unit"] != "A" and each["phase"] == "ALL"]


def _more_in_a_phase(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    one = {**block, "phase": "ONE", "capacity": 2 * block["capacity"] + 1}
    return Damage(inserted(sample.message, _block(at + 1), one), _block(at, "capacity"))


def _singles(sample: Sample) -> list[int]:
    return [
        at
        for at, each in enumerate(_list_of(sample))
        if each["unit"] != "A" and each["phase"] in {"ONE", "TWO", "THREE"} and each["capacity"]
    ]


def _less_in_all(sample: Sample, at: int) -> Damage:
    total = {**_list_of(sample)[at], "phase": "ALL", "capacity": 0}
    return Damage(inserted(sample.message, _block(at + 1), total), _block(at + 1, "capacity"))


def _of_power_alone(sample: Sample) -> list[int]:
    is_energy = any(each["unit"] in {"WH", "KWH"} for each in _list_of(sample))
    return [] if is_energy else _first_of(None, ("W", "KW"), sample)


def _as_energy(sample: Sample, at: int) -> Damage:
    return _changed_block(sample, at, {"unit": f"{_list_of(sample)[at]['unit']}H"}, "unit")


_FEWEST_ALIKE: Final = 4


def _within_a_row(sample: Sample) -> list[int]:
    """Return blocks that are neither first nor last of four or more."""
    rows = _of_one_kind(sample)
    return [at for row in rows if len(row) >= _FEWEST_ALIKE for at in row[1:-1]]


def _shortened(sample: Sample, at: int) -> Damage:
    block = _list_of(sample)[at]
    half = (time_of(block["end_time"]) - time_of(block["start_time"])) / 2
    change = {"end_time": later(block["start_time"], half)}
    return _changed_block(sample, at, change, "end_time")._replace(also=("S3",))


def _last_ones(sample: Sample) -> list[int]:
    return [row[-1] for row in _of_one_kind(sample)]


def _prolonged(sample: Sample, at: int) -> Damage:
    end = later(_list_of(sample)[at]["end_time"], timedelta(days=3))
    return _changed_block(sample, at, {"end_time": end}, "end_time")


def _comparable(sample: Sample) -> list[tuple[int, float]]:
    """Return blocks between two others that are not zero, each with the larger of the two."""
    found: list[tuple[int, float]] = []
    for row in _of_one_kind(sample):
        known = [(at, _list_of(sample)[at]["capacity"]) for at in row]
        some = [each for each in known if each[1]]
        neighbours = zip(some, some[1:], some[2:], strict=False)
        found += [(at, max(before, after)) for (_, before), (at, _), (_, after) in neighbours]
    return found


def _a_thousandfold(sample: Sample, found: tuple[int, float]) -> Damage:
    at, neighbour = found
    return _changed_block(sample, at, {"capacity": neighbour * 1000}, "capacity")


def _forecast(sample: Sample) -> list[Sample]:
    return [sample] if "type" in sample.message else []


def _too_late(sample: Sample, _: object) -> Damage:
    end = max(time_of(each["end_time"]) for each in _list_of(sample)).astimezone(UTC)
    return Damage(sample.message, _block(0, "end_time"), now=end + timedelta(days=1))


# What no schema says of the other messages.


def _intervals(sample: Sample) -> list[float]:
    return [0, -60, 1.5, 40000] if sample.action in {"Handshake", "HandshakeAcknowledge"} else []


def _of_no_use(sample: Sample, interval: float) -> Damage:
    steps = ("required_behaviour", "heartbeat_interval")
    behaviour = sample.message.get(steps[0], {"measurement_configuration": []})
    asked = {**behaviour, "heartbeat_interval": interval}
    return Damage({**sample.message, "required_behaviour": asked}, steps)


def _offline_before(sample: Sample, _: object) -> Damage:
    steps = ("offline_mode_at",)
    return Damage(changed(sample.message, steps, "2001-01-01T00:00:00Z"), steps)


def _counters(sample: Sample) -> list[Steps]:
    """Return where the readings of counters are."""
    listed = enumerate(sample.message.get("measurements", ()))
    if sample.action == "UpdateGroupMeasurements":
        return [("measurements", at) for at, _ in listed]
    name = "energy_measurement"
    return [("measurements", at, name) for at, each in listed if name in each]


def _counts_from_later(sample: Sample, where: Steps) -> Damage:
    steps = (*where, "initial_measure_time")
    return Damage(changed(sample.message, steps, "2095-01-01T00:00:00Z"), steps)


def _able_to_fall(sample: Sample) -> list[Steps]:
    """Return the last reading of a group's counter, or that of each asset, unless it is zero."""
    found = _counters(sample)
    found = found[-1:] if sample.action == "UpdateGroupMeasurements" else found
    readings = [(where, value_at(sample.message, where)) for where in found]
    return [where for where, each in readings if each["value"] > 0 and each["direction"] != "NET"]


def _fallen(sample: Sample, where: Steps) -> Damage:
    """Add the same reading an hour later, of a counter that shows half as much."""
    reading = value_at(sample.message, where)
    time = later(reading["measure_time"], timedelta(hours=1))
    less = {**reading, "value": reading["value"] / 2, "measure_time": time}
    listed = sample.message["measurements"]
    entry = changed(value_at(sample.message, where[:2]), where[2:], less)
    message = {**sample.message, "measurements": [*listed, entry]}
    return Damage(message, ("measurements", len(listed), *where[2:], "value"))


#: The plainest first: a failure shrinks towards it.
WAYS_OF_MEANING: Final[tuple[Way, ...]] = (
    Way("S1", "has a block without length", _each_block, _without_length),
    Way("S1", "has a block that ends before it starts", _each_block, _backwards),
    Way("S2", "has a block twice", _each_block, _listed_twice),
    Way("S3", "lacks a block between others", _between_others, _with_a_gap),
    Way("S3", "has two blocks in the wrong order", _before_a_later_one, _swapped),
    Way("S4", "has a time without its offset", partial(places_with, "format"), _without_offset),
    Way("S5", "has a current of all phases", partial(_first_of, None, ("A",)), _of_all_phases),
    Way(
        *("S5", "has amperes for a power of all phases"),
        partial(_first_of, "ALL", ("W", "KW", "WH", "KWH")),
        _in_ampere,
    ),
    Way("S6", "has more in one phase than in all", _totals, _more_in_a_phase),
    Way("S6", "has less in all phases than in one", _singles, _less_in_all),
    Way("S7", "has an energy for a power", _of_power_alone, _as_energy),
    Way("S11", "has an interval that cannot be kept", _intervals, _of_no_use),
    Way("S12", "is offline already", partial(of_action, "Heartbeat"), _offline_before),
    Way("S13", "counts from after the reading", _counters, _counts_from_later),
    Way("S14", "has a counter that falls", _able_to_fall, _fallen),
    Way("block-length", "has a block of half the length", _within_a_row, _shortened),
    Way("long-block", "has a last block of three days more", _last_ones, _prolonged),
    Way("capacity-scale", "has a capacity a thousandfold", _comparable, _a_thousandfold),
    Way("past-blocks", "is sent after its last block", _forecast, _too_late),
)

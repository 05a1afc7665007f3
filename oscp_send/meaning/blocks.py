"""S1 to S3 and S5 to S7: the forecasted blocks of a message, each and together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from oscp_send.findings import Finding
from oscp_send.instants import read_instant

__all__ = ["judge_blocks"]

_SINGLE_PHASES = frozenset({"ONE", "TWO", "THREE"})
_POWER_OF_ENERGY = {"WH": "W", "KWH": "kW"}
_TOLERANCE = 1e-9
_FAR_FROM_OVERFLOW = 1e300


@dataclass(frozen=True, slots=True)
class _Block:
    pointer: str
    start: datetime
    end: datetime
    unit: str
    phase: str
    capacity: float | None

    def interval(self) -> str:
        if self.start.date() == self.end.date():
            return f"{_clock(self.start)} to {_clock(self.end)}"
        days = (f"{moment:%Y-%m-%d} {_clock(moment)}" for moment in (self.start, self.end))
        return " to ".join(days)


def judge_blocks(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yields what is wrong with the `forecasted_blocks` of a message, in the order of the rules."""
    listed = message.get("forecasted_blocks")
    blocks = list(_readable(listed if isinstance(listed, list) else []))
    if not blocks:
        return
    for block in blocks:
        yield from _ends_before_it_starts(block)
    forward = [block for block in blocks if block.end > block.start]
    alike: dict[tuple[str, str], list[_Block]] = defaultdict(list)
    for block in forward:
        alike[block.phase, block.unit].append(block)
    for group in alike.values():
        yield from _overlaps(group)
    for group in alike.values():
        yield from _gaps(group)
    yield from _out_of_order(blocks)
    for block in blocks:
        yield from _ampere_of_all_phases(block)
    yield from _conflicting_totals(forward)
    yield from _energy(forward)


def _readable(blocks: Iterable[object]) -> Iterator[_Block]:
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        start, end = read_instant(block.get("start_time")), read_instant(block.get("end_time"))
        if start is None or end is None:
            continue
        capacity = block.get("capacity")
        number = isinstance(capacity, int | float) and not isinstance(capacity, bool)
        yield _Block(
            f"/forecasted_blocks/{index}",
            start,
            end,
            str(block.get("unit")),
            str(block.get("phase")),
            float(capacity) if number and abs(capacity) < _FAR_FROM_OVERFLOW else None,  # type: ignore[arg-type]
        )


def _ends_before_it_starts(block: _Block) -> Iterator[Finding]:
    if block.end > block.start:
        return
    what = "has no length" if block.end == block.start else "ends before it starts"
    yield Finding(
        "meaning",
        "S1",
        "error",
        f"{block.pointer}/end_time",
        f"{what} ({block.interval()})",
        "SolarNetwork would let this through; a grid operator will not",
    )


def _overlaps(blocks: list[_Block]) -> Iterator[Finding]:
    ordered = sorted(blocks, key=lambda block: (block.start, block.end))
    longest = ordered[0]
    for block in ordered[1:]:
        if block.start < longest.end:
            yield Finding(
                "meaning",
                "S2",
                "error",
                block.pointer,
                f"{block.interval()} overlaps {longest.pointer}, {longest.interval()}",
                "blocks of one phase and unit must not overlap: leave one of the two, or cut them",
            )
        longest = max(longest, block, key=lambda each: each.end)


def _gaps(blocks: list[_Block]) -> Iterator[Finding]:
    ordered = sorted(blocks, key=lambda block: (block.start, block.end))
    covered = ordered[0].end
    for block in ordered[1:]:
        if block.start > covered:
            yield Finding(
                "meaning",
                "S3",
                "info",
                f"{block.pointer}/start_time",
                f"nothing is said of {_clock(covered)} to {_clock(block.start)}",
                "gaps are allowed; fill this one if it is not meant",
            )
        covered = max(covered, block.end)


def _out_of_order(blocks: list[_Block]) -> Iterator[Finding]:
    for before, block in pairwise(blocks):
        if block.start < before.start:
            yield Finding(
                "meaning",
                "S3",
                "info",
                f"{block.pointer}/start_time",
                f"starts before the block that precedes it ({_clock(before.start)})",
                "any order is allowed; chronological order is easier on every reader",
            )
            return


def _ampere_of_all_phases(block: _Block) -> Iterator[Finding]:
    if block.unit == "A" and block.phase == "ALL":
        yield Finding(
            "meaning",
            "S5",
            "warning",
            f"{block.pointer}/phase",
            "amperes of ALL phases are ambiguous: a current is a current of one phase",
            "state it for ONE, TWO and THREE, or give a power in KW",
        )


def _conflicting_totals(blocks: list[_Block]) -> Iterator[Finding]:
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
            yield Finding(
                "meaning",
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
    yield Finding(
        "meaning",
        "S7",
        "info",
        f"{block.pointer}/unit",
        f"{amount} in this block is {power:g} {_POWER_OF_ENERGY[block.unit]}",
        "a WH or KWH capacity is the energy of its block: divide by the block's length to compare",
    )


def _clock(instant: datetime) -> str:
    return instant.strftime("%H:%M:%S" if instant.second else "%H:%M")

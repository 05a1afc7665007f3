"""The rules of meaning about forecasted blocks: each alone, and each among its neighbours.

S1 to S3 and S5 to S7 are those of oscp20.md §3.13. What has a longer name is not wrong by any text,
and nearly always a mistake: no service looks, so that it shows when the energy does not flow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Final, NamedTuple

from oscp_send.findings import Finding, Severity, Source
from oscp_send.times import read_instant

#: Larger numbers are skipped: JSON's integers have no limit, and the arithmetic here is in doubles.
FAR_FROM_OVERFLOW: Final = 1e300


class MeaningRule(NamedTuple):
    """A rule about the meaning of a message: how much it matters, and what to do."""

    name: str
    severity: Severity
    remedy: str
    source: Source = "documented"

    def __call__(self, pointer: str, what: str) -> Finding:
        """Return what is wrong in a place as a finding."""
        name, severity, remedy, source = self
        return Finding("meaning", name, severity, pointer, what, remedy, source)


def number(value: object) -> float | None:
    """Return a JSON number that is safe to calculate with, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < FAR_FROM_OVERFLOW else None


def instant(value: object) -> datetime | None:
    """Return the instant that a text names, or None for anything else."""
    return read_instant(value) if isinstance(value, str) else None


_LENGTH: Final = MeaningRule(
    "S1", "error", "SolarNetwork would let this through; a grid operator will not"
)
_OVERLAP: Final = MeaningRule(
    "S2",
    "error",
    "blocks of one phase and unit must not overlap: leave one of the two, or cut them",
)
_GAP: Final = MeaningRule("S3", "info", "gaps are allowed; fill this one if it is not intended")
_ORDER: Final = MeaningRule(
    "S3", "info", "any order is allowed; chronological order is easier for every reader"
)
_CURRENT: Final = MeaningRule(
    "S5", "warning", "state it for ONE, TWO and THREE, or give a power in KW"
)
_TOTAL: Final = MeaningRule(
    "S6", "warning", "state an interval either per phase or as ALL, or make the two agree"
)
_ENERGY: Final = MeaningRule(
    "S7",
    "info",
    "a WH or KWH capacity is the energy of its block: divide by the block's length to compare",
)
_LONG: Final = MeaningRule(
    "long-block",
    "warning",
    "look at the dates; for a limit that holds so long, send a forecast for each day",
)
_ODD_LENGTH: Final = MeaningRule("block-length", "info", "look at the times, if it is not intended")
_ODD_HOUR: Final = MeaningRule(
    "block-length",
    "warning",
    "an hour too much looks like daylight saving: compute the ends in UTC",
)
_SCALED: Final = MeaningRule(
    "capacity-scale",
    "warning",
    "are these watts as kilowatts, or the other way round? give all in one unit",
)
_PAST: Final = MeaningRule(
    "past-blocks",
    "warning",
    "leave out what is past; look at the dates and the clock if it is not intended",
)

_SINGLE_PHASES: Final = frozenset({"ONE", "TWO", "THREE"})
_POWER_OF_ENERGY: Final = MappingProxyType({"WH": "W", "KWH": "kW"})
_TOLERANCE: Final = 1e-9


class Block(NamedTuple):
    """A forecasted block; blocks sort by time. `capacity` is None where it is not a number."""

    start: datetime
    end: datetime
    position: int
    unit: str
    phase: str
    capacity: float | None

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the block in its message."""
        return f"/forecasted_blocks/{self.position}"

    def interval(self) -> str:
        """Return from when to when it is, with the dates where these differ."""
        if self.start.date() == self.end.date():
            return f"{_clock(self.start)} to {_clock(self.end)}"
        days = (f"{moment:%Y-%m-%d} {_clock(moment)}" for moment in (self.start, self.end))
        return " to ".join(days)


def read_blocks(
    listed: Iterable[object], instant: Callable[[object], datetime | None] = instant
) -> list[Block]:
    """Return the blocks whose times can be read, in the order of the message."""
    rows = [
        (start, end, at, str(raw.get("unit")), str(raw.get("phase")), number(raw.get("capacity")))
        for at, raw in enumerate(listed)
        if isinstance(raw, (dict, Mapping))  # a dict is found sooner
        and (start := instant(raw.get("start_time")))
        and (end := instant(raw.get("end_time")))
    ]
    return list(map(tuple.__new__, repeat(Block), rows))  # `Block(...)` takes twice as long


def judge_blocks(message: Mapping[str, object], now: datetime | None) -> Iterator[Finding]:
    """Yield what is wrong or odd about the forecasted blocks, each and together.

    Without `now`, none is past.
    """
    listed = message.get("forecasted_blocks")
    blocks = read_blocks(listed if isinstance(listed, list) else [])
    if not blocks:
        return
    forward = [block for block in blocks if block.start < block.end]
    if len(forward) < len(blocks):
        yield from _end_before_they_start(blocks)
    alike: dict[tuple[str, str], list[Block]] = defaultdict(list)
    for kind, run in groupby(forward, attrgetter("phase", "unit")):
        alike[kind] += run
    groups = [sorted(group) for group in alike.values()]
    joints = [joint for group in groups for joint in _joints(group)]
    yield from _overlaps(joints)
    yield from _gaps(joints)
    yield from _out_of_order(blocks)
    yield from _ampere_of_all_phases(blocks)
    yield from _conflicting_totals(forward)
    yield from _energy(forward)
    for group in groups:
        yield from _lengths(group)
    yield from _scales(groups)
    # The blocks of a compliance error repeat a forecast, which may have begun.
    if now is not None and "type" in message:
        yield from _past(forward, now)


def _end_before_they_start(blocks: list[Block]) -> Iterator[Finding]:
    for block in blocks:
        if block.end > block.start:
            continue
        what = "has no length" if block.end == block.start else "ends before it starts"
        yield _LENGTH(f"{block.pointer}/end_time", f"{what} ({block.interval()})")


def _joints(ordered: list[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield the blocks that do not start where those before end, behind the last that ends."""
    last = ordered[0]
    for block in ordered[1:]:
        if block.start != last.end:
            yield last, block
        if block.end > last.end:
            last = block


def _overlaps(joints: list[tuple[Block, Block]]) -> Iterator[Finding]:
    for last, block in joints:
        if block.start < last.end:
            what = f"{block.interval()} overlaps {last.pointer}, {last.interval()}"
            yield _OVERLAP(block.pointer, what)


def _gaps(joints: list[tuple[Block, Block]]) -> Iterator[Finding]:
    for last, block in joints:
        if block.start > last.end:
            what = f"no block covers {_clock(last.end)} to {_clock(block.start)}"
            yield _GAP(f"{block.pointer}/start_time", what)


def _out_of_order(blocks: list[Block]) -> Iterator[Finding]:
    for before, block in pairwise(blocks):
        if block.start < before.start:
            what = f"starts before the block that is listed before it ({_clock(before.start)})"
            yield _ORDER(f"{block.pointer}/start_time", what)
            return


def _ampere_of_all_phases(blocks: list[Block]) -> Iterator[Finding]:
    for block in blocks:
        if block.unit == "A" and block.phase == "ALL":
            what = "amperes for ALL phases are ambiguous: a current belongs to one phase"
            yield _CURRENT(f"{block.pointer}/phase", what)


def _conflicting_totals(blocks: list[Block]) -> Iterator[Finding]:
    if len({block.phase for block in blocks}) < 2:  # noqa: PLR2004 - a total, and what it is of
        return
    intervals: dict[tuple[datetime, datetime, str], dict[str, Block]] = defaultdict(dict)
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
            what = f"ALL says {stated:g} {total.unit}, its phases add up to {added:g}"
            yield _TOTAL(f"{total.pointer}/capacity", what)


def _energy(blocks: list[Block]) -> Iterator[Finding]:
    block = next((each for each in blocks if each.unit in _POWER_OF_ENERGY), None)
    if block is None or block.capacity is None:
        return
    power = block.capacity / ((block.end - block.start) / timedelta(hours=1))
    amount = f"{block.capacity:g} {block.unit}"
    what = f"{amount} in this block is {power:g} {_POWER_OF_ENERGY[block.unit]}"
    yield _ENERGY(f"{block.pointer}/unit", what)


_LONGEST: Final = timedelta(days=2)
_HOUR: Final = timedelta(hours=1)
# So many blocks of one length make another length odd.
_FEWEST_ALIKE: Final = 3


def _lengths(ordered: Sequence[Block]) -> Iterator[Finding]:
    """Yield the blocks that are longer than two days, or of another length than their neighbours.

    The first and the last may be cut; where lengths vary, none is odd.
    """
    lengths = [block.end - block.start for block in ordered]
    by_length = sorted(lengths)
    if by_length[-1] > _LONGEST:
        yield from map(_long, (each for each in ordered if each.end - each.start > _LONGEST))
    # What most have in common is in the middle.
    usual = by_length[len(lengths) // 2]
    count = lengths.count(usual)
    if count == len(lengths) or count < _FEWEST_ALIKE or 2 * count <= len(lengths):
        return
    for index in range(1, len(ordered) - 1):
        if lengths[index] != usual == lengths[index - 1] == lengths[index + 1]:
            yield _of_another_length(ordered[index], usual)


def _long(block: Block) -> Finding:
    what = f"is {_duration(block.end - block.start)} long ({block.interval()})"
    return _LONG(f"{block.pointer}/end_time", what)


def _of_another_length(block: Block, usual: timedelta) -> Finding:
    length = block.end - block.start
    what = (
        f"{block.interval()} is {_duration(length)} long, the blocks before and after it "
        f"{_duration(usual)}"
    )
    # In local time, a block of several hours may rightly have one more or less on those days.
    is_hour = usual <= _HOUR and abs(length - usual) == _HOUR
    rule = _ODD_HOUR if is_hour else _ODD_LENGTH
    return rule(f"{block.pointer}/end_time", what)


def _duration(length: timedelta) -> str:
    for unit, name in ((timedelta(days=1), "days"), (_HOUR, "h"), (timedelta(minutes=1), "min")):
        if length >= 2 * unit:
            return f"{length / unit:g} {name}"
    return f"{length.total_seconds():g} s"


_WATTS: Final = MappingProxyType({"W": 1.0, "KW": 1000.0, "WH": 1.0, "KWH": 1000.0})
_UNITS: Final = MappingProxyType({"W": "W", "KW": "W", "WH": "WH", "KWH": "WH"})
# A thousand times, with room for neighbours that are not quite alike.
_SCALE: Final = 500.0
_ALIKE: Final = 10.0


def _scales(groups: Iterable[Sequence[Block]]) -> Iterator[Finding]:
    """Yield the blocks whose capacity is some thousand times their neighbours', or as little."""
    comparable: dict[tuple[str, str], tuple[list[float], list[Block]]]
    comparable = defaultdict(lambda: ([], []))
    for group in groups:
        unit, phase = group[0].unit, group[0].phase
        amounts, blocks = comparable[_UNITS.get(unit, unit), phase]
        watts = _WATTS.get(unit, 1.0)
        amounts += [abs(each.capacity) * watts for each in group if each.capacity]
        blocks += [each for each in group if each.capacity]
    for amounts, blocks in comparable.values():
        # One and two neighbours.
        if len(amounts) > 2 and max(amounts) >= _SCALE * min(amounts):  # noqa: PLR2004
            by_time = sorted(zip(amounts, blocks, strict=True), key=lambda each: each[1].start)
            yield from _out_of_scale(by_time)


def _out_of_scale(amounts: Sequence[tuple[float, Block]]) -> Iterator[Finding]:
    last = len(amounts) - 1
    for index, (amount, block) in enumerate(amounts):
        near = (1, 2) if index == 0 else (last - 1, last - 2) if index == last else None
        one, other = (amounts[each] for each in near or (index - 1, index + 1))
        low, high = sorted((one[0], other[0]))
        if amount >= _SCALE * high and (near is None or high <= _ALIKE * low):
            yield _scaled(block, f"{amount / one[0]:,.0f} times", one[1])
        elif amount * _SCALE <= low and near is None:
            yield _scaled(block, f"1/{one[0] / amount:,.0f} of", one[1])


def _scaled(block: Block, times: str, neighbour: Block) -> Finding:
    what = (
        f"{block.capacity:g} {block.unit} is {times} the {neighbour.capacity:g} {neighbour.unit} "
        f"of {neighbour.pointer}"
    )
    return _SCALED(f"{block.pointer}/capacity", what)


def _past(blocks: Sequence[Block], now: datetime) -> Iterator[Finding]:
    """Yield one finding for all blocks that have ended; it is mere information if some have not."""
    past = [block for block in blocks if block.end <= now]
    if past:
        # Not what time it is now: the same message has the same text again.
        end = max(block.end for block in past).astimezone(UTC)
        is_all = len(past) == len(blocks)
        what = f"{'every block' if is_all else f'{len(past)} of {len(blocks)} blocks'} has ended"
        if not is_all and len(past) > 1:
            what = what.replace("has", "have")
        rule = _PAST if is_all else _PAST._replace(severity="info")
        yield rule(f"{past[0].pointer}/end_time", f"{what}, the last at {end:%Y-%m-%d %H:%M} UTC")


def _clock(instant: datetime) -> str:
    return instant.strftime("%H:%M:%S" if instant.second else "%H:%M")

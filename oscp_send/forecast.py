"""Forecasted blocks from a start, a step and a list of capacities."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from oscp_send.data_types import ForecastedBlock
from oscp_send.enumerations import ForecastedBlockUnit, PhaseIndicator
from oscp_send.errors import InvalidValue
from oscp_send.fields import instant, items, number

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["forecasted_blocks"]

_MILLISECOND = timedelta(milliseconds=1)


def forecasted_blocks(
    start: datetime,
    step: timedelta,
    capacities: Iterable[float],
    *,
    unit: ForecastedBlockUnit | str = ForecastedBlockUnit.KW,
    phase: PhaseIndicator | str = PhaseIndicator.ALL,
    end: datetime | None = None,
) -> tuple[ForecastedBlock, ...]:
    """Builds blocks of equal length that follow one another without a gap.

    Steps are counted in elapsed time, so that a day on which the clocks change has 23 or 25 hours:
    92 or 100 quarter hours from one local midnight to the next (OSCP rule S4).

    Args:
        start: Where the first block begins, as an aware datetime; `fold` chooses between the two
            instants of an hour that the clocks repeat.
        step: The length of each block, in whole milliseconds.
        capacities: The capacity of each block, at least one.
        unit: The unit of the capacities; kilowatt unless given.
        phase: The phase that they belong to; the sum of all unless given.
        end: Where the last block is expected to end, such as the next local midnight. Give it to
            be told of a day that has more or fewer steps than there are capacities.

    Raises:
        InvalidValue: A value is unusable, or the last block does not end at `end`.
    """
    if not isinstance(step, timedelta) or step <= timedelta(0) or step % _MILLISECOND:
        raise InvalidValue(
            "/step", f"{step!r} is no positive number of milliseconds", "give timedelta(minutes=15)"
        )
    first = instant("start", start)
    given = items("capacities", capacities, lambda n, v: number(n, v, minimum=0), at_least=1)
    if end is not None:
        _fills(first, instant("end", end), step, len(given))
    try:
        # In UTC: adding a step to a local time would follow the clock on the wall.
        times = [first + index * step for index in range(len(given) + 1)]
    except OverflowError:
        raise InvalidValue("/capacities", "the last block would end after the year 9999") from None
    return tuple(
        ForecastedBlock(capacity, unit, phase, begins, ends)
        for capacity, begins, ends in zip(given, times, times[1:], strict=False)
    )


def _fills(start: datetime, end: datetime, step: timedelta, count: int) -> None:
    needed, rest = divmod(end - start, step)
    if rest or needed <= 0:
        raise InvalidValue(
            "/end", f"{end - start} from start to end is no whole number of steps of {step}"
        )
    if needed != count:
        raise InvalidValue(
            "/capacities",
            f"{count} given, but {needed} steps of {step} lie between start and end",
            "a day on which the clocks change has 23 or 25 hours",
        )

"""How long `exec` waits for the result of an instruction (solaruser.md §1.9).

The setting `exec_waiting` chooses: until all results are final, or at the service's own pace, which
looks for the first time after about a second, and then less and less often. What that pace does on
a time-out and with several nodes is inferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from oscp_sim.instructions import Instruction, Instructions

#: Milliseconds; also the wait where the request gives none.
LONGEST_WAIT: Final = 60_000
TIMEOUT_MESSAGE: Final = "Timeout waiting for instruction result."
_SHORTEST_WAIT: Final = 100
# Seconds: the pause before the first look, what it grows by, and what a look itself takes.
_FIRST_PAUSE: Final = 0.5
_PAUSE_GROWS_BY: Final = 0.125
_LOOK_TAKES: Final = 0.5
# Seconds beyond the limit after which it is answered, though a look is under way; and how often it
# is the container that answers then (measured, 4 of 27).
_WAITS_LONGER: Final = 0.2
_CONTAINER_ANSWERS: Final = 4 / 27


@dataclass(frozen=True, slots=True)
class Results:
    """What `exec` answers.

    Attributes:
        rows: In the order in which they were queued. After a time-out, those that are not final say
            so in their result parameters, which is only shown and not stored.
        is_wrapped: Whether the reply has its `success` and `data`; the container's has not.
    """

    rows: list[Instruction]
    is_wrapped: bool = True


def wait_for_results(
    instructions: Instructions,
    rows: Sequence[Instruction],
    milliseconds: int | None,
    chance: Random | None = None,
) -> Results:
    """Return instructions once all are final, or the time is up.

    The milliseconds are limited to what the service allows; where they are too short to look again,
    the rows are the result as they were queued. With a chance the service's own pace is kept, and
    drawn who answers where its look comes too late.
    """
    wanted = LONGEST_WAIT if milliseconds is None else max(0, min(milliseconds, LONGEST_WAIT))
    if wanted < _SHORTEST_WAIT:
        return Results(list(rows))
    if chance is not None:
        return _at_the_services_pace(instructions, rows, wanted / 1000, chance)
    instructions.wait_until_final([row.id for row in rows], wanted / 1000)
    return Results([_timed_out(row) for row in _now(instructions, rows)])


def _at_the_services_pace(
    instructions: Instructions, rows: Sequence[Instruction], limit: float, chance: Random
) -> Results:
    waited = 0.0
    some_were_first = False
    for look in look_times(limit):
        if look > limit + _WAITS_LONGER:
            instructions.pause(limit + _WAITS_LONGER - waited)
            if chance.random() < _CONTAINER_ANSWERS:
                return Results(list(rows), is_wrapped=False)
            break
        instructions.pause(look - waited)
        waited = look
        finals = [row.is_final for row in _now(instructions, rows)]
        if all(finals) and not some_were_first:
            break
        # From here on the service waits for a count that it never reaches, and so to the limit.
        some_were_first = some_were_first or any(finals)
    return Results([_timed_out(row) for row in _now(instructions, rows)])


def look_times(limit: float) -> Iterator[float]:
    """Yield the seconds after which the service looks, the last one at or beyond the limit."""
    look, pause = 0.0, _FIRST_PAUSE
    while look < limit:
        look += pause + _LOOK_TAKES
        pause += _PAUSE_GROWS_BY
        yield look


def _now(instructions: Instructions, rows: Sequence[Instruction]) -> list[Instruction]:
    return [instructions.get(row.id) or row for row in rows]


def _timed_out(row: Instruction) -> Instruction:
    return row if row.is_final else replace(row, result={"message": TIMEOUT_MESSAGE})

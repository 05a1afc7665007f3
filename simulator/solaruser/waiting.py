"""Waiting for the result of an instruction, as `exec` does (SolarUser dossier §1.9).

The real service looks for the first time after about a second, and then less and less often. Here
the reply comes as soon as everything is final, which shows the same to a client, only sooner. What
else is left out is inferred in the dossier and of no use: that of several nodes none is answered
early once one was final before the others, and that a reply on time-out may lack its wrapper.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.instructions import Instruction, Instructions

__all__ = ["LONGEST_WAIT", "TIMEOUT_MESSAGE", "wait_for_results"]

#: Milliseconds; also how long is waited where nothing is said.
LONGEST_WAIT: Final = 60_000
TIMEOUT_MESSAGE: Final = "Timeout waiting for instruction result."
_SHORTEST_WAIT: Final = 100


def wait_for_results(
    instructions: Instructions, rows: Sequence[Instruction], milliseconds: int | None
) -> list[Instruction]:
    """Answers with instructions once all are final, or the time is up.

    Args:
        instructions: Where they are.
        rows: As they were queued; they are the answer where there is no time to wait.
        milliseconds: As asked for; what is beyond the bounds is brought back to them.

    Returns:
        The instructions in the same order. On time-out those that are not final say so in their
        result parameters, which is shown only and not stored.
    """
    wanted = LONGEST_WAIT if milliseconds is None else max(0, min(milliseconds, LONGEST_WAIT))
    if wanted < _SHORTEST_WAIT:
        return list(rows)
    instructions.wait_until_final([row.id for row in rows], wanted / 1000)
    return [_timed_out(instructions.get(row.id) or row) for row in rows]


def _timed_out(row: Instruction) -> Instruction:
    return row if row.is_final else replace(row, result={"message": TIMEOUT_MESSAGE})

"""What time alone does to an instruction: the jobs that SolarNetwork runs over its database.

As observed in SolarNetwork (SolarUser dossier §2.6). There is no job here: whoever looks at an
instruction sees it as the jobs would have left it by then. The weekly purge of old instructions is
left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from simulator.instruction import Instruction

__all__ = ["EXPIRY_JOB_EVERY", "STALE_AFTER", "WHY", "aged"]

STALE_AFTER = timedelta(seconds=30)
EXPIRY_JOB_EVERY = timedelta(seconds=60)

#: What to tell a person of the state that time has brought an instruction to.
WHY: Mapping[str, str] = MappingProxyType(
    {
        "Queued": "it was not claimed within 30 s of its instructionDate, so it is never delivered",
        "Declined": "it was not finished by its expirationDate",
    }
)


def aged(row: Instruction, now: datetime, *, gives_up: bool = True) -> Instruction:
    """Answers with an instruction as the jobs leave it: the same object where nothing is due.

    Args:
        row: As it was.
        now: What time it is.
        gives_up: Whether the job that gives up what nobody claims is running.
    """
    if row.is_final:
        return row
    return _expired(_stale(row, now) if gives_up else row, now)


def _stale(row: Instruction, now: datetime) -> Instruction:
    """Gives up one that nobody claimed: the Flexibility Provider takes nothing but `Queuing`.

    The job runs every 10 seconds; here it is always on time, so that an instruction whose own date
    is past is never delivered, rather than sometimes.
    """
    if row.state == "Queuing" and now - row.instruction_date > STALE_AFTER:
        return replace(row, state="Queued")
    return row


def _expired(row: Instruction, now: datetime) -> Instruction:
    """Declines one whose time has run out.

    The Flexibility Provider does not look at the expiration date, so an instruction that is past it
    from the start is delivered all the same, unless the job comes first. That the job comes no
    sooner than its 60 seconds after the instruction was stored is inferred.
    """
    date = row.expiration_date
    if date is None or date >= now or now - row.created < EXPIRY_JOB_EVERY:
        return row
    return replace(row, state="Declined", result={**row.result, "message": "Expired"})

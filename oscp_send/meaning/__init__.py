"""What no schema says of a message: the rules S1 to S19 that need no history (OSCP dossier §3.13).

The real services enforce none of them, so they warn; a grid operator will not be so kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from oscp_send.meaning.behaviour import judge_behaviour, judge_heartbeat
from oscp_send.meaning.blocks import judge_blocks
from oscp_send.meaning.measurements import judge_measurements
from oscp_send.meaning.times import judge_times

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_send.findings import Finding

__all__ = ["judge_meaning"]


def judge_meaning(message: object, now: datetime) -> Iterator[Finding]:
    """Yields what is wrong with the meaning of a parsed message, valid by its schema or not.

    Parts that the schema refuses are passed over, so that one mistake is reported once; but a time
    without an offset is, because the schema does not say why that matters (S4).

    Args:
        message: The parsed message; anything but an object has no meaning to judge.
        now: The time against which a heartbeat is held.
    """
    if not isinstance(message, Mapping):
        return
    yield from judge_times(message)
    yield from judge_blocks(message)
    yield from judge_behaviour(message)
    yield from judge_heartbeat(message, now)
    yield from judge_measurements(message)

"""Follow an instruction to its end, with a deadline and ever longer pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from oscp_send.errors import DeadlinePassed, RateLimited, Refused, Unreachable
from oscp_send.hints import state_hint
from oscp_send.instruction import InstructionStatus
from oscp_send.transport import raise_if_declined
from oscp_send.values import InvalidValue, OscpSendError

_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 10.0
_SHORTEST_LOOK: Final = 1.0


def wait_for_end(
    instruction: InstructionStatus | int,
    look: Callable[[int, float], InstructionStatus | None],
    *,
    timeout: float,
    poll: float,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> InstructionStatus:
    """Look at an instruction until it is Completed, and return it.

    A busy service and failing connections are tolerated until the deadline.

    Args:
        instruction: The instruction, or its id. One that is known to be final is not looked at.
        look: Looks at the instruction with this id, in at most so many seconds.
        timeout: How many seconds to wait.
        poll: How many seconds to pause before the second look; each pause is half as long again
            as the one before, up to 10 seconds.
        clock: Returns the present time, for a service that names a time to come back at.
        sleep: Pauses for some seconds.

    Raises:
        InstructionDeclined: It ended as Declined.
        DeadlinePassed: It did not end in time.
        InvalidValue: The timeout or the pause is unusable.
        Refused: SolarUser does not know the instruction, or does not show it.
    """
    if not (timeout >= 0 and poll > 0):
        raise InvalidValue("", f"timeout {timeout} and poll {poll} must be positive seconds")
    known: InstructionStatus | None = None
    if isinstance(instruction, InstructionStatus):
        known, number = instruction, instruction.id
    else:
        number = instruction
    trouble: OscpSendError | None = None
    began, slept, pause = time.monotonic(), 0.0, poll
    while known is None or not known.state.is_final:
        # Pauses count even if `sleep` returns at once, so that any sleep leads to the deadline.
        remaining = timeout - max(time.monotonic() - began, slept)
        wanted = pause
        try:
            known, trouble = _seen(number, look(number, max(remaining, _SHORTEST_LOOK))), None
        except RateLimited as error:
            trouble = error
            if error.retry_at is not None:
                wanted = max(pause, (error.retry_at - clock()).total_seconds())
        except Unreachable as error:
            trouble = error
        if known is not None and known.state.is_final:
            break
        if remaining <= 0:
            hint = state_hint(known.state) if known is not None else ""
            raise DeadlinePassed(number, timeout, instruction=known, trouble=trouble, hint=hint)
        nap = min(wanted, remaining)
        sleep(nap)
        slept += nap
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
    return raise_if_declined(known)


def _seen(number: int, found: InstructionStatus | None) -> InstructionStatus:
    if found is None:
        raise Refused(
            200,
            f"SolarUser knows no instruction {number}",
            hint="Check its id; finished instructions are removed after some weeks.",
        )
    return found

"""The user events of an instruction that SolarUser declines or queues (SolarUser dossier §9.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.solaruser.queue_hook import Admitted, Declined

if TYPE_CHECKING:
    from simulator.user_events import UserEvents

__all__ = ["tell_outcome"]

_TAGS = ("oscp", "instruction")


def tell_outcome(
    events: UserEvents, user_id: int, instruction_id: int, outcome: Admitted | Declined | None
) -> None:
    """Tells a node's owner what the queue hook made of an instruction.

    Args:
        events: Where to tell it.
        user_id: The owner.
        instruction_id: Left out of what is told of a refusal: the real hook refuses before there
            is an id.
        outcome: None for an instruction on a topic that is not the hook's, which nobody is told of.
    """
    if isinstance(outcome, Declined):
        events.add(user_id, (*_TAGS, "error"), outcome.event or outcome.error, _refusal(outcome))
    elif outcome is not None:
        data = {
            "instructionId": instruction_id,
            "action": outcome.action,
            "coId": outcome.optimizer,
            "cgIdentifier": outcome.group,
            "content": outcome.message,
        }
        events.add(user_id, (*_TAGS, "in"), "Queued instruction", data)


def _refusal(outcome: Declined) -> dict[str, object]:
    if outcome.event is None:
        return dict(outcome.known)
    return {**outcome.known, "message": outcome.error}

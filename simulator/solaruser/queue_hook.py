"""The OSCP queue hook: would SolarUser queue an instruction, and if not, why.

The checks stand in the service's order (SolarUser dossier §3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import hook_texts
from oscp_send.solarnetwork.java import parse_long
from oscp_send.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oscp_send.fidelity import Behaviour
    from simulator.world import User

__all__ = ["Admitted", "Declined", "judge_instruction"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """An instruction that goes on to the Flexibility Provider."""

    action: str
    optimizer: int
    group: str
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declined:
    """An instruction that ends here, with the reason that the service gives."""

    error: str


def judge_instruction(
    parameters: Mapping[str, str], owner: User, behaviour: Behaviour
) -> Admitted | Declined:
    """Answers with what the hook makes of an instruction on the topic `OSCP_v20`.

    Args:
        parameters: Joined, in order of first appearance.
        owner: The node's owner, under whom everything is looked up.
        behaviour: Which side of each difference to follow.
    """
    if not parameters:
        return Declined(hook_texts.MISSING_PARAMETERS)
    action = parameters.get("action", "")
    if not action.strip():
        return Declined(hook_texts.MISSING_ACTION)
    optimizer = _optimizer_id(parameters.get("coId"))
    if isinstance(optimizer, Declined):
        return optimizer
    identifier = parameters.get("cgIdentifier", "")
    if not identifier.strip():
        return Declined(hook_texts.MISSING_GROUP)
    return _unknown(owner, optimizer, identifier) or _judged(
        action, optimizer, identifier, parameters.get("msg", ""), behaviour
    )


def _optimizer_id(text: str | None) -> int | Declined:
    if text is None:
        return Declined(hook_texts.MISSING_OPTIMIZER)
    try:
        return parse_long(text)
    except ValueError:
        return Declined(hook_texts.INVALID_OPTIMIZER)


def _unknown(owner: User, optimizer_id: int, identifier: str) -> Declined | None:
    """Refuses what does not exist for the owner, or is not enabled."""
    optimizer = owner.optimizer(optimizer_id)
    if optimizer is None or not optimizer.enabled:
        return Declined(hook_texts.UNKNOWN_OPTIMIZER)
    group = owner.group(optimizer_id, identifier)
    if group is None or not group.enabled:
        return Declined(hook_texts.UNKNOWN_GROUP)
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        return Declined(hook_texts.UNKNOWN_PROVIDER)
    return None


def _judged(
    action: str, optimizer: int, identifier: str, text: str, behaviour: Behaviour
) -> Admitted | Declined:
    ruling = verdict(action, text, behaviour)
    message = ruling.decoded
    if message is None:
        return Declined(ruling.error or "")
    if action == "AdjustGroupCapacityForecast" and message["group_id"] != identifier:
        return Declined(hook_texts.GROUP_MISMATCH)
    return Admitted(action, optimizer, identifier, message)

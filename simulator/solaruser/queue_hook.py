"""The OSCP queue hook: would SolarUser queue an instruction, and if not, why.

The checks stand in the service's order (SolarUser dossier §3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import hook_texts
from oscp_send.solarnetwork.addressing import Address, Unaddressed, read_address
from oscp_send.verdict import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oscp_send.fidelity import Behaviour
    from simulator.world import User

__all__ = ["Admitted", "Declined", "judge_instruction"]

_INVALID = "Invalid OSCP message"
_FAILED = "Error handling OSCP message"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An instruction that goes on to the Flexibility Provider."""

    action: str
    optimizer: int
    group: str
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declined:
    """An instruction that ends here.

    Attributes:
        error: The reason that the service gives.
        known: What was read by then: `action`, `coId`, `cgIdentifier`.
        event: What the user event says of a message that was refused; None where the message was
            not even looked at.
    """

    error: str
    known: Mapping[str, Any] = field(default_factory=dict)
    event: str | None = None


def judge_instruction(
    parameters: Mapping[str, str], owner: User, behaviour: Behaviour
) -> Admitted | Declined:
    """Answers with what the hook makes of an instruction on the topic `OSCP_v20`.

    Args:
        parameters: Joined, in order of first appearance.
        owner: The node's owner, under whom everything is looked up.
        behaviour: Which side of each difference to follow.
    """
    address = read_address(parameters)
    if isinstance(address, Unaddressed):
        return Declined(address.error, address.known)
    unknown = _unknown(owner, address)
    if unknown is not None:
        return Declined(unknown, address.known())
    return _judged(address, parameters.get("msg", ""), behaviour)


def _unknown(owner: User, address: Address) -> str | None:
    """Answers with why something does not exist for the owner, or is not enabled."""
    optimizer = owner.optimizer(address.optimizer)
    if optimizer is None or not optimizer.enabled:
        return hook_texts.UNKNOWN_OPTIMIZER
    group = owner.group(address.optimizer, address.group)
    if group is None or not group.enabled:
        return hook_texts.UNKNOWN_GROUP
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        return hook_texts.UNKNOWN_PROVIDER
    return None


def _judged(address: Address, text: str, behaviour: Behaviour) -> Admitted | Declined:
    ruling = verdict(address.action, text, behaviour)
    message = ruling.decoded
    if message is None:
        return Declined(ruling.error or "", address.known(), _event(ruling, behaviour))
    is_adjustment = address.action == "AdjustGroupCapacityForecast"
    if is_adjustment and message["group_id"] != address.group:
        return Declined(hook_texts.GROUP_MISMATCH, address.known(), _INVALID)
    return Admitted(address.action, address.optimizer, address.group, message)


def _event(ruling: Verdict, behaviour: Behaviour) -> str:
    """Answers with what the user is told: was the message refused, or did reading it fail?

    By the exception behind each refusal (SolarUser dossier §3.3).
    """
    if ruling.stage == "document" and ruling.document is not None:
        return _FAILED if ruling.document.value is None else _INVALID
    if ruling.stage == "json":
        # Were it not for the change of libraries, the service would wrap the parser's exception.
        return _FAILED if behaviour.follows_service("malformed_message") else _INVALID
    return _FAILED if ruling.stage in {"schema-lookup", "decode"} else _INVALID

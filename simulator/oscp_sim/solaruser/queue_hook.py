"""The OSCP queue hook: whether SolarUser queues an instruction, and why not.

The checks are in the service's order (solaruser.md §3.1). The outcome becomes the instruction's
state and a user event (solaruser.md §9.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oscp_send.fidelity import Behaviour
from oscp_send.judgement import Verdict, verdict
from oscp_send.solarnetwork import texts
from oscp_send.solarnetwork.texts import Address, Unaddressed, read_address
from oscp_sim.user_events import UserEvents
from oscp_sim.world import CapacityProvider, User

_INVALID: Final = "Invalid OSCP message"
_FAILED: Final = "Error handling OSCP message"
_TAGS: Final = ("oscp", "instruction")


@dataclass(frozen=True, slots=True)
class Admitted:
    """An instruction for the Flexibility Provider, its message as it is kept."""

    action: str
    optimizer: int
    group: str
    provider: int
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declined:
    """An instruction that ends here.

    Attributes:
        error: The reason that the service gives.
        known: What was read by then: `action`, `coId`, `cgIdentifier`.
        event: What the user event says about a refused message; None where the check that failed
            comes before the message.
    """

    error: str
    known: Mapping[str, Any] = field(default_factory=dict)
    event: str | None = None


def judge_instruction(
    parameters: Mapping[str, str], owner: User, behaviour: Behaviour
) -> Admitted | Declined:
    """Return what the hook decides about an instruction on the topic `OSCP_v20`."""
    address = read_address(parameters)
    if isinstance(address, Unaddressed):
        return Declined(address.error, address.known)
    provider = _provider(owner, address)
    if isinstance(provider, str):
        return Declined(provider, address.known())
    ruling = verdict(address.action, parameters.get("msg", ""), behaviour)
    message = ruling.decoded
    if message is None:
        return Declined(ruling.error or "", address.known(), _event(ruling, behaviour))
    is_adjustment = address.action == "AdjustGroupCapacityForecast"
    if is_adjustment and message["group_id"] != address.group:
        return Declined(texts.GROUP_MISMATCH, address.known(), _INVALID)
    return Admitted(address.action, address.optimizer, address.group, provider.id, message)


def _provider(owner: User, address: Address) -> CapacityProvider | str:
    """Return whom a message is for, or the text about what the owner lacks or has not enabled."""
    optimizer = owner.optimizer(address.optimizer)
    if optimizer is None or not optimizer.enabled:
        return texts.UNKNOWN_OPTIMIZER
    group = owner.group(address.optimizer, address.group)
    if group is None or not group.enabled:
        return texts.UNKNOWN_GROUP
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        return texts.UNKNOWN_PROVIDER
    return provider


def _event(ruling: Verdict, behaviour: Behaviour) -> str:
    """Return whether the event calls a message invalid, or says that reading it failed.

    That depends on the exception behind each refusal (solaruser.md §3.3).
    """
    if ruling.stage == "document" and ruling.document is not None:
        return _FAILED if ruling.document.value is None else _INVALID
    if ruling.stage == "json":
        # Were it not for the change of libraries, the service would wrap the parser's exception.
        return _FAILED if behaviour.follows_service("malformed_message") else _INVALID
    return _FAILED if ruling.stage in {"schema-lookup", "decode"} else _INVALID


def add_event(
    events: UserEvents, user_id: int, instruction_id: int, outcome: Admitted | Declined
) -> None:
    """Add the user event about what the hook decided.

    That of a refusal has no instruction id: the real hook refuses before there is one.
    """
    if isinstance(outcome, Admitted):
        data: dict[str, object] = {
            "instructionId": instruction_id,
            "action": outcome.action,
            "coId": outcome.optimizer,
            "cgIdentifier": outcome.group,
            "content": outcome.message,
        }
        events.add(user_id, (*_TAGS, "in"), "Queued instruction", data)
        return
    message = {} if outcome.event is None else {"message": outcome.error}
    data = {**outcome.known, **message}
    events.add(user_id, (*_TAGS, "error"), outcome.event or outcome.error, data)

"""What the Flexibility Provider does with one message from the queue (SolarUser dossier §4.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import hook_texts, jackson
from simulator.flexibility_provider.delivery import Delivery, DeliveryFailed, UnknownRecipient
from simulator.flexibility_provider.events import InstructionEvents
from simulator.flexibility_provider.headers import delivery_headers
from simulator.flexibility_provider.url_paths import PATHS, configured_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oscp_send.fidelity import Behaviour
    from simulator.flexibility_provider.outbox import Outbox
    from simulator.hand_off import QueuedMessage
    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup, CapacityProvider

__all__ = ["handle"]

# As documented; nothing of it is applied to instructions (SolarUser dossier §12).
_CUSTOMISABLE = frozenset({"AdjustGroupCapacityForecast", "GroupCapacityComplianceError"})


def handle(
    message: QueuedMessage, rooms: Rooms, outbox: Outbox, new_request_id: Callable[[], str]
) -> None:
    """Claims an instruction, delivers its message, and settles its state.

    Nothing happens to one that is not `Queuing` any more.

    Args:
        message: From the queue.
        rooms: The shared rooms.
        outbox: Sends it.
        new_request_id: Makes an X-Request-ID.
    """
    claimed = rooms.instructions.change("flexibility_provider", message.id, "Queuing", "Executing")
    if claimed is None:
        return
    # Each event is told before the state that goes with it: who sees the state finds the event.
    events = InstructionEvents(rooms.events, message)
    try:
        after = _deliver(message, rooms, events, outbox, new_request_id)
    except DeliveryFailed as failure:
        _later(rooms, failure.after, partial(_decline, message, rooms, events, failure))
        return
    _later(rooms, after, partial(_complete, message, rooms, events))


def _deliver(
    message: QueuedMessage,
    rooms: Rooms,
    events: InstructionEvents,
    outbox: Outbox,
    new_request_id: Callable[[], str],
) -> float:
    """Answers with the seconds by the simulator's clock until the provider has answered."""
    group, provider = _recipients(message, rooms)
    content = _content(message, group)
    events.processing(content, provider)
    delivery = _delivery(message, content, provider, rooms, new_request_id)
    if delivery is None:
        _note_silence(message, rooms)
        return 0.0
    try:
        reply = outbox.send(message.user_id, provider, delivery)
    except DeliveryFailed as failure:
        if failure.problem is not None:
            events.not_answered(delivery, failure.problem)
        raise
    events.answered(delivery)
    return reply.after


def _later(rooms: Rooms, seconds: float, task: Callable[[], None]) -> None:
    if seconds:
        rooms.agenda.after(seconds, task)
    else:
        task()


def _complete(message: QueuedMessage, rooms: Rooms, events: InstructionEvents) -> None:
    events.posted()
    rooms.instructions.change("flexibility_provider", message.id, "Executing", "Completed")


def _decline(
    message: QueuedMessage, rooms: Rooms, events: InstructionEvents, failure: DeliveryFailed
) -> None:
    events.failed(failure)
    result = {"error": str(failure)}
    rooms.instructions.change("flexibility_provider", message.id, "Executing", "Declined", result)


def _content(message: QueuedMessage, group: CapacityGroup) -> dict[str, Any]:
    if message.action == "AdjustGroupCapacityForecast":
        return {**message.msg, "group_id": group.identifier}
    return dict(message.msg)


def _delivery(
    message: QueuedMessage,
    content: Mapping[str, Any],
    provider: CapacityProvider,
    rooms: Rooms,
    new_request_id: Callable[[], str],
) -> Delivery | None:
    """Answers with the request to make, or None where the provider has no base URL."""
    if message.action == "UpdateGroupCapacityForecast" and rooms.behaviour.follows_service(
        "group_forecasts"
    ):
        raise DeliveryFailed(hook_texts.unsupported_action(message.action))
    base_url = rooms.addresses.of_system(provider)
    if base_url is None:
        return None
    if provider.oscp_version != "2.0":
        raise DeliveryFailed(
            f"[{message.action}] task with CapacityOptimizer ({message.user_id},{provider.id}) "
            f"failed because the OSCP version {provider.oscp_version or 'null'} is not supported."
        )
    return Delivery(
        "capacity_provider",
        message.action,
        base_url + _path(message.action, provider, rooms.behaviour),
        delivery_headers(provider, new_request_id(), message.correlation_id),
        jackson.write(content),
        message.id,
    )


def _path(action: str, provider: CapacityProvider, behaviour: Behaviour) -> str:
    """Answers with the path of a message; that the keys of `url-paths` are actions is inferred."""
    if action in _CUSTOMISABLE and not behaviour.follows_service("url_paths"):
        configured = configured_path(provider, action)
        if configured is not None:
            return configured
    return PATHS[action]


def _recipients(message: QueuedMessage, rooms: Rooms) -> tuple[CapacityGroup, CapacityProvider]:
    """Looks everything up once more: the world may have changed since the message was queued."""
    owner = rooms.world.user(message.user_id)
    optimizer = owner.optimizer(message.co_id) if owner else None
    if owner is None or optimizer is None or not optimizer.enabled:
        raise UnknownRecipient(hook_texts.UNKNOWN_OPTIMIZER)
    group = owner.group(message.co_id, message.cg_identifier)
    if group is None or not group.enabled:
        raise UnknownRecipient(hook_texts.UNKNOWN_GROUP)
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        raise UnknownRecipient(hook_texts.UNKNOWN_PROVIDER)
    return group, provider


def _note_silence(message: QueuedMessage, rooms: Rooms) -> None:
    rooms.journal.append(
        "flexibility_provider",
        "note",
        action=message.action,
        instruction_id=message.id,
        detail={
            "why": "the Capacity Provider has no base URL: nothing is sent, and the instruction "
            "is Completed all the same"
        },
    )

"""What the Flexibility Provider does with one message from the queue (SolarUser dossier §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import hook_texts, jackson
from simulator.flexibility_provider.delivery import Delivery, DeliveryFailed, UnknownRecipient, post
from simulator.flexibility_provider.events import InstructionEvents
from simulator.flexibility_provider.headers import delivery_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from oscp_send.fidelity import Behaviour
    from simulator.hand_off import QueuedMessage
    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup, CapacityProvider

__all__ = ["PATHS", "handle"]

PATHS: Mapping[str, str] = MappingProxyType(
    {
        "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
        "GroupCapacityComplianceError": "/group_capacity_compliance_error",
        "Handshake": "/handshake",
        "UpdateAssetMeasurement": "/update_asset_measurements",
        "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
        "UpdateGroupMeasurements": "/update_group_measurements",
    }
)

# As documented; nothing of it is applied to instructions (SolarUser dossier §12).
_CUSTOMISABLE = frozenset({"AdjustGroupCapacityForecast", "GroupCapacityComplianceError"})


def handle(
    message: QueuedMessage,
    rooms: Rooms,
    session: requests.Session,
    *,
    simulated_provider: str,
    new_request_id: Callable[[], str],
) -> None:
    """Claims an instruction, delivers its message, and settles its state.

    An instruction that is no longer `Queuing` is somebody else's and is left alone.

    Args:
        message: As SolarUser handed it over.
        rooms: The shared rooms.
        session: Carries the request.
        simulated_provider: The base URL of the Capacity Provider that the simulator plays.
        new_request_id: Makes an X-Request-ID.
    """
    instructions = rooms.instructions
    claimed = instructions.change("flexibility_provider", message.id, "Queuing", "Executing")
    if claimed is None:
        return
    # Each event is told before the state that goes with it: who sees the state finds the event.
    events = InstructionEvents(rooms.events, message)
    try:
        group, provider = _recipients(message, rooms)
        content = _content(message, group)
        events.processing(content, provider)
        delivery = _delivery(message, content, provider, rooms, simulated_provider, new_request_id)
        if delivery is None:
            _note_silence(message, rooms)
        else:
            _post(session, delivery, rooms, events)
    except DeliveryFailed as failure:
        events.failed(failure)
        result = {"error": str(failure)}
        instructions.change("flexibility_provider", message.id, "Executing", "Declined", result)
        return
    events.posted()
    instructions.change("flexibility_provider", message.id, "Executing", "Completed")


def _content(message: QueuedMessage, group: CapacityGroup) -> dict[str, Any]:
    if message.action == "AdjustGroupCapacityForecast":
        return {**message.msg, "group_id": group.identifier}
    return dict(message.msg)


def _post(
    session: requests.Session, delivery: Delivery, rooms: Rooms, events: InstructionEvents
) -> None:
    try:
        post(session, delivery, rooms.journal)
    except DeliveryFailed as failure:
        if failure.problem is not None:
            events.not_answered(delivery, failure.problem)
        raise
    events.answered(delivery)


def _delivery(  # noqa: PLR0917 - each of them is needed
    message: QueuedMessage,
    content: Mapping[str, Any],
    provider: CapacityProvider,
    rooms: Rooms,
    simulated_provider: str,
    new_request_id: Callable[[], str],
) -> Delivery | None:
    """Answers with the request to make, or None where the provider has no base URL."""
    if message.action == "UpdateGroupCapacityForecast" and rooms.behaviour.follows_service(
        "group_forecasts"
    ):
        raise DeliveryFailed(hook_texts.unsupported_action(message.action))
    base_url = provider.deliver_to(simulated_provider)
    if not base_url or not base_url.strip():
        return None
    if provider.oscp_version != "2.0":
        raise DeliveryFailed(
            f"[{message.action}] task with CapacityOptimizer ({message.user_id},{provider.id}) "
            f"failed because the OSCP version {provider.oscp_version or 'null'} is not supported."
        )
    request_id = new_request_id()
    return Delivery(
        message.action,
        message.id,
        provider.id,
        provider.registration_status[0].lower(),
        provider.oscp_version,
        request_id,
        base_url + _path(message.action, provider, rooms.behaviour),
        delivery_headers(provider, request_id, message.correlation_id),
        jackson.write(content),
    )


def _path(action: str, provider: CapacityProvider, behaviour: Behaviour) -> str:
    """Answers with the path of a message; that the keys of `url-paths` are actions is inferred."""
    configured = (provider.service_props or {}).get("url-paths")
    if action in _CUSTOMISABLE and not behaviour.follows_service("url_paths"):
        path = configured.get(action) if isinstance(configured, Mapping) else None
        if isinstance(path, str):
            return path
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

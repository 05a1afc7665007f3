"""What the Flexibility Provider does with one message from the queue (SolarUser dossier §4.1)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from oscp_send.solarnetwork import hook_texts, jackson
from simulator.flexibility_provider.delivery import Delivery, DeliveryFailed, post

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

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
    try:
        delivery = _delivery(message, rooms, simulated_provider, new_request_id)
        if delivery is not None:
            post(session, delivery, rooms.journal)
    except DeliveryFailed as failure:
        result = {"error": str(failure)}
        instructions.change("flexibility_provider", message.id, "Executing", "Declined", result)
        return
    if delivery is None:
        _note_silence(message, rooms)
    instructions.change("flexibility_provider", message.id, "Executing", "Completed")


def _delivery(
    message: QueuedMessage,
    rooms: Rooms,
    simulated_provider: str,
    new_request_id: Callable[[], str],
) -> Delivery | None:
    """Answers with the request to make, or None where the provider has no base URL."""
    group, provider = _recipients(message, rooms)
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
            f"failed because the OSCP version {provider.oscp_version} is not supported."
        )
    content = dict(message.msg)
    if message.action == "AdjustGroupCapacityForecast":
        content["group_id"] = group.identifier
    headers = {
        "Authorization": f"Token {provider.token}",
        "Content-Type": "application/json",
        "X-Request-ID": new_request_id(),
    }
    if message.correlation_id is not None:
        headers["X-Correlation-ID"] = message.correlation_id
    return Delivery(
        message.action,
        message.id,
        base_url + PATHS[message.action],
        headers,
        jackson.write(content),
    )


def _recipients(message: QueuedMessage, rooms: Rooms) -> tuple[CapacityGroup, CapacityProvider]:
    """Looks everything up once more: the world may have changed since the message was queued."""
    owner = rooms.world.user(message.user_id)
    optimizer = owner.optimizer(message.co_id) if owner else None
    if owner is None or optimizer is None or not optimizer.enabled:
        raise DeliveryFailed(hook_texts.UNKNOWN_OPTIMIZER)
    group = owner.group(message.co_id, message.cg_identifier)
    if group is None or not group.enabled:
        raise DeliveryFailed(hook_texts.UNKNOWN_GROUP)
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        raise DeliveryFailed(hook_texts.UNKNOWN_PROVIDER)
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

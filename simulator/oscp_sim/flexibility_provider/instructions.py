"""What the Flexibility Provider does with one message from the queue (solaruser.md §4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from oscp_send.fidelity import Behaviour
from oscp_send.solarnetwork import json_reading, texts
from oscp_sim.flexibility_provider.delivery import Delivery, DeliveryFailed, UnknownRecipient
from oscp_sim.flexibility_provider.outbox import PATHS, Outbox, configured_path, delivery_headers
from oscp_sim.instructions import QueuedMessage
from oscp_sim.shared import Shared
from oscp_sim.user_events import UserEvent, UserEvents
from oscp_sim.world import CapacityGroup, CapacityProvider

__all__ = ["InstructionEvents", "handle"]


# § The user events of an instruction that the Flexibility Provider delivers.
#
# As observed in SolarNetwork (solaruser.md §9.1).

_TAGS = ("oscp", "instruction")
_REDACTED = "[redacted]"
_NOT_SENT = "Error sending OSCP message to capacity provider"
_SHORTEST_SECRET = 8
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class InstructionEvents:
    """Tells the owner of one instruction what becomes of it.

    Args:
        events: Where to tell it.
        message: The instruction, as SolarUser handed it over.
    """

    def __init__(self, events: UserEvents, message: QueuedMessage) -> None:
        self._events = events
        self._user_id = message.user_id
        self._secrets: tuple[str, ...] = ()
        self._provider: CapacityProvider | None = None
        self._known: dict[str, Any] = {
            "instructionId": message.id,
            "action": message.action,
            "coId": message.co_id,
            "cgIdentifier": message.cg_identifier,
            # Not decoded until everything that the instruction names is found.
            "content": None,
            "correlationId": message.correlation_id,
        }

    def processing(self, content: Mapping[str, Any], provider: CapacityProvider) -> None:
        """The instruction is claimed, and its message decoded.

        Args:
            content: The message as it is going to be sent.
            provider: Whose credentials are taken out of all that is told from now on: an answer
                may quote its request.
        """
        self._known["content"] = content
        self._provider = provider
        self._secrets = _secrets(provider)
        told = self._tell((), "Processing queued instruction")
        # In the form of a user event, so that it need not be written anew for each.
        self._known |= told.data or {}

    def answered(self, delivery: Delivery) -> None:
        """The Capacity Provider took the message."""
        self._tell_http((), "Success", delivery)

    def not_answered(self, delivery: Delivery, problem: str) -> None:
        """The Capacity Provider refused the message, or could not be reached."""
        self._tell_http(("error",), problem, delivery)

    def posted(self) -> None:
        """The instruction is Completed, even where its provider has no base URL to post to."""
        self._tell(("out",), "Posted instruction")

    def failed(self, failure: Exception) -> None:
        """The instruction is Declined.

        That what is unknown is told twice, as the event's message and in its data, and that an
        action without a path is told as what could not be sent, is (inferred).
        """
        reason = self._open(str(failure))
        message = reason if isinstance(failure, UnknownRecipient) else _NOT_SENT
        self._tell(("error",), message, {"message": reason})

    def _tell(
        self, tags: tuple[str, ...], message: str, more: Mapping[str, Any] = _NOTHING
    ) -> UserEvent:
        return self._events.add(self._user_id, (*_TAGS, *tags), message, {**self._known, **more})

    def _tell_http(self, tags: tuple[str, ...], message: str, delivery: Delivery) -> None:
        provider = self._provider
        data = {
            "configId": provider and provider.id,
            "regStatus": provider and provider.registration_status[0].lower(),
            "v": provider and provider.oscp_version,
            "url": self._open(delivery.url),
            "method": "POST",
            "requestId": delivery.request_id,
            "correlationId": self._known["correlationId"],
            "content": self._known["content"],
        }
        self._events.add(self._user_id, (*_TAGS, *tags, "http"), self._open(message), data)

    def _open(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return text


def _secrets(provider: CapacityProvider) -> tuple[str, ...]:
    base_url = provider.base_url if isinstance(provider.base_url, str) else ""
    headers = (provider.service_props or {}).get("http-headers")
    values = headers.values() if isinstance(headers, Mapping) else ()
    # A shorter value of a header is none, and may well be a word of what is told.
    secrets = [each for each in values if isinstance(each, str) and len(each) >= _SHORTEST_SECRET]
    own = (provider.token, provider.oauth_client_secret, _password(base_url))
    return tuple(filter(None, (*own, *secrets)))


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


# As documented; nothing of it is applied to instructions (solaruser.md §12).
_CUSTOMISABLE = frozenset({"AdjustGroupCapacityForecast", "GroupCapacityComplianceError"})


def handle(
    message: QueuedMessage, shared: Shared, outbox: Outbox, new_request_id: Callable[[], str]
) -> None:
    """Claims an instruction, delivers its message, and settles its state.

    Nothing happens to one that is not `Queuing` any more.

    Args:
        message: From the queue.
        shared: The shared shared.
        outbox: Sends it.
        new_request_id: Makes an X-Request-ID.
    """
    claimed = shared.instructions.change("flexibility_provider", message.id, "Queuing", "Executing")
    if claimed is None:
        return
    # Each event is told before the state that goes with it: who sees the state finds the event.
    events = InstructionEvents(shared.events, message)
    try:
        after = _deliver(message, shared, events, outbox, new_request_id)
    except DeliveryFailed as failure:
        _later(shared, failure.after, partial(_decline, message, shared, events, failure))
        return
    _later(shared, after, partial(_complete, message, shared, events))


def _deliver(
    message: QueuedMessage,
    shared: Shared,
    events: InstructionEvents,
    outbox: Outbox,
    new_request_id: Callable[[], str],
) -> float:
    """Answers with the seconds by the simulator's clock until the provider has answered."""
    group, provider = _recipients(message, shared)
    content = _content(message, group)
    events.processing(content, provider)
    delivery = _delivery(message, content, provider, shared, new_request_id)
    if delivery is None:
        _note_silence(message, shared)
        return 0.0
    try:
        reply = outbox.send(message.user_id, provider, delivery)
    except DeliveryFailed as failure:
        if failure.problem is not None:
            events.not_answered(delivery, failure.problem)
        raise
    events.answered(delivery)
    return reply.after


def _later(shared: Shared, seconds: float, task: Callable[[], None]) -> None:
    if seconds:
        shared.schedule.after(seconds, task)
    else:
        task()


def _complete(message: QueuedMessage, shared: Shared, events: InstructionEvents) -> None:
    events.posted()
    shared.instructions.change("flexibility_provider", message.id, "Executing", "Completed")


def _decline(
    message: QueuedMessage, shared: Shared, events: InstructionEvents, failure: DeliveryFailed
) -> None:
    events.failed(failure)
    result = {"error": str(failure)}
    shared.instructions.change("flexibility_provider", message.id, "Executing", "Declined", result)


def _content(message: QueuedMessage, group: CapacityGroup) -> dict[str, Any]:
    if message.action == "AdjustGroupCapacityForecast":
        return {**message.msg, "group_id": group.identifier}
    return dict(message.msg)


def _delivery(
    message: QueuedMessage,
    content: Mapping[str, Any],
    provider: CapacityProvider,
    shared: Shared,
    new_request_id: Callable[[], str],
) -> Delivery | None:
    """Answers with the request to make, or None where the provider has no base URL."""
    if message.action == "UpdateGroupCapacityForecast" and shared.behaviour.follows_service(
        "group_forecasts"
    ):
        raise DeliveryFailed(texts.unsupported_action(message.action))
    base_url = shared.addresses.of_system(provider)
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
        base_url + _path(message.action, provider, shared.behaviour),
        delivery_headers(provider, new_request_id(), message.correlation_id),
        json_reading.write(content),
        message.id,
    )


def _path(action: str, provider: CapacityProvider, behaviour: Behaviour) -> str:
    """Answers with the path of a message; that the keys of `url-paths` are actions is inferred."""
    if action in _CUSTOMISABLE and not behaviour.follows_service("url_paths"):
        configured = configured_path(provider, action)
        if configured is not None:
            return configured
    return PATHS[action]


def _recipients(message: QueuedMessage, shared: Shared) -> tuple[CapacityGroup, CapacityProvider]:
    """Looks everything up once more: the world may have changed since the message was queued."""
    owner = shared.world.user(message.user_id)
    optimizer = owner.optimizer(message.co_id) if owner else None
    if owner is None or optimizer is None or not optimizer.enabled:
        raise UnknownRecipient(texts.UNKNOWN_OPTIMIZER)
    group = owner.group(message.co_id, message.cg_identifier)
    if group is None or not group.enabled:
        raise UnknownRecipient(texts.UNKNOWN_GROUP)
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        raise UnknownRecipient(texts.UNKNOWN_PROVIDER)
    return group, provider


def _note_silence(message: QueuedMessage, shared: Shared) -> None:
    shared.journal.append(
        "flexibility_provider",
        "note",
        action=message.action,
        instruction_id=message.id,
        detail={
            "why": "the Capacity Provider has no base URL: nothing is sent, and the instruction "
            "is Completed all the same"
        },
    )

"""Deliver the instructions that SolarUser queued, and tell their owners about it.

As observed in SolarNetwork (solaruser.md §4.1, §4.2 and §9.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from oscp_send.solarnetwork import texts
from oscp_sim.flexibility_provider.delivery import (
    Delivery,
    DeliveryFailed,
    InvalidURL,
    UnknownRecipient,
    task_of,
)
from oscp_sim.flexibility_provider.http_client import go_on
from oscp_sim.flexibility_provider.outbox import OSCP_VERSION, PATHS, Outbox, configured_path
from oscp_sim.instructions import QueuedMessage, State
from oscp_sim.redaction import redact_text
from oscp_sim.shared import Shared
from oscp_sim.user_events import UserEvents
from oscp_sim.world import CapacityGroup, CapacityProvider

# As documented; none of it is applied to instructions as observed (solaruser.md §12).
_CUSTOMISABLE: Final = frozenset({"AdjustGroupCapacityForecast", "GroupCapacityComplianceError"})


class InstructionHandler:
    """Claim one queued instruction, deliver its message, and settle its state."""

    def __init__(self, shared: Shared, outbox: Outbox, message: QueuedMessage) -> None:
        self._shared = shared
        self._outbox = outbox
        self._message = message
        # Each event comes before the state that goes with it: who sees the state finds the event.
        self._events = _InstructionEvents(shared.events, message)

    def handle(self) -> None:
        """Do all three; ignore an instruction that has left the state `Queuing`."""
        if self._claim():
            go_on(self._shared.schedule, self._deliver())

    def _claim(self) -> bool:
        instructions = self._shared.instructions
        claimed = instructions.change(
            "flexibility_provider", self._message.id, "Queuing", "Executing"
        )
        return claimed is not None

    def _deliver(self) -> Iterator[float]:
        """Send the message, and settle the state when the answer comes.

        An instruction comes to an end whatever its message does: one that cannot be handled is
        Declined.
        """
        try:
            yield from self._send()
        except (DeliveryFailed, InvalidURL) as failure:
            self._events.failed(failure)
            self._change("Declined", {"error": str(failure)})
        except Exception as error:  # noqa: BLE001 - see above
            what = f"instruction {self._message.id} could not be handled"
            self._shared.journal.mistake(error, what)
            # Without what was known so far, which may be what cannot be handled.
            _InstructionEvents(self._shared.events, self._message).failed(error)
            self._change("Declined", {"error": f"{type(error).__name__}: {error}"})
        else:
            self._events.posted()
            self._change("Completed")

    def _change(self, state: State, result: Mapping[str, Any] | None = None) -> None:
        self._shared.instructions.change(
            "flexibility_provider", self._message.id, "Executing", state, result
        )

    def _send(self) -> Iterator[float]:
        group, provider = self._recipients()
        content = dict(self._message.msg)
        if self._message.action == "AdjustGroupCapacityForecast":
            content["group_id"] = group.identifier
        self._events.processing(content)
        delivery = self._delivery(content, provider)
        if delivery is None:
            self._note(_SILENT)
            return
        yield from self._outbox.send(self._message.user_id, provider, delivery)

    def _recipients(self) -> tuple[CapacityGroup, CapacityProvider]:
        """Look everything up again: the world may have changed since the message was queued."""
        owner = self._shared.world.user(self._message.user_id)
        optimizer = owner.optimizer(self._message.co_id) if owner else None
        if owner is None or optimizer is None or not optimizer.enabled:
            raise UnknownRecipient(texts.UNKNOWN_OPTIMIZER)
        group = owner.group(self._message.co_id, self._message.cg_identifier)
        if group is None or not group.enabled:
            raise UnknownRecipient(texts.UNKNOWN_GROUP)
        provider = owner.provider(group.capacity_provider)
        if provider is None or not provider.enabled:
            raise UnknownRecipient(texts.UNKNOWN_PROVIDER)
        return group, provider

    def _delivery(self, content: Mapping[str, Any], provider: CapacityProvider) -> Delivery | None:
        """Return the request to make, or None where the provider has no base URL."""
        action, follows = self._message.action, self._shared.behaviour.follows_service
        if action == "UpdateGroupCapacityForecast" and follows("group_forecasts"):
            raise DeliveryFailed(texts.unsupported_action(action))
        delivery = self._outbox.delivery(
            provider,
            action,
            content,
            correlation_id=self._message.correlation_id,
            path=self._path(provider),
            instruction_id=self._message.id,
        )
        if delivery is not None and provider.oscp_version != OSCP_VERSION:
            task = task_of(self._message.user_id, provider, action, is_instruction=True)
            raise DeliveryFailed(
                f"{task} failed because the OSCP version {provider.oscp_version or 'null'} is not "
                "supported."
            )
        return delivery

    def _path(self, provider: CapacityProvider) -> str:
        """Return the path of the message; that the keys of `url-paths` are actions is inferred."""
        action = self._message.action
        configured = configured_path(provider, action) if action in _CUSTOMISABLE else None
        if configured is None:
            return PATHS[action]
        as_service = self._shared.behaviour.follows_service("url_paths")
        self._note(_URL_PATHS[as_service])
        return PATHS[action] if as_service else configured

    def _note(self, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider",
            "note",
            action=self._message.action,
            instruction_id=self._message.id,
            detail={"why": why},
        )


_SILENT: Final = (
    "the Capacity Provider has no base URL: nothing is sent, and the instruction is Completed "
    "anyway"
)
# What is said of a path of its own, by whether the service is followed.
_URL_PATHS: Final = (
    "it goes to the path in url-paths, as the guide says; the running service does not apply them "
    "to instructions: serve the standard path, too",
    "url-paths is not applied to instructions, as in SolarNetwork: serve the standard path, too",
)


_TAGS: Final = ("oscp", "instruction")
_NOT_SENT: Final = "Error sending OSCP message to capacity provider"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class _InstructionEvents:
    """Tell the owner of one instruction what happens to it (solaruser.md §9.1)."""

    def __init__(self, events: UserEvents, message: QueuedMessage) -> None:
        self._events = events
        self._user_id = message.user_id
        self._known: dict[str, Any] = {
            "instructionId": message.id,
            "action": message.action,
            "coId": message.co_id,
            "cgIdentifier": message.cg_identifier,
            # Not decoded until everything that the instruction names is found.
            "content": None,
            "correlationId": message.correlation_id,
        }

    def processing(self, content: Mapping[str, Any]) -> None:
        """Say that the instruction is claimed, and its message decoded."""
        self._known["content"] = content
        self._add((), "Processing queued instruction")

    def posted(self) -> None:
        """Say that the instruction is Completed, even if there was no base URL to post to."""
        self._add(("out",), "Posted instruction")

    def failed(self, failure: Exception) -> None:
        """Say that the instruction is Declined.

        That an unknown recipient is named twice, as the event's message and in its data, and that
        an action without a path counts as not sent, is (inferred).
        """
        # An answer may quote a URL with its password.
        reason = redact_text(str(failure))
        message = reason if isinstance(failure, UnknownRecipient) else _NOT_SENT
        self._add(("error",), message, {"message": reason})

    def _add(self, tags: tuple[str, ...], message: str, more: Mapping[str, Any] = _NOTHING) -> None:
        self._events.add(self._user_id, (*_TAGS, *tags), message, {**self._known, **more})

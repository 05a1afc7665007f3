"""The user events of an instruction that the Flexibility Provider delivers.

As observed in SolarNetwork (SolarUser dossier §9.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simulator.flexibility_provider.delivery import UnknownRecipient

if TYPE_CHECKING:
    from simulator.flexibility_provider.delivery import Delivery
    from simulator.hand_off import QueuedMessage
    from simulator.user_events import UserEvent, UserEvents
    from simulator.world import CapacityProvider

__all__ = ["InstructionEvents"]

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

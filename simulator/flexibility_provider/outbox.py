"""Sending a message to an external system, in the way in which that system wants to be called.

As observed in SolarNetwork (OSCP dossier §2.2, §5.6, §5.9 and §5.10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import jackson
from simulator.flexibility_provider.delivery import TIMEOUT, Delivery, post
from simulator.flexibility_provider.headers import delivery_headers
from simulator.flexibility_provider.oauth import OAuth
from simulator.flexibility_provider.tasks import ConfigurationProblem
from simulator.flexibility_provider.url_paths import path_to
from simulator.world import CapacityOptimizer, CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from simulator.journal import Party
    from simulator.outgoing import Reply
    from simulator.rooms import Rooms

__all__ = ["Outbox", "check_registered", "check_version", "party_of"]

_VERSION = "2.0"

Sending = Callable[[int, CapacityProvider | CapacityOptimizer, Delivery], None]


class Outbox:
    """Sends what the Flexibility Provider has to say to the systems of its users.

    Args:
        rooms: The shared rooms.
        sending: Told of each message that is about to be sent: whose system, which, and what.

    Attributes:
        timeout: Seconds to connect, and seconds without a byte of the answer.
        oauth: The access tokens for those who want them.
    """

    def __init__(self, rooms: Rooms, sending: Sending) -> None:
        self._rooms = rooms
        self._sending = sending
        self.timeout: tuple[float, float] = TIMEOUT
        self.oauth = OAuth(rooms)

    def delivery(
        self,
        system: CapacityProvider | CapacityOptimizer,
        action: str,
        content: Mapping[str, Any],
        request_id: str,
        *,
        correlation_id: str | None = None,
        more: tuple[tuple[str, str], ...] = (),
    ) -> Delivery | None:
        """Answers with a message ready to go, or None where the system has no base URL.

        Args:
            system: Whom it is for.
            action: The OSCP message name.
            content: The message: texts, floats and aware datetimes.
            request_id: The X-Request-ID.
            correlation_id: The X-Correlation-ID, where there is one.
            more: More headers.
        """
        base_url = self._rooms.addresses.of_system(system)
        if base_url is None:
            return None
        return Delivery(
            party_of(system),
            action,
            base_url + path_to(system, action),
            delivery_headers(system, request_id, correlation_id, more=more),
            jackson.write(content),
        )

    def send(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, delivery: Delivery
    ) -> Reply:
        """Sends a message, once, and answers with the reply; any status below 400 is success.

        A system that wants OAuth is shown an access token in place of its own.

        Args:
            user_id: Whose system it is.
            system: Whom it is for.
            delivery: The message.

        Raises:
            DeliveryFailed: It was refused, or could not be brought.
        """
        token = self.oauth.token(user_id, system, self.timeout)
        if token is not None:
            delivery = replace(delivery, headers=_with_bearer(delivery.headers, system, token))
        self._sending(user_id, system, delivery)
        return post(self._rooms.outgoing, delivery, self._rooms.journal, timeout=self.timeout)


def party_of(system: CapacityProvider | CapacityOptimizer) -> Party:
    """Answers with the party that a system is."""
    return "capacity_provider" if isinstance(system, CapacityProvider) else "capacity_optimizer"


def lane_of(user_id: int, system: CapacityProvider | CapacityOptimizer) -> Hashable:
    """Answers with the lane of what waits for a system, on the agenda."""
    return "flexibility_provider", user_id, party_of(system), system.id


def check_registered(
    user_id: int, system: CapacityProvider | CapacityOptimizer, action: str
) -> None:
    """Refuses a system that is not Registered, or does not speak OSCP 2.0.

    The words are those of an instruction for a version that is not supported, as far as they fit
    (inferred).

    Raises:
        ConfigurationProblem: Nothing can be sent to it as it is.
    """
    if system.registration_status != "Registered":
        why = f"the registration status is {system.registration_status}, not Registered"
        raise ConfigurationProblem(f"{_task(user_id, system, action)} failed because {why}.")
    check_version(user_id, system, action)


def check_version(user_id: int, system: CapacityProvider | CapacityOptimizer, action: str) -> None:
    """Refuses a system that does not speak OSCP 2.0.

    Raises:
        ConfigurationProblem: It speaks another version, or none is known.
    """
    if system.oscp_version != _VERSION:
        why = f"the OSCP version {system.oscp_version or 'null'} is not supported"
        raise ConfigurationProblem(f"{_task(user_id, system, action)} failed because {why}.")


def _task(user_id: int, system: CapacityProvider | CapacityOptimizer, action: str) -> str:
    return f"[{action}] task with {type(system).__name__} ({user_id},{system.id})"


def _with_bearer(
    headers: tuple[tuple[str, str], ...],
    system: CapacityProvider | CapacityOptimizer,
    token: str,
) -> tuple[tuple[str, str], ...]:
    shown = ("Authorization", f"Token {system.token}")
    return (
        ("Authorization", f"Bearer {token}"),
        *(each for each in headers if each != shown),
    )

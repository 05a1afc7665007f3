"""Make and send messages the way in which each system wants to be called.

As observed in SolarNetwork (solaruser.md §4.2; oscp20.md §1.2, §2.2, §5.6, §5.9 and §5.10).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, Final

from oscp_send.solarnetwork import json_reading
from oscp_sim.faults.between import is_sent_twice
from oscp_sim.flexibility_provider.delivery import (
    TIMEOUT,
    ConfigurationProblem,
    Delivery,
    DeliveryFailed,
    Events,
    InvalidURL,
    System,
    configured_headers,
    party_of,
    post,
    task_of,
)
from oscp_sim.flexibility_provider.http_client import ACCEPT, Connections, invalid_url
from oscp_sim.flexibility_provider.oauth import OAuth
from oscp_sim.http import Headers, Response
from oscp_sim.shared import Shared

#: The only version that the service speaks.
OSCP_VERSION: Final = "2.0"

#: The standard paths, right behind a system's base URL, by action (oscp20.md §1.2).
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
        "GroupCapacityComplianceError": "/group_capacity_compliance_error",
        "Handshake": "/handshake",
        "HandshakeAcknowledge": "/handshake_acknowledge",
        "Heartbeat": "/heartbeat",
        "Register": "/register",
        "UpdateAssetMeasurement": "/update_asset_measurements",
        "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
        "UpdateGroupMeasurements": "/update_group_measurements",
    }
)
# The action is in the singular, its key in `url-paths` in the plural (oscp20.md §1.2).
_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {"UpdateAssetMeasurement": "UpdateAssetMeasurements"}
)
_NOT_CUSTOMISABLE: Final = frozenset({"Handshake"})


def configured_path(system: System, action: str) -> str | None:
    """Return the path that a system's service property `url-paths` gives a message, or None.

    Non-strings are ignored (inferred).
    """
    configured = (system.service_props or {}).get("url-paths")
    path = configured.get(_KEYS.get(action, action)) if isinstance(configured, Mapping) else None
    return path if isinstance(path, str) else None


class Outbox:
    """Send messages to the systems of the Flexibility Provider's users.

    `random` makes the X-Request-IDs, and `on_sending` is called with each message that is about to
    be sent. The timeout is seconds to connect, and seconds without a byte of the answer.
    """

    def __init__(
        self, shared: Shared, random: Random, on_sending: Callable[[int, System, Delivery], object]
    ) -> None:
        self._shared = shared
        self._random = random
        self._on_sending = on_sending
        self.timeout: tuple[float, float] = TIMEOUT
        self.connections = Connections(shared)
        self.oauth = OAuth(shared, self.connections)

    def delivery(
        self,
        system: System,
        action: str,
        content: Mapping[str, Any],
        request_id: str | None = None,
        *,
        correlation_id: str | None = None,
        path: str | None = None,
        more: Headers = (),
        instruction_id: int | None = None,
    ) -> Delivery | None:
        """Return a message ready to go, or None where the system has no base URL.

        Args:
            system: The system that it is for.
            action: The OSCP message name.
            content: The message: texts, floats and aware datetimes.
            request_id: The X-Request-ID; a new one unless given.
            correlation_id: The X-Correlation-ID, if any.
            path: Replaces the standard path, or the one in `url-paths`.
            more: More headers, before those that are configured.
            instruction_id: The instruction that it delivers, if any.
        """
        if request_id is None:
            # A random UUID, the same ones for the same seed.
            request_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        base_url = self._shared.addresses.of_system(system)
        if base_url is None:
            return None
        return Delivery(
            party_of(system),
            action,
            content,
            base_url + (_path(system, action) if path is None else path),
            _headers(system, request_id, correlation_id, more),
            json_reading.write(content),
            instruction_id,
            correlation_id,
        )

    def send(
        self, user_id: int, system: System, delivery: Delivery
    ) -> Generator[float, None, Response]:
        """Send a message and return the answer when it has come; below 400 is success.

        A system that wants OAuth is shown an access token instead of its own token. The owner is
        told how it went.

        Raises:
            DeliveryFailed: It was refused, or did not arrive.
            InvalidURL: It was not sent.
        """
        is_instruction = delivery.instruction_id is not None
        events = Events(self._shared, user_id, system, delivery.action, is_instruction)
        _check_url(delivery, events)
        try:
            answer = yield from self._posted(user_id, system, delivery)
        except DeliveryFailed as failure:
            if failure.problem is not None:
                events.exchanged(delivery, failure.problem)
            raise
        events.exchanged(delivery)
        return answer

    def _posted(
        self, user_id: int, system: System, delivery: Delivery
    ) -> Generator[float, None, Response]:
        token = yield from self.oauth.token(user_id, system, self.timeout)
        if token is not None:
            own = ("Authorization", f"Token {system.token}")
            others = (each for each in delivery.headers if each != own)
            headers = (("Authorization", f"Bearer {token}"), *others)
            delivery = replace(delivery, headers=headers)
        self._on_sending(user_id, system, delivery)
        answer = yield from post(self.connections, delivery, self.timeout)
        if self._shared.faults.rules and is_sent_twice(
            self._shared.faults, delivery.to, delivery.action, delivery.instruction_id
        ):
            answer = yield from post(self.connections, delivery, self.timeout)
        return answer


def _path(system: System, action: str) -> str:
    """Return the path of a message that does not come from an instruction."""
    configured = None if action in _NOT_CUSTOMISABLE else configured_path(system, action)
    return PATHS[action] if configured is None else configured


def _headers(system: System, request_id: str, correlation_id: str | None, more: Headers) -> Headers:
    """Return the headers of a request; configured ones are added, and replace none.

    A system that has not registered has no token, so the request shows none.
    """
    headers = [ACCEPT]
    if system.token is not None:
        headers.append(("Authorization", f"Token {system.token}"))
    headers += [("Content-Type", "application/json"), ("X-Request-ID", request_id)]
    if correlation_id is not None:
        headers.append(("X-Correlation-ID", correlation_id))
    return (*headers, *more, *configured_headers(system))


def check_registered(user_id: int, system: System, action: str) -> None:
    """Refuse a system that is not Registered, or does not speak OSCP 2.0."""
    if system.registration_status != "Registered":
        why = f"the registration status is {system.registration_status}, not Registered"
        raise _problem(user_id, system, action, why, "Status not Registered")
    check_version(user_id, system, action)


def check_version(user_id: int, system: System, action: str) -> None:
    """Refuse a system that does not speak OSCP 2.0, or of which no version is known."""
    if system.oscp_version != OSCP_VERSION:
        why = f"the OSCP version {system.oscp_version or 'null'} is not supported"
        raise _problem(user_id, system, action, why, "Unsupported OSCP version")


def _check_url(delivery: Delivery, events: Events) -> None:
    why = invalid_url(delivery.url)
    if why is not None:
        url = events.system.base_url
        raise InvalidURL(f"{events.task} failed because the OSCP URL [{url}] is not valid: {why}")


def _problem(
    user_id: int, system: System, action: str, why: str, problem: str
) -> ConfigurationProblem:
    task = task_of(user_id, system, action)
    return ConfigurationProblem(f"{task} failed because {why}.", problem)

"""Sending a message to an external system, in the way in which that system wants to be called.

As observed in SolarNetwork (oscp20.md §2.2, §5.6, §5.9 and §5.10).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus

from oscp_send.solarnetwork import json_reading
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.delivery import (
    TIMEOUT,
    ConfigurationProblem,
    Delivery,
    DeliveryFailed,
    post,
)
from oscp_sim.http import Request, Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.redaction import redact_text
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider

__all__ = [
    "PATHS",
    "OAuth",
    "Outbox",
    "check_registered",
    "check_version",
    "configured_headers",
    "configured_path",
    "delivery_headers",
    "party_of",
    "path_to",
]


# § Where below its base URL an external system is sent each message (oscp20.md §1.2 and §5.9).

#: The standard paths, by action.
PATHS: Mapping[str, str] = MappingProxyType(
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
# The action is in the singular, the key for it in the plural (oscp20.md §1.2).
_KEYS: Mapping[str, str] = MappingProxyType({"UpdateAssetMeasurement": "UpdateAssetMeasurements"})
_NOT_CUSTOMISABLE = frozenset({"Handshake"})


def path_to(system: CapacityProvider | CapacityOptimizer, action: str) -> str:
    """Answers with the path of a message, which is put right behind a system's base URL.

    Not of one that comes from an instruction: there `url-paths` has another effect, or none.

    Args:
        system: Whom the message is for; its service property `url-paths` counts.
        action: The OSCP message name.
    """
    configured = None if action in _NOT_CUSTOMISABLE else configured_path(system, action)
    return PATHS[action] if configured is None else configured


def configured_path(system: CapacityProvider | CapacityOptimizer, action: str) -> str | None:
    """Answers with the path that the service property `url-paths` gives a message, if any.

    What is no text there counts for nothing (inferred).
    """
    configured = (system.service_props or {}).get("url-paths")
    path = configured.get(_KEYS.get(action, action)) if isinstance(configured, Mapping) else None
    return path if isinstance(path, str) else None


# § The headers of what the Flexibility Provider sends.
#
# As observed in SolarNetwork (solaruser.md §4.2, oscp20.md §2.2 and §5.9).


def delivery_headers(
    system: CapacityProvider | CapacityOptimizer,
    request_id: str,
    correlation_id: str | None = None,
    *,
    authorization: str | None = None,
    more: tuple[tuple[str, str], ...] = (),
) -> tuple[tuple[str, str], ...]:
    """Answers with the headers of one request.

    A system that has not registered has told no token, and is shown none. What its service
    property `http-headers` holds is added: added, not put in place of one that is there already.

    Args:
        system: Whom it is for.
        request_id: The X-Request-ID.
        correlation_id: The X-Correlation-ID, where there is one.
        authorization: What to show in place of the system's token.
        more: More headers, before those that are configured.
    """
    if authorization is None and system.token is not None:
        authorization = f"Token {system.token}"
    headers = [] if authorization is None else [("Authorization", authorization)]
    headers += [("Content-Type", "application/json"), ("X-Request-ID", request_id)]
    if correlation_id is not None:
        headers.append(("X-Correlation-ID", correlation_id))
    return (*headers, *more, *configured_headers(system))


def configured_headers(
    system: CapacityProvider | CapacityOptimizer,
) -> tuple[tuple[str, str], ...]:
    """Answers with what the service property `http-headers` of a system holds."""
    configured = (system.service_props or {}).get("http-headers")
    if not isinstance(configured, Mapping):
        return ()
    # Only a text can stand in a header; what else JSON may hold there is left out (inferred).
    return tuple((name, value) for name, value in configured.items() if isinstance(value, str))


# § The access tokens with which the Flexibility Provider calls systems that want OAuth.
#
# As observed in SolarNetwork, the grant is that of client credentials (oscp20.md §5.9; RFC
# 6749 §4.4). That the client is named by HTTP Basic is (inferred), and so are the words of a
# failure.

_BODY: Final = b"grant_type=client_credentials"
_LONGEST: Final = timedelta(days=3650)
# The letters of an error code (RFC 6749 §5.2); anything else may be more than a code.
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class _Client:
    url: str
    id: str
    secret: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Granted:
    client: _Client
    token: str = field(repr=False)
    until: datetime


class OAuth:
    """Gets access tokens, and keeps each until it expires.

    Args:
        shared: The shared shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._granted: dict[tuple[int, type, int], _Granted] = {}

    def token(
        self,
        user_id: int,
        system: CapacityProvider | CapacityOptimizer,
        timeout: tuple[float, float],
    ) -> str | None:
        """Answers with the token to show to a system; None where it does not want OAuth.

        Args:
            user_id: Whose system it is.
            system: With its service properties, and its client secret.
            timeout: Seconds to connect to the token's URL, and without a byte of its answer.

        Raises:
            DeliveryFailed: There is none to be had.
        """
        client = _client_of(system)
        if client is None:
            return None
        key = (user_id, type(system), system.id)
        granted, now = self._granted.get(key), self._shared.clock.now()
        if granted is None or granted.client != client or granted.until <= now:
            granted = self._granted[key] = self._ask(client, timeout)
        return granted.token

    def forget(self) -> None:
        """Forgets all tokens, so that the next message asks for a new one."""
        self._granted.clear()

    def _ask(self, client: _Client, timeout: tuple[float, float]) -> _Granted:
        reply: Response | None = None
        headers = _headers(client)
        # The answer may quote what it was asked with.
        for secret in (client.secret, headers[0][1].removeprefix("Basic ")):
            self._shared.journal.conceal(secret)
        exchange_id = self._shared.journal.new_exchange_id()
        request = Request("POST", client.url, headers, _BODY, exchange_id=exchange_id)
        try:
            reply = self._shared.outgoing.send(request, timeout=timeout)
            granted = self._read(client, reply)
        except Unanswered as error:
            raise _failed(client, str(error), error.after) from error
        finally:
            self._record(request, reply)
        return granted

    def _read(self, client: _Client, reply: Response) -> _Granted:
        answer = _object(reply.body)
        if reply.status != HTTPStatus.OK:
            told = answer.get("error")
            code = told if isinstance(told, str) and _ERROR_CODE.fullmatch(told) else ""
            raise _failed(client, f"{reply.status} {reply.phrase} {code}".rstrip(), reply.after)
        token, kind = answer.get("access_token"), answer.get("token_type")
        if not isinstance(token, str) or not token:
            raise _failed(client, "its answer has no access_token", reply.after)
        self._shared.journal.conceal(token)
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise _failed(client, "the token_type of its answer is not Bearer", reply.after)
        now = self._shared.clock.now()
        return _Granted(client, token, now + _seconds(answer.get("expires_in")))

    def _record(self, request: Request, reply: Response | None) -> None:
        self._shared.journal.append(
            "flexibility_provider",
            "exchange",
            sent=True,
            request=request,
            response=reply,
            detail={"why": "an access token is asked for: the system wants OAuth"},
        )


def _client_of(system: CapacityProvider | CapacityOptimizer) -> _Client | None:
    """Answers with the client; OAuth is active where its URL and its id are there (§5.9)."""
    props = system.service_props or {}
    url, client_id = props.get("oauth-token-url"), props.get("oauth-client-id")
    if not (isinstance(url, str) and url.strip() and isinstance(client_id, str) and client_id):
        return None
    headers = configured_headers(system)
    return _Client(url, client_id, system.oauth_client_secret or "", headers)


def _headers(client: _Client) -> tuple[tuple[str, str], ...]:
    # Encoded first, so that a colon in an id does no harm (RFC 6749 §2.3.1).
    pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
    return (
        ("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),
        ("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),
        ("Accept", "application/json"),
        *client.headers,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> timedelta:
    """Answers with how long a token is kept: not at all where nobody says (inferred)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return timedelta()
    return _LONGEST if value >= _LONGEST.total_seconds() else timedelta(seconds=value)


def _failed(client: _Client, why: str, after: float) -> DeliveryFailed:
    told = f"OAuth error: no access token from {redact_text(client.url)}: {why}"
    return DeliveryFailed(told, told, after)


_VERSION = "2.0"

Sending = Callable[[int, CapacityProvider | CapacityOptimizer, Delivery], None]


class Outbox:
    """Sends what the Flexibility Provider has to say to the systems of its users.

    Args:
        shared: The shared shared.
        sending: Told of each message that is about to be sent: whose system, which, and what.

    Attributes:
        timeout: Seconds to connect, and seconds without a byte of the answer.
        oauth: The access tokens for those who want them.
    """

    def __init__(self, shared: Shared, sending: Sending) -> None:
        self._shared = shared
        self._sending = sending
        self.timeout: tuple[float, float] = TIMEOUT
        self.oauth = OAuth(shared)

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
        base_url = self._shared.addresses.of_system(system)
        if base_url is None:
            return None
        return Delivery(
            party_of(system),
            action,
            base_url + path_to(system, action),
            delivery_headers(system, request_id, correlation_id, more=more),
            json_reading.write(content),
        )

    def send(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, delivery: Delivery
    ) -> Response:
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
        return post(self._shared.outgoing, delivery, self._shared.journal, timeout=self.timeout)


def party_of(system: CapacityProvider | CapacityOptimizer) -> PartyName:
    """Answers with the party that a system is."""
    return "capacity_provider" if isinstance(system, CapacityProvider) else "capacity_optimizer"


def queue_of(user_id: int, system: CapacityProvider | CapacityOptimizer) -> Hashable:
    """Answers with the queue of what waits for a system, on the schedule."""
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

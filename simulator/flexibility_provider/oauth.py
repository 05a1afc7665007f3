"""The access tokens with which the Flexibility Provider calls systems that want OAuth.

As observed in SolarNetwork, the grant is that of client credentials (OSCP dossier §5.9; RFC 6749
§4.4). That the client is named by HTTP Basic is (inferred), and so are the words of a failure.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from simulator.flexibility_provider.delivery import DeliveryFailed
from simulator.flexibility_provider.headers import configured_headers
from simulator.journal import Request, Response
from simulator.outgoing import Unanswered
from simulator.redaction import redact_text

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.outgoing import Reply
    from simulator.rooms import Rooms
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["OAuth"]

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
        rooms: The shared rooms.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
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
        granted, now = self._granted.get(key), self._rooms.clock.now()
        if granted is None or granted.client != client or granted.until <= now:
            granted = self._granted[key] = self._ask(client, timeout)
        return granted.token

    def forget(self) -> None:
        """Forgets all tokens, so that the next message asks for a new one."""
        self._granted.clear()

    def _ask(self, client: _Client, timeout: tuple[float, float]) -> _Granted:
        reply: Reply | None = None
        headers = _headers(client)
        # The answer may quote what it was asked with.
        for secret in (client.secret, headers[0][1].removeprefix("Basic ")):
            self._rooms.journal.conceal(secret)
        try:
            reply = self._rooms.outgoing.post(client.url, headers, _BODY, timeout=timeout)
            granted = self._read(client, reply)
        except Unanswered as error:
            raise _failed(client, str(error), error.after) from error
        finally:
            self._record(client, headers, reply)
        return granted

    def _read(self, client: _Client, reply: Reply) -> _Granted:
        answer = _object(reply.body)
        if reply.status != HTTPStatus.OK:
            told = answer.get("error")
            code = told if isinstance(told, str) and _ERROR_CODE.fullmatch(told) else ""
            raise _failed(client, f"{reply.status} {reply.reason} {code}".rstrip(), reply.after)
        token, kind = answer.get("access_token"), answer.get("token_type")
        if not isinstance(token, str) or not token:
            raise _failed(client, "its answer has no access_token", reply.after)
        self._rooms.journal.conceal(token)
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise _failed(client, "the token_type of its answer is not Bearer", reply.after)
        now = self._rooms.clock.now()
        return _Granted(client, token, now + _seconds(answer.get("expires_in")))

    def _record(
        self, client: _Client, headers: tuple[tuple[str, str], ...], reply: Reply | None
    ) -> None:
        self._rooms.journal.append(
            "flexibility_provider",
            "exchange",
            sent=True,
            request=Request("POST", client.url, headers, _BODY.decode()),
            response=None if reply is None else Response(reply.status, reply.headers, reply.text),
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

"""Get the access tokens with which the Flexibility Provider calls systems that want OAuth.

As observed in SolarNetwork, the grant is that of client credentials (oscp20.md §5.9; RFC 6749
§4.4). That the client names itself by HTTP Basic is (inferred), and so are the texts of a failure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote_plus

from oscp_sim.flexibility_provider.delivery import DeliveryFailed, System, configured_headers
from oscp_sim.flexibility_provider.http_client import Connections, exchange
from oscp_sim.http import Headers, Request, Response
from oscp_sim.outgoing import Unanswered
from oscp_sim.redaction import SHORTEST_SECRET, redact_quoted, redact_text
from oscp_sim.shared import Shared

_BODY: Final = b"grant_type=client_credentials"
_LONGEST: Final = timedelta(days=3650)
# The letters of an error code (RFC 6749 §5.2); anything else may be more than a code.
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class _Client:
    url: str
    id: str
    secret: str = field(repr=False)
    configured: Headers = field(repr=False)

    @property
    def credentials(self) -> str:
        # Encoded first, so that a colon in an id does no harm (RFC 6749 §2.3.1).
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        return base64.b64encode(pair.encode()).decode()

    @property
    def headers(self) -> Headers:
        return (
            ("Authorization", f"Basic {self.credentials}"),
            ("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),
            ("Accept", "application/json"),
            *self.configured,
        )

    def failed(self, why: str) -> DeliveryFailed:
        reason = f"OAuth error: no access token from {redact_text(self.url)}: {why}"
        return DeliveryFailed(reason, reason)


@dataclass(frozen=True, slots=True)
class _Granted:
    client: _Client
    token: str = field(repr=False)
    until: datetime


class OAuth:
    """Get access tokens, and keep each until it expires."""

    def __init__(self, shared: Shared, connections: Connections) -> None:
        self._shared = shared
        self._connections = connections
        self._granted: dict[tuple[int, type, int], _Granted] = {}

    def __repr__(self) -> str:
        return f"<OAuth {list(self._granted.values())}>"

    def token(
        self, user_id: int, system: System, timeout: tuple[float, float]
    ) -> Generator[float, None, str | None]:
        """Return the token to show to a system, or None where it does not want OAuth.

        Raises:
            DeliveryFailed: No token was granted.
        """
        client = _client_of(system)
        if client is None:
            return None
        key = (user_id, type(system), system.id)
        granted, now = self._granted.get(key), self._shared.clock.now()
        if granted is None or granted.client != client or granted.until <= now:
            granted = self._granted[key] = yield from self._ask(client, timeout)
        return granted.token

    def forget(self) -> None:
        """Forget all tokens, so that the next message asks for a new one."""
        self._granted.clear()

    def _ask(
        self, client: _Client, timeout: tuple[float, float]
    ) -> Generator[float, None, _Granted]:
        # The answer may quote the request.
        for secret in (client.secret, client.credentials):
            self._shared.journal.conceal(secret)
        request = Request("POST", client.url, client.headers, _BODY)
        try:
            record = partial(self._record, client)
            answer = yield from exchange(self._connections, request, timeout, record)
        except Unanswered as error:
            raise client.failed(str(error)) from error
        return self._read(client, answer)

    def _record(
        self, client: _Client, request: Request, answer: Response | None, why: str | None
    ) -> None:
        if answer is not None:
            token = _object(answer.body).get("access_token")
            self._shared.journal.conceal(token if isinstance(token, str) else "")
            # Any configured value may be a secret.
            values = [value for _, value in client.configured if len(value) >= SHORTEST_SECRET]
            answer = replace(answer, body=redact_quoted(answer.text, values).encode())
        self._shared.journal.append(
            "flexibility_provider",
            "exchange",
            sent=True,
            request=request,
            response=answer,
            detail={"why": why or "an access token is asked for: the system wants OAuth"},
        )

    def _read(self, client: _Client, answer: Response) -> _Granted:
        members = _object(answer.body)
        if answer.status != HTTPStatus.OK:
            error = members.get("error")
            code = error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else ""
            raise client.failed(f"{answer.status} {answer.phrase} {code}".rstrip())
        token, kind = members.get("access_token"), members.get("token_type")
        if not isinstance(token, str) or not token:
            raise client.failed("its answer has no access_token")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise client.failed("the token_type of its answer is not Bearer")
        now = self._shared.clock.now()
        return _Granted(client, token, now + _seconds(members.get("expires_in")))


def _client_of(system: System) -> _Client | None:
    """Return the client, or None: OAuth is active where its URL and id are configured (§5.9)."""
    props = system.service_props or {}
    url, client_id = props.get("oauth-token-url"), props.get("oauth-client-id")
    if not (isinstance(url, str) and url.strip() and isinstance(client_id, str) and client_id):
        return None
    return _Client(url, client_id, system.oauth_client_secret or "", configured_headers(system))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> timedelta:
    """Return how long a token is kept: not at all where the answer does not say it (inferred).

    A number may be a text, as measured.
    """
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return timedelta()
    return _LONGEST if value >= _LONGEST.total_seconds() else timedelta(seconds=value)

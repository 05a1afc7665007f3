"""Verifying an SNWS2 signature in the order, and with the answers, of the real service.

As observed in SolarNetwork (SolarUser dossier §5; the order is that of §5.7).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from oscp_send.snws2 import (
    canonical_query,
    canonical_request,
    signature,
    signing_key,
    string_to_sign,
)
from simulator.solaruser.authorization import (
    anonymous_refused,
    check_signed_headers,
    is_snws2,
    read_claim,
)
from simulator.solaruser.content_digest import check_digest
from simulator.solaruser.policy import check_policy
from simulator.solaruser.refusal import ApiRefused, AuthenticationRefused, too_large
from simulator.solaruser.request_date import request_date
from simulator.solaruser.request_parameters import is_consumed_form, request_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from simulator.rooms import Rooms
    from simulator.wire import WireRequest
    from simulator.world import Token, User

__all__ = ["Actor", "Authenticator"]

_MAXIMUM_SKEW = timedelta(minutes=15)
_KEY_DAYS = 7
_MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a verified security token and its user."""

    token: Token
    user: User


class Authenticator:
    """Verifies signatures for the users of a world.

    The older scheme `SolarNetworkWS` (HMAC-SHA1), which the real service still takes, is not
    simulated: such a request counts as anonymous, and the journal says so.

    Args:
        rooms: Who exists, what time it is, and which side of each difference to follow.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        # Derived keys by token and day; a token's secret never changes within a world.
        self._keys: dict[tuple[str, str, date], bytes] = {}

    def actor(self, request: WireRequest, body: bytes | None) -> Actor | None:
        """Answers with who signed a request; None where it claims no token.

        Raises:
            AuthenticationRefused: The service would refuse, with its status, text and headers.
            ApiRefused: Its database has trouble.
        """
        return self.authenticate(request, body) if is_snws2(request) else None

    def authenticate(self, request: WireRequest, body: bytes | None) -> Actor:
        """Answers with who signed a request.

        Args:
            request: The request as it was sent.
            body: Its body; None where it is larger than the service takes.

        Raises:
            AuthenticationRefused: The service would refuse, with its status, text and headers.
            ApiRefused: Its database has trouble.
        """
        if not is_snws2(request):
            raise anonymous_refused(request)
        when = request_date(request)
        claim = read_claim(request)
        check_signed_headers(request, claim.signed)
        check_digest(request, body)
        actor = self._actor(claim.token_id)
        check_policy(actor.token, unquote(request.path), self._rooms.clock.now())
        canonical = self._canonical(request, body, claim.signed)
        self._check_signature(actor.token, when, canonical, claim.signature)
        self._check_skew(when)
        return actor

    def _actor(self, token_id: str) -> Actor:
        world = self._rooms.world
        try:
            token, user = world.token(token_id), world.owner_of_token(token_id)
        except (ConnectionError, TimeoutError) as error:
            # Which of the codes, and what it says, depends on the trouble (dossier §7.2).
            why = f"the user store cannot be reached: {type(error).__name__}"
            raise ApiRefused(429, None, code="DAO.00200", explanation={"why": why}) from error
        except Exception as error:
            why = f"the user store failed: {type(error).__name__}"
            raise AuthenticationRefused(
                401, "Unable to verify credentials", explanation={"why": why}
            ) from error
        if token is None or user is None or not token.enabled:
            why = f"there is no enabled token {token_id!r}"
            raise AuthenticationRefused(403, "Bad credentials", explanation={"why": why})
        return Actor(token, user)

    def _canonical(self, request: WireRequest, body: bytes | None, signed: tuple[str, ...]) -> str:
        if body is None:
            raise too_large()
        # The container has read the fields of a form before its body could be hashed.
        hashed = b"" if is_consumed_form(request) else body
        proxied = self._rooms.behaviour.follows_service("host_port")
        headers = [
            (name, _proxied_host(request, value) if name == "host" and proxied else value)
            for name, value in request.headers
        ]
        return canonical_request(
            request.method,
            request.path,
            canonical_query(request_parameters(request, body)),
            headers,
            signed,
            hashlib.sha256(hashed).hexdigest(),
        )

    def _check_signature(self, token: Token, when: datetime, canonical: str, given: str) -> None:
        to_sign = string_to_sign(when, canonical)
        claimed = given.encode("utf-8", "replace")
        for day in _key_days(when.date()):
            expected = signature(self._key(token, day), to_sign)
            if hmac.compare_digest(expected.encode(), claimed):
                return
        raise AuthenticationRefused(
            403,
            "Bad credentials",
            explanation={
                "why": "another signature is expected: the secret differs, or one of these does",
                "canonical_request": canonical,
                "string_to_sign": to_sign,
            },
        )

    def _check_skew(self, when: datetime) -> None:
        now = self._rooms.clock.now()
        # Where time is simulated and others are served, their clocks cannot follow: what is dated
        # by the machine's is as good.
        clients = self._rooms.clients_clock
        dates = (now,) if clients is None else (now, clients.now())
        if any(abs(date - when) < _MAXIMUM_SKEW for date in dates):
            return
        observed = self._rooms.behaviour.follows_service("stale_date")
        why = f"signed at {when.isoformat()}, received at {now.isoformat()}"
        raise AuthenticationRefused(
            403 if observed else 401, "Date skew too large", explanation={"why": why}
        )

    def _key(self, token: Token, day: date) -> bytes:
        known = (token.id, token.secret, day)
        key = self._keys.get(known)
        if key is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            key = self._keys[known] = signing_key(token.secret, day)
        return key


def _key_days(day: date) -> Iterator[date]:
    for earlier in range(_KEY_DAYS):
        # The calendar has a first day, and a request may claim to be of it.
        if day.toordinal() > earlier:
            yield day - timedelta(days=earlier)


def _proxied_host(request: WireRequest, host: str) -> str:
    """Answers with the host that the service verifies, behind a proxy or not (§5.3)."""
    if ":" in host:
        return host
    port = request.header("x-forwarded-port")
    if port is not None:
        return host if port == "80" else f"{host}:{port}"
    return f"{host}:443" if request.header("x-forwarded-proto") == "https" else host

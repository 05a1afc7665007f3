"""Verifying an SNWS2 signature in the order, and with the answers, of the real service.

As observed in SolarNetwork (SolarUser dossier §5; the order is that of §5.7).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from oscp_send.snws2 import (
    SCHEME,
    canonical_query,
    canonical_request,
    signature,
    signing_key,
    string_to_sign,
)
from simulator.solaruser.content_digest import check_digest
from simulator.solaruser.refusal import MAXIMUM_BODY, AuthenticationRefused

if TYPE_CHECKING:
    from datetime import date

    from simulator.rooms import Rooms
    from simulator.wire import WireRequest
    from simulator.world import Token, User

__all__ = ["Actor", "Authenticator"]

_MAXIMUM_SKEW = timedelta(minutes=15)
_KEY_DAYS = 7
_MOST_KEYS = 1000
_SIGNATURE_LENGTH = 64
_FEWEST_SIGNED_HEADERS = 2
_FORM = "application/x-www-form-urlencoded"
_DATE_FORMATS = (
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a verified security token and its user."""

    token: Token
    user: User


class Authenticator:
    """Verifies signatures for the users of a world.

    Args:
        rooms: Who exists, what time it is, and with which status a stale date is refused.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        # Derived keys by token and day; a token's secret never changes within a world.
        self._keys: dict[tuple[Token, date], bytes] = {}

    def authenticate(self, request: WireRequest, body: bytes | None) -> Actor:
        """Answers with who signed a request.

        Args:
            request: The request as it was sent.
            body: Its body; None where it is larger than the service takes.

        Raises:
            AuthenticationRefused: The service would refuse, with its status, text and headers.
        """
        header = request.header("authorization")
        if header is None or not header.startswith(SCHEME):
            raise AuthenticationRefused(
                401, "Full authentication is required to access this resource"
            )
        when = _date_of(request)
        credential, given, signed = _components(header)
        _check_signed_headers(request, signed)
        check_digest(request, body)
        actor = self._actor(credential)
        canonical = _canonical(request, body, signed)
        self._check_signature(actor.token, when, canonical, given)
        self._check_skew(when)
        return actor

    def _actor(self, token_id: str) -> Actor:
        world = self._rooms.world
        token, user = world.token(token_id), world.owner_of_token(token_id)
        if token is None or user is None or not token.enabled:
            why = f"there is no enabled token {token_id!r}"
            raise AuthenticationRefused(403, "Bad credentials", explanation={"why": why})
        return Actor(token, user)

    def _check_signature(self, token: Token, when: datetime, canonical: str, given: str) -> None:
        to_sign = string_to_sign(when, canonical)
        for days in range(_KEY_DAYS):
            expected = signature(self._key(token, when.date() - timedelta(days=days)), to_sign)
            if hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
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
        if abs(now - when) < _MAXIMUM_SKEW:
            return
        observed = self._rooms.behaviour.follows_service("stale_date")
        why = f"signed at {when.isoformat()}, received at {now.isoformat()}"
        raise AuthenticationRefused(
            403 if observed else 401, "Date skew too large", explanation={"why": why}
        )

    def _key(self, token: Token, day: date) -> bytes:
        key = self._keys.get((token, day))
        if key is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            key = self._keys[token, day] = signing_key(token.secret, day)
        return key


def _date_of(request: WireRequest) -> datetime:
    name = "X-SN-Date" if request.header("x-sn-date") is not None else "Date"
    text = request.header(name.lower())
    if text is None:
        raise AuthenticationRefused(403, "Missing or invalid HTTP Date header value")
    date = _parsed_date(text.strip())
    if date is None:
        raise AuthenticationRefused(403, f"Invalid HTTP {name} header value")
    return date


@lru_cache(maxsize=64)
def _parsed_date(text: str) -> datetime | None:
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _components(header: str) -> tuple[str, str, tuple[str, ...]]:
    split = (each.partition("=") for each in header[len(SCHEME) + 1 :].split(","))
    parts = {name: value for name, _, value in split}
    credential = parts.get("Credential", "")
    if not credential:
        raise AuthenticationRefused(403, "Invalid Credential value")
    given = parts.get("Signature", "")
    if len(given) != _SIGNATURE_LENGTH:
        raise AuthenticationRefused(403, "Invalid Signature value")
    signed = tuple(parts.get("SignedHeaders", "").split(";"))
    if len(signed) < _FEWEST_SIGNED_HEADERS:
        raise AuthenticationRefused(403, "Invalid SignedHeaders value")
    return credential, given, signed


def _check_signed_headers(request: WireRequest, signed: tuple[str, ...]) -> None:
    lower = {name.lower() for name in signed}
    if "host" not in lower:
        raise AuthenticationRefused(403, "The 'Host' HTTP header must be included in SignedHeaders")
    if not lower & {"date", "x-sn-date"}:
        raise AuthenticationRefused(
            403,
            "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders",
        )
    present = dict.fromkeys(name for name, _ in request.headers)
    fixed = [name for name in ("content-type", "content-md5", "digest") if name in present]
    for name in fixed + [name for name in present if name.startswith("x-sn-")]:
        if name not in lower:
            raise AuthenticationRefused(
                403, f"The '{name}' HTTP header must be included in SignedHeaders"
            )


def _canonical(request: WireRequest, body: bytes | None, signed: tuple[str, ...]) -> str:
    if body is None:
        raise AuthenticationRefused(
            403, f"Maximum upload size of {MAXIMUM_BODY} bytes exceeded", with_headers=False
        )
    pairs = _pairs(request.query)
    if _is_consumed_form(request):
        # The container has read the fields before the body could be hashed.
        pairs += _pairs(body.decode("utf-8", "replace"))
        body = b""
    headers = [
        (name, _effective_host(request, value) if name == "host" else value)
        for name, value in request.headers
    ]
    return canonical_request(
        request.method,
        request.path,
        canonical_query(pairs),
        headers,
        signed,
        hashlib.sha256(body).hexdigest(),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)


def _is_consumed_form(request: WireRequest) -> bool:
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    has_digest = request.header("digest") or request.header("content-md5")
    return request.method == "POST" and media_type == _FORM and not has_digest


def _effective_host(request: WireRequest, host: str) -> str:
    """Answers with the host that the service verifies, behind a proxy or not (§5.3)."""
    if ":" in host:
        return host
    port = request.header("x-forwarded-port")
    if port is not None:
        return host if port == "80" else f"{host}:{port}"
    return f"{host}:443" if request.header("x-forwarded-proto") == "https" else host

"""Verify signatures in the order, and with the answers, of the real service.

As measured in SolarNetwork (solaruser.md §5; the order is that of §5.7): SNWS2, and the older
SolarNetworkWS.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

from oscp_send.snws2 import (
    SCHEME,
    canonical_query,
    canonical_request,
    format_date,
    signature,
    signing_key,
    string_to_sign,
)
from oscp_sim.addresses import hosts_of
from oscp_sim.http import Request
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import (
    LEGACY_SCHEME,
    Actor,
    ApiRefused,
    AuthenticationRefused,
    NoRoute,
    anonymous_refused,
    check_digest,
    claimed_scheme,
    is_consumed,
    too_large,
)
from oscp_sim.solaruser.policy import check_policy
from oscp_sim.world import Token

_MAXIMUM_SKEW: Final = timedelta(minutes=15)
_KEY_DAYS: Final = 7
_MOST_KEYS: Final = 1000


class Authenticator:
    """Verify signatures for the users of a world."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        # Derived keys, by token, secret and day.
        self._keys: dict[tuple[str, str, date], bytes] = {}

    def actor(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Actor | None:
        """Return the sender of a request, or None where it claims no token.

        Raises:
            AuthenticationRefused: The service would refuse, with its status, text and headers.
            ApiRefused: The service's database has trouble.
            NoRoute: There is nothing behind the scheme, on which the service fails.
        """
        scheme = claimed_scheme(request)
        return self._verified(scheme, request, parameters) if scheme else None

    def authenticate(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Actor:
        """Return the verified sender; a request that claims no token is refused, too."""
        actor = self.actor(request, parameters)
        if actor is None:
            raise anonymous_refused()
        return actor

    def _verified(
        self, scheme: str, request: Request, parameters: Sequence[tuple[str, str]]
    ) -> Actor:
        if request.fields["authorization"].rstrip() == scheme:
            raise NoRoute(HTTPStatus.INTERNAL_SERVER_ERROR)
        when = _request_date(request)
        is_legacy = scheme == LEGACY_SCHEME
        claim = _read_legacy_claim(request) if is_legacy else _read_claim(request)
        if not is_legacy:
            _check_signed_headers(request, claim.signed)
        check_digest(request)
        actor = self._actor(claim.token_id)
        check_policy(actor.token, request.path, self._shared.now("solaruser"))
        if is_legacy:
            _check_legacy_signature(actor.token, _legacy_text(request, when, parameters), claim)
        else:
            canonical = self._canonical(request, parameters, claim.signed)
            others = self._canonical_behind_tls(request, parameters, claim.signed)
            self._check_signature(actor.token, when, (canonical, *others), claim.signature)
        self._check_skew(when)
        return actor

    def _actor(self, token_id: str) -> Actor:
        world = self._shared.world
        # The column is of fixed width (measured).
        token_id = token_id.rstrip(" ")
        try:
            token, user = world.token(token_id), world.owner_of_token(token_id)
        except (ConnectionError, TimeoutError) as error:
            # Which code, and what it says, depends on the trouble (solaruser.md §7.2).
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

    def _canonical(
        self, request: Request, parameters: Iterable[tuple[str, str]], signed: tuple[str, ...]
    ) -> str:
        if request.body is None:
            raise too_large()
        if request.fields.get("host") == "":
            why = {"why": "an empty Host is not verified as it was sent"}
            raise AuthenticationRefused(403, "Bad credentials", explanation=why)
        # The container has read the fields of a form before its body could be hashed.
        hashed = b"" if is_consumed(request) else request.body
        fields = request.fields
        if "host" in fields and self._shared.behaviour.follows_service("host_port"):
            fields = {**fields, "host": _proxied_host(request, fields["host"])}
        return canonical_request(
            request.method,
            request.path,
            canonical_query(parameters),
            fields.items(),
            signed,
            hashlib.sha256(hashed).hexdigest(),
        )

    def _canonical_behind_tls(
        self, request: Request, parameters: Iterable[tuple[str, str]], signed: tuple[str, ...]
    ) -> Iterator[str]:
        """Yield what else may be signed for production, where that ends TLS before the service.

        Which headers its proxy then sets is not known: a Host without a port may be verified with
        443 (solaruser.md §5.3), and no program in this process or behind a proxy of ours sets them.
        """
        host = request.fields.get("host", "")
        if host.lower() in hosts_of(self._shared.world) and not any(
            name.startswith("x-forwarded-p") for name in request.fields
        ):
            headers = [
                (name, f"{value}:443" if name == "host" else value)
                for name, value in request.headers
            ]
            yield self._canonical(replace(request, headers=tuple(headers)), parameters, signed)

    def _check_signature(
        self, token: Token, when: datetime, canonicals: Sequence[str], given: str
    ) -> None:
        claimed = given.encode("utf-8", "replace")
        for canonical in canonicals:
            to_sign = string_to_sign(when, canonical)
            for earlier in range(_KEY_DAYS):
                key = self._key(token, when.date() - timedelta(days=earlier))
                expected = signature(key, to_sign)
                if hmac.compare_digest(expected.encode(), claimed):
                    return
        raise AuthenticationRefused(
            403,
            "Bad credentials",
            explanation={
                "why": "another signature is expected: the secret differs, or one of these does",
                "canonical_request": canonicals[0],
                "string_to_sign": string_to_sign(when, canonicals[0]),
            },
        )

    def _check_skew(self, when: datetime) -> None:
        now = self._shared.now("solaruser")
        # Where time is simulated, a client may go by the machine's clock: a date by either is good.
        # Where a fault has moved the service's clock, it is as wrong by both.
        clients = self._shared.clients_clock
        moved = self._shared.faults.moved("solaruser") if self._shared.faults.rules else timedelta()
        dates = (now,) if clients is None else (now, clients.now() + moved)
        if any(abs(date - when) < _MAXIMUM_SKEW for date in dates):
            return
        observed = self._shared.behaviour.follows_service("stale_date")
        why = (
            f"signed at {when.isoformat()}, received at {now.isoformat()}"
            f"{self._clock_to_sign_by()}; "
            "the guide says 401 here, and the running service 403"
        )
        raise AuthenticationRefused(
            403 if observed else 401, "Date skew too large", explanation={"why": why}
        )

    def _clock_to_sign_by(self) -> str:
        if not self._shared.clock.is_simulated:
            return ": set the clock right"
        if self._shared.clients_clock is not None:
            return " by the simulator's clock: set the clock right, this machine's or that one"
        return (
            " by the simulator's clock, the only one here, as strict_dates says: sign by it, as "
            "simulator.clock.now() tells the time"
        )

    def _key(self, token: Token, day: date) -> bytes:
        known = (token.id, token.secret, day)
        key = self._keys.get(known)
        if key is None:
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            key = self._keys[known] = signing_key(token.secret, day)
        return key


def _proxied_host(request: Request, host: str) -> str:
    """Return the host that the service verifies, behind a proxy or not (solaruser.md §5.3)."""
    if ":" in host:
        return host
    port = request.fields.get("x-forwarded-port")
    if port is not None:
        return host if port == "80" else f"{host}:{port}"
    is_secure = request.fields.get("x-forwarded-proto", "").lower() == "https"
    return f"{host}:443" if is_secure else host


# The `Authorization` header, and the headers that it must have signed (solaruser.md §5.1).

_SIGNATURE_LENGTH: Final = 64
_FEWEST_SIGNED_HEADERS: Final = 2
_SIGNED_WHERE_PRESENT: Final = ("content-type", "content-md5", "digest")


class _Claim(NamedTuple):
    """What an SNWS2 header claims; the signature has 64 characters, otherwise unchecked."""

    token_id: str
    signed: tuple[str, ...]
    signature: str


def _read_claim(request: Request) -> _Claim:
    """Return what the header of a request claims; nothing in it is trimmed."""
    header = request.fields["authorization"]
    # One character after the scheme is skipped, whatever it is.
    split = (each.partition("=") for each in header[len(SCHEME) + 1 :].split(","))
    parts = {name: value for name, equals, value in split if equals}
    token_id, signature = parts.get("Credential"), parts.get("Signature", "")
    if token_id is None:
        raise AuthenticationRefused(403, "Invalid Credential value")
    if len(signature) != _SIGNATURE_LENGTH:
        raise AuthenticationRefused(403, "Invalid Signature value")
    # Java's split drops what is empty at the end.
    signed = tuple(parts.get("SignedHeaders", "").rstrip(";").split(";"))
    if len(signed) < _FEWEST_SIGNED_HEADERS:
        raise AuthenticationRefused(403, "Invalid SignedHeaders value")
    return _Claim(token_id, signed, signature)


def _check_signed_headers(request: Request, signed: tuple[str, ...]) -> None:
    """Refuse a signature that leaves out a header which it must cover.

    Case does not matter here, though a name in upper case adds nothing to the canonical request.
    """
    lower = {name.lower() for name in signed}
    if "host" not in lower:
        raise AuthenticationRefused(403, "The 'Host' HTTP header must be included in SignedHeaders")
    if not lower & {"date", "x-sn-date"}:
        raise AuthenticationRefused(
            403, "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders"
        )
    own = [name for name, _ in request.headers if name.startswith("x-sn-")]
    for name in [name for name in _SIGNED_WHERE_PRESENT if name in request.fields] + own:
        if name not in lower:
            raise AuthenticationRefused(
                403, f"The '{name}' HTTP header must be included in SignedHeaders"
            )


# The older scheme: `SolarNetworkWS <token id>:<signature>`. What it signs was found by computing
# measured signatures again; that fields of a form count, and the first value of each, was read.


def _read_legacy_claim(request: Request) -> _Claim:
    given = request.fields["authorization"][len(LEGACY_SCHEME) + 1 :]
    token_id, colon, made = given.partition(":")
    if not colon:
        raise AuthenticationRefused(403, "Invalid Authorization header value")
    return _Claim(token_id, (), made)


def _legacy_text(request: Request, when: datetime, parameters: Sequence[tuple[str, str]]) -> str:
    first = dict(reversed(parameters))
    query = "&".join(f"{name}={first[name]}" for name in sorted(first))
    parts = (request.fields.get("content-md5") or "", request.fields.get("content-type", ""))
    path = f"{request.path}?{query}" if query else request.path
    return "\n".join([request.method, *parts, format_date(when), path])


def _check_legacy_signature(token: Token, text: str, claim: _Claim) -> None:
    expected = b64encode(hmac.digest(token.secret.encode(), text.encode(), "sha1"))
    if not hmac.compare_digest(expected, claim.signature.encode("utf-8", "replace")):
        why = "another signature is expected: the secret differs, or the string_to_sign does"
        raise AuthenticationRefused(
            403, "Bad credentials", explanation={"why": why, "string_to_sign": text}
        )


# The date of a request, which its signature covers (solaruser.md §5.2): in English whatever the
# locale, which is why the standard library does not read it.

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
# Where RFC 1123 says GMT, an offset or a name is read, too (measured).
_ZONE: Final = r"[+-]\d{4}|GMT|UTC|UT|Z|[ECMP][SD]T"
_AMERICAN_HOURS: Final = MappingProxyType({"E": -5, "C": -6, "M": -7, "P": -8})
_FORMS: Final = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        # RFC 1123, RFC 850 and asctime, as the container reads them: a day, hour, minute or second
        # beyond its range counts on, and in the first form a year of two digits is one of antiquity
        # (measured with a second 60 and a year 26).
        rf"[a-z]{{3}}, (?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{1,4}}) {_TIME} "
        rf"(?P<zone>{_ZONE})",
        rf"[a-z]{{6,9}}, (?P<day>\d\d?)-(?P<month>[a-z]{{3}})-(?P<century>\d\d) {_TIME} GMT",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]?\d) {_TIME} (?P<year>\d{{4}})",
    )
)
# A year of two digits is of this century up to here: 20 years from now, as Java has it.
_LAST_OF_THIS_CENTURY: Final = 45
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _request_date(request: Request) -> datetime:
    """Return the date at which a request was signed: `X-SN-Date`, or else `Date`."""
    name = "X-SN-Date" if request.fields.get("x-sn-date") is not None else "Date"
    text = request.fields.get(name.lower())
    date = _EPOCH - timedelta(1) if text is None else _read_date(text.strip())
    if date is None:
        raise AuthenticationRefused(403, f"Invalid HTTP {name} header value")
    if date < _EPOCH:
        # The container's number for a header that is missing is negative, too.
        raise AuthenticationRefused(403, "Missing or invalid HTTP Date header value")
    return date


def _read_date(text: str) -> datetime | None:
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match["month"].lower()) + 1
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    passed = timedelta(day - 1, hours=hour, minutes=minute, seconds=second)
    try:
        first = datetime(max(_year(match.groupdict()), 1), month, 1, tzinfo=UTC)
        return first + passed - _offset(match.groupdict().get("zone") or "GMT")
    except OverflowError:
        return _EPOCH - timedelta(1)


def _offset(zone: str) -> timedelta:
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[3:])
        return timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    hours = _AMERICAN_HOURS.get(zone[0].upper())
    return timedelta() if hours is None else timedelta(hours=hours + (zone[1].upper() == "D"))


def _year(groups: Mapping[str, str]) -> int:
    if "year" in groups:
        return int(groups["year"])
    year = int(groups["century"])
    return year + (2000 if year <= _LAST_OF_THIS_CENTURY else 1900)

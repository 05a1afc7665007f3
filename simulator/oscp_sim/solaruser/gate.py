"""Limiting how many requests a token may make, as a token bucket (solaruser.md §7.4)."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from oscp_sim.clock import Clock
from oscp_sim.http import Headers, Request, Response, rejection, respond
from oscp_sim.solaruser.call import ApiRefused, content_type_problem, media_type_of, too_large
from oscp_sim.world import RateLimit

__all__ = [
    "Allowance",
    "RateLimiter",
    "check_content",
    "check_parameter_names",
    "check_request",
    "permissive_headers",
    "preflight",
    "with_cors_headers",
]


# § What the framework refuses before anybody asks who it is.
#
# As observed in SolarNetwork (solaruser.md §5.7 and §7.1).


def check_request(request: Request) -> None:
    """Refuses a method, an address or a header that looks like an attack.

    Raises:
        ApiRefused: The service would refuse the request, signed or not, with 400.
    """
    why = rejection(request)
    if why is not None:
        raise ApiRefused(400, why)


def check_content(request: Request) -> None:
    """Refuses a content type that is none, and several parts that are too much together.

    Args:
        request: The request as it was sent.

    Raises:
        ApiRefused: The content type is none.
        AuthenticationRefused: The body is too large; other kinds of body are looked at later.
    """
    content_type = request.header("content-type")
    problem = content_type_problem(content_type) if content_type else None
    if problem:
        raise ApiRefused(403, problem)
    if request.body is None and media_type_of(request).startswith("multipart/"):
        raise too_large()


def check_parameter_names(names: Iterable[str]) -> None:
    """Refuses a parameter whose name holds what nobody writes by hand.

    Raises:
        ApiRefused: A name holds a control character or one that Unicode does not know.
    """
    for name in names:
        if any(unicodedata.category(character) in {"Cc", "Cn"} for character in name):
            raise ApiRefused(
                400,
                f'The request was rejected because the parameter name "{name}" is not allowed.',
            )


# § Letting browsers of any origin in (solaruser.md §7.4).
#
# As Spring's own processor does it; that every origin counts as a foreign one, even the service's
# own, makes no difference to a browser. The list of methods is inferred.

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_HEADERS = ("Authorization", "Content-MD5", "Content-Type", "Digest", "X-SN-Date")
_MAXIMUM_AGE = 86400
_VARY: Headers = tuple(
    ("Vary", name)
    for name in ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
)


def preflight(request: Request) -> Response | None:
    """Answers a browser that asks what it may ask; None where a request is no such question.

    Nobody needs to sign it.
    """
    method = request.header("access-control-request-method")
    origin = request.header("origin")
    if request.method != "OPTIONS" or method is None or origin is None:
        return None
    allowed = _allowed(request.header("access-control-request-headers") or "")
    if method not in _METHODS or allowed is None or not origin.strip():
        return respond(403, b"Invalid CORS request", headers=_VARY)
    headers = [*_VARY, ("Access-Control-Allow-Methods", ",".join(_METHODS))]
    if allowed:
        headers.append(("Access-Control-Allow-Headers", ", ".join(allowed)))
    headers.append(("Access-Control-Max-Age", str(_MAXIMUM_AGE)))
    return respond(200, headers=[*headers, *_letting_in(origin)])


def with_cors_headers(request: Request, response: Response) -> Response:
    """Return a response that the origin of a request, if it has one, may read."""
    origin = request.header("origin")
    letting_in = _letting_in(origin) if origin and origin.strip() else ()
    return response.adding(_VARY).setting(dict(letting_in))


def permissive_headers() -> list[tuple[str, str]]:
    """Answers with what stands on the refusal of an authentication, whoever asks (inferred)."""
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Headers", ", ".join(_HEADERS)),
        ("Access-Control-Allow-Methods", ", ".join(_METHODS)),
    ]


def _allowed(text: str) -> list[str] | None:
    """Answers with those of the wanted headers that are allowed; None where that leaves nothing."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    known = {name.lower() for name in _HEADERS}
    allowed = [name for name in wanted if name.lower() in known]
    return None if wanted and not allowed else allowed


def _letting_in(origin: str) -> Headers:
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS = 1_000_000_000
_PER_MILLISECOND = 1_000_000
_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request may pass.

    Attributes:
        remaining: How many may follow at once; None where this one may not pass.
        retry_after: When one may pass again, in milliseconds since 1970; None where this one may.
    """

    remaining: int | None
    retry_after: int | None

    def headers(self) -> list[tuple[str, str]]:
        """Answers with the header that the service sets."""
        if self.retry_after is not None:
            return [("X-SN-Rate-Limit-Retry-After", str(self.retry_after))]
        return [("X-SN-Rate-Limit-Remaining", str(self.remaining))]


class RateLimiter:
    """The buckets of all keys; they fill by the simulator's clock, evenly (inferred).

    Args:
        clock: What time it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # By key: when its bucket is full again, in nanoseconds since 1970.
        self._full_at: dict[str, int] = {}

    def take(self, limit: RateLimit, key: str) -> Allowance:
        """Takes one request out of a bucket, if there is one in it.

        Args:
            limit: How large the buckets are and how fast they fill.
            key: Whose bucket.
        """
        now = (self._clock.now() - _EPOCH) // timedelta(microseconds=1) * 1000
        each = max(1, round(_NANOSECONDS / limit.refill_per_second))
        with self._lock:
            full_at = max(now, self._full_at.get(key, now)) + each
            # A bucket with room for one more request to be missing is not empty.
            missing = full_at - now
            if missing > limit.capacity * each:
                wait = full_at - limit.capacity * each
                return Allowance(None, -(-wait // _PER_MILLISECOND))
            self._forget(now)
            self._full_at[key] = full_at
        return Allowance((limit.capacity * each - missing) // each, None)

    def _forget(self, now: int) -> None:
        """Drops the buckets that are full again, once there are many."""
        if len(self._full_at) >= _MOST_BUCKETS:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}

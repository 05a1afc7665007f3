"""Limiting how many requests a token may make, as a token bucket (SolarUser dossier §7.4)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.clock import Clock
    from simulator.world import RateLimit

__all__ = ["Allowance", "RateLimiter"]

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

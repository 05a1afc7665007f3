"""Tell the parties of a rehearsal what time it is."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "FrozenClock", "RealClock"]


class Clock(Protocol):
    """The one source of time that all parties of a simulator share."""

    def now(self) -> datetime:
        """Return the present instant, always aware and always in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring how long something took."""
        ...


class RealClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class FrozenClock:
    """A clock that stands still until it is advanced, shared safely between threads.

    Args:
        start: The first instant, with any offset; it is kept in UTC.

    Raises:
        ValueError: `start` has no offset, so it names no instant.
    """

    def __init__(self, start: datetime) -> None:
        if start.utcoffset() is None:
            message = (
                f"a clock cannot start at {start.isoformat()}: add an offset, such as tzinfo=UTC"
            )
            raise ValueError(message)
        self._start = start.astimezone(UTC)
        self._passed = timedelta()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the start plus all that was advanced, in UTC."""
        with self._lock:
            return self._start + self._passed

    def monotonic(self) -> float:
        """Return the seconds by which this clock was advanced."""
        with self._lock:
            return self._passed.total_seconds()

    def advance(self, by: timedelta | float) -> datetime:
        """Move the clock forward and return the new instant.

        Args:
            by: A timedelta, or seconds.

        Raises:
            ValueError: `by` is negative; time that runs back is another clock.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            message = (
                f"a clock cannot advance by {step.total_seconds():g} s: make another FrozenClock"
            )
            raise ValueError(message)
        with self._lock:
            self._passed += step
            return self._start + self._passed

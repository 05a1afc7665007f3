"""Tell the parties of a rehearsal what time it is, and let it pass."""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from simulator.durations import parse_duration

if TYPE_CHECKING:
    from simulator.agenda import Agenda

__all__ = ["Clock", "FastClock", "FrozenClock", "RealClock"]

_LOG = logging.getLogger(__name__)

# Where time ends: a day before Python's, so that what is planned a little ahead can still be told.
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
# How often a clock that runs faster than the wall's looks up to it, in seconds.
_TICK = 0.002


class Clock(Protocol):
    """The one source of time that all parties of a simulator share."""

    @property
    def is_simulated(self) -> bool:
        """Whether it waits for what is due to be done, as the machine's clock does not."""
        ...

    def now(self) -> datetime:
        """Return the present instant, always aware and always in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring how long something took."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed by this clock."""
        ...

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move the clock forward, do what becomes due on the way, and return the new instant."""
        ...

    def seconds_until(self, when: datetime) -> float | None:
        """Return how long that is in real seconds, or None where somebody must move the clock."""
        ...

    def attach(self, agenda: Agenda) -> None:
        """Let what is due in an agenda be done before time passes it by."""
        ...

    def detach(self, agenda: Agenda) -> None:
        """Let time pass without that agenda."""
        ...


class RealClock:
    """The clock of the machine."""

    is_simulated = False

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def advance(self, by: timedelta | float | str) -> datetime:
        """Refuse: nobody moves this clock.

        Raises:
            RuntimeError: Always.
        """
        message = (
            f"the machine's clock cannot be moved by {by}: give the simulator a FrozenClock or a "
            "FastClock, or start it with --clock frozen or fast"
        )
        raise RuntimeError(message)

    def seconds_until(self, when: datetime) -> float:
        """Return the seconds until then, below 0 where it is past."""
        return (when - self.now()).total_seconds()

    def attach(self, agenda: Agenda) -> None:
        """Do nothing: this clock waits for nobody."""

    def detach(self, agenda: Agenda) -> None:
        """Do nothing."""


class FrozenClock:
    """A clock that stands still until it is advanced, shared safely between threads.

    Whatever becomes due on the way is done at its instant, before time goes on; so a week passes
    as quickly as what happens in it can be done, and always in the same order.

    Args:
        start: The first instant, with any offset; it is kept in UTC.

    Raises:
        ValueError: `start` has no offset, so it names no instant.
    """

    is_simulated = True

    def __init__(self, start: datetime) -> None:
        if start.utcoffset() is None:
            message = (
                f"a clock cannot start at {start.isoformat()}: add an offset, such as tzinfo=UTC"
            )
            raise ValueError(message)
        self._start = start.astimezone(UTC)
        self._passed = timedelta()
        self._moved = threading.Condition()
        self._advancing = threading.Lock()
        self._agendas: tuple[Agenda, ...] = ()

    def now(self) -> datetime:
        """Return the start plus all that was advanced, in UTC."""
        with self._moved:
            return self._start + self._passed

    def monotonic(self) -> float:
        """Return the seconds by which this clock was advanced."""
        with self._moved:
            return self._passed.total_seconds()

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move the clock forward, do what becomes due on the way, and return the new instant.

        Args:
            by: A timedelta, seconds, or a duration as `15m`.

        Raises:
            ValueError: `by` is no duration, or leads beyond the year 9999; or it is negative: time
                that runs back is another clock.
            RuntimeError: Something that is due asks for it: it cannot wait for itself.
        """
        step = _duration(by)
        if step < timedelta():
            message = (
                f"a clock cannot advance by {step.total_seconds():g} s: make another FrozenClock"
            )
            raise ValueError(message)
        if step and step > _LAST - self.now():
            message = f"a clock cannot advance by {by}: no clock goes beyond the year 9999"
            raise ValueError(message)
        return self._advance_by(step)

    def sleep(self, seconds: float) -> None:
        """Wait until somebody has advanced the clock by so many seconds."""
        until = self.monotonic() + seconds
        with self._moved:
            self._moved.wait_for(lambda: self._passed.total_seconds() >= until)

    def seconds_until(self, when: datetime) -> float | None:
        """Return None, unless it is due: nothing but being told moves this clock."""
        return 0.0 if when <= self.now() else None

    def attach(self, agenda: Agenda) -> None:
        """Let what is due in an agenda be done before time passes it by."""
        self._agendas += (agenda,)

    def detach(self, agenda: Agenda) -> None:
        """Let time pass without that agenda."""
        self._agendas = tuple(each for each in self._agendas if each is not agenda)

    def _advance_by(self, step: timedelta) -> datetime:
        if any(agenda.is_mine for agenda in self._agendas):
            message = "what is due cannot advance the clock: it would wait for itself"
            raise RuntimeError(message)
        with self._advancing:
            target = self.now() + step
            while True:
                for agenda in self._agendas:
                    agenda.carry_out_due()
                due = self._next_due()
                if due is None or due > target:
                    break
                self._move_to(due)
            self._move_to(target)
            return self.now()

    def _next_due(self) -> datetime | None:
        due = [each for each in (agenda.next_due for agenda in self._agendas) if each is not None]
        return min(due, default=None)

    def _move_to(self, instant: datetime) -> None:
        with self._moved:
            self._passed = max(self._passed, instant - self._start)
            self._moved.notify_all()


def _duration(by: timedelta | float | str) -> timedelta:
    """Return what a clock is asked to advance by.

    Raises:
        ValueError: It is none.
    """
    if isinstance(by, timedelta):
        return by
    if isinstance(by, str):
        return parse_duration(by)
    if not math.isfinite(by):
        message = f"a clock cannot advance by {by} s: give a number of seconds, or a text as 15m"
        raise ValueError(message)
    try:
        return timedelta(seconds=by)
    except OverflowError:
        message = f"a clock cannot advance by {by:g} s: no clock goes beyond the year 9999"
        raise ValueError(message) from None


class FastClock(FrozenClock):
    """A clock that need not be told: it runs while somebody waits for it, or all the time.

    Without a speed, time stands still while nobody sleeps, and jumps from one thing that is due to
    the next while somebody does. With one, it runs by itself, never past what is due and not done,
    until it stops at the end of the year 9999.

    Args:
        start: The first instant, with any offset.
        speed: Its seconds in a second of the wall's clock.

    Raises:
        ValueError: `start` has no offset, or the speed is not a number above 0.
    """

    def __init__(self, start: datetime, speed: float | None = None) -> None:
        super().__init__(start)
        if speed is not None and not 0 < speed < math.inf:
            message = f"a clock cannot run at a speed of {speed:g}: give one above 0, and finite"
            raise ValueError(message)
        self._speed = speed
        self._runner: threading.Thread | None = None

    @property
    def speed(self) -> float | None:
        """Its seconds in a second of the wall's clock; None where it runs only for who waits."""
        return self._speed

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, and do what is due meanwhile."""
        if self._runner is None or self._speed is None:
            self.advance(seconds)
        else:
            super().sleep(seconds)

    def attach(self, agenda: Agenda) -> None:
        """Let what is due in an agenda be done before time passes it by, and start to run."""
        super().attach(agenda)
        if self._speed is not None and self._runner is None:
            self._runner = threading.Thread(target=self._run, name="fast-clock", daemon=True)
            self._runner.start()

    def _run(self) -> None:
        """Follow the wall's clock at the chosen speed, as long as there is an agenda."""
        speed, at = self._speed or 1.0, time.monotonic()
        while self._agendas:
            time.sleep(_TICK)
            now = time.monotonic()
            if not self._run_on((now - at) * speed):
                break
            at = now
        self._runner = None

    def _run_on(self, seconds: float) -> bool:
        """Advance, and tell whether there is still time left."""
        left = max(0.0, (_LAST - self.now()).total_seconds())
        try:
            self.advance(min(seconds, left))
        except ValueError:
            # Somebody else has advanced it meanwhile: there is less left.
            return True
        if seconds < left:
            return True
        _LOG.warning("the clock has come to the end of the year 9999, and stops there")
        return False

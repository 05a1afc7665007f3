"""Tell whether anything is on its way in a simulator, and wait for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from oscp_send.times import utc_text
from oscp_sim.clock import FastClock
from oscp_sim.shared import Shared

# The longest that a lock is asked to wait at once, in seconds.
_LONGEST_WAIT: Final = 3600.0
# Where time alone changes something: no shorter than this, in seconds.
_SHORTEST_WAIT: Final = 0.001


class Settling:
    """What is on its way in a simulator: instructions, messages, answers and tries.

    Who waits is woken by the journal, the schedule and the clock, and looks at nothing meanwhile.

    Args:
        shared: What the parties share.
        moves: Whether waiting moves a clock that stands; one that runs only while somebody waits
            is moved in any case.
    """

    def __init__(self, shared: Shared, *, moves: bool = False) -> None:
        self._clock = clock = shared.clock
        self._journal = shared.journal
        self._schedule = shared.schedule
        self._instructions = shared.instructions
        is_fast = isinstance(clock, FastClock)
        #: Whether time passes by itself.
        self.runs = (
            clock.speed is not None if isinstance(clock, FastClock) else not clock.is_simulated
        )
        self._moves = not self.runs and (moves or is_fast)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way any more; jobs, which always come again, do not count."""
        is_done = not (self._schedule.is_working or self._schedule.pending)
        return is_done and self._instructions.is_settled

    def may_change(self, until: datetime | None) -> bool:
        """Return whether something may still happen that nobody outside brings about.

        Args:
            until: Only what happens by then counts, jobs included; all that is on its way where
                None, and no job.
        """
        if self._schedule.is_working:
            return True
        if not (self.runs or self._moves):
            return False
        if until is None:
            return not self.is_settled
        due = self._next_change()
        return due is not None and due <= until

    def end_after(self, seconds: float) -> datetime | None:
        """Return when a wait of so many seconds ends by a clock that waiting moves; else None."""
        return self._clock.now() + timedelta(seconds=seconds) if self._moves else None

    def left_over(self) -> str:
        """Return what is still on its way, for people; nothing where it is settled."""
        if self.is_settled:
            return ""
        pending, due = self._schedule.pending, self._next_change()
        # An instruction that nobody claims is not on the schedule.
        count = f"{pending} things are" if pending > 1 else "1 thing is"
        when = "" if due is None else f", the next is due at {utc_text(due)}"
        stands = "" if self.runs or self._moves else ", and the clock stands: advance it"
        return f"{count} still on the way{when}{stands}"

    def wait_until_settled(self, timeout: float) -> bool:
        """Wait until nothing is on its way; return whether that came to be within the seconds.

        What is due later is not awaited by a clock that stands: it would be in vain.
        """
        until = self.end_after(timeout)
        self.wait(lambda: self.is_settled or not self.may_change(until), until, timeout)
        return self.is_settled

    def wait(self, is_decided: Callable[[], bool], until: datetime | None, seconds: float) -> bool:
        """Wait until something is decided; return whether it was in time.

        Args:
            is_decided: Asked whenever something has changed.
            until: By the simulator's clock; not limited by it where None.
            seconds: Of real time; a clock that is moved has no need of it while it gets on.
        """
        deadline = time.monotonic() + seconds
        wake = self._journal.wake
        with self._clock.telling(wake), self._schedule.telling(wake):
            while True:
                pulse = self._journal.pulse
                if is_decided():
                    return True
                if self._moves and self._moved(until):
                    continue
                left = self._left(until, deadline)
                if left <= 0:
                    return False
                self._journal.wait_beyond(pulse, left)

    def _moved(self, until: datetime | None) -> bool:
        """Move the clock to what is due next, if it is by then and nobody is at work before it."""
        due = self._next_change()
        if due is None or (until is not None and due > until) or self._schedule.is_working:
            return False
        self._clock.advance(max(due - self._clock.now(), timedelta()))
        return True

    def _next_change(self) -> datetime | None:
        """Return when time brings something about next: what is due, or an instruction's end."""
        due = (self._schedule.next_due, self._instructions.changed_by_time)
        return min((each for each in due if each is not None), default=None)

    def _left(self, until: datetime | None, deadline: float) -> float:
        """Return for how many seconds of real time nobody need look, unless woken."""
        left = deadline - time.monotonic()
        for instant, least in ((until, 0.0), (self._instructions.changed_by_time, _SHORTEST_WAIT)):
            if instant is None:
                continue
            seconds = self._clock.seconds_until(instant)
            if seconds is not None:
                left = min(left, max(seconds, least))
        return min(left, _LONGEST_WAIT)

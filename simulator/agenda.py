"""What is due, and when, by the simulator's clock.

By a clock that the simulator owns, one thing is done after the other, so that the same seed gives
the same bytes. By the machine's, what has a lane of its own does not wait for other lanes: a slow
Capacity Provider holds up nobody but itself.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from datetime import datetime

    from simulator.clock import Clock

__all__ = ["Agenda", "Appointment"]

_LOG = logging.getLogger(__name__)

# Seconds of real time after which whoever waits looks up.
_LONGEST_WAIT: Final = 3600.0
# How many appointments there are before those that are cancelled are looked for.
_FEW: Final = 256


@dataclass(order=True, slots=True)
class Appointment:
    """Something to do at an instant; of two at the same one, the first made comes first.

    Attributes:
        when: The instant, in UTC.
        number: In the order in which they were made.
        task: What to do.
        job: Whether it comes again and again, so that nobody waits for it to be done.
        lane: Those of one lane are done one after the other; None: one that never takes long.
        cancelled: Whether it is called off.
    """

    when: datetime
    number: int
    task: Callable[[], object] = field(compare=False)
    job: bool = field(default=False, compare=False)
    lane: Hashable = field(default=None, compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Call it off; without effect where it is done already."""
        self.cancelled = True


class Agenda:
    """Carries out what is due, one task after the other, in the order in which it is due.

    Its own thread does it, or whoever moves the clock. A task that fails is logged, and the rest
    goes on.

    Args:
        clock: What time it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        # Woken only where there is something for them: two threads that take turns are slow.
        self._wanted = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._due: list[Appointment] = []
        self._numbers = count(1)
        self._busy: int | None = None
        self._askers = 0
        self._tidy_at = _FEW
        self._lanes: dict[Hashable, deque[Appointment]] = {}
        self._state = "new"
        self._thread = threading.Thread(target=self._work, name="agenda", daemon=True)

    def at(
        self,
        when: datetime,
        task: Callable[[], object],
        *,
        job: bool = False,
        lane: Hashable = None,
    ) -> Appointment:
        """Do something at an instant, or as soon as possible after it.

        Args:
            when: Aware; one that is past is due at once.
            task: What to do; it may make further appointments, but must not wait for any.
            job: Whether it is one of those that always come again, and never count as pending.
            lane: What it must not be done beside: whoever waits for the same other party.
        """
        with self._lock:
            appointment = Appointment(when, next(self._numbers), task, job, lane)
            heapq.heappush(self._due, appointment)
            if len(self._due) > self._tidy_at:
                self._tidy()
            # Whoever is busy looks again afterwards; a simulated clock calls when time has come.
            idle = self._busy is None and not self._askers
            if idle and self._clock.seconds_until(when) is not None:
                self._wanted.notify()
        return appointment

    def after(
        self,
        seconds: float,
        task: Callable[[], object],
        *,
        job: bool = False,
        lane: Hashable = None,
    ) -> Appointment:
        """Do something so many seconds from now."""
        return self.at(self._clock.now() + timedelta(seconds=seconds), task, job=job, lane=lane)

    def soon(self, task: Callable[[], object], *, lane: Hashable = None) -> Appointment:
        """Do something as soon as what is due before is done."""
        return self.at(self._clock.now(), task, lane=lane)

    @property
    def next_due(self) -> datetime | None:
        """When there is something to do next; None where there is nothing."""
        with self._lock:
            self._forget_cancelled()
            return self._due[0].when if self._due else None

    @property
    def pending(self) -> int:
        """How much is still to be done, or being done, jobs left aside."""
        with self._lock:
            waiting = sum(not (each.job or each.cancelled) for each in self._due)
            in_lanes = sum(len(lane) + 1 for lane in self._lanes.values())
            return waiting + in_lanes + (self._busy is not None)

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread is carrying out a task of this agenda."""
        return self._busy == threading.get_ident()

    def carry_out_due(self) -> None:
        """Do, on the calling thread, whatever is due; return when nothing more is."""
        while True:
            with self._lock:
                self._idle.wait_for(lambda: self._busy is None)
                appointment = self._pop_due()
                if appointment is None:
                    return
                self._busy = threading.get_ident()
            self._carry_out(appointment)

    def catch_up(self) -> None:
        """Do whatever is due by a simulated clock, unless somebody is at it already."""
        while self._clock.is_simulated:
            with self._lock:
                may_do = self._busy is None and self._state == "open"
                appointment = self._pop_due() if may_do else None
                if appointment is None:
                    return
                self._busy = threading.get_ident()
            self._carry_out(appointment)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Let a request of somebody be answered, and do what it leaves to be done at once.

        By a simulated clock whoever asked does it, before the answer is brought: then no thread
        races another, and what happens has one order. By the machine's, nobody waits for it.
        """
        if not self._clock.is_simulated:
            yield
            return
        with self._lock:
            self._askers += 1
        try:
            yield
        finally:
            with self._lock:
                self._askers -= 1
            self.catch_up()

    def clear(self) -> None:
        """Call off all that is not being done already."""
        with self._lock:
            self._due.clear()

    def start(self) -> None:
        """Start to carry out what is due."""
        self._state = "open"
        self._clock.attach(self)
        self._thread.start()

    def close(self, timeout: float | None = None) -> None:
        """Do what is due already, and no more; may be called again.

        Args:
            timeout: Seconds of real time to wait for that; as long as it takes where not given.
        """
        with self._lock:
            started, self._state = self._state == "open", "closed"
            self._wanted.notify()
        if started:
            self._clock.detach(self)
            self._thread.join(timeout)
            with self._lock:
                self._idle.wait_for(lambda: not self._lanes, timeout)

    def _work(self) -> None:
        while (appointment := self._wait_for_due()) is not None:
            if appointment.lane is None or self._clock.is_simulated:
                self._carry_out(appointment)
            else:
                self._enter_lane(appointment)

    def _enter_lane(self, appointment: Appointment) -> None:
        """Let it be done on its lane's own thread, behind what is there already."""
        with self._lock:
            self._be_idle()
            if appointment.lane in self._lanes:
                self._lanes[appointment.lane].append(appointment)
                return
            self._lanes[appointment.lane] = deque()
        threading.Thread(
            target=self._drive, args=(appointment,), name="agenda lane", daemon=True
        ).start()

    def _drive(self, appointment: Appointment) -> None:
        following: Appointment | None = appointment
        while following is not None:
            _do(following)
            with self._lock:
                lane = self._lanes[appointment.lane]
                following = lane.popleft() if lane else None
                if following is None:
                    del self._lanes[appointment.lane]
                    self._idle.notify_all()

    def _wait_for_due(self) -> Appointment | None:
        with self._lock:
            while True:
                self._idle.wait_for(lambda: self._busy is None)
                appointment = None if self._askers else self._pop_due()
                if appointment is not None:
                    self._busy = threading.get_ident()
                    return appointment
                if self._state == "closed":
                    return None
                left = self._clock.seconds_until(self._due[0].when) if self._due else None
                # In pieces: a heartbeat may announce a year that no lock can wait for.
                self._wanted.wait(None if left is None else min(left, _LONGEST_WAIT))

    def _pop_due(self) -> Appointment | None:
        self._forget_cancelled()
        if self._due and self._due[0].when <= self._clock.now():
            return heapq.heappop(self._due)
        return None

    def _tidy(self) -> None:
        """Forgets what is cancelled, however far away it is."""
        self._due = [each for each in self._due if not each.cancelled]
        heapq.heapify(self._due)
        self._tidy_at = max(_FEW, 2 * len(self._due))

    def _forget_cancelled(self) -> None:
        while self._due and self._due[0].cancelled:
            heapq.heappop(self._due)

    def _carry_out(self, appointment: Appointment) -> None:
        _do(appointment)
        with self._lock:
            self._be_idle()

    def _be_idle(self) -> None:
        self._busy = None
        self._idle.notify_all()


def _do(appointment: Appointment) -> None:
    try:
        appointment.task()
    except Exception:  # noqa: BLE001 - what is due next is due all the same
        _LOG.exception("what was due at %s failed", appointment.when.isoformat())

"""The database that the real SolarUser and Flexibility Provider share: the instructions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

from oscp_send.instruction import join_parameters
from oscp_sim.clock import Clock
from oscp_sim.entry import PartyName
from oscp_sim.journal import Journal

__all__ = [
    "EXPIRY_JOB_EVERY",
    "STALE_AFTER",
    "STATES",
    "WHY",
    "HandOff",
    "Instruction",
    "Instructions",
    "QueuedMessage",
    "State",
    "aged",
    "written",
]


# § What SolarUser hands to the Flexibility Provider over the message queue between them.


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """The body of a message on `instr/OSCP_v20` (solaruser.md §3.4).

    Attributes:
        id: The instruction.
        node_id: Its node.
        user_id: The node's owner.
        action: The OSCP message name.
        co_id: The Capacity Optimizer's configId.
        cg_identifier: The Capacity Group's identifier.
        msg: The message, decoded.
        correlation_id: The `correlationId` parameter, where it is passed on.
    """

    id: int
    node_id: int
    user_id: int
    action: str
    co_id: int
    cg_identifier: str
    msg: Mapping[str, Any]
    correlation_id: str | None = None


class HandOff(Protocol):
    """Takes a message from SolarUser and sees to it that the Flexibility Provider gets it."""

    def __call__(self, message: QueuedMessage) -> None:
        """Hands a message over, without waiting for what becomes of it."""
        ...


# § One instruction, in the two views of it that matter.
#
# The parameters to the letter, for delivery, and the pieces as PostgreSQL and its driver give
# them back, for replies (solaruser.md §2.2 and §2.3).

State = Literal["Unknown", "Queued", "Queuing", "Received", "Executing", "Declined", "Completed"]
STATES: tuple[State, ...] = get_args(State)

_FINAL = frozenset({"Completed", "Declined"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, as it stands in the database.

    Attributes:
        id: From one sequence for all nodes.
        created: When it was stored, UTC.
        node_id: The node it is for, which tells its owner.
        topic: As `OSCP_v20`.
        instruction_date: As given, or when it came.
        state: One of `STATES`.
        status_date: When it was stored (an update does not advance it).
        pieces: The parameters, cut, as they were before they were stored.
        expiration_date: As given.
        result: The result parameters.
    """

    id: int
    created: datetime
    node_id: int
    topic: str
    instruction_date: datetime
    state: State
    status_date: datetime
    pieces: tuple[tuple[str, str], ...] = ()
    expiration_date: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether nothing is to be done any more."""
        return self.state in _FINAL

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters, joined to the letter."""
        return join_parameters(self.pieces)

    @property
    def stored_pieces(self) -> tuple[tuple[str, str], ...]:
        """The pieces as they are read back: equal ones collapse, a cut surrogate pair is `??`.

        Inferred from the service's mapping and its driver (solaruser.md §2.3).
        """
        read_back = ((written(name), written(value)) for name, value in self.pieces)
        return tuple(dict.fromkeys(read_back))


def written(text: str) -> str:
    """Answers with a text as the database driver writes it: half a surrogate pair is `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


# § What time alone does to an instruction: the jobs that SolarNetwork runs over its database.
#
# As observed in SolarNetwork (solaruser.md §2.6). There is no job here: whoever looks at an
# instruction sees it as the jobs would have left it by then. The weekly purge of old instructions
# is left out.

STALE_AFTER = timedelta(seconds=30)
EXPIRY_JOB_EVERY = timedelta(seconds=60)

#: What to tell a person of the state that time has brought an instruction to.
WHY: Mapping[str, str] = MappingProxyType(
    {
        "Queued": "it was not claimed within 30 s of its instructionDate, so it is never delivered",
        "Declined": "it was not finished by its expirationDate",
    }
)


def aged(row: Instruction, now: datetime, *, gives_up: bool = True) -> Instruction:
    """Answers with an instruction as the jobs leave it: the same object where nothing is due.

    Args:
        row: As it was.
        now: What time it is.
        gives_up: Whether the job that gives up what nobody claims is running.
    """
    if row.is_final:
        return row
    return _expired(_stale(row, now) if gives_up else row, now)


def _stale(row: Instruction, now: datetime) -> Instruction:
    """Gives up one that nobody claimed: the Flexibility Provider takes nothing but `Queuing`.

    The job runs every 10 seconds; here it is always on time, so that an instruction whose own date
    is past is never delivered, rather than sometimes.
    """
    if row.state == "Queuing" and now - row.instruction_date > STALE_AFTER:
        return replace(row, state="Queued")
    return row


def _expired(row: Instruction, now: datetime) -> Instruction:
    """Declines one whose time has run out.

    The Flexibility Provider does not look at the expiration date, so an instruction that is past it
    from the start is delivered all the same, unless the job comes first. That the job comes no
    sooner than its 60 seconds after the instruction was stored is inferred.
    """
    date = row.expiration_date
    if date is None or date >= now or now - row.created < EXPIRY_JOB_EVERY:
        return row
    return replace(row, state="Declined", result={**row.result, "message": "Expired"})


_UNDER_WAY = frozenset({"Queuing", "Executing"})
# Whoever waits is woken by every change; time alone changes things, too, and wakes nobody.
_LOOK_UP_EVERY = 0.05


class Instructions:
    """All instructions of a simulator; any thread may add, find and change them.

    Each change of state is told to the journal. Whoever looks sees what time has done meanwhile.

    Args:
        clock: What time it is.
        journal: Told of each change.
        gives_up: Whether time turns an instruction that nobody claims into a `Queued` one.
    """

    def __init__(self, clock: Clock, journal: Journal, *, gives_up: bool = True) -> None:
        self._gives_up = gives_up
        self._clock = clock
        self._journal = journal
        self._lock = threading.Condition()
        self._rows: dict[int, Instruction] = {}
        self._under_way: set[int] = set()
        self._last_id = 0

    def add(
        self,
        *,
        node_id: int,
        topic: str,
        pieces: Iterable[tuple[str, str]],
        state: State,
        result: Mapping[str, Any],
        instruction_date: datetime | None = None,
        expiration_date: datetime | None = None,
    ) -> Instruction:
        """Stores an instruction under the next id, and answers with it."""
        now = self._clock.now()
        with self._lock:
            self._last_id += 1
            row = Instruction(
                id=self._last_id,
                created=now,
                node_id=node_id,
                topic=written(topic),
                instruction_date=instruction_date or now,
                state=state,
                status_date=now,
                pieces=tuple(pieces),
                expiration_date=expiration_date,
                result=_stored(result),
            )
            self._put("solaruser", row)
        return row

    def get(self, instruction_id: int) -> Instruction | None:
        """Answers with one instruction, or None."""
        with self._lock:
            return self._look(instruction_id, self._clock.now())

    def find(self, fits: Callable[[Instruction], bool]) -> list[Instruction]:
        """Answers with the instructions that fit, by ascending id."""
        with self._lock:
            now = self._clock.now()
            rows = [self._look(each, now) for each in list(self._rows)]
        return [row for row in rows if row is not None and fits(row)]

    def change(
        self,
        party: PartyName,
        instruction_id: int,
        expected: State,
        state: State,
        result: Mapping[str, Any] | None = None,
    ) -> Instruction | None:
        """Moves an instruction from one state to another, if it is in the first.

        Args:
            party: Who does it, for the journal.
            instruction_id: Which instruction.
            expected: The state that it must be in.
            state: The state to move it to.
            result: Its result parameters from now on; none by default.

        Returns:
            The instruction afterwards; None if there is none, or it is in another state.
        """
        with self._lock:
            row = self._look(instruction_id, self._clock.now())
            if row is None or row.state != expected:
                return None
            row = replace(row, state=state, result=_stored(result or {}))
            self._put(party, row)
        return row

    def set_state(self, instruction_id: int, state: State) -> bool:
        """Gives an instruction any state, whatever it was, and leaves all else as it is.

        Returns:
            Whether there is such an instruction, and it was in another state.
        """
        with self._lock:
            row = self._look(instruction_id, self._clock.now())
            if row is None or row.state == state:
                return False
            self._put("solaruser", replace(row, state=state))
        return True

    def clear(self) -> None:
        """Forgets every instruction; ids go on."""
        with self._lock:
            self._rows.clear()
            self._under_way.clear()
            self._lock.notify_all()

    def wait_until_settled(self, timeout: float) -> bool:
        """Waits until none is with the Flexibility Provider; tells whether that came to be.

        Args:
            timeout: Seconds of real time.
        """
        deadline = time.monotonic() + timeout
        return self._wait(self._is_settled, lambda: deadline - time.monotonic())

    def wait_until_final(self, instruction_ids: Collection[int], timeout: float) -> bool:
        """Waits until each of some is `Completed` or `Declined`; tells whether that came to be.

        One that is forgotten meanwhile is not waited for.

        Args:
            instruction_ids: Which ones.
            timeout: Seconds by the simulator's clock, but no more than so many seconds of real
                time: a clock that stands still must not make anybody wait for ever.
        """
        return self._wait(lambda: all(map(self._is_final, instruction_ids)), self._until(timeout))

    def pause(self, seconds: float) -> None:
        """Lets time pass, by the simulator's clock or in reality, whichever is sooner."""
        self._wait(lambda: False, self._until(seconds))

    def _until(self, timeout: float) -> Callable[[], float]:
        """Answers with what tells how many seconds of a time-out that begins now are left."""
        deadlines = (
            (self._clock.monotonic, self._clock.monotonic() + timeout),
            (time.monotonic, time.monotonic() + timeout),
        )
        return lambda: min(deadline - now() for now, deadline in deadlines)

    def _wait(self, condition: Callable[[], bool], left: Callable[[], float]) -> bool:
        with self._lock:
            while not condition():
                seconds = left()
                if seconds <= 0:
                    return False
                self._lock.wait(min(seconds, _LOOK_UP_EVERY))
        return True

    def _is_final(self, instruction_id: int) -> bool:
        row = self._look(instruction_id, self._clock.now())
        return row is None or row.is_final

    def _is_settled(self) -> bool:
        now = self._clock.now()
        while self._under_way:
            first = next(iter(self._under_way))
            self._look(first, now)
            if first in self._under_way:
                return False
        return True

    def _look(self, instruction_id: int, now: datetime) -> Instruction | None:
        row = self._rows.get(instruction_id)
        if row is None:
            return None
        looked_at = aged(row, now, gives_up=self._gives_up)
        if looked_at is not row:
            self._put("solaruser", looked_at, {"why": WHY[looked_at.state]})
        return looked_at

    def _put(
        self, party: PartyName, row: Instruction, detail: Mapping[str, Any] | None = None
    ) -> None:
        self._rows[row.id] = row
        if row.state in _UNDER_WAY:
            self._under_way.add(row.id)
        else:
            self._under_way.discard(row.id)
        # Told before anybody who waits goes on, and in the order in which it happened.
        reason = row.result.get("error", row.result.get("message"))
        self._journal.append(
            party,
            "state",
            action=row.parameters.get("action"),
            instruction_id=row.id,
            state=row.state,
            reason=None if reason is None else str(reason),
            detail=detail,
        )
        self._lock.notify_all()


def _stored(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: written(value) if isinstance(value, str) else value for name, value in result.items()
    }

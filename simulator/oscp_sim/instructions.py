"""The instructions, which the real SolarUser and Flexibility Provider share in a database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from oscp_send.instruction import TOPIC, join_parameters
from oscp_sim.clock import Clock
from oscp_sim.dataclass_values import changed
from oscp_sim.entry import PartyName
from oscp_sim.journal import Journal, Room, size_of


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """The body of a message on `instr/OSCP_v20` (docs/protocol/solaruser.md §3.4).

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


#: The queue between the two: takes a message to the Flexibility Provider, without waiting for the
#: outcome.
HandOff: TypeAlias = Callable[[QueuedMessage], None]

State = Literal["Unknown", "Queued", "Queuing", "Received", "Executing", "Declined", "Completed"]
STATES: tuple[State, ...] = get_args(State)

_FINAL = frozenset({"Completed", "Declined"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, as the database has it.

    Delivery needs the parameters to the letter; replies show the pieces as PostgreSQL and its
    driver return them (docs/protocol/solaruser.md §2.2 and §2.3).

    Attributes:
        id: From one sequence for all nodes.
        created: When it was stored, UTC.
        node_id: The node that it is for; its owner is the instruction's.
        topic: As `OSCP_v20`.
        instruction_date: As given, or when it was received.
        state: One of `STATES`.
        status_date: When it was stored (an update does not advance it).
        pieces: The parameters, cut in pieces, before they are stored.
        expiration_date: As given.
        result: The result parameters.
        action: The OSCP message that it is about; None where it names none.
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
    action: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the instruction is at its end."""
        return self.state in _FINAL

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters, joined to the letter."""
        return join_parameters(self.pieces)

    @property
    def stored_pieces(self) -> tuple[tuple[str, str], ...]:
        """The pieces as they are read back: equal ones collapse, a cut surrogate pair is `??`.

        Inferred from the service's mapping and its driver (docs/protocol/solaruser.md §2.3).
        """
        if "".join([name + value for name, value in self.pieces]).isascii():
            return tuple(dict.fromkeys(self.pieces))
        read_back = ((_written(name), _written(value)) for name, value in self.pieces)
        return tuple(dict.fromkeys(read_back))


def _written(text: str) -> str:
    """Return a text as the database driver writes it: half a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


# What the jobs of SolarNetwork do to instructions as time passes, as observed
# (docs/protocol/solaruser.md §2.6). No job runs here: a reader sees an instruction as the jobs
# would have left it by then. The weekly purge of old instructions is left out.

_STALE_AFTER: Final = timedelta(seconds=30)
_EXPIRY_JOB_EVERY: Final = timedelta(seconds=60)

# Why time has brought an instruction to a state, for people.
_WHY: Mapping[str, str] = MappingProxyType(
    {
        "Queued": "it was not claimed within 30 s of its instructionDate, so it is never delivered",
        "Declined": "it was not finished by its expirationDate",
    }
)


def aged(row: Instruction, now: datetime, *, gives_up: bool = True) -> Instruction:
    """Return an instruction as the jobs leave it: the same object if nothing is due.

    Args:
        row: As it was.
        now: What time it is.
        gives_up: Whether the job runs that gives up instructions that nobody claims.
    """
    if row.is_final:
        return row
    return _expired(_stale(row, now) if gives_up else row, now)


def _stale(row: Instruction, now: datetime) -> Instruction:
    """Give up an unclaimed instruction: the Flexibility Provider claims only `Queuing` ones.

    The job runs every 10 seconds; here it is always on time, so that an instruction with a date in
    the past is never delivered, rather than sometimes.
    """
    if row.state == "Queuing" and now - row.instruction_date > _STALE_AFTER:
        return changed(row, state="Queued")
    return row


def _expired(row: Instruction, now: datetime) -> Instruction:
    """Decline an instruction that has expired.

    The Flexibility Provider ignores the expiration date, so an instruction that has already expired
    is still delivered, unless the job comes first. That the job comes no sooner than its 60 seconds
    after the instruction was stored is inferred.
    """
    date = row.expiration_date
    if date is None or date >= now or now - row.created < _EXPIRY_JOB_EVERY:
        return row
    return changed(row, state="Declined", result={**row.result, "message": "Expired"})


def _changed_by_time(row: Instruction, *, gives_up: bool) -> datetime | None:
    """Return the first instant at which `aged` changes an instruction; None where it never does."""
    instants = []
    if gives_up and row.state == "Queuing":
        instants.append(row.instruction_date + _STALE_AFTER + timedelta.resolution)
    if row.expiration_date is not None:
        expires = row.expiration_date + timedelta.resolution
        instants.append(max(expires, row.created + _EXPIRY_JOB_EVERY))
    return min(instants, default=None)


_UNDER_WAY = frozenset({"Queuing", "Executing"})
# Bytes of an instruction without parameters.
_BARE = 800
# A waiting thread is woken by every change, but not by the machine's time, which makes some, too.
_LOOK_UP_EVERY = 0.05


class Instructions:
    """All instructions of a simulator; any thread may add, find and change them.

    Each change of state is recorded in the journal. A reader sees what time has done meanwhile.

    Args:
        clock: What time it is.
        journal: Records each change.
        gives_up: Whether an instruction that nobody claims becomes `Queued` in time.
        limit: How many to keep; fewer where they take more than 4 KB each; all of them where not
            given. The oldest that is at its end goes first, and none that is under way.
    """

    def __init__(
        self, clock: Clock, journal: Journal, *, gives_up: bool = True, limit: int | None = None
    ) -> None:
        self._gives_up = gives_up
        self._clock = clock
        self._journal = journal
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._rows: dict[int, Instruction] = {}
        # The ids in the order in which they came there: dicts, for a set has none.
        self._final: dict[int, None] = {}
        self._idle: dict[int, None] = {}
        self._under_way: dict[int, None] = {}
        self._room = Room(limit)
        self._last_id = 0

    def take_id(self) -> int:
        """Return the next id, which is used up, whatever comes of it."""
        with self._lock:
            self._last_id += 1
            return self._last_id

    def add(
        self,
        *,
        id: int | None = None,  # noqa: A002 - the service's own word
        node_id: int,
        topic: str,
        pieces: Iterable[tuple[str, str]],
        state: State,
        result: Mapping[str, Any],
        instruction_date: datetime | None = None,
        expiration_date: datetime | None = None,
    ) -> Instruction:
        """Store an instruction under an id that was taken, or the next, and return it."""
        now = self._clock.now()
        taken = self.take_id() if id is None else id
        pieces = tuple(pieces)
        with self._lock:
            row = Instruction(
                id=taken,
                created=now,
                node_id=node_id,
                topic=_written(topic),
                instruction_date=instruction_date or now,
                state=state,
                status_date=now,
                pieces=pieces,
                expiration_date=expiration_date,
                result=_stored(result),
                action="".join([text for name, text in pieces if name == "action"]) or None,
            )
            self._put("solaruser", row)
            self._make_room(row)
        return row

    def get(self, instruction_id: int) -> Instruction | None:
        """Return the instruction of that id, or None."""
        with self._lock:
            return self._look(instruction_id, self._clock.now())

    def find(self, fits: Callable[[Instruction], bool]) -> list[Instruction]:
        """Return the instructions that fit, by ascending id."""
        with self._lock:
            now = self._clock.now()
            rows = [self._look(each, now) for each in sorted(self._rows)]
        return [row for row in rows if row is not None and fits(row)]

    def change(
        self,
        party: PartyName,
        instruction_id: int,
        expected: State,
        state: State,
        result: Mapping[str, Any] | None = None,
    ) -> Instruction | None:
        """Move an instruction from one state to another, if it is in the first.

        Args:
            party: Who does it, for the journal.
            instruction_id: Which instruction.
            expected: The state that it must be in.
            state: The state to move it to.
            result: Its result parameters from now on; none by default.

        Returns:
            The instruction afterwards; None if it does not exist or is in another state.
        """
        with self._lock:
            row = self._look(instruction_id, self._clock.now())
            if row is None or row.state != expected:
                return None
            row = changed(row, state=state, result=_stored(result or {}))
            self._put(party, row)
        return row

    def set_state(self, instruction_id: int, state: State, *, why: str = "") -> bool:
        """Set the state of an instruction, whatever it was, and leave the rest as it is.

        Returns:
            Whether the instruction exists and was in another state.
        """
        with self._lock:
            row = self._look(instruction_id, self._clock.now())
            if row is None or row.state == state:
                return False
            self._put("solaruser", changed(row, state=state), {"why": why} if why else None)
        return True

    def clear(self) -> None:
        """Forget every instruction; ids continue."""
        with self._lock:
            self._rows.clear()
            self._room.clear()
            for each in (self._final, self._idle, self._under_way):
                each.clear()
            self._changed.notify_all()

    @property
    def is_settled(self) -> bool:
        """Whether none is with the Flexibility Provider."""
        with self._lock:
            return self._is_settled()

    @property
    def changed_by_time(self) -> datetime | None:
        """When time alone changes one that is under way next; None where it does not."""
        with self._lock:
            now = self._clock.now()
            for each in list(self._under_way):
                self._look(each, now)
            rows = [self._rows[each] for each in self._under_way]
        found = (_changed_by_time(row, gives_up=self._gives_up) for row in rows)
        return min((each for each in found if each is not None), default=None)

    def wait_until_settled(self, timeout: float) -> bool:
        """Wait until none is with the Flexibility Provider; return whether that happened."""
        deadline = time.monotonic() + timeout
        return self._wait(self._is_settled, lambda: deadline - time.monotonic())

    def wait_until_final(self, instruction_ids: Collection[int], timeout: float) -> bool:
        """Wait until each of some is `Completed` or `Declined`; return whether that happened.

        One that is forgotten meanwhile is not awaited.

        Args:
            instruction_ids: Which ones.
            timeout: Seconds by the simulator's clock, but at most as many of real time: on a
                frozen clock nobody must wait forever.
        """
        return self._wait(lambda: all(map(self._is_final, instruction_ids)), self._until(timeout))

    def pause(self, seconds: float) -> None:
        """Let seconds pass, by the simulator's clock or in reality, whichever is sooner."""
        self._wait(lambda: False, self._until(seconds))

    def _until(self, timeout: float) -> Callable[[], float]:
        """Return a function that returns the seconds left of a time-out that begins now."""
        deadlines = (
            (self._clock.monotonic, self._clock.monotonic() + timeout),
            (time.monotonic, time.monotonic() + timeout),
        )
        return lambda: min(deadline - now() for now, deadline in deadlines)

    def _wait(self, condition: Callable[[], bool], left: Callable[[], float]) -> bool:
        with self._clock.telling(self._wake), self._lock:
            while not condition():
                seconds = left()
                if seconds <= 0:
                    return False
                self._changed.wait(min(seconds, _LOOK_UP_EVERY))
        return True

    def _wake(self) -> None:
        with self._lock:
            self._changed.notify_all()

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
            self._put("solaruser", looked_at, {"why": _WHY[looked_at.state]})
        return looked_at

    def _put(
        self, party: PartyName, row: Instruction, detail: Mapping[str, Any] | None = None
    ) -> None:
        self._rows[row.id] = row
        self._sort(row)
        # Recorded before any waiting thread goes on, and in the order in which it happened.
        reason = row.result.get("error", row.result.get("message"))
        self._journal.append(
            party,
            "state",
            action=row.action,
            instruction_id=row.id,
            state=row.state,
            reason=None if reason is None else str(reason),
            detail=detail,
        )
        self._changed.notify_all()

    def _sort(self, row: Instruction) -> None:
        """Put an instruction where its state belongs."""
        for each in (self._final, self._idle, self._under_way):
            each.pop(row.id, None)
        if row.is_final:
            self._final[row.id] = None
        elif row.state in _UNDER_WAY and row.topic == TOPIC:
            self._under_way[row.id] = None
        else:
            self._idle[row.id] = None

    def _make_room(self, row: Instruction) -> None:
        """Forget the oldest ones if there is no room for a new one."""
        if not self._room.is_limited:
            return
        pieces = sum(150 + len(name) + len(value) for name, value in row.pieces)
        self._room.take(row.id, _BARE + pieces + size_of(row.result))
        while self._room.is_short and (self._final or self._idle or self._has_given_up()):
            oldest = next(iter(self._final or self._idle))
            del (self._final or self._idle)[oldest], self._rows[oldest]
            self._room.free(oldest)

    def _has_given_up(self) -> bool:
        """Return whether time has ended what is longest under way: it takes a look to see that."""
        oldest = next(iter(self._under_way))
        self._look(oldest, self._clock.now())
        return oldest not in self._under_way


def _stored(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _written(value) if isinstance(value, str) else value for name, value in result.items()
    }

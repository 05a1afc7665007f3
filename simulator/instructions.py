"""The database that the real SolarUser and Flexibility Provider share: the instructions.

Two views of each instruction are kept: the parameters to the letter, for delivery, and the pieces
as PostgreSQL and its driver give them back, for replies (SolarUser dossier §2.2 and §2.3).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from oscp_send.instruction import join_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from simulator.clock import Clock
    from simulator.journal import Journal, Party

__all__ = ["STATES", "Instruction", "Instructions", "State"]

State = Literal["Unknown", "Queued", "Queuing", "Received", "Executing", "Declined", "Completed"]
STATES: tuple[State, ...] = get_args(State)

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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
    def parameters(self) -> dict[str, str]:
        """The parameters, joined to the letter."""
        return join_parameters(self.pieces)

    @property
    def stored_pieces(self) -> tuple[tuple[str, str], ...]:
        """The pieces as they are read back: equal ones collapse, a cut surrogate pair is `??`.

        Inferred from the service's mapping and its driver (SolarUser dossier §2.3).
        """
        written = ((name, _LONE_SURROGATE.sub("?", value)) for name, value in self.pieces)
        return tuple(dict.fromkeys(written))


class Instructions:
    """All instructions of a simulator; any thread may add, find and change them.

    Each change of state is told to the journal.
    """

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._lock = threading.Condition()
        self._rows: dict[int, Instruction] = {}
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
                topic=topic,
                instruction_date=instruction_date or now,
                state=state,
                status_date=now,
                pieces=tuple(pieces),
                expiration_date=expiration_date,
                result=dict(result),
            )
            self._rows[row.id] = row
        self._tell("solaruser", row)
        return row

    def get(self, instruction_id: int) -> Instruction | None:
        """Answers with one instruction, or None."""
        with self._lock:
            return self._rows.get(instruction_id)

    def find(self, fits: Callable[[Instruction], bool]) -> list[Instruction]:
        """Answers with the instructions that fit, by ascending id."""
        with self._lock:
            rows = list(self._rows.values())
        return [row for row in rows if fits(row)]

    def change(
        self,
        party: Party,
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
            row = self._rows.get(instruction_id)
            if row is None or row.state != expected:
                return None
            row = replace(row, state=state, result=dict(result or {}))
            self._rows[instruction_id] = row
        self._tell(party, row)
        with self._lock:
            self._lock.notify_all()
        return row

    def clear(self) -> None:
        """Forgets every instruction; ids go on."""
        with self._lock:
            self._rows.clear()

    def wait_until_settled(self, timeout: float) -> bool:
        """Waits until none is with the Flexibility Provider; tells whether that came to be.

        Args:
            timeout: Seconds of real time.
        """
        with self._lock:
            return self._lock.wait_for(self._is_settled, timeout)

    def _is_settled(self) -> bool:
        return all(row.state not in {"Queuing", "Executing"} for row in self._rows.values())

    def _tell(self, party: Party, row: Instruction) -> None:
        reason = row.result.get("error")
        self._journal.append(
            party,
            "state",
            action=row.parameters.get("action"),
            instruction_id=row.id,
            state=row.state,
            reason=None if reason is None else str(reason),
        )

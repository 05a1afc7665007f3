"""One instruction, in the two views of it that matter.

The parameters to the letter, for delivery, and the pieces as PostgreSQL and its driver give them
back, for replies (SolarUser dossier §2.2 and §2.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from oscp_send.instruction import join_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["STATES", "Instruction", "State", "written"]

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

        Inferred from the service's mapping and its driver (SolarUser dossier §2.3).
        """
        read_back = ((written(name), written(value)) for name, value in self.pieces)
        return tuple(dict.fromkeys(read_back))


def written(text: str) -> str:
    """Answers with a text as the database driver writes it: half a surrogate pair is `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")

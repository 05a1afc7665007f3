"""Which instructions are meant: the filter parameters (SolarUser dossier §1.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.solaruser.binding import Binding

if TYPE_CHECKING:
    from datetime import datetime

    from werkzeug.datastructures import MultiDict

    from simulator.instructions import Instruction, State

__all__ = ["InstructionFilter", "read_filter"]


@dataclass(frozen=True, slots=True)
class InstructionFilter:
    """What an instruction must be to be meant; what is empty or None does not restrict.

    Attributes:
        node_ids: For one of these nodes.
        instruction_ids: One of these.
        states: In one of these states.
        start: Dated then or later.
        end: Dated before.
    """

    node_ids: tuple[int, ...] = ()
    instruction_ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    start: datetime | None = None
    end: datetime | None = None

    def fits(self, row: Instruction) -> bool:
        """Tells whether an instruction, found by its node or its id, is meant in all else."""
        return (
            (not self.states or row.state in self.states)
            and (self.start is None or row.instruction_date >= self.start)
            and (self.end is None or row.instruction_date < self.end)
        )


def read_filter(
    parameters: MultiDict[str, str], *, state_is_wanted: bool = False
) -> InstructionFilter:
    """Answers with the filter of a request.

    Of a single name and its plural the plural counts, as the later one in the framework's order.

    Args:
        parameters: Of query and form.
        state_is_wanted: Whether `state` is the state to set rather than the one to look for; then
            `states` alone filters (inferred).

    Raises:
        ApiRefused: A parameter cannot be converted.
    """
    binding = Binding(parameters)
    node, state = binding.long("nodeId"), None if state_is_wanted else binding.state("state")
    nodes, states = binding.longs("nodeIds"), binding.states("states")
    found = InstructionFilter(
        node_ids=nodes if "nodeIds" in parameters or node is None else (node,),
        instruction_ids=binding.longs("instructionIds"),
        states=states if "states" in parameters or state is None else (state,),
        start=binding.date("startDate"),
        end=binding.date("endDate"),
    )
    binding.check()
    return found

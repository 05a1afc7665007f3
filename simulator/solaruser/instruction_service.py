"""Queueing instructions, finding them again and changing them: what stands behind the routes.

As observed in SolarNetwork (SolarUser dossier §1.8, §1.10, §2.5 and §6.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.instruction import TOPIC, join_parameters, split_parameters
from simulator.hand_off import QueuedMessage
from simulator.solaruser.instruction_events import tell_outcome
from simulator.solaruser.policy import may_use_node
from simulator.solaruser.queue_hook import Admitted, Declined, judge_instruction
from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from oscp_send.solarnetwork.request_body import InstructionBody
    from simulator.instructions import Instruction, State
    from simulator.rooms import Rooms
    from simulator.solaruser.authentication import Actor
    from simulator.solaruser.filters import InstructionFilter
    from simulator.world import User

__all__ = ["InstructionService", "Queued"]

_LONGEST_TOPIC = 128
_LONGEST_NAME = 256

#: An instruction as it was stored, and the message to hand over, where it was admitted.
Queued = tuple["Instruction", "QueuedMessage | None"]


class InstructionService:
    """What SolarUser does with instructions once it knows who asks.

    Args:
        rooms: The shared rooms.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def queue(
        self, actor: Actor, node_ids: Iterable[int], topic: str, body: InstructionBody
    ) -> list[Queued]:
        """Judges and stores an instruction for each node, or for none of them.

        Raises:
            ApiRefused: A node is unknown or out of bounds, or a text cannot be stored.
        """
        owners = [(node_id, self.owner(actor, node_id)) for node_id in node_ids]
        pieces = self._split(body.parameters)
        _check_columns(topic, pieces)
        return [self._queue(owner, node_id, topic, pieces, body) for node_id, owner in owners]

    def view(self, actor: Actor, instruction_ids: Iterable[int]) -> list[Instruction]:
        """Answers with the instructions of these ids that exist, by ascending id.

        Raises:
            ApiRefused: One of them is for a node that is out of bounds.
        """
        found = [self._rooms.instructions.get(each) for each in sorted(set(instruction_ids))]
        rows = [row for row in found if row is not None]
        for row in rows:
            self.owner(actor, row.node_id)
        return rows

    def find(self, actor: Actor, wanted: InstructionFilter) -> list[Instruction]:
        """Answers with the instructions of a filter, by ascending id.

        Raises:
            ApiRefused: It names neither nodes nor instructions, or one that is out of bounds.
        """
        if not wanted.node_ids and not wanted.instruction_ids:
            raise ApiRefused(403, "ACCESS_DENIED")
        return self._found(actor, wanted)

    def update(self, actor: Actor, instruction_ids: Iterable[int], state: State) -> None:
        """Gives instructions a state, whatever they were in; ids that are not known are ignored.

        Raises:
            ApiRefused: One of them is for a node that is out of bounds; none is changed then.
        """
        for row in self.view(actor, instruction_ids):
            self._rooms.instructions.set_state(row.id, state)

    def update_found(self, actor: Actor, wanted: InstructionFilter, state: State) -> list[int]:
        """Gives the instructions of a filter a state, all of the user's own where it names none.

        Returns:
            The ids of those that were in another state.

        Raises:
            ApiRefused: It names a node, or an instruction for one, that is out of bounds.
        """
        rows = self._found(actor, wanted)
        return [row.id for row in rows if self._rooms.instructions.set_state(row.id, state)]

    def owner(self, actor: Actor, node_id: int) -> User:
        """Answers with the owner of a node, who must be the one who asks.

        Raises:
            ApiRefused: The node is unknown, somebody else's, or none of those that the token is
                restricted to.
        """
        owner = self._rooms.world.owner_of_node(node_id)
        if owner is None:
            raise ApiRefused(403, "UNKNOWN_OBJECT")
        if owner.id != actor.user.id or not may_use_node(actor.token, node_id):
            raise ApiRefused(403, "ACCESS_DENIED")
        return owner

    def _found(self, actor: Actor, wanted: InstructionFilter) -> list[Instruction]:
        nodes = frozenset(wanted.node_ids) or frozenset(
            node_id for node_id in actor.user.nodes if may_use_node(actor.token, node_id)
        )
        for node_id in wanted.node_ids:
            self.owner(actor, node_id)
        rows: Sequence[Instruction]
        if wanted.instruction_ids:
            rows = self.view(actor, wanted.instruction_ids)
        else:
            rows = self._rooms.instructions.find(lambda row: row.node_id in nodes)
        return [row for row in rows if row.node_id in nodes and wanted.fits(row)]

    def _split(self, parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        if self._rooms.behaviour.follows_service("parameter_splitting"):
            return split_parameters(parameters)
        return [
            piece
            for name, value in parameters
            for piece in (split_parameters([(name, value)]) if name == "msg" else [(name, value)])
            if name and value
        ]

    def _queue(
        self,
        owner: User,
        node_id: int,
        topic: str,
        pieces: Sequence[tuple[str, str]],
        body: InstructionBody,
    ) -> Queued:
        behaviour = self._rooms.behaviour
        outcome = (
            judge_instruction(join_parameters(pieces), owner, behaviour) if topic == TOPIC else None
        )
        error = outcome.error if isinstance(outcome, Declined) else None
        row = self._rooms.instructions.add(
            node_id=node_id,
            topic=topic,
            pieces=pieces,
            # Without a node connected, any other topic stays Queued, waiting for one.
            state="Declined" if error is not None else "Queuing" if outcome else "Queued",
            result={} if error is None else {"error": error},
            instruction_date=body.instruction_date,
            expiration_date=body.expiration_date,
        )
        tell_outcome(self._rooms.events, owner.id, row.id, outcome)
        if not isinstance(outcome, Admitted):
            return row, None
        return row, self._message(row, owner, outcome)

    def _message(self, row: Instruction, owner: User, outcome: Admitted) -> QueuedMessage:
        dropped = self._rooms.behaviour.follows_service("correlation_id")
        correlation_id = row.parameters.get("correlationId")
        self._rooms.journal.append(
            "solaruser",
            "note",
            action=outcome.action,
            instruction_id=row.id,
            detail=_hand_over(outcome, correlation_id, dropped=dropped),
        )
        return QueuedMessage(
            id=row.id,
            node_id=row.node_id,
            user_id=owner.id,
            action=outcome.action,
            co_id=outcome.optimizer,
            cg_identifier=outcome.group,
            msg=outcome.message,
            correlation_id=None if dropped else correlation_id,
        )


def _hand_over(
    outcome: Admitted, correlation_id: str | None, *, dropped: bool
) -> Mapping[str, object]:
    """Answers with what the journal tells of a message that goes into the queue."""
    queued: dict[str, object] = {
        "action": outcome.action,
        "coId": outcome.optimizer,
        "cgIdentifier": outcome.group,
    }
    if correlation_id is None:
        return {"handed_over": queued}
    if not dropped:
        return {"handed_over": {**queued, "correlationId": correlation_id}}
    why = (
        f"correlationId {correlation_id} stays behind: the running SolarUser never puts it into "
        "the queue (--set correlation_id=documented passes it on)"
    )
    return {"handed_over": queued, "why": why}


def _check_columns(topic: str, pieces: Sequence[tuple[str, str]]) -> None:
    """Refuses what the database's columns do not take (SolarUser dossier §2.2)."""
    texts = (topic, *(text for piece in pieces for text in piece))
    if any("\0" in text for text in texts):
        why = "a NUL character cannot be stored"
    elif len(topic) > _LONGEST_TOPIC:
        why = f"a topic has at most {_LONGEST_TOPIC} characters"
    elif any(len(name) > _LONGEST_NAME for name, _ in pieces):
        why = f"the name of a parameter has at most {_LONGEST_NAME} characters"
    else:
        return
    raise ApiRefused(
        422,
        "An invalid query parameter was used, or a required parameter was missing.",
        code="DAO.00103",
        explanation={"why": why},
    )

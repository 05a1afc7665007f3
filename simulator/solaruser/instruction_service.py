"""Queueing instructions and finding them again: what stands behind the routes.

As observed in SolarNetwork (SolarUser dossier §2.5, §6.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.instruction import TOPIC, join_parameters, split_parameters
from simulator.hand_off import QueuedMessage
from simulator.solaruser.queue_hook import Admitted, Declined, judge_instruction
from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oscp_send.solarnetwork.request_body import InstructionBody
    from simulator.instructions import Instruction
    from simulator.rooms import Rooms
    from simulator.solaruser.authentication import Actor
    from simulator.world import User

__all__ = ["InstructionService"]

_LONGEST_TOPIC = 128
_LONGEST_NAME = 256


class InstructionService:
    """What SolarUser does with instructions once it knows who asks.

    Args:
        rooms: The shared rooms.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def queue(
        self, actor: Actor, node_id: int, topic: str, body: InstructionBody
    ) -> tuple[Instruction, QueuedMessage | None]:
        """Judges and stores an instruction, and answers with it as it was stored.

        Returns:
            The instruction, and the message to hand over, where it was admitted.

        Raises:
            ApiRefused: The node is unknown or somebody else's, or a text cannot be stored.
        """
        owner = self.owner(actor, node_id)
        pieces = split_parameters(body.parameters)
        _check_columns(topic, pieces)
        parameters = join_parameters(pieces)
        outcome = (
            judge_instruction(parameters, owner, self._rooms.behaviour) if topic == TOPIC else None
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
        if not isinstance(outcome, Admitted):
            return row, None
        return row, self._message(row, owner, outcome)

    def view(self, actor: Actor, instruction_ids: Iterable[int]) -> list[Instruction]:
        """Answers with the instructions of these ids that exist, by ascending id.

        Raises:
            ApiRefused: One of them is for a node of somebody else.
        """
        found = [self._rooms.instructions.get(each) for each in sorted(set(instruction_ids))]
        rows = [row for row in found if row is not None]
        for row in rows:
            self.owner(actor, row.node_id)
        return rows

    def owner(self, actor: Actor, node_id: int) -> User:
        """Answers with the owner of a node, who must be the one who asks.

        Raises:
            ApiRefused: The node is unknown, or somebody else's.
        """
        owner = self._rooms.world.owner_of_node(node_id)
        if owner is None:
            raise ApiRefused(403, "UNKNOWN_OBJECT")
        if owner.id != actor.user.id:
            raise ApiRefused(403, "ACCESS_DENIED")
        return owner

    def _message(self, row: Instruction, owner: User, outcome: Admitted) -> QueuedMessage:
        dropped = self._rooms.behaviour.follows_service("correlation_id")
        return QueuedMessage(
            id=row.id,
            node_id=row.node_id,
            user_id=owner.id,
            action=outcome.action,
            co_id=outcome.optimizer,
            cg_identifier=outcome.group,
            msg=outcome.message,
            correlation_id=None if dropped else row.parameters.get("correlationId"),
        )


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

"""The Flexibility Provider: what it is handed, and when it does it."""

from __future__ import annotations

import logging
import uuid
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from simulator.flexibility_provider.conversations import Conversations
from simulator.flexibility_provider.events import InstructionEvents
from simulator.flexibility_provider.handler import handle
from simulator.flexibility_provider.heartbeats import heartbeat_jobs
from simulator.flexibility_provider.jobs import Jobs
from simulator.flexibility_provider.measurements import measurement_jobs
from simulator.flexibility_provider.outbox import Outbox, lane_of, party_of
from simulator.flexibility_provider.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Hashable

    from simulator.hand_off import QueuedMessage
    from simulator.journal import Party
    from simulator.rooms import Rooms
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["FlexibilityProvider"]

_LOG = logging.getLogger(__name__)


class FlexibilityProvider:
    """Delivers what SolarUser queued, in order.

    Calling it hands a message over: it is the simulator's `HandOff`.

    Args:
        rooms: The shared rooms.

    Attributes:
        random: Makes all that it invents.
        conversations: What it and each external system said to each other.
        outbox: Sends what it has to say.
        tasks: What it does in the background.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.random = Random(f"flexibility_provider {rooms.seed}")  # noqa: S311 - of a rehearsal
        self.conversations = Conversations(rooms)
        self.outbox = Outbox(rooms, self.conversations.sending)
        self.tasks = Tasks(rooms, self.random)
        self._replaced: dict[tuple[int, Party, int], str | None] = {}
        self._jobs = Jobs(
            rooms,
            (
                *heartbeat_jobs(rooms, self.outbox, self.new_request_id),
                *measurement_jobs(rooms, self.outbox, self.new_request_id),
            ),
        )

    def start(self) -> None:
        """Begins with what it does by itself: heartbeats and measurements, as the world has it."""
        self._jobs.start()

    def plan(self) -> None:
        """Plans that anew, after the agenda was cleared; nothing where it has not been started.

        Access tokens and what was said are forgotten, too, as if it had just begun.
        """
        self.conversations.forget()
        self._replaced.clear()
        self.outbox.oauth.forget()
        self._jobs.plan()

    def __call__(self, message: QueuedMessage) -> None:
        """Puts a message into the queue."""
        self._rooms.agenda.soon(partial(self._handle, message), lane=self._lane(message))

    def _lane(self, message: QueuedMessage) -> Hashable:
        """Answers with the lane of the Capacity Provider that a message is for."""
        user = self._rooms.world.user(message.user_id)
        group = user.group(message.co_id, message.cg_identifier) if user else None
        provider = user.provider(group.capacity_provider) if user and group else None
        return None if user is None or provider is None else lane_of(user.id, provider)

    def _handle(self, message: QueuedMessage) -> None:
        try:
            handle(message, self._rooms, self.outbox, self.new_request_id)
        except Exception as error:  # noqa: BLE001 - an instruction has an end, whatever its message does
            _LOG.exception("instruction %d could not be handled", message.id)
            InstructionEvents(self._rooms.events, message).failed(error)
            self._rooms.instructions.change(
                "flexibility_provider",
                message.id,
                "Executing",
                "Declined",
                {"error": f"{type(error).__name__}: {error}"},
            )

    def note_replaced(self, user_id: int, system: CapacityProvider | CapacityOptimizer) -> None:
        """Remembers that a system's token is good no more.

        Args:
            user_id: Whose system it is.
            system: With its old token.
        """
        key = (user_id, party_of(system), system.id)
        self._replaced[key] = system.flexibility_provider_token

    def was_replaced(self, token: str) -> bool:
        """Tells whether a token was a system's until that registered for the last time."""
        return token in self._replaced.values()

    def new_request_id(self) -> str:
        """Answers with an X-Request-ID: a random UUID, the same ones for the same seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

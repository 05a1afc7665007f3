"""The Flexibility Provider: what it is handed, and when it does it."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Hashable
from functools import partial
from random import Random
from typing import Final

from oscp_send.findings import Finding
from oscp_sim.conversation import Conversation, ExchangedMessage
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.delivery import Delivery, Tasks
from oscp_sim.flexibility_provider.instructions import InstructionEvents, handle
from oscp_sim.flexibility_provider.measurements import measurement_jobs
from oscp_sim.flexibility_provider.outbox import Outbox, party_of, queue_of
from oscp_sim.flexibility_provider.schedule import Jobs, heartbeat_jobs
from oscp_sim.instructions import QueuedMessage
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider

__all__ = ["Conversations", "FlexibilityProvider"]


# § What the Flexibility Provider and each external system said to each other.
#
# The service remembers nothing of it: its answers are the same whatever was said before. What
# does not fit is told by the journal alone (oscp20.md §3.13 and §9.3).

# Of what it sends, what a system's next message may have to do with.
_REMEMBERED: Final = frozenset(
    {"Handshake", "HandshakeAcknowledge", "Register", "UpdateGroupCapacityForecast"}
)


class Conversations:
    """Remembers, as far as it needs to, what was said; any thread may ask.

    Args:
        shared: The shared shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._of: dict[tuple[int, PartyName, int], Conversation] = {}

    def judge(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, said: ExchangedMessage
    ) -> tuple[Finding, ...]:
        """Answers with how a system's message fits what was said before.

        Args:
            user_id: Whose system it is.
            system: As it was when the message came.
            said: The message; it is not remembered yet.
        """
        with self._lock:
            return self._with(user_id, system).judge(said)

    def remember(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, said: ExchangedMessage
    ) -> None:
        """Remembers a message of either side."""
        with self._lock:
            self._with(user_id, system).remember(said)

    def sending(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, delivery: Delivery
    ) -> None:
        """Remembers what is about to be sent: its answer may come before it has been delivered."""
        if delivery.action not in _REMEMBERED:
            return
        names = {name.lower(): value for name, value in delivery.headers}
        said = ExchangedMessage(
            delivery.action,
            json.loads(delivery.body),
            delivery.request_id,
            names.get("x-correlation-id"),
            sent=True,
            at=self._shared.clock.now(),
        )
        self.remember(user_id, system, said)

    def forget(self) -> None:
        """Forgets all that was said."""
        with self._lock:
            self._of.clear()

    def _with(self, user_id: int, system: CapacityProvider | CapacityOptimizer) -> Conversation:
        key = (user_id, party_of(system), system.id)
        if key not in self._of:
            # A world whose system is Registered does not say whether there was a handshake.
            known = system.registration_status == "Registered"
            self._of[key] = Conversation(
                "flexibility_provider", registered=known, handshaken=known, peer=party_of(system)
            )
        return self._of[key]


_LOG = logging.getLogger(__name__)


class FlexibilityProvider:
    """Delivers what SolarUser queued, in order.

    Calling it hands a message over: it is the simulator's `HandOff`.

    Args:
        shared: The shared shared.

    Attributes:
        random: Makes all that it invents.
        conversations: What it and each external system said to each other.
        outbox: Sends what it has to say.
        tasks: What it does in the background.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.random = Random(f"flexibility_provider {shared.seed}")  # noqa: S311 - of a rehearsal
        self.conversations = Conversations(shared)
        self.outbox = Outbox(shared, self.conversations.sending)
        self.tasks = Tasks(shared, self.random)
        self._replaced: dict[tuple[int, PartyName, int], str | None] = {}
        self._jobs = Jobs(
            shared,
            (
                *heartbeat_jobs(shared, self.outbox, self.new_request_id),
                *measurement_jobs(shared, self.outbox, self.new_request_id),
            ),
        )

    def start(self) -> None:
        """Begins with what it does by itself: heartbeats and measurements, as the world has it."""
        self._jobs.start()

    def plan(self) -> None:
        """Plans that anew, after the schedule was cleared; nothing where it has not been started.

        Access tokens and what was said are forgotten, too, as if it had just begun.
        """
        self.conversations.forget()
        self._replaced.clear()
        self.outbox.oauth.forget()
        self._jobs.plan()

    def __call__(self, message: QueuedMessage) -> None:
        """Puts a message into the queue."""
        self._shared.schedule.soon(partial(self._handle, message), queue=self._queue(message))

    def _queue(self, message: QueuedMessage) -> Hashable:
        """Answers with the queue of the Capacity Provider that a message is for."""
        user = self._shared.world.user(message.user_id)
        group = user.group(message.co_id, message.cg_identifier) if user else None
        provider = user.provider(group.capacity_provider) if user and group else None
        return None if user is None or provider is None else queue_of(user.id, provider)

    def _handle(self, message: QueuedMessage) -> None:
        try:
            handle(message, self._shared, self.outbox, self.new_request_id)
        except Exception as error:  # noqa: BLE001 - an instruction has an end, whatever its message does
            _LOG.exception("instruction %d could not be handled", message.id)
            InstructionEvents(self._shared.events, message).failed(error)
            self._shared.instructions.change(
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

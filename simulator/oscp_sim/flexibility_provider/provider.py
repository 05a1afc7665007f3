"""The Flexibility Provider: what it knows, what it is handed, and what it does by itself.

The service remembers nothing of what was said before: its answers are always the same. What does
not fit is a finding in the journal alone (oscp20.md §3.13 and §9.3).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final, TypeAlias

from oscp_send.findings import Finding
from oscp_sim.conversation import Conversation, ExchangedMessage
from oscp_sim.entry import PartyName
from oscp_sim.faults.between import HandOver
from oscp_sim.flexibility_provider.delivery import Delivery, Retries, System, party_of, queue_of
from oscp_sim.flexibility_provider.heartbeats import heartbeat_jobs
from oscp_sim.flexibility_provider.instructions import InstructionHandler
from oscp_sim.flexibility_provider.jobs import Jobs
from oscp_sim.flexibility_provider.measurements import measurement_jobs
from oscp_sim.flexibility_provider.outbox import Outbox
from oscp_sim.instructions import QueuedMessage
from oscp_sim.shared import Shared

#: What is left to do once a request has its answer, and the exchange is in the journal.
Later: TypeAlias = Callable[[], object]


#: Ends the key under which a Register that is still to be sent is remembered.
OWED: Final = "_awaiting_register"


class FlexibilityProvider:
    """Deliver what SolarUser queued, in order, and know what the endpoints need.

    It is the simulator's `HandOff`: calling it hands over a message. `random` makes everything that
    it invents.
    """

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.random = Random(f"flexibility_provider {shared.seed}")  # noqa: S311 - of a rehearsal
        self.conversations = Conversations(shared)
        self.outbox = Outbox(shared, self.random, self.conversations.remember_sent)
        self.retries = Retries(shared, self.random)
        self.rows = HeldRows()
        self._hand_over = HandOver(shared.faults, shared.schedule, self._take)
        self._replaced: dict[tuple[int, PartyName, int], str | None] = {}
        self._owed: dict[tuple[int, PartyName, int], str] = {}
        jobs = (*heartbeat_jobs(shared, self.outbox), *measurement_jobs(shared, self.outbox))
        self._jobs = Jobs(shared, jobs)

    def start(self) -> None:
        """Begin to send heartbeats and measurements, as the world has them."""
        self._jobs.start()

    def plan(self) -> None:
        """Start again after the schedule was cleared; plan nothing before `start`.

        Access tokens, connections and what was said are forgotten, too.
        """
        self.conversations.forget()
        self._replaced.clear()
        self._owed.clear()
        self.outbox.oauth.forget()
        self.outbox.connections.forget()
        self._hand_over.forget()
        self._jobs.plan()

    def __call__(self, message: QueuedMessage) -> None:
        """Take what is handed over, as it comes."""
        if self.shared.faults.rules:
            self._hand_over(message)
        else:
            self._take(message)

    def _take(self, message: QueuedMessage) -> None:
        """Put a message into the queue of its Capacity Provider."""
        handler = InstructionHandler(self.shared, self.outbox, message)
        self.shared.schedule.soon(handler.handle, queue=self._queue(message))

    def _queue(self, message: QueuedMessage) -> Hashable:
        user = self.shared.world.user(message.user_id)
        group = user.group(message.co_id, message.cg_identifier) if user else None
        provider = user.provider(group.capacity_provider) if user and group else None
        if user is None or provider is None:
            return None
        return queue_of(self.shared, user.id, provider)

    @property
    def replaced_tokens(self) -> Collection[str | None]:
        """The token of each system until it registered for the last time."""
        return self._replaced.values()

    def note_replaced(self, user_id: int, system: System) -> None:
        """Remember the old token of a system, which is no longer good."""
        key = (user_id, party_of(system), system.id)
        self._replaced[key] = system.flexibility_provider_token

    def owe(self, user_id: int, system: System, token: str) -> None:
        """Remember that a system waits for the Register that brings it a token.

        The lock of the world must be held: it has the token from the same moment on.
        """
        self._owed[user_id, party_of(system), system.id] = token

    def has_brought(self, user_id: int, system: System, token: str) -> None:
        """Forget that it waits for this one, which has come, or never will."""
        key = (user_id, party_of(system), system.id)
        with self.shared.world_lock:
            if self._owed.get(key) == token:
                del self._owed[key]

    def remembered(self) -> dict[tuple[int, str, int], dict[str, str]]:
        """Return which Registers are still to be sent; with secrets, under the world's lock."""
        return {
            (user, party + OWED, system): {"token": token}
            for (user, party, system), token in self._owed.items()
        }


class HeldRows:
    """The systems whose row a Register on its way holds, as in the service's database (§5.3).

    Measured: a system that calls back before it has answered that Register waits for it, and the
    Register times out.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders: dict[Hashable, int] = {}

    @contextmanager
    def held(self, row: Hashable) -> Iterator[None]:
        """Hold a row; one holder waits for nobody."""
        with self._changed:
            self._holders[row] = threading.get_ident()
        try:
            yield
        finally:
            with self._changed:
                self._holders.pop(row, None)
                self._changed.notify_all()

    def wait(self, row: Hashable, patience: float) -> bool:
        """Wait until nobody holds a row, and tell whether somebody did.

        A call from within the holder's own thread cannot wait, and goes on.
        """
        with self._changed:
            holder = self._holders.get(row)
            if holder is not None and holder != threading.get_ident():
                self._changed.wait_for(lambda: row not in self._holders, patience)
            return holder is not None


# The sent messages that a system's next message may refer to.
_REMEMBERED: Final = frozenset(
    {"Handshake", "HandshakeAcknowledge", "Register", "UpdateGroupCapacityForecast"}
)


class Conversations:
    """One conversation with each system; any thread may use them."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._of: dict[tuple[int, PartyName, int], Conversation] = {}

    def judge(self, user_id: int, system: System, said: ExchangedMessage) -> tuple[Finding, ...]:
        """Return how a system's message, not yet remembered, fits what was said before."""
        with self._lock:
            return self._with(user_id, system).judge(said)

    def remember(self, user_id: int, system: System, said: ExchangedMessage) -> None:
        """Remember a message of either side."""
        with self._lock:
            self._with(user_id, system).remember(said)

    def remember_sent(self, user_id: int, system: System, delivery: Delivery) -> None:
        """Remember a message that is about to be sent: its answer may come very soon."""
        if delivery.action not in _REMEMBERED:
            return
        headers = {name.lower(): value for name, value in delivery.headers}
        said = ExchangedMessage(
            delivery.action,
            # Each delivery is a message of its own, even of the same content.
            dict(delivery.content),
            delivery.request_id,
            headers.get("x-correlation-id"),
            sent=True,
            at=self._shared.clock.now(),
        )
        self.remember(user_id, system, said)

    def forget(self) -> None:
        """Forget everything that was said."""
        with self._lock:
            self._of.clear()

    def _with(self, user_id: int, system: System) -> Conversation:
        key = (user_id, party_of(system), system.id)
        if key not in self._of:
            # A world whose system is Registered does not say whether there was a handshake.
            known = system.registration_status == "Registered"
            self._of[key] = Conversation(
                "flexibility_provider", registered=known, handshaken=known, peer=party_of(system)
            )
        return self._of[key]

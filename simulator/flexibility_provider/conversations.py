"""What the Flexibility Provider and each external system said to each other.

The service remembers nothing of it: its answers are the same whatever was said before. What does
not fit is told by the journal alone (OSCP dossier §3.13 and §9.3).
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Final

from simulator.conversation import Conversation, Said
from simulator.flexibility_provider.outbox import party_of

if TYPE_CHECKING:
    from oscp_send.findings import Finding
    from simulator.flexibility_provider.delivery import Delivery
    from simulator.journal import Party
    from simulator.rooms import Rooms
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["Conversations"]

# Of what it sends, what a system's next message may have to do with.
_REMEMBERED: Final = frozenset(
    {"Handshake", "HandshakeAcknowledge", "Register", "UpdateGroupCapacityForecast"}
)


class Conversations:
    """Remembers, as far as it needs to, what was said; any thread may ask.

    Args:
        rooms: The shared rooms.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._lock = threading.Lock()
        self._of: dict[tuple[int, Party, int], Conversation] = {}

    def judge(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, said: Said
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
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, said: Said
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
        said = Said(
            delivery.action,
            json.loads(delivery.body),
            delivery.request_id,
            names.get("x-correlation-id"),
            sent=True,
            at=self._rooms.clock.now(),
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

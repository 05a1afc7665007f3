"""Remember what the Flexibility Provider and each system said to each other.

The service itself remembers nothing: its answers are the same whatever was said before. What does
not fit is a finding in the journal alone (oscp20.md §3.13 and §9.3).
"""

from __future__ import annotations

import threading
from typing import Final

from oscp_send.findings import Finding
from oscp_sim.conversation.conversation import Conversation
from oscp_sim.conversation.memory import Said
from oscp_sim.entry import PartyName
from oscp_sim.flexibility_provider.delivery import Delivery, System, party_of
from oscp_sim.shared import Shared

__all__ = ["Conversations"]

# The sent messages that a system's next message may refer to.
_REMEMBERED: Final = frozenset(
    {"Handshake", "HandshakeAcknowledge", "Register", "UpdateGroupCapacityForecast"}
)


class Conversations:
    """One conversation with each system; any thread may use them.

    Args:
        shared: The clock that dates what is sent.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._of: dict[tuple[int, PartyName, int], Conversation] = {}

    def judge(self, user_id: int, system: System, said: Said) -> tuple[Finding, ...]:
        """Return how a system's message fits what was said before.

        Args:
            user_id: The user whose system it is.
            system: As it was when the message came.
            said: The message; it is not remembered yet.
        """
        with self._lock:
            return self._with(user_id, system).judge(said)

    def remember(self, user_id: int, system: System, said: Said) -> None:
        """Remember a message of either side."""
        with self._lock:
            self._with(user_id, system).remember(said)

    def remember_sent(self, user_id: int, system: System, delivery: Delivery) -> None:
        """Remember a message that is about to be sent: its answer may come very soon."""
        if delivery.action not in _REMEMBERED:
            return
        headers = {name.lower(): value for name, value in delivery.headers}
        said = Said(
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

"""What a simulated external system knows.

It knows what it was told and what it has said itself; of the world it sees no more than its
operator would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.conversation import Conversation
from simulator.external_system.agreement import Agreement
from simulator.external_system.correspondence import Correspondence
from simulator.external_system.issued_token import IssuedToken
from simulator.external_system.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from simulator.entry import Party
    from simulator.external_system.manners import Manners
    from simulator.external_system.records import Received, Sent
    from simulator.external_system.segmentation import Segmenting
    from simulator.rooms import Rooms
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["SeatState"]


class SeatState(ABC):
    """One system that the simulator plays, as far as it remembers.

    Args:
        rooms: The shared rooms.
        user_id: Whose system it is.
        system: As the world has it.
        tokens_changed: Called whenever other tokens are good than before.

    Attributes:
        party: What kind of system it is.
        rooms: The shared rooms.
        user_id: Whose system it is.
        id: Of the system.
        registration: How it and the Flexibility Provider know each other.
        agreement: What they ask of each other.
        correspondence: What they say.
    """

    party: ClassVar[Party]

    def __init__(
        self,
        rooms: Rooms,
        user_id: int,
        system: CapacityProvider | CapacityOptimizer,
        tokens_changed: Callable[[], None],
    ) -> None:
        self.rooms = rooms
        self.user_id = user_id
        self.id = system.id
        self._known = system
        self.registration = Registration(rooms, lambda: self.system, tokens_changed)
        self.agreement = Agreement(
            lambda: self.system.settings, lambda: self.registration.is_registered
        )
        self.correspondence = Correspondence(
            rooms,
            self.party,
            f"{self.party} {user_id} {self.id}",
            self.registration,
            self._begin,
            self.who,
        )

    @property
    def system(self) -> CapacityProvider | CapacityOptimizer:
        """The system as the world has it, or had it last."""
        self._known = self._find() or self._known
        return self._known

    @property
    def is_configured(self) -> bool:
        """Whether the world still has it."""
        return self._find() is not None

    @property
    @abstractmethod
    def manners(self) -> Manners:
        """Its ways."""

    @property
    @abstractmethod
    def groups(self) -> frozenset[str]:
        """The identifiers of its Capacity Groups."""

    @property
    def segments(self) -> Segmenting | None:
        """What puts the messages together that come in segments; None: nothing does."""
        return None

    @abstractmethod
    def _find(self) -> CapacityProvider | CapacityOptimizer | None:
        """Answers with the system that the world has now."""

    @property
    def received(self) -> tuple[Received, ...]:
        """What it got, oldest first."""
        with self.correspondence.lock:
            return tuple(self.correspondence.received)

    @property
    def sent(self) -> tuple[Sent, ...]:
        """What it sent, oldest first."""
        with self.correspondence.lock:
            return tuple(self.correspondence.sent)

    def note(self, why: str, **detail: object) -> None:
        """Tells the journal what no message tells."""
        self.rooms.journal.append(self.party, "note", detail={"why": why, **self.who, **detail})

    @property
    def lane(self) -> Hashable:
        """That of what it sends later, on the agenda: one after the other."""
        return self.party, self.user_id, self.id

    @property
    def who(self) -> dict[str, int]:
        """What tells it from others of its kind in the journal."""
        return {"user": self.user_id, "id": self.id}

    def to_dict(self) -> dict[str, Any]:
        """Answers with what it knows as JSON values, without secrets."""
        registration, agreement = self.registration, self.agreement
        with self.correspondence.lock:
            return {
                "party": self.party,
                **self.who,
                "name": self.system.name,
                "groups": sorted(self.groups),
                "flexibility_provider": registration.url,
                "registered": registration.is_registered,
                "awaits_register": registration.is_awaiting_answer,
                "handshaken": agreement.is_handshaken,
                "required": agreement.required,
                "asked": agreement.asked,
                "received": [each.to_dict() for each in self.correspondence.received],
                "sent": [each.to_dict() for each in self.correspondence.sent],
            }

    def remembered(self) -> dict[str, Any]:
        """Answers with what must not be forgotten over a restart, as JSON values; with secrets."""
        with self.correspondence.lock:
            return {**self.registration.remembered(), **self.agreement.remembered()}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Takes up what was remembered before a restart."""
        tokens = [
            IssuedToken(each["token"], each["until"] and datetime.fromisoformat(each["until"]))
            for each in remembered["tokens"]
        ]
        with self.correspondence.lock:
            self.registration.recall(remembered, tokens)
            self.agreement.recall(remembered)
            known = (*(each.value for each in tokens), *self.registration.ended)
            for token in (*known, self.registration.shown):
                if token is not None:
                    self.rooms.journal.conceal(token)

    def _begin(self) -> Conversation:
        return Conversation(
            self.party,
            registered=self.registration.is_registered,
            handshaken=self.agreement.is_handshaken,
        )

    def _issue(self, token: str | None, *, new: bool) -> str:
        """Gives out a token: that one, a new one, or once more the newest."""
        issued = self.registration.issued
        if token is None and issued and not new:
            token = issued[-1].value
        if token is None:
            token = self._new_token()
        self.rooms.journal.conceal(token)
        ends = self.manners.token_valid_for
        self.registration.issue(token, self.rooms.clock.now(), ends)
        if self.manners.old_token_ends_at_once:
            self.registration.end_old_tokens()
        return token

    @abstractmethod
    def _new_token(self) -> str:
        """Answers with a token that nobody has seen."""

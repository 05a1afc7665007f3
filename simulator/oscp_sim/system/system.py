"""The commands that a simulated external system is given, each a message that it sends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from oscp_sim.access_tokens import new_token
from oscp_sim.addresses import NobodyThere, path_of
from oscp_sim.conversation import Conversation
from oscp_sim.system.heartbeats import OwnHeartbeats
from oscp_sim.system.reactions import Conduct
from oscp_sim.system.registration import VERSION, Agreement, IssuedToken, Registration, behaviour_of
from oscp_sim.system.sending import Correspondence

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from oscp_sim.entry import PartyName
    from oscp_sim.shared import Shared
    from oscp_sim.system.call import Received, Sent
    from oscp_sim.system.profile import Manners
    from oscp_sim.system.segments import Segmenting
    from oscp_sim.world import CapacityOptimizer, CapacityProvider

__all__ = ["Seat", "SeatState"]


# § What a simulated external system knows.
#
# It knows what it was told and what it has said itself; of the world it sees no more than its
# operator would.


class SeatState(ABC):
    """One system that the simulator plays, as far as it remembers.

    Args:
        shared: The shared shared.
        user_id: Whose system it is.
        system: As the world has it.
        tokens_changed: Called whenever other tokens are good than before.

    Attributes:
        party: What kind of system it is.
        shared: The shared shared.
        user_id: Whose system it is.
        id: Of the system.
        registration: How it and the Flexibility Provider know each other.
        agreement: What they ask of each other.
        correspondence: What they say.
    """

    party: ClassVar[PartyName]

    def __init__(
        self,
        shared: Shared,
        user_id: int,
        system: CapacityProvider | CapacityOptimizer,
        tokens_changed: Callable[[], None],
    ) -> None:
        self.shared = shared
        self.user_id = user_id
        self.id = system.id
        self._known = system
        self.registration = Registration(shared, lambda: self.system, tokens_changed)
        self.agreement = Agreement(
            lambda: self.system.settings, lambda: self.registration.is_registered
        )
        self.correspondence = Correspondence(
            shared,
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
        self.shared.journal.append(self.party, "note", detail={"why": why, **self.who, **detail})

    @property
    def queue(self) -> Hashable:
        """That of what it sends later, on the schedule: one after the other."""
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
                    self.shared.journal.conceal(token)

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
        self.shared.journal.conceal(token)
        ends = self.manners.token_valid_for
        self.registration.issue(token, self.shared.clock.now(), ends)
        if self.manners.old_token_ends_at_once:
            self.registration.end_old_tokens()
        return token

    @abstractmethod
    def _new_token(self) -> str:
        """Answers with a token that nobody has seen."""


# What a heartbeat announces where nobody has said how often they come, in seconds.
_USUAL_INTERVAL: Final = 60.0
# A Flexibility Provider may answer a Register with its own for as long as it tries again (§5.3).
_ANSWERS_WITHIN: Final = timedelta(seconds=30)


class Seat(SeatState):
    """One system that the simulator plays; a command answers with what came of it."""

    def register(
        self,
        *,
        token: str | None = None,
        new_token: bool = False,
        show: str | None = None,
        base_url: str | None = None,
        version: str = VERSION,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Sends Register to the Flexibility Provider, whose own Register is the answer to it.

        Args:
            token: What the Flexibility Provider shall show from now on; the token that it shows
                already unless given.
            new_token: Make one instead.
            show: The token to show from now on, told out of band; what is known already unless
                given.
            base_url: Where this system says that it is; where it is, unless given.
            version: The one that it says it speaks.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.

        Raises:
            NobodyThere: There is no Flexibility Provider; no command can be carried out then.
        """
        self.correspondence.check_receiver()
        with self.correspondence.lock:
            if show is not None:
                self.shared.journal.conceal(show)
                self.registration.show(show)
            given = self._issue(token, new=new_token)
            self.registration.opened()
        message = self._register_message(given, base_url, version)
        sent = self.post("Register", message, request_id=request_id, correlation_id=correlation_id)
        if sent.status is not None and not self.is_success(sent):
            with self.correspondence.lock:
                self.registration.refused()
        return sent

    def handshake(
        self,
        *,
        heartbeat_interval: float | None = 60,
        measurement_configuration: Iterable[str] | None = ("CONTINUOUS",),
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Sends Handshake: what this side asks of the Flexibility Provider.

        Args:
            heartbeat_interval: Seconds between two of its heartbeats; None leaves it out.
            measurement_configuration: Of its measurements; None leaves it out.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
        """
        behaviour = behaviour_of(heartbeat_interval, measurement_configuration)
        message = {"required_behaviour": behaviour}
        sent = self.post("Handshake", message, request_id=request_id, correlation_id=correlation_id)
        if self.is_success(sent):
            self.agreement.require(behaviour)
        return sent

    def handshake_acknowledge(
        self,
        *,
        heartbeat_interval: float | None = None,
        measurement_configuration: Iterable[str] | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Sends HandshakeAcknowledge; what this side asks for itself goes with it, if anything.

        Args:
            heartbeat_interval: Seconds between two heartbeats; None leaves it out.
            measurement_configuration: Of measurements; None leaves it out.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID: the Handshake's X-Request-ID.
        """
        behaviour = behaviour_of(heartbeat_interval, measurement_configuration)
        message: dict[str, Any] = {"required_behaviour": behaviour} if behaviour else {}
        return self.post(
            "HandshakeAcknowledge", message, request_id=request_id, correlation_id=correlation_id
        )

    def heartbeat(
        self,
        *,
        offline_mode_at: datetime | str | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Sends Heartbeat.

        Args:
            offline_mode_at: From when on this side is to be taken for offline; twice its interval
                from now unless given.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
        """
        if offline_mode_at is None:
            interval = self.interval or _USUAL_INTERVAL
            offline_mode_at = self.shared.clock.now() + timedelta(seconds=2 * interval)
        if isinstance(offline_mode_at, datetime):
            offline_mode_at = self.write_time(offline_mode_at)
        message = {"offline_mode_at": offline_mode_at}
        return self.post("Heartbeat", message, request_id=request_id, correlation_id=correlation_id)

    def post(
        self,
        action: str,
        message: object,
        *,
        request_id: str | None = None,
        correlation_id: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Sent:
        """Sends any message, sound or not.

        Args:
            action: The OSCP message name.
            message: JSON values; a text or bytes go as they are.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            headers: More of them, in order.

        Raises:
            ValueError: There is no such message.
        """
        return self.correspondence.post(
            action,
            message,
            request_id=request_id or self.correspondence.new_request_id(),
            correlation_id=correlation_id,
            headers=headers,
        )

    def answer_register(self, correlation_id: str | None) -> Sent:
        """Sends the Register that answers an opening one; its token is a new one.

        Args:
            correlation_id: The X-Request-ID of the opening one; None leaves it out.
        """
        self.correspondence.check_receiver()
        with self.correspondence.lock:
            given = self._issue(None, new=True)
        message = self._register_message(given, None, VERSION)
        sent = self.post("Register", message, correlation_id=correlation_id)
        with self.correspondence.lock:
            if self.is_success(sent):
                self.registration.answered(self.shared.clock.now() + _ANSWERS_WITHIN)
                self.heartbeats.plan()
            elif sent.status is not None:
                self.registration.refused()
        return sent

    def is_success(self, sent: Sent) -> bool:
        """Tells whether a message was taken, as this system sees it."""
        return sent.status is not None and sent.status in self.manners.accepts

    def write_time(self, instant: datetime) -> str:
        """Answers with an instant as it stands in this system's messages."""
        return self.manners.write_time(instant)

    @cached_property
    def heartbeats(self) -> OwnHeartbeats:
        """Those that it sends by itself, once it is registered."""
        return OwnHeartbeats(self.shared.clock, self.shared.schedule, self._due_every, self._beat)

    @cached_property
    def conduct(self) -> Conduct:
        """What it does about the messages that it takes."""
        return Conduct(self)

    def plan(self) -> None:
        """Makes tasks for what it does by itself."""
        self.heartbeats.plan()

    def end(self) -> None:
        """Does nothing by itself any more."""
        self.heartbeats.end()
        self.conduct.end()

    def to_dict(self) -> dict[str, Any]:
        """Answers with what it knows as JSON values, without secrets."""
        presence = self.conduct.presence
        offline_at = presence.offline_at
        return {
            **super().to_dict(),
            "offline_mode_at": offline_at and self.write_time(offline_at),
            "offline": presence.is_offline,
        }

    @property
    @abstractmethod
    def heartbeat_every(self) -> timedelta | None:
        """How often the world wants it to send heartbeats."""

    @property
    def interval(self) -> float | None:
        """Seconds between two heartbeats: its own, or what the other side has asked for."""
        own = self.heartbeat_every
        return self.agreement.heartbeat_seconds if own is None else own.total_seconds()

    def _due_every(self) -> float | None:
        acts = self.is_configured and self.registration.is_registered
        return self.interval if acts else None

    def _beat(self) -> None:
        # Where there is nobody to tell, that is no news every time.
        with suppress(NobodyThere):
            self.heartbeat()

    def _register_message(self, token: str, base_url: str | None, version: str) -> dict[str, Any]:
        if base_url is None:
            to = self.registration.url
            base_url = self.shared.addresses.announced(path_of(self.system), to=to)
        return {"token": token, "version_url": [{"version": version, "base_url": base_url}]}

    def _new_token(self) -> str:
        return new_token(self.correspondence.random)

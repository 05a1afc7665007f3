"""The commands that a simulated external system is given, each a message that it sends."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from simulator.addresses import NobodyThere, path_of
from simulator.caller_tokens import new_token
from simulator.external_system.agreement import behaviour_of
from simulator.external_system.conduct import Conduct
from simulator.external_system.own_heartbeats import OwnHeartbeats
from simulator.external_system.registration import VERSION
from simulator.external_system.seat_state import SeatState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.external_system.records import Sent

__all__ = ["Seat"]

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
                self.rooms.journal.conceal(show)
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
            offline_mode_at = self.rooms.clock.now() + timedelta(seconds=2 * interval)
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
                self.registration.answered(self.rooms.clock.now() + _ANSWERS_WITHIN)
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
        return OwnHeartbeats(self.rooms.clock, self.rooms.agenda, self._due_every, self._beat)

    @cached_property
    def conduct(self) -> Conduct:
        """What it does about the messages that it takes."""
        return Conduct(self)

    def plan(self) -> None:
        """Makes appointments for what it does by itself."""
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
            base_url = self.rooms.addresses.announced(path_of(self.system), to=to)
        return {"token": token, "version_url": [{"version": version, "base_url": base_url}]}

    def _new_token(self) -> str:
        return new_token(self.correspondence.random)

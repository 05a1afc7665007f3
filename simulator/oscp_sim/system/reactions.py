"""What a simulated Capacity Provider does about the messages that only such a one gets."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from oscp_send.findings import Finding
from oscp_send.times import read_instant
from oscp_sim.system import elmo
from oscp_sim.system.answer import answer_to, asks_for_anything
from oscp_sim.system.call import Reaction, Refused
from oscp_sim.system.heartbeats import Presence
from oscp_sim.system.profile import refusal
from oscp_sim.system.registration import base_url, required_behaviour
from oscp_sim.system.sending import insist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

    from oscp_sim.system.call import Call, Sent
    from oscp_sim.system.capacity_provider import ProviderSeat
    from oscp_sim.system.system import Seat

__all__ = ["Conduct", "ProviderConduct"]


# § What an external system does about the messages that it takes.

# Seconds after which a Handshake is acknowledged.
_ACKNOWLEDGES_AFTER: Final = 1.0
_NOTHING: Final = Reaction()


class Conduct:
    """Of one system; the lock of its correspondence is held while it takes a message.

    Args:
        seat: The system.
    """

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    @cached_property
    def _takers(self) -> Mapping[str, Callable[[Call], Reaction]]:
        return self.takers()

    def takers(self) -> Mapping[str, Callable[[Call], Reaction]]:
        """Answers with what takes each message; one that has none is only remembered."""
        return {
            "Register": self._register,
            "Handshake": self._handshake,
            "HandshakeAcknowledge": self._acknowledge,
            "Heartbeat": self._heartbeat,
        }

    def take(self, call: Call) -> Reaction:
        """Takes a message that was not refused, and answers with the reaction to it.

        Raises:
            Refused: It cannot be taken after all.
        """
        taker = self._takers.get(call.action or "")
        return _NOTHING if taker is None else taker(call)

    @cached_property
    def presence(self) -> Presence:
        """Whether the Flexibility Provider is there."""
        shared = self.seat.shared
        return Presence(shared.clock, shared.schedule, self._gone, self._back)

    def end(self) -> None:
        """Waits for nothing any more."""
        self.presence.end()

    def _register(self, call: Call) -> Reaction:
        seat = self.seat
        if call.request.method == "DELETE":
            return self._unregister()
        if base_url(call.content) is None:
            raise Refused("versions", "URL version '2.0' required but not provided.")
        seat.shared.journal.conceal(call.content["token"])
        if call.request.method == "PUT":
            seat.registration.change(call.content)
            seat.heartbeats.plan()
            return _NOTHING
        what = seat.registration.take(call.content, call.now)
        seat.heartbeats.plan()
        if what == "repeated":
            call.findings.append(_repeated())
        if what != "opening":
            return _NOTHING
        named = call.request_id if seat.manners.correlates_register else None
        answer = partial(insist, seat, partial(seat.answer_register, named), self._greet)
        return Reaction(later=((seat.manners.registers_back_after.total_seconds(), answer),))

    def _unregister(self) -> Reaction:
        seat = self.seat
        seat.registration.end()
        seat.agreement.end()
        seat.heartbeats.plan()
        self.presence.end()
        seat.correspondence.conversation.unregister()
        # Remembered as a Register, it would be one.
        return Reaction(is_taken=False)

    def _greet(self) -> None:
        """Sends a Handshake after an answering Register, where that is the system's way."""
        after = self.seat.manners.handshake_after
        if after is not None:
            # One that has no place for heartbeats asks for none (oscp20.md §4: ELMO).
            interval = 60 if "/heartbeat" in self.seat.manners.endpoints else None
            handshake = partial(self.seat.handshake, heartbeat_interval=interval)
            send = partial(insist, self.seat, handshake)
            self.seat.shared.schedule.after(after.total_seconds(), send, queue=self.seat.queue)

    def _handshake(self, call: Call) -> Reaction:
        seat = self.seat
        behaviour = required_behaviour(call.content)
        if seat.manners.behaviour_needed and "required_behaviour" not in call.content:
            raise Refused("schema", "Illegal argument: required_behaviour is missing")
        seat.agreement.ask(behaviour)
        seat.heartbeats.plan()
        request_id = seat.correspondence.new_request_id()
        acknowledge = partial(self._send_acknowledge, request_id, call.request_id)
        return Reaction(later=((_ACKNOWLEDGES_AFTER, partial(insist, seat, acknowledge)),))

    def _send_acknowledge(self, request_id: str, correlation_id: str | None) -> Sent:
        """Sends what this side asks for along, lest the other take it for nothing."""
        own = self.seat.agreement.required or {}
        return self.seat.handshake_acknowledge(
            heartbeat_interval=own.get("heartbeat_interval"),
            measurement_configuration=own.get("measurement_configuration"),
            request_id=request_id,
            correlation_id=correlation_id,
        )

    def _acknowledge(self, call: Call) -> Reaction:
        self.seat.agreement.ask(required_behaviour(call.content))
        self.seat.heartbeats.plan()
        return _NOTHING

    def _heartbeat(self, call: Call) -> Reaction:
        offline_mode_at = read_instant(call.content["offline_mode_at"])
        if offline_mode_at is not None:
            self.presence.heartbeat(offline_mode_at)
        return _NOTHING

    def _gone(self, offline_mode_at: datetime) -> None:
        seat = self.seat
        with seat.correspondence.lock:
            findings = seat.correspondence.conversation.judge_offline(offline_mode_at)
        seat.shared.journal.append(
            seat.party,
            "note",
            action="Heartbeat",
            findings=[finding.to_dict() for finding in findings],
            detail={
                "why": "the Flexibility Provider is offline: no heartbeat came before the time "
                "that it gave; from then on it is to keep to the fallback forecasts",
                "offline_mode_at": seat.write_time(offline_mode_at),
                **seat.who,
            },
        )

    def _back(self, offline_mode_at: datetime) -> None:
        self.seat.note(
            "the Flexibility Provider is back online; a new handshake is needed, and then the "
            "usual forecasts count again",
            offline_mode_at=self.seat.write_time(offline_mode_at),
        )


def _repeated() -> Finding:
    return Finding(
        "meaning",
        "repeated-register",
        "info",
        "",
        "is the same Register as before: it is taken, and not answered with another one",
        "",
    )


class ProviderConduct(Conduct):
    """Of one Capacity Provider."""

    seat: ProviderSeat

    def takers(self) -> Mapping[str, Callable[[Call], Reaction]]:
        """Answers with what takes each message."""
        return {
            **super().takers(),
            "AdjustGroupCapacityForecast": self._adjust,
            "UpdateGroupMeasurements": self._usage,
            "UpdateAssetMeasurement": self._usage,
        }

    def _adjust(self, call: Call) -> Reaction:
        seat = self.seat
        behaviour = seat.provider.behaviour
        late = elmo.late_request(call.content, call.now) if seat.timetable.is_kept else None
        if late is not None:
            call.findings.append(late)
        if behaviour.adjustments == "refuse":
            return self._refuse()
        if behaviour.adjustments == "silent":
            return Reaction(is_silent=True)
        if behaviour.adjustments == "accept":
            return Reaction()
        if not asks_for_anything(call.content):
            seat.note("the adjustment is not answered: none of its blocks ends after it starts")
            return Reaction()
        request_id = seat.correspondence.new_request_id()
        send = partial(self._answer, call.content, request_id, call.request_id)
        return Reaction(later=((self._answer_after(call), partial(insist, seat, send)),))

    def _refuse(self) -> Reaction:
        manners, behaviour = self.seat.manners, self.seat.provider.behaviour
        made = refusal(
            manners.profile,
            "adjustment",
            "the capacities that are asked for cannot be had",
            behaviour,
            status=behaviour.refusal,
        )
        return Reaction(made.status, made.headers, made.body, is_taken=False)

    def _answer_after(self, call: Call) -> float:
        """Answers with the seconds until an adjustment is answered; in time, where that counts."""
        chosen = self.seat.provider.behaviour.answer_after
        if self.seat.timetable.is_kept:
            chosen = min(chosen, elmo.answer_by(call.now) - call.now)
        return chosen.total_seconds()

    def _answer(
        self, adjustment: Mapping[str, Any], request_id: str, correlation_id: str | None
    ) -> Sent:
        seat = self.seat
        provider = seat.provider
        message = answer_to(
            adjustment, seat.forecasts, provider.behaviour, profile=provider.profile
        )
        return seat.forecast(message=message, request_id=request_id, correlation_id=correlation_id)

    def _usage(self, call: Call) -> Reaction:
        self.seat.timetable.usage(call.now)
        return Reaction()

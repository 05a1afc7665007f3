"""What a system does about each message that it accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, Final

from oscp_send.findings import Finding
from oscp_send.times import read_instant
from oscp_sim.http import Response
from oscp_sim.system import elmo
from oscp_sim.system.answer import answer_to, asks_for_anything
from oscp_sim.system.call import Call, Reaction, Refused
from oscp_sim.system.kinds import SimulatedProvider
from oscp_sim.system.profile import Profile
from oscp_sim.system.registration import base_url, required_behaviour
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import System

# Seconds after which a Handshake is acknowledged.
_ACKNOWLEDGES_AFTER: Final = 1.0
_NOTHING: Final = Reaction()
_SILENCE: Final = Reaction(Response(204, after=inf))


def react(call: Call, system: System) -> Reaction:
    """Deal with a message that was judged, and return the reaction to it.

    The system's lock must be held.

    Raises:
        Refused: The message cannot be accepted after all.
    """
    handler = _HANDLERS.get(call.action or "")
    return _NOTHING if handler is None else handler(system, call)


def _register(system: System, call: Call) -> Reaction:
    if call.request.method == "DELETE":
        return _unregister(system)
    if base_url(call.content) is None:
        raise Refused("versions", "URL version '2.0' required but not provided.")
    system.shared.journal.conceal(call.content["token"])
    if call.request.method == "PUT":
        system.registration.change(call.content)
        system.heartbeats.plan()
        return _NOTHING
    alone = system.profile.keeps_token_alone
    kind = system.registration.take(call.content, call.now, token_alone=alone)
    system.heartbeats.plan()
    if kind == "repeated":
        call.findings.append(_repeated())
    if kind != "opening":
        return _NOTHING
    named = call.request_id if system.profile.correlates_register else None
    answer = partial(
        system.retry, partial(system.answer_register, named), partial(_shake_hands_later, system)
    )
    return Reaction(later=((system.profile.registers_back_after.total_seconds(), answer),))


def _unregister(system: System) -> Reaction:
    system.registration.end()
    system.agreement.end()
    system.heartbeats.plan()
    system.offline_watch.end()
    system.conversation.unregister()
    # Remembered as a Register, it would be one.
    return Reaction(is_said=False)


def _shake_hands_later(system: System) -> None:
    """Send a Handshake some time after an answering Register, where the profile does so."""
    after = system.profile.handshake_after
    if after is not None:
        interval = 60 if system.profile.uses_heartbeats else None
        send = partial(system.retry, partial(system.handshake, heartbeat_interval=interval))
        system.shared.schedule.after(after.total_seconds(), send, queue=system.queue)


def _repeated() -> Finding:
    return Finding(
        "meaning",
        "repeated-register",
        "info",
        "",
        "is the same Register as before: it is taken, and not answered with another one",
        "",
    )


def _handshake(system: System, call: Call) -> Reaction:
    if system.profile.behaviour_needed and "required_behaviour" not in call.content:
        raise Refused("schema", "Illegal argument: required_behaviour is missing")
    asked = required_behaviour(call.content) or {}
    system.agreement.ask(asked)
    system.heartbeats.plan()
    acknowledge = partial(_acknowledge, system, system.new_request_id(), call.request_id, asked)
    return Reaction(later=((_ACKNOWLEDGES_AFTER, partial(system.retry, acknowledge)),))


def _acknowledge(
    system: System, request_id: str, correlation_id: str | None, asked: Mapping[str, Any]
) -> Sent:
    """Send HandshakeAcknowledge with what this side asks for, which would else be overwritten."""
    if system.profile.echoes_handshake:
        message = {"required_behaviour": dict(asked)}
        return system.post("HandshakeAcknowledge", message, request_id=request_id)
    own = system.agreement.required or {}
    return system.handshake_acknowledge(
        heartbeat_interval=own.get("heartbeat_interval"),
        measurement_configuration=own.get("measurement_configuration"),
        request_id=request_id,
        correlation_id=correlation_id,
    )


def _acknowledged(system: System, call: Call) -> Reaction:
    system.agreement.ask(required_behaviour(call.content))
    system.heartbeats.plan()
    return _NOTHING


def _heartbeat(system: System, call: Call) -> Reaction:
    # A number, which oscp-sim-cp takes, is left alone.
    said = call.content["offline_mode_at"]
    offline_mode_at = read_instant(said) if isinstance(said, str) else None
    if offline_mode_at is not None:
        system.offline_watch.heartbeat(offline_mode_at)
    return _NOTHING


def _adjust(system: System, call: Call) -> Reaction:
    # To a Capacity Optimizer it can come by an alternative path alone.
    if not isinstance(system, SimulatedProvider):
        return _NOTHING
    profile = system.profile
    if profile.has_timetable:
        of_a_day = elmo.broken_day(call.content), elmo.late_request(call.content, call.now)
        call.findings += filter(None, of_a_day)
    if profile.behaviour.adjustments == "refuse":
        text = "the capacities that are asked for cannot be had"
        return Reaction(profile.refusal("adjustment", text), is_said=False)
    if profile.behaviour.adjustments == "silent":
        return _SILENCE
    if profile.behaviour.adjustments == "accept":
        return _NOTHING
    why = _why_unanswered(call, profile)
    if why is not None:
        system.note(f"the adjustment is not answered: {why}")
        return _NOTHING
    after = profile.behaviour.answer_after
    if profile.has_timetable:
        after = min(after, elmo.answer_by(call.now) - call.now)
    answer = partial(_answer, system, call.content, system.new_request_id(), call.request_id)
    return Reaction(later=((after.total_seconds(), partial(system.retry, answer)),))


def _why_unanswered(call: Call, profile: Profile) -> str | None:
    takes_all = profile.refusal_shape == "oscp-sim-cp"
    if takes_all and any(each.layer == "schema" for each in call.findings):
        return "it is not as the schema says"
    is_empty = not asks_for_anything(call.content)
    return "none of its blocks ends after it starts" if is_empty else None


def _answer(
    system: SimulatedProvider,
    adjustment: Mapping[str, Any],
    request_id: str,
    correlation_id: str | None,
) -> Sent:
    """Send the forecast that answers an adjustment, given the forecasts that count by now."""
    message = answer_to(adjustment, system.forecasts, system.profile)
    return system.forecast(message=message, request_id=request_id, correlation_id=correlation_id)


def _usage(system: System, call: Call) -> Reaction:
    if isinstance(system, SimulatedProvider):
        system.timetable.usage_reported(call.now)
    return _NOTHING


# What is done about a message, beside remembering it, which is done about every one.
_HANDLERS: Final[Mapping[str, Callable[[System, Call], Reaction]]] = {
    "Register": _register,
    "Handshake": _handshake,
    "HandshakeAcknowledge": _acknowledged,
    "Heartbeat": _heartbeat,
    "AdjustGroupCapacityForecast": _adjust,
    "UpdateGroupMeasurements": _usage,
    "UpdateAssetMeasurement": _usage,
}

"""What a system asks of the Flexibility Provider, and how long it is to be taken as online.

As observed in SolarNetwork (OSCP dossier §3.5, §3.6, §5.4 and §5.5).
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from simulator.flexibility_provider.envelope import Refused, database_refused
from simulator.flexibility_provider.outbox import check_registered, lane_of
from simulator.flexibility_provider.publishing import publish_heartbeat
from simulator.flexibility_provider.tasks import ConfigurationProblem
from simulator.world import CapacityProvider, SystemSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.flexibility_provider.authentication import Caller
    from simulator.flexibility_provider.provider import FlexibilityProvider
    from simulator.outgoing import Reply
    from simulator.rooms import Rooms
    from simulator.world.external_system import MeasurementStyle

__all__ = ["acknowledged", "handshake", "heartbeat"]

_STYLES: Final[Mapping[str, MeasurementStyle]] = MappingProxyType(
    {"CONTINUOUS": "Continuous", "INTERMITTENT": "Intermittent"}
)
# What the database's column holds, and what a 32-bit integer does, where Java stops.
_LARGEST, _LARGEST_INTEGER = 2**15 - 1, 2**31 - 1
# Always this, although the service's own schema refuses it (§4).
_ANSWER: Final[Mapping[str, Any]] = MappingProxyType({"required_behaviour": {}})


def handshake(
    rooms: Rooms,
    party: FlexibilityProvider,
    caller: Caller,
    message: Mapping[str, Any],
    request_id: str,
) -> Callable[[], None]:
    """Stores what a system asks for in a Handshake.

    Args:
        rooms: The shared rooms.
        party: In whose name it is answered.
        caller: The system.
        message: Its Handshake, decoded.
        request_id: The X-Request-ID of it.

    Returns:
        What is to be done once the system has its 204: a HandshakeAcknowledge.

    Raises:
        Refused: It asks for nothing, or the database does not take what it asks for.
    """
    behaviour = message.get("required_behaviour")
    if behaviour is None:
        raise Refused(422, "Illegal argument: The required_behaviour property is required.")
    _store(rooms, caller, behaviour)
    attempt = partial(_acknowledge, rooms, party, caller, request_id)
    lane = lane_of(caller.user.id, caller.system)
    return partial(party.tasks.run, "HandshakeAcknowledge", attempt, lane=lane)


def acknowledged(rooms: Rooms, caller: Caller, message: Mapping[str, Any]) -> None:
    """Overwrites what a system asks for with that of its HandshakeAcknowledge, if it says any.

    Nobody looks whether it was sent a Handshake at all (§9.3, X11).

    Raises:
        Refused: The database does not take it.
    """
    behaviour = message.get("required_behaviour")
    if behaviour is not None:
        _store(rooms, caller, behaviour)


def heartbeat(rooms: Rooms, caller: Caller, message: Mapping[str, Any]) -> None:
    """Stores from when on a system is to be taken as offline, plausible or not."""
    offline_at = message["offline_mode_at"]
    rooms.change_system(caller.user.id, caller.system, offline_date=offline_at)
    is_provider = isinstance(caller.system, CapacityProvider)
    for group in caller.user.capacity_groups:
        of = group.capacity_provider if is_provider else group.capacity_optimizer
        if of == caller.system.id:
            publish_heartbeat(rooms, caller.user, group, "cp" if is_provider else "co", offline_at)


def _store(rooms: Rooms, caller: Caller, behaviour: Mapping[str, Any]) -> None:
    interval = behaviour.get("heartbeat_interval")
    seconds = None if interval is None else _whole(interval)
    if seconds is not None and not -_LARGEST - 1 <= seconds <= _LARGEST:
        raise database_refused(f"a heartbeat interval is at most {_LARGEST} s")
    # Each once, in the order in which they are asked for; one that is null is none.
    asked = dict.fromkeys(each for each in behaviour["measurement_configuration"] if each)
    settings = SystemSettings(seconds, tuple(_STYLES[each] for each in asked))
    rooms.change_system(caller.user.id, caller.system, settings=settings)


def _whole(interval: float) -> int:
    """Answers with an integer as Java makes it: the fraction is cut, and 0.5 s means none."""
    return max(-_LARGEST_INTEGER - 1, min(int(interval), _LARGEST_INTEGER))


def _acknowledge(
    rooms: Rooms, party: FlexibilityProvider, caller: Caller, handshake_id: str
) -> Reply:
    system = caller.current(rooms.world)
    if system is None:
        raise ConfigurationProblem(f"{caller.system.name} does not exist any more")
    check_registered(caller.user.id, system, "HandshakeAcknowledge")
    delivery = party.outbox.delivery(
        system,
        "HandshakeAcknowledge",
        _ANSWER,
        party.new_request_id(),
        correlation_id=handshake_id,
    )
    if delivery is None:
        raise ConfigurationProblem(f"{system.name} has no base URL to acknowledge to")
    return party.outbox.send(caller.user.id, system, delivery)

"""What a system asks of the Flexibility Provider, and how long it is to be taken as online.

As observed in SolarNetwork (oscp20.md §3.5, §3.6, §5.4 and §5.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from oscp_sim.access_tokens import new_token
from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH, path_of
from oscp_sim.flexibility_provider.call import Caller
from oscp_sim.flexibility_provider.delivery import ConfigurationProblem
from oscp_sim.flexibility_provider.envelope import Refused, database_refused
from oscp_sim.flexibility_provider.forwarding import publish_heartbeat
from oscp_sim.flexibility_provider.outbox import check_registered, queue_of
from oscp_sim.flexibility_provider.provider import FlexibilityProvider
from oscp_sim.http import Response
from oscp_sim.shared import Shared
from oscp_sim.world import SIMULATED, CapacityOptimizer, CapacityProvider, SystemSettings, User
from oscp_sim.world.model import MeasurementStyle

__all__ = ["acknowledged", "handshake", "heartbeat", "register"]


# § How an external system registers with the Flexibility Provider (oscp20.md §3.4 and §5.3).

_VERSION: Final = "2.0"
# The database's columns, in characters (§3.4).
_LONGEST_TOKEN, _LONGEST_URL = 64, 256
_NO_VERSION: Final = "URL version '2.0' required but not provided."


def register(
    shared: Shared, party: FlexibilityProvider, caller: Caller, message: Mapping[str, Any]
) -> Callable[[], None]:
    """Takes note of where a system is and of its token, and replaces the token that it has here.

    Args:
        shared: The shared shared.
        party: In whose name it is answered.
        caller: The system.
        message: Its Register, decoded.

    Returns:
        What is to be done once the system has its 204: from now on nobody has a good token, until
        the Flexibility Provider's own Register has told the new one.

    Raises:
        Refused: The system offers no OSCP 2.0, or the database does not take what it says.
    """
    offered = (each for each in message["version_url"] if each is not None)
    found = next((each for each in offered if each["version"] == _VERSION), None)
    if found is None:
        raise Refused(501, headers={"X-Error-Message": _NO_VERSION}, why=_NO_VERSION)
    _check_columns(message["token"], found["base_url"])
    token = new_token(party.random)
    shared.journal.conceal(token)
    shared.journal.conceal(message["token"])
    _store(shared, caller, message["token"], found["base_url"], token)
    party.note_replaced(caller.user.id, caller.system)
    registering = _Registering(shared, party, caller, token)
    return partial(
        party.tasks.run,
        "Register",
        registering.attempt,
        queue=queue_of(caller.user.id, caller.system),
        on_success=registering.succeed,
        on_failure=registering.fail,
    )


def _check_columns(token: str, base_url: str) -> None:
    if len(token) > _LONGEST_TOKEN:
        raise database_refused(f"a token has at most {_LONGEST_TOKEN} characters")
    if len(base_url) > _LONGEST_URL:
        raise database_refused(f"a base URL has at most {_LONGEST_URL} characters")
    if "\0" in token + base_url:
        raise database_refused("a text there holds no NUL")


def _store(shared: Shared, caller: Caller, token: str, base_url: str, own_token: str) -> None:
    leads_here = shared.addresses.leads_here(base_url, path_of(caller.system))
    with shared.world_lock:
        user = shared.world.user(caller.user.id)
        system = caller.current(shared.world)
        if user is None or system is None:
            raise Refused(403, "REGISTRATION_NOT_CONFIRMED", why="its configuration is gone")
        if not leads_here:
            _check_unique(user, caller, base_url)
        changed: Any = replace(
            system,
            base_url=SIMULATED if leads_here else base_url,
            oscp_version=_VERSION,
            registration_status="Pending",
            # An empty one is none to show (inferred).
            token=token or None,
            flexibility_provider_token=own_token,
        )
        shared.replace_world(shared.world.with_user(user.with_system(changed)))


def _check_unique(user: User, caller: Caller, base_url: str) -> None:
    """Refuses a URL that another system of the same user and kind has.

    Those that the simulator plays share one, of necessity.
    """
    for each in user.systems:
        is_other = isinstance(each, type(caller.system)) and not caller.is_it(each)
        if is_other and each.base_url == base_url:
            raise database_refused(f"{each.name}, {each.id}, has the same base URL")


class _Registering:
    """The Flexibility Provider's own Register, in answer to a system's."""

    def __init__(
        self, shared: Shared, party: FlexibilityProvider, caller: Caller, token: str
    ) -> None:
        self._shared = shared
        self._party = party
        self._caller = caller
        self._token = token

    def attempt(self) -> Response:
        system = self._system()
        delivery = self._party.outbox.delivery(
            system, "Register", self._message(system), self._party.new_request_id()
        )
        if delivery is None:
            raise ConfigurationProblem(f"{system.name} has no base URL to send Register to")
        return self._party.outbox.send(self._caller.user.id, system, delivery)

    def succeed(self) -> None:
        # One that has registered again meanwhile waits for its second Register (inferred).
        if self._is_latest():
            self._shared.change_system(
                self._caller.user.id, self._caller.system, registration_status="Registered"
            )

    def fail(self, _why: str) -> None:
        if not self._is_latest():
            return
        why = (
            f"{self._caller.system.name} is locked out: the token with which it registered is dead "
            "since then, and the new one could not be told to it. Its status stays Pending; as in "
            "SolarNetwork, somebody has to make a new token in SolarUser "
            f"(configuration of this {self._caller.role.replace('_', ' ')})."
        )
        self._shared.journal.append(
            "flexibility_provider", "note", action="Register", detail={"why": why}
        )

    def _message(self, system: CapacityProvider | CapacityOptimizer) -> Mapping[str, Any]:
        to = self._shared.addresses.of_system(system) or ""
        here = self._shared.addresses.announced(FLEXIBILITY_PROVIDER_PATH, to=to)
        return {
            "token": self._token,
            "version_url": [{"version": _VERSION, "base_url": here}],
        }

    def _system(self) -> CapacityProvider | CapacityOptimizer:
        system = self._caller.current(self._shared.world)
        if system is None:
            raise ConfigurationProblem(f"{self._caller.system.name} does not exist any more")
        if system.flexibility_provider_token != self._token:
            raise ConfigurationProblem(
                f"{system.name} has another token meanwhile: this one is not worth telling"
            )
        return system

    def _is_latest(self) -> bool:
        return self._shared.world.caller(self._token) is not None


_STYLES: Final[Mapping[str, MeasurementStyle]] = MappingProxyType(
    {"CONTINUOUS": "Continuous", "INTERMITTENT": "Intermittent"}
)
# What the database's column holds, and what a 32-bit integer does, where Java stops.
_LARGEST, _LARGEST_INTEGER = 2**15 - 1, 2**31 - 1
# Always this, although the service's own schema refuses it (§4).
_ANSWER: Final[Mapping[str, Any]] = MappingProxyType({"required_behaviour": {}})


def handshake(
    shared: Shared,
    party: FlexibilityProvider,
    caller: Caller,
    message: Mapping[str, Any],
    request_id: str,
) -> Callable[[], None]:
    """Stores what a system asks for in a Handshake.

    Args:
        shared: The shared shared.
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
    _store_settings(shared, caller, behaviour)
    attempt = partial(_acknowledge, shared, party, caller, request_id)
    queue = queue_of(caller.user.id, caller.system)
    return partial(party.tasks.run, "HandshakeAcknowledge", attempt, queue=queue)


def acknowledged(shared: Shared, caller: Caller, message: Mapping[str, Any]) -> None:
    """Overwrites what a system asks for with that of its HandshakeAcknowledge, if it says any.

    Nobody looks whether it was sent a Handshake at all (§9.3, X11).

    Raises:
        Refused: The database does not take it.
    """
    behaviour = message.get("required_behaviour")
    if behaviour is not None:
        _store_settings(shared, caller, behaviour)


def heartbeat(shared: Shared, caller: Caller, message: Mapping[str, Any]) -> None:
    """Stores from when on a system is to be taken as offline, plausible or not."""
    offline_at = message["offline_mode_at"]
    shared.change_system(caller.user.id, caller.system, offline_date=offline_at)
    is_provider = isinstance(caller.system, CapacityProvider)
    for group in caller.user.capacity_groups:
        of = group.capacity_provider if is_provider else group.capacity_optimizer
        if of == caller.system.id:
            publish_heartbeat(shared, caller.user, group, "cp" if is_provider else "co", offline_at)


def _store_settings(shared: Shared, caller: Caller, behaviour: Mapping[str, Any]) -> None:
    interval = behaviour.get("heartbeat_interval")
    seconds = None if interval is None else _whole(interval)
    if seconds is not None and not -_LARGEST - 1 <= seconds <= _LARGEST:
        raise database_refused(f"a heartbeat interval is at most {_LARGEST} s")
    # Each once, in the order in which they are asked for; one that is null is none.
    asked = dict.fromkeys(each for each in behaviour["measurement_configuration"] if each)
    settings = SystemSettings(seconds, tuple(_STYLES[each] for each in asked))
    shared.change_system(caller.user.id, caller.system, settings=settings)


def _whole(interval: float) -> int:
    """Answers with an integer as Java makes it: the fraction is cut, and 0.5 s means none."""
    return max(-_LARGEST_INTEGER - 1, min(int(interval), _LARGEST_INTEGER))


def _acknowledge(
    shared: Shared, party: FlexibilityProvider, caller: Caller, handshake_id: str
) -> Response:
    system = caller.current(shared.world)
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

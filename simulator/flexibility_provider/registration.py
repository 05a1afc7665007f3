"""How an external system registers with the Flexibility Provider (OSCP dossier §3.4 and §5.3)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from simulator.addresses import FLEXIBILITY_PROVIDER_PATH, path_of
from simulator.caller_tokens import new_token
from simulator.flexibility_provider.envelope import Refused, database_refused
from simulator.flexibility_provider.outbox import lane_of
from simulator.flexibility_provider.tasks import ConfigurationProblem
from simulator.world import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.flexibility_provider.authentication import Caller
    from simulator.flexibility_provider.provider import FlexibilityProvider
    from simulator.outgoing import Reply
    from simulator.rooms import Rooms
    from simulator.world import CapacityOptimizer, CapacityProvider, User

__all__ = ["register"]

_VERSION: Final = "2.0"
# The database's columns, in characters (§3.4).
_LONGEST_TOKEN, _LONGEST_URL = 64, 256
_NO_VERSION: Final = "URL version '2.0' required but not provided."


def register(
    rooms: Rooms, party: FlexibilityProvider, caller: Caller, message: Mapping[str, Any]
) -> Callable[[], None]:
    """Takes note of where a system is and of its token, and replaces the token that it has here.

    Args:
        rooms: The shared rooms.
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
    rooms.journal.conceal(token)
    rooms.journal.conceal(message["token"])
    _store(rooms, caller, message["token"], found["base_url"], token)
    party.note_replaced(caller.user.id, caller.system)
    registering = _Registering(rooms, party, caller, token)
    return partial(
        party.tasks.run,
        "Register",
        registering.attempt,
        lane=lane_of(caller.user.id, caller.system),
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


def _store(rooms: Rooms, caller: Caller, token: str, base_url: str, own_token: str) -> None:
    leads_here = rooms.addresses.leads_here(base_url, path_of(caller.system))
    with rooms.world_lock:
        user = rooms.world.user(caller.user.id)
        system = caller.current(rooms.world)
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
        rooms.replace_world(rooms.world.with_user(user.with_system(changed)))


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
        self, rooms: Rooms, party: FlexibilityProvider, caller: Caller, token: str
    ) -> None:
        self._rooms = rooms
        self._party = party
        self._caller = caller
        self._token = token

    def attempt(self) -> Reply:
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
            self._rooms.change_system(
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
        self._rooms.journal.append(
            "flexibility_provider", "note", action="Register", detail={"why": why}
        )

    def _message(self, system: CapacityProvider | CapacityOptimizer) -> Mapping[str, Any]:
        to = self._rooms.addresses.of_system(system) or ""
        here = self._rooms.addresses.announced(FLEXIBILITY_PROVIDER_PATH, to=to)
        return {
            "token": self._token,
            "version_url": [{"version": _VERSION, "base_url": here}],
        }

    def _system(self) -> CapacityProvider | CapacityOptimizer:
        system = self._caller.current(self._rooms.world)
        if system is None:
            raise ConfigurationProblem(f"{self._caller.system.name} does not exist any more")
        if system.flexibility_provider_token != self._token:
            raise ConfigurationProblem(
                f"{system.name} has another token meanwhile: this one is not worth telling"
            )
        return system

    def _is_latest(self) -> bool:
        return self._rooms.world.caller(self._token) is not None

"""The Flexibility Provider's endpoints: who may post which message where (OSCP dossier §5.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.addresses import FLEXIBILITY_PROVIDER_PATH
from simulator.flexibility_provider.envelope import Refused
from simulator.flexibility_provider.forwarding import forward
from simulator.flexibility_provider.handshake import acknowledged, handshake, heartbeat
from simulator.flexibility_provider.registration import register
from simulator.world import CapacityOptimizer, CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from simulator.flexibility_provider.authentication import Caller
    from simulator.flexibility_provider.provider import FlexibilityProvider
    from simulator.journal import Party
    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup

__all__ = ["ANY_SYSTEM", "Endpoint", "endpoints"]

ANY_SYSTEM: Final[frozenset[Party]] = frozenset({"capacity_provider", "capacity_optimizer"})

# Of the caller, its message, and the X-Request-ID of that; answers with what is left to be done.
Handler = Callable[["Caller", "Mapping[str, Any]", str], Callable[[], object] | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path that takes one message.

    Attributes:
        action: The OSCP message name.
        handler: Takes the message, or raises `Refused`; answers with what is to be done afterwards.
        roles: Who may post it.
        needs_request_id: Whether it is refused without an X-Request-ID.
    """

    action: str
    handler: Handler
    roles: frozenset[Party] = ANY_SYSTEM
    needs_request_id: bool = True


def endpoints(rooms: Rooms, party: FlexibilityProvider) -> dict[str, Endpoint]:
    """Answers with all endpoints by their paths.

    Args:
        rooms: The shared rooms.
        party: Whose they are.
    """
    provider: frozenset[Party] = frozenset({"capacity_provider"})
    optimizer: frozenset[Party] = frozenset({"capacity_optimizer"})
    handlers = _Handlers(rooms, party)
    found: dict[str, Endpoint] = {
        "/register": Endpoint("Register", handlers.register, needs_request_id=False),
        "/handshake": Endpoint("Handshake", partial(handshake, rooms, party)),
        "/handshake_acknowledge": Endpoint("HandshakeAcknowledge", handlers.acknowledged),
        "/heartbeat": Endpoint("Heartbeat", handlers.heartbeat, needs_request_id=False),
        "/update_group_capacity_forecast": Endpoint(
            "UpdateGroupCapacityForecast", handlers.update, provider
        ),
        "/adjust_group_capacity_forecast": Endpoint(
            "AdjustGroupCapacityForecast", handlers.adjust, optimizer
        ),
    }
    return {FLEXIBILITY_PROVIDER_PATH + path: endpoint for path, endpoint in found.items()}


class _Handlers:
    def __init__(self, rooms: Rooms, party: FlexibilityProvider) -> None:
        self._rooms = rooms
        self._party = party

    def register(
        self, caller: Caller, message: Mapping[str, Any], _request_id: str
    ) -> Callable[[], object]:
        return register(self._rooms, self._party, caller, message)

    def acknowledged(self, caller: Caller, message: Mapping[str, Any], _request_id: str) -> None:
        acknowledged(self._rooms, caller, message)

    def heartbeat(self, caller: Caller, message: Mapping[str, Any], _request_id: str) -> None:
        heartbeat(self._rooms, caller, message)

    def update(
        self, caller: Caller, message: Mapping[str, Any], request_id: str
    ) -> Callable[[], object]:
        group = _group(caller, message["group_id"])
        party, system = self._party, caller.system
        if not isinstance(system, CapacityProvider):
            raise Refused(403, "ACCESS_DENIED")
        return partial(forward, self._rooms, party, caller.user, system, group, message, request_id)

    def adjust(
        self, caller: Caller, message: Mapping[str, Any], request_id: str
    ) -> Callable[[], object]:
        group = _group(caller, message["group_id"])
        party, system = self._party, caller.system
        if not isinstance(system, CapacityOptimizer):
            raise Refused(403, "ACCESS_DENIED")
        return partial(forward, self._rooms, party, caller.user, system, group, message, request_id)


def _group(caller: Caller, identifier: str) -> CapacityGroup:
    """Answers with a system's own Capacity Group; whether it is enabled is not asked (§5.6).

    Raises:
        Refused: The system has none of that identifier.
    """
    for group in caller.user.capacity_groups:
        is_provider = isinstance(caller.system, CapacityProvider)
        of = group.capacity_provider if is_provider else group.capacity_optimizer
        if of == caller.system.id and group.identifier == identifier:
            return group
    raise Refused(403, "ACCESS_DENIED", why=f'{caller.system.name} has no group "{identifier}"')

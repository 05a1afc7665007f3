"""The Capacity Providers that the simulator plays, by their desks and their seats."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from simulator.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from simulator.capacity_provider.manners import ProviderManners
from simulator.capacity_provider.profiles import PROFILES
from simulator.capacity_provider.seat import ProviderSeat
from simulator.external_system import Seats, external_system
from simulator.world import ProviderBehaviour

if TYPE_CHECKING:
    from simulator.desk import Desk
    from simulator.rooms import Rooms
    from simulator.world import CapacityProvider

__all__ = ["BASE_PATH", "ProviderSeats", "capacity_provider", "provider_seats"]

BASE_PATH = CAPACITY_PROVIDER_PATH

ProviderSeats: TypeAlias = Seats[ProviderSeat]


def provider_seats(rooms: Rooms) -> ProviderSeats:
    """Answers with the seats of all Capacity Providers that the simulator plays."""
    return Seats(
        rooms, "capacity_provider", lambda user: user.capacity_providers, ProviderSeat, _acts
    )


def _acts(provider: CapacityProvider) -> bool:
    behaviour = provider.behaviour
    return behaviour.heartbeat_every is not None or behaviour.timetable is not None


def capacity_provider(rooms: Rooms, seats: ProviderSeats) -> tuple[Desk, ...]:
    """Answers with their desks (OSCP 2.0, base paths by convention; OSCP dossier §1.2).

    Args:
        rooms: The shared rooms.
        seats: All that there are.
    """
    plain = ProviderManners(PROFILES["specification"], ProviderBehaviour())
    paths = (CAPACITY_PROVIDER_PATH, ELMO_PATH)
    return external_system(rooms, "capacity_provider", seats, paths, plain)

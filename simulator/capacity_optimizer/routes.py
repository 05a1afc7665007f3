"""The Capacity Optimizers that the simulator plays, by their desks and their seats."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from simulator.addresses import CAPACITY_OPTIMIZER_PATH
from simulator.capacity_optimizer.seat import MANNERS, Compose, OptimizerSeat
from simulator.external_system import Seats, external_system

if TYPE_CHECKING:
    from simulator.desk import Desk
    from simulator.rooms import Rooms

__all__ = ["OptimizerSeats", "capacity_optimizer", "optimizer_seats"]

OptimizerSeats: TypeAlias = Seats[OptimizerSeat]


def optimizer_seats(rooms: Rooms, compose: Compose) -> OptimizerSeats:
    """Answers with the seats of all Capacity Optimizers that the simulator plays.

    Args:
        rooms: The shared rooms.
        compose: Makes their adjustments.
    """
    return Seats(
        rooms,
        "capacity_optimizer",
        lambda user: user.capacity_optimizers,
        partial(OptimizerSeat, compose),
        lambda optimizer: optimizer.heartbeat_every is not None,
    )


def capacity_optimizer(rooms: Rooms, seats: OptimizerSeats) -> tuple[Desk, ...]:
    """Answers with their desks (OSCP 2.0, base path by convention; OSCP dossier §1.2).

    Args:
        rooms: The shared rooms.
        seats: All that there are.
    """
    return external_system(rooms, "capacity_optimizer", seats, (CAPACITY_OPTIMIZER_PATH,), MANNERS)

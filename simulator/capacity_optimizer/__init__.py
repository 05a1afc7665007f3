"""The stand-in for a Capacity Optimizer: it takes what it is sent, and says what it is told to."""

from simulator.capacity_optimizer.routes import (
    OptimizerSeats,
    capacity_optimizer,
    optimizer_seats,
)
from simulator.capacity_optimizer.seat import Compose, OptimizerSeat

__all__ = ["Compose", "OptimizerSeat", "OptimizerSeats", "capacity_optimizer", "optimizer_seats"]

"""The stand-in for a Capacity Optimizer: it takes what it is sent, and says what it is told to."""

from __future__ import annotations

from oscp_sim.system.call import Call, Reaction, Received, Refused, Sent
from oscp_sim.system.capacity_optimizer import Compose, OptimizerSeat
from oscp_sim.system.capacity_provider import ProviderSeat
from oscp_sim.system.endpoint import (
    BASE_PATH,
    OptimizerSeats,
    ProviderSeats,
    capacity_optimizer,
    capacity_provider,
    external_system,
    optimizer_seats,
    provider_seats,
)
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.profile import PATHS, Answer, Manners, PlainManners
from oscp_sim.system.reactions import Conduct
from oscp_sim.system.registry import Seats
from oscp_sim.system.segments import Segmenting
from oscp_sim.system.sending import insist
from oscp_sim.system.system import Seat

__all__ = [
    "BASE_PATH",
    "PATHS",
    "Answer",
    "Call",
    "Compose",
    "Conduct",
    "Manners",
    "OptimizerSeat",
    "OptimizerSeats",
    "PlainManners",
    "ProviderSeat",
    "ProviderSeats",
    "Reaction",
    "Received",
    "Refused",
    "Seat",
    "Seats",
    "Segmenting",
    "Sent",
    "capacity_optimizer",
    "capacity_provider",
    "external_system",
    "forecast_message",
    "insist",
    "optimizer_seats",
    "provider_seats",
]

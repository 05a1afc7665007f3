"""The Capacity Provider that a Flexibility Provider's messages reach, played by the simulator."""

from simulator.capacity_provider.forecasts import forecast_message
from simulator.capacity_provider.routes import (
    BASE_PATH,
    ProviderSeats,
    capacity_provider,
    provider_seats,
)
from simulator.capacity_provider.seat import ProviderSeat

__all__ = [
    "BASE_PATH",
    "ProviderSeat",
    "ProviderSeats",
    "capacity_provider",
    "forecast_message",
    "provider_seats",
]

"""The Capacity Provider that a Flexibility Provider's messages reach, played by the simulator."""

from simulator.capacity_provider.routes import BASE_PATH, capacity_provider

__all__ = ["BASE_PATH", "capacity_provider"]

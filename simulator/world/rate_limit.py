"""How many requests a security token may make."""

from dataclasses import dataclass

__all__ = ["RateLimit"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket for each security token (SolarUser dossier §7.4).

    Attributes:
        capacity: How many requests it holds when it is full.
        refill_per_second: How many it regains in a second.
    """

    capacity: int = 2
    refill_per_second: float = 1.0

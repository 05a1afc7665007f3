"""Who exists in a rehearsal: users, tokens, nodes, optimizers, providers and groups."""

from simulator.world.load import load_world, world_schema
from simulator.world.model import (
    SIMULATED,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Simulated,
    Token,
    TokenType,
    User,
    World,
)

__all__ = [
    "SIMULATED",
    "CapacityGroup",
    "CapacityOptimizer",
    "CapacityProvider",
    "Simulated",
    "Token",
    "TokenType",
    "User",
    "World",
    "load_world",
    "world_schema",
]

"""Who exists in a rehearsal: users, tokens, nodes, optimizers, providers and groups."""

from __future__ import annotations

from oscp_sim.world.load import load_world, world_schema
from oscp_sim.world.model import (
    SIMULATED,
    AnySystem,
    Asset,
    AssetEnergy,
    AssetMeasurement,
    Broker,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    DatumStream,
    Profile,
    ProviderBehaviour,
    Publication,
    RateLimit,
    SecurityPolicy,
    Simulated,
    SystemSettings,
    Token,
    User,
    World,
)

__all__ = [
    "SIMULATED",
    "AnySystem",
    "Asset",
    "AssetEnergy",
    "AssetMeasurement",
    "Broker",
    "CapacityGroup",
    "CapacityOptimizer",
    "CapacityProvider",
    "DatumStream",
    "Profile",
    "ProviderBehaviour",
    "Publication",
    "RateLimit",
    "SecurityPolicy",
    "Simulated",
    "SystemSettings",
    "Token",
    "User",
    "World",
    "load_world",
    "world_schema",
]

"""Who exists in a rehearsal: users, tokens, nodes, optimizers, providers and groups."""

from __future__ import annotations

from oscp_sim.world.load import load_world, world_schema
from oscp_sim.world.model import (
    DEFAULT_ROLES,
    SIMULATED,
    Asset,
    AssetEnergy,
    AssetMeasurement,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    DatumStream,
    ExternalSystem,
    Profile,
    ProviderBehaviour,
    Publication,
    RateLimit,
    SecurityPolicy,
    Simulated,
    SystemSettings,
    Token,
    TokenType,
    User,
    World,
)

__all__ = [
    "DEFAULT_ROLES",
    "SIMULATED",
    "Asset",
    "AssetEnergy",
    "AssetMeasurement",
    "CapacityGroup",
    "CapacityOptimizer",
    "CapacityProvider",
    "DatumStream",
    "ExternalSystem",
    "Profile",
    "ProviderBehaviour",
    "Publication",
    "RateLimit",
    "SecurityPolicy",
    "Simulated",
    "SystemSettings",
    "Token",
    "TokenType",
    "User",
    "World",
    "load_world",
    "world_schema",
]

"""Who exists in a rehearsal: users, tokens, nodes, optimizers, providers and groups."""

from simulator.world.capacity_group import Asset, AssetEnergy, AssetMeasurement, CapacityGroup
from simulator.world.datum_stream import DatumStream
from simulator.world.external_system import (
    SIMULATED,
    CapacityOptimizer,
    CapacityProvider,
    ExternalSystem,
    Simulated,
    SystemSettings,
)
from simulator.world.load import load_world, world_schema
from simulator.world.model import DEFAULT_ROLES, Token, TokenType, User, World
from simulator.world.provider_behaviour import Profile, ProviderBehaviour
from simulator.world.publication import Publication
from simulator.world.rate_limit import RateLimit
from simulator.world.security_policy import SecurityPolicy

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

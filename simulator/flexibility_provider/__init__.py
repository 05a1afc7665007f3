"""The Flexibility Provider: its own endpoints, and what it delivers of what SolarUser queued."""

from simulator.flexibility_provider.provider import FlexibilityProvider
from simulator.flexibility_provider.routes import flexibility_provider

__all__ = ["FlexibilityProvider", "flexibility_provider"]

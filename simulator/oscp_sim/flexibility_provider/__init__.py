"""The Flexibility Provider: its own endpoints, and what it delivers of what SolarUser queued."""

from __future__ import annotations

from oscp_sim.flexibility_provider.endpoint import flexibility_provider
from oscp_sim.flexibility_provider.provider import FlexibilityProvider

__all__ = ["FlexibilityProvider", "flexibility_provider"]

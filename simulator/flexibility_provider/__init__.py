"""The Flexibility Provider, as far as it delivers the instructions that SolarUser queued."""

from simulator.flexibility_provider.provider import FlexibilityProvider

__all__ = ["FlexibilityProvider"]

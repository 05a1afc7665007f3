"""The OSCP configuration API, where an integrator looks up what instructions name."""

from __future__ import annotations

from oscp_sim.solaruser.configuration.routes import configuration_routes

__all__ = ["configuration_routes"]

"""The OSCP configuration API, where an integrator looks up what instructions name."""

from simulator.solaruser.configuration.routes import configuration_routes

__all__ = ["configuration_routes"]

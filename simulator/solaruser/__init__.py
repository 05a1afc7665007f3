"""SolarUser, as far as an OSCP instruction meets it: the instruction API and its queue hook."""

from simulator.solaruser.party import solaruser

__all__ = ["solaruser"]

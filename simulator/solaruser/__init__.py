"""SolarUser, as far as an OSCP instruction meets it: the instruction API and its queue hook."""

from simulator.solaruser.instruction_routes import EXEC_PATH
from simulator.solaruser.party import PREFIX, solaruser, solaruser_routes

__all__ = ["EXEC_PATH", "PREFIX", "solaruser", "solaruser_routes"]

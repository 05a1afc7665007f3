"""SolarUser, as far as an OSCP instruction meets it: the instruction API and its queue hook."""

from __future__ import annotations

from oscp_sim.solaruser.instructions import EXEC_PATH
from oscp_sim.solaruser.party import PREFIX, solaruser, solaruser_routes

__all__ = ["EXEC_PATH", "PREFIX", "solaruser", "solaruser_routes"]

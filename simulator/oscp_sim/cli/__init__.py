"""The command `oscp-sim`."""

from __future__ import annotations

from oscp_sim.cli.main import main

__all__ = ["main"]

"""`python -m oscp_sim` is `oscp-sim`."""

from __future__ import annotations

from oscp_sim.cli.main import main

main(prog_name="oscp-sim")

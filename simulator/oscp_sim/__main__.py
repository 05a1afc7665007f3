"""`python -m oscp_sim` is `oscp-sim`."""

from __future__ import annotations

from oscp_sim.cli.main import main

if __name__ == "__main__":
    # Not where a process of a rehearsal imports it.
    main(prog_name="oscp-sim")

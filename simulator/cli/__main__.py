"""`python -m simulator.cli` is `oscp-sim`."""

from simulator.cli.main import main

main(prog_name="oscp-sim")

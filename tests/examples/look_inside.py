"""Look at a simulator of your own in a browser."""

from functools import partial

from oscp_sim import Simulator
from oscp_sim.inspector import inspector

with Simulator() as simulator:
    simulator.add_pages(partial(inspector, simulator))
    print(f"open {simulator.url}")

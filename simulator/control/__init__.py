"""The simulator's own endpoints, below `/_sim/`: what happened, who exists, what to do next."""

from simulator.control.operations import LONGEST_WAIT, OPERATIONS, PREFIX
from simulator.control.routes import control

__all__ = ["LONGEST_WAIT", "OPERATIONS", "PREFIX", "control"]

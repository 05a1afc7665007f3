"""The world that an OSCP sender talks to.

A fake SolarUser, a Flexibility Provider, a Capacity Provider and an Optimizer, with scenario
files that replay it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oscp_sim.clock import FastClock, FrozenClock, RealClock
    from oscp_sim.simulator import Simulator
    from oscp_sim.world import load_world

__all__ = ["FastClock", "FrozenClock", "RealClock", "Simulator", "load_world"]


def __getattr__(name: str) -> object:
    """Imports what is exported when first asked for it, so that a command's `--help` is quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = {"Simulator": "simulator", "load_world": "world"}.get(name, "clock")
    return getattr(import_module(f"{__name__}.{room}"), name)

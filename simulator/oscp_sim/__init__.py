"""The world that an OSCP sender talks to.

A fake SolarUser, a Flexibility Provider, a Capacity Provider and an Optimizer, with scenario
files that replay it.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oscp_sim.clock import FastClock, FrozenClock, RealClock
    from oscp_sim.simulator import Simulator, create_app
    from oscp_sim.world import load_world

__all__ = ["FastClock", "FrozenClock", "RealClock", "Simulator", "create_app", "load_world"]

_HOMES: Final = MappingProxyType(
    {
        "FastClock": "clock",
        "FrozenClock": "clock",
        "RealClock": "clock",
        "Simulator": "simulator",
        "create_app": "simulator",
        "load_world": "world",
    }
)


def __getattr__(name: str) -> object:
    """Import what is exported when it is first asked for, so that a command's `--help` is quick."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)

"""The world that an OSCP sender talks to.

A fake SolarUser, a Flexibility Provider behind it, and a mock Capacity Provider, with scenario
files that replay it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.simulator import Simulator

__all__ = ["Simulator"]


def __getattr__(name: str) -> object:
    """Imports `Simulator` when it is first asked for, so that a command's `--help` is quick."""
    if name != "Simulator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simulator.simulator import Simulator  # noqa: PLC0415

    return Simulator

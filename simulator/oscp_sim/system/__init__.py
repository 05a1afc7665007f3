"""Systems: the Capacity Providers and Capacity Optimizers that the simulator plays.

A message comes in at an `Endpoint`, which finds the `System` that it is for, judges it, and reacts
as the system's `Profile` says. A system sends what is due by itself, and anything on command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from oscp_sim.addresses import CAPACITY_OPTIMIZER_PATH, CAPACITY_PROVIDER_PATH, ELMO_PATH
from oscp_sim.entry import PartyName
from oscp_sim.http import Party
from oscp_sim.shared import Shared
from oscp_sim.system.endpoint import Endpoint
from oscp_sim.system.kinds import SimulatedOptimizer, SimulatedProvider
from oscp_sim.system.profile import OPTIMIZER, PROFILES
from oscp_sim.system.registry import Registry, Remembered
from oscp_sim.system.system import System

__all__ = ["SimulatedOptimizer", "SimulatedProvider", "System", "Systems"]


class Systems:
    """All systems of the parties that a simulator plays; of the others, there are none."""

    def __init__(self, shared: Shared, plays: Iterable[PartyName]) -> None:
        self._shared = shared
        self._plays = frozenset(plays)
        self._providers = Registry(shared, SimulatedProvider)
        self._optimizers = Registry(shared, SimulatedOptimizer)

    def provider(self, id: int, user: int | None = None) -> SimulatedProvider:  # noqa: A002 - the world's word
        """Return a Capacity Provider that is played here.

        Raises:
            ValueError: Several users have one of that id, and none of them is named.
            LookupError: There is none, or it is not played here.
        """
        self._require(self._providers)
        return self._providers.system(id, user)

    def optimizer(self, id: int, user: int | None = None) -> SimulatedOptimizer:  # noqa: A002 - the world's word
        """Return a Capacity Optimizer that is played here; see `provider`."""
        self._require(self._optimizers)
        return self._optimizers.system(id, user)

    def parties(self) -> Iterator[Party]:
        """Yield the parties that are played, one for each base path (oscp20.md §2.1)."""
        # Before oscp-sim-cp, which has one of its paths.
        if "capacity_optimizer" in self._plays:
            yield Endpoint(self._shared, self._optimizers, CAPACITY_OPTIMIZER_PATH, OPTIMIZER)
        if "capacity_provider" in self._plays:
            for path in (CAPACITY_PROVIDER_PATH, ELMO_PATH):
                yield Endpoint(self._shared, self._providers, path, PROFILES["specification"])

    def plan(self) -> None:
        """Plan what the systems do by themselves."""
        for registry in self._played():
            registry.plan()

    def reset(self) -> None:
        """Forget everything, and plan afresh what the systems do by themselves."""
        for registry in self._played():
            registry.reset()

    def remembered(self) -> dict[tuple[int, str, int], dict[str, Any]]:
        """Return what must survive a restart; with secrets."""
        return {**self._providers.remembered(), **self._optimizers.remembered()}

    def recall(self, remembered: Remembered) -> None:
        """Take up what was remembered before a restart."""
        for registry in self._played():
            registry.recall(remembered)

    def _played(self) -> Iterator[Registry[System]]:
        registries: tuple[Registry[System], ...] = (self._providers, self._optimizers)
        return (each for each in registries if each.party in self._plays)

    def _require(self, registry: Registry[System]) -> None:
        if registry.party not in self._plays:
            played = ", ".join(sorted(self._plays)) or "nobody"
            raise LookupError(f"the simulator does not play the {registry.party}, only {played}")

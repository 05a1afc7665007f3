"""Where the parties of a simulator are, for each other and for those outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.world import CapacityOptimizer, CapacityProvider, Simulated

__all__ = [
    "CAPACITY_OPTIMIZER_PATH",
    "CAPACITY_PROVIDER_PATH",
    "ELMO_PATH",
    "FLEXIBILITY_PROVIDER_PATH",
    "Addresses",
    "NobodyThere",
    "path_of",
]


# By convention (oscp20.md §2.1); Taipower's has no role in it.
CAPACITY_PROVIDER_PATH: Final = "/oscp/cp/2.0"
CAPACITY_OPTIMIZER_PATH: Final = "/oscp/co/2.0"
FLEXIBILITY_PROVIDER_PATH: Final = "/oscp/fp/2.0"
ELMO_PATH: Final = "/oscp/2.0"


def path_of(system: CapacityProvider | CapacityOptimizer) -> str:
    """Answers with the path below which the simulator plays a system."""
    if not isinstance(system, CapacityProvider):
        return CAPACITY_OPTIMIZER_PATH
    return ELMO_PATH if system.profile == "elmo" else CAPACITY_PROVIDER_PATH


class NobodyThere(LookupError):
    """Raised for a message to a party that is neither played here nor known to be elsewhere."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URLs of a simulator's parties.

    Attributes:
        here: Answers with the simulator's own base URL for the world outside of its process, and
            begins to listen there where it does not yet.
        known: The same, or None while it does not listen.
        plays: Which parties are played here.
    """

    here: Callable[[], str]
    known: Callable[[], str | None]
    plays: frozenset[PartyName] = frozenset(ALL_PARTIES)

    def of_system(self, system: CapacityProvider | CapacityOptimizer) -> str | None:
        """Answers with the base URL to which a system is sent messages; None where it has none."""
        if isinstance(system.base_url, Simulated):
            return IN_PROCESS_URL + path_of(system)
        return system.base_url if system.base_url and system.base_url.strip() else None

    def announced(self, path: str, to: str) -> str:
        """Answers with the base URL of a party played here, as it tells it to another one.

        Args:
            path: Below which the party is played.
            to: The URL of the one that is told: in this process or not.
        """
        within = to == IN_PROCESS_URL or to.startswith(f"{IN_PROCESS_URL}/")
        return (IN_PROCESS_URL if within else self.here()) + path

    def leads_here(self, url: str, path: str) -> bool:
        """Tells whether a base URL is that of the party which is played below a path here."""
        return url in {IN_PROCESS_URL + path, f"{self.known() or IN_PROCESS_URL}{path}"}

    def check_flexibility_provider(self, url: str) -> None:
        """Does nothing, unless a base URL would be that of a Flexibility Provider played here.

        Raises:
            NobodyThere: It would, and none is played.
        """
        if "flexibility_provider" not in self.plays and self.leads_here(
            url, FLEXIBILITY_PROVIDER_PATH
        ):
            raise NobodyThere(
                "there is no Flexibility Provider to send to: the simulator does not play the "
                "flexibility_provider, and the world names none; give the world one, as "
                "flexibility_provider: {base_url: URL}, or --seat flexibility_provider=URL"
            )

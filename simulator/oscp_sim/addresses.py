"""The base URLs of a simulator's parties, for each other and for the world outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.world import AnySystem, CapacityProvider, Simulated, World

#: Where production is: SolarUser, and the Flexibility Provider.
PRODUCTION_HOSTS: Final = ("data.solarnetwork.net", "oscp.solarnetwork.net")

#: What becomes of a request for a host that is not played here.
Others: TypeAlias = Literal["pass", "refuse"]

# By convention (docs/protocol/oscp20.md §2.1); Taipower's names no role.
CAPACITY_PROVIDER_PATH: Final = "/oscp/cp/2.0"
CAPACITY_OPTIMIZER_PATH: Final = "/oscp/co/2.0"
FLEXIBILITY_PROVIDER_PATH: Final = "/oscp/fp/2.0"
ELMO_PATH: Final = "/oscp/2.0"


def path_of(system: AnySystem) -> str:
    """Return the path below which the simulator plays a system."""
    if not isinstance(system, CapacityProvider):
        return CAPACITY_OPTIMIZER_PATH
    return ELMO_PATH if system.profile == "elmo" else CAPACITY_PROVIDER_PATH


def hosts_of(world: World) -> frozenset[str]:
    """Return the host names, in lower case, that lead to the simulator in production's place."""
    return frozenset(each.lower() for each in (*PRODUCTION_HOSTS, *world.hosts))


def answered_hosts(world: World) -> frozenset[str]:
    """Return the hosts that are answered here in production's place: not those of real parties."""
    systems = [each for user in world.users for each in user.systems]
    urls = (world.solaruser, world.flexibility_provider, *(each.base_url for each in systems))
    return hosts_of(world) - {_host(url) for url in urls if isinstance(url, str)}


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def server_url(url: str) -> str:
    """Return the base URL of a server, without a slash at its end.

    Raises:
        ValueError: It is none, or has more than an address.
    """
    parts, bare = urlsplit(url), url.rstrip("/")
    is_server = parts.hostname and parts.scheme in {"http", "https"} and parts.port != 0
    if not is_server or "@" in parts.netloc or f"{parts.scheme}://{parts.netloc}" != bare:
        raise ValueError("write the address of a server alone, as http://sim.example:8920")
    return bare


class NobodyThere(LookupError):
    """A message is for a party that is neither played here nor known to be elsewhere."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URLs of a simulator's parties.

    Attributes:
        here: Returns the simulator's own base URL for the world outside of its process; the
            simulator listens there from then on.
        known: Returns the same, or None while the simulator does not listen.
        plays: Which parties are played here.
    """

    here: Callable[[], str]
    known: Callable[[], str | None]
    plays: frozenset[PartyName] = frozenset(ALL_PARTIES)

    def of_system(self, system: AnySystem) -> str | None:
        """Return the base URL to which a system's messages are sent, or None if it has none."""
        if isinstance(system.base_url, Simulated):
            return IN_PROCESS_URL + path_of(system)
        return system.base_url if system.base_url and system.base_url.strip() else None

    def announced(self, path: str, to: str) -> str:
        """Return the base URL of a party played here below a path, as it announces it to a URL."""
        within = to == IN_PROCESS_URL or to.startswith(f"{IN_PROCESS_URL}/")
        return (IN_PROCESS_URL if within else self.here()) + path

    def leads_here(self, url: str, path: str) -> bool:
        """Return whether a base URL is that of the party that is played here below a path."""
        return url in {IN_PROCESS_URL + path, f"{self.known() or IN_PROCESS_URL}{path}"}

    def check_flexibility_provider(self, url: str) -> None:
        """Check that a Flexibility Provider is at a base URL, if that leads here.

        Raises:
            NobodyThere: The URL leads here, and no Flexibility Provider is played.
        """
        if "flexibility_provider" not in self.plays and self.leads_here(
            url, FLEXIBILITY_PROVIDER_PATH
        ):
            raise NobodyThere(
                "there is no Flexibility Provider to send to: the simulator does not play the "
                "flexibility_provider, and the world names none; give the world one, as "
                "flexibility_provider: {base_url: URL}, or --seat flexibility_provider=URL"
            )

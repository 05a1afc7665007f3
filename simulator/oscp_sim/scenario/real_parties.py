"""Which parties of a rehearsal are real, and where; the simulator plays the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.world import CapacityOptimizer, CapacityProvider, World

SystemRole = Literal["capacity_provider", "capacity_optimizer"]

#: What the systems of a role are in the world.
KINDS: Final[Mapping[SystemRole, type[CapacityProvider | CapacityOptimizer]]] = {
    "capacity_provider": CapacityProvider,
    "capacity_optimizer": CapacityOptimizer,
}
#: What the roles are called in texts.
NAMES: Final[Mapping[SystemRole, str]] = {
    "capacity_provider": "Capacity Provider",
    "capacity_optimizer": "Capacity Optimizer",
}


def _parse_url(text: str) -> str:
    """Return a base URL as it is.

    Raises:
        ValueError: It is not one; the message says how to write it.
    """
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        message = f'"{text}" is not a base URL: write it as http://127.0.0.1:9930/oscp/cp/2.0'
        raise ValueError(message)
    # Shown in logs and announced, unlike a token.
    if parts.username is not None or parts.password is not None:
        message = "a base URL must not hold a user name or password; use the token"
        raise ValueError(message)
    return text


_BaseUrl = Annotated[str, _parse_url]


@dataclass(frozen=True, slots=True)
class RealParties:
    """The base URLs of the parties that are real.

    Attributes:
        solaruser: Without its path, as `https://data.solarnetwork.net`.
        flexibility_provider: With its path, as `https://oscp.solarnetwork.net/oscp/fp/2.0`.
        capacity_provider: Of each that is real, by configId, with its path.
        capacity_optimizer: The same.
    """

    solaruser: _BaseUrl | None = None
    flexibility_provider: _BaseUrl | None = None
    capacity_provider: Mapping[int, _BaseUrl] = field(default_factory=dict, hash=False)
    capacity_optimizer: Mapping[int, _BaseUrl] = field(default_factory=dict, hash=False)

    @property
    def plays(self) -> tuple[PartyName, ...]:
        """The parties that are left for the simulator."""
        real = {"solaruser": self.solaruser, "flexibility_provider": self.flexibility_provider}
        return tuple(party for party in ALL_PARTIES if real.get(party) is None)

    @property
    def systems(self) -> Mapping[tuple[SystemRole, int], str]:
        """The base URL of each real Capacity Provider and Optimizer, by its role and configId."""
        return {
            **{("capacity_provider", each): url for each, url in self.capacity_provider.items()},
            **{("capacity_optimizer", each): url for each, url in self.capacity_optimizer.items()},
        }

    def under(self, other: RealParties) -> RealParties:
        """Return these parties, with those that the others name in their place."""
        return RealParties(
            other.solaruser or self.solaruser,
            other.flexibility_provider or self.flexibility_provider,
            {**self.capacity_provider, **other.capacity_provider},
            {**self.capacity_optimizer, **other.capacity_optimizer},
        )

    def placed(self, world: World) -> World:
        """Return a world in which the real parties are where they really are.

        Raises:
            ValueError: A system is not in the world, or several users have it.
        """
        for (role, system_id), url in self.systems.items():
            world = _placed(world, role, system_id, url)
        return replace(
            world,
            solaruser=self.solaruser or world.solaruser,
            flexibility_provider=self.flexibility_provider or world.flexibility_provider,
        )


def parse_seat(text: str) -> RealParties:
    """Read a seat of the command line: `capacity_provider:3=http://127.0.0.1:9930/cp`.

    Raises:
        ValueError: It is not one; the message says how to write it.
    """
    name, equals, url = text.partition("=")
    name, colon, number = name.partition(":")
    if name not in ALL_PARTIES or not equals:
        message = (
            f"{text!r} does not name a party; write it as solaruser=URL, flexibility_provider=URL, "
            "capacity_provider:ID=URL or capacity_optimizer:ID=URL"
        )
        raise ValueError(message)
    _parse_url(url)
    if name in {"solaruser", "flexibility_provider"}:
        if colon:
            message = f"there is one {name} only: leave :{number} out"
            raise ValueError(message)
        return RealParties(url) if name == "solaruser" else RealParties(None, url)
    role: SystemRole = "capacity_provider" if name == "capacity_provider" else "capacity_optimizer"
    if not number.isascii() or not number.isdigit():
        message = f"which {NAMES[role]}? give its id, as {name}:3={url}"
        raise ValueError(message)
    by_id = {int(number): url}
    if role == "capacity_provider":
        return RealParties(capacity_provider=by_id)
    return RealParties(capacity_optimizer=by_id)


def _placed(world: World, role: SystemRole, system_id: int, url: str) -> World:
    systems = [(user, each) for user, each in world.systems if isinstance(each, KINDS[role])]
    found = [(user, system) for user, system in systems if system.id == system_id]
    if not found:
        there = ", ".join(sorted({str(system.id) for _, system in systems})) or "none"
        message = f"there is no {NAMES[role]} {system_id} in the world; there is {there}"
        raise ValueError(message)
    if len(found) > 1:
        users = ", ".join(str(user.id) for user, _ in found)
        message = (
            f"users {users} each have a {NAMES[role]} {system_id}: write its base_url into the "
            "world instead"
        )
        raise ValueError(message)
    user, system = found[0]
    return world.with_system(user.id, replace(system, base_url=url))

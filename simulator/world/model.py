"""The people and things of a rehearsal, found by what a request names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, Protocol, TypeVar

__all__ = [
    "SIMULATED",
    "CapacityGroup",
    "CapacityOptimizer",
    "CapacityProvider",
    "Simulated",
    "Token",
    "TokenType",
    "User",
    "World",
]

TokenType = Literal["User", "ReadNodeData"]


class Simulated(Enum):
    """The type of `SIMULATED`, the base URL of a Capacity Provider that the simulator plays."""

    SIMULATED = "simulated"


SIMULATED: Final = Simulated.SIMULATED


@dataclass(frozen=True, slots=True)
class Token:
    """A security token with which a user's program signs its requests.

    Attributes:
        id: Shown as `Credential` in an SNWS2 authorization.
        secret: Never part of the repr.
        type: `User` may send instructions, `ReadNodeData` may not (SolarUser roles).
        enabled: Whether it may be used.
    """

    id: str
    secret: str = field(repr=False)
    type: TokenType = "User"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CapacityProvider:
    """A Capacity Provider as its user has configured it.

    Attributes:
        id: The configId, of one user.
        name: For people.
        token: What the Flexibility Provider shows to it; never part of the repr.
        base_url: Where it listens; None: nowhere, so nothing is sent and the instruction is
            Completed (as observed in SolarNetwork); `SIMULATED`: the simulator plays it.
        oscp_version: Delivery works with `2.0` only (as observed in SolarNetwork).
        enabled: Otherwise it is unknown to the services.
    """

    id: int
    name: str
    token: str = field(repr=False)
    base_url: str | Simulated | None = SIMULATED
    oscp_version: str = "2.0"
    enabled: bool = True

    def deliver_to(self, simulated: str) -> str | None:
        """Return the base URL to send to, or None where it has none.

        Args:
            simulated: The base URL of the simulated Capacity Provider.
        """
        return simulated if isinstance(self.base_url, Simulated) else self.base_url


@dataclass(frozen=True, slots=True)
class CapacityOptimizer:
    """A Capacity Optimizer as its user has configured it.

    Attributes:
        id: The configId, which an instruction names as `coId`.
        name: For people.
        enabled: Otherwise it is unknown to the services.
    """

    id: int
    name: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CapacityGroup:
    """A Capacity Group between one Capacity Provider and one Capacity Optimizer.

    Attributes:
        id: The configId, of one user.
        identifier: What an instruction names as `cgIdentifier` and OSCP as `group_id`.
        capacity_provider: Its Capacity Provider's id.
        capacity_optimizer: Its Capacity Optimizer's id.
        name: For people.
        enabled: Otherwise it is unknown to the services.
    """

    id: int
    identifier: str
    capacity_provider: int
    capacity_optimizer: int
    name: str | None = None
    enabled: bool = True


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


_Item = TypeVar("_Item", bound=_HasId)


def _by_id(items: Iterable[_Item]) -> dict[int, _Item]:
    return {item.id: item for item in items}


@dataclass(frozen=True, slots=True)
class User:
    """A SolarNetwork user, with lookups that cost the same however much the user owns.

    A lookup also finds what is not enabled: whoever asks decides what that means.

    Attributes:
        id: Unique in the world.
        tokens: The user's security tokens.
        nodes: Ids of the nodes that the user owns.
        capacity_providers: In the order of the file, like the rest.
        capacity_optimizers: The user's own.
        capacity_groups: The user's own.
    """

    id: int
    tokens: tuple[Token, ...] = ()
    nodes: tuple[int, ...] = ()
    capacity_providers: tuple[CapacityProvider, ...] = ()
    capacity_optimizers: tuple[CapacityOptimizer, ...] = ()
    capacity_groups: tuple[CapacityGroup, ...] = ()
    _providers: Mapping[int, CapacityProvider] = field(init=False, repr=False, compare=False)
    _optimizers: Mapping[int, CapacityOptimizer] = field(init=False, repr=False, compare=False)
    _groups: Mapping[tuple[int, str], CapacityGroup] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        groups = {
            (group.capacity_optimizer, group.identifier): group for group in self.capacity_groups
        }
        object.__setattr__(self, "_providers", _by_id(self.capacity_providers))
        object.__setattr__(self, "_optimizers", _by_id(self.capacity_optimizers))
        object.__setattr__(self, "_groups", groups)

    def provider(self, provider_id: int) -> CapacityProvider | None:
        """Return the user's Capacity Provider of that id."""
        return self._providers.get(provider_id)

    def optimizer(self, optimizer_id: int) -> CapacityOptimizer | None:
        """Return the user's Capacity Optimizer of that id."""
        return self._optimizers.get(optimizer_id)

    def group(self, optimizer_id: int, identifier: str) -> CapacityGroup | None:
        """Return the Capacity Group of that Capacity Optimizer with exactly that identifier."""
        return self._groups.get((optimizer_id, identifier))


@dataclass(frozen=True, slots=True)
class World:
    """All users of a rehearsal, with lookups that cost the same however many there are.

    Attributes:
        users: In the order of the file.
    """

    users: tuple[User, ...]
    _users: Mapping[int, User] = field(init=False, repr=False, compare=False)
    _tokens: Mapping[str, tuple[Token, User]] = field(init=False, repr=False, compare=False)
    _nodes: Mapping[int, User] = field(init=False, repr=False, compare=False)
    _providers: Mapping[str, tuple[CapacityProvider, ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        tokens = {token.id: (token, user) for user in self.users for token in user.tokens}
        providers: dict[str, tuple[CapacityProvider, ...]] = {}
        for provider in (each for user in self.users for each in user.capacity_providers):
            providers[provider.token] = (*providers.get(provider.token, ()), provider)
        object.__setattr__(self, "_users", _by_id(self.users))
        object.__setattr__(self, "_tokens", tokens)
        object.__setattr__(
            self, "_nodes", {node: user for user in self.users for node in user.nodes}
        )
        object.__setattr__(self, "_providers", providers)

    def user(self, user_id: int) -> User | None:
        """Return the user of that id."""
        return self._users.get(user_id)

    def token(self, token_id: str) -> Token | None:
        """Return the security token of that id."""
        found = self._tokens.get(token_id)
        return found[0] if found else None

    def owner_of_token(self, token_id: str) -> User | None:
        """Return the user whose security token that is."""
        found = self._tokens.get(token_id)
        return found[1] if found else None

    def owner_of_node(self, node_id: int) -> User | None:
        """Return the user who owns that node."""
        return self._nodes.get(node_id)

    def providers_with_token(self, token: str) -> tuple[CapacityProvider, ...]:
        """Return the Capacity Providers, of any user, that a delivery with that token is for."""
        return self._providers.get(token, ())

    def summary(self) -> dict[str, Any]:
        """Return the world as JSON values in the shape of its file, without secrets and tokens.

        Of a security token its id stays; of a simulated Capacity Provider `base_url` is left out.
        """
        return {"users": [_summary_of_user(user) for user in self.users]}


def _summary_of_user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "tokens": [
            {"id": token.id, "type": token.type, "enabled": token.enabled} for token in user.tokens
        ],
        "nodes": list(user.nodes),
        "capacity_providers": [_summary_of_provider(each) for each in user.capacity_providers],
        "capacity_optimizers": [
            {"id": each.id, "name": each.name, "enabled": each.enabled}
            for each in user.capacity_optimizers
        ],
        "capacity_groups": [
            {
                "id": group.id,
                "identifier": group.identifier,
                **({} if group.name is None else {"name": group.name}),
                "capacity_provider": group.capacity_provider,
                "capacity_optimizer": group.capacity_optimizer,
                "enabled": group.enabled,
            }
            for group in user.capacity_groups
        ],
    }


def _summary_of_provider(provider: CapacityProvider) -> dict[str, Any]:
    url = {} if isinstance(provider.base_url, Simulated) else {"base_url": provider.base_url}
    return {
        "id": provider.id,
        "name": provider.name,
        **url,
        "oscp_version": provider.oscp_version,
        "enabled": provider.enabled,
    }

"""The people and things of a rehearsal, found by what a request names them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, Protocol, Self, TypeVar

from simulator.world.capacity_group import Asset, CapacityGroup
from simulator.world.datum_stream import DatumStream
from simulator.world.external_system import CapacityOptimizer, CapacityProvider
from simulator.world.publication import Publication
from simulator.world.rate_limit import RateLimit
from simulator.world.security_policy import SecurityPolicy
from simulator.world.summary import summary_of_user

__all__ = [
    "DEFAULT_ROLES",
    "Token",
    "TokenType",
    "User",
    "World",
]

TokenType = Literal["User", "ReadNodeData"]

DEFAULT_ROLES: Final = frozenset({"ROLE_OSCP", "ROLE_EVENT"})


@dataclass(frozen=True, slots=True)
class Token:
    """A security token with which a user's program signs its requests.

    Attributes:
        id: Shown as `Credential` in an SNWS2 authorization.
        secret: Never part of the repr.
        type: `User` may send instructions, `ReadNodeData` may not (SolarUser roles).
        enabled: Whether it may be used.
        policy: What it is restricted to; nothing where not given.
    """

    id: str
    secret: str = field(repr=False)
    type: TokenType = "User"
    enabled: bool = True
    policy: SecurityPolicy | None = None


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


_Item = TypeVar("_Item", bound=_HasId)


def _by_id(items: Iterable[_Item]) -> dict[int, _Item]:
    return {item.id: item for item in items}


def _replaced(items: tuple[_Item, ...], new: _Item) -> tuple[_Item, ...]:
    return tuple(new if each.id == new.id else each for each in items)


@dataclass(frozen=True)
class User:
    """A SolarNetwork user, with lookups that cost the same however much the user owns.

    What they need is made when it is first asked for: a heartbeat changes a user, and asks little.
    A lookup also finds what is not enabled: whoever asks decides what that means.

    Attributes:
        id: Unique in the world.
        tokens: The user's security tokens.
        nodes: Ids of the nodes that the user owns.
        capacity_providers: In the order of the file, like the rest.
        capacity_optimizers: The user's own.
        capacity_groups: The user's own.
        roles: What the user's tokens of type `User` may do besides: `ROLE_OSCP` is needed for the
            OSCP configuration.
        assets: What is measured in the user's Capacity Groups.
        settings: Where what OSCP messages tell is published; nowhere where not given.
        datum_streams: What the user's nodes measure.
    """

    id: int
    tokens: tuple[Token, ...] = ()
    nodes: tuple[int, ...] = ()
    capacity_providers: tuple[CapacityProvider, ...] = ()
    capacity_optimizers: tuple[CapacityOptimizer, ...] = ()
    capacity_groups: tuple[CapacityGroup, ...] = ()
    roles: frozenset[str] = DEFAULT_ROLES
    assets: tuple[Asset, ...] = ()
    settings: Publication | None = None
    datum_streams: tuple[DatumStream, ...] = ()

    @cached_property
    def _providers(self) -> Mapping[int, CapacityProvider]:
        return _by_id(self.capacity_providers)

    @cached_property
    def _optimizers(self) -> Mapping[int, CapacityOptimizer]:
        return _by_id(self.capacity_optimizers)

    @cached_property
    def _groups(self) -> Mapping[tuple[int, str], CapacityGroup]:
        return {
            (group.capacity_optimizer, group.identifier): group for group in self.capacity_groups
        }

    def provider(self, provider_id: int) -> CapacityProvider | None:
        """Return the user's Capacity Provider of that id."""
        return self._providers.get(provider_id)

    def optimizer(self, optimizer_id: int) -> CapacityOptimizer | None:
        """Return the user's Capacity Optimizer of that id."""
        return self._optimizers.get(optimizer_id)

    def group(self, optimizer_id: int, identifier: str) -> CapacityGroup | None:
        """Return the Capacity Group of that Capacity Optimizer with exactly that identifier."""
        return self._groups.get((optimizer_id, identifier))

    @property
    def systems(self) -> tuple[CapacityProvider | CapacityOptimizer, ...]:
        """The user's Capacity Providers, then the Capacity Optimizers."""
        return (*self.capacity_providers, *self.capacity_optimizers)

    def with_system(self, system: CapacityProvider | CapacityOptimizer) -> Self:
        """Return a user in whom this system stands in the place of the one with the same id."""
        if isinstance(system, CapacityProvider):
            return replace(self, capacity_providers=_replaced(self.capacity_providers, system))
        return replace(self, capacity_optimizers=_replaced(self.capacity_optimizers, system))


@dataclass(frozen=True)
class World:
    """All users of a rehearsal, with lookups that cost the same however many there are.

    Attributes:
        users: In the order of the file.
        rate_limit: How many requests each security token may make; any number where not given.
        solaruser: The base URL of a SolarUser elsewhere; None: the simulator plays it.
        flexibility_provider: The base URL of a Flexibility Provider elsewhere, with its path; None:
            the simulator plays it.
    """

    users: tuple[User, ...]
    rate_limit: RateLimit | None = None
    solaruser: str | None = None
    flexibility_provider: str | None = None

    @cached_property
    def _users(self) -> Mapping[int, User]:
        return _by_id(self.users)

    @cached_property
    def _tokens(self) -> Mapping[str, tuple[Token, User]]:
        return {token.id: (token, user) for user in self.users for token in user.tokens}

    @cached_property
    def _nodes(self) -> Mapping[int, User]:
        return {node: user for user in self.users for node in user.nodes}

    @cached_property
    def _callers(self) -> Mapping[str, tuple[User, CapacityProvider | CapacityOptimizer]]:
        return {
            system.flexibility_provider_token: (user, system)
            for user in self.users
            for system in user.systems
            if system.flexibility_provider_token is not None
        }

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

    def caller(self, token: str) -> tuple[User, CapacityProvider | CapacityOptimizer] | None:
        """Return whose token that is at the Flexibility Provider: a user, and the user's system."""
        return self._callers.get(token)

    def with_user(self, user: User) -> Self:
        """Return a world in which this user stands in the place of the one with the same id.

        Raises:
            LookupError: There is none with that id.
        """
        if user.id not in self._users:
            message = f"there is no user {user.id} in the world"
            raise LookupError(message)
        return replace(
            self, users=tuple(user if each.id == user.id else each for each in self.users)
        )

    def summary(self) -> dict[str, Any]:
        """Return the world as JSON values in the shape of its file, without secrets and tokens.

        Of a security token its id stays; of a simulated Capacity Provider `base_url` is left out;
        service properties are left out, because a header among them may be a credential.
        """
        limit = {} if self.rate_limit is None else {"rate_limit": asdict(self.rate_limit)}
        for name in ("solaruser", "flexibility_provider"):
            if getattr(self, name) is not None:
                limit[name] = {"base_url": getattr(self, name)}
        return limit | {"users": [summary_of_user(user) for user in self.users]}

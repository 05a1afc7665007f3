"""The users of a rehearsal and what they own, with lookups by the names that requests use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol, Self, TypeAlias, TypeVar

from oscp_send.queue_size import MQTT_LIMIT
from oscp_sim.dataclass_values import ALWAYS_SHOWN, changed, none_as, show
from oscp_sim.faults import Rule

_DEFAULT_ROLES: Final = frozenset({"ROLE_OSCP", "ROLE_EVENT"})
# The service property that no reply shows (docs/protocol/solaruser.md §8.1), kept apart from the
# others.
OAUTH_CLIENT_SECRET: Final = "oauth-client-secret"  # noqa: S105 - a name, no secret

TokenType = Literal["User", "ReadNodeData"]
RegistrationStatus = Literal["Pending", "Registered", "Failed"]
MeasurementStyle = Literal["Continuous", "Intermittent"]
Profile = Literal["specification", "solarnetwork", "oscp-sim-cp", "elmo"]
Adjustments = Literal["accept", "refuse", "answer", "silent"]
Answer = Literal["grant", "trim", "deny"]
MeasurementPeriod = Literal[
    "Minute",
    "FiveMinute",
    "TenMinute",
    "FifteenMinute",
    "TwentyMinute",
    "ThirtyMinute",
    "Hour",
]
Audience = Literal["CapacityProvider", "CapacityOptimizer"]
AssetCategory = Literal["Charging", "Consumption", "Generation", "Storage"]
Phase = Literal["Unknown", "A", "B", "C", "All"]
Unit = Literal["A", "W", "kW", "Wh", "kWh"]
StatisticType = Literal["Average", "Count", "Minimum", "Maximum", "Start", "End", "Difference"]
EnergyType = Literal["Flexible", "NonFlexible", "Total"]
EnergyDirection = Literal["Net", "Import", "Export"]
Repeat = Literal["nothing", "values", "increments"]
Broker = Literal["up", "down"]
SystemParty = Literal["capacity_provider", "capacity_optimizer"]


@dataclass(frozen=True)
class World:
    """All users of a rehearsal, with lookups that cost the same however many there are.

    The tables behind them are built on first use. They say who it is, not what that is like now: so
    they hold for the world after a heartbeat, too, which only dates a system anew.

    Attributes:
        users: In the order of the file.
        rate_limit: How many requests each security token may make; any number where not given.
        mqtt_limit: The bytes that a message may have in the queue between the services.
        broker: Whether that queue can be reached.
        solaruser: The base URL of a SolarUser elsewhere; None: the simulator plays it.
        flexibility_provider: The base URL of a Flexibility Provider elsewhere, with its path; None:
            the simulator plays it.
        faults: What shall go wrong.
        hosts: Host names at which programs look for the services, beside production's own.
    """

    users: tuple[User, ...]
    rate_limit: RateLimit | None = None
    mqtt_limit: int = MQTT_LIMIT
    broker: Broker = "up"
    solaruser: str | None = None
    flexibility_provider: str | None = None
    faults: tuple[Rule, ...] = ()
    hosts: tuple[str, ...] = ()

    @cached_property
    def _users(self) -> Mapping[int, int]:
        return _places(self.users)

    @cached_property
    def _tokens(self) -> Mapping[str, tuple[Token, int]]:
        return {token.id: (token, user.id) for user in self.users for token in user.tokens}

    @cached_property
    def _nodes(self) -> Mapping[int, int]:
        return {node: user.id for user in self.users for node in user.nodes}

    @cached_property
    def _callers(self) -> Mapping[str | None, tuple[int, AnySystem]]:
        return {each.flexibility_provider_token: (user.id, each) for user, each in self.systems}

    @cached_property
    def _clients(self) -> Mapping[str | None, tuple[int, AnySystem]]:
        found = ((each.flexibility_provider_client, user, each) for user, each in self.systems)
        return {client.id: (user.id, each) for client, user, each in found if client}

    @property
    def systems(self) -> Iterator[tuple[User, AnySystem]]:
        """All systems, each with its user."""
        return ((user, system) for user in self.users for system in user.systems)

    def _now(self, found: tuple[int, AnySystem] | None) -> tuple[User, AnySystem] | None:
        user, system = found and self.user(found[0]), found and self.current(*found)
        return (user, system) if user and system else None

    @cached_property
    def _secured(self) -> Mapping[str, tuple[int, AnySystem]]:
        """By their base URLs, the real systems that TLS is set for, the longest first."""
        found = {
            each.base_url.rstrip("/"): (user.id, each)
            for user, each in self.systems
            if isinstance(each.base_url, str)
            and (each.client_certificate or each.certificate_authority)
        }
        return {url: found[url] for url in sorted(found, key=len, reverse=True)}

    @cached_property
    def mark(self) -> object:
        """The same object in a world and in what follows it, while systems are found alike."""
        return object()

    def secured(self, url: str) -> AnySystem | None:
        """Return the system whose TLS holds for a URL: the one it is below, or on its server."""
        below = (each for base, each in self._secured.items() if f"{url}/".startswith(f"{base}/"))
        server = url.split("/", 3)[:3]
        beside = (each for base, each in self._secured.items() if base.split("/", 3)[:3] == server)
        found = self._now(next(chain(below, beside), None))
        return found and found[1]

    def user(self, user_id: int) -> User | None:
        """Return the user of that id."""
        return _at(self.users, self._users, user_id)

    def current(self, user_id: int, system: AnySystem) -> AnySystem | None:
        """Return what a user has of that kind and id, whatever has changed in it."""
        user = self.user(user_id)
        return None if user is None else user.current(system)

    def token(self, token_id: str) -> Token | None:
        """Return the security token of that id."""
        found = self._tokens.get(token_id)
        return found[0] if found else None

    def owner_of_token(self, token_id: str) -> User | None:
        """Return the user whose security token that is."""
        found = self._tokens.get(token_id)
        return self.user(found[1]) if found else None

    def owner_of_node(self, node_id: int) -> User | None:
        """Return the user who owns that node."""
        owner = self._nodes.get(node_id)
        return None if owner is None else self.user(owner)

    def caller(self, token: str) -> tuple[User, AnySystem] | None:
        """Return the user and the system that call the Flexibility Provider with that token."""
        return self._now(self._callers.get(token))

    def client(self, client_id: str) -> tuple[User, AnySystem] | None:
        """Return the user and the system that call it with the access tokens of that client."""
        return self._now(self._clients.get(client_id))

    def with_user(self, user: User) -> Self:
        """Return a world in which this user replaces the one with the same id.

        Raises:
            LookupError: The world has no user of that id.
        """
        if user.id not in self._users:
            raise LookupError(f"there is no user {user.id} in the world")
        return changed(self, users=_replaced(self.users, self._users, user))

    def with_system(self, user_id: int, system: AnySystem) -> Self:
        """Return a world in which this system replaces a user's one with the same id."""
        user = self.users[self._users[user_id]]
        users = _replaced(self.users, self._users, user.with_system(system))
        is_found_alike = _found_by(user.current(system)) == _found_by(system)
        return _otherwise(self, users=users) if is_found_alike else changed(self, users=users)

    def summary(self) -> dict[str, Any]:
        """Return the world as JSON values in the shape of its file, without secrets and tokens.

        A security token keeps its id; a simulated system has no `base_url`; service properties are
        left out, because a header among them may be a credential.
        """
        shown: dict[str, Any] = (
            {} if self.rate_limit is None else {"rate_limit": show(self.rate_limit)}
        )
        if self.mqtt_limit != MQTT_LIMIT:
            shown["mqtt_limit"] = self.mqtt_limit
        if self.broker != "up":
            shown["broker"] = self.broker
        for name in ("solaruser", "flexibility_provider"):
            if getattr(self, name) is not None:
                shown[name] = {"base_url": getattr(self, name)}
        return shown | {"users": [show(user) for user in self.users]}


@dataclass(frozen=True)
class User:
    """A SolarNetwork user, with lookups that cost the same however much the user owns.

    A lookup also finds what is not enabled; what that means is for the caller to decide.

    Attributes:
        id: Unique in the world.
        roles: What the user's tokens of type `User` may do; the OSCP configuration needs
            `ROLE_OSCP`.
        tokens: The user's security tokens.
        nodes: Ids of the nodes that the user owns.
        capacity_providers: In the order of the file, like the rest.
        capacity_optimizers: The user's own.
        capacity_groups: The user's own.
        assets: What is measured in the user's Capacity Groups.
        datum_streams: What the user's nodes measure.
        settings: Where values from OSCP messages are published; nowhere where not given.
    """

    id: int
    roles: frozenset[str] = field(default=_DEFAULT_ROLES, metadata=ALWAYS_SHOWN)
    tokens: tuple[Token, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    nodes: tuple[int, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    capacity_providers: tuple[CapacityProvider, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    capacity_optimizers: tuple[CapacityOptimizer, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    capacity_groups: tuple[CapacityGroup, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    assets: tuple[Asset, ...] = ()
    datum_streams: tuple[DatumStream, ...] = ()
    settings: Publication | None = None

    @cached_property
    def _providers(self) -> Mapping[int, int]:
        return _places(self.capacity_providers)

    @cached_property
    def _optimizers(self) -> Mapping[int, int]:
        return _places(self.capacity_optimizers)

    @cached_property
    def _groups(self) -> Mapping[tuple[int, str], CapacityGroup]:
        return {
            (group.capacity_optimizer, group.identifier): group for group in self.capacity_groups
        }

    @cached_property
    def _groups_of(self) -> Mapping[tuple[SystemParty, int], list[CapacityGroup]]:
        found = defaultdict[tuple[SystemParty, int], list[CapacityGroup]](list)
        for group in self.capacity_groups:
            found["capacity_provider", group.capacity_provider].append(group)
            found["capacity_optimizer", group.capacity_optimizer].append(group)
        return found

    def provider(self, provider_id: int) -> CapacityProvider | None:
        """Return the user's Capacity Provider of that id."""
        return _at(self.capacity_providers, self._providers, provider_id)

    def optimizer(self, optimizer_id: int) -> CapacityOptimizer | None:
        """Return the user's Capacity Optimizer of that id."""
        return _at(self.capacity_optimizers, self._optimizers, optimizer_id)

    def current(self, system: AnySystem) -> AnySystem | None:
        """Return what the user has of that kind and id, whatever has changed in it."""
        is_provider = isinstance(system, CapacityProvider)
        return self.provider(system.id) if is_provider else self.optimizer(system.id)

    def group(self, optimizer_id: int, identifier: str) -> CapacityGroup | None:
        """Return the Capacity Group of that Capacity Optimizer with exactly that identifier."""
        return self._groups.get((optimizer_id, identifier))

    def groups_of(self, system: AnySystem) -> Sequence[CapacityGroup]:
        """Return the Capacity Groups of one of the user's systems."""
        return self._groups_of.get((system.party, system.id), ())

    @property
    def systems(self) -> tuple[AnySystem, ...]:
        """The user's Capacity Providers, then the Capacity Optimizers."""
        return (*self.capacity_providers, *self.capacity_optimizers)

    def with_system(self, system: AnySystem) -> Self:
        """Return a user in whom this system replaces the one with the same id."""
        # Made now, for it is asked of the user as it was before: made then, it would be lost.
        groups = self._groups_of
        if isinstance(system, CapacityProvider):
            providers = _replaced(self.capacity_providers, self._providers, system)
            return _otherwise(self, capacity_providers=providers, _groups_of=groups)
        optimizers = _replaced(self.capacity_optimizers, self._optimizers, system)
        return _otherwise(self, capacity_optimizers=optimizers, _groups_of=groups)


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
    type: TokenType = field(default="User", metadata=ALWAYS_SHOWN)
    enabled: bool = field(default=True, metadata=ALWAYS_SHOWN)
    policy: SecurityPolicy | None = None


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """The security policy of a token; what is empty or None restricts nothing.

    As observed in SolarNetwork (docs/protocol/solaruser.md §6.2); that an empty `node_ids`
    restricts nothing is inferred.

    Attributes:
        node_ids: The nodes that the token may be used for.
        api_paths: Ant patterns of the paths that it may be used on, each after `/api/v1/sec`; one
            that begins with `!` allows what it does not match. Any of them suffices.
        not_after: When the token expires, an aware datetime.
    """

    node_ids: frozenset[int] = field(default=frozenset(), metadata=ALWAYS_SHOWN)
    api_paths: tuple[str, ...] = field(default=(), metadata=ALWAYS_SHOWN)
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket for each security token (docs/protocol/solaruser.md §7.4).

    Attributes:
        capacity: How many requests it holds when it is full.
        refill_per_second: How many it regains in a second.
    """

    capacity: int = field(default=2, metadata=ALWAYS_SHOWN)
    refill_per_second: int | float = field(default=1.0, metadata=ALWAYS_SHOWN)


class Simulated(Enum):
    """The type of `SIMULATED`, the base URL of a system that the simulator plays."""

    SIMULATED = "simulated"


SIMULATED: Final = Simulated.SIMULATED


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """What a handshake has agreed with a system.

    Attributes:
        heartbeat_seconds: How often it is sent a heartbeat; never where not given.
        measurement_styles: Which measurements it wants.
    """

    heartbeat_seconds: int | None = None
    measurement_styles: tuple[MeasurementStyle, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """With what a system gets access tokens, to call the Flexibility Provider with.

    Attributes:
        id: Unique in the world.
        secret: Never part of the repr.
        scope: What it is granted; that of the system's role where not given.
        valid_for: How long each of its tokens is valid.
    """

    id: str
    secret: str = field(repr=False)
    scope: str | None = None
    valid_for: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """With what the simulator shows who it is to a real system.

    Attributes:
        certificate: A PEM file.
        key: A PEM file with its private key.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSystem:
    """What a Capacity Provider and a Capacity Optimizer have in common.

    The first seven stand in each of them, in an order of its own. See docs/protocol/solaruser.md
    §8.1.

    Attributes:
        party: What it is.
        id: The configId, of one user.
        name: For people.
        token: What the Flexibility Provider shows to it; never part of the repr. None before it has
            registered: then the Flexibility Provider shows none (docs/protocol/oscp20.md §2.2).
        base_url: Where it listens; None or blank: nowhere, so nothing is sent and an instruction to
            it is Completed (as observed in SolarNetwork); `SIMULATED`: the simulator plays it.
        oscp_version: Delivery works with `2.0` only (as observed in SolarNetwork).
        enabled: If not, it is unknown to the services.
        registration_status: How far its registration is; instructions ignore it.
        flexibility_provider_id: Of the token with which it calls the Flexibility Provider; made
            from `id` where not given.
        flexibility_provider_token: That token; made when a simulator begins where not given; never
            part of the repr.
        flexibility_provider_client: With what it gets access tokens for calls to the Flexibility
            Provider; not at all where not given.
        client_certificate: What it is shown where it is real and asks for that.
        certificate_authority: A PEM file of what vouches for it; the machine's where not given.
        settings: From its handshake.
        heartbeat_date: When it was last sent a heartbeat.
        offline_date: When it counts as offline.
        service_props: JSON values by name, without `oauth-client-secret`; never part of the repr,
            because a header in it may be a credential.
        oauth_client_secret: Shown to `oauth-token-url` to get an access token; never part of the
            repr.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    registration_status: RegistrationStatus = "Registered"
    flexibility_provider_id: int | None = None
    flexibility_provider_token: str | None = field(default=None, repr=False)
    flexibility_provider_client: Client | None = None
    client_certificate: ClientCertificate | None = field(default=None, repr=False)
    certificate_authority: Path | None = field(default=None, repr=False)
    settings: SystemSettings | None = None
    heartbeat_date: datetime | None = None
    offline_date: datetime | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    oauth_client_secret: str | None = field(default=None, repr=False)
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProviderBehaviour:
    """How a simulated Capacity Provider treats what it is sent.

    Attributes:
        adjustments: What it does with an AdjustGroupCapacityForecast: `accept` it with 204,
            `refuse` it, `answer` it with a new UpdateGroupCapacityForecast, or be `silent`.
        answer: What the new forecast says.
        limit: The most that `trim` grants a block, in its unit; what was forecast where not given.
        answer_after: How long after the adjustment the new forecast is sent.
        refusal: The HTTP status of a refusal.
        delay: How long every answer takes.
        heartbeat_every: How often it sends heartbeats; never where not given.
        timetable: For ELMO, the KW that it assigns by 10:00 for each hour of the next day; None: it
            sends nothing by itself.
        strict: The rules (`S15`) and cases (`X9`) whose findings are refusals; None: all of them.
        statuses: Another HTTP status for single cases, by their names.
        longest_body: The bytes of the longest message that it accepts.
        token_valid_for: How long a token that it issued is valid; forever where not given.
    """

    adjustments: Adjustments = "accept"
    answer: Answer = "grant"
    limit: int | float | None = None
    answer_after: timedelta = timedelta(seconds=1)
    refusal: int = 409
    delay: timedelta = timedelta()
    heartbeat_every: timedelta | None = None
    timetable: int | float | None = None
    strict: frozenset[str] | None = field(default=frozenset(), metadata=none_as(True))
    statuses: Mapping[str, int] = field(default_factory=dict, hash=False)
    longest_body: int = 20_971_520
    token_valid_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CapacityProvider(ExternalSystem):
    """A Capacity Provider as its user has configured it.

    Attributes:
        profile: Which implementation the simulated Capacity Provider behaves like.
        behaviour: How the simulated Capacity Provider treats what it is sent.
    """

    party: ClassVar[SystemParty] = "capacity_provider"
    id: int
    name: str
    token: str | None = field(repr=False)
    base_url: str | Simulated | None = SIMULATED
    oscp_version: str | None = field(default="2.0", metadata=ALWAYS_SHOWN | none_as(""))
    enabled: bool = field(default=True, metadata=ALWAYS_SHOWN)
    profile: Profile = "specification"
    behaviour: ProviderBehaviour = field(default_factory=ProviderBehaviour)


@dataclass(frozen=True, slots=True)
class CapacityOptimizer(ExternalSystem):
    """A Capacity Optimizer as its user has configured it.

    An instruction names its `id` as `coId`, and ignores whether it has a base URL.

    Attributes:
        heartbeat_every: How often the simulated Capacity Optimizer sends heartbeats.
    """

    party: ClassVar[SystemParty] = "capacity_optimizer"
    id: int
    name: str
    enabled: bool = field(default=True, metadata=ALWAYS_SHOWN)
    base_url: str | Simulated | None = SIMULATED
    oscp_version: str | None = field(default="2.0", metadata=ALWAYS_SHOWN | none_as(""))
    token: str | None = field(default=None, repr=False)
    heartbeat_every: timedelta | None = None


AnySystem: TypeAlias = CapacityProvider | CapacityOptimizer


@dataclass(frozen=True, slots=True)
class CapacityGroup:
    """A Capacity Group between one Capacity Provider and one Capacity Optimizer.

    Attributes:
        id: The configId, of one user.
        identifier: What an instruction names as `cgIdentifier` and OSCP as `group_id`.
        capacity_provider: Its Capacity Provider's id.
        capacity_optimizer: Its Capacity Optimizer's id.
        name: For people; the identifier stands in for it where not given.
        enabled: If not, it is unknown to the services.
        capacity_provider_measurement_period: How often its provider is sent measurements.
        capacity_optimizer_measurement_period: How often its optimizer is sent measurements.
        capacity_provider_measurement_date: When its provider is sent the next ones.
        capacity_optimizer_measurement_date: When its optimizer is sent the next ones.
        service_props: JSON values by name; never part of the repr.
        settings: Its own, in place of its user's.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    id: int
    identifier: str
    capacity_provider: int
    capacity_optimizer: int
    name: str | None = None
    enabled: bool = field(default=True, metadata=ALWAYS_SHOWN)
    capacity_provider_measurement_period: MeasurementPeriod = "FifteenMinute"
    capacity_optimizer_measurement_period: MeasurementPeriod = "FifteenMinute"
    capacity_provider_measurement_date: datetime | None = None
    capacity_optimizer_measurement_date: datetime | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    settings: Publication | None = None
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssetMeasurement:
    """From which properties of a datum stream an asset's measurement is made.

    Attributes:
        property_names: At least one.
        unit: Of the measurement.
        statistic_type: How several values become one.
        multiplier: Turns the properties' own unit into `unit`; 1 where not given.
    """

    property_names: tuple[str, ...]
    unit: Unit
    statistic_type: StatisticType
    multiplier: int | float | None = None


@dataclass(frozen=True, slots=True)
class AssetEnergy(AssetMeasurement):
    """From which properties of a datum stream the energy of an asset is made.

    Attributes:
        type: Which part of the energy it is.
        direction: Which way it flows.
    """

    type: EnergyType | None = None
    direction: EnergyDirection | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """What is measured in a Capacity Group (docs/protocol/solaruser.md §8.3).

    Attributes:
        id: The configId, of one user.
        name: For people.
        capacity_group: Its Capacity Group's id.
        identifier: Unique in the group.
        audience: Who is sent its measurements.
        node_id: The node whose datum stream measures it.
        source_id: That stream.
        category: What it is.
        phase: What it is connected to.
        enabled: If not, it is measured only as observed.
        instantaneous: How its power or current is measured.
        energy: How its energy is measured.
        service_props: JSON values by name; never part of the repr.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    id: int
    name: str
    capacity_group: int
    identifier: str
    audience: Audience
    node_id: int
    source_id: str
    category: AssetCategory
    phase: Phase
    enabled: bool = field(default=True, metadata=ALWAYS_SHOWN)
    instantaneous: AssetMeasurement | None = None
    energy: AssetEnergy | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """The publication settings of a user, or of one Capacity Group.

    They decide what the journal notes as published, and the header X-SN-Source-ID; the simulator
    stores no values (docs/protocol/solaruser.md §8.4).

    Attributes:
        node_id: The node whose datum streams receive the values.
        publish_to_solar_in: Whether they are stored.
        publish_to_solar_flux: Whether they are sent to subscribers.
        source_id_template: How the streams are named; the service's default where not given.
        created: When they were created; when the simulator began where not given.
        modified: When they last changed; as `created` where not given.
    """

    node_id: int
    publish_to_solar_in: bool = True
    publish_to_solar_flux: bool = True
    source_id_template: str | None = None
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class DatumStream:
    """Values of properties at regular instants, of one node and source.

    Attributes:
        node_id: The node.
        source_id: The source.
        start: When the first values were measured.
        step: The time from one value to the next.
        values: The values of each property, in order, at least one.
        repeat: What follows the last: `nothing`, the `values` again, or their `increments` again,
            as of a meter that goes on.
    """

    node_id: int
    source_id: str
    start: datetime
    step: timedelta
    values: Mapping[str, tuple[float, ...]] = field(hash=False)
    repeat: Repeat = "nothing"


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


_Item = TypeVar("_Item", bound=_HasId)
_Owner = TypeVar("_Owner", bound=World | User)


def _found_by(system: AnySystem | None) -> tuple[object, ...]:
    """Return by what a system is found, and how it is spoken to."""
    profile = system.profile if isinstance(system, CapacityProvider) else None
    return profile, *_FOUND_BY(system)


_FOUND_BY: Final = attrgetter(
    "base_url",
    "token",
    "flexibility_provider_token",
    "flexibility_provider_client",
    "client_certificate",
    "certificate_authority",
)


def _places(items: Iterable[_HasId]) -> dict[int, int]:
    return {item.id: place for place, item in enumerate(items)}


def _at(items: tuple[_Item, ...], places: Mapping[int, int], item_id: int) -> _Item | None:
    place = places.get(item_id)
    return None if place is None else items[place]


def _replaced(items: tuple[_Item, ...], places: Mapping[int, int], new: _Item) -> tuple[_Item, ...]:
    place = places[new.id]
    return (*items[:place], new, *items[place + 1 :])


def _otherwise(value: _Owner, **changes: object) -> _Owner:
    """Return a user or a world with other values, and with all tables that it has."""
    other = object.__new__(type(value))
    other.__dict__.update(value.__dict__, **changes)
    return other

"""What users have configured, and how it changes.

The world is never changed but replaced, under a lock, so that a reader meanwhile goes on with the
old one. Which rules the database has is known; how a refusal looks is inferred from the service's
catalogue of codes (solaruser.md §7.2): a duplicate is `DAO.00101`, and a reference to what does not
exist `DAO.00105`. A deletion takes along all that refers to it (measured).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Generic, TypeVar

from oscp_sim.access_tokens import new_token
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import ApiRefused
from oscp_sim.solaruser.configuration.fields import (
    ASSET,
    GROUP,
    PUBLICATION,
    SYSTEM,
    Field,
    Input,
    as_kept,
    check_columns,
)
from oscp_sim.world import (
    AnySystem,
    Asset,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Publication,
    User,
)

#: The OSCP configuration API, below the context path.
BASE: Final = "/api/v1/sec/user/oscp"

_DOMAIN: Final = "net.solarnetwork.central.oscp.domain"
_CONTROLLER: Final = "net.solarnetwork.central.reg.web.api.v1.UserOscpController"

Entity = TypeVar("Entity", bound=AnySystem | CapacityGroup | Asset)


# Each is one of a kind, by which what is said about it is found again.
@dataclass(frozen=True, slots=True, eq=False)
class EntityKind(Generic[Entity]):
    """One kind of what a user configures.

    Attributes:
        plural: What several are called in a path.
        variable: The name of its id in a path.
        type: Its class in the world.
        fields: What a request gives.
    """

    words: str
    plural: str
    variable: str
    type: type[Entity]
    fields: tuple[Field, ...]

    @property
    def path(self) -> str:
        """The path of all of them, below the context path."""
        return f"{BASE}/{self.plural}"

    @property
    def path_of_one(self) -> str:
        """The path of one of them, with its id as a variable."""
        return f"{self.path}/<{self.variable}>"

    @property
    def type_name(self) -> str:
        """Its class in the service."""
        return f"{''.join(word.capitalize() for word in self.words.split())}Configuration"

    def input(self, verb: str) -> Input:
        """Return what a body is that creates or updates one (of an update inferred)."""
        name = self.type_name.removesuffix("Configuration")
        result = f"net.solarnetwork.domain.Result<{_DOMAIN}.{self.type_name}>"
        given = f"net.solarnetwork.central.user.oscp.domain.{self.type_name}Input"
        if verb == "create":
            result, arguments = f"org.springframework.http.ResponseEntity<{result}>", given
        else:
            arguments = f"java.lang.Long,{given}"
        method = f"public {result} {_CONTROLLER}.{verb}{name}({arguments})"
        words = "Asset" if self.type is Asset else self.words
        return Input(self.fields, words, given, method)

    @property
    def collection(self) -> str:
        """The attribute of a `User` that holds them."""
        return self.plural.replace("-", "_")

    def of(self, user: User) -> tuple[Entity, ...]:
        """Return all that a user has."""
        found: tuple[Entity, ...] = getattr(user, self.collection)
        return found

    def find(self, user: User, entity_id: int) -> Entity | None:
        """Return a user's own, or None."""
        return next((each for each in self.of(user) if each.id == entity_id), None)


def settings_input(*, of_group: bool) -> Input:
    """Return what a body of settings is (its names are inferred)."""
    name = "CapacityGroupSettings" if of_group else "UserSettings"
    given = f"net.solarnetwork.central.user.oscp.domain.{name}Input"
    arguments = f"java.lang.Long,{given}" if of_group else given
    result = f"net.solarnetwork.domain.Result<{_DOMAIN}.{name}>"
    method = f"public {result} {_CONTROLLER}.update{name}({arguments})"
    return Input(PUBLICATION, "settings", given, method)


PROVIDERS: Final = EntityKind(
    "Capacity Provider", "capacity-providers", "providerId", CapacityProvider, SYSTEM
)
OPTIMIZERS: Final = EntityKind(
    "Capacity Optimizer", "capacity-optimizers", "optimizerId", CapacityOptimizer, SYSTEM
)
GROUPS: Final = EntityKind("Capacity Group", "capacity-groups", "groupId", CapacityGroup, GROUP)
ASSETS: Final = EntityKind("asset", "assets", "assetId", Asset, ASSET)
KINDS: Final[tuple[EntityKind[Any], ...]] = (PROVIDERS, OPTIMIZERS, GROUPS, ASSETS)

# Which kind refers to which, by which attribute.
_REFERENCES: Final[tuple[tuple[EntityKind[Any], str, EntityKind[Any]], ...]] = (
    (GROUPS, "capacity_provider", PROVIDERS),
    (GROUPS, "capacity_optimizer", OPTIMIZERS),
    (ASSETS, "capacity_group", GROUPS),
)
# The key of the last token id, beside the collections of a user.
_SEQUENCE: Final = "flexibility_provider_id"


def flexibility_provider_id(system: AnySystem) -> int:
    """Return the id of the token with which a system calls the Flexibility Provider.

    A world's file need not give it: then providers have the odd numbers and optimizers the even.
    """
    odd = isinstance(system, CapacityProvider)
    return system.flexibility_provider_id or 2 * system.id - odd


class Configuration:
    """What users have configured, and how it changes.

    `began` is when the simulator began, and with it everything that the world's file does not date.
    """

    def __init__(self, shared: Shared) -> None:
        self.began = shared.clock.now()
        self._shared = shared
        self._random = Random(f"configuration {shared.seed}")  # noqa: S311 - for rehearsals only
        # The last id that was given, by kind: a deleted entity does not give its id back.
        self._last: dict[str, int] = {}

    def user(self, user_id: int) -> User:
        """Return a user as the world has it now."""
        user = self._shared.world.user(user_id)
        if user is None:
            raise LookupError(f"user {user_id} is not in the world any more")
        return user

    def find(self, user_id: int, kind: EntityKind[Entity], entity_id: int) -> Entity:
        """Return what a user has under an id; refuse an unknown one."""
        entity = kind.find(self.user(user_id), entity_id)
        if entity is None:
            why = {"why": f"user {user_id} has no {kind.words} {entity_id}"}
            raise ApiRefused(403, "UNKNOWN_OBJECT", explanation=why)
        return entity

    def create(self, user_id: int, kind: EntityKind[Entity], values: dict[str, Any]) -> Entity:
        """Add an entity to what a user has, unless the database would not store it.

        What is refused has used its number, as in any sequence of the database.
        """
        with self._shared.world_lock:
            user = self.user(user_id)
            now = self._shared.clock.now()
            # Its registration says which token a provider is to be shown.
            more: dict[str, Any] = {"token": None} if kind.type is CapacityProvider else {}
            if kind.fields is SYSTEM:
                more["flexibility_provider_token"] = new_token(self._random)
                more["flexibility_provider_id"] = self._next_token_id()
            self._last[kind.collection] = self._next_id(kind)
            check_columns(kind.fields, values)
            kept = as_kept(kind.fields, values)
            entity_id = self._last[kind.collection]
            entity = kind.type(id=entity_id, created=now, modified=now, **more, **kept)
            _check_stored(user, kind, entity)
            self._replace(user, kind, (*kind.of(user), entity))
        return entity

    def update(
        self, user_id: int, kind: EntityKind[Entity], entity_id: int, values: dict[str, Any]
    ) -> Entity:
        """Replace what a request gives of an entity as a whole; the rest stays.

        An unknown one is refused as in `find` (inferred).
        """
        with self._shared.world_lock:
            user = self.user(user_id)
            entity = self.find(user_id, kind, entity_id)
            check_columns(kind.fields, values)
            kept = as_kept(kind.fields, values)
            changed = replace(entity, modified=self._shared.clock.now(), **kept)
            _check_stored(user, kind, changed)
            self._replace(
                user, kind, (changed if each is entity else each for each in kind.of(user))
            )
        return changed

    def delete(self, user_id: int, kind: EntityKind[Entity], entity_id: int) -> None:
        """Take an entity away from a user, with all that refers to it; it need not exist."""
        with self._shared.world_lock:
            self._remove(user_id, kind, entity_id)

    def _remove(self, user_id: int, kind: EntityKind[Any], entity_id: int) -> None:
        for referring, attribute, referred in _REFERENCES:
            for each in referring.of(self.user(user_id)) if referred is kind else ():
                if getattr(each, attribute) == entity_id:
                    self._remove(user_id, referring, each.id)
        user = self.user(user_id)
        self._last[kind.collection] = self._next_id(kind) - 1
        self._replace(user, kind, (each for each in kind.of(user) if each.id != entity_id))

    def publication(self, user_id: int, group_id: int | None) -> Publication | None:
        """Return the settings of a user, or of one of the user's Capacity Groups."""
        user = self.user(user_id)
        if group_id is None:
            return user.settings
        group = GROUPS.find(user, group_id)
        return group.settings if group else None

    def publish(self, user_id: int, group_id: int | None, values: dict[str, Any]) -> Publication:
        """Set the settings of a user, or of one of the user's Capacity Groups.

        An unknown group is refused as any reference to what does not exist (inferred).
        """
        with self._shared.world_lock:
            now = self._shared.clock.now()
            before = self.publication(user_id, group_id)
            # Settings of the world's file may have no date of their own: they keep none.
            created = before.created if before else now
            settings = Publication(created=created, modified=now, **values)
            if not self._set_publication(user_id, group_id, settings):
                raise _no_such_reference(f"there is no Capacity Group {group_id}")
        return settings

    def unpublish(self, user_id: int, group_id: int | None) -> None:
        """Take the settings away from a user or a Capacity Group, if there are any."""
        with self._shared.world_lock:
            self._set_publication(user_id, group_id, None)

    def _set_publication(
        self, user_id: int, group_id: int | None, settings: Publication | None
    ) -> bool:
        user = self.user(user_id)
        if group_id is None:
            self._replace_user(replace(user, settings=settings))
            return True
        group = GROUPS.find(user, group_id)
        if group is not None:
            changed = replace(group, settings=settings)
            groups = (changed if each is group else each for each in user.capacity_groups)
            self._replace(user, GROUPS, groups)
        return group is not None

    def _replace(self, user: User, kind: EntityKind[Entity], entities: Iterable[Entity]) -> None:
        changes: dict[str, Any] = {kind.collection: tuple(entities)}
        self._replace_user(replace(user, **changes))

    def _replace_user(self, user: User) -> None:
        self._shared.replace_world(self._shared.world.with_user(user))

    def _next_id(self, kind: EntityKind[Entity]) -> int:
        known = (each.id for user in self._shared.world.users for each in kind.of(user))
        return max(self._last.get(kind.collection, 0), *known, 0) + 1

    def _next_token_id(self) -> int:
        known = (flexibility_provider_id(system) for _, system in self._shared.world.systems)
        self._last[_SEQUENCE] = max(self._last.get(_SEQUENCE, 0), *known, 0) + 1
        return self._last[_SEQUENCE]


# The rules of the database.


def _check_stored(user: User, kind: EntityKind[Entity], entity: Entity) -> None:
    """Refuse a duplicate, or a reference to what does not exist."""
    key = _key(entity)
    for other in kind.of(user):
        if key is not None and other.id != entity.id and _key(other) == key:
            raise ApiRefused(
                422,
                "An attempt to save a duplicate key has been denied.",
                code="DAO.00101",
                explanation={"why": f"{kind.words} {other.id} has it already"},
            )
    for referring, attribute, referred in _REFERENCES:
        if referring.type is kind.type and not referred.find(user, getattr(entity, attribute)):
            why = f"there is no {referred.words} {getattr(entity, attribute)}"
            raise _no_such_reference(why)


def _no_such_reference(why: str) -> ApiRefused:
    return ApiRefused(
        422,
        "Attempted to save a reference to a non-existent entity (foreign key violation).",
        code="DAO.00105",
        explanation={"why": why},
    )


def _key(entity: Entity) -> Hashable | None:
    """Return what only one entity of a user, or of a group, may have; None: nothing."""
    if isinstance(entity, CapacityGroup):
        return entity.identifier
    if isinstance(entity, Asset):
        return entity.capacity_group, entity.identifier
    # A simulated system has no base URL of its own, however it is shown.
    return entity.base_url if isinstance(entity.base_url, str) else None

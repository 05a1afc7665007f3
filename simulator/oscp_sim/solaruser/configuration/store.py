"""Changing what users have configured, for the whole simulator at once.

The world is never changed but replaced, under a lock, so that whoever reads it meanwhile goes on
with what was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, Final, Generic

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.access_tokens import new_token
from oscp_sim.addresses import path_of
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import ApiRefused
from oscp_sim.solaruser.configuration.fields import (
    ASSET,
    GROUP,
    GROUPS,
    OPTIMIZERS,
    PROVIDERS,
    PUBLICATION,
    SYSTEM,
    Entity,
    EntityKind,
    check_stored,
    check_unreferenced,
    no_such_reference,
    show,
)
from oscp_sim.world import (
    Asset,
    CapacityGroup,
    CapacityOptimizer,
    CapacityProvider,
    Publication,
    Simulated,
    SystemSettings,
    User,
)
from oscp_sim.world.model import OAUTH_CLIENT_SECRET

__all__ = [
    "Configuration",
    "Made",
    "Presentation",
    "base_url_of",
    "flexibility_provider_id",
    "set_apart",
]


# § Showing what users have configured (solaruser.md §8.1 to §8.5).

_LONGEST_NAME: Final = 64


def base_url_of(system: CapacityProvider | CapacityOptimizer, origin: str) -> str | None:
    """Answers with the base URL of a system as it is shown.

    Args:
        system: Whose it is.
        origin: Where the simulator listens.
    """
    return origin + path_of(system) if isinstance(system.base_url, Simulated) else system.base_url


def flexibility_provider_id(system: CapacityProvider | CapacityOptimizer) -> int:
    """Answers with the id of the token with which a system calls the Flexibility Provider.

    A world's file need not give it: then providers have the odd numbers and optimizers the even.
    """
    odd = isinstance(system, CapacityProvider)
    return system.flexibility_provider_id or 2 * system.id - odd


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one user's configuration is shown in the reply to one request.

    Attributes:
        user_id: The user.
        origin: Where the simulator listens, without a path.
        began: When the simulator began, and with it all that the world's file does not date.
    """

    user_id: int
    origin: str
    began: datetime

    def entity(
        self,
        entity: CapacityProvider | CapacityOptimizer | CapacityGroup | Asset,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Answers with one entity as JSON.

        Args:
            entity: One of the user's own.
            token: The token of an external system that was just created.
        """
        shown = {"userId": self.user_id, "configId": entity.id, **self._dates(entity)}
        if isinstance(entity, CapacityProvider | CapacityOptimizer):
            return shown | self._system(entity, token)
        if isinstance(entity, CapacityGroup):
            # A world's file need not name a group, but every one here has a name.
            name = {"name": entity.name or entity.identifier[:_LONGEST_NAME]}
            return shown | name | show(GROUP, entity) | _dates_of_group(entity)
        return shown | show(ASSET, entity)

    def publication(self, settings: Publication, group_id: int | None = None) -> dict[str, Any]:
        """Answers with settings as JSON; with `groupId` where they are a Capacity Group's."""
        group = {} if group_id is None else {"groupId": group_id}
        dates = self._dates(settings)
        return {"userId": self.user_id, **group, **dates} | show(PUBLICATION, settings)

    def _system(
        self, system: CapacityProvider | CapacityOptimizer, token: str | None
    ) -> dict[str, Any]:
        told = {} if token is None else {"token": token}
        url = base_url_of(system, self.origin)
        fields = tuple(each for each in SYSTEM if each.name != "baseUrl")
        shown = show(fields, system) | told | ({} if url is None else {"baseUrl": url})
        shown["flexibilityProviderId"] = flexibility_provider_id(system)
        if system.settings is not None:
            shown["settings"] = _settings(system.settings)
        return shown | _dates_named(
            {"heartbeatDate": system.heartbeat_date, "offlineDate": system.offline_date}
        )

    def _dates(
        self, item: CapacityProvider | CapacityOptimizer | CapacityGroup | Asset | Publication
    ) -> dict[str, str]:
        created = item.created or self.began
        modified = item.modified or created
        return _dates_named({"created": created, "modified": modified})


def _settings(settings: SystemSettings) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if settings.heartbeat_seconds is not None:
        shown["heartbeatSeconds"] = settings.heartbeat_seconds
    return shown | {"measurementStyles": list(settings.measurement_styles)}


def _dates_of_group(group: CapacityGroup) -> dict[str, str]:
    return _dates_named(
        {
            "capacityProviderMeasurementDate": group.capacity_provider_measurement_date,
            "capacityOptimizerMeasurementDate": group.capacity_optimizer_measurement_date,
        }
    )


def _dates_named(dates: dict[str, datetime | None]) -> dict[str, str]:
    return {name: timestamp(date) for name, date in dates.items() if date is not None}


# § The service property that is kept apart from the others, and never shown (§8.1).


def set_apart(values: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Answers with the values of a request, the client secret apart from the service properties.

    A request that gives none leaves the secret as it is: it is kept in a store of its own, and who
    changes what was shown cannot give it (inferred). What is no text is none.

    Args:
        values: By the world's names.
        keep: Whether it is that of an external system: nothing else uses it.
    """
    given = values.get("service_props") or {}
    if OAUTH_CLIENT_SECRET not in given:
        return values
    secret = given[OAUTH_CLIENT_SECRET]
    shown = {name: each for name, each in given.items() if name != OAUTH_CLIENT_SECRET}
    kept = {"oauth_client_secret": secret} if keep and isinstance(secret, str) and secret else {}
    return values | {"service_props": shown} | kept


# Of the ids of those tokens, beside the collections of a user.
_SEQUENCE: Final = "flexibility_provider_id"


@dataclass(frozen=True, slots=True)
class Made(Generic[Entity]):
    """What was created.

    Attributes:
        entity: As it is now.
        token: With which an external system is to call the Flexibility Provider; told once, and
            never part of the repr.
    """

    entity: Entity
    token: str | None = field(repr=False)


class Configuration:
    """What users have configured, and how it changes.

    Args:
        shared: The shared shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._random = Random(f"configuration {shared.seed}")  # noqa: S311 - for rehearsals only
        # The last id that was given, of each kind: what is deleted does not give its id back.
        self._last: dict[str, int] = {}

    def user(self, user_id: int) -> User:
        """Answers with a user as the world has it now."""
        user = self._shared.world.user(user_id)
        if user is None:
            raise LookupError(f"user {user_id} is not in the world any more")
        return user

    def find(self, user_id: int, kind: EntityKind[Entity], entity_id: int) -> Entity:
        """Answers with what a user has under an id.

        Raises:
            ApiRefused: Nothing.
        """
        entity = kind.find(self.user(user_id), entity_id)
        if entity is None:
            why = {"why": f"user {user_id} has no {kind.words} {entity_id}"}
            raise ApiRefused(403, "UNKNOWN_OBJECT", explanation=why)
        return entity

    def create(
        self, user_id: int, kind: EntityKind[Entity], values: dict[str, Any]
    ) -> Made[Entity]:
        """Adds to what a user has.

        Args:
            user_id: Whose it is to be.
            kind: What it is.
            values: By the world's names.

        Raises:
            ApiRefused: The database would not store it.
        """
        with self._shared.world_lock:
            user = self.user(user_id)
            now = self._shared.clock.now()
            # What a provider is to be shown it tells when it registers.
            more: dict[str, Any] = {"token": None} if kind.type is CapacityProvider else {}
            entity = kind.type(id=self._next_id(kind), created=now, modified=now, **more, **values)
            check_stored(user, kind, entity)
            token = None
            if isinstance(entity, CapacityProvider | CapacityOptimizer):
                token = new_token(self._random)
                entity = replace(
                    entity,
                    flexibility_provider_id=self._next_flexibility_provider_id(),
                    flexibility_provider_token=token,
                )
            self._last[kind.collection] = entity.id
            self._replace(user, kind, (*kind.of(user), entity))
        return Made(entity, token)

    def update(
        self, user_id: int, kind: EntityKind[Entity], entity_id: int, values: dict[str, Any]
    ) -> Entity:
        """Changes what a user has: what a request gives is replaced as a whole, the rest stays.

        Args:
            user_id: Whose it is.
            kind: What it is.
            entity_id: Which it is.
            values: By the world's names.

        Raises:
            ApiRefused: There is none (as for a look at one, inferred), or the database would not
                store it.
        """
        with self._shared.world_lock:
            user = self.user(user_id)
            entity = self.find(user_id, kind, entity_id)
            changed = replace(entity, modified=self._shared.clock.now(), **values)
            check_stored(user, kind, changed)
            self._replace(
                user, kind, (changed if each is entity else each for each in kind.of(user))
            )
        return changed

    def delete(self, user_id: int, kind: EntityKind[Entity], entity_id: int) -> None:
        """Takes something away from what a user has; what is not there may be taken away, too.

        A Capacity Group takes its settings with it.

        Raises:
            ApiRefused: Something refers to it.
        """
        with self._shared.world_lock:
            user = self.user(user_id)
            check_unreferenced(user, kind, entity_id)
            self._last[kind.collection] = self._next_id(kind) - 1
            self._replace(user, kind, (each for each in kind.of(user) if each.id != entity_id))

    def publication(self, user_id: int, group_id: int | None) -> Publication | None:
        """Answers with the settings of a user, or of one of the user's Capacity Groups."""
        user = self.user(user_id)
        if group_id is None:
            return user.settings
        group = GROUPS.find(user, group_id)
        return group.settings if group else None

    def publish(self, user_id: int, group_id: int | None, values: dict[str, Any]) -> Publication:
        """Sets the settings of a user, or of one of the user's Capacity Groups.

        Args:
            user_id: Whose they are.
            group_id: The group; the user where not given.
            values: By the world's names.

        Raises:
            ApiRefused: There is no such group (as any reference to what is not there, inferred).
        """
        with self._shared.world_lock:
            now = self._shared.clock.now()
            before = self.publication(user_id, group_id)
            # Settings of the world's file may have no date of their own: they keep none.
            created = before.created if before else now
            settings = Publication(created=created, modified=now, **values)
            if not self._set_publication(user_id, group_id, settings):
                raise no_such_reference(f"there is no Capacity Group {group_id}")
        return settings

    def unpublish(self, user_id: int, group_id: int | None) -> None:
        """Takes the settings away from a user or a Capacity Group, if there are any."""
        with self._shared.world_lock:
            self._set_publication(user_id, group_id, None)

    def _set_publication(
        self, user_id: int, group_id: int | None, settings: Publication | None
    ) -> bool:
        user = self.user(user_id)
        if group_id is None:
            self._shared.replace_world(
                self._shared.world.with_user(replace(user, settings=settings))
            )
            return True
        group = GROUPS.find(user, group_id)
        if group is not None:
            changed = replace(group, settings=settings)
            groups = (changed if each is group else each for each in user.capacity_groups)
            self._replace(user, GROUPS, groups)
        return group is not None

    def _replace(self, user: User, kind: EntityKind[Entity], entities: Iterable[Entity]) -> None:
        changes: dict[str, Any] = {kind.collection: tuple(entities)}
        self._shared.replace_world(self._shared.world.with_user(replace(user, **changes)))

    def _next_id(self, kind: EntityKind[Entity]) -> int:
        there = (each.id for user in self._shared.world.users for each in kind.of(user))
        return max(self._last.get(kind.collection, 0), *there, 0) + 1

    def _next_flexibility_provider_id(self) -> int:
        there = (
            flexibility_provider_id(system)
            for user in self._shared.world.users
            for kind in (PROVIDERS, OPTIMIZERS)
            for system in kind.of(user)
        )
        self._last[_SEQUENCE] = max(self._last.get(_SEQUENCE, 0), *there, 0) + 1
        return self._last[_SEQUENCE]

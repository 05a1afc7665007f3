"""What a user configures one by one, and what the database says of how they hang together.

Which rules there are is known, that each is told as here is inferred from the service's catalogue
of codes (SolarUser dossier §7.2): a duplicate is `DAO.00101`, and a reference that leads nowhere
`DAO.00105`, also one that would lead nowhere once something is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from simulator.solaruser.configuration.tables import ASSET, GROUP, SYSTEM
from simulator.solaruser.refusal import ApiRefused
from simulator.world import Asset, CapacityGroup, CapacityOptimizer, CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Hashable

    from simulator.solaruser.configuration.fields import Fields
    from simulator.world import User

__all__ = [
    "ASSETS",
    "GROUPS",
    "KINDS",
    "OPTIMIZERS",
    "PROVIDERS",
    "Entity",
    "EntityKind",
    "check_stored",
    "check_unreferenced",
    "no_such_reference",
]

Entity = TypeVar("Entity", bound=CapacityProvider | CapacityOptimizer | CapacityGroup | Asset)


@dataclass(frozen=True, slots=True)
class EntityKind(Generic[Entity]):
    """One kind of what a user configures.

    Attributes:
        words: What one is called.
        path: Below the API's base.
        variable: The name of its id in a path.
        collection: The attribute of a `User` that holds them.
        type: What one is in the world.
        fields: What a request gives of one.
    """

    words: str
    path: str
    variable: str
    collection: str
    type: type[Entity]
    fields: Fields

    def of(self, user: User) -> tuple[Entity, ...]:
        """Answers with all that a user has."""
        found: tuple[Entity, ...] = getattr(user, self.collection)
        return found

    def find(self, user: User, entity_id: int) -> Entity | None:
        """Answers with a user's own, or None."""
        return next((each for each in self.of(user) if each.id == entity_id), None)


PROVIDERS: Final = EntityKind(
    "Capacity Provider",
    "/capacity-providers",
    "providerId",
    "capacity_providers",
    CapacityProvider,
    SYSTEM,
)
OPTIMIZERS: Final = EntityKind(
    "Capacity Optimizer",
    "/capacity-optimizers",
    "optimizerId",
    "capacity_optimizers",
    CapacityOptimizer,
    SYSTEM,
)
GROUPS: Final = EntityKind(
    "Capacity Group", "/capacity-groups", "groupId", "capacity_groups", CapacityGroup, GROUP
)
ASSETS: Final = EntityKind("asset", "/assets", "assetId", "assets", Asset, ASSET)
KINDS: Final[tuple[EntityKind[Any], ...]] = (PROVIDERS, OPTIMIZERS, GROUPS, ASSETS)

# What refers to what, by which attribute.
_REFERENCES: Final[tuple[tuple[EntityKind[Any], str, EntityKind[Any]], ...]] = (
    (GROUPS, "capacity_provider", PROVIDERS),
    (GROUPS, "capacity_optimizer", OPTIMIZERS),
    (ASSETS, "capacity_group", GROUPS),
)


def check_stored(user: User, kind: EntityKind[Entity], entity: Entity) -> None:
    """Refuses what the database does not store: a duplicate, or a reference that leads nowhere.

    Args:
        user: Whose it is to be.
        kind: What it is.
        entity: As it is to be; the one with its id, if there is one, is to be replaced.

    Raises:
        ApiRefused: It cannot be stored.
    """
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
            raise no_such_reference(f"there is no {referred.words} {getattr(entity, attribute)}")


def check_unreferenced(user: User, kind: EntityKind[Entity], entity_id: int) -> None:
    """Refuses to delete what something else refers to (inferred).

    Raises:
        ApiRefused: Something does.
    """
    for referring, attribute, referred in _REFERENCES:
        if referred.type is not kind.type:
            continue
        for each in referring.of(user):
            if getattr(each, attribute) == entity_id:
                raise no_such_reference(f"{referring.words} {each.id} refers to it")


def no_such_reference(why: str) -> ApiRefused:
    """Answers with the refusal of a reference that leads nowhere."""
    return ApiRefused(
        422,
        "Attempted to save a reference to a non-existent entity (foreign key violation).",
        code="DAO.00105",
        explanation={"why": why},
    )


def _key(entity: Entity) -> Hashable | None:
    """Answers with what only one of its kind may have: its user's, or its group's."""
    if isinstance(entity, CapacityGroup):
        return entity.identifier
    if isinstance(entity, Asset):
        return entity.capacity_group, entity.identifier
    # A simulated provider has no base URL of its own, however it is shown.
    return entity.base_url if isinstance(entity.base_url, str) else None

"""Showing what users have configured (SolarUser dossier §8.1 to §8.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from oscp_send.solarnetwork.dates import timestamp
from simulator.addresses import path_of
from simulator.solaruser.configuration.fields import show
from simulator.solaruser.configuration.tables import ASSET, GROUP, PUBLICATION, SYSTEM
from simulator.world import CapacityGroup, CapacityOptimizer, CapacityProvider, Simulated

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.world import Asset, Publication, SystemSettings

__all__ = ["Presentation", "base_url_of", "flexibility_provider_id"]

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

"""Passing forecasts on: from a Capacity Provider to its group's Optimizer, and the reverse.

As observed in SolarNetwork (OSCP dossier §5.6): whoever sent the message is answered before, the
X-Request-ID stays the same, an X-Correlation-ID is not passed on, and the body is rebuilt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.flexibility_provider.outbox import check_registered, lane_of
from simulator.flexibility_provider.publishing import (
    forecast_source_id,
    publication_of,
    publish_forecast,
)
from simulator.world import CapacityProvider

if TYPE_CHECKING:
    from simulator.flexibility_provider.provider import FlexibilityProvider
    from simulator.outgoing import Reply
    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup, CapacityOptimizer, User

__all__ = ["forward"]

_SOURCE_ID = "X-SN-Source-ID"


def forward(  # noqa: PLR0917 - who passes what on, and for whom
    rooms: Rooms,
    party: FlexibilityProvider,
    user: User,
    sender: CapacityProvider | CapacityOptimizer,
    group: CapacityGroup,
    message: Mapping[str, Any],
    request_id: str,
) -> None:
    """Passes a Capacity Provider's forecast on to the Optimizer of its group, or the reverse, soon.

    An Optimizer's is an AdjustGroupCapacityForecast. What is published of a Capacity Provider's is
    named in the header X-SN-Source-ID.

    Args:
        rooms: The shared rooms.
        party: In whose name it is sent.
        user: Whose group it is.
        sender: Who sent it.
        group: The group that it is for.
        message: It, decoded: floats, aware datetimes; a block may be None.
        request_id: The X-Request-ID with which it came, and with which it goes on.
    """
    is_update = isinstance(sender, CapacityProvider)
    action = "UpdateGroupCapacityForecast" if is_update else "AdjustGroupCapacityForecast"
    _forward(rooms, party, _Forecast(action, user.id, sender.name, group, message, request_id))


@dataclass(slots=True)
class _Forecast:
    """A forecast on its way; each attempt to deliver it looks at the world anew."""

    action: str
    user_id: int
    sender: str
    group: CapacityGroup
    message: Mapping[str, Any]
    request_id: str
    published_to: str | None = field(default=None, init=False)
    is_published: bool = field(default=False, init=False)

    @property
    def is_update(self) -> bool:
        return self.action == "UpdateGroupCapacityForecast"

    def recipient(self, user: User | None) -> CapacityProvider | CapacityOptimizer | None:
        if user is None:
            return None
        if self.is_update:
            return user.optimizer(self.group.capacity_optimizer)
        return user.provider(self.group.capacity_provider)


def _forward(rooms: Rooms, party: FlexibilityProvider, forecast: _Forecast) -> None:
    recipient = forecast.recipient(rooms.world.user(forecast.user_id))
    if recipient is None:
        _note(rooms, forecast, f"there is nobody to pass on to what {forecast.sender} sent")
        return
    lane = lane_of(forecast.user_id, recipient)
    party.tasks.run(forecast.action, lambda: _attempt(rooms, party, forecast), lane=lane)


def _attempt(rooms: Rooms, party: FlexibilityProvider, forecast: _Forecast) -> Reply | None:
    user = rooms.world.user(forecast.user_id)
    system = forecast.recipient(user)
    if user is None or system is None:
        _note(
            rooms, forecast, f"there is nobody any more to pass on to what {forecast.sender} sent"
        )
        return None
    check_registered(user.id, system, forecast.action)
    _check_blocks(forecast)
    _publish(rooms, user, forecast)
    source_id = forecast.published_to if forecast.is_update else None
    delivery = party.outbox.delivery(
        system,
        forecast.action,
        forecast.message,
        forecast.request_id,
        more=() if source_id is None else ((_SOURCE_ID, source_id),),
    )
    if delivery is None:
        _note(rooms, forecast, f"{system.name} has no base URL: nothing is sent")
        return None
    return party.outbox.send(user.id, system, delivery)


def _check_blocks(forecast: _Forecast) -> None:
    """Fails where a block is null: only now, when whoever sent it has been told 204 (§5.1)."""
    for index, block in enumerate(forecast.message["forecasted_blocks"]):
        if not isinstance(block, Mapping):
            raise ValueError(f"/forecasted_blocks/{index} is null")  # noqa: TRY004 - of a message


def _publish(rooms: Rooms, user: User, forecast: _Forecast) -> None:
    """Publishes a forecast with the first attempt, and not again with a further one (inferred)."""
    if forecast.is_published:
        return
    forecast.is_published = True
    # Its settings may have changed since the message came.
    groups = (each for each in user.capacity_groups if each.id == forecast.group.id)
    group = next(groups, forecast.group)
    settings = publication_of(user, group)
    if settings is None:
        return
    role = "cp" if forecast.is_update else "co"
    forecast.published_to = forecast_source_id(
        settings, group, role, forecast.action, forecast.message["type"]
    )
    publish_forecast(
        rooms,
        user,
        settings,
        forecast.published_to,
        forecast.action,
        forecast.message,
        forecast.request_id,
    )


def _note(rooms: Rooms, forecast: _Forecast, why: str) -> None:
    rooms.journal.append(
        "flexibility_provider", "note", action=forecast.action, detail={"why": why}
    )

"""Passing forecasts on: from a Capacity Provider to its group's Optimizer, and the reverse.

As observed in SolarNetwork (oscp20.md §5.6): whoever sent the message is answered before, the
X-Request-ID stays the same, an X-Correlation-ID is not passed on, and the body is rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from oscp_send.solarnetwork.request_body import timestamp
from oscp_sim.flexibility_provider.outbox import check_registered, queue_of
from oscp_sim.flexibility_provider.provider import FlexibilityProvider
from oscp_sim.http import Response
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityGroup, CapacityOptimizer, CapacityProvider, Publication, User

__all__ = [
    "forecast_source_id",
    "forward",
    "publication_of",
    "publish_forecast",
    "publish_heartbeat",
    "source_id_of",
]


# § What the Flexibility Provider publishes of the messages that it is sent.
#
# As observed in SolarNetwork (oscp20.md §5.5 and §5.6, solaruser.md §8.4). The simulator
# has no datum streams to write to: what would be published is a note in the journal.

_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CONSUMPTION": "c",
        "GENERATION": "g",
        "FALLBACK_CONSUMPTION": "C",
        "FALLBACK_GENERATION": "G",
        "OPTIMUM": "o",
    }
)
_SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {"ONE": "_a", "TWO": "_b", "THREE": "_c", "UNKNOWN": "_u", "ALL": ""}
)
# SolarNetwork's own names, in which it holds what it has read (inferred for the datum).
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {"A": "A", "W": "W", "KW": "kW", "WH": "Wh", "KWH": "kWh"}
)


def publication_of(user: User, group: CapacityGroup) -> Publication | None:
    """Answers with the settings by which a group's messages are published; None: nowhere.

    A group's own stand in the place of its user's; with both ways turned off, nothing is published
    (inferred).
    """
    settings = group.settings or user.settings
    if settings is None or not (settings.publish_to_solar_in or settings.publish_to_solar_flux):
        return None
    return settings


def source_id_of(settings: Publication, group: CapacityGroup, role: str, action: str) -> str:
    """Answers with the name of the datum stream of one kind of message of a group.

    Args:
        settings: With the template of the name, if it has one.
        group: The group.
        role: Of who sent the message: `cp` or `co`.
        action: The OSCP message name.
    """
    values = {
        "role": role,
        "action": action,
        "cp": str(group.capacity_provider),
        "co": str(group.capacity_optimizer),
        "cgIdentifier": group.identifier,
    }
    name = settings.source_id_template or _TEMPLATE
    for variable, value in values.items():
        name = name.replace(f"{{{variable}}}", value)
    return name


def forecast_source_id(
    settings: Publication, group: CapacityGroup, role: str, action: str, forecast_type: str
) -> str:
    """Answers with the name of the datum stream of a forecast: each type has its own.

    That a template of the user's is followed by the type's letter as well is (inferred).
    """
    return f"{source_id_of(settings, group, role, action)}/{_TYPES.get(forecast_type, '')}"


def publish_forecast(  # noqa: PLR0917 - whose, by which settings, named how, and what
    shared: Shared,
    user: User,
    settings: Publication,
    source_id: str,
    action: str,
    message: Mapping[str, Any],
    request_id: str,
) -> None:
    """Publishes a forecast, as a datum for each instant at which a block of it starts.

    Args:
        shared: The shared shared.
        user: Whose it is.
        settings: The user's, or the group's.
        source_id: The datum stream.
        action: The OSCP message name.
        message: The forecast, decoded.
        request_id: Its X-Request-ID, by which a Capacity Optimizer can refer to it.
    """
    for start, samples in _samples(message["forecasted_blocks"]).items():
        status = {"unit": samples.pop("unit"), "forecastIdentifier": request_id}
        datum = {
            "nodeId": settings.node_id,
            "sourceId": source_id,
            "created": timestamp(start),
            "i": samples,
            "s": status,
        }
        _note_datum(shared, user, settings, action, datum)


def publish_heartbeat(
    shared: Shared, user: User, group: CapacityGroup, role: str, offline_at: datetime
) -> None:
    """Publishes a heartbeat as a datum of one Capacity Group, where its settings say so.

    Args:
        shared: The shared shared.
        user: Whose group it is.
        group: The group.
        role: Of who sent it: `cp` or `co`.
        offline_at: From when on its sender is offline; that it is written as every date of
            SolarNetwork's, and the datum is of now, is (inferred).
    """
    settings = publication_of(user, group)
    if settings is None:
        return
    datum = {
        "nodeId": settings.node_id,
        "sourceId": source_id_of(settings, group, role, "Heartbeat"),
        "created": timestamp(shared.clock.now()),
        "s": {"expires": timestamp(offline_at)},
    }
    _note_datum(shared, user, settings, "Heartbeat", datum)


def _note_datum(
    shared: Shared, user: User, settings: Publication, action: str, datum: Mapping[str, Any]
) -> None:
    shared.journal.append(
        "flexibility_provider",
        "note",
        action=action,
        detail={
            "why": "what the message says is published as a datum",
            "user": user.id,
            "datum": datum,
            "solarin": settings.publish_to_solar_in,
            "solarflux": settings.publish_to_solar_flux,
        },
    )


def _samples(blocks: Iterable[Mapping[str, Any]]) -> dict[datetime, dict[str, Any]]:
    """Answers with the properties at each instant; of two of one name, the later counts."""
    found: dict[datetime, dict[str, Any]] = {}
    for block in blocks:
        start: datetime = block["start_time"].astimezone(UTC)
        duration = (block["end_time"] - block["start_time"]).total_seconds()
        name = f"amount{_SUFFIXES[block['phase']]}"
        unit = _UNITS[block["unit"]]
        # Whole seconds, as an integer (inferred).
        found.setdefault(start, {}).update(
            {name: block["capacity"], "duration": int(duration), "unit": unit}
        )
    return found


_SOURCE_ID = "X-SN-Source-ID"


def forward(  # noqa: PLR0917 - who passes what on, and for whom
    shared: Shared,
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
        shared: The shared shared.
        party: In whose name it is sent.
        user: Whose group it is.
        sender: Who sent it.
        group: The group that it is for.
        message: It, decoded: floats, aware datetimes; a block may be None.
        request_id: The X-Request-ID with which it came, and with which it goes on.
    """
    is_update = isinstance(sender, CapacityProvider)
    action = "UpdateGroupCapacityForecast" if is_update else "AdjustGroupCapacityForecast"
    _forward(shared, party, _Forecast(action, user.id, sender.name, group, message, request_id))


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


def _forward(shared: Shared, party: FlexibilityProvider, forecast: _Forecast) -> None:
    recipient = forecast.recipient(shared.world.user(forecast.user_id))
    if recipient is None:
        _note(shared, forecast, f"there is nobody to pass on to what {forecast.sender} sent")
        return
    queue = queue_of(forecast.user_id, recipient)
    party.tasks.run(forecast.action, lambda: _attempt(shared, party, forecast), queue=queue)


def _attempt(shared: Shared, party: FlexibilityProvider, forecast: _Forecast) -> Response | None:
    user = shared.world.user(forecast.user_id)
    system = forecast.recipient(user)
    if user is None or system is None:
        _note(
            shared, forecast, f"there is nobody any more to pass on to what {forecast.sender} sent"
        )
        return None
    check_registered(user.id, system, forecast.action)
    _check_blocks(forecast)
    _publish(shared, user, forecast)
    source_id = forecast.published_to if forecast.is_update else None
    delivery = party.outbox.delivery(
        system,
        forecast.action,
        forecast.message,
        forecast.request_id,
        more=() if source_id is None else ((_SOURCE_ID, source_id),),
    )
    if delivery is None:
        _note(shared, forecast, f"{system.name} has no base URL: nothing is sent")
        return None
    return party.outbox.send(user.id, system, delivery)


def _check_blocks(forecast: _Forecast) -> None:
    """Fails where a block is null: only now, when whoever sent it has been told 204 (§5.1)."""
    for index, block in enumerate(forecast.message["forecasted_blocks"]):
        if not isinstance(block, Mapping):
            raise ValueError(f"/forecasted_blocks/{index} is null")  # noqa: TRY004 - of a message


def _publish(shared: Shared, user: User, forecast: _Forecast) -> None:
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
        shared,
        user,
        settings,
        forecast.published_to,
        forecast.action,
        forecast.message,
        forecast.request_id,
    )


def _note(shared: Shared, forecast: _Forecast, why: str) -> None:
    shared.journal.append(
        "flexibility_provider", "note", action=forecast.action, detail={"why": why}
    )

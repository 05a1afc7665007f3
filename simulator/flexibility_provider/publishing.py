"""What the Flexibility Provider publishes of the messages that it is sent.

As observed in SolarNetwork (OSCP dossier §5.5 and §5.6, SolarUser dossier §8.4). The simulator has
no datum streams to write to: what would be published is a note in the journal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from oscp_send.solarnetwork.dates import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup, Publication, User

__all__ = [
    "forecast_source_id",
    "publication_of",
    "publish_forecast",
    "publish_heartbeat",
    "source_id_of",
]

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
    rooms: Rooms,
    user: User,
    settings: Publication,
    source_id: str,
    action: str,
    message: Mapping[str, Any],
    request_id: str,
) -> None:
    """Publishes a forecast, as a datum for each instant at which a block of it starts.

    Args:
        rooms: The shared rooms.
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
        _note_datum(rooms, user, settings, action, datum)


def publish_heartbeat(
    rooms: Rooms, user: User, group: CapacityGroup, role: str, offline_at: datetime
) -> None:
    """Publishes a heartbeat as a datum of one Capacity Group, where its settings say so.

    Args:
        rooms: The shared rooms.
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
        "created": timestamp(rooms.clock.now()),
        "s": {"expires": timestamp(offline_at)},
    }
    _note_datum(rooms, user, settings, "Heartbeat", datum)


def _note_datum(
    rooms: Rooms, user: User, settings: Publication, action: str, datum: Mapping[str, Any]
) -> None:
    rooms.journal.append(
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

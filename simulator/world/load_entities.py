"""Turn what a world file says of Capacity Providers, Optimizers, Groups and assets into values."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from simulator.durations import parse_duration
from simulator.world.capacity_group import Asset, AssetEnergy, AssetMeasurement, CapacityGroup
from simulator.world.datum_stream import DatumStream
from simulator.world.external_system import (
    OAUTH_CLIENT_SECRET,
    SIMULATED,
    CapacityOptimizer,
    CapacityProvider,
    SystemSettings,
)
from simulator.world.provider_behaviour import ProviderBehaviour
from simulator.world.publication import Publication

__all__ = [
    "is_date_key",
    "is_duration_key",
    "to_asset",
    "to_datum_stream",
    "to_group",
    "to_optimizer",
    "to_provider",
    "to_publication",
]

_T = TypeVar("_T")

_WHOLE = frozenset(
    {
        "id",
        "capacity_group",
        "capacity_optimizer",
        "capacity_provider",
        "flexibility_provider_id",
        "heartbeat_seconds",
        "longest_body",
        "node_id",
        "refusal",
    }
)


_DURATIONS = frozenset(
    {"answer_after", "delay", "heartbeat_every", "step", "token_valid_for"},
)


def is_date_key(key: str) -> bool:
    """Tell whether a key of a world file leads to a date-time."""
    return key in {"created", "modified", "not_after"} or key.endswith("_date")


def is_duration_key(key: str) -> bool:
    """Tell whether a key of a world file leads to a duration."""
    return key in _DURATIONS


def to_provider(value: Mapping[str, Any]) -> CapacityProvider:
    """Return the Capacity Provider that a mapping of a file describes."""
    return _made(CapacityProvider, _system(value), _SYSTEM)


def to_optimizer(value: Mapping[str, Any]) -> CapacityOptimizer:
    """Return the Capacity Optimizer that a mapping of a file describes."""
    return _made(CapacityOptimizer, _system(value), _SYSTEM)


def to_group(value: Mapping[str, Any]) -> CapacityGroup:
    """Return the Capacity Group that a mapping of a file describes."""
    return _made(CapacityGroup, value, _GROUP)


def to_asset(value: Mapping[str, Any]) -> Asset:
    """Return the asset that a mapping of a file describes."""
    return _made(Asset, value, _ASSET)


def to_datum_stream(value: Mapping[str, Any]) -> DatumStream:
    """Return the datum stream that a mapping of a file describes."""
    values = {name: tuple(map(float, each)) for name, each in value["values"].items()}
    start = datetime.fromisoformat(value["start"]).astimezone(UTC)
    return _made(DatumStream, {**value, "start": start}, {"values": lambda _: values})


def to_publication(value: Mapping[str, Any]) -> Publication:
    """Return the settings that a mapping of a file describes."""
    return _made(Publication, value, {})


def _made(
    make: Callable[..., _T],
    value: Mapping[str, Any],
    parts: Mapping[str, Callable[[Any], object]],
) -> _T:
    return make(**{key: _read(key, each, parts) for key, each in value.items()})


def _read(key: str, value: Any, parts: Mapping[str, Callable[[Any], object]]) -> object:  # noqa: ANN401 - any JSON value
    if key in parts:
        return parts[key](value)
    if key == "oscp_version":
        return value or None
    if key in _WHOLE:
        # JSON Schema takes 3.0 for an integer.
        return int(value)
    if key in _DURATIONS:
        return parse_duration(value)
    if is_date_key(key):
        return datetime.fromisoformat(value).astimezone(UTC)
    return tuple(value) if isinstance(value, list) else value


def _system(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a system with its secret apart from its service properties."""
    url = value.get("base_url", SIMULATED)
    blank = isinstance(url, str) and not url.strip()
    secret = (value.get("service_props") or {}).get(OAUTH_CLIENT_SECRET)
    return {**value, "base_url": None if blank else url, "oauth_client_secret": secret}


def _behaviour(value: str | Mapping[str, Any]) -> ProviderBehaviour:
    if isinstance(value, str):
        return _made(ProviderBehaviour, {"adjustments": value}, {})
    return _made(ProviderBehaviour, value, {"strict": _strict, "statuses": dict})


def _strict(value: bool | list[str]) -> frozenset[str] | None:
    return frozenset(value) if isinstance(value, list) else None if value else frozenset()


def _settings(value: Mapping[str, Any]) -> SystemSettings:
    return _made(SystemSettings, value, {})


def _service_props(value: Mapping[str, Any]) -> Mapping[str, Any]:
    # Kept apart: whatever is shown is made of these.
    return {name: each for name, each in value.items() if name != OAUTH_CLIENT_SECRET}


def _measurement(value: Mapping[str, Any]) -> AssetMeasurement:
    return _made(AssetMeasurement, value, {})


def _energy(value: Mapping[str, Any]) -> AssetEnergy:
    return _made(AssetEnergy, value, {})


_SYSTEM: Mapping[str, Callable[[Any], object]] = {
    "behaviour": _behaviour,
    "service_props": _service_props,
    "settings": _settings,
}
_GROUP: Mapping[str, Callable[[Any], object]] = {
    "service_props": _service_props,
    "settings": to_publication,
}
_ASSET: Mapping[str, Callable[[Any], object]] = {
    "energy": _energy,
    "instantaneous": _measurement,
    "service_props": _service_props,
}

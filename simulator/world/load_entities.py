"""Turn what a world file says of Capacity Providers, Optimizers, Groups and assets into values."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from simulator.world.capacity_group import Asset, AssetEnergy, AssetMeasurement, CapacityGroup
from simulator.world.external_system import (
    OAUTH_CLIENT_SECRET,
    SIMULATED,
    CapacityOptimizer,
    CapacityProvider,
    SystemSettings,
)
from simulator.world.publication import Publication

__all__ = ["is_date_key", "to_asset", "to_group", "to_optimizer", "to_provider", "to_publication"]

_T = TypeVar("_T")

_WHOLE = frozenset(
    {
        "id",
        "capacity_group",
        "capacity_optimizer",
        "capacity_provider",
        "flexibility_provider_id",
        "heartbeat_seconds",
        "node_id",
    }
)


def is_date_key(key: str) -> bool:
    """Tell whether a key of a world file leads to a date-time."""
    return key in {"created", "modified", "not_after"} or key.endswith("_date")


def to_provider(value: Mapping[str, Any]) -> CapacityProvider:
    """Return the Capacity Provider that a mapping of a file describes."""
    url = value.get("base_url", SIMULATED)
    blank = isinstance(url, str) and not url.strip()
    return _made(CapacityProvider, {**value, "base_url": None if blank else url}, _SYSTEM)


def to_optimizer(value: Mapping[str, Any]) -> CapacityOptimizer:
    """Return the Capacity Optimizer that a mapping of a file describes."""
    url = value.get("base_url") or ""
    return _made(CapacityOptimizer, {**value, "base_url": url if url.strip() else None}, _SYSTEM)


def to_group(value: Mapping[str, Any]) -> CapacityGroup:
    """Return the Capacity Group that a mapping of a file describes."""
    return _made(CapacityGroup, value, _GROUP)


def to_asset(value: Mapping[str, Any]) -> Asset:
    """Return the asset that a mapping of a file describes."""
    return _made(Asset, value, _ASSET)


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
    if is_date_key(key):
        return datetime.fromisoformat(value).astimezone(UTC)
    return tuple(value) if isinstance(value, list) else value


def _settings(value: Mapping[str, Any]) -> SystemSettings:
    return _made(SystemSettings, value, {})


def _service_props(value: Mapping[str, Any]) -> Mapping[str, Any]:
    # What no reply shows and nothing here uses is better not kept.
    return {name: each for name, each in value.items() if name != OAUTH_CLIENT_SECRET}


def _measurement(value: Mapping[str, Any]) -> AssetMeasurement:
    return _made(AssetMeasurement, value, {})


def _energy(value: Mapping[str, Any]) -> AssetEnergy:
    return _made(AssetEnergy, value, {})


_SYSTEM: Mapping[str, Callable[[Any], object]] = {
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

"""The measurements of a Capacity Group as an OSCP message (OSCP dossier §3.10, §3.11 and §5.7).

As observed in SolarNetwork; what an asset leaves open is decided here, and said where.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from simulator.flexibility_provider.measuring import Window, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from simulator.world import CapacityGroup, CapacityOptimizer, CapacityProvider, User
    from simulator.world.capacity_group import Asset

__all__ = ["GROUP_ACTION", "Unmeasurable", "measurement_message"]

#: The message where the service property `group-asset-measurement` does not say otherwise.
GROUP_ACTION: Final = "UpdateGroupMeasurements"
_ASSET_ACTION: Final = "UpdateAssetMeasurement"

_PHASES: Final[Mapping[str, str]] = MappingProxyType(
    {"Unknown": "UNKNOWN", "A": "ONE", "B": "TWO", "C": "THREE", "All": "ALL"}
)
_ENERGY_UNITS: Final = frozenset({"WH", "KWH"})
# The minutes for which the service can aggregate what is measured in passing.
_AGGREGATED: Final = frozenset({5, 10, 15, 30, 60})
_THOUSANDS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {"W": ("W", 1.0), "KW": ("W", 1000.0), "WH": ("WH", 1.0), "KWH": ("WH", 1000.0)}
)
_YES: Final = frozenset({"true", "t", "yes", "y", "on", "1"})


class Unmeasurable(ValueError):
    """Raised for assets whose configuration no measurement can be made of."""


def measurement_message(
    user: User,
    group: CapacityGroup,
    system: CapacityProvider | CapacityOptimizer,
    assets: Sequence[Asset],
    window: Window,
) -> tuple[str, dict[str, Any]]:
    """Answers with the action and the content of the message for one span of time.

    Its list may be empty, though the schema wants at least one measurement.

    Args:
        user: Whose datum streams measure it.
        group: What it is about.
        system: Whom it is for; it says by `group-asset-measurement` which message it wants.
        assets: The group's, of the system's audience.
        window: The span.

    Raises:
        Unmeasurable: What is configured cannot be measured.
    """
    combined = _combined_id(group, system)
    if _is_set((system.service_props or {}).get("group-asset-measurement")):
        entries = [_asset_entry(user, system, asset, window) for asset in assets]
        if combined is not None and entries:
            entries = [_combined_entry(combined, entries)]
        return _ASSET_ACTION, {"group_id": group.identifier, "measurements": entries}
    energies = [
        energy for asset in assets if (energy := _energy(user, system, asset, window)) is not None
    ]
    if combined is not None and energies:
        energies = [_sum(energies)]
    return GROUP_ACTION, {"group_id": group.identifier, "measurements": energies}


def _combined_id(group: CapacityGroup, system: CapacityProvider | CapacityOptimizer) -> str | None:
    """Answers with the asset as which all are told, the group's before the system's (inferred)."""
    for props in (group.service_props, system.service_props):
        name = (props or {}).get("group-combined-asset-id")
        if isinstance(name, str) and name:
            return name
    return None


def _is_set(value: object) -> bool:
    """Tells whether a value that is like a boolean stands for true (inferred)."""
    if isinstance(value, str):
        return value.strip().lower() in _YES
    return isinstance(value, bool | int | float) and bool(value)


def _asset_entry(
    user: User, system: CapacityProvider | CapacityOptimizer, asset: Asset, window: Window
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "asset_id": asset.identifier,
        "asset_category": asset.category.upper(),
    }
    energy = _energy(user, system, asset, window)
    instantaneous = _instantaneous(user, asset, window)
    if energy is not None:
        entry["energy_measurement"] = energy
    if instantaneous is not None:
        entry["instantaneous_measurement"] = instantaneous
    return entry


def _combined_entry(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers with several entries as one; where they differ, the first counts (inferred)."""
    combined: dict[str, Any] = {"asset_id": name, "asset_category": entries[0]["asset_category"]}
    for part in ("energy_measurement", "instantaneous_measurement"):
        parts = [entry[part] for entry in entries if part in entry]
        if parts:
            combined[part] = _sum(parts)
    return combined


def _sum(measurements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Answers with several measurements as one, in the first one's unit."""
    first = measurements[0]
    total = sum(_converted(each["value"], each["unit"], first["unit"]) for each in measurements)
    return {**first, "value": total}


def _converted(value: float, unit: str, to: str) -> float:
    if unit == to:
        return value
    (kind, factor), (wanted, divisor) = (_THOUSANDS.get(each, (each, 1.0)) for each in (unit, to))
    if kind != wanted:
        raise Unmeasurable(f"assets in {unit} and in {to} cannot be combined into one")
    return value * factor / divisor


def _energy(
    user: User, system: CapacityProvider | CapacityOptimizer, asset: Asset, window: Window
) -> dict[str, Any] | None:
    """Answers with an EnergyMeasurement, or None for an asset whose energy is not measured.

    The direction has to be there, and is NET where the asset has none (inferred); without a type,
    the field is left out, which means TOTAL.
    """
    energy = asset.energy
    if energy is None:
        return None
    unit = energy.unit.upper()
    if unit not in _ENERGY_UNITS:
        raise Unmeasurable(f"asset {asset.identifier}: {energy.unit} is no unit of energy")
    value: dict[str, Any] = {
        "value": measured(user.datum_streams, asset, energy, window),
        "phase": _PHASES[asset.phase],
        "unit": unit,
        "direction": (energy.direction or "Net").upper(),
    }
    if energy.type is not None:
        value["energy_type"] = energy.type.upper()
    value["measure_time"] = window.end
    if energy.statistic_type == "Difference" or _is_intermittent(system):
        value["initial_measure_time"] = window.start
    return value


def _is_intermittent(system: CapacityProvider | CapacityOptimizer) -> bool:
    """Tells whether a system asked for measurements that say since when they count (§3.5)."""
    return system.settings is not None and "Intermittent" in system.settings.measurement_styles


def _instantaneous(user: User, asset: Asset, window: Window) -> dict[str, Any] | None:
    instantaneous = asset.instantaneous
    if instantaneous is None:
        return None
    minutes = (window.end - window.start).total_seconds() / 60
    if minutes not in _AGGREGATED:
        raise Unmeasurable(
            f"asset {asset.identifier}: its instantaneous properties cannot be measured every "
            f"{minutes:g} minutes, only every 5, 10, 15, 30 or 60"
        )
    return {
        "value": measured(user.datum_streams, asset, instantaneous, window),
        "phase": _PHASES[asset.phase],
        "unit": instantaneous.unit.upper(),
        "measure_time": _measure_time(window),
    }


def _measure_time(window: Window) -> datetime:
    """Answers with the moment that a measurement of a span is told to be of: its end (inferred)."""
    return window.end

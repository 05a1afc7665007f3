"""A Capacity Group, and the assets in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from simulator.world.publication import Publication

__all__ = [
    "Asset",
    "AssetCategory",
    "AssetEnergy",
    "AssetMeasurement",
    "Audience",
    "CapacityGroup",
    "EnergyDirection",
    "EnergyType",
    "MeasurementPeriod",
    "Phase",
    "StatisticType",
    "Unit",
]

MeasurementPeriod = Literal[
    "Minute",
    "FiveMinute",
    "TenMinute",
    "FifteenMinute",
    "TwentyMinute",
    "ThirtyMinute",
    "Hour",
]
Audience = Literal["CapacityProvider", "CapacityOptimizer"]
AssetCategory = Literal["Charging", "Consumption", "Generation", "Storage"]
Phase = Literal["Unknown", "A", "B", "C", "All"]
Unit = Literal["A", "W", "kW", "Wh", "kWh"]
StatisticType = Literal["Average", "Count", "Minimum", "Maximum", "Start", "End", "Difference"]
EnergyType = Literal["Flexible", "NonFlexible", "Total"]
EnergyDirection = Literal["Net", "Import", "Export"]


@dataclass(frozen=True, slots=True)
class CapacityGroup:
    """A Capacity Group between one Capacity Provider and one Capacity Optimizer.

    Attributes:
        id: The configId, of one user.
        identifier: What an instruction names as `cgIdentifier` and OSCP as `group_id`.
        capacity_provider: Its Capacity Provider's id.
        capacity_optimizer: Its Capacity Optimizer's id.
        name: For people; the identifier stands in for it where not given.
        enabled: Otherwise it is unknown to the services.
        capacity_provider_measurement_period: How often its provider is told measurements.
        capacity_optimizer_measurement_period: How often its optimizer is told measurements.
        capacity_provider_measurement_date: When its provider is told the next time.
        capacity_optimizer_measurement_date: When its optimizer is told the next time.
        service_props: JSON values by name; never part of the repr.
        settings: Its own, in place of its user's.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    id: int
    identifier: str
    capacity_provider: int
    capacity_optimizer: int
    name: str | None = None
    enabled: bool = True
    capacity_provider_measurement_period: MeasurementPeriod = "FifteenMinute"
    capacity_optimizer_measurement_period: MeasurementPeriod = "FifteenMinute"
    capacity_provider_measurement_date: datetime | None = None
    capacity_optimizer_measurement_date: datetime | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    settings: Publication | None = None
    created: datetime | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class AssetMeasurement:
    """From which properties of a datum stream an asset's measurement is made.

    Attributes:
        property_names: At least one.
        unit: Of the measurement.
        statistic_type: How several values become one.
        multiplier: Turns the properties' own unit into `unit`; 1 where not given.
    """

    property_names: tuple[str, ...]
    unit: Unit
    statistic_type: StatisticType
    multiplier: int | float | None = None


@dataclass(frozen=True, slots=True)
class AssetEnergy(AssetMeasurement):
    """The same for energy.

    Attributes:
        type: Which part of the energy it is.
        direction: Which way it flows.
    """

    type: EnergyType | None = None
    direction: EnergyDirection | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """What is measured in a Capacity Group (SolarUser dossier §8.3).

    Attributes:
        id: The configId, of one user.
        name: For people.
        capacity_group: Its Capacity Group's id.
        identifier: Unique in the group.
        audience: Who is told its measurements.
        node_id: The node whose datum stream measures it.
        source_id: That stream.
        category: What it is.
        phase: What it is connected to.
        enabled: Otherwise it is not measured.
        instantaneous: How its power or current is measured.
        energy: How its energy is measured.
        service_props: JSON values by name; never part of the repr.
        created: When it was configured; when the simulator began where not given.
        modified: When its configuration last changed; as `created` where not given.
    """

    id: int
    name: str
    capacity_group: int
    identifier: str
    audience: Audience
    node_id: int
    source_id: str
    category: AssetCategory
    phase: Phase
    enabled: bool = True
    instantaneous: AssetMeasurement | None = None
    energy: AssetEnergy | None = None
    service_props: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    created: datetime | None = None
    modified: datetime | None = None

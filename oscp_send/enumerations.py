"""The enumerations of OSCP 2.0, upper case as they are on the wire."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AssetCategory",
    "CapacityForecastType",
    "EnergyMeasurementDirection",
    "EnergyMeasurementUnit",
    "EnergyType",
    "ForecastedBlockUnit",
    "InstantaneousMeasurementUnit",
    "MeasurementConfiguration",
    "PhaseIndicator",
]


class CapacityForecastType(StrEnum):
    """What the capacities of a forecast limit (OSCP 2.0 §4.4.1).

    `CONSUMPTION` limits import and `GENERATION` export; the `FALLBACK_` ones are their limits while
    a party is offline; `OPTIMUM` is a recommended use within the limits.
    """

    CONSUMPTION = "CONSUMPTION"
    GENERATION = "GENERATION"
    FALLBACK_CONSUMPTION = "FALLBACK_CONSUMPTION"
    FALLBACK_GENERATION = "FALLBACK_GENERATION"
    OPTIMUM = "OPTIMUM"


class PhaseIndicator(StrEnum):
    """The phase that a value belongs to; `ALL` is the sum over the phases."""

    UNKNOWN = "UNKNOWN"
    ONE = "ONE"
    TWO = "TWO"
    THREE = "THREE"
    ALL = "ALL"


class ForecastedBlockUnit(StrEnum):
    """The unit of a forecasted capacity: ampere, watt, kilowatt, watt-hour or kilowatt-hour."""

    A = "A"
    W = "W"
    KW = "KW"
    WH = "WH"
    KWH = "KWH"


class InstantaneousMeasurementUnit(StrEnum):
    """The unit of a momentary value; `WH` and `KWH` are a storage's state of charge."""

    A = "A"
    W = "W"
    KW = "KW"
    WH = "WH"
    KWH = "KWH"


class MeasurementConfiguration(StrEnum):
    """How counters run: `CONTINUOUS` ones never restart, `INTERMITTENT` ones do (OSCP 2.0 §4.3.2).

    Where `INTERMITTENT` is agreed on, every measurement carries `initial_measure_time`.
    """

    CONTINUOUS = "CONTINUOUS"
    INTERMITTENT = "INTERMITTENT"


class EnergyMeasurementUnit(StrEnum):
    """The unit of measured energy: watt-hour or kilowatt-hour."""

    WH = "WH"
    KWH = "KWH"


class EnergyMeasurementDirection(StrEnum):
    """The way that measured energy went: `IMPORT`, `EXPORT`, or `NET` as their difference."""

    NET = "NET"
    IMPORT = "IMPORT"
    EXPORT = "EXPORT"


class EnergyType(StrEnum):
    """The part of the energy that was measured; a measurement without one means `TOTAL`."""

    FLEXIBLE = "FLEXIBLE"
    NONFLEXIBLE = "NONFLEXIBLE"
    TOTAL = "TOTAL"


class AssetCategory(StrEnum):
    """What a measured asset does."""

    CHARGING = "CHARGING"
    CONSUMPTION = "CONSUMPTION"
    GENERATION = "GENERATION"
    STORAGE = "STORAGE"

"""The OSCP 2.0 data types that messages are made of.

Enumerated values may be given as members or as their texts, lists as any iterable; what is kept is
members and tuples. Times are aware datetimes and are kept in UTC, cut to milliseconds, because
SolarNetwork carries nothing finer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from oscp_send.enumerations import (
    AssetCategory,
    EnergyMeasurementDirection,
    EnergyMeasurementUnit,
    EnergyType,
    ForecastedBlockUnit,
    InstantaneousMeasurementUnit,
    MeasurementConfiguration,
    PhaseIndicator,
)
from oscp_send.errors import InvalidValue
from oscp_send.fields import instant, instant_of_text, items, member, number, text
from oscp_send.structure import Reader, Structure, nested

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = [
    "AssetMeasurement",
    "EnergyMeasurement",
    "ForecastedBlock",
    "InstantaneousMeasurement",
    "RequiredBehaviour",
]

_BLOCK_READERS: Final[Mapping[str, Reader]] = {
    "start_time": instant_of_text,
    "end_time": instant_of_text,
}
_MEASUREMENT_READERS: Final[Mapping[str, Reader]] = {
    "measure_time": instant_of_text,
    "initial_measure_time": instant_of_text,
}


@dataclass(frozen=True, slots=True, init=False)
class ForecastedBlock(Structure):
    """A capacity over an interval (OSCP 2.0 §4.4.1).

    Attributes:
        capacity: The limit, or the energy per block where the unit is `WH` or `KWH`; 0 or more,
            since the forecast's `type` tells the direction.
        unit: The unit of the capacity.
        phase: The phase that it belongs to; `ALL` is their sum.
        start_time: Where the block begins.
        end_time: Where it ends; a block that ends before it begins passes here, and
            `oscp_send.check` warns of it (rule S1).

    Raises:
        InvalidValue: A value is one that the schema refuses, or could not arrive unchanged.
    """

    capacity: float
    unit: ForecastedBlockUnit
    phase: PhaseIndicator
    start_time: datetime
    end_time: datetime

    _readers: ClassVar[Mapping[str, Reader]] = _BLOCK_READERS

    def __init__(
        self,
        capacity: float,
        unit: ForecastedBlockUnit | str,
        phase: PhaseIndicator | str,
        start_time: datetime,
        end_time: datetime,
    ) -> None:
        self._keep(
            capacity=number("capacity", capacity, minimum=0),
            unit=member("unit", unit, ForecastedBlockUnit),
            phase=member("phase", phase, PhaseIndicator),
            start_time=instant("start_time", start_time),
            end_time=instant("end_time", end_time),
        )


@dataclass(frozen=True, slots=True, init=False)
class RequiredBehaviour(Structure):
    """What the sender of a handshake wants from the other side (OSCP 2.0 §4.3.2).

    Attributes:
        measurement_configuration: How counters are to run, each value once; empty for no
            requirement. SolarNetwork's schema requires it, the specification does not.
        heartbeat_interval: The seconds between the heartbeats that the sender wants to receive;
            None where it wants none.

    Raises:
        InvalidValue: A value is one that the schema refuses, or could not arrive unchanged.
    """

    measurement_configuration: tuple[MeasurementConfiguration, ...]
    heartbeat_interval: float | None = None

    def __init__(
        self,
        measurement_configuration: Iterable[MeasurementConfiguration | str],
        heartbeat_interval: float | None = None,
    ) -> None:
        self._keep(
            measurement_configuration=_each_once(
                "measurement_configuration", measurement_configuration
            ),
            heartbeat_interval=None
            if heartbeat_interval is None
            else number("heartbeat_interval", heartbeat_interval),
        )


@dataclass(frozen=True, slots=True, init=False)
class EnergyMeasurement(Structure):
    """A reading of an energy counter (OSCP 2.0 §4.5.1).

    Attributes:
        value: The energy; negative ones make sense with `NET`.
        unit: `WH` or `KWH`.
        phase: The phase that was measured; `ALL` is their sum.
        direction: The way that the energy went.
        measure_time: The moment of the reading.
        energy_type: The part of the energy that was measured; None means `TOTAL`.
        initial_measure_time: Where the counting began; needed where `INTERMITTENT` is agreed on.

    Raises:
        InvalidValue: A value is one that the schema refuses, or could not arrive unchanged.
    """

    value: float
    unit: EnergyMeasurementUnit
    phase: PhaseIndicator
    direction: EnergyMeasurementDirection
    measure_time: datetime
    energy_type: EnergyType | None = None
    initial_measure_time: datetime | None = None

    _readers: ClassVar[Mapping[str, Reader]] = _MEASUREMENT_READERS

    def __init__(
        self,
        value: float,
        unit: EnergyMeasurementUnit | str,
        phase: PhaseIndicator | str,
        direction: EnergyMeasurementDirection | str,
        measure_time: datetime,
        *,
        energy_type: EnergyType | str | None = None,
        initial_measure_time: datetime | None = None,
    ) -> None:
        self._keep(
            value=number("value", value),
            unit=member("unit", unit, EnergyMeasurementUnit),
            phase=member("phase", phase, PhaseIndicator),
            direction=member("direction", direction, EnergyMeasurementDirection),
            measure_time=instant("measure_time", measure_time),
            energy_type=None
            if energy_type is None
            else member("energy_type", energy_type, EnergyType),
            initial_measure_time=None
            if initial_measure_time is None
            else instant("initial_measure_time", initial_measure_time),
        )


@dataclass(frozen=True, slots=True, init=False)
class InstantaneousMeasurement(Structure):
    """A momentary value of an asset (OSCP 2.0 §4.5.2).

    Attributes:
        value: The value; it has no direction.
        unit: The unit; `WH` and `KWH` are a storage's state of charge.
        phase: The phase that was measured; `ALL` is their sum.
        measure_time: The moment of the reading.

    Raises:
        InvalidValue: A value is one that the schema refuses, or could not arrive unchanged.
    """

    value: float
    unit: InstantaneousMeasurementUnit
    phase: PhaseIndicator
    measure_time: datetime

    _readers: ClassVar[Mapping[str, Reader]] = _MEASUREMENT_READERS

    def __init__(
        self,
        value: float,
        unit: InstantaneousMeasurementUnit | str,
        phase: PhaseIndicator | str,
        measure_time: datetime,
    ) -> None:
        self._keep(
            value=number("value", value),
            unit=member("unit", unit, InstantaneousMeasurementUnit),
            phase=member("phase", phase, PhaseIndicator),
            measure_time=instant("measure_time", measure_time),
        )


@dataclass(frozen=True, slots=True, init=False)
class AssetMeasurement(Structure):
    """What was measured at one asset (OSCP 2.0 §4.5.2).

    Attributes:
        asset_id: The asset, as the parties call it.
        asset_category: What the asset does.
        energy_measurement: A counter reading, if there is one.
        instantaneous_measurement: A momentary value, if there is one.

    Raises:
        InvalidValue: A value is one that the schema refuses, or could not arrive unchanged.
    """

    asset_id: str
    asset_category: AssetCategory
    energy_measurement: EnergyMeasurement | None = None
    instantaneous_measurement: InstantaneousMeasurement | None = None

    def __init__(
        self,
        asset_id: str,
        asset_category: AssetCategory | str,
        energy_measurement: EnergyMeasurement | None = None,
        instantaneous_measurement: InstantaneousMeasurement | None = None,
    ) -> None:
        energy, momentary = nested(EnergyMeasurement), nested(InstantaneousMeasurement)
        self._keep(
            asset_id=text("asset_id", asset_id),
            asset_category=member("asset_category", asset_category, AssetCategory),
            energy_measurement=None
            if energy_measurement is None
            else energy("energy_measurement", energy_measurement),
            instantaneous_measurement=None
            if instantaneous_measurement is None
            else momentary("instantaneous_measurement", instantaneous_measurement),
        )


def _each_once(name: str, value: object) -> tuple[MeasurementConfiguration, ...]:
    configurations = items(
        name, value, lambda place, item: member(place, item, MeasurementConfiguration)
    )
    if len(set(configurations)) < len(configurations):
        raise InvalidValue(f"/{name}", "holds a value twice", "name each value once")
    return configurations

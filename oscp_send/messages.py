"""The OSCP 2.0 messages that a SolarUser instruction can carry: typed, immutable, made from Python.

A message is checked where it is made: what the JSON Schema refuses, or what could not arrive
unchanged, is an `InvalidValue` that names the field. `oscp_send.check` judges the rest.

Enumerated values may be given as members or as their texts, lists as any iterable, data types as
mappings with their JSON values; members, tuples and data types are kept. Times are aware datetimes
and are kept in UTC, cut to milliseconds, because SolarNetwork carries nothing finer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Self

from oscp_send.values import (
    InvalidValue,
    Limits,
    Structure,
    instant,
    items,
    number,
    read_object,
    write,
)

_AT_LEAST_ONE: Final = Limits(least_items=1)
_MILLISECOND: Final = timedelta(milliseconds=1)


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
    """The way that measured energy flowed: `IMPORT`, `EXPORT`, or `NET` as their difference."""

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


@dataclass(frozen=True, slots=True, init=False)
class ForecastedBlock(Structure):
    """A capacity over an interval (OSCP 2.0 §4.4.1).

    Attributes:
        capacity: The limit, or the energy per block where the unit is `WH` or `KWH`; 0 or more,
            since the forecast's `type` gives the direction.
        end_time: Where it ends; a block that ends before it begins can be made, and
            `oscp_send.check` warns of it (rule S1).
    """

    capacity: Annotated[float, Limits(minimum=0)]
    unit: ForecastedBlockUnit
    phase: PhaseIndicator
    start_time: datetime
    end_time: datetime

    def __init__(
        self,
        capacity: float,
        unit: ForecastedBlockUnit | str,
        phase: PhaseIndicator | str,
        start_time: datetime,
        end_time: datetime,
    ) -> None:
        self._keep(capacity, unit, phase, start_time, end_time)


@dataclass(frozen=True, slots=True, init=False)
class RequiredBehaviour(Structure):
    """What the sender of a handshake wants from the other side (OSCP 2.0 §4.3.2).

    Attributes:
        measurement_configuration: How counters are to run, each value once; empty for no
            requirement. SolarNetwork's schema requires it, the specification does not.
        heartbeat_interval: The seconds between the heartbeats that the sender wants to receive;
            None for no heartbeats.
    """

    measurement_configuration: Annotated[tuple[MeasurementConfiguration, ...], Limits(unique=True)]
    heartbeat_interval: float | None = None

    def __init__(
        self,
        measurement_configuration: Iterable[MeasurementConfiguration | str],
        heartbeat_interval: float | None = None,
    ) -> None:
        self._keep(measurement_configuration, heartbeat_interval)


@dataclass(frozen=True, slots=True, init=False)
class EnergyMeasurement(Structure):
    """A reading of an energy counter (OSCP 2.0 §4.5.1).

    Attributes:
        value: The energy; negative ones make sense with `NET`.
        measure_time: The moment of the reading.
        energy_type: The part of the energy that was measured; None means `TOTAL`.
        initial_measure_time: Where the counting began; needed where `INTERMITTENT` is agreed on.
    """

    value: float
    unit: EnergyMeasurementUnit
    phase: PhaseIndicator
    direction: EnergyMeasurementDirection
    measure_time: datetime
    energy_type: EnergyType | None = None
    initial_measure_time: datetime | None = None

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
        self._keep(value, unit, phase, direction, measure_time, energy_type, initial_measure_time)


@dataclass(frozen=True, slots=True, init=False)
class InstantaneousMeasurement(Structure):
    """A momentary value of an asset, which has no direction (OSCP 2.0 §4.5.2)."""

    value: float
    unit: InstantaneousMeasurementUnit
    phase: PhaseIndicator
    measure_time: datetime

    def __init__(
        self,
        value: float,
        unit: InstantaneousMeasurementUnit | str,
        phase: PhaseIndicator | str,
        measure_time: datetime,
    ) -> None:
        self._keep(value, unit, phase, measure_time)


@dataclass(frozen=True, slots=True, init=False)
class AssetMeasurement(Structure):
    """What was measured at one asset: a counter reading, a momentary value (OSCP 2.0 §4.5.2)."""

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
        self._keep(asset_id, asset_category, energy_measurement, instantaneous_measurement)


@dataclass(frozen=True, slots=True)
class Message(Structure):
    """The base of the OSCP messages; `action` is the instruction's parameter of that name."""

    action: ClassVar[str]

    def to_json(self) -> str:
        """Return the message as compact ASCII JSON, the shortest that can be sent."""
        return write(self)

    @classmethod
    def from_json(cls, content: str | bytes) -> Self:
        """Make a message from JSON text.

        Raises:
            InvalidValue: It is not JSON, not an object, or `from_dict` refuses it.
        """
        return cls.from_dict(read_object(content))


@dataclass(frozen=True, slots=True, init=False)
class _GroupCapacityForecast(Message):
    """A forecast of the capacity of a group: the same fields for two actions (OSCP 2.0 §4.4)."""

    group_id: str
    type: CapacityForecastType
    forecasted_blocks: Annotated[tuple[ForecastedBlock, ...], _AT_LEAST_ONE]

    def __init__(
        self,
        group_id: str,
        type: CapacityForecastType | str,  # noqa: A002 - the protocol's own word
        forecasted_blocks: Iterable[ForecastedBlock],
    ) -> None:
        self._keep(group_id, type, forecasted_blocks)

    @classmethod
    def from_capacities(
        cls,
        group_id: str,
        type: CapacityForecastType | str,  # noqa: A002 - the protocol's own word
        start: datetime,
        step: timedelta,
        capacities: Iterable[float],
        *,
        unit: ForecastedBlockUnit | str = ForecastedBlockUnit.KW,
        phase: PhaseIndicator | str = PhaseIndicator.ALL,
        end: datetime | None = None,
    ) -> Self:
        """Make a forecast from a start, a step and a list of capacities.

        See `oscp_send.forecasted_blocks` for the arguments and for days on which the clocks change.
        """
        blocks = forecasted_blocks(start, step, capacities, unit=unit, phase=phase, end=end)
        return cls(group_id, type, blocks)


@dataclass(frozen=True, slots=True, init=False)
class AdjustGroupCapacityForecast(_GroupCapacityForecast):
    """Ask the Capacity Provider for other capacities than it forecast (OSCP 2.0 §4.4.2).

    Attributes:
        group_id: The Capacity Group; must be the instruction's `cgIdentifier`.
        forecasted_blocks: The capacities asked for, at least one block.
    """

    action: ClassVar[str] = "AdjustGroupCapacityForecast"


@dataclass(frozen=True, slots=True, init=False)
class UpdateGroupCapacityForecast(_GroupCapacityForecast):
    """State the forecast of a group's capacity, at least one block (OSCP 2.0 §4.4.1).

    SolarNetwork queues such an instruction and declines it on delivery (as observed).
    """

    action: ClassVar[str] = "UpdateGroupCapacityForecast"


@dataclass(frozen=True, slots=True, init=False)
class GroupCapacityComplianceError(Message):
    """Inform the Capacity Provider that a group cannot comply with a forecast (OSCP 2.0 §4.4.3).

    Neither the group nor the forecast is named in it: send it with the correlation id.

    Attributes:
        forecasted_blocks: The blocks that cannot be complied with, at least one; None to name none.
    """

    action: ClassVar[str] = "GroupCapacityComplianceError"

    message: str
    forecasted_blocks: Annotated[tuple[ForecastedBlock, ...], _AT_LEAST_ONE] | None = None

    def __init__(
        self, message: str, forecasted_blocks: Iterable[ForecastedBlock] | None = None
    ) -> None:
        self._keep(message, forecasted_blocks)


@dataclass(frozen=True, slots=True, init=False)
class Handshake(Message):
    """Open the exchange with the Capacity Provider (OSCP 2.0 §4.3.2).

    Attributes:
        required_behaviour: What is wanted from the other side; None to ask for nothing, which
            passes the schema but is refused by a SolarNetwork endpoint.
    """

    action: ClassVar[str] = "Handshake"

    required_behaviour: RequiredBehaviour | None = None

    def __init__(self, required_behaviour: RequiredBehaviour | None = None) -> None:
        self._keep(required_behaviour)


@dataclass(frozen=True, slots=True, init=False)
class UpdateGroupMeasurements(Message):
    """Report the energy measured at a group (OSCP 2.0 §4.5.1).

    The specification allows a report without measurements, SolarNetwork's schema does not.
    """

    action: ClassVar[str] = "UpdateGroupMeasurements"

    group_id: str
    measurements: Annotated[tuple[EnergyMeasurement, ...], _AT_LEAST_ONE]

    def __init__(self, group_id: str, measurements: Iterable[EnergyMeasurement]) -> None:
        self._keep(group_id, measurements)


@dataclass(frozen=True, slots=True, init=False)
class UpdateAssetMeasurement(Message):
    """Report what was measured at the assets of a group, at least one (OSCP 2.0 §4.5.2).

    SolarNetwork declines every such instruction (as observed).
    """

    action: ClassVar[str] = "UpdateAssetMeasurement"

    group_id: str
    measurements: Annotated[tuple[AssetMeasurement, ...], _AT_LEAST_ONE]

    def __init__(self, group_id: str, measurements: Iterable[AssetMeasurement]) -> None:
        self._keep(group_id, measurements)


#: The class of each action that an instruction can carry.
MESSAGES: Final[Mapping[str, type[Message]]] = MappingProxyType(
    {
        kind.action: kind
        for kind in (
            AdjustGroupCapacityForecast,
            GroupCapacityComplianceError,
            Handshake,
            UpdateAssetMeasurement,
            UpdateGroupCapacityForecast,
            UpdateGroupMeasurements,
        )
    }
)


def read_message(action: str, content: Mapping[str, object] | str | bytes) -> Message:
    """Make the message of an action from its JSON values or its JSON text.

    Raises:
        InvalidValue: The action is unknown, or the content is not its message.
    """
    kind = MESSAGES.get(action)
    if kind is None:
        raise InvalidValue("/action", f'"{action}" is not one of {", ".join(MESSAGES)}')
    return kind.from_json(content) if isinstance(content, str | bytes) else kind.from_dict(content)


def wire_text(message: Message | Mapping[str, object] | str) -> str:
    """Return the text to send for a message in any of its forms.

    A typed message and a mapping are written as compact ASCII JSON, times in UTC with none or
    exactly three fraction digits. A text is sent as it is.

    Raises:
        InvalidValue: A mapping holds something that JSON cannot; the pointer names it.
    """
    return message if isinstance(message, str) else write(message)


def forecasted_blocks(
    start: datetime,
    step: timedelta,
    capacities: Iterable[float],
    *,
    unit: ForecastedBlockUnit | str = ForecastedBlockUnit.KW,
    phase: PhaseIndicator | str = PhaseIndicator.ALL,
    end: datetime | None = None,
) -> tuple[ForecastedBlock, ...]:
    """Make blocks of equal length that follow one another without a gap.

    Steps are counted in elapsed time, so that a day on which the clocks change has 23 or 25 hours:
    92 or 100 quarter hours from one local midnight to the next (OSCP rule S4).

    Args:
        start: Where the first block begins, as an aware datetime; `fold` chooses between the two
            instants of an hour that the clocks repeat.
        step: The length of each block, in whole milliseconds.
        capacities: The capacity of each block, at least one.
        unit: The unit of the capacities; kilowatt unless given.
        phase: The phase that they belong to; the sum of all unless given.
        end: Where the last block is expected to end, such as the next local midnight. With it, a
            day that has more or fewer steps than there are capacities is refused.

    Raises:
        InvalidValue: A value is unusable, or the last block does not end at `end`.
    """
    if not isinstance(step, timedelta) or step <= timedelta(0) or step % _MILLISECOND:
        raise InvalidValue(
            "/step",
            f"{step!r} is not a positive number of milliseconds",
            "give timedelta(minutes=15)",
        )
    first = instant("start", start)
    given = items("capacities", capacities, partial(number, minimum=0), at_least=1)
    if end is not None:
        _require_fill(first, instant("end", end), step, len(given))
    try:
        # In UTC: adding a step to a local time would follow the local clock.
        times = [first + index * step for index in range(len(given) + 1)]
    except OverflowError:
        raise InvalidValue("/capacities", "the last block would end after the year 9999") from None
    return tuple(
        ForecastedBlock(capacity, unit, phase, begins, ends)
        for capacity, begins, ends in zip(given, times, times[1:], strict=False)
    )


def _require_fill(start: datetime, end: datetime, step: timedelta, count: int) -> None:
    needed, rest = divmod(end - start, step)
    if rest or needed <= 0:
        raise InvalidValue(
            "/end", f"{end - start} from start to end is not a whole number of steps of {step}"
        )
    if needed != count:
        raise InvalidValue(
            "/capacities",
            f"{count} given, but {needed} steps of {step} lie between start and end",
            "a day on which the clocks change has 23 or 25 hours",
        )

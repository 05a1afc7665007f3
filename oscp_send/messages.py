"""The OSCP 2.0 messages that a SolarUser instruction can carry: typed, immutable, made from Python.

A message is checked where it is made: what the JSON Schema refuses, or what could not arrive
unchanged, is an `InvalidValue` that names the field. `oscp_send.check` judges the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from numbers import Real
from types import MappingProxyType
from typing import Any, ClassVar, Final, NoReturn, Self, TypeVar

from oscp_send.values import (
    InvalidValue,
    instant,
    instant_of_text,
    items,
    member,
    number,
    text,
    write_instant,
)

__all__ = [
    "MESSAGES",
    "AdjustGroupCapacityForecast",
    "AssetCategory",
    "AssetMeasurement",
    "CapacityForecastType",
    "EnergyMeasurement",
    "EnergyMeasurementDirection",
    "EnergyMeasurementUnit",
    "EnergyType",
    "ForecastedBlock",
    "ForecastedBlockUnit",
    "GroupCapacityComplianceError",
    "Handshake",
    "InstantaneousMeasurement",
    "InstantaneousMeasurementUnit",
    "MeasurementConfiguration",
    "Message",
    "PhaseIndicator",
    "RequiredBehaviour",
    "Structure",
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
    "forecasted_blocks",
    "nested",
    "read_message",
    "read_object",
    "wire_text",
    "write",
]


# § The enumerations of OSCP 2.0, upper case as they are on the wire.


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


# § What every OSCP message and data type has in common: immutable, and JSON in and out.

Reader = Callable[[str, object], object]
S = TypeVar("S", bound="Structure")


@dataclass(frozen=True, slots=True)
class Structure:
    """The base of messages and of the types below them."""

    #: How to turn a JSON value into the Python value of a field, where it is not the same.
    _readers: ClassVar[Mapping[str, Reader]] = {}

    def to_dict(self) -> dict[str, Any]:
        """Answers with the JSON values as they are on the wire; absent ones are left out."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _written(value) for name, value in values if value is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, object]) -> Self:
        """Makes one from JSON values.

        Properties that OSCP 2.0 does not know are passed over, as SolarNetwork does.

        Raises:
            InvalidValue: A property is missing, null, or unusable; the pointer names it.
        """
        if not isinstance(value, Mapping):
            raise InvalidValue("", f"an object is expected, not {type(value).__name__}")
        read: dict[str, Any] = {name: cls._read(name, value[name]) for name in cls._named(value)}
        return cls(**read)

    @classmethod
    def _named(cls, value: Mapping[str, object]) -> list[str]:
        known = fields(cls)
        for field in known:
            optional = field.default is not MISSING or field.default_factory is not MISSING
            if field.name not in value and not optional:
                raise InvalidValue(f"/{field.name}", "is missing")
        return [field.name for field in known if field.name in value]

    @classmethod
    def _read(cls, name: str, value: object) -> object:
        if value is None:
            raise InvalidValue(f"/{name}", "null is refused", "leave an absent property out")
        reader = cls._readers.get(name)
        return value if reader is None else reader(name, value)

    def _keep(self, **values: object) -> None:
        """Sets the fields, once, of an object that refuses to be changed afterwards."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def nested(kind: type[S]) -> Callable[[str, object], S]:
    """Answers with a reader that takes an object of a kind, or a mapping with its JSON values."""

    def read(name: str, value: object) -> S:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            found = "None" if value is None else type(value).__name__
            raise InvalidValue(f"/{name}", f"{kind.__name__} is expected, not {found}")
        try:
            return kind.from_dict(value)
        except InvalidValue as error:
            raise error.inside(f"/{name}") from None

    return read


def _written(value: object) -> object:
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return str(value) if isinstance(value, str) else value


# § The OSCP 2.0 data types that messages are made of.
#
# Enumerated values may be given as members or as their texts, lists as any iterable; what is kept
# is members and tuples. Times are aware datetimes and are kept in UTC, cut to milliseconds,
# because SolarNetwork carries nothing finer.

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


# § JSON text as this package reads and writes it: compact, ASCII, and nothing lost in silence.


def write(value: object) -> str:
    """Writes a value as compact ASCII JSON.

    Mappings with text keys, lists, tuples, texts, plain numbers, booleans and None are written as
    JSON does; aware datetimes in UTC with none or exactly three fraction digits, cut to
    milliseconds; OSCP messages and data types as their `to_dict`.

    Raises:
        InvalidValue: There is anything else in it; the pointer names the place.
    """
    try:
        return json.dumps(_plain("", value), separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise InvalidValue("", "the value is nested too deep, or holds itself") from None


def read_object(content: str | bytes) -> dict[str, Any]:
    """Reads JSON text that holds one object; of a repeated key, the last value counts.

    Raises:
        InvalidValue: It is not UTF-8, or not JSON, or no object; line and column are named.
    """
    try:
        value = json.loads(_decoded(content), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidValue("", f"the text is not JSON ({where}): {error.msg}") from None
    except InvalidValue:
        raise
    except ValueError:
        raise InvalidValue("", "a number in the JSON has too many digits") from None
    except RecursionError:
        raise InvalidValue("", "the JSON is nested too deep") from None
    if not isinstance(value, dict):
        raise InvalidValue("", f"a JSON object is expected, not {type(value).__name__}")
    return value


def _decoded(content: str | bytes) -> str:
    try:
        return content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as error:
        raise InvalidValue("", f"the text is not UTF-8 from byte {error.start} on") from None


def _no_constant(name: str) -> NoReturn:
    raise InvalidValue("", f"the text is not JSON: {name} is no JSON number")


def _plain(pointer: str, value: object) -> object:
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {
            _key(pointer, key): _plain(f"{pointer}/{_escaped(key)}", item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(f"{pointer}/{index}", item) for index, item in enumerate(value)]
    if isinstance(value, datetime):
        return write_instant(instant(pointer.lstrip("/"), value))
    if value is None or isinstance(value, bool):
        return value
    return _scalar(pointer, value)


def _scalar(pointer: str, value: object) -> object:
    if isinstance(value, str):
        return text(pointer.lstrip("/"), value)
    if isinstance(value, Real):
        return number(pointer.lstrip("/"), value)
    raise InvalidValue(
        pointer, f"{type(value).__name__} cannot be written as JSON", "give a plain Python value"
    )


def _key(pointer: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidValue(pointer, f"the key {key!r} is no text", "JSON knows only text as keys")
    return text(f"{pointer.lstrip('/')}/{_escaped(key)}".lstrip("/"), key)


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


# § Forecasted blocks from a start, a step and a list of capacities.

_MILLISECOND = timedelta(milliseconds=1)


def forecasted_blocks(
    start: datetime,
    step: timedelta,
    capacities: Iterable[float],
    *,
    unit: ForecastedBlockUnit | str = ForecastedBlockUnit.KW,
    phase: PhaseIndicator | str = PhaseIndicator.ALL,
    end: datetime | None = None,
) -> tuple[ForecastedBlock, ...]:
    """Builds blocks of equal length that follow one another without a gap.

    Steps are counted in elapsed time, so that a day on which the clocks change has 23 or 25 hours:
    92 or 100 quarter hours from one local midnight to the next (OSCP rule S4).

    Args:
        start: Where the first block begins, as an aware datetime; `fold` chooses between the two
            instants of an hour that the clocks repeat.
        step: The length of each block, in whole milliseconds.
        capacities: The capacity of each block, at least one.
        unit: The unit of the capacities; kilowatt unless given.
        phase: The phase that they belong to; the sum of all unless given.
        end: Where the last block is expected to end, such as the next local midnight. Give it to
            be told of a day that has more or fewer steps than there are capacities.

    Raises:
        InvalidValue: A value is unusable, or the last block does not end at `end`.
    """
    if not isinstance(step, timedelta) or step <= timedelta(0) or step % _MILLISECOND:
        raise InvalidValue(
            "/step", f"{step!r} is no positive number of milliseconds", "give timedelta(minutes=15)"
        )
    first = instant("start", start)
    given = items("capacities", capacities, lambda n, v: number(n, v, minimum=0), at_least=1)
    if end is not None:
        _fills(first, instant("end", end), step, len(given))
    try:
        # In UTC: adding a step to a local time would follow the clock on the wall.
        times = [first + index * step for index in range(len(given) + 1)]
    except OverflowError:
        raise InvalidValue("/capacities", "the last block would end after the year 9999") from None
    return tuple(
        ForecastedBlock(capacity, unit, phase, begins, ends)
        for capacity, begins, ends in zip(given, times, times[1:], strict=False)
    )


def _fills(start: datetime, end: datetime, step: timedelta, count: int) -> None:
    needed, rest = divmod(end - start, step)
    if rest or needed <= 0:
        raise InvalidValue(
            "/end", f"{end - start} from start to end is no whole number of steps of {step}"
        )
    if needed != count:
        raise InvalidValue(
            "/capacities",
            f"{count} given, but {needed} steps of {step} lie between start and end",
            "a day on which the clocks change has 23 or 25 hours",
        )


@dataclass(frozen=True, slots=True)
class Message(Structure):
    """The base of the OSCP messages.

    Attributes:
        action: The OSCP message name, the instruction's `action` parameter.
    """

    action: ClassVar[str]

    def to_json(self) -> str:
        """Answers with the message as compact ASCII JSON, the shortest that can be sent."""
        return write(self.to_dict())

    @classmethod
    def from_json(cls, content: str | bytes) -> Self:
        """Makes a message from JSON text.

        Raises:
            InvalidValue: It is not JSON, or not an object, or `from_dict` refuses it.
        """
        return cls.from_dict(read_object(content))


@dataclass(frozen=True, slots=True, init=False)
class _GroupCapacityForecast(Message):
    """A forecast of the capacity of a group: one shape under two names (OSCP 2.0 §4.4)."""

    group_id: str
    type: CapacityForecastType
    forecasted_blocks: tuple[ForecastedBlock, ...]

    def __init__(
        self,
        group_id: str,
        type: CapacityForecastType | str,  # noqa: A002 - the protocol's own word
        forecasted_blocks: Iterable[ForecastedBlock],
    ) -> None:
        self._keep(
            group_id=text("group_id", group_id),
            type=member("type", type, CapacityForecastType),
            forecasted_blocks=items(
                "forecasted_blocks", forecasted_blocks, nested(ForecastedBlock), at_least=1
            ),
        )

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
        """Makes a forecast from a start, a step and a list of capacities.

        See `oscp_send.forecast.forecasted_blocks` for the arguments and for days on which the
        clocks change.
        """
        blocks = forecasted_blocks(start, step, capacities, unit=unit, phase=phase, end=end)
        return cls(group_id, type, blocks)


@dataclass(frozen=True, slots=True, init=False)
class AdjustGroupCapacityForecast(_GroupCapacityForecast):
    """Asks the Capacity Provider for other capacities than it forecast (OSCP 2.0 §4.4.2).

    Attributes:
        group_id: The Capacity Group; must be the instruction's `cgIdentifier`.
        type: What the capacities limit.
        forecasted_blocks: The capacities asked for, at least one block.
    """

    action: ClassVar[str] = "AdjustGroupCapacityForecast"


@dataclass(frozen=True, slots=True, init=False)
class UpdateGroupCapacityForecast(_GroupCapacityForecast):
    """States the forecast of a group's capacity (OSCP 2.0 §4.4.1).

    SolarNetwork queues such an instruction and declines it on delivery (as observed).

    Attributes:
        group_id: The Capacity Group.
        type: What the capacities limit.
        forecasted_blocks: The forecast, at least one block.
    """

    action: ClassVar[str] = "UpdateGroupCapacityForecast"


@dataclass(frozen=True, slots=True, init=False)
class GroupCapacityComplianceError(Message):
    """Tells the Capacity Provider that a group cannot comply with a forecast (OSCP 2.0 §4.4.3).

    Neither the group nor the forecast is named in it: send it with the correlation id.

    Attributes:
        message: What is the matter, in words.
        forecasted_blocks: The blocks that cannot be complied with, at least one; None to name none.
    """

    action: ClassVar[str] = "GroupCapacityComplianceError"

    message: str
    forecasted_blocks: tuple[ForecastedBlock, ...] | None = None

    def __init__(
        self, message: str, forecasted_blocks: Iterable[ForecastedBlock] | None = None
    ) -> None:
        self._keep(
            message=text("message", message),
            forecasted_blocks=None
            if forecasted_blocks is None
            else items("forecasted_blocks", forecasted_blocks, nested(ForecastedBlock), at_least=1),
        )


@dataclass(frozen=True, slots=True, init=False)
class Handshake(Message):
    """Opens the talk with the Capacity Provider (OSCP 2.0 §4.3.2).

    Attributes:
        required_behaviour: What is wanted from the other side; None to ask for nothing, which
            passes the schema and which a SolarNetwork endpoint refuses nevertheless.
    """

    action: ClassVar[str] = "Handshake"

    required_behaviour: RequiredBehaviour | None = None

    def __init__(self, required_behaviour: RequiredBehaviour | None = None) -> None:
        read = nested(RequiredBehaviour)
        self._keep(
            required_behaviour=None
            if required_behaviour is None
            else read("required_behaviour", required_behaviour)
        )


@dataclass(frozen=True, slots=True, init=False)
class UpdateGroupMeasurements(Message):
    """Reports the energy measured at a group (OSCP 2.0 §4.5.1).

    Attributes:
        group_id: The Capacity Group.
        measurements: The readings; the specification allows none, SolarNetwork's schema wants one.
    """

    action: ClassVar[str] = "UpdateGroupMeasurements"

    group_id: str
    measurements: tuple[EnergyMeasurement, ...]

    def __init__(self, group_id: str, measurements: Iterable[EnergyMeasurement]) -> None:
        self._keep(
            group_id=text("group_id", group_id),
            measurements=items("measurements", measurements, nested(EnergyMeasurement), at_least=1),
        )


@dataclass(frozen=True, slots=True, init=False)
class UpdateAssetMeasurement(Message):
    """Reports what was measured at the assets of a group (OSCP 2.0 §4.5.2).

    SolarNetwork declines every such instruction (as observed).

    Attributes:
        group_id: The Capacity Group.
        measurements: What was measured, at least one asset.
    """

    action: ClassVar[str] = "UpdateAssetMeasurement"

    group_id: str
    measurements: tuple[AssetMeasurement, ...]

    def __init__(self, group_id: str, measurements: Iterable[AssetMeasurement]) -> None:
        self._keep(
            group_id=text("group_id", group_id),
            measurements=items("measurements", measurements, nested(AssetMeasurement), at_least=1),
        )


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
    """Makes the message of an action from its JSON values or its JSON text.

    Raises:
        InvalidValue: There is no such action, or the content is no such message.
    """
    kind = MESSAGES.get(action)
    if kind is None:
        raise InvalidValue("/action", f'"{action}" is not one of {", ".join(MESSAGES)}')
    return kind.from_json(content) if isinstance(content, str | bytes) else kind.from_dict(content)


def wire_text(message: Message | Mapping[str, object] | str) -> str:
    """Answers with the text to send for a message in any of its forms.

    A typed message and a mapping are written as compact ASCII JSON, times in UTC with none or
    exactly three fraction digits. A text is sent as it is.

    Raises:
        InvalidValue: A mapping holds something that JSON cannot; the pointer names it.
    """
    return message if isinstance(message, str) else write(message)

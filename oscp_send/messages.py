"""The OSCP 2.0 messages that a SolarUser instruction can carry: typed, immutable, made from Python.

A message is checked where it is made: what the JSON Schema refuses, or what could not arrive
unchanged, is an `InvalidValue` that names the field. `oscp_send.check` judges the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Self

from oscp_send.data_types import (
    AssetMeasurement,
    EnergyMeasurement,
    ForecastedBlock,
    InstantaneousMeasurement,
    RequiredBehaviour,
)
from oscp_send.enumerations import (
    AssetCategory,
    CapacityForecastType,
    EnergyMeasurementDirection,
    EnergyMeasurementUnit,
    EnergyType,
    ForecastedBlockUnit,
    InstantaneousMeasurementUnit,
    MeasurementConfiguration,
    PhaseIndicator,
)
from oscp_send.errors import InvalidValue
from oscp_send.fields import items, member, text
from oscp_send.forecast import forecasted_blocks as build_blocks
from oscp_send.structure import Structure, nested
from oscp_send.wire import read_object, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

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
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
    "read_message",
    "wire_text",
]


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
        blocks = build_blocks(start, step, capacities, unit=unit, phase=phase, end=end)
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

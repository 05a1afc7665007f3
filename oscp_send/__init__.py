"""Build, check, sign and send OSCP 2.0 messages through SolarNetwork's SolarUser API.

Names are imported when they are first used, so that `import oscp_send` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oscp_send.check import check
    from oscp_send.check_request import check_request
    from oscp_send.client import SolarUserClient
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
    from oscp_send.errors import (
        DeadlinePassed,
        InstructionDeclined,
        InvalidMessage,
        InvalidValue,
        NotAuthorised,
        NotUnderstood,
        OscpSendError,
        PossiblySent,
        RateLimited,
        Refused,
        SettingsError,
        Unreachable,
    )
    from oscp_send.findings import Finding, Judgement
    from oscp_send.forecast import forecasted_blocks
    from oscp_send.instruction import Instruction
    from oscp_send.instruction_status import InstructionState, InstructionStatus
    from oscp_send.messages import (
        AdjustGroupCapacityForecast,
        GroupCapacityComplianceError,
        Handshake,
        Message,
        UpdateAssetMeasurement,
        UpdateGroupCapacityForecast,
        UpdateGroupMeasurements,
        read_message,
        wire_text,
    )
    from oscp_send.secret import Secret
    from oscp_send.settings import Settings, load_settings
    from oscp_send.snws2 import SNWS2Auth

__all__ = [
    "AdjustGroupCapacityForecast",
    "AssetCategory",
    "AssetMeasurement",
    "CapacityForecastType",
    "DeadlinePassed",
    "EnergyMeasurement",
    "EnergyMeasurementDirection",
    "EnergyMeasurementUnit",
    "EnergyType",
    "Finding",
    "ForecastedBlock",
    "ForecastedBlockUnit",
    "GroupCapacityComplianceError",
    "Handshake",
    "InstantaneousMeasurement",
    "InstantaneousMeasurementUnit",
    "Instruction",
    "InstructionDeclined",
    "InstructionState",
    "InstructionStatus",
    "InvalidMessage",
    "InvalidValue",
    "Judgement",
    "MeasurementConfiguration",
    "Message",
    "NotAuthorised",
    "NotUnderstood",
    "OscpSendError",
    "PhaseIndicator",
    "PossiblySent",
    "RateLimited",
    "Refused",
    "RequiredBehaviour",
    "SNWS2Auth",
    "Secret",
    "Settings",
    "SettingsError",
    "SolarUserClient",
    "Unreachable",
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
    "check",
    "check_request",
    "forecasted_blocks",
    "load_settings",
    "read_message",
    "wire_text",
]

_HOMES: Final = MappingProxyType(
    {
        "AdjustGroupCapacityForecast": "messages",
        "AssetCategory": "enumerations",
        "AssetMeasurement": "data_types",
        "CapacityForecastType": "enumerations",
        "DeadlinePassed": "errors",
        "EnergyMeasurement": "data_types",
        "EnergyMeasurementDirection": "enumerations",
        "EnergyMeasurementUnit": "enumerations",
        "EnergyType": "enumerations",
        "Finding": "findings",
        "ForecastedBlock": "data_types",
        "ForecastedBlockUnit": "enumerations",
        "GroupCapacityComplianceError": "messages",
        "Handshake": "messages",
        "InstantaneousMeasurement": "data_types",
        "InstantaneousMeasurementUnit": "enumerations",
        "Instruction": "instruction",
        "InstructionDeclined": "errors",
        "InstructionState": "instruction_status",
        "InstructionStatus": "instruction_status",
        "InvalidMessage": "errors",
        "InvalidValue": "errors",
        "Judgement": "findings",
        "MeasurementConfiguration": "enumerations",
        "Message": "messages",
        "NotAuthorised": "errors",
        "NotUnderstood": "errors",
        "OscpSendError": "errors",
        "PhaseIndicator": "enumerations",
        "PossiblySent": "errors",
        "RateLimited": "errors",
        "Refused": "errors",
        "RequiredBehaviour": "data_types",
        "SNWS2Auth": "snws2",
        "Secret": "secret",
        "Settings": "settings",
        "SettingsError": "errors",
        "SolarUserClient": "client",
        "Unreachable": "errors",
        "UpdateAssetMeasurement": "messages",
        "UpdateGroupCapacityForecast": "messages",
        "UpdateGroupMeasurements": "messages",
        "check": "check",
        "check_request": "check_request",
        "forecasted_blocks": "forecast",
        "load_settings": "settings",
        "read_message": "messages",
        "wire_text": "messages",
    }
)


class _Package(ModuleType):
    """This package, in which `check` and `check_request` are always the functions.

    The import system sets a submodule as an attribute of its package, which would put the module
    `oscp_send.check` in the function's place, depending on who imported what first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in {"check", "check_request"} and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

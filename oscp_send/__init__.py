"""Build, check, sign and send OSCP 2.0 messages through SolarNetwork's SolarUser API.

Names are imported when they are first used, so that `import oscp_send` costs nothing. The imports
for type checkers and the mapping below say the same; a test holds them equal.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oscp_send.async_client import AsyncSolarUserClient as AsyncSolarUserClient
    from oscp_send.async_client import SNWS2HttpxAuth as SNWS2HttpxAuth
    from oscp_send.client import SolarUserClient as SolarUserClient
    from oscp_send.errors import DeadlinePassed as DeadlinePassed
    from oscp_send.errors import InstructionDeclined as InstructionDeclined
    from oscp_send.errors import InvalidMessage as InvalidMessage
    from oscp_send.errors import NotAuthorised as NotAuthorised
    from oscp_send.errors import NotUnderstood as NotUnderstood
    from oscp_send.errors import PossiblySent as PossiblySent
    from oscp_send.errors import RateLimited as RateLimited
    from oscp_send.errors import Refused as Refused
    from oscp_send.errors import SettingsError as SettingsError
    from oscp_send.errors import Unreachable as Unreachable
    from oscp_send.errors import possibly_sent as possibly_sent
    from oscp_send.findings import Finding as Finding
    from oscp_send.findings import Judgement as Judgement
    from oscp_send.instruction import Instruction as Instruction
    from oscp_send.instruction import InstructionState as InstructionState
    from oscp_send.instruction import InstructionStatus as InstructionStatus
    from oscp_send.judgement import check as check
    from oscp_send.messages import AdjustGroupCapacityForecast as AdjustGroupCapacityForecast
    from oscp_send.messages import AssetCategory as AssetCategory
    from oscp_send.messages import AssetMeasurement as AssetMeasurement
    from oscp_send.messages import CapacityForecastType as CapacityForecastType
    from oscp_send.messages import EnergyMeasurement as EnergyMeasurement
    from oscp_send.messages import EnergyMeasurementDirection as EnergyMeasurementDirection
    from oscp_send.messages import EnergyMeasurementUnit as EnergyMeasurementUnit
    from oscp_send.messages import EnergyType as EnergyType
    from oscp_send.messages import ForecastedBlock as ForecastedBlock
    from oscp_send.messages import ForecastedBlockUnit as ForecastedBlockUnit
    from oscp_send.messages import GroupCapacityComplianceError as GroupCapacityComplianceError
    from oscp_send.messages import Handshake as Handshake
    from oscp_send.messages import InstantaneousMeasurement as InstantaneousMeasurement
    from oscp_send.messages import InstantaneousMeasurementUnit as InstantaneousMeasurementUnit
    from oscp_send.messages import MeasurementConfiguration as MeasurementConfiguration
    from oscp_send.messages import Message as Message
    from oscp_send.messages import PhaseIndicator as PhaseIndicator
    from oscp_send.messages import RequiredBehaviour as RequiredBehaviour
    from oscp_send.messages import UpdateAssetMeasurement as UpdateAssetMeasurement
    from oscp_send.messages import UpdateGroupCapacityForecast as UpdateGroupCapacityForecast
    from oscp_send.messages import UpdateGroupMeasurements as UpdateGroupMeasurements
    from oscp_send.messages import forecasted_blocks as forecasted_blocks
    from oscp_send.messages import read_message as read_message
    from oscp_send.messages import wire_text as wire_text
    from oscp_send.queue_size import split_to_fit as split_to_fit
    from oscp_send.request_judgement import check_request as check_request
    from oscp_send.settings import Secret as Secret
    from oscp_send.settings import Settings as Settings
    from oscp_send.settings import load_settings as load_settings
    from oscp_send.snws2 import SNWS2Auth as SNWS2Auth
    from oscp_send.values import InvalidValue as InvalidValue
    from oscp_send.values import OscpSendError as OscpSendError

#: The public names of each module.
_NAMES: Final = MappingProxyType(
    {
        "client": "SolarUserClient",
        "errors": (
            "DeadlinePassed InstructionDeclined InvalidMessage NotAuthorised NotUnderstood "
            "PossiblySent RateLimited Refused SettingsError Unreachable possibly_sent"
        ),
        "findings": "Finding Judgement",
        "instruction": "Instruction InstructionState InstructionStatus",
        "judgement": "check",
        "messages": (
            "AdjustGroupCapacityForecast AssetCategory AssetMeasurement CapacityForecastType "
            "EnergyMeasurement EnergyMeasurementDirection EnergyMeasurementUnit EnergyType "
            "ForecastedBlock ForecastedBlockUnit GroupCapacityComplianceError Handshake "
            "InstantaneousMeasurement InstantaneousMeasurementUnit MeasurementConfiguration "
            "Message PhaseIndicator RequiredBehaviour UpdateAssetMeasurement "
            "UpdateGroupCapacityForecast UpdateGroupMeasurements forecasted_blocks read_message "
            "wire_text"
        ),
        "queue_size": "split_to_fit",
        "request_judgement": "check_request",
        "settings": "Secret Settings load_settings",
        "snws2": "SNWS2Auth",
        "values": "InvalidValue OscpSendError",
    }
)
_HOMES: Final = MappingProxyType(
    dict(sorted((name, home) for home, names in _NAMES.items() for name in names.split()))
)

#: Those that need the extra `async`: who asks for all names may be without it.
_WITH_HTTPX: Final = MappingProxyType(
    {"AsyncSolarUserClient": "async_client", "SNWS2HttpxAuth": "async_client"}
)

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name) or _WITH_HTTPX.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Where below its base URL an external system is sent each message (OSCP dossier §1.2 and §5.9)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.world import CapacityOptimizer, CapacityProvider

__all__ = ["PATHS", "configured_path", "path_to"]

#: The standard paths, by action.
PATHS: Mapping[str, str] = MappingProxyType(
    {
        "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
        "GroupCapacityComplianceError": "/group_capacity_compliance_error",
        "Handshake": "/handshake",
        "HandshakeAcknowledge": "/handshake_acknowledge",
        "Heartbeat": "/heartbeat",
        "Register": "/register",
        "UpdateAssetMeasurement": "/update_asset_measurements",
        "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
        "UpdateGroupMeasurements": "/update_group_measurements",
    }
)
# The action is in the singular, the key for it in the plural (OSCP dossier §1.2).
_KEYS: Mapping[str, str] = MappingProxyType({"UpdateAssetMeasurement": "UpdateAssetMeasurements"})
_NOT_CUSTOMISABLE = frozenset({"Handshake"})


def path_to(system: CapacityProvider | CapacityOptimizer, action: str) -> str:
    """Answers with the path of a message, which is put right behind a system's base URL.

    Not of one that comes from an instruction: there `url-paths` has another effect, or none.

    Args:
        system: Whom the message is for; its service property `url-paths` counts.
        action: The OSCP message name.
    """
    configured = None if action in _NOT_CUSTOMISABLE else configured_path(system, action)
    return PATHS[action] if configured is None else configured


def configured_path(system: CapacityProvider | CapacityOptimizer, action: str) -> str | None:
    """Answers with the path that the service property `url-paths` gives a message, if any.

    What is no text there counts for nothing (inferred).
    """
    configured = (system.service_props or {}).get("url-paths")
    path = configured.get(_KEYS.get(action, action)) if isinstance(configured, Mapping) else None
    return path if isinstance(path, str) else None

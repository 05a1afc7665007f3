"""The messages of OSCP 2.0, and the path of each below its receiver's base URL."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PATHS", "alternative_paths"]

# The action of asset measurements is singular, its path is plural (OSCP dossier §1.2).
PATHS: Mapping[str, str] = MappingProxyType(
    {
        "Register": "/register",
        "Handshake": "/handshake",
        "HandshakeAcknowledge": "/handshake_acknowledge",
        "Heartbeat": "/heartbeat",
        "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
        "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
        "GroupCapacityComplianceError": "/group_capacity_compliance_error",
        "UpdateGroupMeasurements": "/update_group_measurements",
        "UpdateAssetMeasurement": "/update_asset_measurements",
    }
)
# The same message under the key that `url-paths` has for it (OSCP dossier §5.9).
_PLURAL = "UpdateAssetMeasurements"


def alternative_paths(service_props: Mapping[str, object] | None) -> Mapping[str, str]:
    """Answers with the action of each path that the service property `url-paths` names.

    Args:
        service_props: Of the system; where it names none, there are none.
    """
    configured = (service_props or {}).get("url-paths")
    if not isinstance(configured, Mapping):
        return {}
    return {
        path: "UpdateAssetMeasurement" if action == _PLURAL else action
        for action, path in configured.items()
        if isinstance(path, str)
    }

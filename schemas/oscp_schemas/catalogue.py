"""The schema documents, and which of them belongs to which action."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oscp_schemas.show import nearest

BASE_URI = "http://www.openchargealliance.org/schemas/oscp/2.0/"

_FOLDER = Path(__file__).with_name("oscp20")

# UpdateAssetMeasurement is singular, its file is plural (as observed in SolarNetwork).
_DOCUMENT_NAMES: Mapping[str, str] = {
    "AdjustGroupCapacityForecast": "adjust-group-capacity-forecast.json",
    "GroupCapacityComplianceError": "group-capacity-compliance-error.json",
    "Handshake": "handshake.json",
    "HandshakeAcknowledge": "handshake-acknowledge.json",
    "Heartbeat": "heartbeat.json",
    "Register": "register.json",
    "UpdateAssetMeasurement": "update-asset-measurements.json",
    "UpdateGroupCapacityForecast": "update-group-capacity-forecast.json",
    "UpdateGroupMeasurements": "update-group-measurements.json",
}

ACTIONS: tuple[str, ...] = tuple(_DOCUMENT_NAMES)


class UnknownAction(LookupError):
    """Raised for an action that is none of the nine OSCP 2.0 messages with a schema."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__(action)

    def __str__(self) -> str:
        folded = {action.lower(): action for action in ACTIONS}
        near = nearest(str(self.action).lower(), folded)
        hint = f"did you mean {folded[near]}?" if near else f"there are {', '.join(ACTIONS)}"
        return f"there is no OSCP 2.0 message {self.action!r}; {hint}"


def document_name(action: str) -> str:
    """Return the file name of an action's schema document.

    Raises:
        UnknownAction: The action is none of `ACTIONS`.
    """
    try:
        return _DOCUMENT_NAMES[action]
    except (KeyError, TypeError):
        raise UnknownAction(action) from None


def document_names() -> tuple[str, ...]:
    """Return the file names of all schema documents, messages and data types, in order."""
    return tuple(sorted(path.name for path in _FOLDER.glob("*.json")))


def document(name: str) -> dict[str, Any]:
    """Return a fresh copy of one schema document, by its file name."""
    content: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return content


def schema(action: str) -> dict[str, Any]:
    """Return a fresh copy of the schema document of an action (draft-07, OSCP 2.0 §4).

    Its `$ref`s name other documents by file name, relative to its `$id`.

    Raises:
        UnknownAction: The action is none of `ACTIONS`.
    """
    return document(document_name(action))

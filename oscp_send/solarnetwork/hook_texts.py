"""The texts by which the queue hook and the delivery handler decline an OSCP instruction.

As observed in SolarNetwork (SolarUser dossier §3.1 and §4.1); they are exact.
"""

from __future__ import annotations

__all__ = [
    "GROUP_MISMATCH",
    "INVALID_OPTIMIZER",
    "MISSING_ACTION",
    "MISSING_GROUP",
    "MISSING_OPTIMIZER",
    "MISSING_PARAMETERS",
    "UNKNOWN_GROUP",
    "UNKNOWN_OPTIMIZER",
    "UNKNOWN_PROVIDER",
    "invalid_json",
    "missing_message",
    "not_an_object",
    "unsupported_action",
]

MISSING_PARAMETERS = "Missing OSCP parameters"
MISSING_ACTION = "Missing OSCP action"
MISSING_OPTIMIZER = "Missing capacity optimizer ID"
INVALID_OPTIMIZER = "Invalid capacity optimizer ID"
MISSING_GROUP = "Missing group identifier"
UNKNOWN_OPTIMIZER = "Unknown capacity optimizer"
UNKNOWN_GROUP = "Unknown group identifier"
UNKNOWN_PROVIDER = "Unknown capacity provider"
# The field is called group_id; the service's text calls it group_identifier.
GROUP_MISMATCH = (
    "The AdjustGroupCapacityForecast message group_identifier must match the instruction "
    "cgIdentifier parameter"
)


def unsupported_action(action: str) -> str:
    """Answers with the text for an action that is none of the six."""
    return f"Unsupported OSCP 2.0 action [{action}]"


def missing_message(action: str) -> str:
    """Answers with the text for an instruction without a `msg` parameter."""
    return f"Missing [msg] parameter for OSCP 2.0 action [{action}]"


def invalid_json(action: str, reason: str) -> str:
    """Answers with the text that the code intends for a `msg` that is not JSON."""
    return f"Invalid JSON for [{action}] OSCP action: {reason}"


def not_an_object(action: str) -> str:
    """Answers with the text for a `msg` that is JSON but no object."""
    return invalid_json(action, "OSCP msg parameter must be a JSON object.")

"""The texts by which SolarUser declines an OSCP instruction, and what its parameters name.

As observed in SolarNetwork's queue hook and delivery handler (solaruser.md §3.1 and
§4.1); the texts are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from oscp_schemas import Violation
from oscp_send.solarnetwork.json_reading import parse_long

MISSING_PARAMETERS: Final = "Missing OSCP parameters"
MISSING_ACTION: Final = "Missing OSCP action"
MISSING_OPTIMIZER: Final = "Missing capacity optimizer ID"
INVALID_OPTIMIZER: Final = "Invalid capacity optimizer ID"
MISSING_GROUP: Final = "Missing group identifier"
UNKNOWN_OPTIMIZER: Final = "Unknown capacity optimizer"
UNKNOWN_GROUP: Final = "Unknown group identifier"
UNKNOWN_PROVIDER: Final = "Unknown capacity provider"
# The field is called group_id; the service's text calls it group_identifier.
GROUP_MISMATCH: Final = (
    "The AdjustGroupCapacityForecast message group_identifier must match the instruction "
    "cgIdentifier parameter"
)


def unsupported_action(action: str) -> str:
    """Return the text for an action that is not one of the six."""
    return f"Unsupported OSCP 2.0 action [{action}]"


def missing_message(action: str) -> str:
    """Return the text for an instruction without a `msg` parameter."""
    return f"Missing [msg] parameter for OSCP 2.0 action [{action}]"


def invalid_json(action: str, reason: str) -> str:
    """Return the text that the code intends for a `msg` that is not JSON."""
    return f"Invalid JSON for [{action}] OSCP action: {reason}"


def not_an_object(action: str) -> str:
    """Return the text for a `msg` that is JSON but not an object."""
    return invalid_json(action, "OSCP msg parameter must be a JSON object.")


# Checks 2 to 6 of the queue hook.


@dataclass(frozen=True, slots=True)
class Address:
    """What an instruction is, and for whom: the OSCP message name, `coId` and `cgIdentifier`."""

    action: str
    optimizer: int
    group: str

    def known(self) -> dict[str, Any]:
        """Return the parameters as the hook has read them."""
        return {"action": self.action, "coId": self.optimizer, "cgIdentifier": self.group}


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """Parameters that fail one of the checks.

    Attributes:
        error: The service's text.
        known: What was read before the check that failed.
    """

    error: str
    known: Mapping[str, Any] = field(default_factory=dict)


def read_address(parameters: Mapping[str, str]) -> Address | Unaddressed:
    """Return what joined parameters name, or the first check that fails.

    As observed in SolarNetwork (solaruser.md §3.1).
    """
    if not parameters:
        return Unaddressed(MISSING_PARAMETERS)
    action = parameters.get("action", "")
    if not action.strip():
        return Unaddressed(MISSING_ACTION)
    text = parameters.get("coId")
    if text is None:
        return Unaddressed(MISSING_OPTIMIZER, {"action": action})
    try:
        optimizer = parse_long(text)
    except ValueError:
        return Unaddressed(INVALID_OPTIMIZER, {"action": action, "coId": text})
    group = parameters.get("cgIdentifier", "")
    if not group.strip():
        return Unaddressed(MISSING_GROUP, {"action": action, "coId": optimizer})
    return Address(action, optimizer, group)


# The texts of a schema refusal, as networknt's validator writes them: as observed in SolarNetwork
# (solaruser.md §3.3, oscp20.md §5.8).


def schema_error(action: str, violations: Iterable[Violation]) -> str:
    """Return the whole text that a Declined instruction carries for these violations."""
    entries = ", ".join(f"{each.pointer}: {_TEXTS[each.rule](each)}" for each in violations)
    return f"JSON schema validation error on [{action}] OSCP action: {entries}."


def _type_name(value: object) -> str:
    """Return the name of a JSON type; a number is an integer if it is written as one."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        ((float, Decimal), "number"),
        (str, "string"),
        (list, "array"),
        (Mapping, "object"),
    )
    return next((name for types, name in names if isinstance(value, types)), "null")


def _enumeration(violation: Violation) -> str:
    values = violation.expected if isinstance(violation.expected, list) else []
    quoted = ", ".join(f'"{value}"' for value in values)
    return f"does not have a value in the enumeration [{quoted}]"


def _too_few(violation: Violation) -> str:
    found = len(violation.got) if isinstance(violation.got, list) else 0
    return f"must have at least {violation.expected} items but found {found}"


_TEXTS: Mapping[str, Callable[[Violation], str]] = MappingProxyType(
    {
        "enum": _enumeration,
        "format": lambda v: (
            f"does not match the {v.expected} pattern must be a valid RFC 3339 date-time"
        ),
        "minItems": _too_few,
        "minimum": lambda v: f"must have a minimum value of {v.expected}",
        "required": lambda v: f"required property '{v.expected}' not found",
        "type": lambda v: f"{_type_name(v.got)} found, {v.expected} expected",
        "uniqueItems": lambda _: "must have only unique items in the array",
        # The service would go on.
        "more": lambda v: v.message,
    }
)

"""The texts of a schema refusal, as networknt's validator writes them.

As observed in SolarNetwork (SolarUser dossier §3.3, OSCP dossier §5.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas import Violation

__all__ = ["schema_error", "type_name"]


def schema_error(action: str, violations: Iterable[Violation]) -> str:
    """Answers with the whole text that a Declined instruction carries for these violations."""
    entries = ", ".join(f"{each.pointer}: {_text(each)}" for each in violations)
    return f"JSON schema validation error on [{action}] OSCP action: {entries}."


def type_name(value: object) -> str:
    """Answers with the name of a JSON type; how a number is written makes it an integer."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        ((float, Decimal), "number"),
        (str, "string"),
        (list, "array"),
        (Mapping, "object"),
    )
    return next((name for types, name in names if isinstance(value, types)), "null")


def _text(violation: Violation) -> str:
    return _TEXTS[violation.rule](violation)


def _enumeration(violation: Violation) -> str:
    values = violation.expected if isinstance(violation.expected, list) else []
    quoted = ", ".join(f'"{value}"' for value in values)
    return f"does not have a value in the enumeration [{quoted}]"


def _too_few(violation: Violation) -> str:
    found = len(violation.got) if isinstance(violation.got, list) else 0
    return f"must have at least {violation.expected} items but found {found}"


_TEXTS: Mapping[str, Callable[[Violation], str]] = {
    "enum": _enumeration,
    "format": lambda v: (
        f"does not match the {v.expected} pattern must be a valid RFC 3339 date-time"
    ),
    "minItems": _too_few,
    "minimum": lambda v: f"must have a minimum value of {v.expected}",
    "required": lambda v: f"required property '{v.expected}' not found",
    "type": lambda v: f"{type_name(v.got)} found, {v.expected} expected",
    "uniqueItems": lambda _: "must have only unique items in the array",
}

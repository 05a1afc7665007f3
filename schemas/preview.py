"""How a value is shown to a person: short, and safe to print."""

from __future__ import annotations

import json
from decimal import Decimal

__all__ = ["preview"]

_LONGEST = 40
_LARGEST_INTEGER = 10**_LONGEST


def preview(value: object) -> str:
    """Answers with a value as JSON would write it, cut to 40 characters; containers are named.

    Lone surrogates and control characters come out escaped, whatever the value holds.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return _text(value)
        case dict():
            return "an object" if value else "an empty object"
        case list() | tuple():
            return f"an array of {len(value)}" if value else "an empty array"
        case int() | float() | Decimal():
            return _number(value)
        case _:
            return f"a Python {type(value).__name__}"


def _text(value: str) -> str:
    beginning = value[:_LONGEST]
    shown = json.dumps(beginning, ensure_ascii=not beginning.isprintable())
    return shown if beginning == value else f'{shown[:-1]}…" ({len(value)} characters)'


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        # Python refuses to write an integer of more than 4300 digits; a Decimal has no such limit.
        value = Decimal(value)
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    return shown if len(shown) <= _LONGEST else f"{value:.6e}"

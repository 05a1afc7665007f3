"""How the single values of a message are read by SolarNetwork's message classes, without a schema.

What they take though the schema refuses it, and the reverse (OSCP dossier §5.1 and §9.2); the words
after each beginning are inferred.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from simulator.flexibility_provider.envelope import Refused
from simulator.flexibility_provider.json_body import malformed, written_number
from simulator.flexibility_provider.lenient_time import (
    instant_of_milliseconds,
    instant_of_text,
    trimmed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from schemas import Document

__all__ = ["Path", "read_choice", "read_number", "read_text", "read_time", "wrong_type"]

Path = tuple[str | int, ...]

_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL: Final[Mapping[str, float]] = {
    "NaN": math.nan,
    "INF": math.inf,
    "Infinity": math.inf,
    "-INF": -math.inf,
    "-Infinity": -math.inf,
}
_TOKENS: Final = ((bool, "Boolean"), (int, "Integer"), (dict, "Object"), (list, "Array"))


def read_text(document: Document, path: Path, value: object) -> str:
    """Answers with a text; a number and a boolean are taken as they are written.

    Raises:
        Refused: It is an object or an array.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return written_number(document, path)
    raise wrong_type("java.lang.String", value)


def read_choice(type_name: str, choices: frozenset[str], value: object) -> str:
    """Answers with one of several texts.

    Raises:
        Refused: It is none of them, or no text.
    """
    if not isinstance(value, str):
        raise wrong_type(type_name, value)
    if value not in choices:
        problem = f"Cannot construct instance of `{type_name}`, problem: {value}"
        raise Refused(422, f"Malformed request: {problem}", code="VAL.00007")
    return value


def read_number(value: object) -> float | None:
    """Answers with a double; a text that holds a number counts as one, a blank one as null.

    Raises:
        Refused: It is no number, or one that a double does not hold.
    """
    number = _number_of_text(value) if isinstance(value, str) else _double(value)
    if number is not None and not math.isfinite(number):
        raise Refused(422, "Illegal argument: Infinite or NaN")
    return number


def read_time(value: object) -> datetime | None:
    """Answers with an instant in UTC, or None for a blank text; a number is milliseconds.

    Raises:
        Refused: It is neither.
    """
    if isinstance(value, str):
        try:
            return instant_of_text(value)
        except ValueError:
            raise Refused(
                422,
                f"Malformed date string: Text '{value}' could not be parsed",
                code="VAL.00006",
            ) from None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise wrong_type("java.time.Instant", value)
    try:
        return instant_of_milliseconds(value)
    except ValueError:
        raise malformed("Numeric value out of range of an instant") from None


def wrong_type(type_name: str, value: object) -> Refused:
    """Answers with the refusal of a value of another JSON type than is needed."""
    kind = next((name for of, name in _TOKENS if isinstance(value, of)), "Floating-point")
    kind = "String" if isinstance(value, str) else kind
    return malformed(f"Cannot deserialize value of type `{type_name}` from {kind} value")


def _number_of_text(text: str) -> float | None:
    shown = trimmed(text)
    if not shown:
        return None
    if shown in _SPECIAL:
        return _SPECIAL[shown]
    if _DECIMAL.fullmatch(shown) is None:
        raise malformed(
            f'Cannot deserialize value of type `java.lang.Double` from String "{text}": '
            "not a valid `Double` value"
        )
    return float(shown)


def _double(value: Any) -> float:  # noqa: ANN401 - any JSON value but a text
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise wrong_type("java.lang.Double", value)
    try:
        return float(value)
    except OverflowError:
        return math.inf

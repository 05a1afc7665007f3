"""How SolarUser's framework turns the texts of a query or a form into values.

It is more lenient than the reader of JSON bodies: blanks anywhere in a number do not matter, and
numbers may be hexadecimal. All of it is inferred from the framework (SolarUser dossier §1.5, §7.1).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from oscp_send.solarnetwork.java import parse_long
from simulator.instructions import STATES, State
from simulator.solaruser.refusal import ApiRefused
from simulator.solaruser.router import NoRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.solaruser.router import Call

__all__ = [
    "LONG",
    "STATE",
    "all_longs",
    "long_of",
    "optional",
    "required",
    "required_longs",
    "state_of",
]

# Java's name of each type, as it stands in a refusal.
LONG: Final = "java.lang.Long"
STATE: Final = "net.solarnetwork.domain.InstructionStatus$InstructionState"
_HEXADECIMAL: Final = re.compile(r"(-?)(?:0[xX]|#)([0-9a-fA-F]+)")
_LONGEST_HEXADECIMAL: Final = 16

Value = TypeVar("Value")


def optional(
    call: Call, name: str, kind: str, convert: Callable[[str], Value | None]
) -> Value | None:
    """Answers with the value of a parameter; None where it is not given, or empty.

    Of a parameter that is repeated the first counts.

    Raises:
        ApiRefused: It cannot be converted.
    """
    text = call.parameters.get(name)
    if text is None:
        return None
    try:
        return convert(text)
    except ValueError as error:
        raise _unconvertible(name, kind, error) from None


def required(call: Call, name: str, kind: str, convert: Callable[[str], Value | None]) -> Value:
    """Answers with the value of a parameter that must be there.

    Raises:
        ApiRefused: It cannot be converted.
        NoRoute: It is missing, or empty.
    """
    value = optional(call, name, kind, convert)
    if value is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    return value


def required_longs(call: Call, name: str) -> tuple[int, ...]:
    """Answers with the whole numbers of a parameter that the route was chosen by.

    Raises:
        ApiRefused: One of them is none.
    """
    try:
        return all_longs(call.parameters.getlist(name))
    except ValueError as error:
        raise _unconvertible(name, LONG, error) from None


def all_longs(texts: Sequence[str]) -> tuple[int, ...]:
    """Answers with whole numbers, each once, of one text with commas or of several texts without.

    Raises:
        ValueError: One of them is no number; the message is Java's.
    """
    parts = texts[0].split(",") if len(texts) == 1 else texts
    numbers = (long_of(part) for part in parts)
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def long_of(text: str) -> int | None:
    """Answers with a 64-bit whole number; None for a text without any character.

    Raises:
        ValueError: It is no such number; the message is Java's.
    """
    if not text:
        return None
    text = "".join(text.split())
    match = _HEXADECIMAL.fullmatch(text)
    if match and len(match[2].lstrip("0")) <= _LONGEST_HEXADECIMAL:
        text = str(int(f"{match[1]}{match[2]}", 16))
    return parse_long(text)


def state_of(text: str) -> State | None:
    """Answers with a state by its exact name; None for a text without any character.

    Raises:
        ValueError: It is no state; the message is the framework's.
    """
    if not text:
        return None
    name = text.strip()
    if name not in STATES:
        raise ValueError(f"No enum constant {STATE.replace('$', '.')}.{name}")
    return name


def _unconvertible(name: str, kind: str, error: ValueError) -> ApiRefused:
    return ApiRefused(
        422,
        f"Illegal argument: Method parameter '{name}': Failed to convert value of type "
        f"'java.lang.String' to required type '{kind}'; {error}",
    )

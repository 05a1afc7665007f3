"""How Jackson 3 complains of a text and writes a value, as configured in SolarNetwork.

The beginnings of the texts are known (SolarUser dossier §3.3 and §7.1); their rest is inferred and
changes between versions of that library, so compare beginnings only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from oscp_send.solarnetwork.java import double_text

if TYPE_CHECKING:
    from schemas import JsonError

__all__ = [
    "MAXIMUM_DEPTH",
    "MAXIMUM_NUMBER_LENGTH",
    "SOURCE",
    "parser_message",
    "time_text",
    "too_deep",
    "too_long_a_number",
    "write",
]

MAXIMUM_DEPTH = 500
MAXIMUM_NUMBER_LENGTH = 1000
SOURCE = (
    "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
    "byte offset: #UNKNOWN]"
)

_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_NOT_A_NUMBER = frozenset({"NaN", "Infinity", "-Infinity", "INF", "-INF"})
_EXPECTATIONS: Mapping[str, str] = {
    "colon": "was expecting a colon to separate property name and value",
    "comma or end of array": "was expecting comma to separate Array entries",
    "comma or end of object": "was expecting comma to separate Object entries",
    "property name": "was expecting double-quote to start property name",
}


def parser_message(error: JsonError) -> str:
    """Answers with the parser's text for a mistake, without the place that it appends."""
    return _MESSAGES.get(error.kind, _unexpected_character)(error)


def too_deep(depth: int) -> str:
    """Answers with the parser's text for a nesting beyond its limit."""
    return (
        f"Document nesting depth ({depth}) exceeds the maximum allowed ({MAXIMUM_DEPTH}, "
        "from `StreamReadConstraints.getMaxNestingDepth()`)"
    )


def too_long_a_number(length: int) -> str:
    """Answers with the parser's text for a number beyond its limit of characters."""
    return (
        f"Number value length ({length}) exceeds the maximum allowed ({MAXIMUM_NUMBER_LENGTH}, "
        "from `StreamReadConstraints.getMaxNumberLength()`)"
    )


def time_text(instant: datetime) -> str:
    """Answers with a time as SolarNetwork writes it: UTC, three fraction digits, `Z`."""
    whole_and_milliseconds, _, _ = instant.isoformat(timespec="milliseconds").partition("+")
    return f"{whole_and_milliseconds}Z"


def write(value: object) -> bytes:
    """Answers with a decoded value as the Flexibility Provider puts it on the wire.

    Compact UTF-8; numbers as doubles, times by `time_text`, slashes escaped (as observed in
    SolarNetwork, OSCP dossier §3.3 and §5.10). Half a surrogate pair becomes `?`, as the JDK's
    UTF-8 encoder has it (inferred).
    """
    return _written(value).encode("utf-8", "replace")


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        members = (f"{_text(str(name))}:{_written(each)}" for name, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_written(each) for each in value)}]"
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, datetime):
        return f'"{time_text(value)}"'
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    return encode_basestring(value).replace("/", "\\/")


def _unexpected_character(error: JsonError) -> str:
    if error.character is None:
        return _end_of_input(error)
    expectation = _EXPECTATIONS.get(error.context or "", f"expected a valid value {_VALUES}")
    return (
        f"Unexpected character ('{error.character}' (code {ord(error.character)})): {expectation}"
    )


def _unrecognized_token(error: JsonError) -> str:
    if error.token in _NOT_A_NUMBER:
        return (
            f"Non-standard token '{error.token}': enable "
            "`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
        )
    return f"Unrecognized token '{error.token}': was expecting {_VALUES}"


def _end_of_input(error: JsonError) -> str:
    where = {"object": " for Object", "array": " for Array"}.get(error.inside or "", "")
    return f"Unexpected end-of-input: expected close marker{where}"


def _bad_number(error: JsonError) -> str:
    if error.context == "no leading zero":
        return "Invalid numeric value: Leading zeroes not allowed"
    return _unexpected_character(error)


def _control_character(error: JsonError) -> str:
    return (
        f"Illegal unquoted character ((CTRL-CHAR, code {ord(error.character or chr(0))})): "
        "has to be escaped using backslash to be included in string value"
    )


def _bad_escape(error: JsonError) -> str:
    escaped = (error.token or error.character or " ")[-1]
    return f"Unrecognized character escape '{escaped}' (code {ord(escaped)})"


_MESSAGES: Mapping[str, Callable[[JsonError], str]] = {
    "bad-escape": _bad_escape,
    "bad-number": _bad_number,
    "control-character": _control_character,
    "empty": lambda _: "No content to map due to end-of-input",
    "end-of-input": _end_of_input,
    "not-utf8": lambda _: "Invalid UTF-8 start byte",
    "too-deep": lambda _: too_deep(MAXIMUM_DEPTH + 1),
    "unrecognized-token": _unrecognized_token,
}

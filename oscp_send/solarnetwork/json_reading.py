"""How SolarNetwork's JSON parser, Jackson 3, reads a text, refuses it, and writes a value.

Only the beginnings of the parser's texts are known (solaruser.md §3.3 and §7.1). The
rest is inferred and changes between versions of that library, so compare beginnings only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Final

from oscp_schemas import Document, JsonError, read

MAXIMUM_DEPTH: Final = 500
MAXIMUM_NUMBER_LENGTH: Final = 1000
#: What the parser appends to most of its texts: the place, without the source.
SOURCE: Final = (
    "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
    "byte offset: #UNKNOWN]"
)
_LONG_NUMBER: Final = re.compile(rf"[-+.0-9eE]{{{MAXIMUM_NUMBER_LENGTH + 1}}}")


def read_json(text: str | bytes) -> Document | JsonError:
    """Return the document that a JSON text holds, or the mistake in a text that is not JSON."""
    try:
        return read(text)
    except JsonError as error:
        return error


def is_too_deep(document: Document) -> bool:
    """Return whether a document is nested beyond the parser's limit."""
    # The depth needs a slow scan, so a text that cannot be too deep is not scanned.
    opened = document.text.count("{") + document.text.count("[")
    return opened > MAXIMUM_DEPTH and document.depth > MAXIMUM_DEPTH


def excess(document: Document) -> str | None:
    """Return the parser's text for what is beyond its limits (oscp20.md §9.1)."""
    if is_too_deep(document):
        return too_deep(MAXIMUM_DEPTH + 1)
    if _LONG_NUMBER.search(document.text) and document.longest_number > MAXIMUM_NUMBER_LENGTH:
        return too_long_a_number(document.longest_number)
    return None


_LONG: Final = re.compile(r"[+-]?\d+")
_LARGEST_LONG: Final = 2**63 - 1
_SMALLEST_PLAIN: Final = 1e-3
_LARGEST_PLAIN: Final = 1e7


def parse_long(text: str) -> int:
    """Return the 64-bit whole number that `Long.parseLong` reads.

    A sign and leading zeros are read, blanks and fractions are not (as observed in SolarNetwork,
    queue hook check 5).

    Raises:
        ValueError: The text is not such a number; the message is Java's.
    """
    if _LONG.fullmatch(text) is None:
        raise ValueError(f'For input string: "{text}"')
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(_LARGEST_LONG)):
        raise ValueError(f'For input string: "{text}"')
    value = int(digits or "0") * (-1 if text.startswith("-") else 1)
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise ValueError(f'For input string: "{text}"')
    return value


def double_text(value: float) -> str:
    """Return the text of a finite double as Java writes it: `10.0`, `1.0E7`, `1.0E-4`.

    As observed in SolarNetwork: every number of a forwarded message is written like this.
    """
    if value == 0 or _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        # Between these two Python writes a double as Java does.
        return repr(value)
    digits, exponent = _shortest_digits(abs(value))
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _shortest_digits(value: float) -> tuple[str, int]:
    """Return the fewest digits that name a double, and its power of ten."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    if float(f"{mantissa}e{power}") == value:
        # Java writes at least two digits, and takes the two that are nearest to the value.
        return mantissa.replace(".", "").rstrip("0"), int(power)
    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits))
    return digits.rstrip("0"), int(parts.exponent) + len(digits) - 1


_VALUES: Final = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_NOT_A_NUMBER: Final = frozenset({"NaN", "Infinity", "-Infinity", "INF", "-INF"})
_EXPECTATIONS: Final = MappingProxyType(
    {
        "colon": "was expecting a colon to separate property name and value",
        "comma or end of array": "was expecting comma to separate Array entries",
        "comma or end of object": "was expecting comma to separate Object entries",
        "property name": "was expecting double-quote to start property name",
    }
)


def parser_message(error: JsonError) -> str:
    """Return the parser's text for a mistake, without the place that it appends."""
    return _MESSAGES.get(error.kind, _unexpected_character)(error)


def too_deep(depth: int) -> str:
    """Return the parser's text for a nesting beyond its limit."""
    return (
        f"Document nesting depth ({depth}) exceeds the maximum allowed ({MAXIMUM_DEPTH}, "
        "from `StreamReadConstraints.getMaxNestingDepth()`)"
    )


def too_long_a_number(length: int) -> str:
    """Return the parser's text for a number with more characters than its limit."""
    return (
        f"Number value length ({length}) exceeds the maximum allowed ({MAXIMUM_NUMBER_LENGTH}, "
        "from `StreamReadConstraints.getMaxNumberLength()`)"
    )


def _unexpected_character(error: JsonError) -> str:
    if error.character is None:
        return _end_of_input(error)
    expectation = _EXPECTATIONS.get(error.context or "", f"expected a valid value {_VALUES}")
    return (
        f"Unexpected character ('{error.character}' (code {ord(error.character)})): {expectation}"
    )


def unrecognized_token(word: str | None) -> str:
    """Return the parser's text for a word that is no value."""
    if word in _NOT_A_NUMBER:
        return (
            f"Non-standard token '{word}': enable "
            "`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
        )
    return f"Unrecognized token '{word}': was expecting {_VALUES}"


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


_MESSAGES: Mapping[str, Callable[[JsonError], str]] = MappingProxyType(
    {
        "bad-escape": _bad_escape,
        "bad-number": _bad_number,
        "control-character": _control_character,
        "empty": lambda _: "No content to map due to end-of-input",
        "end-of-input": _end_of_input,
        "not-utf8": lambda _: "Invalid UTF-8 start byte",
        "too-deep": lambda _: too_deep(MAXIMUM_DEPTH + 1),
        "unrecognized-token": lambda error: unrecognized_token(error.token),
    }
)


def time_text(instant: datetime) -> str:
    """Return a time as SolarNetwork writes it: UTC, three fraction digits, `Z`."""
    whole_and_milliseconds, _, _ = instant.isoformat(timespec="milliseconds").partition("+")
    return f"{whole_and_milliseconds}Z"


def write(value: object) -> bytes:
    """Return a decoded value as the Flexibility Provider puts it on the wire.

    Compact UTF-8; numbers as doubles, times by `time_text`, no slash escaped (as measured,
    oscp20.md §3.3 and §5.10). Half a surrogate pair becomes `?`, as with the JDK's UTF-8 encoder
    (inferred).
    """
    return _written(value).encode("utf-8", "replace")


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        members = (
            f"{encode_basestring(str(name))}:{_written(each)}" for name, each in value.items()
        )
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_written(each) for each in value)}]"
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, datetime):
        return f'"{time_text(value)}"'
    return encode_basestring(value) if isinstance(value, str) else json.dumps(value)

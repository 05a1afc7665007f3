"""How SolarNetwork reads a message into its own classes: what it refuses then, and what it keeps.

Its schemas allow more than its classes can read (oscp20.md §3.2, §3.3 and §9.1). The
classes drop unknown properties, and hold numbers as doubles and times in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from oscp_schemas.catalogue import document, document_name
from oscp_send.fidelity import Behaviour
from oscp_send.times import read_instant

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{3})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# Java's String.trim removes the space and every control character below it.
_TRIMMED: Final = "".join(map(chr, range(0x21)))

_Reader = Callable[[str, Any], Any]


class DecodeError(ValueError):
    """Raised for a message that passes its schema and still cannot be read.

    Attributes:
        pointer: JSON Pointer of the value that cannot be read.
        text: The service's text about it; the beginning is known, the rest inferred.
    """

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(text)
        self.pointer = pointer
        self.text = text


def decode(action: str, message: object, behaviour: Behaviour) -> dict[str, Any]:
    """Return what SolarNetwork keeps of a message that its schema allows.

    Numbers are floats, times aware datetimes in UTC, cut to milliseconds, and only the properties
    that OSCP 2.0 knows are left, in the order of the specification. The behaviour decides by
    `date_times` which texts are read as times.

    Raises:
        DecodeError: The message cannot be read.
    """
    reader = _reader(document_name(action), strict=behaviour.follows_service("date_times"))
    decoded: dict[str, Any] = reader("", message)
    return decoded


@cache
def _reader(name: str, *, strict: bool) -> _Reader:
    return _reader_of(document(name), strict=strict)


def _reader_of(schema: Mapping[str, Any], *, strict: bool) -> _Reader:
    if "$ref" in schema:
        return _reader(schema["$ref"], strict=strict)
    if schema.get("format") == "date-time":
        return _strict_time if strict else _time
    if "properties" in schema:
        readers = {
            name: _reader_of(each, strict=strict) for name, each in schema["properties"].items()
        }
        return lambda pointer, value: {
            name: reader(f"{pointer}/{name}", value[name])
            for name, reader in readers.items()
            if name in value
        }
    if schema.get("type") == "array":
        item = _reader_of(schema["items"], strict=strict)
        return lambda pointer, value: [
            item(f"{pointer}/{index}", each) for index, each in enumerate(value)
        ]
    return _number if schema.get("type") == "number" else lambda _, value: value


def _time(pointer: str, value: str) -> datetime:
    return _in_milliseconds(pointer, value, read_instant(value))


def _strict_time(pointer: str, value: str) -> datetime:
    """Read a time as SolarNetwork's classes do (oscp20.md §3.2).

    As observed in SolarNetwork: an upper-case T, no or exactly three fraction digits, Z or an
    offset with a colon; blanks around it are removed.
    """
    match = _TIME.fullmatch(value.strip(_TRIMMED))
    if match is None or match[1].endswith(":60"):
        return _in_milliseconds(pointer, value, None)
    return _in_milliseconds(pointer, value, read_instant(match[0]))


def _in_milliseconds(pointer: str, value: str, instant: datetime | None) -> datetime:
    if instant is None:
        raise DecodeError(
            pointer,
            f'Cannot deserialize value of type `java.time.Instant` from String "{value}": '
            f"Text '{value}' could not be parsed",
        )
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _number(pointer: str, value: Any) -> float:  # noqa: ANN401 - int, float or Decimal
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if number in {float("inf"), float("-inf")}:
        raise DecodeError(
            pointer,
            "Cannot deserialize value of type `java.lang.Double`: "
            "number out of range of a 64-bit floating-point value",
        )
    return number

"""What each kind of field accepts from Python, and how it is read from and written to JSON.

Every check is one that the JSON Schema of OSCP 2.0 makes as well, or one that keeps the value from
changing on its way; what a schema lets pass and should not is for `oscp_send.check` to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from numbers import Integral, Real
from typing import Self, TypeVar

from oscp_send.times import read_instant

__all__ = [
    "InvalidValue",
    "OscpSendError",
    "instant",
    "instant_of_text",
    "items",
    "member",
    "number",
    "text",
    "write_instant",
]


E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_MILLISECOND = 1000
_SHOWN = 60


class OscpSendError(Exception):
    """The base of everything that this package raises on purpose."""


class InvalidValue(OscpSendError, ValueError):
    """A Python value cannot be a part of a message, or an argument of a call.

    Attributes:
        pointer: JSON Pointer to the place, such as `/forecasted_blocks/3/unit`.
        problem: What is wrong with the value, and what was expected.
        remedy: What to do; may be empty.
    """

    def __init__(self, pointer: str, problem: str, remedy: str = "") -> None:
        super().__init__(pointer, problem, remedy)
        self.pointer = pointer
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        place = self.pointer.lstrip("/")
        said = f"{self.problem}: {self.remedy}" if self.remedy else self.problem
        return f"{place}: {said}" if place else said

    def inside(self, pointer: str) -> Self:
        """Answers with the same error as seen from the value that holds this one."""
        return type(self)(pointer + self.pointer, self.problem, self.remedy)


def text(name: str, value: object) -> str:
    """Answers with a text that can be written as UTF-8.

    Raises:
        InvalidValue: It is no text, or has half of a surrogate pair in it.
    """
    if not isinstance(value, str):
        raise InvalidValue(f"/{name}", f"text is expected, not {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(value[error.start]):04X}"
        raise InvalidValue(
            f"/{name}",
            f"half of a surrogate pair, {found}, stands at character {error.start}",
            "it is no character and would arrive as ?; give the whole character",
        ) from None
    return str(value)


def number(name: str, value: object, *, minimum: float | None = None) -> float:
    """Answers with a plain number that a 64-bit float holds, as SolarNetwork does.

    Args:
        name: The field.
        value: An int or a float; an int is kept as one, so that 10 is written as 10.
        minimum: The least value that the schema allows.

    Raises:
        InvalidValue: It is no finite number, too small, or a whole number that would be rounded.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidValue(
            f"/{name}", f"a number is expected, not {_kind(value)}", "give an int or a float"
        )
    plain = _whole(name, int(value)) if isinstance(value, Integral) else float(value)
    if not math.isfinite(plain):
        raise InvalidValue(
            f"/{name}", f"{plain} is not a number that JSON can hold", "give a finite number"
        )
    if minimum is not None and plain < minimum:
        raise InvalidValue(
            f"/{name}",
            f"{plain} is less than {minimum:g}",
            "the direction is told by type, never by the sign" if name == "capacity" else "",
        )
    return plain


def member(name: str, value: object, enumeration: type[E]) -> E:
    """Answers with the member of an enumeration that a value is, or is the text of.

    Raises:
        InvalidValue: There is no such member; texts are upper case on the wire.
    """
    if isinstance(value, str):
        try:
            return enumeration(str(value))
        except ValueError:
            raise InvalidValue(
                f"/{name}",
                f"{_quoted(value)} is not one of {', '.join(enumeration)}",
                _nearest(name, value, enumeration),
            ) from None
    raise InvalidValue(
        f"/{name}", f"one of {', '.join(enumeration)} is expected, not {_kind(value)}"
    )


def instant(name: str, value: object) -> datetime:
    """Answers with an aware datetime in UTC, cut to milliseconds.

    SolarNetwork carries nothing finer: it reads no or exactly three fraction digits, and writes
    three (as observed in SolarNetwork).

    Raises:
        InvalidValue: It is no datetime, or has no time zone, or its UTC time is out of range.
    """
    if not isinstance(value, datetime):
        raise InvalidValue(f"/{name}", f"a datetime is expected, not {_kind(value)}")
    if value.utcoffset() is None:
        raise InvalidValue(
            f"/{name}",
            f"{value.isoformat()} has no time zone",
            "give an aware datetime, such as datetime(2026, 3, 1, 18, tzinfo=UTC)",
        )
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise InvalidValue(
            f"/{name}", f"{value.isoformat()} is out of range in UTC", "give a year 1 to 9999"
        ) from None
    # A plain datetime, whatever class came in.
    cut = utc.microsecond - utc.microsecond % _MILLISECOND
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, cut, tzinfo=UTC)


def instant_of_text(name: str, value: object) -> datetime:
    """Reads an RFC 3339 date-time of a message.

    Raises:
        InvalidValue: The text is none; it needs an explicit offset from UTC.
    """
    read = read_instant(value)
    if read is None:
        shown = _quoted(value) if isinstance(value, str) else _kind(value)
        raise InvalidValue(
            f"/{name}",
            f"{shown} is not an RFC 3339 date-time",
            "write it as 2026-03-01T18:00:00Z",
        )
    return read


def write_instant(value: datetime) -> str:
    """Writes an instant with none or exactly three fraction digits: `2026-03-01T00:15:00Z`."""
    timespec = "milliseconds" if value.microsecond else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def items(
    name: str, value: object, read: Callable[[str, object], T], *, at_least: int = 0
) -> tuple[T, ...]:
    """Answers with the items of a list as a tuple, each of them read.

    Args:
        name: The field.
        value: A list, a tuple or another iterable; no text and no mapping.
        read: Reads one item, given a name and the item.
        at_least: How many items the schema asks for.

    Raises:
        InvalidValue: It is no list, too short, or an item is unusable; the pointer names the item.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidValue(f"/{name}", f"a list is expected, not {_kind(value)}")
    listed = tuple(read(f"{name}/{index}", item) for index, item in enumerate(value))
    if len(listed) < at_least:
        raise InvalidValue(
            f"/{name}",
            f"{len(listed)} items, at least {at_least} expected",
            "SolarNetwork's schema refuses an empty list",
        )
    return listed


def _whole(name: str, value: int) -> int:
    try:
        exact = int(float(value)) == value
    except OverflowError:
        exact = False
    if not exact:
        raise InvalidValue(
            f"/{name}",
            "a 64-bit float cannot hold this whole number exactly",
            "SolarNetwork would round it; give float(value), or another unit",
        )
    return value


def _nearest(name: str, value: str, enumeration: type[StrEnum]) -> str:
    spelt = {known.casefold(): known for known in enumeration}
    close = get_close_matches(value.strip().casefold(), spelt, n=1)
    if not close:
        return ""
    meant = spelt[close[0]]
    if meant.isupper() and meant == value.strip().upper():
        subject = "units are" if name.endswith("unit") else "enumerated texts are"
        return f'{subject} upper case on the wire: "{meant}"'
    return f'did you mean "{meant}"?'


def _quoted(value: str) -> str:
    # As JSON, so that no control character and no half of a surrogate pair gets into an error.
    return json.dumps(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__

"""Values of a message: checked in Python, kept in data types, read from and written as JSON.

Every check is one that the JSON Schema of OSCP 2.0 makes as well, or one that keeps the value from
changing on its way; what a schema accepts and should not is for `oscp_send.check` to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NoReturn,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from oscp_schemas.show import escape_pointer, nearest
from oscp_send.times import cut_to_milliseconds, read_instant, write_instant

E = TypeVar("E", bound=StrEnum)
S = TypeVar("S", bound="Structure")
T = TypeVar("T")
_Check = Callable[[str, object], object]

_SHOWN: Final = 60


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
        reason = f"{self.problem}: {self.remedy}" if self.remedy else self.problem
        return f"{place}: {reason}" if place else reason

    def inside(self, pointer: str) -> Self:
        """Return the same error as seen from the value that holds this one."""
        return type(self)(pointer + self.pointer, self.problem, self.remedy)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the schema asks of a field beyond its type: `Annotated[float, Limits(minimum=0)]`.

    The items of a list must differ where they are to be `unique`.
    """

    minimum: float | None = None
    least_items: int = 0
    unique: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    check: _Check
    is_required: bool
    is_time: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """The base of messages and of the data types in them: immutable, checked, and JSON in and out.

    The type hint of a field says how it is checked and read: `str`, `float`, `datetime`, an
    enumeration, a structure, a tuple of one of these, or one of these or None; `Annotated` with
    `Limits` if the schema asks for more.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values as they are on the wire; absent ones are left out."""
        values = ((field.name, getattr(self, field.name)) for field in self._fields())
        return {name: _to_json(value) for name, value in values if value is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, object]) -> Self:
        """Make one from JSON values.

        Properties that OSCP 2.0 does not know are ignored, as SolarNetwork does.

        Raises:
            InvalidValue: A property is missing, null, or unusable; the pointer names it.
        """
        if not isinstance(value, Mapping):
            raise InvalidValue("", f"an object is expected, not {_kind(value)}")
        known = cls._fields()
        for field in known:
            if field.is_required and field.name not in value:
                raise InvalidValue(f"/{field.name}", "is missing")
        return cls(**{each.name: _read(each, value) for each in known if each.name in value})

    @classmethod
    @cache
    def _fields(cls) -> tuple[_Field, ...]:
        hints = get_type_hints(cls, include_extras=True)
        return tuple(
            _Field(
                field.name,
                _check_for(hints[field.name]),
                is_required=field.default is MISSING,
                is_time=datetime in {hints[field.name], *get_args(hints[field.name])},
            )
            for field in fields(cls)
        )

    def _keep(self, *given: object) -> None:
        """Check and set every field, once; the values are in the order of the fields."""
        for field, value in zip(self._fields(), given, strict=True):
            object.__setattr__(self, field.name, field.check(field.name, value))


def _read(field: _Field, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - for the field to check
    value = values[field.name]
    if value is None:
        raise InvalidValue(f"/{field.name}", "null is refused", "leave an absent property out")
    return instant_of_text(field.name, value) if field.is_time else value


def _check_for(hint: Any, limits: Limits = Limits()) -> _Check:  # noqa: ANN401 - a type hint
    """Return the check for a field's type hint."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _check_for(arguments[0], arguments[1])
    if origin in {Union, UnionType}:
        (kept,) = (each for each in arguments if each is not NoneType)
        return partial(_or_none, check=_check_for(kept, limits))
    if origin is tuple:
        return partial(_listed, check=_check_for(arguments[0]), limits=limits)
    if issubclass(hint, StrEnum):
        return partial(member, enumeration=hint)
    if issubclass(hint, Structure):
        return partial(_structure, kind=hint)
    plain: dict[Any, _Check] = {
        str: text,
        float: partial(number, minimum=limits.minimum),
        datetime: instant,
    }
    return plain[hint]


def _or_none(name: str, value: object, *, check: _Check) -> object:
    return None if value is None else check(name, value)


def _listed(name: str, value: object, *, check: _Check, limits: Limits) -> tuple[object, ...]:
    listed = items(name, value, check, at_least=limits.least_items)
    if limits.unique and len(set(listed)) < len(listed):
        raise InvalidValue(f"/{name}", "holds a value twice", "name each value once")
    return listed


def _structure(name: str, value: object, *, kind: type[S]) -> S:
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise InvalidValue(f"/{name}", f"{kind.__name__} is expected, not {_kind(value)}")
    try:
        return kind.from_dict(value)
    except InvalidValue as error:
        raise error.inside(f"/{name}") from None


def text(name: str, value: object) -> str:
    """Return a string that can be written as UTF-8.

    Raises:
        InvalidValue: It is not a string, or has half of a surrogate pair in it.
    """
    if not isinstance(value, str):
        raise InvalidValue(f"/{name}", f"text is expected, not {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(value[error.start]):04X}"
        raise InvalidValue(
            f"/{name}",
            f"half of a surrogate pair, {found}, at character {error.start}",
            "it is not a character and would arrive as ?; give the whole character",
        ) from None
    return str(value)


def number(name: str, value: object, *, minimum: float | None = None) -> float:
    """Return a plain number that a 64-bit float holds, as SolarNetwork does.

    An int is kept as one, so that 10 is written as 10.

    Raises:
        InvalidValue: It is not a finite number, too small, or an integer that would be rounded.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidValue(
            f"/{name}", f"a number is expected, not {_kind(value)}", "give an int or a float"
        )
    plain = _exact(name, int(value)) if isinstance(value, Integral) else float(value)
    if not math.isfinite(plain):
        raise InvalidValue(
            f"/{name}", f"{plain} is not a number that JSON can hold", "give a finite number"
        )
    if minimum is not None and plain < minimum:
        raise InvalidValue(
            f"/{name}",
            f"{plain} is less than {minimum:g}",
            "the direction is given by type, never by the sign" if name == "capacity" else "",
        )
    return plain


def member(name: str, value: object, enumeration: type[E]) -> E:
    """Return the member of an enumeration that a value is, or is the text of.

    Raises:
        InvalidValue: It is not a member; texts are upper case on the wire.
    """
    if isinstance(value, str):
        try:
            return enumeration(str(value))
        except ValueError:
            raise InvalidValue(
                f"/{name}",
                f"{_quoted(value)} is not one of {', '.join(enumeration)}",
                _meant(name, value, enumeration),
            ) from None
    raise InvalidValue(
        f"/{name}", f"one of {', '.join(enumeration)} is expected, not {_kind(value)}"
    )


def instant(name: str, value: object) -> datetime:
    """Return an aware datetime in UTC, cut to milliseconds.

    SolarNetwork carries nothing finer: it reads no or exactly three fraction digits, and writes
    three (as observed in SolarNetwork).

    Raises:
        InvalidValue: It is not a datetime, or has no time zone, or its UTC time is out of range.
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
        return cut_to_milliseconds(value)
    except OverflowError:
        raise InvalidValue(
            f"/{name}", f"{value.isoformat()} is out of range in UTC", "give a year 1 to 9999"
        ) from None


def instant_of_text(name: str, value: object) -> datetime:
    """Return the instant of an RFC 3339 date-time in a message.

    Raises:
        InvalidValue: The text is not one; it needs an explicit offset from UTC.
    """
    read = read_instant(value) if isinstance(value, str) else None
    if read is None:
        shown = _quoted(value) if isinstance(value, str) else _kind(value)
        raise InvalidValue(
            f"/{name}", f"{shown} is not an RFC 3339 date-time", "write it as 2026-03-01T18:00:00Z"
        )
    return read


def items(
    name: str, value: object, check: Callable[[str, object], T], *, at_least: int = 0
) -> tuple[T, ...]:
    """Return the checked items of any iterable but a string or a mapping.

    Raises:
        InvalidValue: It is not a list, too short, or an item is unusable; the pointer names the
            item.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidValue(f"/{name}", f"a list is expected, not {_kind(value)}")
    listed = tuple(check(f"{name}/{index}", item) for index, item in enumerate(value))
    if len(listed) < at_least:
        raise InvalidValue(
            f"/{name}",
            f"{len(listed)} items, at least {at_least} expected",
            "SolarNetwork's schema refuses an empty list",
        )
    return listed


def write(value: object) -> str:
    """Return a value as compact ASCII JSON.

    Mappings with text keys, lists, tuples, texts, plain numbers, booleans and None are written as
    JSON does; aware datetimes in UTC with none or exactly three fraction digits, cut to
    milliseconds; OSCP messages and data types as their `to_dict`.

    Raises:
        InvalidValue: There is anything else in it; the pointer names the place.
    """
    try:
        return json.dumps(_plain("", value), separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise InvalidValue("", "the value is nested too deep, or holds itself") from None


def read_object(content: str | bytes) -> dict[str, Any]:
    """Return the object that a JSON text holds; of a repeated key, the last value counts.

    Raises:
        InvalidValue: It is not UTF-8, not JSON, or not an object; line and column are named.
    """
    try:
        value = json.loads(_decoded(content), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidValue("", f"the text is not JSON ({where}): {error.msg}") from None
    except InvalidValue:
        raise
    except ValueError:
        raise InvalidValue("", "a number in the JSON has too many digits") from None
    except RecursionError:
        raise InvalidValue("", "the JSON is nested too deep") from None
    if not isinstance(value, dict):
        raise InvalidValue("", f"a JSON object is expected, not {_kind(value)}")
    return value


def _decoded(content: str | bytes) -> str:
    try:
        return content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as error:
        raise InvalidValue("", f"the text is not UTF-8 from byte {error.start} on") from None


def _no_constant(name: str) -> NoReturn:
    raise InvalidValue("", f"the text is not JSON: {name} is not a JSON number")


def _to_json(value: object) -> object:
    """Return what a structure keeps as JSON values; it was checked when it was made."""
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _plain(pointer: str, value: object) -> object:
    """Return any value as JSON values, checked on the way."""
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, Mapping):
        return dict(_property(pointer, key, item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain(f"{pointer}/{index}", item) for index, item in enumerate(value)]
    return _scalar(pointer, value)


def _scalar(pointer: str, value: object) -> object:
    name = pointer.removeprefix("/")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return write_instant(instant(name, value))
    if isinstance(value, str):
        return text(name, value)
    if isinstance(value, Real):
        return number(name, value)
    raise InvalidValue(
        pointer, f"{_kind(value)} cannot be written as JSON", "give a plain Python value"
    )


def _property(pointer: str, key: object, value: object) -> tuple[str, object]:
    if not isinstance(key, str):
        raise InvalidValue(pointer, f"the key {key!r} is not text", "JSON has only text as keys")
    place = f"{pointer}/{escape_pointer(key)}"
    return text(place.removeprefix("/"), key), _plain(place, value)


def _exact(name: str, value: int) -> int:
    try:
        is_exact = int(float(value)) == value
    except OverflowError:
        is_exact = False
    if not is_exact:
        raise InvalidValue(
            f"/{name}",
            "a 64-bit float cannot hold this integer exactly",
            "SolarNetwork would round it; give float(value), or another unit",
        )
    return value


def _meant(name: str, value: str, enumeration: type[StrEnum]) -> str:
    folded = {known.casefold(): known for known in enumeration}
    near = nearest(value.strip().casefold(), folded)
    if near is None:
        return ""
    meant = folded[near]
    if meant.isupper() and meant == value.strip().upper():
        subject = "units are" if name.endswith("unit") else "enumerated texts are"
        return f'{subject} upper case on the wire: "{meant}"'
    return f'did you mean "{meant}"?'


def _quoted(value: str) -> str:
    # As JSON, so that no control character and no half of a surrogate pair gets into an error.
    return json.dumps(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__

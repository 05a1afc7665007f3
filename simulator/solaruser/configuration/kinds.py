"""What kinds of values the fields of the OSCP configuration hold, and how each is read and shown.

How leniently a value of another JSON type is taken is inferred from the service's other message
classes, which take numbers as texts and the reverse (OSCP dossier §5.1).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from oscp_send.solarnetwork.java import parse_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simulator.solaruser.configuration.fields import Field

__all__ = [
    "DECIMAL",
    "FLAG",
    "ID",
    "SERVICE_PROPS",
    "TEXTS",
    "WHOLE",
    "Kind",
    "Missing",
    "Unreadable",
    "block",
    "choice",
    "text",
]

_LARGEST_LONG: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Unreadable(ValueError):
    """Raised for a value of a JSON type that cannot become what a field holds."""

    def __init__(self, type_name: str, why: str = "") -> None:
        super().__init__(f"Cannot deserialize value of type `{type_name}`{why}")


class Missing(NamedTuple):
    """How the framework tells that a field must be given: those are its own words (inferred)."""

    code: str
    message: str


_BLANK: Final = Missing("NotBlank", "must not be blank")
_NULL: Final = Missing("NotNull", "must not be null")
_EMPTY: Final = Missing("NotEmpty", "must not be empty")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the value of a field is read, judged and described.

    Attributes:
        read: Answers with what the world keeps of a JSON value other than null, or None where that
            stands for nothing; raises `Unreadable` for a value of the wrong type.
        schema: JSON Schema of a value.
        missing: What is told where there has to be a value, and is none.
        shortest: Of a text, as `longest`.
        longest: Of a text, in UTF-16 code units, as validation counts; any where not given.
        column: Of a text, in characters, as the database counts; any where not given.
        fields: Of a value that is an object: its own.
        make: Of such a value: makes what the world keeps of it, by the fields' attributes.
    """

    read: Callable[[Any], object]
    schema: Mapping[str, Any]
    missing: Missing = _NULL
    shortest: int = 0
    longest: int | None = None
    column: int | None = None
    fields: tuple[Field, ...] = ()
    make: Callable[..., object] | None = None


def text(longest: int | None = None, *, shortest: int = 0, column: int | None = None) -> Kind:
    """Answers with the kind of a text; a number and a boolean are taken as they are written."""
    most = longest or column
    limits = {"minLength": shortest} if shortest else {}
    schema = {"type": "string"} | limits | ({"maxLength": most} if most else {})
    return Kind(_text, schema, _BLANK, shortest, longest, column)


def choice(type_name: str, names: Sequence[str], codes: Mapping[str, str] | None = None) -> Kind:
    """Answers with the kind of a value that is one of several names.

    Args:
        type_name: The service's name of the enumeration.
        names: As they are shown, and may be given.
        codes: The letters that may be given in place of a name, each with it; their case, and
            then that of the names, does not matter. The service knows such letters for most of its
            enumerations (SolarUser dossier §8.3); only those that are known are here.
    """
    listed = f": not one of the values accepted for Enum class: [{', '.join(names)}]"
    either = {name.lower(): name for name in names} | dict(codes) if codes else {}

    def read(value: Any) -> object:  # noqa: ANN401 - any JSON value
        if value in names:
            return value
        if isinstance(value, str) and value.lower() in either:
            return either[value.lower()]
        raise Unreadable(type_name, listed)

    return Kind(read, {"type": "string", "enum": list(names)})


def block(type_name: str, fields: tuple[Field, ...], make: Callable[..., object]) -> Kind:
    """Answers with the kind of an object with fields of its own.

    Args:
        type_name: The service's name of it.
        fields: Its own.
        make: Makes what the world keeps of it.
    """

    def read(value: Any) -> object:  # noqa: ANN401 - any JSON value
        if not isinstance(value, dict):
            raise Unreadable(type_name)
        return value

    schema = {
        "type": "object",
        "required": [each.name for each in fields if each.required],
        "properties": {each.name: dict(each.kind.schema) for each in fields},
    }
    return Kind(read, schema, fields=fields, make=make)


def _text(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list):
        raise Unreadable("java.lang.String")
    return value if isinstance(value, str) else json.dumps(value)


def _whole(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        try:
            return parse_long(value.strip()) if value.strip() else None
        except ValueError as error:
            raise Unreadable("java.lang.Long", f": {error}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("java.lang.Long")
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise Unreadable("java.lang.Long", ": out of range")
    return min(int(value), _LARGEST_LONG)


def _flag(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str) and value.strip().lower() in {"true", "false", ""}:
        return value.strip().lower() == "true" if value.strip() else None
    raise Unreadable("boolean")


def _decimal(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise Unreadable("java.math.BigDecimal")


def _texts(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list):
        raise Unreadable("java.lang.String[]")
    # What becomes of a null among them is not known: here it is passed over (inferred).
    return tuple(_text(each) for each in value if each is not None)


def _service_props(value: Any) -> object:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        raise Unreadable("java.util.Map")
    return value


#: JSON Schema of the id of something.
ID: Final[Mapping[str, Any]] = MappingProxyType({"type": "integer", "format": "int64"})
#: A whole number of 64 bits; a fraction is cut off, a text is read.
WHOLE: Final = Kind(_whole, ID)
#: True or false, also as a text or a whole number.
FLAG: Final = Kind(_flag, MappingProxyType({"type": "boolean"}))
#: A number, with a fraction or without.
DECIMAL: Final = Kind(_decimal, MappingProxyType({"type": "number"}))
#: A list of texts, at least one where it has to be given.
TEXTS: Final = Kind(
    _texts,
    MappingProxyType({"type": "array", "minItems": 1, "items": {"type": "string"}}),
    _EMPTY,
)
#: Any JSON values by name, of which one is a secret: `secret.set_apart` takes it away.
SERVICE_PROPS: Final = Kind(_service_props, MappingProxyType({"type": "object"}))

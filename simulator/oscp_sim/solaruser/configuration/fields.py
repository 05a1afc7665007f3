"""What a request may configure: each field declared once, and read, judged, described and shown.

The fields are those of solaruser.md §8.1 to §8.4. How the framework binds a body is inferred:
unknown properties are ignored, of equal ones the last counts, and nothing may follow the object. No
refusal quotes the body, for there may be a secret in it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, get_args

from oscp_schemas import JsonError, read
from oscp_send.instruction import utf16_length
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_sim.redaction import redact_text
from oscp_sim.solaruser.call import ApiRefused
from oscp_sim.world.model import (
    AssetCategory,
    AssetEnergy,
    AssetMeasurement,
    Audience,
    EnergyDirection,
    EnergyType,
    MeasurementPeriod,
    Phase,
    RegistrationStatus,
    StatisticType,
    Unit,
)

# What a field holds.


class _Unreadable(ValueError):
    """Raised for a value of a JSON type that cannot become what a field holds."""

    def __init__(self, type_name: str, why: str = "") -> None:
        super().__init__(f"Cannot deserialize value of type `{type_name}`{why}")


# Code and text of a field that must be given: the framework's own words (inferred).
_BLANK: Final = ("NotBlank", "must not be blank")
_NULL: Final = ("NotNull", "must not be null")
_EMPTY: Final = ("NotEmpty", "must not be empty")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the value of a field is read, judged and described.

    Attributes:
        read: Returns what the world keeps of a JSON value other than null, or None where that
            counts as absent; raises `_Unreadable` for a value of the wrong type.
        schema: JSON Schema of a value.
        missing: Code and text of the refusal where the value must be given and is not.
        longest: Of a text, in UTF-16 code units, as validation counts, like `shortest`.
        column: Of a text, in characters, as the database counts.
        fields: Those of a value that is an object.
        make: Makes what the world keeps of such an object.
    """

    read: Callable[[Any], object]
    schema: Mapping[str, Any]
    missing: tuple[str, str] = _NULL
    shortest: int = 0
    longest: int | None = None
    column: int | None = None
    fields: tuple[Field, ...] = ()
    make: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object: its name in the API, and its attribute in the world."""

    name: str
    attribute: str
    kind: _Kind
    required: bool
    default: object
    about: str


def _field(
    name: str,
    kind: _Kind,
    about: str = "",
    *,
    required: bool = False,
    default: object = None,
    attribute: str | None = None,
) -> Field:
    if attribute is None:
        attribute = re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)
    return Field(name, attribute, kind, required, default, about)


# Reading a body, judging its values, and showing what the world keeps of them.


def read_values(fields: Iterable[Field], body: bytes | None) -> dict[str, Any]:
    """Return the values of a body's object by the world's names, after validation."""
    try:
        values = _read(fields, _read_object(body or b""))
    except _Unreadable as error:
        raise ApiRefused(422, f"Malformed JSON: {error}") from None
    problems = list(_problems(fields, values))
    if problems:
        text = " ".join(f"{each['location']} {each['message']}." for each in problems)
        raise ApiRefused(422, text, code="VAL.00004", errors=problems)
    return values


def _read(fields: Iterable[Field], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's values; null counts as absent (inferred)."""
    found: dict[str, Any] = {}
    for each in fields:
        given = value.get(each.name)
        kept = None if given is None else each.kind.read(given)
        found[each.attribute] = each.default if kept is None else kept
    return found


def _each(
    fields: Iterable[Field], values: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, Field, Any]]:
    """Yield the place, the field and the value of each field, with those of objects in it."""
    for each in fields:
        value, place = values[each.attribute], above + each.name
        yield place, each, value
        if each.kind.fields and value is not None:
            yield from _each(each.kind.fields, value, f"{place}.")


def _problems(fields: Iterable[Field], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, each, value in _each(fields, values):
        kind = each.kind
        if each.required and _is_missing(value):
            yield _problem(place, *kind.missing, value)
        elif kind.longest is not None and value is not None and utf16_length(value) > kind.longest:
            limits = f"size must be between {kind.shortest} and {kind.longest}"
            yield _problem(place, "Size", limits, value)


def _is_missing(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else value is None or value == ()


def _problem(place: str, code: str, message: str, value: object) -> dict[str, Any]:
    # There may be a password in a URL.
    shown = redact_text(value) if isinstance(value, str) else _json(value)
    rejected = {} if value is None else {"rejectedValue": shown}
    return {"location": place, "code": code, **rejected, "message": message}


def check_columns(fields: Iterable[Field], values: Mapping[str, Any]) -> None:
    """Refuse what the database's columns cannot hold (solaruser.md §2.2 and §7.2)."""
    if any(
        each.kind.column is not None and value is not None and len(value) > each.kind.column
        for _, each, value in _each(fields, values)
    ):
        why = "a text is too long for its column"
    elif _holds_nul(values):
        why = "NUL cannot be stored"
    else:
        return
    raise ApiRefused(
        422,
        "An invalid query parameter was used, or a required parameter was missing.",
        code="DAO.00103",
        explanation={"why": why},
    )


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any("\0" in name or _holds_nul(each) for name, each in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


def as_kept(fields: Iterable[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return sound values, with mappings turned into the world's objects."""
    kept = dict(values)
    for each in fields:
        value, make = values[each.attribute], each.kind.make
        if make is not None and value is not None:
            kept[each.attribute] = make(**as_kept(each.kind.fields, value))
    return kept


def show(fields: Iterable[Field], item: object) -> dict[str, Any]:
    """Return an object of the world as JSON, without what it does not have."""
    shown: dict[str, Any] = {}
    for each in fields:
        value = getattr(item, each.attribute)
        if value is not None:
            shown[each.name] = show(each.kind.fields, value) if each.kind.fields else _json(value)
    return shown


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def properties(fields: Iterable[Field]) -> dict[str, Any]:
    """Return a JSON Schema of each field by its name."""
    return {
        each.name: {**each.kind.schema, **({"description": each.about} if each.about else {})}
        for each in fields
    }


# The service's parser goes to 500 levels, but what can be stored must be shown in every form.
_MOST_LEVELS: Final = 100
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NO_BODY: Final = "Malformed request: Required request body is missing"
_LARGEST: Final = 10**json_reading.MAXIMUM_NUMBER_LENGTH


def _read_object(data: bytes) -> dict[str, Any]:
    """Return the object of a body, with its texts as the database stores them."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise ApiRefused(422, _NO_BODY)
    try:
        document = read(data)
    except JsonError as error:
        raise ApiRefused(
            422,
            f"Malformed JSON: {_parser_message(error)}",
            explanation={"why": f"not JSON at line {error.line}, column {error.column}"},
        ) from None
    if document.value is None:
        raise ApiRefused(422, _NO_BODY)
    if not isinstance(document.value, dict):
        raise ApiRefused(422, "Malformed JSON: Cannot deserialize value: not an object")
    return {name: _stored(value, 1) for name, value in document.value.items()}


def _parser_message(error: JsonError) -> str:
    # The token at fault may be a secret without its quotes.
    if error.kind in {"unrecognized-token", "bad-number"}:
        return "Unrecognized token"
    return json_reading.parser_message(error)


def _stored(value: Any, level: int) -> Any:  # noqa: ANN401 - any JSON value
    if level > _MOST_LEVELS:
        raise ApiRefused(
            422, f"Malformed JSON: {json_reading.too_deep(json_reading.MAXIMUM_DEPTH + 1)}"
        )
    if isinstance(value, dict):
        return {_storable(name): _stored(each, level + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_stored(each, level + 1) for each in value]
    if isinstance(value, Decimal):
        # The service would keep what nothing can show (inferred).
        raise ApiRefused(422, "Malformed JSON: Numeric value out of range of double")
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        longest = json_reading.MAXIMUM_NUMBER_LENGTH
        raise ApiRefused(422, f"Malformed JSON: {json_reading.too_long_a_number(longest + 1)}")
    return _storable(value) if isinstance(value, str) else value


def _storable(text: str) -> str:
    """Return a text as the database's driver writes it (inferred; solaruser.md §2.3)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


# The kinds of fields. How leniently a value of another JSON type is read is inferred from the
# service's other message classes, which read numbers from texts and the reverse (oscp20.md §5.1).

_LARGEST_LONG: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: JSON Schema of an id.
ID: Final[Mapping[str, Any]] = {"type": "integer", "format": "int64"}


def _text(longest: int | None = None, *, shortest: int = 0, column: int | None = None) -> _Kind:
    most = longest or column
    limits = {"minLength": shortest} if shortest else {}
    schema = {"type": "string"} | limits | ({"maxLength": most} if most else {})
    return _Kind(_read_text, schema, _BLANK, shortest, longest, column)


def _choice(type_name: str, names: Any, codes: Mapping[str, str] | None = None) -> _Kind:  # noqa: ANN401 - a Literal
    """Return the kind of a value that is one of the names of a `Literal`.

    `codes` are letters that may be given instead of a name; then case does not matter, of letters
    and names. The service knows such letters for most of its enumerations (solaruser.md §8.3); only
    those that are known are here.
    """
    shown = get_args(names)
    listed = f": not one of the values accepted for Enum class: [{', '.join(shown)}]"
    either = {name.lower(): name for name in shown} | dict(codes) if codes else {}

    def read(value: object) -> object:
        if value in shown:
            return value
        if isinstance(value, str) and value.lower() in either:
            return either[value.lower()]
        raise _Unreadable(type_name, listed)

    return _Kind(read, {"type": "string", "enum": list(shown)})


def _object(type_name: str, fields: tuple[Field, ...], make: Callable[..., object]) -> _Kind:
    def read(value: object) -> object:
        if not isinstance(value, dict):
            raise _Unreadable(type_name)
        return _read(fields, value)

    schema = {
        "type": "object",
        "required": [each.name for each in fields if each.required],
        "properties": {each.name: dict(each.kind.schema) for each in fields},
    }
    return _Kind(read, schema, fields=fields, make=make)


def _read_text(value: object) -> str:
    """Read a text; a number and a boolean become one as they are written."""
    if isinstance(value, dict | list):
        raise _Unreadable("java.lang.String")
    return value if isinstance(value, str) else json.dumps(value)


def _read_whole(value: object) -> int | None:
    """Read a whole number of 64 bits; a fraction is cut off, a text is parsed."""
    if isinstance(value, str):
        try:
            return parse_long(value.strip()) if value.strip() else None
        except ValueError as error:
            raise _Unreadable("java.lang.Long", f": {error}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unreadable("java.lang.Long")
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise _Unreadable("java.lang.Long", ": out of range")
    return min(int(value), _LARGEST_LONG)


def _read_flag(value: object) -> bool | None:
    """Read true or false, also from a text or a whole number."""
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str) and value.strip().lower() in {"true", "false", ""}:
        return value.strip().lower() == "true" if value.strip() else None
    raise _Unreadable("boolean")


def _read_decimal(value: object) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _Unreadable("java.math.BigDecimal")


def _read_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Unreadable("java.lang.String[]")
    # What the service does with a null among them is not known: here it is ignored (inferred).
    return tuple(_read_text(each) for each in value if each is not None)


def _read_map(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unreadable("java.util.Map")
    return value


_WHOLE: Final = _Kind(_read_whole, ID)
_FLAG: Final = _Kind(_read_flag, {"type": "boolean"})
_DECIMAL: Final = _Kind(_read_decimal, {"type": "number"})
_TEXTS: Final = _Kind(
    _read_texts, {"type": "array", "minItems": 1, "items": {"type": "string"}}, _EMPTY
)
_MAP: Final = _Kind(_read_map, {"type": "object"})
_STATUS: Final = _choice(
    "RegistrationStatus", RegistrationStatus, {"p": "Pending", "r": "Registered", "f": "Failed"}
)
_PERIOD: Final = _choice("MeasurementPeriod", MeasurementPeriod)


# The fields.

_SOURCE_ID_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"

_NAME: Final = _field("name", _text(64, shortest=1), "For people", required=True)
_ENABLED: Final = _field("enabled", _FLAG, "Otherwise it is unknown to the services", default=False)
_SERVICE_PROPS: Final = _field("serviceProps", _MAP, "More settings, by name")
_NODE_ID: Final = _field("nodeId", _WHOLE, "A node of the user", required=True)

#: A Capacity Provider or a Capacity Optimizer. Its registration status must be given, but
#: validation does not ask for it: it is missed later, and in another way.
SYSTEM: Final = (
    _ENABLED,
    _NAME,
    _field("baseUrl", _text(256), "Where it listens; its registration sets it"),
    _field("oscpVersion", _text(8), "2.0, for delivery to work"),
    _field("registrationStatus", _STATUS, "How far its registration has come"),
    _SERVICE_PROPS,
)

GROUP: Final = (
    _NAME,
    _ENABLED,
    _field(
        "identifier",
        _text(128, shortest=1),
        "The cgIdentifier of instructions and the group_id of OSCP",
        required=True,
    ),
    _field(
        "capacityProviderId",
        _WHOLE,
        "The configId of a Capacity Provider",
        required=True,
        attribute="capacity_provider",
    ),
    _field(
        "capacityOptimizerId",
        _WHOLE,
        "The configId of a Capacity Optimizer",
        required=True,
        attribute="capacity_optimizer",
    ),
    _field(
        "capacityProviderMeasurementPeriod",
        _PERIOD,
        "How often the Capacity Provider is sent measurements",
        required=True,
    ),
    _field(
        "capacityOptimizerMeasurementPeriod",
        _PERIOD,
        "How often the Capacity Optimizer is sent measurements",
        required=True,
    ),
    _SERVICE_PROPS,
)

_MEASUREMENT: Final = (
    _field("propertyNames", _TEXTS, "Of a datum stream", required=True),
    _field("unit", _choice("MeasurementUnit", Unit), required=True),
    _field("multiplier", _DECIMAL, "Turns the properties' unit into this one"),
    _field("statisticType", _choice("StatisticType", StatisticType), required=True),
)
_ENERGY: Final = (
    *_MEASUREMENT,
    _field("type", _choice("EnergyType", EnergyType)),
    _field("direction", _choice("EnergyDirection", EnergyDirection)),
)

ASSET: Final = (
    _NAME,
    _ENABLED,
    _field(
        "capacityGroupId",
        _WHOLE,
        "The configId of a Capacity Group",
        required=True,
        attribute="capacity_group",
    ),
    _field("identifier", _text(column=64, shortest=1), "Unique in its group", required=True),
    _field("audience", _choice("OscpRole", Audience), required=True),
    _NODE_ID,
    _field("sourceId", _text(64, shortest=1), "A datum stream", required=True),
    _field("category", _choice("AssetCategory", AssetCategory), required=True),
    _field("phase", _choice("Phase", Phase), required=True),
    _field(
        "instantaneous",
        _object("AssetInstantaneousDatumConfiguration", _MEASUREMENT, AssetMeasurement),
    ),
    _field("energy", _object("AssetEnergyDatumConfiguration", _ENERGY, AssetEnergy)),
    _SERVICE_PROPS,
)

#: The settings of a user, or of one Capacity Group.
PUBLICATION: Final = (
    _field("publishToSolarIn", _FLAG, "Keep the values", default=True),
    _field("publishToSolarFlux", _FLAG, "Send the values to subscribers", default=True),
    _NODE_ID,
    _field("sourceIdTemplate", _text(), f"{_SOURCE_ID_TEMPLATE} where it is not given"),
)

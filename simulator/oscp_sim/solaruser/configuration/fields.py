"""What a request may configure: each field declared once, and read, judged, described and shown.

The fields are those of solaruser.md §8.1 to §8.4. Unknown properties are ignored, of equal ones the
last counts, and the first of the document that cannot be read decides (measured). A refusal quotes
no body that names a secret.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from typing import Any, Final, get_args

from oscp_schemas import JsonError
from oscp_send.instruction import utf16_length
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.json_reading import Mistake, parse_long
from oscp_sim.redaction import redact_text
from oscp_sim.solaruser.call import ApiRefused
from oscp_sim.world.model import (
    OAUTH_CLIENT_SECRET,
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
    """Raised for a value that cannot become what a field holds."""


_REQUEST: Final = "request: JSON parse error"
_TOKENS: Final = (
    (str, "String value", "VALUE_STRING"),
    (list, "Array value", "START_ARRAY"),
    (dict, "Object value", "START_OBJECT"),
    (int, "Integer value", "VALUE_NUMBER_INT"),
    (float, "Floating-point value", "VALUE_NUMBER_FLOAT"),
)


def _wrong(type_name: str, value: object) -> _Unreadable:
    """Return the refusal of a value of another JSON type."""
    found, token = next((words, name) for kind, words, name in _TOKENS if isinstance(value, kind))
    if isinstance(value, bool):
        found, token = "Boolean value", f"VALUE_{json.dumps(value).upper()}"
    return _Unreadable(
        f"JSON: Cannot deserialize value of type `{type_name}` from {found} "
        f"(token `JsonToken.{token}`)"
    )


def _not_one(type_name: str, text: str, why: str, about: str = "JSON") -> _Unreadable:
    return _Unreadable(
        f'{about}: Cannot deserialize value of type `{type_name}` from String "{text}": {why}'
    )


# Code and text of a field that must be given, where the service has no words of its own for it.
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
        empty: Code and text of the refusal of a value that must not be empty; None: any may be.
        longest: Of a text, in UTF-16 code units, as validation counts.
        column: Of a text, in characters, as the database counts.
        fields: Those of a value that is an object.
        make: Makes what the world keeps of such an object.
    """

    read: Callable[[Any], object]
    schema: Mapping[str, Any]
    empty: tuple[str, str] | None = None
    longest: int | None = None
    column: int | None = None
    fields: tuple[Field, ...] = ()
    make: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object: its name in the API, and its attribute in the world.

    `called` is what the service calls it in a refusal, after the name of the whole: where it is
    empty the framework speaks.
    """

    name: str
    kind: _Kind
    about: str = ""
    _: KW_ONLY
    required: bool = False
    default: object = None
    attribute: str = ""
    called: str = ""

    def __post_init__(self) -> None:
        usual = re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", self.name)
        object.__setattr__(self, "attribute", self.attribute or usual)


# Reading a body, judging its values, and showing what the world keeps of them.


@dataclass(frozen=True, slots=True)
class Input:
    """What a body is to the service.

    Attributes:
        fields: Those of its object.
        words: What the service calls it in a refusal.
        type_name: Its class.
        method: The signature of the method that wants it.
    """

    fields: tuple[Field, ...]
    words: str
    type_name: str
    method: str


def read_values(wanted: Input, body: bytes | None, charset: str | None) -> dict[str, Any]:
    """Return the values of a body's object by the world's names, after validation."""
    try:
        values = _read(wanted.fields, _read_object(wanted, body or b"", charset))
    except _Unreadable as error:
        raise ApiRefused(422, f"Malformed {error}") from None
    problems = list(_problems(wanted, values))
    if problems:
        text = " ".join(each["message"] for each in problems)
        raise ApiRefused(422, text, code="VAL.00004", errors=problems)
    return values


def _read(fields: Iterable[Field], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's values, read in the order of the document; null counts as absent."""
    known = {each.name: each for each in fields}
    found = {each.attribute: each.default for each in known.values()}
    for each, given in ((known[name], given) for name, given in value.items() if name in known):
        kept = None if given is None and each.kind is not _FLAG else each.kind.read(given)
        found[each.attribute] = each.default if kept is None else kept
    return found


def _each(
    fields: Iterable[Field], values: Mapping[str, Any], above: str = "", called: str = ""
) -> Iterator[tuple[str, str, Field, Any]]:
    """Yield the place, what it is called, the field and the value of each, also in objects."""
    for each in fields:
        value, place = values[each.attribute], above + each.name
        words = f"{called} {each.called}" if each.called else ""
        yield place, words, each, value
        if each.kind.fields and value is not None:
            yield from _each(each.kind.fields, value, f"{place}.", words)


def _problems(wanted: Input, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for place, words, each, value in _each(wanted.fields, values, called=f"The {wanted.words}"):
        for code, text in _complaints(each, words, value):
            yield _problem(place, code, text, value)


def _complaints(each: Field, words: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield code and text of what is wrong with a value (the service's own order is random)."""
    kind = each.kind
    if each.required and kind.empty and _is_missing(value):
        code, text = kind.empty
        yield code, f"{words} must not be empty." if words else text
    if each.required and value is None:
        be = "are" if words.endswith("names") else "is"
        yield "NotNull", f"{words} {be} required." if words else _NULL[1]
    elif kind.longest is not None and value is not None and utf16_length(value) > kind.longest:
        own = f"{words} must be no more than {kind.longest} characters long."
        # An identifier has no words of its own for this.
        is_plain = not words or each.name == "identifier"
        yield "Size", f"size must be between 0 and {kind.longest}" if is_plain else own


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
        each.kind.column is not None and isinstance(value, str) and len(value) > each.kind.column
        for _, _, each, value in _each(fields, values)
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
_LARGEST: Final = 10**json_reading.MAXIMUM_NUMBER_LENGTH


def _read_object(wanted: Input, body: bytes, charset: str | None) -> dict[str, Any]:
    """Return the object of a body, with its texts as the database stores them."""
    missing = f"request: Required request body is missing: {wanted.method}"
    if not body:
        raise _Unreadable(missing)
    source = json_reading.decoded(body, charset)
    document = json_reading.read_json(source)
    if isinstance(document, JsonError):
        said = json_reading.mistake(document, source, wanted.type_name) or Mistake("")
        # The token at fault may be a secret without its quotes.
        plain = source if isinstance(source, str) else source.decode("latin-1")
        text = said.without_word() if OAUTH_CLIENT_SECRET in plain else said.text
        why = f"not JSON at line {document.line}, column {document.column}"
        raise ApiRefused(422, f"Malformed JSON: {text}", explanation={"why": why})
    if document.value is None:
        raise _Unreadable(missing)
    if not isinstance(document.value, dict):
        raise _no_object(wanted.type_name, _stored(document.value, 0))
    return {name: _stored(value, 1) for name, value in document.value.items()}


_CREATORS: Final = (
    (bool, "boolean/Boolean", "boolean value ({})"),
    (int, "int/Int", "Number value ({})"),
    (float, "double/Double", "Number value ({})"),
    (str, "String", "String value ('{}')"),
)


def _no_object(type_name: str, value: object) -> _Unreadable:
    """Return the refusal of what is no object; that of a text quotes it as the service does."""
    for kind, argument, shown in _CREATORS:
        if isinstance(value, kind):
            text = shown.format(_read_text(value))
            return _Unreadable(
                f"JSON: Cannot construct instance of `{type_name}` (although at least one Creator "
                f"exists): no {argument}-argument constructor/factory method to deserialize from "
                f"{text}"
            )
    return _wrong(type_name, value)


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


# The kinds of fields. How leniently a value of another JSON type is read was measured for most.

_LARGEST_LONG: Final = 2**63 - 1
_DOMAIN: Final = "net.solarnetwork.central.oscp.domain"
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: JSON Schema of an id.
ID: Final[Mapping[str, Any]] = {"type": "integer", "format": "int64"}


def _text(longest: int | None = None, *, shortest: int = 0, column: int | None = None) -> _Kind:
    most = longest or column
    limits = {"minLength": shortest} if shortest else {}
    schema = {"type": "string"} | limits | ({"maxLength": most} if most else {})
    return _Kind(_read_text, schema, _BLANK, longest, column)


def _choice(type_name: str, names: Any, codes: Mapping[str, str] | None = None) -> _Kind:  # noqa: ANN401 - a Literal
    """Return the kind of a value that is one of the names of a `Literal`, in whatever case.

    `codes` are letters that may be given instead of a name, as they are. The service may know such
    letters for other enumerations, too (solaruser.md §8.3); only those that are known are here.
    """
    shown = get_args(names)
    either = {name.lower(): name for name in shown}

    def read(value: object) -> object:
        # Of a list or an object nothing is read (inferred).
        text = "" if isinstance(value, list | dict) else _read_text(value)
        found = (codes or {}).get(text) or either.get(text.lower())
        if found is None:
            raise _Unreadable(
                f"{_REQUEST}: Cannot construct instance of `{_DOMAIN}.{type_name}`, problem: "
                f"Invalid {type_name} value [{text}]"
            )
        return found

    return _Kind(read, {"type": "string", "enum": list(shown)})


def _object(type_name: str, fields: tuple[Field, ...], make: Callable[..., object]) -> _Kind:
    def read(value: object) -> object:
        if not isinstance(value, dict):
            raise _no_object(f"{_DOMAIN}.{type_name}", value)
        return _read(fields, value)

    schema = {
        "type": "object",
        "required": [each.name for each in fields if each.required],
        "properties": {each.name: dict(each.kind.schema) for each in fields},
    }
    return _Kind(read, schema, fields=fields, make=make)


def _read_audience(value: object) -> str:
    """Read the role that an asset is for: names in their own case, and not all of them."""
    name, known = f"{_DOMAIN}.OscpRole", ("FlexibilityProvider", *get_args(Audience))
    if not isinstance(value, str):
        raise _wrong(name, value)
    if value not in known:
        listed = ", ".join(known)
        why = f"not one of the values accepted for Enum class: [{listed}]"
        raise _not_one(name, value, why)
    if value not in get_args(Audience):
        raise _Unreadable(
            f"{_REQUEST}: Problem deserializing property 'audience' (expected type: [simple type, "
            f"class {name}]; actual type: `{name}`), problem: Audience [{value}] not supported."
        )
    return value


def _read_text(value: object) -> str:
    """Read a text; a number and a boolean become one as they are written."""
    if isinstance(value, dict | list):
        raise _wrong("java.lang.String", value)
    return value if isinstance(value, str) else json.dumps(value)


# What `java.net.URI` takes in each part of a URL, and any letter beyond ASCII.
_URL: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][\w+.-]*):)?(?P<authority>//[^/?#]*)?(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.ASCII | re.DOTALL,
)
_ILLEGAL: Final[Mapping[str, re.Pattern[str]]] = {
    "authority": re.compile(r'[\s\x00-\x1f\x7f-\xa0"<>\\^`{|}]'),
    "path": re.compile(r'[\s\x00-\x1f\x7f-\xa0"<>\\^`{|}\[\]]'),
    "query": re.compile(r'[\s\x00-\x1f\x7f-\xa0"<>\\^`{|}]'),
    "fragment": re.compile(r'(?<=.)#|[\s\x00-\x1f\x7f-\xa0"<>\\^`{|}]'),
}


def _read_url(value: object) -> str:
    """Read a URL, without the blanks around it, as far as the service judges it."""
    if isinstance(value, dict | list):
        raise _wrong("java.net.URI", value)
    text = _read_text(value).strip()
    problem = _problem_of_url(text)
    if problem is not None:
        why = f"not a valid textual representation, problem: {problem}: {redact_text(text)}"
        raise _not_one("java.net.URI", redact_text(text), why, _REQUEST)
    return text


def _problem_of_url(text: str) -> str | None:
    parts = _URL.fullmatch(text)
    for name, illegal in _ILLEGAL.items():
        at = parts and parts.start(name)
        found = illegal.search(parts[name]) if parts and parts[name] else None
        if found and at is not None:
            return f"Illegal character in {name} at index {at + found.start()}"
    if parts and parts["authority"] == "//" and not parts["path"]:
        return f"Expected authority at index {parts.end('authority')}"
    escape = re.search(r"%(?![0-9A-Fa-f]{2})", text)
    return f"Malformed escape pair at index {escape.start()}" if escape else None


def _read_whole(value: object) -> int | None:
    """Read a whole number of 64 bits; a fraction is cut off, a text is parsed."""
    if isinstance(value, str):
        try:
            return parse_long(value.strip()) if value.strip() else None
        except ValueError:
            why = "not a valid `java.lang.Long` value"
            raise _not_one("java.lang.Long", value, why) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("java.lang.Long", value)
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        limits = f"(-{_LARGEST_LONG + 1} - {_LARGEST_LONG})"
        raise _Unreadable(f"JSON: Numeric value ({value}) out of range of `long` {limits}")
    return min(int(value), _LARGEST_LONG)


_TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")


def _read_flag(value: object) -> bool:
    """Read true or false, also from a text or a whole number."""
    strict = "`DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES`"
    if value is None:
        raise _Unreadable(
            f"JSON: Cannot map `null` into type `boolean` (set {strict} to 'false' to allow)"
        )
    if isinstance(value, int):
        return value != 0
    if not isinstance(value, str):
        raise _wrong("boolean", value)
    if not value.strip():
        raise _Unreadable(
            f"JSON: Cannot coerce `null` to `boolean` value (disable {strict} to allow)"
        )
    if value.strip() not in _TRUE + _FALSE:
        texts = ["/".join(f'"{each}"' for each in known) for known in (_TRUE, _FALSE)]
        raise _not_one("boolean", value, f"only {' or '.join(texts)} recognized")
    return value.strip() in _TRUE


def _read_decimal(value: object) -> int | float:
    if isinstance(value, str):
        number = float(value) if _NUMBER.fullmatch(value) else math.nan
        if not math.isfinite(number):
            raise _not_one("java.math.BigDecimal", value, "not a valid representation")
        return number
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("java.math.BigDecimal", value)
    return value


def _read_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong("java.lang.String[]", value)
    # What the service does with a null among them is not known: here it is ignored (inferred).
    return tuple(_read_text(each) for each in value if each is not None)


def _read_map(value: object) -> dict[str, Any]:
    """Read properties, as the database keeps them and gives them back (measured)."""
    if not isinstance(value, dict):
        raise _wrong("java.util.LinkedHashMap<java.lang.String,java.lang.Object>", value)
    kept: dict[str, Any] = _as_jsonb(value)
    return kept


def _as_jsonb(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value with its names by length, then by their bytes, and without those of null."""
    if isinstance(value, list):
        return [_as_jsonb(each) for each in value]
    if not isinstance(value, dict):
        return value
    names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
    return {name: _as_jsonb(value[name]) for name in names if value[name] is not None}


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
_URI: Final = _Kind(_read_url, {"type": "string", "maxLength": 256}, column=256)


# The fields.

_SOURCE_ID_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"

_NAME: Final = Field("name", _text(64, shortest=1), "For people", required=True, called="name")
_ENABLED: Final = Field("enabled", _FLAG, "Otherwise it is unknown to the services", default=False)
_SERVICE_PROPS: Final = Field("serviceProps", _MAP, "More settings, by name")
_AUDIENCE: Final = _Kind(_read_audience, {"type": "string", "enum": list(get_args(Audience))})

#: A Capacity Provider or a Capacity Optimizer. Its registration status must be given, but
#: validation does not ask for it: it is missed later, and in another way.
SYSTEM: Final = (
    _ENABLED,
    _NAME,
    Field("baseUrl", _URI, "Where it listens; its registration sets it"),
    Field("oscpVersion", _text(column=8), "2.0, for delivery to work"),
    Field("registrationStatus", _STATUS, "How far its registration has come"),
    _SERVICE_PROPS,
)

GROUP: Final = (
    _NAME,
    _ENABLED,
    Field(
        "identifier",
        _text(128, shortest=1),
        "The cgIdentifier of instructions and the group_id of OSCP",
        required=True,
        called="identifier",
    ),
    Field(
        "capacityProviderId",
        _WHOLE,
        "The configId of a Capacity Provider",
        required=True,
        attribute="capacity_provider",
        called="Capacity Provider ID",
    ),
    Field(
        "capacityOptimizerId",
        _WHOLE,
        "The configId of a Capacity Optimizer",
        required=True,
        attribute="capacity_optimizer",
        called="Capacity Optimizer ID",
    ),
    Field(
        "capacityProviderMeasurementPeriod",
        _PERIOD,
        "How often the Capacity Provider is sent measurements",
        required=True,
        called="capacity provider measurement period",
    ),
    Field(
        "capacityOptimizerMeasurementPeriod",
        _PERIOD,
        "How often the Capacity Optimizer is sent measurements",
        required=True,
        called="capacity optimizer measurement period",
    ),
    _SERVICE_PROPS,
)

_MEASUREMENT: Final = (
    Field("propertyNames", _TEXTS, "Of a datum stream", required=True, called="property names"),
    Field("unit", _choice("MeasurementUnit", Unit), required=True, called="unit"),
    Field(
        "statisticType",
        _choice("StatisticType", StatisticType),
        required=True,
        called="statistic type",
    ),
)
_MULTIPLIER: Final = Field("multiplier", _DECIMAL, "Turns the properties' unit into this one")
_INSTANTANEOUS: Final = (*_MEASUREMENT, _MULTIPLIER)
_ENERGY: Final = (
    *_MEASUREMENT,
    Field("type", _choice("EnergyType", EnergyType), required=True, called="type"),
    Field(
        "direction",
        _choice("EnergyDirection", EnergyDirection),
        required=True,
        called="direction",
    ),
    _MULTIPLIER,
)

ASSET: Final = (
    Field("name", _text(64, shortest=1), "For people", required=True),
    _ENABLED,
    Field(
        "capacityGroupId",
        _WHOLE,
        "The configId of a Capacity Group",
        required=True,
        attribute="capacity_group",
        called="capacity group ID",
    ),
    Field(
        "identifier",
        _text(column=64, shortest=1),
        "Unique in its group",
        required=True,
        called="identifier",
    ),
    Field("audience", _AUDIENCE, required=True, called="audience"),
    Field("nodeId", _WHOLE, "A node of the user", required=True, called="node ID"),
    Field("sourceId", _text(64, shortest=1), "A datum stream", required=True, called="source ID"),
    Field("category", _choice("AssetCategory", AssetCategory), required=True, called="category"),
    Field("phase", _choice("Phase", Phase), required=True, called="phase"),
    Field(
        "instantaneous",
        _object("AssetInstantaneousDatumConfiguration", _INSTANTANEOUS, AssetMeasurement),
        called="instantaneous",
    ),
    Field(
        "energy",
        _object("AssetEnergyDatumConfiguration", _ENERGY, AssetEnergy),
        called="energy",
    ),
    _SERVICE_PROPS,
)

#: The settings of a user, or of one Capacity Group.
PUBLICATION: Final = (
    Field("publishToSolarIn", _FLAG, "Keep the values", default=True),
    Field("publishToSolarFlux", _FLAG, "Send the values to subscribers", default=True),
    Field("nodeId", _WHOLE, "A node of the user", required=True),
    Field("sourceIdTemplate", _text(column=255), f"{_SOURCE_ID_TEMPLATE} where it is not given"),
)

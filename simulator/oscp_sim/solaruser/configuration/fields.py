"""Reading the JSON body of a request to the OSCP configuration API.

As the framework binds it (inferred): unknown properties are ignored, of equal ones the last counts,
and nothing may follow. No refusal quotes the body, for there may be a secret in it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args

from oscp_schemas import JsonError, read
from oscp_send.instruction import utf16_length
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_sim.redaction import redact_text
from oscp_sim.solaruser.call import ApiRefused
from oscp_sim.world import Asset, CapacityGroup, CapacityOptimizer, CapacityProvider, User
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

__all__ = [
    "ASSET",
    "ASSETS",
    "DECIMAL",
    "FLAG",
    "GROUP",
    "GROUPS",
    "ID",
    "KINDS",
    "MOST_LEVELS",
    "OPTIMIZERS",
    "PROVIDERS",
    "PUBLICATION",
    "SERVICE_PROPS",
    "SOURCE_ID_TEMPLATE",
    "SYSTEM",
    "TEXTS",
    "WHOLE",
    "Entity",
    "EntityKind",
    "Field",
    "Fields",
    "Kind",
    "Missing",
    "Unreadable",
    "block",
    "check_columns",
    "check_stored",
    "check_unreferenced",
    "choice",
    "no_such_reference",
    "problems_of",
    "properties",
    "read_body",
    "read_fields",
    "read_values",
    "show",
    "text",
    "too_long",
    "with_parts",
]


# § Reading an object by a table of its fields, judging what it holds, and showing it again.


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object.

    Attributes:
        name: As the API calls it.
        attribute: As the world calls it.
        kind: How it is read and shown.
        required: Whether a request must give it.
        default: What stands for it where it is not given.
        about: One line, for the API's description.
    """

    name: str
    attribute: str
    kind: Kind
    required: bool = False
    default: object = None
    about: str = ""


Fields = tuple[Field, ...]


def read_fields(fields: Fields, value: Mapping[str, Any]) -> dict[str, Any]:
    """Answers with the values of an object by the world's names; unknown properties are ignored.

    A value of null is as good as none (inferred).

    Raises:
        Unreadable: A value is of the wrong type.
    """
    found: dict[str, Any] = {}
    for each in fields:
        given = value.get(each.name)
        taken = None if given is None else each.kind.read(given)
        if each.kind.fields and given is not None:
            taken = read_fields(each.kind.fields, given)
        found[each.attribute] = each.default if taken is None else taken
    return found


def problems_of(
    fields: Fields, values: Mapping[str, Any], above: str = ""
) -> Iterator[dict[str, Any]]:
    """Answers with all that is wrong with the values that `read` gave, as it is to be told.

    Args:
        fields: The object's.
        values: By the world's names.
        above: What stands before the name of each field.
    """
    for each in fields:
        value, kind = values[each.attribute], each.kind
        location = above + each.name
        if each.required and _is_missing(value):
            yield _problem(location, *kind.missing, value)
        elif kind.longest is not None and value is not None and utf16_length(value) > kind.longest:
            limits = f"size must be between {kind.shortest} and {kind.longest}"
            yield _problem(location, "Size", limits, value)
        elif kind.fields and value is not None:
            yield from problems_of(kind.fields, value, f"{location}.")


def _is_missing(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else value is None or value == ()


def _problem(location: str, code: str, message: str, value: object) -> dict[str, Any]:
    # A password may stand in a URL.
    shown = redact_text(value) if isinstance(value, str) else _json(value)
    rejected = {} if value is None else {"rejectedValue": shown}
    return {"location": location, "code": code, **rejected, "message": message}


def too_long(fields: Fields, values: Mapping[str, Any]) -> bool:
    """Tells whether the values that `read` gave hold a text that its database column does not."""
    for each in fields:
        value, kind = values[each.attribute], each.kind
        if kind.column is not None and value is not None and len(value) > kind.column:
            return True
        if kind.fields and value is not None and too_long(kind.fields, value):
            return True
    return False


def with_parts(fields: Fields, values: Mapping[str, Any]) -> dict[str, Any]:
    """Answers with the values that `read` gave as the world keeps them.

    Args:
        fields: The object's.
        values: With nothing wrong in them.
    """
    kept = dict(values)
    for each in fields:
        value, make = values[each.attribute], each.kind.make
        if make is not None and value is not None:
            kept[each.attribute] = make(**with_parts(each.kind.fields, value))
    return kept


def show(fields: Iterable[Field], item: object) -> dict[str, Any]:
    """Answers with an object of the world as JSON, without what it does not have."""
    shown: dict[str, Any] = {}
    for each in fields:
        value = getattr(item, each.attribute)
        if value is not None:
            shown[each.name] = show(each.kind.fields, value) if each.kind.fields else _json(value)
    return shown


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def properties(fields: Fields) -> dict[str, Any]:
    """Answers with a JSON Schema of each field by its name."""
    return {
        each.name: {**each.kind.schema, **({"description": each.about} if each.about else {})}
        for each in fields
    }


# § What kinds of values the fields of the OSCP configuration hold, and how each is read and
# shown.
#
# How leniently a value of another JSON type is taken is inferred from the service's other message
# classes, which take numbers as texts and the reverse (oscp20.md §5.1).

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
            enumerations (solaruser.md §8.3); only those that are known are here.
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


# § The fields of all that the OSCP configuration API knows (solaruser.md §8.1 to §8.4).

#: How the service names datum streams where the settings do not say.
SOURCE_ID_TEMPLATE: Final = "/oscp/{role}/{action}/{cp}/{co}/{cgIdentifier}"

_NAME: Final = Field("name", "name", text(64, shortest=1), required=True, about="For people")
_ENABLED: Final = Field(
    "enabled", "enabled", FLAG, default=False, about="Otherwise it is unknown to the services"
)
_SERVICE_PROPS: Final = Field(
    "serviceProps", "service_props", SERVICE_PROPS, about="More settings, by name"
)


def _choice(names: Any, type_name: str) -> Kind:  # noqa: ANN401 - a Literal
    return choice(type_name, get_args(names))


_STATUS: Final = choice(
    "RegistrationStatus",
    get_args(RegistrationStatus),
    {"p": "Pending", "r": "Registered", "f": "Failed"},
)
_PERIOD: Final = _choice(MeasurementPeriod, "MeasurementPeriod")

#: A Capacity Provider, and as well a Capacity Optimizer. That its registration status must be given
#: is not for validation: it is missed later, and in another way.
SYSTEM: Final[Fields] = (
    _ENABLED,
    _NAME,
    Field("baseUrl", "base_url", text(256), about="Where it listens; its registration tells it"),
    Field("oscpVersion", "oscp_version", text(8), about="2.0, for delivery to work"),
    Field("registrationStatus", "registration_status", _STATUS, about="How far it has come"),
    _SERVICE_PROPS,
)

GROUP: Final[Fields] = (
    _NAME,
    _ENABLED,
    Field(
        "identifier",
        "identifier",
        text(128, shortest=1),
        required=True,
        about="The cgIdentifier of instructions and the group_id of OSCP",
    ),
    Field(
        "capacityProviderId",
        "capacity_provider",
        WHOLE,
        required=True,
        about="The configId of a Capacity Provider",
    ),
    Field(
        "capacityOptimizerId",
        "capacity_optimizer",
        WHOLE,
        required=True,
        about="The configId of a Capacity Optimizer",
    ),
    Field(
        "capacityProviderMeasurementPeriod",
        "capacity_provider_measurement_period",
        _PERIOD,
        required=True,
        about="How often the Capacity Provider is told measurements",
    ),
    Field(
        "capacityOptimizerMeasurementPeriod",
        "capacity_optimizer_measurement_period",
        _PERIOD,
        required=True,
        about="How often the Capacity Optimizer is told measurements",
    ),
    _SERVICE_PROPS,
)

_MEASUREMENT: Final[Fields] = (
    Field("propertyNames", "property_names", TEXTS, required=True, about="Of a datum stream"),
    Field("unit", "unit", _choice(Unit, "MeasurementUnit"), required=True),
    Field("multiplier", "multiplier", DECIMAL, about="Turns the properties' unit into this one"),
    Field(
        "statisticType", "statistic_type", _choice(StatisticType, "StatisticType"), required=True
    ),
)
_ENERGY: Final[Fields] = (
    *_MEASUREMENT,
    Field("type", "type", _choice(EnergyType, "EnergyType")),
    Field("direction", "direction", _choice(EnergyDirection, "EnergyDirection")),
)

ASSET: Final[Fields] = (
    _NAME,
    _ENABLED,
    Field(
        "capacityGroupId",
        "capacity_group",
        WHOLE,
        required=True,
        about="The configId of a Capacity Group",
    ),
    Field(
        "identifier",
        "identifier",
        text(column=64, shortest=1),
        required=True,
        about="Unique in its group",
    ),
    Field("audience", "audience", _choice(Audience, "OscpRole"), required=True),
    Field("nodeId", "node_id", WHOLE, required=True, about="A node of the user"),
    Field("sourceId", "source_id", text(64, shortest=1), required=True, about="A datum stream"),
    Field("category", "category", _choice(AssetCategory, "AssetCategory"), required=True),
    Field("phase", "phase", _choice(Phase, "Phase"), required=True),
    Field(
        "instantaneous",
        "instantaneous",
        block("AssetInstantaneousDatumConfiguration", _MEASUREMENT, AssetMeasurement),
    ),
    Field("energy", "energy", block("AssetEnergyDatumConfiguration", _ENERGY, AssetEnergy)),
    _SERVICE_PROPS,
)

PUBLICATION: Final[Fields] = (
    Field("publishToSolarIn", "publish_to_solar_in", FLAG, default=True, about="Keep the values"),
    Field(
        "publishToSolarFlux",
        "publish_to_solar_flux",
        FLAG,
        default=True,
        about="Send the values to subscribers",
    ),
    Field("nodeId", "node_id", WHOLE, required=True, about="A node of the user"),
    Field(
        "sourceIdTemplate",
        "source_id_template",
        text(),
        about=f"{SOURCE_ID_TEMPLATE} where it is not given",
    ),
)


# § What a user configures one by one, and what the database says of how they hang together.
#
# Which rules there are is known, that each is told as here is inferred from the service's
# catalogue of codes (solaruser.md §7.2): a duplicate is `DAO.00101`, and a reference that
# leads nowhere `DAO.00105`, also one that would lead nowhere once something is deleted.

Entity = TypeVar("Entity", bound=CapacityProvider | CapacityOptimizer | CapacityGroup | Asset)


@dataclass(frozen=True, slots=True)
class EntityKind(Generic[Entity]):
    """One kind of what a user configures.

    Attributes:
        words: What one is called.
        path: Below the API's base.
        variable: The name of its id in a path.
        collection: The attribute of a `User` that holds them.
        type: What one is in the world.
        fields: What a request gives of one.
    """

    words: str
    path: str
    variable: str
    collection: str
    type: type[Entity]
    fields: Fields

    def of(self, user: User) -> tuple[Entity, ...]:
        """Answers with all that a user has."""
        found: tuple[Entity, ...] = getattr(user, self.collection)
        return found

    def find(self, user: User, entity_id: int) -> Entity | None:
        """Answers with a user's own, or None."""
        return next((each for each in self.of(user) if each.id == entity_id), None)


PROVIDERS: Final = EntityKind(
    "Capacity Provider",
    "/capacity-providers",
    "providerId",
    "capacity_providers",
    CapacityProvider,
    SYSTEM,
)
OPTIMIZERS: Final = EntityKind(
    "Capacity Optimizer",
    "/capacity-optimizers",
    "optimizerId",
    "capacity_optimizers",
    CapacityOptimizer,
    SYSTEM,
)
GROUPS: Final = EntityKind(
    "Capacity Group", "/capacity-groups", "groupId", "capacity_groups", CapacityGroup, GROUP
)
ASSETS: Final = EntityKind("asset", "/assets", "assetId", "assets", Asset, ASSET)
KINDS: Final[tuple[EntityKind[Any], ...]] = (PROVIDERS, OPTIMIZERS, GROUPS, ASSETS)

# What refers to what, by which attribute.
_REFERENCES: Final[tuple[tuple[EntityKind[Any], str, EntityKind[Any]], ...]] = (
    (GROUPS, "capacity_provider", PROVIDERS),
    (GROUPS, "capacity_optimizer", OPTIMIZERS),
    (ASSETS, "capacity_group", GROUPS),
)


def check_stored(user: User, kind: EntityKind[Entity], entity: Entity) -> None:
    """Refuses what the database does not store: a duplicate, or a reference that leads nowhere.

    Args:
        user: Whose it is to be.
        kind: What it is.
        entity: As it is to be; the one with its id, if there is one, is to be replaced.

    Raises:
        ApiRefused: It cannot be stored.
    """
    key = _key(entity)
    for other in kind.of(user):
        if key is not None and other.id != entity.id and _key(other) == key:
            raise ApiRefused(
                422,
                "An attempt to save a duplicate key has been denied.",
                code="DAO.00101",
                explanation={"why": f"{kind.words} {other.id} has it already"},
            )
    for referring, attribute, referred in _REFERENCES:
        if referring.type is kind.type and not referred.find(user, getattr(entity, attribute)):
            raise no_such_reference(f"there is no {referred.words} {getattr(entity, attribute)}")


def check_unreferenced(user: User, kind: EntityKind[Entity], entity_id: int) -> None:
    """Refuses to delete what something else refers to (inferred).

    Raises:
        ApiRefused: Something does.
    """
    for referring, attribute, referred in _REFERENCES:
        if referred.type is not kind.type:
            continue
        for each in referring.of(user):
            if getattr(each, attribute) == entity_id:
                raise no_such_reference(f"{referring.words} {each.id} refers to it")


def no_such_reference(why: str) -> ApiRefused:
    """Answers with the refusal of a reference that leads nowhere."""
    return ApiRefused(
        422,
        "Attempted to save a reference to a non-existent entity (foreign key violation).",
        code="DAO.00105",
        explanation={"why": why},
    )


def _key(entity: Entity) -> Hashable | None:
    """Answers with what only one of its kind may have: its user's, or its group's."""
    if isinstance(entity, CapacityGroup):
        return entity.identifier
    if isinstance(entity, Asset):
        return entity.capacity_group, entity.identifier
    # A simulated provider has no base URL of its own, however it is shown.
    return entity.base_url if isinstance(entity.base_url, str) else None


# The service's parser goes to 500 levels, but what can be taken must be shown in every form.
MOST_LEVELS: Final = 100
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NO_BODY: Final = "Malformed request: Required request body is missing"
_NUL: Final = "\0"
_LARGEST: Final = 10**json_reading.MAXIMUM_NUMBER_LENGTH


def read_values(fields: Fields, body: bytes | None) -> dict[str, Any]:
    """Answers with the values of a body's object by the world's names, with nothing wrong in them.

    Raises:
        ApiRefused: It is no JSON, no object, or something is missing or too long.
    """
    try:
        values = read_fields(fields, read_body(body or b""))
    except Unreadable as error:
        raise ApiRefused(422, f"Malformed JSON: {error}") from None
    problems = list(problems_of(fields, values))
    if problems:
        told = " ".join(f"{each['location']} {each['message']}." for each in problems)
        raise ApiRefused(422, told, code="VAL.00004", errors=problems)
    return values


def check_columns(fields: Fields, values: dict[str, Any]) -> None:
    """Refuses what the database's columns do not take (solaruser.md §2.2 and §7.2).

    Raises:
        ApiRefused: A text is too long for them, or holds a NUL character.
    """
    is_too_long = too_long(fields, values)
    if is_too_long or _holds_nul(values):
        why = "a text is too long for its column" if is_too_long else "NUL cannot be stored"
        raise ApiRefused(
            422,
            "An invalid query parameter was used, or a required parameter was missing.",
            code="DAO.00103",
            explanation={"why": why},
        )


def read_body(data: bytes) -> dict[str, Any]:
    """Answers with the object of a body, half surrogate pairs in it replaced as when stored.

    Raises:
        ApiRefused: There is none.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise ApiRefused(422, _NO_BODY)
    try:
        document = read(data)
    except JsonError as error:
        raise ApiRefused(
            422,
            f"Malformed JSON: {_told(error)}",
            explanation={"why": f"no JSON at line {error.line}, column {error.column}"},
        ) from None
    if document.value is None:
        raise ApiRefused(422, _NO_BODY)
    if not isinstance(document.value, dict):
        raise ApiRefused(422, "Malformed JSON: Cannot deserialize value: not an object")
    return {name: _stored(value, 1) for name, value in document.value.items()}


def _told(error: JsonError) -> str:
    # A token at fault may be a secret that lacks its quotes.
    if error.kind in {"unrecognized-token", "bad-number"}:
        return "Unrecognized token"
    return json_reading.parser_message(error)


def _stored(value: Any, level: int) -> Any:  # noqa: ANN401 - any JSON value
    if level > MOST_LEVELS:
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
    """Answers with a text as the database's driver writes it (inferred; §2.3)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return _NUL in value
    if isinstance(value, dict):
        return any(_NUL in name or _holds_nul(each) for name, each in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))

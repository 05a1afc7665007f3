"""Read a message as the service's classes do, without a schema, and judge what it holds.

Which properties there are, which are required and which lists must not be empty is the same as in
the schemas, from which the classes were made; everything else is more lenient, or stricter
(oscp20.md §2.5, §3.2, §5.1, §9.1 and §9.2).
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

from oscp_schemas import Document, JsonError, judge
from oscp_schemas.catalogue import document, document_name
from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.dates import TRIMMED, DateRefused, bounded, read_message_time
from oscp_sim.flexibility_provider.call import IncomingCall, ServiceRefused

_ACCEPTED: Final = "the Flexibility Provider accepts it anyway; SolarUser and others would not"


def judge_message(call: IncomingCall, now: datetime, *, accepted: bool) -> Iterator[Finding]:
    """Yield what is wrong with a message, apart from what was said before it.

    The endpoints check neither the schema nor the meaning: what they let through shows in the
    journal alone.
    """
    body, parsed = call.body or b"", call.document
    # The service skips a byte-order mark, so its document does not show that fault.
    is_all = parsed is not None and not body.startswith(codecs.BOM_UTF8)
    for each in judge(call.action, parsed if is_all else body):
        # A Register holds a token, which the text may quote.
        message = "the schema does not allow this" if call.action == "Register" else each.message
        if accepted:
            yield Finding("schema", each.rule, "warning", each.pointer, message, _ACCEPTED)
        else:
            yield Finding("schema", each.rule, "error", each.pointer, message)
    if accepted and parsed is not None:
        yield from judge_meaning(parsed.value, now)


def read_json(body: bytes, action: str, charset: str | None = None) -> Document:
    """Parse a body as SolarNetwork's parser does, in any of its encodings.

    Raises:
        ServiceRefused: It is not JSON, or beyond the parser's limits; or it is empty, or `null`,
            which is the same to the framework.
    """
    if not body:
        raise _no_body(action)
    text = json_reading.decoded(body, charset)
    parsed = json_reading.read_json(text)
    said = json_reading.mistake(parsed, text, _java(action))
    if said is not None:
        # What lacks its quotes may be a token.
        shown = said.without_word() if action == "Register" else said.text
        raise _malformed(shown, why=_place(parsed))
    if isinstance(parsed, JsonError) or parsed.value is None:
        raise _no_body(action)
    return parsed


def _place(parsed: Document | JsonError) -> str | None:
    if isinstance(parsed, Document):
        return None
    return f"not JSON at line {parsed.line}, column {parsed.column}"


def _no_body(action: str) -> ServiceRefused:
    """Return the refusal of no body; which method had it of two actions is measured."""
    method = f"{action[0].lower()}{action[1:]}"
    principal = "java.security.Principal"
    rest = principal if action in _WITHOUT_ID else f"{principal},java.lang.String"
    text = (
        "Malformed request: Required request body is missing: public "
        "org.springframework.http.ResponseEntity<java.lang.Void> "
        f"net.solarnetwork.central.oscp.fp.v20.web.{action}Controller.{method}"
        f"({_java(action)},{rest})"
    )
    return ServiceRefused(422, text, code="VAL.00007", why="there is no body")


_WITHOUT_ID: Final = frozenset({"Heartbeat", "Register"})


def read_message(action: str, parsed: Document) -> Mapping[str, Any]:
    """Return what the service keeps of a message: floats, texts, aware datetimes in UTC.

    Of what was null, nothing is kept but the elements of a list. A message that cannot be read, or
    lacks something required, is refused.
    """
    reading = _Reading(parsed)
    value: Mapping[str, Any] = _reader(document_name(action))(reading, (), parsed.value)
    if reading.problems:
        text = " ".join(each["message"] for each in reading.problems)
        raise ServiceRefused(422, text, code="VAL.00004", errors=reading.problems)
    # What a heartbeat's interval becomes, the database knows.
    if reading.is_infinite and "forecasted_blocks" in value:
        raise ServiceRefused(422, "Illegal argument: Infinite or NaN")
    return value


# The names and indexes that lead to a value.
_Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class _Reading:
    parsed: Document
    problems: list[Mapping[str, Any]] = field(default_factory=list)
    is_infinite: bool = False


_Reader: TypeAlias = Callable[[_Reading, _Path, Any], Any]


# The enumerations that are declared within another class.
_WITHIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CapacityForecastType": "AdjustGroupCapacityForecast$",
        "ForecastedBlockUnit": "ForecastedBlock$",
        "PhaseIndicator": "ForecastedBlock$",
    }
)


def _java(title: str) -> str:
    """Return the name of a schema's class."""
    return f"oscp.v20.{_WITHIN.get(title, '')}{title}"


@cache
def _reader(name: str) -> _Reader:
    return _reader_of(document(name))


def _reader_of(schema: Mapping[str, Any]) -> _Reader:
    if "$ref" in schema:
        return _reader(schema["$ref"])
    if "properties" in schema:
        return _object_reader(schema)
    return _list_reader(schema) if schema["type"] == "array" else _scalar_reader(schema)


def _scalar_reader(schema: Mapping[str, Any]) -> _Reader:
    if schema["type"] == "number":
        return lambda reading, _path, value: _read_number(reading, value)
    if schema.get("format") == "date-time":
        return lambda reading, path, value: _read_time(reading.parsed, path, value)
    if "enum" in schema:
        title, choices = schema["title"], frozenset(schema["enum"])
        return lambda reading, path, value: _read_choice(
            _java(title), choices, _scalar_text(reading.parsed, path, value)
        )
    return lambda reading, path, value: _read_text(reading.parsed, path, value)


def _object_reader(schema: Mapping[str, Any]) -> _Reader:
    title, required = _java(schema["title"]), frozenset(schema.get("required", ()))
    readers = {name: _reader_of(each) for name, each in schema["properties"].items()}

    def read_object(reading: _Reading, path: _Path, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            # Where a Register is a text, that may be its token.
            hidden = title == _java("Register") and isinstance(value, str)
            text = "..." if hidden else str(_scalar_text(reading.parsed, path, value))
            raise _no_object(title, value, text)
        kept = {}
        for name, reader in readers.items():
            given = value.get(name)
            found = None if given is None else reader(reading, (*path, name), given)
            if found is not None:
                kept[name] = found
            elif name in required:
                reading.problems.append(_missing((*path, name)))
        return kept

    return read_object


def _list_reader(schema: Mapping[str, Any]) -> _Reader:
    reader, shortest = _reader_of(schema["items"]), schema.get("minItems", 0)
    is_set = schema.get("uniqueItems", False)
    of = "java.lang.Enum" if is_set else _java(document(schema["items"]["$ref"])["title"])
    type_name = f"java.util.{'EnumSet' if is_set else 'ArrayList'}<{of}>"

    def read_list(reading: _Reading, path: _Path, value: object) -> list[Any]:
        if value == "":
            raise _coerced(type_name, "")
        if not isinstance(value, list):
            raise _wrong_type(type_name, value)
        if len(value) < shortest:
            reading.problems.append(_too_short(path, shortest))
        if is_set and None in value:
            raise _malformed("Invalid `null` value encountered for property <UNKNOWN>")
        return [
            None if each is None else reader(reading, (*path, index), each)
            for index, each in enumerate(value)
        ]

    return read_list


_LONGEST_LIST: Final = 2_147_483_647
_SECOND_WORD: Final = re.compile("_([a-z])")


# Those that have a text of their own.
_REQUIRED: Final[Mapping[str | int, str]] = MappingProxyType(
    {
        "base_url": "The URL base_url property is required.",
        "offline_mode_at": "The offline_mode_at property is required.",
        "token": "The token property is required.",
        "version": "The URL version property is required.",
        "version_url": "The version_url property is required.",
    }
)


def _missing(path: _Path) -> Mapping[str, Any]:
    message = _REQUIRED.get(path[-1], "must not be null")
    location = _location(path)
    return {"location": location, "code": "NotNull", "rejectedValue": None, "message": message}


def _too_short(path: _Path, shortest: int) -> Mapping[str, Any]:
    return {
        "location": _location(path),
        "code": "Size",
        "rejectedValue": "[]",
        "message": f"size must be between {shortest} and {_LONGEST_LIST}",
    }


def _location(path: _Path) -> str:
    """Return a place as Java's beans name it (inferred): `forecastedBlocks[0].startTime`."""
    named = "".join(f"[{each}]" if isinstance(each, int) else f".{_bean(each)}" for each in path)
    return named.removeprefix(".")


def _bean(name: str) -> str:
    return _SECOND_WORD.sub(lambda match: match[1].upper(), name)


_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL: Final[Mapping[str, float]] = MappingProxyType(
    {
        "NaN": math.nan,
        "INF": math.inf,
        "Infinity": math.inf,
        "-INF": -math.inf,
        "-Infinity": -math.inf,
    }
)
_LARGEST_INT, _LARGEST_LONG = 2**31 - 1, 2**63 - 1


def _malformed(text: str, why: str | None = None) -> ServiceRefused:
    """Return the refusal of what is not JSON, or has another JSON type than required."""
    return ServiceRefused(422, f"Malformed JSON: {text}", code="VAL.00005", why=why)


def _wrong_type(type_name: str, value: object) -> ServiceRefused:
    token = _token(value)
    kind = _KINDS.get(token.removeprefix("VALUE_"), "Boolean")
    return _malformed(
        f"Cannot deserialize value of type `{type_name}` from {kind} value "
        f"(token `JsonToken.{token}`)"
    )


def _token(value: object) -> str:
    """Return the parser's name for how a value begins."""
    if isinstance(value, bool):
        return f"VALUE_{str(value).upper()}"
    named = ((str, "VALUE_STRING"), (int, "VALUE_NUMBER_INT"), (dict, "START_OBJECT"))
    lists = isinstance(value, list)
    other = "START_ARRAY" if lists else "VALUE_NUMBER_FLOAT"
    return next((name for of, name in named if isinstance(value, of)), other)


_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "STRING": "String",
        "NUMBER_INT": "Integer",
        "NUMBER_FLOAT": "Floating-point",
        "START_OBJECT": "Object",
        "START_ARRAY": "Array",
    }
)


def _no_object(type_name: str, value: object, text: str) -> ServiceRefused:
    """Return the refusal of a value, written as a text, where an object must be."""
    if isinstance(value, list):
        return _wrong_type(type_name, value)
    if isinstance(value, str) and not value.strip(TRIMMED):
        return _coerced(type_name, value)
    if isinstance(value, bool):
        made, given = "boolean/Boolean", f"boolean value ({text})"
    elif isinstance(value, str):
        made, given = "String", f"String value ('{text}')"
    else:
        made, given = _number_maker(value), f"Number value ({text})"
    return _malformed(
        f"Cannot construct instance of `{type_name}` (although at least one Creator exists): "
        f"no {made}-argument constructor/factory method to deserialize from {given}"
    )


def _number_maker(value: Any) -> str:  # noqa: ANN401 - a number of any kind
    if not isinstance(value, int):
        return "double/Double"
    fits = -_LARGEST_INT - 1 <= value <= _LARGEST_INT
    is_long = -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG
    return "int/Int" if fits else "long/Long" if is_long else "BigInteger"


def _coerced(type_name: str, text: str) -> ServiceRefused:
    blank = "blank String (all whitespace)" if text else 'empty String ("")'
    return _malformed(
        f"Cannot coerce {blank} to `{type_name}` value "
        "(but could if coercion was enabled using `CoercionConfig`)"
    )


def _read_text(parsed: Document, path: _Path, value: object) -> str:
    text = _scalar_text(parsed, path, value)
    if not isinstance(text, str):
        raise _wrong_type("java.lang.String", value)
    return text


def _scalar_text(parsed: Document, path: _Path, value: object) -> object:
    """Return a text; a number and a boolean are taken as they are written, other values stay."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _written_number(parsed, path) if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _written_number(parsed: Document, path: _Path) -> str:
    """Return a number as it is written, which the parsed value does not show."""
    value: Any = _AS_WRITTEN.decode(parsed.text)
    for step in path:
        value = value[step]
    return str(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_AS_WRITTEN: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=str, parse_int=str
)


def _read_choice(type_name: str, choices: frozenset[str], text: object) -> str:
    if not isinstance(text, str):
        raise _wrong_type(type_name, text)
    if text not in choices:
        problem = f"Cannot construct instance of `{type_name}`, problem: {text}"
        why = f"Malformed request: JSON parse error: {problem}"
        raise ServiceRefused(422, why, code="VAL.00007")
    return text


def _read_number(reading: _Reading, value: object) -> float | None:
    """Return a double; a text that holds a number counts as one, a blank one as null."""
    number = _number_of_text(value) if isinstance(value, str) else _double(value)
    reading.is_infinite |= number is not None and not math.isfinite(number)
    return number


def _number_of_text(text: str) -> float | None:
    trimmed = text.strip(TRIMMED)
    if not trimmed:
        return None
    if trimmed in _SPECIAL:
        return _SPECIAL[trimmed]
    if _DECIMAL.fullmatch(trimmed) is None:
        raise _malformed(
            f'Cannot deserialize value of type `java.lang.Double` from String "{text}": '
            "not a valid `Double` value"
        )
    return float(trimmed)


def _double(value: Any) -> float:  # noqa: ANN401 - any JSON value but a text
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wrong_type("java.lang.Double", value)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _read_time(parsed: Document, path: _Path, value: object) -> datetime | None:
    """Return an instant in UTC, or None for a blank text; a number is milliseconds since 1970."""
    if isinstance(value, str):
        return _read_time_text(value)
    kind = "java.time.Instant"
    if isinstance(value, list):
        raise _wrong_type(kind, value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _malformed(
            f"Unexpected token ({_token(value)}), expected one of [VALUE_STRING, "
            f"VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT] for `{kind}` value"
        )
    if not -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        raise _malformed(
            f"Numeric value ({_written_number(parsed, path)}) out of range of `long` "
            f"({-_LARGEST_LONG - 1} - {_LARGEST_LONG})"
        )
    # A fraction is cut (inferred).
    return bounded(timedelta(milliseconds=max(-_FURTHEST, min(int(value), _FURTHEST))))


# Beyond all years of Python, in milliseconds.
_FURTHEST: Final = 10**15


def _read_time_text(text: str) -> datetime | None:
    try:
        return read_message_time(text)
    except DateRefused as refused:
        if refused.is_out_of_range:
            why = f"Malformed request: JSON parse error: {refused.deserializing}"
            raise ServiceRefused(422, why, code="VAL.00007") from None
        why = f"Malformed date string: {refused}"
        raise ServiceRefused(422, why, code="VAL.00006") from None

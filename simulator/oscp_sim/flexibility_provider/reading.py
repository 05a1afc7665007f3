"""Read a message as the service's classes do, without a schema, and judge what it holds.

Which properties there are, which are required and which lists must not be empty is the same as in
the schemas, from which the classes were made; everything else is more lenient, or stricter. Of the
service's texts the beginnings are known, the rest is inferred (oscp20.md §2.5, §3.2, §5.1, §9.1 and
§9.2).
"""

from __future__ import annotations

import calendar
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

from oscp_schemas import Document, JsonError, judge, read
from oscp_schemas.catalogue import document, document_name
from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from oscp_send.solarnetwork import json_reading
from oscp_sim.flexibility_provider.call import ContainerRefused, IncomingCall, ServiceRefused

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONG_NUMBER: Final = re.compile(rf"[-+.eE0-9]{{{json_reading.MAXIMUM_NUMBER_LENGTH + 1}}}")
# What such an error quotes may be a token that lacks its quotes.
_QUOTING: Final = frozenset({"unrecognized-token", "bad-number"})

_ACCEPTED: Final = "the Flexibility Provider accepts it anyway; SolarUser and others would not"


def judge_message(call: IncomingCall, now: datetime, *, accepted: bool) -> Iterator[Finding]:
    """Yield what is wrong with a message, apart from what was said before it.

    The endpoints check neither the schema nor the meaning: what they let through shows in the
    journal alone.
    """
    body, parsed = call.body or b"", call.document
    # The service skips a byte-order mark, so its document does not show that fault.
    is_all = parsed is not None and not body.startswith(_BYTE_ORDER_MARK)
    for each in judge(call.action, parsed if is_all else body):
        # A Register holds a token, which the text may quote.
        message = "the schema does not allow this" if call.action == "Register" else each.message
        if accepted:
            yield Finding("schema", each.rule, "warning", each.pointer, message, _ACCEPTED)
        else:
            yield Finding("schema", each.rule, "error", each.pointer, message)
    if accepted and parsed is not None:
        yield from judge_meaning(parsed.value, now)


def read_json(body: bytes) -> Document:
    """Parse a body as SolarNetwork's parser does; a byte-order mark before it is skipped.

    Raises:
        ServiceRefused: It is not JSON, nested too deeply, or holds too long a number.
        ContainerRefused: It is empty, or `null`, which is the same to the framework.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    if not text.strip():
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="there is no body")
    try:
        parsed = read(text)
    except JsonError as error:
        raise _malformed(
            "Unrecognized token" if error.kind in _QUOTING else json_reading.parser_message(error),
            why=f"not JSON at line {error.line}, column {error.column}",
        ) from None
    _check_limits(parsed)
    if parsed.value is None:
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the body is null")
    return parsed


def _check_limits(parsed: Document) -> None:
    text, most = parsed.text, json_reading.MAXIMUM_DEPTH
    # Brackets are counted quickly; the exact depth is needed only where there are too many.
    if text.count("{") + text.count("[") > most and parsed.depth > most:
        raise _malformed(json_reading.too_deep(most + 1))
    if _LONG_NUMBER.search(text) and parsed.longest_number > json_reading.MAXIMUM_NUMBER_LENGTH:
        raise _malformed(json_reading.too_long_a_number(parsed.longest_number))


def read_message(action: str, parsed: Document) -> Mapping[str, Any]:
    """Return what the service keeps of a message: floats, texts, aware datetimes in UTC.

    Of what was null, nothing is kept but the elements of a list. A message that cannot be read, or
    lacks something required, is refused.
    """
    reading = _Reading(parsed)
    value: Mapping[str, Any] = _reader(document_name(action))(reading, (), parsed.value)
    if reading.problems:
        text = " ".join(f"{each['location']} {each['message']}." for each in reading.problems)
        raise ServiceRefused(422, text, code="VAL.00004", errors=reading.problems)
    return value


# The names and indexes that lead to a value.
_Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class _Reading:
    parsed: Document
    problems: list[Mapping[str, Any]] = field(default_factory=list)


_Reader: TypeAlias = Callable[[_Reading, _Path, Any], Any]


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
        return lambda _reading, _path, value: _read_number(value)
    if schema.get("format") == "date-time":
        return lambda _reading, _path, value: _read_time(value)
    if "enum" in schema:
        title, choices = schema["title"], frozenset(schema["enum"])
        return lambda _reading, _path, value: _read_choice(title, choices, value)
    return lambda reading, path, value: _read_text(reading.parsed, path, value)


def _object_reader(schema: Mapping[str, Any]) -> _Reader:
    title, required = schema["title"], frozenset(schema.get("required", ()))
    readers = {name: _reader_of(each) for name, each in schema["properties"].items()}

    def read_object(reading: _Reading, path: _Path, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise _wrong_type(title, value)
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

    def read_list(reading: _Reading, path: _Path, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type("java.util.List", value)
        if len(value) < shortest:
            reading.problems.append(_too_short(path, value, shortest))
        return [
            None if each is None else reader(reading, (*path, index), each)
            for index, each in enumerate(value)
        ]

    return read_list


_LONGEST_LIST: Final = 2_147_483_647
_SECOND_WORD: Final = re.compile("_([a-z])")


def _missing(path: _Path) -> Mapping[str, Any]:
    # The rejected value is null, and null members are left out.
    return {"location": _location(path), "code": "NotNull", "message": "must not be null"}


def _too_short(path: _Path, value: list[Any], shortest: int) -> Mapping[str, Any]:
    return {
        "location": _location(path),
        "code": "Size",
        "rejectedValue": value,
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
_TOKENS: Final = ((bool, "Boolean"), (int, "Integer"), (dict, "Object"), (list, "Array"))


def _malformed(text: str, why: str | None = None) -> ServiceRefused:
    """Return the refusal of what is not JSON, or has another JSON type than required."""
    return ServiceRefused(422, f"Malformed JSON: {text}", code="VAL.00005", why=why)


def _wrong_type(type_name: str, value: object) -> ServiceRefused:
    kind = next((name for of, name in _TOKENS if isinstance(value, of)), "Floating-point")
    kind = "String" if isinstance(value, str) else kind
    return _malformed(f"Cannot deserialize value of type `{type_name}` from {kind} value")


def _read_text(parsed: Document, path: _Path, value: object) -> str:
    """Return a text; a number and a boolean are taken as they are written."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _written_number(parsed, path)
    raise _wrong_type("java.lang.String", value)


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


def _read_choice(type_name: str, choices: frozenset[str], value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(type_name, value)
    if value not in choices:
        problem = f"Cannot construct instance of `{type_name}`, problem: {value}"
        raise ServiceRefused(422, f"Malformed request: {problem}", code="VAL.00007")
    return value


def _read_number(value: object) -> float | None:
    """Return a double; a text that holds a number counts as one, a blank one as null."""
    number = _number_of_text(value) if isinstance(value, str) else _double(value)
    if number is not None and not math.isfinite(number):
        raise ServiceRefused(422, "Illegal argument: Infinite or NaN")
    return number


def _number_of_text(text: str) -> float | None:
    trimmed = text.strip(_TRIMMED)
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


# SolarUser's messages go through the same reader of times, but only after a schema: here a number
# is taken, a day too many, and an hour 24.
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{3})?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
# What Java's String.trim takes off: the space and every control character below it.
_TRIMMED: Final = "".join(map(chr, range(0x21)))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MONTH: Final = 31
_MIDNIGHT: Final = 24
_FURTHEST_OFFSET: Final = timedelta(hours=18)


def _read_time(value: object) -> datetime | None:
    """Return an instant in UTC, or None for a blank text.

    A number is milliseconds since 1970, of which a fraction is cut (inferred).
    """
    if isinstance(value, str):
        try:
            return _instant_of_text(value)
        except (ValueError, OverflowError):
            text = f"Malformed date string: Text '{value}' could not be parsed"
            raise ServiceRefused(422, text, code="VAL.00006") from None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wrong_type("java.time.Instant", value)
    try:
        return _EPOCH + timedelta(milliseconds=int(value))
    except OverflowError:
        raise _malformed("Numeric value out of range of an instant") from None


def _instant_of_text(text: str) -> datetime | None:
    """Return the instant that a text names, or None for a blank one.

    An upper-case T, no or exactly three fraction digits, Z or an offset with a colon; blanks around
    it are trimmed. A day that its month does not have is the month's last, and 24:00:00 is the
    beginning of the next day. Anything else raises ValueError, or OverflowError.
    """
    trimmed = text.strip(_TRIMMED)
    if not trimmed:
        return None
    match = _TIME.fullmatch(trimmed)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    milliseconds = int((match[7] or ".0")[1:])
    midnight = datetime.combine(_day(year, month, day), time(), _zone(match))
    return (midnight + _since_midnight(hour, minute, second, milliseconds)).astimezone(UTC)


def _day(year: int, month: int, day: int) -> date:
    first = date(year, month, 1)
    if not 1 <= day <= _LONGEST_MONTH:
        raise ValueError(day)
    return first.replace(day=min(day, calendar.monthrange(year, month)[1]))


def _since_midnight(hour: int, minute: int, second: int, milliseconds: int) -> timedelta:
    if hour == _MIDNIGHT and not (minute or second or milliseconds):
        return timedelta(days=1)
    # Checks the range of each of them.
    at = time(hour, minute, second, milliseconds * 1000)
    return timedelta(
        hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
    )


def _zone(match: re.Match[str]) -> timezone:
    if match[8] is None:
        return UTC
    offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
    if offset > _FURTHEST_OFFSET or int(match[10]) > time.max.minute:
        raise ValueError(match[0])
    return timezone(-offset if match[8] == "-" else offset)

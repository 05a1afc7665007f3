"""What there is to say of a message that the Flexibility Provider is sent, whatever it answers.

Its endpoints ask neither the schema nor the meaning; so what they let through is told by the
journal (oscp20.md §5.1).
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
from typing import Any, Final, NoReturn

from oscp_schemas import Document, JsonError, judge, read
from oscp_schemas.catalogue import document, document_name
from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from oscp_send.solarnetwork import json_reading
from oscp_sim.flexibility_provider.envelope import ContainerRefused, Refused

__all__ = [
    "Message",
    "Path",
    "instant_of_milliseconds",
    "instant_of_text",
    "judge_message",
    "malformed",
    "read_choice",
    "read_json",
    "read_message",
    "read_number",
    "read_text",
    "read_time",
    "trimmed",
    "written_number",
    "wrong_type",
]


# § Reading the JSON of a request's body as SolarNetwork's parser does.
#
# The beginnings of the texts are known, their rest is inferred (oscp20.md §2.5, §5.1 and
# §9.1).

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONG_NUMBER: Final = re.compile(rf"[-+.eE0-9]{{{json_reading.MAXIMUM_NUMBER_LENGTH + 1}}}")
# What such an error quotes may be a token that lacks its quotes.
_QUOTING: Final = frozenset({"unrecognized-token", "bad-number"})


def read_json(body: bytes) -> Document:
    """Answers with what a body holds; a byte-order mark before it does no harm.

    Raises:
        Refused: It is no JSON, nested too deeply, or holds too long a number.
        ContainerRefused: There is none, or it is `null`, which is the same to the framework.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    if not text.strip():
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="there is no body")
    try:
        document = read(text)
    except JsonError as error:
        raise malformed(
            "Unrecognized token" if error.kind in _QUOTING else json_reading.parser_message(error),
            why=f"no JSON at line {error.line}, column {error.column}",
        ) from None
    _check_limits(document)
    if document.value is None:
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the body is null, which is none")
    return document


def malformed(text: str, why: str | None = None) -> Refused:
    """Answers with the refusal of what is no JSON, or of another JSON type than is needed."""
    return Refused(422, f"Malformed JSON: {text}", code="VAL.00005", why=why)


def written_number(document: Document, path: tuple[str | int, ...]) -> str:
    """Answers with a number as it is written, which the parsed value does not tell.

    Args:
        document: Where it stands.
        path: The names and indexes that lead to it.
    """
    value: Any = _AS_WRITTEN.decode(document.text)
    for step in path:
        value = value[step]
    return str(value)


def _check_limits(document: Document) -> None:
    text, most = document.text, json_reading.MAXIMUM_DEPTH
    # To count brackets is quick; where each of them stands is asked only when there are too many.
    if text.count("{") + text.count("[") > most and document.depth > most:
        raise malformed(json_reading.too_deep(most + 1))
    if _LONG_NUMBER.search(text) and document.longest_number > json_reading.MAXIMUM_NUMBER_LENGTH:
        raise malformed(json_reading.too_long_a_number(document.longest_number))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_AS_WRITTEN: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=str, parse_int=str
)


# § How the Flexibility Provider's endpoints read a time (oscp20.md §3.2 and §5.1).
#
# The same reader that SolarUser's messages go through, but no schema has been there before it: so
# a number is taken, a day too many, and an hour 24.

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{3})?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
# What Java's String.trim takes off: the space and every control character below it.
_TRIMMED: Final = "".join(map(chr, range(0x21)))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MONTH: Final = 31
_MIDNIGHT: Final = 24
_FURTHEST_OFFSET: Final = timedelta(hours=18)


def trimmed(text: str) -> str:
    """Answers with a text without what Java takes off at its ends."""
    return text.strip(_TRIMMED)


def instant_of_milliseconds(number: float | Decimal) -> datetime:
    """Answers with the instant that a number names: milliseconds since 1970.

    Args:
        number: A fraction of a millisecond is cut (inferred).

    Raises:
        ValueError: No calendar goes as far.
    """
    try:
        return _EPOCH + timedelta(milliseconds=int(number))
    except OverflowError:
        raise ValueError(str(number)) from None


def instant_of_text(text: str) -> datetime | None:
    """Answers with the instant that a text names; None for one that is blank.

    An upper-case T, no or exactly three fraction digits, Z or an offset with a colon; blanks around
    it are trimmed. A day that its month does not have is the month's last, and 24:00:00 the next
    day's beginning.

    Raises:
        ValueError: It names none.
    """
    shown = trimmed(text)
    if not shown:
        return None
    match = _TIME.fullmatch(shown)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    milliseconds = int((match[7] or ".0")[1:])
    try:
        return (
            datetime.combine(_day(year, month, day), time(), _zone(match))
            + _since_midnight(hour, minute, second, milliseconds)
        ).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None


def _day(year: int, month: int, day: int) -> date:
    first = date(year, month, 1)
    if not 1 <= day <= _LONGEST_MONTH:
        raise ValueError(day)
    return first.replace(day=min(day, calendar.monthrange(year, month)[1]))


def _since_midnight(hour: int, minute: int, second: int, milliseconds: int) -> timedelta:
    if hour == _MIDNIGHT and not (minute or second or milliseconds):
        return timedelta(days=1)
    # Checks what each of them may be.
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


# § How the single values of a message are read by SolarNetwork's message classes, without a
# schema.
#
# What they take though the schema refuses it, and the reverse (oscp20.md §5.1 and §9.2); the
# words after each beginning are inferred.

Path = tuple[str | int, ...]

_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL: Final[Mapping[str, float]] = {
    "NaN": math.nan,
    "INF": math.inf,
    "Infinity": math.inf,
    "-INF": -math.inf,
    "-Infinity": -math.inf,
}
_TOKENS: Final = ((bool, "Boolean"), (int, "Integer"), (dict, "Object"), (list, "Array"))


def read_text(document: Document, path: Path, value: object) -> str:
    """Answers with a text; a number and a boolean are taken as they are written.

    Raises:
        Refused: It is an object or an array.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return written_number(document, path)
    raise wrong_type("java.lang.String", value)


def read_choice(type_name: str, choices: frozenset[str], value: object) -> str:
    """Answers with one of several texts.

    Raises:
        Refused: It is none of them, or no text.
    """
    if not isinstance(value, str):
        raise wrong_type(type_name, value)
    if value not in choices:
        problem = f"Cannot construct instance of `{type_name}`, problem: {value}"
        raise Refused(422, f"Malformed request: {problem}", code="VAL.00007")
    return value


def read_number(value: object) -> float | None:
    """Answers with a double; a text that holds a number counts as one, a blank one as null.

    Raises:
        Refused: It is no number, or one that a double does not hold.
    """
    number = _number_of_text(value) if isinstance(value, str) else _double(value)
    if number is not None and not math.isfinite(number):
        raise Refused(422, "Illegal argument: Infinite or NaN")
    return number


def read_time(value: object) -> datetime | None:
    """Answers with an instant in UTC, or None for a blank text; a number is milliseconds.

    Raises:
        Refused: It is neither.
    """
    if isinstance(value, str):
        try:
            return instant_of_text(value)
        except ValueError:
            raise Refused(
                422,
                f"Malformed date string: Text '{value}' could not be parsed",
                code="VAL.00006",
            ) from None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise wrong_type("java.time.Instant", value)
    try:
        return instant_of_milliseconds(value)
    except ValueError:
        raise malformed("Numeric value out of range of an instant") from None


def wrong_type(type_name: str, value: object) -> Refused:
    """Answers with the refusal of a value of another JSON type than is needed."""
    kind = next((name for of, name in _TOKENS if isinstance(value, of)), "Floating-point")
    kind = "String" if isinstance(value, str) else kind
    return malformed(f"Cannot deserialize value of type `{type_name}` from {kind} value")


def _number_of_text(text: str) -> float | None:
    shown = trimmed(text)
    if not shown:
        return None
    if shown in _SPECIAL:
        return _SPECIAL[shown]
    if _DECIMAL.fullmatch(shown) is None:
        raise malformed(
            f'Cannot deserialize value of type `java.lang.Double` from String "{text}": '
            "not a valid `Double` value"
        )
    return float(shown)


def _double(value: Any) -> float:  # noqa: ANN401 - any JSON value but a text
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise wrong_type("java.lang.Double", value)
    try:
        return float(value)
    except OverflowError:
        return math.inf


# § How the Flexibility Provider's endpoints read a message: by its classes, not by its schema.
#
# Which properties there are, which must be given and which lists must not be empty is the same as
# in the schemas, from which the classes were made; everything else is more lenient, or stricter
# (oscp20.md §5.1).

_LONGEST_LIST: Final = 2_147_483_647
_SECOND_WORD: Final = re.compile("_([a-z])")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that the service takes.

    Attributes:
        value: What it keeps: floats, texts, aware datetimes in UTC; of what was null, nothing but
            the elements of a list.
        document: What was sent.
    """

    value: Mapping[str, Any]
    document: Document


@dataclass(slots=True)
class _Reading:
    document: Document
    problems: list[Mapping[str, Any]] = field(default_factory=list)


_Reader = Callable[[_Reading, Path, Any], Any]


def read_message(action: str, body: bytes) -> Message:
    """Answers with the message of a body.

    Args:
        action: One of `schemas.ACTIONS`.
        body: JSON.

    Raises:
        Refused: It cannot be read, or something is missing in it.
        ContainerRefused: There is none.
    """
    reading = _Reading(read_json(body))
    value = _reader(document_name(action))(reading, (), reading.document.value)
    if reading.problems:
        told = " ".join(f"{each['location']} {each['message']}." for each in reading.problems)
        raise Refused(422, told, code="VAL.00004", errors=reading.problems)
    return Message(value, reading.document)


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
        return lambda _reading, _path, value: read_number(value)
    if schema.get("format") == "date-time":
        return lambda _reading, _path, value: read_time(value)
    if "enum" in schema:
        title, choices = schema["title"], frozenset(schema["enum"])
        return lambda _reading, _path, value: read_choice(title, choices, value)
    return lambda reading, path, value: read_text(reading.document, path, value)


def _object_reader(schema: Mapping[str, Any]) -> _Reader:
    title, required = schema["title"], frozenset(schema.get("required", ()))
    readers = {name: _reader_of(each) for name, each in schema["properties"].items()}

    def read(reading: _Reading, path: Path, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong_type(title, value)
        kept = {}
        for name, reader in readers.items():
            given = value.get(name)
            found = None if given is None else reader(reading, (*path, name), given)
            if found is not None:
                kept[name] = found
            elif name in required:
                reading.problems.append(_missing((*path, name)))
        return kept

    return read


def _list_reader(schema: Mapping[str, Any]) -> _Reader:
    reader, shortest = _reader_of(schema["items"]), schema.get("minItems", 0)

    def read(reading: _Reading, path: Path, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type("java.util.List", value)
        if len(value) < shortest:
            reading.problems.append(_too_short(path, value, shortest))
        return [
            None if each is None else reader(reading, (*path, index), each)
            for index, each in enumerate(value)
        ]

    return read


def _missing(path: Path) -> Mapping[str, Any]:
    # The rejected value is null, and what is null is left out.
    return {"location": _location(path), "code": "NotNull", "message": "must not be null"}


def _too_short(path: Path, value: list[Any], shortest: int) -> Mapping[str, Any]:
    return {
        "location": _location(path),
        "code": "Size",
        "rejectedValue": value,
        "message": f"size must be between {shortest} and {_LONGEST_LIST}",
    }


def _location(path: Path) -> str:
    """Answers with a place as Java's beans name it (inferred): `forecastedBlocks[0].startTime`."""
    named = "".join(f"[{each}]" if isinstance(each, int) else f".{_bean(each)}" for each in path)
    return named.removeprefix(".")


def _bean(name: str) -> str:
    return _SECOND_WORD.sub(lambda match: match[1].upper(), name)


_TAKEN = "the Flexibility Provider takes it all the same; SolarUser and others would not"


def judge_message(
    action: str, body: bytes, document: Document | None, now: datetime
) -> Iterator[Finding]:
    """Yields what is wrong with a message, as far as no history is needed.

    Args:
        action: One of `schemas.ACTIONS`.
        body: What was sent.
        document: The same, read; None for a message that the service does not take.
        now: The time against which a heartbeat is held.
    """
    for each in judge(action, body):
        # A Register holds a token, which the text may quote.
        message = "the schema does not allow this" if action == "Register" else each.message
        if document is None:
            yield Finding("schema", each.rule, "error", each.pointer, message)
        else:
            yield Finding("schema", each.rule, "warning", each.pointer, message, _TAKEN)
    if document is not None:
        yield from judge_meaning(document.value, now)

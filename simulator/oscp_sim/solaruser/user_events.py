"""The user events API: where users read what SolarNetwork tells them about their instructions.

The rules of its parameters are in solaruser.md §9.2. What follows from the framework and the
database: a value that cannot be converted is refused as in any filter, `endDate` is the first
instant that does not count (inferred), of `tag` and `tags` the plural counts, a `max` below 1 is
ignored (measured), and a negative `offset`, too (inferred).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from json.encoder import encode_basestring
from typing import Any, Final, Literal, TypeAlias, cast

import orjson

from oscp_send.solarnetwork.dates import timestamp
from oscp_send.solarnetwork.json_reading import double_text
from oscp_sim.http import Response
from oscp_sim.solaruser.call import ApiRefused, Call, NoRoute
from oscp_sim.solaruser.parameters import Binding, path_refused
from oscp_sim.solaruser.replies import stream
from oscp_sim.user_events import UserEvent, UserEvents

_INTEGER: Final = "java.lang.Integer"


class UserEventApi:
    """The handler of the user events."""

    def __init__(self, events: UserEvents) -> None:
        self._events = events

    def find(self, call: Call) -> Response:
        """List the user's events of a time, and of a filter."""
        wanted = _wanted(call)
        events = self._events.find(
            call.actor.user.id,
            wanted.start,
            wanted.end,
            tags=wanted.tags,
            search_filter=wanted.search_filter.fits if wanted.search_filter else None,
            offset=wanted.offset,
            max=wanted.max,
        )
        return stream(call, [_shown(event) for event in events], or_nothing=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    start: datetime
    end: datetime
    tags: tuple[str, ...]
    search_filter: SearchFilter | None
    offset: int
    max: int | None


def _wanted(call: Call) -> _Wanted:
    if call.request.header("accept") is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    binding = Binding(call.parameters, "basicUserEventFilter")
    if any(name.startswith("sorts[") for name in binding.names):
        raise path_refused()
    start, end = binding.date("startDate"), binding.date("endDate")
    offset, most = binding.long("offset", _INTEGER), binding.long("max", _INTEGER)
    binding.check()
    if start is None or end is None:
        raise ApiRefused(422, "A date range is required.")
    search_filter = _search_filter(binding.text("searchFilter") or "")
    limit = most if most and most > 0 else None
    return _Wanted(start, end, _tags(call), search_filter, max(offset or 0, 0), limit)


def _tags(call: Call) -> tuple[str, ...]:
    given = call.parameters.getlist("tags")
    if "tags" not in call.parameters:
        # It is one text: of two, the service makes a tag with a comma, which no event carries.
        return tuple(filter(None, [",".join(call.parameters.getlist("tag"))]))
    tags = (tag.strip() for text in given for tag in text.split(","))
    return tuple(tag for tag in tags if tag)


def _search_filter(text: str) -> SearchFilter | None:
    if not text.strip():
        return None
    try:
        return read_search_filter(text)
    except FilterError as error:
        raise ApiRefused(
            422,
            "Illegal argument: Invalid search filter.",
            explanation={"why": f"searchFilter is not a filter: {error}"},
        ) from None


def _shown(event: UserEvent) -> dict[str, Any]:
    """Return an event as the API shows it, keys in its order; it may have no message or data."""
    shown: dict[str, Any] = {
        "userId": event.user_id,
        "created": timestamp(event.created),
        "eventId": str(event.id),
        "tags": list(event.tags),
    }
    if event.message:
        shown["message"] = event.message
    if event.data is None:
        return shown
    return {**shown, "data": orjson.Fragment(_as_jsonb(event.data))}


def _as_jsonb(value: object) -> str:
    """Return a JSON value as the database writes it: keys by length, then bytes (§9.1)."""
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        members = (f"{encode_basestring(name)}: {_as_jsonb(value[name])}" for name in names)
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_jsonb, value))}]"
    if isinstance(value, float):
        # A number keeps its digits, but neither its exponent nor the sign of zero.
        return f"{Decimal(double_text(value or 0.0)):f}"
    return json.dumps(value, ensure_ascii=False)


# Search filters over JSON data, in the style of LDAP: `(&(action=Handshake)(!(coId=7)))`.
#
# | form | fits where |
# |---|---|
# | `(&(a)(b)...)`, `(|(a)(b)...)`, `(!(a))` | all fit, any fits, it does not fit |
# | `(path=value)` | a value is that text or number; `*` in it stands for any text |
# | `(path=*)` | there is a value |
# | `(path<>value)` | there is a value that is another one |
# | `(path<value)`, `<=`, `>`, `>=` | numbers compare as numbers, everything else as text |
# | `(path~=pattern)` | the regular expression is found in a value |
#
# A path is the name of a member, or several with slashes between; a slash before the first may be
# left out. `*` is any one member, `**` any number of them, and a list stands for its elements.
#
# Only that there is such a filter is known (solaruser.md §9.2): all of this is (inferred), from
# SolarNetwork's metadata filters, from LDAP's (RFC 4515), and from what suits JSON.

Operator = Literal["=", "<>", "<", "<=", ">", ">=", "~="]

_TO_ESCAPE: Final = re.compile(r"[()*\\\0]")
_NUMBER: Final = re.compile(r"[+-]?\d{1,100}(\.\d{1,100})?([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Every:
    """Fits where all of its parts fit."""

    parts: tuple[SearchFilter, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Return whether the filter fits some data."""
        return all(part.fits(data) for part in self.parts)

    def __str__(self) -> str:
        return f"(&{''.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Some:
    """Fits where at least one of its parts fits."""

    parts: tuple[SearchFilter, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Return whether the filter fits some data."""
        return any(part.fits(data) for part in self.parts)

    def __str__(self) -> str:
        return f"(|{''.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Not:
    """Fits where its part does not."""

    part: SearchFilter

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Return whether the filter fits some data."""
        return not self.part.fits(data)

    def __str__(self) -> str:
        return f"(!{self.part})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fits where a value on its path compares as asked.

    The pieces are what to compare with, cut at each `*`; more than one only with `=` and `<>`.
    """

    path: tuple[str, ...]
    operator: Operator
    pieces: tuple[str, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Return whether the filter fits some data."""
        test = _TESTS[self.operator]
        return any(test(value, self.pieces) for value in _values(data, self.path))

    def __str__(self) -> str:
        value = self.pieces[0] if self.operator == "~=" else "*".join(map(_escape, self.pieces))
        return f"(/{'/'.join(self.path)}{self.operator}{value})"


SearchFilter: TypeAlias = Every | Some | Not | Comparison


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a regular expression, or None where the text is not one."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning):
        return None


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(lambda each: f"\\{ord(each[0]):02x}", text)


def _values(data: Mapping[str, Any], path: Iterable[str]) -> list[Any]:
    """Return all values on a path."""
    found: list[Any] = [data]
    for name in path:
        found = _deep(found) if name == "**" else _members(found, name)
    return _elements(found)


def _members(values: Iterable[object], name: str) -> list[Any]:
    objects = [each for each in _elements(values) if isinstance(each, Mapping)]
    if name == "*":
        return [value for each in objects for value in each.values()]
    return [each[name] for each in objects if name in each]


def _deep(values: Iterable[object]) -> list[Any]:
    """Return the values and everything in them, each once."""
    found: dict[int, Any] = {}
    waiting = _elements(values)
    while waiting:
        value = waiting.pop()
        if id(value) not in found:
            found[id(value)] = value
            waiting += _elements(_members([value], "*"))
    return list(found.values())


def _elements(values: Iterable[object]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        found += _elements(value) if isinstance(value, list | tuple) else [value]
    return found


def _equals(value: object, pieces: tuple[str, ...]) -> bool:
    if len(pieces) > 1:
        return _like(_text(value), pieces)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value) == pieces[0]
    return _NUMBER.fullmatch(pieces[0]) is not None and Decimal(pieces[0]) == Decimal(str(value))


def _like(text: str, pieces: tuple[str, ...]) -> bool:
    first, *middle, last = pieces
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _order(holds: Callable[[Any, Any], bool]) -> Callable[[object, tuple[str, ...]], bool]:
    def test(value: object, pieces: tuple[str, ...]) -> bool:
        left, right = _text(value), pieces[0]
        if _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right):
            return holds(Decimal(left), Decimal(right))
        return holds(left, right)

    return test


def _matches(value: object, pieces: tuple[str, ...]) -> bool:
    pattern = _compiled(pieces[0])
    return pattern is not None and pattern.search(_text(value)) is not None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # An object and null count as an empty text.
    return str(value) if isinstance(value, str | int | float) else ""


_TESTS: Final[Mapping[Operator, Callable[[object, tuple[str, ...]], bool]]] = {
    "=": _equals,
    "<>": lambda value, pieces: not _equals(value, pieces),
    "<": _order(lambda left, right: left < right),
    "<=": _order(lambda left, right: left <= right),
    ">": _order(lambda left, right: left > right),
    ">=": _order(lambda left, right: left >= right),
    "~=": _matches,
}


# Reading the text of a search filter. `( ) * \` in a value are written `\28 \29 \2a \5c` (RFC 4515
# §3). A regular expression keeps its backslashes instead; its parentheses are paired, or behind a
# backslash (inferred).

_DEEPEST: Final = 50
_BLANKS: Final = re.compile(r"\s*")
_FILTER_PATH: Final = re.compile(r"[^()=<>~\\!&|]+")
_OPERATOR: Final = re.compile(r"<>|<=|>=|~=|=|<|>")
_VALUE: Final = re.compile(r"(?:[^()\\]|\\[0-9A-Fa-f]{2})*")
_PATTERN_TOKEN: Final = re.compile(r"\\.|[^\\]", re.DOTALL)
_ESCAPED: Final = re.compile(r"(?:\\[0-9A-Fa-f]{2})+")


class FilterError(ValueError):
    """Raised for a text that is not a filter; says at which character."""


def read_search_filter(text: str) -> SearchFilter:
    """Return the filter that a text describes, or raise FilterError; `str` writes it again."""
    reader = _Reader(text)
    found = reader.filter(0)
    reader.skip(_BLANKS)
    if reader.at != len(text):
        raise reader.error("nothing more after the filter")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def filter(self, depth: int) -> SearchFilter:
        if depth > _DEEPEST:
            raise self.error(f"at most {_DEEPEST} filters within one another")
        self.expect("(")
        sign = self.peek()
        if sign and sign in "&|!":
            self.at += 1
            found = self._group(sign, depth + 1)
        else:
            found = self._comparison()
        self.expect(")")
        return found

    def _group(self, sign: str, depth: int) -> SearchFilter:
        if sign == "!":
            return Not(self.filter(depth))
        parts = [self.filter(depth)]
        while self.peek() == "(":
            parts.append(self.filter(depth))
        return Every(tuple(parts)) if sign == "&" else Some(tuple(parts))

    def _comparison(self) -> Comparison:
        path = tuple(self.skip(_FILTER_PATH).strip().removeprefix("/").split("/"))
        if not all(path):
            raise self.error("a path, such as /action, without empty names")
        operator = cast("Operator", self.skip(_OPERATOR))
        if not operator:
            raise self.error("one of = <> < <= > >= ~=")
        if operator == "~=":
            return Comparison(path, operator, (self._pattern(),))
        value = self.skip(_VALUE)
        pieces = value.split("*") if operator in {"=", "<>"} else [value]
        return Comparison(path, operator, tuple(self._unescaped(each) for each in pieces))

    def _pattern(self) -> str:
        start, depth = self.at, 0
        while match := _PATTERN_TOKEN.match(self.text, self.at):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth < 0:
                break
            self.at = match.end()
        pattern = self.text[start : self.at]
        if _compiled(pattern) is None:
            raise self.error("a regular expression before this")
        return pattern

    def _unescaped(self, text: str) -> str:
        try:
            return _ESCAPED.sub(lambda run: bytes.fromhex(run[0].replace("\\", "")).decode(), text)
        except UnicodeDecodeError:
            raise self.error("UTF-8 in the escaped characters before this") from None

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def peek(self) -> str:
        self.skip(_BLANKS)
        return self.text[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.error(f'"{character}"')
        self.at += 1

    def error(self, expected: str) -> FilterError:
        found = f'"{self.text[self.at]}"' if self.at < len(self.text) else "the end"
        return FilterError(f"at character {self.at + 1}: expected {expected}, found {found}")

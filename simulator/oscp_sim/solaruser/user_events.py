"""The user events API: where users read what SolarNetwork tells them about their instructions.

The rules of its parameters are in solaruser.md §9.2. What follows from the framework and the
database: a value that cannot be converted is refused as in any filter, `endDate` is the first
instant that does not count (inferred), of `tag` and `tags` the plural counts, a `max` below 1 is
ignored (measured), and a negative `offset`, too (inferred).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from json.encoder import encode_basestring
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import orjson

from oscp_send.fidelity import Behaviour
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

    def __init__(self, events: UserEvents, behaviour: Behaviour) -> None:
        self._events = events
        self._behaviour = behaviour

    def find(self, call: Call) -> Response:
        """List the user's events of a time, and of a filter."""
        wanted = _wanted(call, as_service=self._behaviour.follows_service("search_filters"))
        events = self._events.find(
            call.actor.user.id,
            wanted.start,
            wanted.end,
            tags=wanted.tags,
            search_filter=wanted.search_filter,
            offset=wanted.offset,
            max=wanted.max,
        )
        return stream(call, [_shown(event) for event in events], or_nothing=True)


@dataclass(frozen=True, slots=True)
class _Wanted:
    start: datetime
    end: datetime
    tags: tuple[str, ...]
    search_filter: Callable[[Mapping[str, Any]], bool] | None
    offset: int
    max: int | None


def _wanted(call: Call, *, as_service: bool) -> _Wanted:
    if call.request.fields.get("accept") is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    binding = Binding(call.parameters, "basicUserEventFilter")
    if any(name.startswith("sorts[") for name in binding.names):
        raise path_refused()
    start, end = binding.date("startDate"), binding.date("endDate")
    offset, most = binding.long("offset", _INTEGER), binding.long("max", _INTEGER)
    binding.check()
    if start is None or end is None:
        raise ApiRefused(422, "A date range is required.")
    text = binding.text("searchFilter") or ""
    search_filter = _search_filter(call, text, as_service=as_service) if text.strip() else None
    limit = most if most and most > 0 else None
    return _Wanted(start, end, _tags(call), search_filter, max(offset or 0, 0), limit)


def _tags(call: Call) -> tuple[str, ...]:
    given = call.parameters.getlist("tags")
    if "tags" not in call.parameters:
        # It is one text: of two, the service makes a tag with a comma, which no event carries.
        return tuple(filter(None, [",".join(call.parameters.getlist("tag"))]))
    tags = (tag.strip() for text in given for tag in text.split(","))
    return tuple(tag for tag in tags if tag)


_NO_FILTER: Final = (
    "searchFilter is not a filter, as (&(action=Handshake)(coId>5)) is; the service passes it over"
)
_NOT_EXPRESSIBLE: Final = (
    "the service finds nothing by this searchFilter: it cannot express it to its database "
    "(--set search_filters=documented shows what it would find)"
)


def _search_filter(
    call: Call, text: str, *, as_service: bool
) -> Callable[[Mapping[str, Any]], bool] | None:
    """Return what an event's data must fit; None for a text that the service passes over."""
    wanted = read_search_filter(text)
    if wanted is None:
        call.explanation = {"why": _NO_FILTER}
        if as_service:
            return None
        message = "Illegal argument: Invalid search filter."
        raise ApiRefused(422, message, explanation=call.explanation)
    if not wanted.is_expressible:
        call.explanation = {"why": _NOT_EXPRESSIBLE}
        if as_service:
            return lambda _: False
    # An event without data fits nothing, even if it is negated.
    return lambda data: (
        bool(data or not as_service) and wanted.fits(data, as_service=as_service) is True
    )


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


# Search filters over JSON data, in the style of LDAP: `(&(action=Handshake)(!(coId=7)))`. The
# service makes one expression of the whole for its database (solaruser.md §9.2; measured, and read
# where that left a choice).
#
# | form | fits where |
# |---|---|
# | `(&(a)(b)...)`, `(|(a)(b)...)`, `(!(a))` | all fit, any fits, it does not fit |
# | `(name=value)`, `<>`, `<`, `<=`, `>`, `>=` | a value compares so, a number with numbers only |
# | `(name=value*)` | a text begins so |
# | `(name=*value*)`, `(name~=value)` | the regular expression is found in a text |
#
# A name is that of a member, or several with dots between; `*` is any one member, `**` any number
# of them, and a list stands for its elements. Where the service is not followed, there are also
# `(name=*)` for any value, `(name=*value)` for how a text ends, and slashes for the dots.

_DEEPEST: Final = 50
_TOKEN: Final = re.compile(r"\s*(\([&|!]|[()])\s*", re.ASCII)
_COMPARISON: Final = re.compile(r"(.+?)(=|<>|<=?|>=?|~=?|&&|\?)(.+)")
_NAMES: Final = re.compile(r"(\*\*?|[^\W\d][\w$]*)(\.(\*\*?|[^\W\d][\w$]*))*")
_NUMBER: Final = re.compile(r"[+-]?\d{1,100}(\.\d{1,100})?([eE][+-]?\d{1,3})?", re.ASCII)
_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
)


class _Unreadable(ValueError):
    """Raised for a text that is not a filter, or is nested too deeply."""


@dataclass(frozen=True, slots=True)
class Group:
    """Filters within a filter; its sign is `&`, `|` or `!`."""

    sign: str
    parts: tuple[SearchFilter, ...]

    @property
    def is_expressible(self) -> bool:
        """Whether the service's expression for it has a meaning: it loses a sign here and there."""
        if not self.parts or (self.sign == "!" and len(self.parts) > 1):
            return False
        first = self.parts[0]
        if self.sign != "!" and isinstance(first, Group) and first.sign != "!":
            return False
        return all(part.is_expressible for part in self.parts)

    def fits(self, data: Mapping[str, Any], *, as_service: bool) -> bool | None:
        """Return whether the filter fits some data; None where that is unknown."""
        outcomes = [part.fits(data, as_service=as_service) for part in self.parts]
        if self.sign == "|":
            return _any(outcomes)
        if self.sign == "&":
            return _not(_any(map(_not, outcomes)))
        # The service's expression has no negation of a group.
        is_lost = as_service and isinstance(self.parts[0], Group)
        return outcomes[0] if is_lost else _not(_any(outcomes))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fits where a value of that name compares as asked.

    The operator is one of `_HOLDS`, `~` for a regular expression, `^` for a beginning, or `=*`.
    """

    name: str
    operator: str
    value: str

    @property
    def is_expressible(self) -> bool:
        """Whether the service's expression for it has a meaning."""
        if self.operator == "=*" or (self.operator == "^" and _NUMBER.fullmatch(self.value)):
            return False
        is_pattern = self.operator != "~" or _compiled(self.value) is not None
        return is_pattern and _NAMES.fullmatch(self.name.strip()) is not None

    def fits(self, data: Mapping[str, Any], *, as_service: bool) -> bool | None:
        """Return whether the filter fits some data; None where that is unknown."""
        names = self.name.strip().strip("/").replace("/", ".").split(".")
        values = _values(data, names)
        if self.operator == "=*":
            return bool(values)
        outcomes = [_compares(value, self.operator, self.value) for value in values]
        if as_service:
            return _any(outcomes)
        return any(outcomes) or (self.operator == "=" and any(map(self._is_text_of, values)))

    def _is_text_of(self, value: object) -> bool:
        text = str(value)
        is_end = self.value.startswith("*") and text.endswith(self.value[1:])
        return is_end or text == self.value


SearchFilter: TypeAlias = Group | Comparison


def read_search_filter(text: str) -> SearchFilter | None:
    """Return the filter that a text describes, or None where it describes none.

    As the service reads it: what stands before, between and behind filters is passed over, and of
    two that are not in a group the first counts.
    """
    tokens = iter([each for each in _TOKEN.split(text)[:-1] if each])
    try:
        return next((_part(each, tokens, 0) for each in tokens if each[0] in "()"), None)
    except _Unreadable:
        return None


def _part(opening: str, tokens: Iterator[str], depth: int) -> SearchFilter:
    if opening == "(":
        return _comparison(tokens)
    if opening == ")" or depth > _DEEPEST:
        raise _Unreadable
    parts = []
    for each in tokens:
        if each == ")":
            break
        if each[0] == "(":
            parts.append(_part(each, tokens, depth + 1))
    return Group(opening[1], tuple(parts))


def _comparison(tokens: Iterator[str]) -> Comparison:
    found = _COMPARISON.fullmatch(next(tokens, ""))
    # Whatever follows is taken for the end.
    next(tokens, None)
    if found is None:
        raise _Unreadable
    name, operator, value = found.groups()
    if operator == "?" or (operator == "=" and value == "*"):
        return Comparison(name, "=*", "")
    if operator == "=" and len(value) > len("**") and value[0] == value[-1] == "*":
        return Comparison(name, "~", value[1:-1])
    if operator == "=" and value.endswith("*"):
        return Comparison(name, "^", value[:-1])
    return Comparison(name, "~" if operator in {"~", "~=", "&&"} else operator, value)


def _any(outcomes: Iterable[bool | None]) -> bool | None:
    known = set(outcomes)
    return True if True in known else None if None in known else False


def _not(outcome: bool | None) -> bool | None:
    return None if outcome is None else not outcome


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a regular expression, or None where the text is not one."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning):
        return None


def _values(data: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Return all values of a name."""
    found: list[Any] = [data]
    for name in names:
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


def _compares(value: object, operator: str, text: str) -> bool | None:
    """Return whether a value compares with a text as asked; None where they cannot be compared."""
    if operator in {"~", "^"}:
        if not isinstance(value, str):
            return None
        pattern = _compiled(text) if operator == "~" else None
        return pattern.search(value) is not None if pattern else value.startswith(text)
    if value is None:
        return operator == "<>"
    is_number = _NUMBER.fullmatch(text) is not None
    if isinstance(value, str) and not is_number:
        quoted = len(text) > len('"') and text[0] == text[-1] == '"'
        return _HOLDS[operator](value, text[1:-1] if quoted else text)
    if is_number and isinstance(value, int | float) and not isinstance(value, bool):
        return _HOLDS[operator](Decimal(str(value)), Decimal(text))
    return None

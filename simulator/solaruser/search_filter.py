r"""Search filters over JSON data, in the style of LDAP: `(&(action=Handshake)(!(coId=7)))`.

| form | fits where |
|---|---|
| `(&(a)(b)...)`, `(|(a)(b)...)`, `(!(a))` | all fit, any fits, it does not fit |
| `(path=value)` | a value is that text or number; `*` in it stands for any text |
| `(path=*)` | there is a value |
| `(path<>value)` | there is a value that is another one |
| `(path<value)`, `<=`, `>`, `>=` | numbers compare as numbers, all else as text |
| `(path~=pattern)` | the regular expression is found in a value |

A path is the name of a member, or several with slashes between; a slash before the first may be
left out. `*` is any one member, `**` any number of them, and a list stands for its elements.

The dossier says no more than that there is such a filter (SolarUser dossier §9.2): all of this is
(inferred), from SolarNetwork's metadata filters, from LDAP's (RFC 4515), and from what suits JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

__all__ = ["Comparison", "Every", "Not", "Operator", "SearchFilter", "Some", "compiled"]

Operator = Literal["=", "<>", "<", "<=", ">", ">=", "~="]

_TO_ESCAPE = re.compile(r"[()*\\\0]")
_NUMBER = re.compile(r"[+-]?\d{1,100}(\.\d{1,100})?([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Every:
    """Fits where all of its parts fit."""

    parts: tuple[SearchFilter, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Tells whether the filter fits some data."""
        return all(part.fits(data) for part in self.parts)

    def __str__(self) -> str:
        return f"(&{''.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Some:
    """Fits where at least one of its parts fits."""

    parts: tuple[SearchFilter, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Tells whether the filter fits some data."""
        return any(part.fits(data) for part in self.parts)

    def __str__(self) -> str:
        return f"(|{''.join(map(str, self.parts))})"


@dataclass(frozen=True, slots=True)
class Not:
    """Fits where its part does not."""

    part: SearchFilter

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Tells whether the filter fits some data."""
        return not self.part.fits(data)

    def __str__(self) -> str:
        return f"(!{self.part})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fits where a value on its path compares as asked.

    Attributes:
        path: The names of the members, from the outermost.
        operator: How to compare.
        pieces: What to compare with; between each two of them stood a `*`. There is more than one
            only with `=` and `<>`.
    """

    path: tuple[str, ...]
    operator: Operator
    pieces: tuple[str, ...]

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Tells whether the filter fits some data."""
        test = _TESTS[self.operator]
        return any(test(value, self.pieces) for value in _values(data, self.path))

    def __str__(self) -> str:
        value = self.pieces[0] if self.operator == "~=" else "*".join(map(_escape, self.pieces))
        return f"(/{'/'.join(self.path)}{self.operator}{value})"


SearchFilter = Every | Some | Not | Comparison


@lru_cache(maxsize=64)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Answers with a regular expression, or None where the text is none."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning):
        return None


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(lambda each: f"\\{ord(each[0]):02x}", text)


def _values(data: Mapping[str, Any], path: Iterable[str]) -> list[Any]:
    """Answers with all values on a path."""
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
    """Answers with the values and all that is in them, each once."""
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
    pattern = compiled(pieces[0])
    return pattern is not None and pattern.search(_text(value)) is not None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # An object, or null, is as good as an empty text.
    return str(value) if isinstance(value, str | int | float) else ""


_TESTS: Mapping[Operator, Callable[[object, tuple[str, ...]], bool]] = {
    "=": _equals,
    "<>": lambda value, pieces: not _equals(value, pieces),
    "<": _order(lambda left, right: left < right),
    "<=": _order(lambda left, right: left <= right),
    ">": _order(lambda left, right: left > right),
    ">=": _order(lambda left, right: left >= right),
    "~=": _matches,
}

"""Read JSON as strictly as SolarNetwork does, and know afterwards where everything is in the text.

Python's parser makes the value. It keeps no positions, says little about a mistake, and lets the
last of several equal keys win in silence; so a second, slower parser of our own looks where that is
asked for, or where the first one fails.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, NoReturn

from oscp_schemas.json_faults import (
    STRING_START,
    JsonContext,
    JsonError,
    Place,
    line_and_column,
    string_fault,
    structure_fault,
    value_fault,
)
from oscp_schemas.show import escape_pointer, pointer_tokens

_BYTE_ORDER_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
# One as it is, or any escape that may be one.
_MAYBE_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
_INDEX = re.compile(r"0|[1-9][0-9]*")


def read(text: str | bytes) -> Document:
    """Return the document that a JSON text holds.

    As strict as RFC 8259, and as SolarNetwork's parser where that leaves a choice: no comments, no
    NaN, no byte-order mark; equal keys and lone surrogate escapes are taken (as observed in
    SolarNetwork, oscp20.md §9.1). The service's limits of depth and of number length
    are not applied: ask the document.

    Raises:
        JsonError: The text is not JSON, or nested more deeply than Python can follow.
    """
    text = text if isinstance(text, str) else _decoded(text)
    if text.startswith(_BYTE_ORDER_MARK):
        reason = "expected a value, found a byte-order mark; save the text as UTF-8 without one"
        raise JsonError("byte-order-mark", reason, text, 0, character=_BYTE_ORDER_MARK)
    try:
        return Document(_DECODER.decode(text), text)
    except RecursionError:
        deepest = _Scan(text).deepest
        raise JsonError("too-deep", "nested too deeply", text, deepest) from None
    except ValueError:
        _Scan(text)  # raises a JsonError, which says more
        raise


@dataclass(frozen=True, eq=False)
class Document:
    """A JSON text that was read, with its value; `read` makes one.

    Of several equal keys the last wins. A number that a double would turn into infinity or zero,
    and an integer of more digits than Python converts, is a Decimal. Everything about positions
    comes from a second, slower pass over the text, made once, when it is first asked for.
    """

    value: Any
    text: str

    def __repr__(self) -> str:
        return f"<Document of {len(self.text)} characters>"

    def locate(self, pointer: str) -> tuple[int, int]:
        """Return line and column, both from 1, of the value at a JSON Pointer (RFC 6901).

        Raises:
            LookupError: There is no value at the pointer.
        """
        node: _Node | None = self._scan.root
        for token in pointer_tokens(pointer):
            node = node.child(token) if node else None
        if node is None:
            raise LookupError(f"there is no value at {pointer!r}")
        return line_and_column(self.text, node.start)

    @property
    def depth(self) -> int:
        """How many objects and arrays are open within one another at the most (0 for a scalar)."""
        return self._scan.depth

    @property
    def longest_number(self) -> int:
        """How many characters the longest number has, sign and exponent counted; 0 without one."""
        return self._scan.longest_number

    @cached_property
    def duplicate_keys(self) -> tuple[str, ...]:
        """The pointers of the properties that are given more than once; the last one counts."""
        if not _repeats_a_name(self.text):
            return ()
        return tuple(pointer for pointer, node in self._scan.nodes() if node.repeated)

    @cached_property
    def numbers_beyond_double(self) -> tuple[tuple[str, str], ...]:
        """Pointer and text of each number that a double makes infinite, or zero where it is not."""
        written = (
            (pointer, self.text[node.start : node.end])
            for pointer, node in self._scan.nodes()
            if self.text[node.start] in "-0123456789"
        )
        return tuple((pointer, text) for pointer, text in written if _is_beyond_double(text))

    @cached_property
    def lone_surrogates(self) -> tuple[str, ...]:
        """The pointers of the texts, and of the properties whose names, hold half a character.

        That is a UTF-16 code unit U+D800 to U+DFFF without its other half.
        """
        # Most texts have neither escapes nor anything but ASCII, which is seen at a glance.
        is_plain = self.text.isascii() and "\\" not in self.text
        if is_plain or _MAYBE_SURROGATE.search(self.text) is None:
            return ()
        return tuple(
            pointer
            for pointer, node in self._scan.nodes()
            if self._holds_surrogate(node) or _SURROGATE.search(pointer.rpartition("/")[2])
        )

    @cached_property
    def _scan(self) -> _Scan:
        return _Scan(self.text)

    def _holds_surrogate(self, node: _Node) -> bool:
        if not self.text.startswith('"', node.start):
            return False
        return _SURROGATE.search(json.loads(self.text[node.start : node.end])) is not None


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        reason = f"expected UTF-8, found the byte 0x{data[error.start]:02X}"
        raise JsonError("not-utf8", reason, before, len(before)) from None


def _repeats_a_name(text: str) -> bool:
    """Return whether any object repeats a name; finding out where takes far longer."""
    repeats = []

    def look(pairs: list[tuple[str, object]]) -> None:
        repeats.append(len(dict(pairs)) < len(pairs))

    # Numbers stay texts: their values do not matter, and some are too long to be made numbers.
    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return any(repeats)


_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")


def _integer(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts, 4300 unless set otherwise
        return _exact(text)


def _fraction(text: str) -> float | Decimal:
    """Return the value of a number that is written with a fraction or an exponent.

    One that a double would turn into infinity or into zero is kept as a Decimal, so that `1e400` is
    still a number and `-1e-400` is still less than zero (oscp20.md §3.3, and §9.2,
    cases C52 to C54).
    """
    return _exact(text) if _is_beyond_double(text) else float(text)


def _is_beyond_double(text: str) -> bool:
    """Return whether a double would turn a JSON number into infinity, or wrongly into zero."""
    value = float(text)
    return math.isinf(value) or (value == 0 and _NOT_ZERO.match(text) is not None)


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent of 19 digits and more: any number as far beyond a double judges the same.
        mantissa, _, exponent = text.lower().partition("e")
        sign = "-" if mantissa.startswith("-") else ""
        return Decimal(f"{sign}1e{'-' if exponent.startswith('-') else ''}999999")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_fraction, parse_int=_integer
)


_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(f'{STRING_START}"')
_SCALAR = re.compile(
    r"(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-]))"
    rf"|{_STRING.pattern}|(?:true|false|null)(?![\w$])"
)


@dataclass(slots=True)
class _Node:
    """One value of the text, from the offset `start`; a scalar goes to before `end`.

    It is `repeated` where it overwrites an earlier member of the same name.
    """

    start: int
    children: dict[str, _Node] | list[_Node] | None = None
    end: int = 0
    repeated: bool = False

    def child(self, token: str) -> _Node | None:
        """Return the member or element that a token of a JSON Pointer names, or None."""
        if isinstance(self.children, dict):
            return self.children.get(token)
        children = self.children or []
        if _INDEX.fullmatch(token) is None or len(token) > len(str(len(children))):
            return None
        return children[int(token)] if int(token) < len(children) else None


class _Scan:
    """A pass over a JSON text; iterative, because nesting is the sender's choice.

    Attributes:
        depth: How many objects and arrays are open at the most; 0 for a text, a number and so on.
        deepest: The offset at which the last of them opens.
        longest_number: How many characters the longest number has; 0 where there is none.

    Raises:
        JsonError: The text is not JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[_Node] = []
        self.depth = 0
        self.deepest = 0
        self.longest_number = 0
        self.root = self._whole()

    def nodes(self) -> Iterator[tuple[str, _Node]]:
        """Yield each value with its JSON Pointer, in document order, the root first."""
        waiting = [("", self.root)]
        while waiting:
            pointer, node = waiting.pop()
            yield pointer, node
            if isinstance(node.children, dict):
                named = [(escape_pointer(name), child) for name, child in node.children.items()]
            else:
                named = [(str(index), child) for index, child in enumerate(node.children or ())]
            waiting.extend((f"{pointer}/{name}", child) for name, child in reversed(named))

    def _whole(self) -> _Node:
        self._skip_blanks()
        if self._at == len(self._text):
            raise JsonError("empty", "expected a value, but the text is blank", self._text, 0)
        root = self._value()
        while self._open:
            self._step(self._open[-1])
        self._skip_blanks()
        if self._at < len(self._text):
            raise self._fault("end of text")
        return root

    def _step(self, container: _Node) -> None:
        """Read the next member or element of the innermost open container, or its end."""
        members = container.children
        is_object = isinstance(members, dict)
        self._skip_blanks()
        if self._take("}" if is_object else "]"):
            self._open.pop()
            return
        after_comma = bool(members)
        if after_comma:
            if not self._take(","):
                raise self._fault(
                    "comma or end of object" if is_object else "comma or end of array"
                )
            self._skip_blanks()
        if isinstance(members, dict):
            name = self._name(after_comma=after_comma)
            repeated = name in members
            members[name] = self._value()
            members[name].repeated = repeated
        elif isinstance(members, list):
            members.append(self._value(after_comma=after_comma))

    def _name(self, *, after_comma: bool) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            if self._text.startswith('"', self._at):
                raise string_fault(self._place())
            raise structure_fault(self._place(), "property name", after_comma=after_comma)
        self._at = match.end()
        self._skip_blanks()
        if not self._take(":"):
            raise self._fault("colon")
        self._skip_blanks()
        return json.loads(match[0]) if "\\" in match[0] else match[0][1:-1]

    def _value(self, *, after_comma: bool = False) -> _Node:
        """Read a whole scalar, or the opening of a container, whose members follow by `_step`."""
        start = self._at
        if self._take("{"):
            return self._opened(_Node(start, {}))
        if self._take("["):
            return self._opened(_Node(start, []))
        match = _SCALAR.match(self._text, start)
        if match is None:
            raise value_fault(self._place(), after_comma=after_comma)
        self.longest_number = max(self.longest_number, len(match["number"] or ""))
        self._at = match.end()
        return _Node(start, end=match.end())

    def _opened(self, node: _Node) -> _Node:
        self._open.append(node)
        if len(self._open) > self.depth:
            self.depth, self.deepest = len(self._open), node.start
        return node

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at

    def _take(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _fault(self, context: JsonContext) -> JsonError:
        return structure_fault(self._place(), context)

    def _place(self) -> Place:
        return Place(self._text, self._at)

"""Reading JSON as strictly as SolarNetwork does, and knowing afterwards where everything stood."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from oscp_schemas.json_faults import (
    JsonContext,
    JsonError,
    Place,
    line_and_column,
    string_fault,
    structure_fault,
    value_fault,
)
from oscp_schemas.show import escape_pointer, pointer_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Document",
    "Layout",
    "Node",
    "is_beyond_double",
    "read",
    "read_fraction",
    "read_integer",
    "scan",
]


# § JSON numbers as they are written, also those that no double can hold.


def read_integer(text: str) -> int | Decimal:
    """Answers with a number that is written without fraction and exponent."""
    try:
        return int(text)
    except ValueError:  # more digits than Python converts, 4300 unless set otherwise
        return _exact(text)


def read_fraction(text: str) -> float | Decimal:
    """Answers with a number that is written with a fraction or an exponent.

    One that a double would turn into infinity or into zero is kept as a Decimal, so that `1e400` is
    still a number and `-1e-400` is still less than zero (OSCP dossier §3.3, cases C52 to C54).
    """
    return _exact(text) if is_beyond_double(text) else float(text)


def is_beyond_double(text: str) -> bool:
    """Tells whether a double would turn a JSON number into infinity, or wrongly into zero."""
    value = float(text)
    return math.isinf(value) or (value == 0 and _is_not_zero(text))


def _is_not_zero(text: str) -> bool:
    mantissa, _, _ = text.lower().partition("e")
    return mantissa.strip("-0.") != ""


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent of 19 digits and more: any number as far beyond a double judges the same.
        mantissa, _, exponent = text.lower().partition("e")
        sign = "-" if mantissa.startswith("-") else ""
        return Decimal(f"{sign}1e{'-' if exponent.startswith('-') else ''}999999")


# § Where everything stands in a JSON text.
#
# Python's own parser keeps no positions and lets the last of several equal keys win in silence,
# so this is a parser of its own; iterative, because nesting is the sender's choice.

_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(
    r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*"',
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD = re.compile(r"(?:true|false|null)(?![\w$])")


@dataclass(slots=True)
class Node:
    """One value of the text.

    Attributes:
        start: The offset of its first character.
        end: The offset behind its last character.
        children: What an object or array holds, by name or in order; None for the other values.
        repeated: Whether an earlier member of the same name was overwritten by this one.
    """

    start: int
    end: int
    children: dict[str, Node] | list[Node] | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """What a scan finds.

    Attributes:
        root: The whole value.
        depth: How many objects and arrays are open at the most; 0 for a text, a number and so on.
        deepest: The offset at which the last of them opens.
        longest_number: How many characters the longest number has; 0 where there is none.
    """

    root: Node
    depth: int
    deepest: int
    longest_number: int

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yields each value with its JSON Pointer, in document order, the root first."""
        waiting = [("", self.root)]
        while waiting:
            pointer, node = waiting.pop()
            yield pointer, node
            if isinstance(node.children, dict):
                named = [(escape_pointer(name), child) for name, child in node.children.items()]
            else:
                named = [(str(index), child) for index, child in enumerate(node.children or ())]
            waiting.extend((f"{pointer}/{name}", child) for name, child in reversed(named))


def scan(text: str) -> Layout:
    """Answers with the layout of a JSON text.

    Raises:
        JsonError: The text is no JSON.
    """
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[Node] = []
        self._depth = 0
        self._deepest = 0
        self._longest_number = 0

    def run(self) -> Layout:
        self._skip_blanks()
        if self._at == len(self._text):
            raise JsonError("empty", "expected a value, but the text is blank", self._text, 0)
        root = self._value()
        while self._open:
            self._step(self._open[-1])
        self._skip_blanks()
        if self._at < len(self._text):
            raise self._fault("end of text")
        return Layout(root, self._depth, self._deepest, self._longest_number)

    def _step(self, container: Node) -> None:
        """Reads the next member or element of the innermost open container, or its end."""
        members = container.children
        is_object = isinstance(members, dict)
        self._skip_blanks()
        if self._take("}" if is_object else "]"):
            container.end = self._at
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

    def _value(self, *, after_comma: bool = False) -> Node:
        """Reads a whole scalar, or the opening of a container, whose members follow by `_step`."""
        start = self._at
        if self._take("{"):
            return self._opened(Node(start, start, {}))
        if self._take("["):
            return self._opened(Node(start, start, []))
        number = _NUMBER.match(self._text, start)
        match = number or _STRING.match(self._text, start) or _WORD.match(self._text, start)
        if match is None:
            raise value_fault(self._place(), after_comma=after_comma)
        if number:
            self._longest_number = max(self._longest_number, len(number[0]))
        self._at = match.end()
        return Node(start, match.end())

    def _opened(self, node: Node) -> Node:
        self._open.append(node)
        if len(self._open) > self._depth:
            self._depth, self._deepest = len(self._open), node.start
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
        if not self._open:
            return Place(self._text, self._at, None)
        is_object = isinstance(self._open[-1].children, dict)
        return Place(self._text, self._at, "object" if is_object else "array")


_BYTE_ORDER_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
# One as it stands, or any escape that may be one: most texts have neither.
_MAYBE_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
_INDEX = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True, eq=False)
class Document:
    """A JSON text that was read, with its value; `read` makes one.

    Everything about positions comes from a second, slower pass over the text, made once, when it is
    first asked for.

    Attributes:
        value: The parsed value. Of several equal keys the last wins. A number that a double would
            turn into infinity or zero, and an integer of more digits than Python converts, is a
            Decimal.
        text: The text that was read.
    """

    value: Any
    text: str

    def __repr__(self) -> str:
        return f"<Document of {len(self.text)} characters>"

    def locate(self, pointer: str) -> tuple[int, int]:
        """Answers with line and column, both from 1, of the value at a JSON Pointer (RFC 6901).

        Raises:
            LookupError: There is no value at the pointer.
        """
        node: Node | None = self._layout.root
        for token in pointer_tokens(pointer):
            node = _child(node, token) if node else None
        if node is None:
            raise LookupError(f"there is no value at {pointer!r}")
        return line_and_column(self.text, node.start)

    @property
    def depth(self) -> int:
        """How many objects and arrays are open within one another at the most (0 for a scalar)."""
        return self._layout.depth

    @property
    def longest_number(self) -> int:
        """How many characters the longest number has, sign and exponent counted; 0 without one."""
        return self._layout.longest_number

    @cached_property
    def duplicate_keys(self) -> tuple[str, ...]:
        """The pointers of the properties that are given more than once; the last one counts."""
        if not _repeats_a_name(self.text):
            return ()
        return tuple(pointer for pointer, node in self._layout.nodes() if node.repeated)

    @cached_property
    def numbers_beyond_double(self) -> tuple[tuple[str, str], ...]:
        """Pointer and text of each number that a double makes infinite, or zero where it is not."""
        written = ((pointer, self._written(node)) for pointer, node in self._layout.nodes())
        return tuple(
            (pointer, text)
            for pointer, text in written
            if text[0] in "-0123456789" and is_beyond_double(text)
        )

    @cached_property
    def lone_surrogates(self) -> tuple[str, ...]:
        """The pointers of the texts, and of the properties whose names, hold half a character.

        Such a half is one of the two UTF-16 code units U+D800 to U+DFFF without its other half.
        """
        if _MAYBE_SURROGATE.search(self.text) is None:
            return ()
        return tuple(
            pointer
            for pointer, node in self._layout.nodes()
            if self._holds_surrogate(node) or _SURROGATE.search(pointer.rpartition("/")[2])
        )

    @cached_property
    def _layout(self) -> Layout:
        return scan(self.text)

    def _written(self, node: Node) -> str:
        return self.text[node.start : node.end]

    def _holds_surrogate(self, node: Node) -> bool:
        written = self._written(node) if node.children is None else ""
        return written.startswith('"') and _SURROGATE.search(json.loads(written)) is not None


def read(text: str | bytes) -> Document:
    """Answers with the document that a JSON text holds.

    As strict as RFC 8259, and as SolarNetwork's parser where that leaves a choice: no comments, no
    NaN, no byte-order mark; equal keys and lone surrogate escapes are taken (as observed in
    SolarNetwork, OSCP dossier §9.1). The service's limits of depth and of number length are not
    applied: ask the document.

    Args:
        text: The text, or its bytes in UTF-8.

    Raises:
        JsonError: The text is no JSON, or nested more deeply than Python can follow.
    """
    text = text if isinstance(text, str) else _decoded(text)
    if text.startswith(_BYTE_ORDER_MARK):
        reason = "expected a value, found a byte-order mark; save the text as UTF-8 without one"
        raise JsonError("byte-order-mark", reason, text, 0, character=_BYTE_ORDER_MARK)
    try:
        return Document(_DECODER.decode(text), text)
    except RecursionError:
        deepest = scan(text).deepest
        raise JsonError("too-deep", "nested too deeply", text, deepest) from None
    except ValueError:
        scan(text)  # raises a JsonError, which tells more
        raise


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        reason = f"expected UTF-8, found the byte 0x{data[error.start]:02X}"
        raise JsonError("not-utf8", reason, before, len(before)) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _repeats_a_name(text: str) -> bool:
    """Tells at a glance, for finding out where takes far longer."""
    repeats = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeats
        repeats = repeats or len({name for name, _ in pairs}) < len(pairs)

    # Numbers stay texts: their values do not matter, and some are too long to be made numbers.
    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return repeats


def _child(node: Node, token: str) -> Node | None:
    if isinstance(node.children, dict):
        return node.children.get(token)
    children = node.children or []
    if _INDEX.fullmatch(token) is None or len(token) > len(str(len(children))):
        return None
    return children[int(token)] if int(token) < len(children) else None


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=read_fraction, parse_int=read_integer
)

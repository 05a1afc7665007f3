"""Reading JSON as strictly as SolarNetwork does, and knowing afterwards where everything stood."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from schemas.json_error import JsonError, line_and_column
from schemas.json_numbers import is_beyond_double, read_fraction, read_integer
from schemas.json_scan import Layout, Node, scan
from schemas.pointer import pointer_tokens

__all__ = ["Document", "read"]

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

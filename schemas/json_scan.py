"""Where everything stands in a JSON text.

Python's own parser keeps no positions and lets the last of several equal keys win in silence, so
this is a parser of its own; iterative, because nesting is the sender's choice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.json_error import JsonContext, JsonError
from schemas.json_faults import Place, string_fault, structure_fault, value_fault
from schemas.pointer import escape_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Layout", "Node", "scan"]

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

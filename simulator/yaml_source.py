"""Read a YAML file strictly, and remember where in it each value stands.

The values are those of JSON. Plain scalars are read by the core schema of YAML 1.2, so that
`yes`, `12:30` and `2026-01-02` stay texts, as the author of a payload expects.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
from yaml import MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, Node, SequenceNode

from simulator.yaml_build import build
from simulator.yaml_core import compose

__all__ = ["SourceError", "SourceProblem", "YamlDocument", "read_yaml", "validate"]

# Deeper than anybody writes, and well before anything that reads the values gives up.
_DEEPEST = 100

# What YAML calls printable: everything else cannot stand in a file as itself.
_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_ADVICE = (
    ("mapping values are not allowed", 'mend the indentation, or put a text with ": " in quotes'),
    ("tab character", "indent with spaces, never with tabs"),
    ("another document", "keep one document in a file"),
    ("undefined alias", 'put a text that starts with "*" in quotes'),
    ("Unicode character escape", r"write it as itself or as \UXXXXXXXX, never as a pair of \u"),
    ("unexpected end of stream", "close the quote"),
    ("duplicate anchor", "give each anchor its own name"),
    ("nested more than", "write it flatter"),
)


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """One thing that is wrong in a file, and where.

    Attributes:
        file: Name of the file as it was given.
        message: What is wrong, what was expected, what to do.
        line: From 1; None where the problem is the file itself, or the source had no text.
        column: From 1, counted in characters.
        pointer: JSON Pointer of the value, where there is one.
    """

    file: str
    message: str
    line: int | None = None
    column: int | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        if self.line is not None:
            return f"{self.file}:{self.line}:{self.column}: {self.message}"
        if self.pointer:
            return f"{self.file}: {self.pointer}: {self.message}"
        return f"{self.file}: {self.message}"


class SourceError(ValueError):
    """A file that cannot be used; its text has one `file:line:column: message` line per problem."""

    def __init__(self, problems: Iterable[SourceProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A value that was read from a file, or a part of one, and the positions of all that it holds.

    Attributes:
        value: Mappings with text keys, lists, texts, numbers, booleans and None.
        name: Name of the file, for messages.
    """

    value: Any
    name: str
    _root: Node | None = field(default=None, repr=False, compare=False)
    _positions: bool = field(default=True, repr=False, compare=False)
    _above: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(cls, value: object, name: str) -> Self:
        """Make a document of a Python value, which has no lines to point to.

        Raises:
            SourceError: The value holds something that JSON has no word for.
        """
        return cls(_plain(value, name, ""), name, _positions=False)

    def where(self, pointer: str = "", *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at a JSON Pointer.

        Where nothing stands at the pointer, the nearest value above it counts. An alias stands
        where its anchor does.

        Args:
            pointer: Relative to this document.
            key: Give the place of the key that leads to the value, instead.

        Raises:
            LookupError: The document was made from a Python value.
        """
        if not self._positions:
            message = f"{self.name} was not read from a text: it has no lines"
            raise LookupError(message)
        found = _find(self._root, _tokens(pointer))
        node = found[1] if key else found[0]
        return (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)

    def place(self, pointer: str = "") -> str:
        """Return `file:line` of a value, or name and JSON Pointer where there are no lines."""
        if self._positions:
            return f"{self.name}:{self.where(pointer)[0]}"
        return f"{self.name} {self._above}{pointer}".rstrip()

    def at(self, pointer: str) -> Self:
        """Return the part of this document at a JSON Pointer, as a document of its own.

        Raises:
            LookupError: Nothing stands there.
        """
        value = self.value
        for token in _tokens(pointer):
            value = value[int(token)] if isinstance(value, list) else value[token]
        root = _find(self._root, _tokens(pointer))[0]
        return type(self)(value, self.name, root, self._positions, self._above + pointer)

    def problem(self, pointer: str, message: str, *, key: bool = False) -> SourceProblem:
        """Return a problem at the value that a JSON Pointer names, or at its key."""
        line, column = self.where(pointer, key=key) if self._positions else (None, None)
        return SourceProblem(self.name, message, line, column, self._above + pointer)


def read_yaml(source: Path | str | bytes, name: str | None = None) -> YamlDocument:
    """Read one YAML document from a file or from its text.

    Args:
        source: A path, or the text itself (bytes are UTF-8).
        name: What messages call it; the path where not given.

    Raises:
        SourceError: It cannot be read, is not UTF-8, is not YAML, holds several documents, a key
            twice, a key that is no text, an unknown tag, an alias of itself, or no JSON number.
    """
    if isinstance(source, Path):
        name = name or str(source)
        source = _load(source, name)
    name = name or "<text>"
    text = _decode(source, name) if isinstance(source, bytes) else source
    if found := _FORBIDDEN.search(text):
        what = f"U+{ord(found[0]):04X} cannot stand in a YAML file: write it as an escape in quotes"
        raise SourceError([SourceProblem(name, what, *_position(text, found.start()))])
    try:
        root = compose(text, deepest=_DEEPEST)
    except YAMLError as error:
        raise SourceError([_syntax_problem(error, text, name)]) from None
    value, complaints = build(root, deepest=_DEEPEST)
    if complaints:
        raise SourceError(
            SourceProblem(name, message, mark.line + 1, mark.column + 1)
            for mark, message in complaints
        )
    return YamlDocument(value, name, root)


def validate(document: YamlDocument, schema: Mapping[str, Any]) -> list[SourceProblem]:
    """Judge a document by a JSON Schema (draft-07), and answer with every problem in file order."""
    if jsonschema_rs.Draft7Validator(dict(schema)).is_valid(document.value):
        return []
    # The library that explains takes 0.1 s to import, and a good file never needs it.
    from simulator.yaml_violations import explain  # noqa: PLC0415

    return explain(document, schema)


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _find(root: Node | None, tokens: Iterable[str]) -> tuple[Node | None, Node | None]:
    """Follow a pointer as far as it leads: the value's node, and its key's (or again its own)."""
    node, key = root, root
    for token in tokens:
        if isinstance(node, MappingNode):
            entry = next((pair for pair in node.value if pair[0].value == token), None)
            if entry is None:
                return node, node
            key, node = entry
        elif isinstance(node, SequenceNode) and token.isdecimal() and int(token) < len(node.value):
            key = node = node.value[int(token)]
        else:
            return node, node
    return node, key


def _load(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise SourceError([SourceProblem(name, what)]) from None


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        place = _position(data[: error.start].decode("utf-8"), error.start)
        raise SourceError([SourceProblem(name, what, *place)]) from None


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _syntax_problem(error: YAMLError, text: str, name: str) -> SourceProblem:
    if not isinstance(error, MarkedYAMLError) or not (mark := error.problem_mark):
        return SourceProblem(name, f"not YAML: {error}")
    character = text[mark.index : mark.index + 1] if mark.index is not None else ""
    begun = error.context_mark
    context = error.context or ""
    if begun and (begun.line, begun.column) != (mark.line, mark.column):
        context += f" that begins at {begun.line + 1}:{begun.column + 1}"
    what = ", ".join(filter(None, (context, error.problem)))
    advice = "check indentation, quotes and brackets here"
    if character == "\t":
        advice = "indent with spaces, never with tabs"
    elif "cannot start any token" in what:
        advice = f'put a text that starts with "{character}" in quotes'
    else:
        advice = next((then for part, then in _ADVICE if part in what), advice)
    return SourceProblem(name, f"not YAML: {what}; {advice}", mark.line + 1, mark.column + 1)


def _plain(value: object, name: str, pointer: str) -> object:
    """Copy a Python value into the mappings, lists and scalars that a file could hold."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {
            key: _plain(item, name, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item, name, f"{pointer}/{index}") for index, item in enumerate(value)]
    what = f"a {type(value).__name__} cannot stand here: use what JSON has, with texts as keys"
    raise SourceError([SourceProblem(name, what, pointer=pointer)])

"""Read a YAML file strictly, and remember where in it each value is.

The values are those of JSON. Plain scalars are read by the core schema of YAML 1.2, so that
`yes`, `12:30` and `2026-01-02` stay strings, as the author of a payload expects.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from yaml import MarkedYAMLError, YAMLError
from yaml.composer import Composer
from yaml.error import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from oscp_schemas.show import escape_pointer, pointer_tokens

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml: slower, the same nodes
    CParser = None  # type: ignore[assignment,misc]

# Deeper than anybody writes, and well before anything that reads the values gives up.
_DEEPEST: Final = 100
# What aliases repeat: no file that somebody writes comes near; a few lines of them can.
_MOST_VALUES: Final = 250_000
# Everything but what YAML calls printable; what that is would take ten times as long to compile.
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

# Part of a message of PyYAML's, and what to do about it.
_ADVICE: Final = (
    ("mapping values are not allowed", 'fix the indentation, or put a string with ": " in quotes'),
    ("tab character", "indent with spaces, never with tabs"),
    ("another document", "keep one document in a file"),
    ("undefined alias", 'put a string that starts with "*" in quotes'),
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
        value: Mappings with string keys, lists, strings, numbers, booleans and None.
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
            SourceError: The value holds something that is not a JSON value.
        """
        return cls(_plain(value, name, ""), name, _positions=False)

    def where(self, pointer: str = "", *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at a JSON Pointer.

        For a value that is missing, return the place of the nearest one above it; for an alias, the
        place of its anchor.

        Raises:
            LookupError: The document was made from a Python value.
        """
        if not self._positions:
            message = f"{self.name} was not read from a text: it has no lines"
            raise LookupError(message)
        found = _find(self._root, pointer_tokens(pointer))
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
            LookupError: There is no such part.
        """
        tokens = pointer_tokens(pointer)
        value = self.value
        for token in tokens:
            value = value[int(token)] if isinstance(value, list) else value[token]
        root = _find(self._root, tokens)[0]
        return type(self)(value, self.name, root, self._positions, self._above + pointer)

    def with_texts(self, replace: Callable[[str], YamlDocument | None]) -> Self:
        """Return this document with texts in it replaced, keys left aside.

        Args:
            replace: Returns the value for a text, or None to leave it. A value from a file keeps
                its own place; any other has that of the text.
        """
        value, root = _Replacer(replace).replaced(self.value, self._root)
        return type(self)(value, self.name, root, self._positions, self._above)

    def problem(self, pointer: str, message: str, *, key: bool = False) -> SourceProblem:
        """Return a problem at the value that a JSON Pointer names, or at its key."""
        line, column = self.where(pointer, key=key) if self._positions else (None, None)
        return SourceProblem(self.name, message, line, column, self._above + pointer)


class _Replacer:
    """Replaces texts in values and in the nodes that they were built of, both side by side."""

    def __init__(self, replace: Callable[[str], YamlDocument | None]) -> None:
        self._replace = replace
        # Aliases share values: each is replaced once. What is seen stays, so that no id is reused.
        self._done: dict[int, tuple[object, tuple[Any, Node | None]]] = {}

    def replaced(self, value: Any, node: Node | None) -> tuple[Any, Node | None]:  # noqa: ANN401
        if isinstance(value, str):
            found = self._replace(value)
            return (value, node) if found is None else (found.value, found._root or node)  # noqa: SLF001
        if not isinstance(value, (dict, list)):
            return value, node
        if id(value) not in self._done:
            is_list = isinstance(value, list)
            keys = range(len(value)) if is_list else value
            below = [value[key] for key in keys]
            values, nodes = self._below(below, node)
            made = values if is_list else dict(zip(value, values, strict=True))
            self._done[id(value)] = value, (made, nodes)
        return self._done[id(value)][1]

    def _below(self, values: list[Any], node: Node | None) -> tuple[list[Any], Node | None]:
        """Replace the members of a list or mapping, and return them, and the node of the whole."""
        if isinstance(node, MappingNode):
            found = [
                self.replaced(each, pair[1]) for each, pair in zip(values, node.value, strict=True)
            ]
            pairs = zip((key for key, _ in node.value), (below for _, below in found), strict=True)
            node = MappingNode(node.tag, list(pairs), node.start_mark, node.end_mark)
        elif isinstance(node, SequenceNode):
            found = [self.replaced(*pair) for pair in zip(values, node.value, strict=True)]
            nodes = [below for _, below in found]
            node = SequenceNode(node.tag, nodes, node.start_mark, node.end_mark)
        else:
            # Of a value that came from elsewhere, there is one node at most.
            found = [self.replaced(each, node) for each in values]
        return [each for each, _ in found], node


def read_yaml(source: Path | str | bytes, name: str | None = None) -> YamlDocument:
    """Read one YAML document from a file or from its text.

    Args:
        source: A path, or the text itself (bytes are UTF-8).
        name: What messages call it; the path where not given.

    Raises:
        SourceError: It cannot be read, is not UTF-8 or not YAML; or it holds several documents, a
            duplicate key, a key that is not a string, an unknown tag, an alias of itself, or a
            number that JSON does not have.
    """
    if isinstance(source, Path):
        name = name or str(source)
        source = _load(source, name)
    name = name or "<text>"
    text = _decode(source, name) if isinstance(source, bytes) else source
    if found := _FORBIDDEN.search(text):
        what = (
            f"U+{ord(found[0]):04X} is not allowed in a YAML file: write it as an escape in quotes"
        )
        raise SourceError([SourceProblem(name, what, *_position(text, found.start()))])
    try:
        root = _compose(text)
    except YAMLError as error:
        raise SourceError([_syntax_problem(error, text, name)]) from None
    builder = _Builder()
    value = None if root is None else builder.build(root).value
    if builder.complaints:
        raise SourceError(
            SourceProblem(name, message, mark.line + 1, mark.column + 1)
            for mark, message in builder.complaints
        )
    return YamlDocument(value, name, root)


def _plain(value: object, name: str, pointer: str) -> object:
    """Copy a Python value into the mappings, lists and scalars that a file could hold."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {
            key: _plain(item, name, f"{pointer}/{escape_pointer(key)}")
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item, name, f"{pointer}/{index}") for index, item in enumerate(value)]
    what = f"a {type(value).__name__} is not allowed here: use JSON values, with strings as keys"
    raise SourceError([SourceProblem(name, what, pointer=pointer)])


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


# From bytes to text, and from PyYAML's complaints to ours.


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
    if mark.index and text[mark.index - 1 : mark.index + 1] == "${":
        advice = "put a text with ${...} in quotes where it is inside of braces or brackets"
    elif character == "\t":
        advice = "indent with spaces, never with tabs"
    elif "cannot start any token" in what:
        advice = f'put a string that starts with "{character}" in quotes'
    else:
        advice = next((then for part, then in _ADVICE if part in what), advice)
    return SourceProblem(name, f"not YAML: {what}; {advice}", mark.line + 1, mark.column + 1)


# From text to nodes: the types of scalars by YAML 1.2.2 §10.3.2, in the order in which it tries
# them.

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class _CoreResolver(BaseResolver):
    """Names the type of a plain scalar, and counts how deep the composer is."""

    # By the character with which a scalar begins: most can only be texts.
    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it; nobody writes to it)
        first: [
            (_TAG + "null", _NULL),
            (_TAG + "bool", _BOOL),
            (_TAG + "int", _INT),
            (_TAG + "float", _FLOAT),
        ]
        for first in ("", *"~nNtTfF+-.0123456789")
    }

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:  # noqa: ARG002
        """Count one level; without that, libyaml's composer exhausts the stack and dies."""
        self._depth += 1
        if self._depth > _DEEPEST and current_node is not None:
            problem = f"lists and mappings are nested more than {_DEEPEST} deep"
            raise MarkedYAMLError(problem=problem, problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        """Leave one level."""
        self._depth -= 1


class _PythonLoader(Reader, Scanner, Parser, Composer, _CoreResolver):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _CoreResolver.__init__(self)


if CParser is not None:

    class _FastLoader(CParser, _CoreResolver):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _CoreResolver.__init__(self)


def _compose(text: str) -> Node | None:
    """Compose the one document of a text, with libyaml where it is there; None where it is empty.

    Raises:
        YAMLError: The text is not YAML, or too deep, or holds several documents.
    """
    loader = _PythonLoader(text) if CParser is None else _FastLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


# From nodes to values.


class _Built(NamedTuple):
    """A value, and its size and depth once its aliases are expanded."""

    value: object
    size: int = 1
    depth: int = 1


class _Builder:
    """Builds the values of nodes, and collects each complaint with its place."""

    def __init__(self) -> None:
        self.complaints: list[tuple[Mark, str]] = []
        self._begun: set[Node] = set()
        # Aliases share nodes: each is built once, and counts as often as it is used.
        self._built: dict[Node, _Built] = {}
        self._too_big = False

    def build(self, node: Node) -> _Built:
        if node in self._built:
            return self._built[node]
        if node in self._begun:
            self._complain(node, "an alias inside refers to the whole: write it out")
            return _Built(None)
        self._begun.add(node)
        value, inside = self._open_node(node)
        built = _Built(value)
        if inside:
            size = 1 + sum(each.size for each in inside)
            built = _Built(value, size, 1 + max(each.depth for each in inside))
        # One that is written out counts once, however large the file.
        repeated = built.size - len(self._built)
        if not self._too_big and (repeated > _MOST_VALUES or built.depth > _DEEPEST + 1):
            self._too_big = True
            most = f"{_MOST_VALUES:,} values or {_DEEPEST} levels"
            self._complain(node, f"its aliases expand to more than {most}: use fewer")
        return self._built.setdefault(node, built)

    def _open_node(self, node: Node) -> tuple[object, Sequence[_Built]]:
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            items = [self.build(item) for item in node.value]
            return [item.value for item in items], items
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            self._find_duplicates(node)
            members = {self._key(key): self.build(value) for key, value in node.value}
            return {key: member.value for key, member in members.items()}, list(members.values())
        try:
            return _scalar(node), ()
        except ValueError as error:
            self._complain(node, str(error))
            return None, ()

    def _key(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            if node.value == "<<" and not node.style:
                self._complain(node, "a merge key is not part of YAML 1.2: write its keys out")
            if isinstance(key := self.build(node).value, str):
                return key
        self._complain(node, "a key must be a string: put it in quotes")
        return ""

    def _find_duplicates(self, node: MappingNode) -> None:
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and first.setdefault(key.value, key) is not key:
                line = first[key.value].start_mark.line + 1
                self._complain(key, f'duplicate key "{key.value}" (first at line {line})')

    def _complain(self, node: Node, message: str) -> None:
        self.complaints.append((node.start_mark, message))


def _scalar(node: Node) -> str | int | float | bool | None:
    """Return the value of a scalar node.

    Raises:
        ValueError: The tag is unknown or does not fit the text, or JSON does not have the number;
            the message says what to do.
    """
    if node.tag == _TAG + "str" and isinstance(node, ScalarNode):
        return str(node.value)
    form, read = _READERS.get(node.tag, (None, None))
    if form is None or read is None:
        message = f"the tag {node.tag} is not understood: leave it out"
        raise ValueError(message)
    if not isinstance(node, ScalarNode) or not form.match(node.value):
        message = f"the tag {node.tag} does not fit its value: leave it out"
        raise ValueError(message)
    return read(node.value)


def _integer(text: str) -> int:
    try:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError:
        message = f"a number of {len(text)} digits is too long: put it in quotes"
        raise ValueError(message) from None


def _number(text: str) -> float:
    # Python has no dot before its inf and nan.
    number = float(re.sub(r"\.([a-z])", r"\1", text.lower()))
    if not math.isfinite(number):
        message = f"{text} is not a JSON number; quote it to make it a string"
        raise ValueError(message)
    return number


_READERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], int | float | bool | None]]] = {
    _TAG + "null": (_NULL, lambda _: None),
    _TAG + "bool": (_BOOL, lambda text: text.lower() == "true"),
    _TAG + "int": (_INT, _integer),
    _TAG + "float": (_FLOAT, _number),
}

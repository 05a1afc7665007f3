"""Read a YAML file strictly, and remember where in it each value stands.

The values are those of JSON. Plain scalars are read by the core schema of YAML 1.2, so that
`yes`, `12:30` and `2026-01-02` stay texts, as the author of a payload expects.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
from jsonschema import Draft7Validator
from yaml import MarkedYAMLError, YAMLError
from yaml.composer import Composer
from yaml.error import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

__all__ = [
    "DepthError",
    "ScalarError",
    "SourceError",
    "SourceProblem",
    "YamlDocument",
    "build",
    "compose",
    "explain",
    "read_yaml",
    "scalar",
    "validate",
]


# § Compose YAML text into nodes by the core schema of YAML 1.2, and read a scalar node's value.

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml: slower, the same nodes
    CParser = None  # type: ignore[assignment,misc]


# YAML 1.2.2 §10.3.2, in the order in which it tries them.
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class DepthError(MarkedYAMLError):
    """Lists and mappings are nested deeper than anybody writes."""


class ScalarError(ValueError):
    """A scalar that is no text, JSON number, boolean or null; the message says what to do."""


class _CoreResolver(BaseResolver):
    """Names the type of a plain scalar, and counts how deep the composer is."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it; nobody writes to it)
        None: [
            (_TAG + "null", _NULL),
            (_TAG + "bool", _BOOL),
            (_TAG + "int", _INT),
            (_TAG + "float", _FLOAT),
        ]
    }

    def __init__(self, deepest: int) -> None:
        super().__init__()
        self._deepest = deepest
        self._depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:  # noqa: ARG002
        """Count one level; without that, libyaml's composer exhausts the stack and dies."""
        self._depth += 1
        if self._depth > self._deepest and current_node is not None:
            problem = f"lists and mappings are nested more than {self._deepest} deep"
            raise DepthError(problem=problem, problem_mark=current_node.start_mark)

    def ascend_resolver(self) -> None:
        """Leave one level."""
        self._depth -= 1


class _PythonLoader(Reader, Scanner, Parser, Composer, _CoreResolver):
    def __init__(self, text: str, deepest: int) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _CoreResolver.__init__(self, deepest)


if CParser is not None:

    class _FastLoader(CParser, _CoreResolver):
        def __init__(self, text: str, deepest: int) -> None:
            CParser.__init__(self, text)
            _CoreResolver.__init__(self, deepest)


def compose(text: str, *, deepest: int, fast: bool = CParser is not None) -> Node | None:
    """Compose the one document of a text, or answer None where there is none.

    Args:
        text: YAML, printable characters only.
        deepest: How many levels of lists and mappings there may be.
        fast: Use libyaml, which gives the same nodes several times faster.

    Raises:
        YAMLError: The text is not YAML, or too deep, or holds several documents.
    """
    loader = _FastLoader(text, deepest) if fast else _PythonLoader(text, deepest)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def scalar(node: Node) -> str | int | float | bool | None:
    """Return the value of a scalar node.

    Raises:
        ScalarError: The tag is unknown or does not fit the text, or the number is none of JSON's.
    """
    if node.tag == _TAG + "str" and isinstance(node, ScalarNode):
        return str(node.value)
    form, read = _READERS.get(node.tag, (None, None))
    if form is None or read is None:
        message = f"the tag {node.tag} is not understood: leave it out"
        raise ScalarError(message)
    if not isinstance(node, ScalarNode) or not form.match(node.value):
        message = f"the tag {node.tag} does not fit what follows: leave it out"
        raise ScalarError(message)
    return read(node.value)


def _integer(text: str) -> int:
    try:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError:
        message = f"a number of {len(text)} digits is too long: put it in quotes"
        raise ScalarError(message) from None


def _number(text: str) -> float:
    # Python has no dot before its inf and nan.
    number = float(re.sub(r"\.([a-z])", r"\1", text.lower()))
    if not math.isfinite(number):
        message = f"{text} is no number that JSON can hold: put it in quotes to make it a text"
        raise ScalarError(message)
    return number


_READERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], int | float | bool | None]]] = {
    _TAG + "null": (_NULL, lambda _: None),
    _TAG + "bool": (_BOOL, lambda text: text.lower() == "true"),
    _TAG + "int": (_INT, _integer),
    _TAG + "float": (_FLOAT, _number),
}


# § Turn the composed nodes of a YAML text into values, and collect what is wrong with them.

# No file that somebody writes comes near; a few lines of aliases can.
_MOST_VALUES = 1_000_000


def build(root: Node | None, *, deepest: int) -> tuple[object, list[tuple[Mark, str]]]:
    """Return the value of a node with all that is below it, and each complaint with its place.

    Args:
        root: As `yaml_core.compose` gives it; None is an empty document.
        deepest: How many levels there may be once aliases are written out.
    """
    if root is None:
        return None, []
    builder = _Builder(deepest)
    return builder.build(root).value, builder.complaints


@dataclass(frozen=True, slots=True)
class _Built:
    """A value, and what it comes to when aliases are written out."""

    value: object
    size: int = 1
    depth: int = 1


class _Builder:
    def __init__(self, deepest: int) -> None:
        self.complaints: list[tuple[Mark, str]] = []
        self._deepest = deepest
        self._begun: set[Node] = set()
        # Aliases share nodes: each is built once, and counts as often as it is used.
        self._built: dict[Node, _Built] = {}
        self._too_big = False

    def build(self, node: Node) -> _Built:
        if node in self._built:
            return self._built[node]
        if node in self._begun:
            self._complain(node, "an alias in here stands for the whole: write it out")
            return _Built(None)
        self._begun.add(node)
        value, inside = self._open_node(node)
        size = 1 + sum(each.size for each in inside)
        depth = 1 + max((each.depth for each in inside), default=0)
        if not self._too_big and (size > _MOST_VALUES or depth > self._deepest + 1):
            self._too_big = True
            self._complain(node, "its aliases, written out, are too much to read: use fewer")
        self._built[node] = _Built(value, size, depth)
        return self._built[node]

    def _open_node(self, node: Node) -> tuple[object, Sequence[_Built]]:
        if isinstance(node, SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            items = [self.build(item) for item in node.value]
            return [item.value for item in items], items
        if isinstance(node, MappingNode) and node.tag == "tag:yaml.org,2002:map":
            self._find_repeated(node)
            members = {self._key(key): self.build(value) for key, value in node.value}
            return {key: member.value for key, member in members.items()}, list(members.values())
        try:
            return scalar(node), ()
        except ScalarError as error:
            self._complain(node, str(error))
            return None, ()

    def _key(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            if node.value == "<<" and not node.style:
                self._complain(node, "a merge key is not part of YAML 1.2: write its keys out")
            if isinstance(key := self.build(node).value, str):
                return key
        self._complain(node, "a key must be a text: put it in quotes")
        return ""

    def _find_repeated(self, node: MappingNode) -> None:
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode) and first.setdefault(key.value, key) is not key:
                line = first[key.value].start_mark.line + 1
                self._complain(key, f'"{key.value}" stands here again, after line {line}')

    def _complain(self, node: Node, message: str) -> None:
        self.complaints.append((node.start_mark, message))


# § Say, for each rule of a JSON Schema that a file breaks, what to do about it and where.

# A complaint: where below the value that broke the rule, what, and whether its key is at fault.
_Complaint = tuple[str, str, bool]
_KINDS = {
    "null": "nothing",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "a mapping",
}
_PYTHON = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class _Breach:
    """A keyword of a schema and the value that breaks it."""

    got: Any
    limit: Any
    schema: Mapping[str, Any]
    message: str


def explain(document: YamlDocument, schema: Mapping[str, Any]) -> list[SourceProblem]:
    """Return each breach of a draft-07 schema as a problem with its place, in file order.

    A value whose schema says `writeOnly` is a secret: it is never shown.
    """
    problems = []
    for error in Draft7Validator(schema).iter_errors(document.value):
        own = error.schema if isinstance(error.schema, Mapping) else {}
        breach = _Breach(error.instance, error.validator_value, own, error.message)
        tell = _TELLERS.get(str(error.validator), _unexplained)
        for below, message, key in tell(breach):
            pointer = _pointer(error.absolute_path) + below
            problems.append(document.problem(pointer, message, key=key))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _unexplained(breach: _Breach) -> Iterator[_Complaint]:
    yield "", "does not fit" if breach.schema.get("writeOnly") else breach.message, False


def _unknown_keys(breach: _Breach) -> Iterator[_Complaint]:
    known = list(breach.schema.get("properties", ()))
    for key in breach.got:
        if key not in known:
            # What is there already cannot have been meant.
            left = [name for name in known if name not in breach.got]
            yield _pointer([key]), f'unknown key "{key}"; {_meant(key, left or known)}', True


def _missing_keys(breach: _Breach) -> Iterator[_Complaint]:
    # One breach is reported for each missing key; its name is only in the message.
    key = next(key for key in breach.limit if breach.message.startswith(f"{key!r} "))
    about = breach.schema.get("properties", {}).get(key, {}).get("description", "")
    yield "", f'"{key}" is missing{_about(about)}', False


def _wrong_kind(breach: _Breach) -> Iterator[_Complaint]:
    kinds = breach.limit
    wanted = [kinds] if isinstance(kinds, str) else list(kinds)
    got = _PYTHON.get(type(breach.got), "null")
    message = f"expected {_either(_KINDS[kind] for kind in wanted)}, got {_KINDS[got]}"
    if "string" in wanted and got in {"boolean", "integer", "number"}:
        message += f"; {_as_duration(breach) or 'put it in quotes'}"
    yield "", message, False


def _as_duration(breach: _Breach) -> str:
    """Answers with how to write a number where a duration is expected; else with nothing."""
    form = str(breach.schema.get("pattern", ""))
    # What takes a number with a unit, and none without, is a duration.
    if not re.search(form, "2s") or re.search(form, "2"):
        return ""
    text = f"{_word(breach.got)}s"
    is_one = not isinstance(breach.got, bool) and breach.got > 0 and re.search(form, text)
    return f"write it as {text if is_one else '2s'}"


def _not_listed(breach: _Breach) -> Iterator[_Complaint]:
    listed = breach.limit if isinstance(breach.limit, list) else [breach.limit]
    words = list(map(_word, listed))
    yield "", f"{_shown(breach)} is not known here; {_meant(_word(breach.got), words)}", False


def _wrong_form(breach: _Breach) -> Iterator[_Complaint]:
    about = _about(breach.schema.get("description", f"a text like {breach.limit}"))
    yield "", f"{_shown(breach)} has not the right form{about}", False


def _not_one_of(breach: _Breach) -> Iterator[_Complaint]:
    keys = [key for branch in breach.limit for key in branch.get("required", ())]
    if not isinstance(breach.got, dict):
        return  # what kind it should be is a breach of its own
    found = [key for key in keys if key in breach.got]
    if found:
        rest = " and ".join(found)
        yield (
            _pointer(found[-1:]),
            f"only one of {', '.join(keys)} can stand here, not {rest}",
            True,
        )
    else:
        yield "", f"one of {', '.join(keys)} must stand here", False


def _together(breach: _Breach) -> Iterator[_Complaint]:
    keys = breach.limit.get("required", ())
    if not keys:  # not anything
        yield "", "does not belong here", True
        return
    yield _pointer(keys[-1:]), f"{' and '.join(keys)} exclude each other", True


def _bound(words: str) -> Callable[[_Breach], Iterator[_Complaint]]:
    def tell(breach: _Breach) -> Iterator[_Complaint]:
        yield "", words.format(limit=breach.limit, got=_shown(breach)), False

    return tell


_TELLERS: Mapping[str, Callable[[_Breach], Iterator[_Complaint]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_kind,
    "enum": _not_listed,
    "const": _not_listed,
    "pattern": _wrong_form,
    "oneOf": _not_one_of,
    "not": _together,
    "minimum": _bound("{got} is below {limit}, the least there can be"),
    "maximum": _bound("{got} is above {limit}, the most there can be"),
    "minItems": _bound("at least {limit} must stand here"),
    "minLength": _bound("a text of at least {limit} character(s) must stand here"),
    "maxLength": _bound("at most {limit} characters can stand here"),
    "minProperties": _bound("at least {limit} key(s) must stand here"),
}


def _shown(breach: _Breach) -> str:
    if breach.schema.get("writeOnly"):
        return "this"
    return f'"{breach.got}"' if isinstance(breach.got, str) else _word(breach.got)


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _meant(word: str, known: list[str]) -> str:
    """Suggest the nearest known word, whatever its case, or list them all."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f'did you mean "{folded[near[0]]}"?' if near else f"known here: {', '.join(known)}"


def _about(description: str) -> str:
    """Append the first sentence of a description."""
    return f": {description.partition('. ')[0].rstrip('.')}" if description else ""


def _either(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


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

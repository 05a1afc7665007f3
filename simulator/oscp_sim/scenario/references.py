"""References in a scenario file: `${matrix.fidelity}`, `${dayahead.request_id}`.

A text that is nothing but a reference becomes the value itself, of whatever type; within a longer
text the value is written out. `$${` stands for `${`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from oscp_schemas.show import escape_pointer, nearest
from oscp_sim.yaml_source import SourceProblem, YamlDocument

#: The name of the values over which a scenario is run.
MATRIX: Final = "matrix"
_TOKEN: Final = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# The values of a matrix, which refer to no other.
_IN_MATRIX: Final = re.compile(rf"(?:/scenarios/\d+)?/{MATRIX}/")
# Of a value in the name of a scenario.
_LONGEST_LABEL: Final = 40


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a value: a name, and the path below it."""

    text: str

    @property
    def name(self) -> str:
        """What it refers to."""
        return self.text.partition(".")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """Which of its values."""
        return tuple(self.text.split(".")[1:])

    def __str__(self) -> str:
        return f"${{{self.text}}}"


def references(text: str) -> tuple[Reference, ...]:
    """Return the references in a text, in order.

    Raises:
        ValueError: One is not written as it should be; the message says how.
    """
    return tuple(
        _reference(found) for found in _TOKEN.finditer(text) if not found[0].startswith("$$")
    )


def _reference(found: re.Match[str]) -> Reference:
    reference, is_closed = Reference(found[1]), bool(found[2])
    hint = "write a reference as ${name.request_id}, and $${ for the characters ${ themselves"
    if not is_closed:
        message = f'"{found[0]}" is not closed by a brace: {hint}'
        raise ValueError(message)
    if "[" in found[1] and _NAME.match(found[1]):
        dotted = re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r".\1", found[1])
        message = f'"{reference}" has brackets: write it with dots, as {Reference(dotted)}'
        raise ValueError(message)
    if not (_NAME.fullmatch(reference.name) and reference.path and all(reference.path)):
        if _NAME.fullmatch(found[1]):
            hint = hint.replace(", and", f", a value of a matrix as ${{matrix.{found[1]}}}, and")
        message = f'"{reference}" is not a name and what is asked of it: {hint}'
        raise ValueError(message)
    return reference


def literal(text: str) -> str:
    """Return a text as a scenario file has it if nothing in it is a reference."""
    return text.replace("${", "$${")


def filled(
    text: str, value_of: Callable[[Reference], YamlDocument | None], *, last: bool = True
) -> YamlDocument | None:
    """Return what a text with references stands for, or None if it is the text itself.

    Args:
        text: As it is in the file.
        value_of: Returns the value of a reference, or None to leave it as it is.
        last: Whether `$${` becomes `${`; before that, somebody else looks at the text.
    """
    if "${" not in text:
        return None
    found = references(text)
    if found and text == str(found[0]):
        return value_of(found[0])

    def written(token: re.Match[str]) -> str:
        if token[0].startswith("$$"):
            return "${" if last else token[0]
        value = value_of(_reference(token))
        if value is None:
            return token[0]
        each = value.value
        return each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)

    made = _TOKEN.sub(written, text)
    return None if made == text else YamlDocument.of(made, "text")


def plain(text: str) -> YamlDocument | None:
    """Return what a text is once it is known that no reference is left, or None if it is that."""
    return filled(text, lambda _: None)


def texts(value: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts in a value that may hold references, keys left aside, with their pointers."""
    if isinstance(value, str):
        if "${" in value:
            yield pointer, value
        return
    if isinstance(value, list):
        pairs: Iterable[tuple[object, object]] = enumerate(value)
    else:
        pairs = value.items() if isinstance(value, Mapping) else ()
    for key, each in pairs:
        # Most values are numbers, or texts without any.
        if isinstance(each, (dict, list)) or (isinstance(each, str) and "${" in each):
            yield from texts(each, f"{pointer}/{escape_pointer(str(key))}")


def texts_for(document: YamlDocument, at: str, shared: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the texts with references of a scenario, and of those shared keys that it has not."""
    own, whole = document.at(at).value, document.value
    for key, value in own.items():
        if key not in {MATRIX, "scenarios"}:
            yield from texts(value, f"{at}/{key}")
    for key in shared:
        if at and key in whole and key not in own:
            yield from texts(whole[key], f"/{key}")


def is_open(document: YamlDocument) -> Callable[[str], bool]:
    """Return a function that tells of a pointer whether a text there, or above, has references."""
    found = {pointer for pointer, text in texts(document.value) if references(text)}

    def is_there(pointer: str) -> bool:
        while pointer and pointer not in found:
            pointer = pointer.rpartition("/")[0]
        return bool(pointer)

    return is_there


def is_of_matrix(document: YamlDocument) -> Callable[[str], bool]:
    """Return a function that tells of a pointer whether the text there awaits a matrix's value."""
    found = {
        pointer
        for pointer, text in texts(document.value)
        if any(each.name == MATRIX for each in references(text)) and not _IN_MATRIX.match(pointer)
    }
    return found.__contains__


def malformed(document: YamlDocument) -> Iterator[SourceProblem]:
    """Yield the references of a file that are not written as they should be."""
    for pointer, text in texts(document.value):
        try:
            references(text)
        except ValueError as error:
            yield document.problem(pointer, str(error))


def suggestion(word: str, known: Iterable[str], none: str = "there is nothing in it") -> str:
    """Return what was meant by a word, or all that is known, or what to say if nothing is."""
    words = list(known)
    near = nearest(word, words)
    if near:
        return f'did you mean "{near}"?'
    return f"known here: {', '.join(words)}" if words else none


# One scenario over several values.


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with one combination of the values that it is written for.

    Attributes:
        label: What its name ends with; empty where there is no matrix.
        document: The whole file, with them in place.
    """

    label: str
    values: Mapping[str, Any]
    document: YamlDocument


@dataclass(frozen=True, slots=True)
class Matrix:
    """The values over which a scenario is run, those of its file among them."""

    document: YamlDocument
    at: str
    shared: tuple[str, ...]
    problems: list[SourceProblem] = field(default_factory=list)

    def cases(self) -> list[Case]:
        """Return the combinations of the values that the scenario uses, in order."""
        axes = self._axes()
        used = set(self._used(axes))
        for name, pointer in axes.items():
            # Those of a file with several scenarios need be of use to one of them only.
            is_own = (self.at or "scenarios" not in self.document.value) and (
                pointer.startswith(f"{self.at}/")
            )
            if is_own and name not in used:
                self.problems.append(self.document.problem(pointer, unused(name), key=True))
        chosen = {name: self._labels(pointer) for name, pointer in axes.items() if name in used}
        if self.problems:
            return []
        if not chosen:
            return [Case("", {}, self.document)]
        return [self._case(chosen, labels, axes) for labels in product(*chosen.values())]

    def _axes(self) -> dict[str, str]:
        """Return the pointer of each name's values; those of the scenario itself come last."""
        return {
            name: f"{above}/{MATRIX}/{escape_pointer(name)}"
            for above in dict.fromkeys(["", self.at])
            for name in self.document.at(above).value.get(MATRIX, {})
        }

    def _used(self, axes: Mapping[str, str]) -> Iterator[str]:
        for pointer, text in texts_for(self.document, self.at, self.shared):
            for reference in references(text):
                if reference.name != MATRIX:
                    continue
                if reference.path[0] in axes:
                    yield reference.path[0]
                    self._check_path(pointer, reference, axes[reference.path[0]])
                else:
                    none = f"give it values, as matrix: {{{reference.path[0]}: [...]}}"
                    near = suggestion(reference.path[0], axes, none)
                    message = f'the matrix has no "{reference.path[0]}"; {near}'
                    self.problems.append(self.document.problem(pointer, message))

    def _check_path(self, pointer: str, reference: Reference, axis: str) -> None:
        for index in range(len(self.document.at(axis).value)):
            try:
                self._value(axis, index, reference.path[1:])
            except LookupError:
                place = self.document.place(f"{axis}/{index}")
                message = f'"{reference}" is nothing in the value at {place}'
                self.problems.append(self.document.problem(pointer, message))

    def _labels(self, pointer: str) -> list[tuple[int, str]]:
        labels: list[tuple[int, str]] = []
        for index, value in enumerate(self.document.at(pointer).value):
            label = _label(value, index)
            if label in {each for _, each in labels}:
                message = f'two of the values are called "{label}": leave one out'
                self.problems.append(self.document.problem(f"{pointer}/{index}", message))
            labels.append((index, label))
        return labels

    def _case(
        self,
        chosen: Mapping[str, list[tuple[int, str]]],
        labels: tuple[tuple[int, str], ...],
        axes: Mapping[str, str],
    ) -> Case:
        indexes = {name: index for name, (index, _) in zip(chosen, labels, strict=True)}

        def value_of(reference: Reference) -> YamlDocument | None:
            name, *path = reference.path
            # Another scenario of the file may have others.
            if reference.name != MATRIX or name not in indexes:
                return None
            return self._value(axes[name], indexes[name], path)

        named = ",".join(f"{name}={each}" for name, (_, each) in zip(chosen, labels, strict=True))
        values = {name: self._value(axes[name], at, ()).value for name, at in indexes.items()}
        document = self.document.with_texts(lambda text: filled(text, value_of, last=False))
        return Case(f"[{named}]", values, document)

    def _value(self, axis: str, index: int, path: Sequence[str]) -> YamlDocument:
        found = self.document.at(f"{axis}/{index}")
        for step in path:
            is_list = isinstance(found.value, list) and step.isdecimal()
            if not (is_list or isinstance(found.value, dict)):
                raise LookupError(step)
            found = found.at(f"/{escape_pointer(step)}")
        return found


def unused(name: str) -> str:
    """Return what to say of a name of a matrix that no scenario uses."""
    return f'"{name}" is used nowhere: write ${{matrix.{name}}} where its values belong'


def _label(value: object, index: int) -> str:
    """Return what a value is called in the name of a scenario: itself, its name, or its number."""
    if isinstance(value, Mapping):
        value = value.get("name", index + 1)
    text = value if isinstance(value, str) else json.dumps(value)
    is_short = isinstance(value, list) is False and 0 < len(text) <= _LONGEST_LABEL
    return text if is_short and text.isprintable() else str(index + 1)


# For editors, which see a file before its references have their values.


def open_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema in which a reference may stand for any value."""
    opened: dict[str, Any] = _with_references(dict(schema))
    opened["definitions"]["reference"] = {
        "description": "A reference, as ${matrix.fidelity} or ${dayahead.request_id}.",
        "type": "string",
        "pattern": r"\$\{[^{}]+\}",
    }
    return opened


def _with_references(schema: Any) -> Any:  # noqa: ANN401 - a JSON Schema or a part of one
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in {"properties", "definitions"} & schema.keys():
        each = {name: _with_references(below) for name, below in schema[key].items()}
        made[key] = each if key == "definitions" else {n: _or_one(s) for n, s in each.items()}
    for key in {"items", "additionalProperties"} & schema.keys():
        made[key] = _or_one(_with_references(schema[key]))
    return made


def _or_one(schema: Any) -> Any:  # noqa: ANN401 - as above
    if not isinstance(schema, dict):
        return schema
    told = {key: schema[key] for key in ("description", "examples") if key in schema}
    return {**told, "anyOf": [schema, {"$ref": "#/definitions/reference"}]}

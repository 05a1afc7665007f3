"""How the Flexibility Provider's endpoints read a message: by its classes, not by its schema.

Which properties there are, which must be given and which lists must not be empty is the same as in
the schemas, from which the classes were made; everything else is more lenient, or stricter (OSCP
dossier §5.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from schemas.catalogue import document, document_name
from simulator.flexibility_provider.envelope import Refused
from simulator.flexibility_provider.json_body import read_json
from simulator.flexibility_provider.message_values import (
    Path,
    read_choice,
    read_number,
    read_text,
    read_time,
    wrong_type,
)

if TYPE_CHECKING:
    from schemas import Document

__all__ = ["Message", "read_message"]

_LONGEST_LIST: Final = 2_147_483_647
_SECOND_WORD: Final = re.compile("_([a-z])")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that the service takes.

    Attributes:
        value: What it keeps: floats, texts, aware datetimes in UTC; of what was null, nothing but
            the elements of a list.
        document: What was sent.
    """

    value: Mapping[str, Any]
    document: Document


@dataclass(slots=True)
class _Reading:
    document: Document
    problems: list[Mapping[str, Any]] = field(default_factory=list)


_Reader = Callable[[_Reading, Path, Any], Any]


def read_message(action: str, body: bytes) -> Message:
    """Answers with the message of a body.

    Args:
        action: One of `schemas.ACTIONS`.
        body: JSON.

    Raises:
        Refused: It cannot be read, or something is missing in it.
        ContainerRefused: There is none.
    """
    reading = _Reading(read_json(body))
    value = _reader(document_name(action))(reading, (), reading.document.value)
    if reading.problems:
        told = " ".join(f"{each['location']} {each['message']}." for each in reading.problems)
        raise Refused(422, told, code="VAL.00004", errors=reading.problems)
    return Message(value, reading.document)


@cache
def _reader(name: str) -> _Reader:
    return _reader_of(document(name))


def _reader_of(schema: Mapping[str, Any]) -> _Reader:
    if "$ref" in schema:
        return _reader(schema["$ref"])
    if "properties" in schema:
        return _object_reader(schema)
    return _list_reader(schema) if schema["type"] == "array" else _scalar_reader(schema)


def _scalar_reader(schema: Mapping[str, Any]) -> _Reader:
    if schema["type"] == "number":
        return lambda _reading, _path, value: read_number(value)
    if schema.get("format") == "date-time":
        return lambda _reading, _path, value: read_time(value)
    if "enum" in schema:
        title, choices = schema["title"], frozenset(schema["enum"])
        return lambda _reading, _path, value: read_choice(title, choices, value)
    return lambda reading, path, value: read_text(reading.document, path, value)


def _object_reader(schema: Mapping[str, Any]) -> _Reader:
    title, required = schema["title"], frozenset(schema.get("required", ()))
    readers = {name: _reader_of(each) for name, each in schema["properties"].items()}

    def read(reading: _Reading, path: Path, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong_type(title, value)
        kept = {}
        for name, reader in readers.items():
            given = value.get(name)
            found = None if given is None else reader(reading, (*path, name), given)
            if found is not None:
                kept[name] = found
            elif name in required:
                reading.problems.append(_missing((*path, name)))
        return kept

    return read


def _list_reader(schema: Mapping[str, Any]) -> _Reader:
    reader, shortest = _reader_of(schema["items"]), schema.get("minItems", 0)

    def read(reading: _Reading, path: Path, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type("java.util.List", value)
        if len(value) < shortest:
            reading.problems.append(_too_short(path, value, shortest))
        return [
            None if each is None else reader(reading, (*path, index), each)
            for index, each in enumerate(value)
        ]

    return read


def _missing(path: Path) -> Mapping[str, Any]:
    # The rejected value is null, and what is null is left out.
    return {"location": _location(path), "code": "NotNull", "message": "must not be null"}


def _too_short(path: Path, value: list[Any], shortest: int) -> Mapping[str, Any]:
    return {
        "location": _location(path),
        "code": "Size",
        "rejectedValue": value,
        "message": f"size must be between {shortest} and {_LONGEST_LIST}",
    }


def _location(path: Path) -> str:
    """Answers with a place as Java's beans name it (inferred): `forecastedBlocks[0].startTime`."""
    named = "".join(f"[{each}]" if isinstance(each, int) else f".{_bean(each)}" for each in path)
    return named.removeprefix(".")


def _bean(name: str) -> str:
    return _SECOND_WORD.sub(lambda match: match[1].upper(), name)

"""How SolarNetwork reads a message into its own classes: what it refuses then, and what it keeps.

Its schemas allow more than its classes can read (oscp20.md §3.2, §3.3 and §9.1). The
classes drop unknown properties, and hold numbers as doubles and times in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache, partial
from math import inf, isinf
from typing import Any

from oscp_schemas.catalogue import document, document_name
from oscp_schemas.show import make_pointer
from oscp_send.fidelity import Behaviour
from oscp_send.solarnetwork.dates import DateRefused, read_message_time
from oscp_send.times import LONGEST_USUAL, read_instant

_Reader = Callable[[Any], Any]


class DecodeError(ValueError):
    """Raised for a message that passes its schema and still cannot be read.

    Attributes:
        pointer: JSON Pointer of the value that cannot be read.
        text: The service's text about it, as measured for times.
    """

    def __init__(self, pointer: str, text: str) -> None:
        super().__init__(text)
        self.pointer = pointer
        self.text = text


def decode(action: str, message: object, behaviour: Behaviour) -> dict[str, Any]:
    """Return what SolarNetwork keeps of a message that its schema allows.

    Numbers are floats, times aware datetimes in UTC, cut to milliseconds, and only the properties
    that OSCP 2.0 knows are left, in the order of the specification. The behaviour decides by
    `date_times` which texts are read as times.

    Raises:
        DecodeError: The message cannot be read.
    """
    reader = _reader_for(action, strict=behaviour.follows_service("date_times"))
    try:
        decoded: dict[str, Any] = reader(message)
    except _Unreadable as found:
        steps = found.steps[::-1]
        chain = f"(through reference chain: {_chain(document_name(action), steps)})"
        text = f"{found.text}\n at [No location information] {chain}"
        raise DecodeError(make_pointer(steps), text) from None
    return decoded


class _Unreadable(Exception):
    """Raised for a value that cannot be read; who reads what is around it adds where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: list[str | int] = []


def _chain(name: str, steps: Iterable[str | int]) -> str:
    """Return the properties and elements that lead to a value, as the parser shows them."""
    schema, links = document(name), []
    for step in steps:
        if "items" in schema:
            links.append(f"java.util.ArrayList[{step}]")
            schema = schema["items"]
        else:
            links.append(f'oscp.v20.{schema["title"]}["{step}"]')
            schema = schema["properties"][step]
        schema = document(schema["$ref"]) if "$ref" in schema else schema
    return "->".join(links)


@cache
def _reader_for(action: str, *, strict: bool) -> _Reader:
    return _reader(document_name(action), strict=strict) or _as_it_is


@cache
def _reader(name: str, *, strict: bool) -> _Reader | None:
    return _reader_of(document(name), strict=strict)


def _reader_of(schema: Mapping[str, Any], *, strict: bool) -> _Reader | None:
    """Return what reads a value; None for one that is kept as it is."""
    if "$ref" in schema:
        return _reader(schema["$ref"], strict=strict)
    if schema.get("format") == "date-time":
        return _strict_time if strict else _time
    if "properties" in schema:
        readers = {
            name: _reader_of(each, strict=strict) for name, each in schema["properties"].items()
        }
        return partial(_members, tuple(readers.items()))
    if schema.get("type") == "array":
        return partial(_elements, _reader_of(schema["items"], strict=strict))
    return _number if schema.get("type") == "number" else None


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - JSON of any kind
    return value


def _members(
    readers: Iterable[tuple[str, _Reader | None]], value: Mapping[str, Any]
) -> dict[str, Any]:
    decoded, name = {}, ""
    try:
        for name, reader in readers:
            if name in value:
                decoded[name] = reader(value[name]) if reader else value[name]
    except _Unreadable as found:
        found.steps.append(name)
        raise
    return decoded


def _elements(reader: _Reader | None, value: Iterable[Any]) -> list[Any]:
    if reader is None:
        return list(value)
    decoded: list[Any] = []
    try:
        for each in value:
            decoded.append(reader(each))  # noqa: PERF401 - how many there are is where the mistake is
    except _Unreadable as found:
        found.steps.append(len(decoded))
        raise
    return decoded


@lru_cache(maxsize=8192)  # each time of a forecast is read several times on its way
def _time(value: str) -> datetime:
    if len(value) > LONGEST_USUAL:
        _time.cache_clear()
    instant = read_instant(value)
    if instant is None:
        raise _Unreadable(f"Text '{value}' could not be parsed")
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _strict_time(value: str) -> datetime:
    """Read a time as SolarNetwork's classes do (oscp20.md §3.2)."""
    try:
        instant = read_message_time(value)
    except DateRefused as refused:
        raise _Unreadable(refused.deserializing) from None
    if instant is None:
        raise _Unreadable(f"Text '{value}' could not be parsed")
    return instant


def _number(value: Any) -> float:  # noqa: ANN401 - int, float or Decimal
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if isinf(number):
        raise _Unreadable(
            "Cannot deserialize value of type `java.lang.Double`: "
            "number out of range of a 64-bit floating-point value"
        )
    return number

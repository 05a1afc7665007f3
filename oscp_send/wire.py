"""JSON text as this package reads and writes it: compact, ASCII, and nothing lost in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from numbers import Real
from typing import Any, NoReturn

from oscp_send.errors import InvalidValue
from oscp_send.fields import instant, number, text, write_instant
from oscp_send.structure import Structure

__all__ = ["read_object", "write"]


def write(value: object) -> str:
    """Writes a value as compact ASCII JSON.

    Mappings with text keys, lists, tuples, texts, plain numbers, booleans and None are written as
    JSON does; aware datetimes in UTC with none or exactly three fraction digits, cut to
    milliseconds; OSCP messages and data types as their `to_dict`.

    Raises:
        InvalidValue: There is anything else in it; the pointer names the place.
    """
    try:
        return json.dumps(_plain("", value), separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise InvalidValue("", "the value is nested too deep, or holds itself") from None


def read_object(content: str | bytes) -> dict[str, Any]:
    """Reads JSON text that holds one object; of a repeated key, the last value counts.

    Raises:
        InvalidValue: It is not UTF-8, or not JSON, or no object; line and column are named.
    """
    try:
        value = json.loads(_decoded(content), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidValue("", f"the text is not JSON ({where}): {error.msg}") from None
    except InvalidValue:
        raise
    except ValueError:
        raise InvalidValue("", "a number in the JSON has too many digits") from None
    except RecursionError:
        raise InvalidValue("", "the JSON is nested too deep") from None
    if not isinstance(value, dict):
        raise InvalidValue("", f"a JSON object is expected, not {type(value).__name__}")
    return value


def _decoded(content: str | bytes) -> str:
    try:
        return content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as error:
        raise InvalidValue("", f"the text is not UTF-8 from byte {error.start} on") from None


def _no_constant(name: str) -> NoReturn:
    raise InvalidValue("", f"the text is not JSON: {name} is no JSON number")


def _plain(pointer: str, value: object) -> object:
    if isinstance(value, Structure):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {
            _key(pointer, key): _plain(f"{pointer}/{_escaped(key)}", item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(f"{pointer}/{index}", item) for index, item in enumerate(value)]
    if isinstance(value, datetime):
        return write_instant(instant(pointer.lstrip("/"), value))
    if value is None or isinstance(value, bool):
        return value
    return _scalar(pointer, value)


def _scalar(pointer: str, value: object) -> object:
    if isinstance(value, str):
        return text(pointer.lstrip("/"), value)
    if isinstance(value, Real):
        return number(pointer.lstrip("/"), value)
    raise InvalidValue(
        pointer, f"{type(value).__name__} cannot be written as JSON", "give a plain Python value"
    )


def _key(pointer: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidValue(pointer, f"the key {key!r} is no text", "JSON knows only text as keys")
    return text(f"{pointer.lstrip('/')}/{_escaped(key)}".lstrip("/"), key)


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")

"""Reading an object by a table of its fields, judging what it holds, and showing it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oscp_send.instruction import utf16_length
from simulator.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from simulator.solaruser.configuration.kinds import Kind

__all__ = ["Field", "Fields", "made", "problems_of", "properties", "read", "show", "too_long"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object.

    Attributes:
        name: As the API calls it.
        attribute: As the world calls it.
        kind: How it is read and shown.
        required: Whether a request must give it.
        default: What stands for it where it is not given.
        about: One line, for the API's description.
    """

    name: str
    attribute: str
    kind: Kind
    required: bool = False
    default: object = None
    about: str = ""


Fields = tuple[Field, ...]


def read(fields: Fields, value: Mapping[str, Any]) -> dict[str, Any]:
    """Answers with the values of an object by the world's names; unknown properties are ignored.

    A value of null is as good as none (inferred).

    Raises:
        Unreadable: A value is of the wrong type.
    """
    found: dict[str, Any] = {}
    for each in fields:
        given = value.get(each.name)
        taken = None if given is None else each.kind.read(given)
        if each.kind.fields and given is not None:
            taken = read(each.kind.fields, given)
        found[each.attribute] = each.default if taken is None else taken
    return found


def problems_of(
    fields: Fields, values: Mapping[str, Any], above: str = ""
) -> Iterator[dict[str, Any]]:
    """Answers with all that is wrong with the values that `read` gave, as it is to be told.

    Args:
        fields: The object's.
        values: By the world's names.
        above: What stands before the name of each field.
    """
    for each in fields:
        value, kind = values[each.attribute], each.kind
        location = above + each.name
        if each.required and _is_missing(value):
            yield _problem(location, *kind.missing, value)
        elif kind.longest is not None and value is not None and utf16_length(value) > kind.longest:
            limits = f"size must be between {kind.shortest} and {kind.longest}"
            yield _problem(location, "Size", limits, value)
        elif kind.fields and value is not None:
            yield from problems_of(kind.fields, value, f"{location}.")


def _is_missing(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else value is None or value == ()


def _problem(location: str, code: str, message: str, value: object) -> dict[str, Any]:
    # A password may stand in a URL.
    shown = redact_text(value) if isinstance(value, str) else _json(value)
    rejected = {} if value is None else {"rejectedValue": shown}
    return {"location": location, "code": code, **rejected, "message": message}


def too_long(fields: Fields, values: Mapping[str, Any]) -> bool:
    """Tells whether the values that `read` gave hold a text that its database column does not."""
    for each in fields:
        value, kind = values[each.attribute], each.kind
        if kind.column is not None and value is not None and len(value) > kind.column:
            return True
        if kind.fields and value is not None and too_long(kind.fields, value):
            return True
    return False


def made(fields: Fields, values: Mapping[str, Any]) -> dict[str, Any]:
    """Answers with the values that `read` gave as the world keeps them.

    Args:
        fields: The object's.
        values: With nothing wrong in them.
    """
    kept = dict(values)
    for each in fields:
        value, make = values[each.attribute], each.kind.make
        if make is not None and value is not None:
            kept[each.attribute] = make(**made(each.kind.fields, value))
    return kept


def show(fields: Iterable[Field], item: object) -> dict[str, Any]:
    """Answers with an object of the world as JSON, without what it does not have."""
    shown: dict[str, Any] = {}
    for each in fields:
        value = getattr(item, each.attribute)
        if value is not None:
            shown[each.name] = show(each.kind.fields, value) if each.kind.fields else _json(value)
    return shown


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def properties(fields: Fields) -> dict[str, Any]:
    """Answers with a JSON Schema of each field by its name."""
    return {
        each.name: {**each.kind.schema, **({"description": each.about} if each.about else {})}
        for each in fields
    }

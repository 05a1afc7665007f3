"""Judge a message by the schema of its action, and say everything that is wrong with it.

jsonschema-rs does the judging. It gives neither an order that a reader can follow nor the values
that it was not made for, so both are added here.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from oscp_schemas.catalogue import (
    ACTIONS,
    BASE_URI,
    UnknownAction,
    document,
    document_name,
    document_names,
)
from oscp_schemas.date_time import READERS, Fidelity
from oscp_schemas.json_faults import JsonError
from oscp_schemas.json_text import Document, read
from oscp_schemas.show import make_pointer, preview

if TYPE_CHECKING:  # imported on the first use: each takes a while, and a sender's --help needs none
    import jsonschema
    import jsonschema_rs


#: How many violations are listed: who reads more, and a megabyte of mistakes is judged for minutes.
MOST_VIOLATIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing in a message that its schema refuses.

    Attributes:
        pointer: JSON Pointer (RFC 6901) of the refused value; the empty text is the whole message.
        rule: The JSON Schema keyword that refuses it: `enum`, `format`, `minItems`, `minimum`,
            `required`, `type` or `uniqueItems`; or `json` where the text is not JSON; `more` for
            all that are not listed.
        message: What is wrong and what was expected, for a person.
        expected: The keyword's value, such as `"number"`, a list of texts, `0` or `"date-time"`;
            for `required` the name of the missing property; for `json` what should have come.
        got: The refused value; None for `required`; for `json` the text that came instead.
    """

    pointer: str
    rule: str
    message: str
    expected: object
    got: object


def judge(action: str, message: object, *, fidelity: Fidelity = "documented") -> list[Violation]:
    """Return everything that the schema of an action refuses in a message; nothing if it is valid.

    In an object: its type, then its properties in the schema's order, then what it lacks. A text
    that is not JSON has one violation, whose rule is `json`. After `MOST_VIOLATIONS`, one with the
    rule `more` says how many there are at least besides.

    Args:
        action: One of `ACTIONS`.
        message: JSON text, which a `str` always is, its bytes, a `Document`, or a parsed value.
        fidelity: How a date-time is read: `documented` by RFC 3339, `observed` as SolarNetwork's
            schema validator does (oscp20.md §9.1). SolarNetwork's decoder comes after
            it, is stricter still, and is not asked here.

    Raises:
        UnknownAction: The action is none of `ACTIONS`.
        ValueError: The fidelity is neither of the two.
    """
    _check(action, fidelity)
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, str | bytes):
        if _accepts_text(action, message, fidelity):
            return []
        try:
            message = read(message)
        except JsonError as error:
            expected, got = error.context or "JSON", error.token or error.character
            return [Violation("", "json", f"not JSON: {error}", expected, got)]
    value = message.value if isinstance(message, Document) else message
    return [] if _accepts(action, value, fidelity) else _violations(action, value, fidelity)


def validator(
    action: str, *, fidelity: Fidelity = "documented"
) -> jsonschema.validators.Draft7Validator:
    """Return a `jsonschema` validator for the messages of an action, for a program's own use.

    It finds the documents that `$ref`s name, and asserts `date-time` as `judge` reads it. `judge`
    gives the same verdicts, is many times faster, and says in short words what is wrong. Each call
    makes a new validator: keep it.

    Raises:
        UnknownAction, ValueError: As `judge` does.
    """
    from jsonschema import Draft7Validator, FormatChecker  # noqa: PLC0415 - slow, and rarely needed
    from referencing import Registry  # noqa: PLC0415
    from referencing.jsonschema import DRAFT7  # noqa: PLC0415

    _check(action, fidelity)
    reads = READERS[fidelity]
    checker = FormatChecker(formats=())
    checker.checks("date-time")(lambda value: not isinstance(value, str) or reads(value))
    registry = Registry().with_resources(
        (BASE_URI + name, DRAFT7.create_resource(document(name))) for name in document_names()
    )
    return Draft7Validator(
        document(document_name(action)), registry=registry, format_checker=checker
    )


def wording(rule: str, expected: Any, got: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the message of a `Violation`.

    The words are ours, because a validator writes out the whole value: it may fill pages, be nested
    deeper than Python can write, or be a number of many thousand digits.
    """
    shown, reason = preview(got), ""
    match rule:
        case "enum":
            reason = f"is not one of {', '.join(expected)}"
        case "format":
            reason = f"is not an RFC 3339 {expected} such as 2031-03-01T00:15:00Z"
        case "minItems":
            reason = f"has fewer items than {expected}"
        case "minimum":
            reason = f"is less than {expected}"
        case "required":
            shown, reason = f'the property "{expected}"', "is missing"
        case "type":
            reason = f"is not {'an' if expected[0] in 'aio' else 'a'} {expected}"
        case "uniqueItems":
            shown, reason = preview(*_repeated(got)), "occurs more than once"
    return f"{shown} {reason}"


def _check(action: str, fidelity: Fidelity) -> None:
    if action not in ACTIONS:
        raise UnknownAction(action)
    if fidelity not in READERS:
        raise ValueError(f"fidelity is 'documented' or 'observed', not {fidelity!r}")


# A number that is so close to zero that a double may lose it, sign and all.
_TINY = re.compile(r"[0-9][eE]-|0{300}")


# The verdict alone, fast: True only when sure; False asks for a closer look.
def _accepts_text(action: str, text: str | bytes, fidelity: Fidelity) -> bool:
    import orjson  # noqa: PLC0415 - only a judgement needs it

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return not _may_underflow(text) and _accepts(action, value, fidelity)


def _may_underflow(text: str | bytes) -> bool:
    written = text if isinstance(text, str) else text.decode("utf-8")
    # The quick tests first: nearly no message passes one of them.
    is_suspicious = "e-" in written or "E-" in written or "0" * 300 in written
    return is_suspicious and _TINY.search(written) is not None


def _accepts(action: str, value: object, fidelity: Fidelity) -> bool:
    try:
        return _compiled_for(action, fidelity).is_valid(value)
    except ValueError:
        # It takes neither lone surrogates nor most subclasses of the plain types.
        return False


@cache
def _compiled(name: str, fidelity: Fidelity) -> jsonschema_rs.Draft7Validator:
    import jsonschema_rs  # noqa: PLC0415 - only a judgement needs it

    return jsonschema_rs.Draft7Validator(
        document(name),
        registry=_compiled_documents(),
        validate_formats=True,
        formats={"date-time": READERS[fidelity]},
    )


@cache
def _compiled_for(action: str, fidelity: Fidelity) -> jsonschema_rs.Draft7Validator:
    return _compiled(document_name(action), fidelity)


@cache
def _compiled_documents() -> jsonschema_rs.Registry:
    import jsonschema_rs  # noqa: PLC0415 - only a judgement needs it

    return jsonschema_rs.Registry([(BASE_URI + name, document(name)) for name in document_names()])


def _violations(action: str, value: object, fidelity: Fidelity) -> list[Violation]:
    """Return what is wrong, in the order of the schema."""
    name = document_name(action)
    schema = _expanded(name)
    plain = _stand_in(value, schema)
    left_out = _cut_lists(plain, name, fidelity)
    found = []
    for error in _compiled(name, fidelity).iter_errors(plain):
        rule = error.kind.name
        rank, keywords, got = _look_up(error.instance_path, schema, value)
        if rule == "uniqueItems" and not _repeated(got):
            continue  # only their stand-ins are the same
        rank.append(list(keywords).index(rule))
        # jsonschema-rs has the one type in a list, and nothing for uniqueItems.
        expected = keywords[rule] if rule in {"type", "uniqueItems"} else error.kind.value
        got = None if rule == "required" else got
        message = wording(rule, expected, got)
        pointer = make_pointer(error.instance_path)
        found.append((rank, Violation(pointer, rule, message, expected, got)))
    found.sort(key=lambda ranked: ranked[0])
    listed = [violation for _, violation in found[:MOST_VIOLATIONS]]
    left_out += len(found) - len(listed)
    if left_out:
        what = f"at least {left_out:,} more violations are not listed: correct these first"
        listed.append(Violation("", "more", what, None, None))
    return listed


def _cut_lists(plain: object, name: str, fidelity: Fidelity) -> int:
    """End each list once enough items are wrong; return how many wrong ones are left out."""
    if not isinstance(plain, dict):
        return 0
    left_out = 0
    for key, schema in document(name).get("properties", {}).items():
        member = plain.get(key)
        if isinstance(member, list) and "items" in schema and len(member) > MOST_VIOLATIONS:
            is_valid = _compiled(schema["items"]["$ref"], fidelity).is_valid
            wrong = [index for index, item in enumerate(member) if not is_valid(item)]
            left_out += len(wrong[MOST_VIOLATIONS:])
            del member[wrong[MOST_VIOLATIONS] if len(wrong) > MOST_VIOLATIONS else len(member) :]
        elif "$ref" in schema:
            left_out += _cut_lists(member, schema["$ref"], fidelity)
    return left_out


def _look_up(
    path: list[str | int],
    schema: dict[str, Any],
    value: Any,  # noqa: ANN401 - any JSON value
) -> tuple[list[int], dict[str, Any], Any]:
    """Return the place of a path in the order of the schema, and the schema and the value there."""
    rank = []
    for step in path:
        keyword = "items" if isinstance(step, int) else "properties"
        rank.append(list(schema).index(keyword))
        schema = schema[keyword]
        if isinstance(step, int):
            rank.append(step)
        else:
            rank.append(list(schema).index(step))
            schema = schema[step]
        value = value[step]
    return rank, schema, value


@cache
def _expanded(name: str) -> dict[str, Any]:
    """Return a schema document with each `$ref` replaced by the document that it names."""

    def expand(schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return _expanded(str(schema["$ref"]))
        if "properties" in schema:
            members = schema["properties"].items()
            schema["properties"] = {name: expand(member) for name, member in members}
        if "items" in schema:
            schema["items"] = expand(schema["items"])
        return schema

    return expand(document(name))


# Farther from zero than every limit in our documents.
_FAR = 2**53


def _stand_in(value: object, schema: dict[str, Any]) -> object:
    """Return what the schema looks at in a message, in plain types that jsonschema-rs takes.

    It is refused for the same reasons at the same places: lone surrogates, subclasses of the plain
    types, foreign keys and types, great depth and long numbers do not matter to our schemas.
    """
    plain: object = None  # for a type that JSON does not have; no schema of ours takes null
    match value:
        case bool():
            plain = value
        case str():
            plain = value.encode(errors="replace").decode()
        case int():
            plain = _near(value)
        case float():
            plain = float(value)
        case Decimal():
            is_whole = value.is_finite() and value == value.to_integral_value()
            plain = _near(value) if is_whole else value
        case dict():
            members = schema.get("properties", {}).items()
            plain = {name: _stand_in(value[name], each) for name, each in members if name in value}
        case list() | tuple():
            plain = [_stand_in(item, schema["items"]) for item in value if "items" in schema]
        case Enum():
            plain = _stand_in(value.value, {})
    return plain


def _near(value: int | Decimal) -> int:
    return int(max(-_FAR, min(value, _FAR)))


def _repeated(items: Any) -> list[object]:  # noqa: ANN401 - an array
    """Return the first item that equals an earlier one, in a list; an empty list if none does."""
    seen: set[Hashable] = set()
    for item in items:
        try:
            key = _key(item)
            if key in seen:
                return [item]
            seen.add(key)
        except (RecursionError, TypeError):
            continue  # too deep, or a signaling NaN: its type is refused anyway
    return []


def _key(value: object) -> Hashable:
    """Return what is equal for two values that are equal in JSON: 1 is 1.0, but not true."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(_key(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, Hashable):
        return str(type(value)), repr(value)
    return value

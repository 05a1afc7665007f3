"""Why a message does not satisfy the schema of its action, in full."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from jsonschema import FormatChecker, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft7Validator, extend
from referencing import Registry
from referencing.jsonschema import DRAFT7

from oscp_schemas.catalogue import (
    BASE_URI,
    Violation,
    document,
    document_name,
    document_names,
)
from oscp_schemas.date_time import READERS, Fidelity
from oscp_schemas.show import make_pointer, preview

__all__ = ["KEYWORDS", "TYPES", "violations"]


# § The JSON Schema keywords that our documents use, each with its words for a refusal.
#
# They stand in for jsonschema's own, whose messages write out the whole refused value: a value
# may be nested deeper than Python can write, or a number longer.

_A_MOMENT = "2031-03-01T00:15:00Z"


def _enum(
    _: Draft7Validator, texts: list[str], instance: object, __: object
) -> Iterator[ValidationError]:
    if instance not in texts:
        yield ValidationError(f"{preview(instance)} is not one of {', '.join(texts)}")


def _format(
    checker: Draft7Validator, name: str, instance: object, _: object
) -> Iterator[ValidationError]:
    if checker.format_checker and not checker.format_checker.conforms(instance, name):
        yield ValidationError(f"{preview(instance)} is not an RFC 3339 {name} such as {_A_MOMENT}")


def _min_items(
    checker: Draft7Validator, least: int, instance: list[object], _: object
) -> Iterator[ValidationError]:
    if checker.is_type(instance, "array") and len(instance) < least:
        yield ValidationError(f"{preview(instance)} has fewer items than {least}")


def _minimum(
    checker: Draft7Validator, least: int, instance: float, _: object
) -> Iterator[ValidationError]:
    if checker.is_type(instance, "number") and instance < least:
        yield ValidationError(f"{preview(instance)} is less than {least}")


def _required(
    checker: Draft7Validator, names: list[str], instance: dict[str, object], _: object
) -> Iterator[ValidationError]:
    if not checker.is_type(instance, "object"):
        return
    for name in names:
        if name not in instance:
            # Set here, these two stand in for the whole list and for the whole object.
            yield ValidationError(
                f'the property "{name}" is missing', validator_value=name, instance=None
            )


def _type(
    checker: Draft7Validator, name: str, instance: object, _: object
) -> Iterator[ValidationError]:
    if not checker.is_type(instance, name):
        article = "an" if name[0] in "aio" else "a"
        yield ValidationError(f"{preview(instance)} is not {article} {name}")


def _unique_items(
    checker: Draft7Validator, is_asked: bool, instance: list[object], _: object
) -> Iterator[ValidationError]:
    if not is_asked or not checker.is_type(instance, "array"):
        return
    seen: set[Hashable] = set()
    for item in instance:
        try:
            key = _key(item)
        except RecursionError:  # refused by its type, whatever it equals
            continue
        if key in seen:
            yield ValidationError(f"{preview(item)} occurs more than once")
            return
        seen.add(key)


def _key(value: object) -> Hashable:
    """Answers with what is equal for two values that are equal in JSON: 1 is 1.0, but not true."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(_key(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, Hashable):
        return str(type(value)), repr(value)
    return value


def _is_number(_: TypeChecker, value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_integer(checker: TypeChecker, value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return _is_number(checker, value)


def _is_array(_: TypeChecker, value: object) -> bool:
    return isinstance(value, list | tuple)


KEYWORDS: Mapping[str, Callable[..., Iterator[ValidationError]]] = MappingProxyType(
    {
        "enum": _enum,
        "format": _format,
        "minItems": _min_items,
        "minimum": _minimum,
        "required": _required,
        "type": _type,
        "uniqueItems": _unique_items,
    }
)

# Python's NaN and infinity are no JSON numbers; a tuple is written as an array.
TYPES: TypeChecker = Draft7Validator.TYPE_CHECKER.redefine_many(
    {"array": _is_array, "integer": _is_integer, "number": _is_number}
)


# § Why a message does not satisfy the schema of its action, in full.
#
# Imported when the first refusal is to be explained, because of what it imports.


def violations(action: str, value: object, fidelity: Fidelity) -> list[Violation]:
    """Answers with everything that the schema of an action refuses in a parsed value.

    In an object: its type, then its properties in the schema's order, then what it lacks.
    """
    return [
        _violation(error) for error in _explaining_validator(action, fidelity).iter_errors(value)
    ]


def _violation(error: ValidationError) -> Violation:
    return Violation(
        pointer=make_pointer(error.absolute_path),
        rule=str(error.validator),
        message=error.message,
        expected=error.validator_value,
        got=error.instance,
    )


@cache
def _explaining_validator(action: str, fidelity: Fidelity) -> Draft7Validator:
    root = _explaining_registry().contents(BASE_URI + document_name(action))
    return _validator_class()(
        root, registry=_explaining_registry(), format_checker=_format_checker(fidelity)
    )


@cache
def _validator_class() -> type[Draft7Validator]:
    extended = extend(  # type: ignore[no-untyped-call] # its stub says nothing
        Draft7Validator, validators=KEYWORDS, type_checker=TYPES
    )
    return cast("type[Draft7Validator]", extended)


@cache
def _explaining_registry() -> Registry[Any]:
    resources = []
    for name in document_names():
        content = document(name)
        # With it, jsonschema would go on, behind each $ref, with its own Draft7Validator.
        del content["$schema"]
        resources.append((BASE_URI + name, DRAFT7.create_resource(content)))
    return Registry().with_resources(resources)


@cache
def _format_checker(fidelity: Fidelity) -> FormatChecker:
    reads = READERS[fidelity]
    checker = FormatChecker(formats=())

    @checker.checks("date-time")
    def _is_date_time(value: object) -> bool:
        return not isinstance(value, str) or reads(value)

    return checker

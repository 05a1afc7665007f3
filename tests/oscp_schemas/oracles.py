"""`jsonschema`, which every verdict and every list of violations is held against."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache
from typing import Any

from jsonschema import Draft7Validator, TypeChecker
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT7

import oscp_schemas
from oscp_schemas import Fidelity, Violation
from oscp_schemas.catalogue import BASE_URI, document, document_name, document_names
from oscp_schemas.show import make_pointer
from oscp_schemas.validate import wording


@cache
def validator(action: str, fidelity: Fidelity = "documented") -> Draft7Validator:
    """Return what integrators are given, made once."""
    return oscp_schemas.validator(action, fidelity=fidelity)


def accepts_without_formats(action: str, value: object) -> bool:
    """Return the verdict of plain jsonschema without a format checker."""
    return validator(action).evolve(format_checker=None).is_valid(value)


def violations(checker: Draft7Validator, value: object) -> list[Violation]:
    """Return what a validator of jsonschema finds, in its own order, in our words."""
    found = []
    for error in checker.iter_errors(value):
        rule, expected, got = str(error.validator), error.validator_value, error.instance
        if rule == "required":
            expected, got = error.message.split("'")[1], None
        pointer = make_pointer(error.absolute_path)
        found.append(Violation(pointer, rule, wording(rule, expected, got), expected, got))
    return found


@cache
def validator_of_python_values(action: str) -> Draft7Validator:
    """Return one that takes a tuple for an array, and NaN and infinity for no numbers."""

    def schema(name: str) -> dict[str, Any]:
        content = document(name)
        # With it, jsonschema would go on, behind each $ref, with its own Draft7Validator.
        del content["$schema"]
        return content

    registry = Registry().with_resources(
        (BASE_URI + name, DRAFT7.create_resource(schema(name))) for name in document_names()
    )
    types = Draft7Validator.TYPE_CHECKER.redefine_many(
        {"array": _is_array, "integer": _is_integer, "number": _is_number}
    )
    extended = extend(Draft7Validator, type_checker=types)  # type: ignore[no-untyped-call] # its stub says nothing
    checker: Draft7Validator = extended(
        schema(document_name(action)),
        registry=registry,
        format_checker=validator(action).format_checker,
    )
    return checker


def _is_array(_: TypeChecker, value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_integer(checker: TypeChecker, value: object) -> bool:
    if isinstance(value, float | Decimal):
        return _is_number(checker, value) and value == int(value)
    return _is_number(checker, value)


def _is_number(_: TypeChecker, value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) and not isinstance(value, bool)

"""Why a message does not satisfy the schema of its action, in full.

Imported when the first refusal is to be explained, because of what it imports.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from jsonschema import FormatChecker
from jsonschema.validators import Draft7Validator, extend
from referencing import Registry
from referencing.jsonschema import DRAFT7

from schemas.catalogue import BASE_URI, document, document_name, document_names
from schemas.date_time import READERS, Fidelity
from schemas.keywords import KEYWORDS, TYPES
from schemas.pointer import make_pointer
from schemas.violation import Violation

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

__all__ = ["violations"]


def violations(action: str, value: object, fidelity: Fidelity) -> list[Violation]:
    """Answers with everything that the schema of an action refuses in a parsed value.

    In an object: its type, then its properties in the schema's order, then what it lacks.
    """
    return [_violation(error) for error in _validator(action, fidelity).iter_errors(value)]


def _violation(error: ValidationError) -> Violation:
    return Violation(
        pointer=make_pointer(error.absolute_path),
        rule=str(error.validator),
        message=error.message,
        expected=error.validator_value,
        got=error.instance,
    )


@cache
def _validator(action: str, fidelity: Fidelity) -> Draft7Validator:
    root = _registry().contents(BASE_URI + document_name(action))
    return _validator_class()(root, registry=_registry(), format_checker=_format_checker(fidelity))


@cache
def _validator_class() -> type[Draft7Validator]:
    extended = extend(  # type: ignore[no-untyped-call] # its stub says nothing
        Draft7Validator, validators=KEYWORDS, type_checker=TYPES
    )
    return cast("type[Draft7Validator]", extended)


@cache
def _registry() -> Registry[Any]:
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

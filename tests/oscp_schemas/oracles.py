"""Plain `jsonschema` over our documents: what the project's own judgement is held against."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT7

from oscp_schemas.catalogue import BASE_URI, document, document_names
from oscp_schemas.date_time import itu_reads


@cache
def registry() -> Registry[Any]:
    """Answers with all documents, each under the address that its file name gives it."""
    return Registry().with_resources(
        (BASE_URI + name, DRAFT7.create_resource(document(name))) for name in document_names()
    )


def accepts_without_formats(schema: dict[str, Any], value: object) -> bool:
    """Tells what plain jsonschema says when nobody gives it a format checker."""
    return Draft7Validator(schema, registry=registry()).is_valid(value)


def accepts_as_observed(schema: dict[str, Any], value: object) -> bool:
    """Tells what plain jsonschema says with SolarNetwork's reading of a date-time."""
    checker = FormatChecker(formats=())
    checker.checks("date-time")(lambda text: not isinstance(text, str) or itu_reads(text))
    return Draft7Validator(schema, registry=registry(), format_checker=checker).is_valid(value)

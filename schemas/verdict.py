"""The verdict alone, fast: does a message satisfy the schema of its action?

Imported on the first judgement, because of what it imports.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from schemas.catalogue import BASE_URI, document, document_name, document_names
from schemas.date_time import READERS, Fidelity

__all__ = ["accepts", "accepts_text"]

# A number that is so close to zero that a double may lose it, sign and all.
_TINY = re.compile(r"[0-9][eE]-|0{300}")


def accepts_text(action: str, text: str | bytes, fidelity: Fidelity) -> bool:
    """Tells whether a JSON text is surely a valid message; False asks for a closer look."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return not _may_underflow(text) and accepts(action, value, fidelity)


def accepts(action: str, value: object, fidelity: Fidelity) -> bool:
    """Tells whether a parsed value is surely a valid message; False asks for a closer look."""
    return _is_valid(_validator(action, fidelity), value)


def _is_valid(validator: jsonschema_rs.Draft7Validator, value: object) -> bool:
    try:
        return validator.is_valid(value)
    except ValueError:
        # It takes neither lone surrogates, nor great depth, nor subclasses of the plain types.
        return False


def _may_underflow(text: str | bytes) -> bool:
    written = text if isinstance(text, str) else text.decode("utf-8")
    # The quick tests first: nearly no message passes one of them.
    is_suspicious = "e-" in written or "E-" in written or "0" * 300 in written
    return is_suspicious and _TINY.search(written) is not None


@cache
def _validator(action: str, fidelity: Fidelity) -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(
        document(document_name(action)),
        registry=_registry(),
        validate_formats=True,
        formats={"date-time": READERS[fidelity]},
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    resources: list[tuple[str, Any]] = [
        (BASE_URI + name, document(name)) for name in document_names()
    ]
    return jsonschema_rs.Registry(resources)

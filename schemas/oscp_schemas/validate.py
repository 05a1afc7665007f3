"""Judge a message by the schema of its action."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from oscp_schemas.catalogue import BASE_URI, Violation, document, document_name, document_names
from oscp_schemas.date_time import READERS, Fidelity
from oscp_schemas.json_faults import JsonError
from oscp_schemas.json_text import Document, read

if TYPE_CHECKING:
    import jsonschema_rs

__all__ = ["accepts", "accepts_text", "judge"]


def judge(action: str, message: object, *, fidelity: Fidelity = "documented") -> list[Violation]:
    """Answers with everything that the schema of an action refuses in a message; nothing is valid.

    A text that is no JSON has one violation, whose rule is `json`. Thousands of valid messages are
    judged in a second; a refusal takes longer, because it is explained.

    Args:
        action: The OSCP message name, one of `ACTIONS`.
        message: JSON text, its bytes in UTF-8, a `Document`, or a parsed value. A `str` is always
            taken as JSON text.
        fidelity: How a date-time is read: `documented` by RFC 3339, `observed` as SolarNetwork's
            schema validator does (OSCP dossier §9.1). SolarNetwork's decoder comes after it, is
            stricter still, and is not asked here.

    Raises:
        UnknownAction: The action is none of `ACTIONS`.
        ValueError: The fidelity is neither of the two.
    """
    document_name(action)
    if fidelity not in READERS:
        raise ValueError(f"fidelity is 'documented' or 'observed', not {fidelity!r}")
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, str | bytes):
        if accepts_text(action, message, fidelity):
            return []
        try:
            message = read(message)
        except JsonError as error:
            return [_no_json(error)]
    value = message.value if isinstance(message, Document) else message
    if accepts(action, value, fidelity):
        return []
    from oscp_schemas.explain import violations  # noqa: PLC0415 - slow to import, for refusals only

    return violations(action, value, fidelity)


def _no_json(error: JsonError) -> Violation:
    expected = error.context or "JSON"
    got = error.token or error.character
    return Violation("", "json", f"not JSON: {error}", expected, got)


# § The verdict alone, fast: does a message satisfy the schema of its action?
#
# Imported on the first judgement, because of what it imports.

# A number that is so close to zero that a double may lose it, sign and all.
_TINY = re.compile(r"[0-9][eE]-|0{300}")


def accepts_text(action: str, text: str | bytes, fidelity: Fidelity) -> bool:
    """Tells whether a JSON text is surely a valid message; False asks for a closer look."""
    import orjson  # noqa: PLC0415 - only a judgement needs it

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
    import jsonschema_rs  # noqa: PLC0415 - only a judgement needs it

    return jsonschema_rs.Draft7Validator(
        document(document_name(action)),
        registry=_registry(),
        validate_formats=True,
        formats={"date-time": READERS[fidelity]},
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    import jsonschema_rs  # noqa: PLC0415 - only a judgement needs it

    resources: list[tuple[str, Any]] = [
        (BASE_URI + name, document(name)) for name in document_names()
    ]
    return jsonschema_rs.Registry(resources)

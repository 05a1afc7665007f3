"""Judging a message by the schema of its action."""

from __future__ import annotations

from schemas.catalogue import document_name
from schemas.date_time import READERS, Fidelity
from schemas.json_document import Document, read
from schemas.json_error import JsonError
from schemas.violation import Violation

__all__ = ["judge"]


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
    from schemas import verdict  # noqa: PLC0415 - `import schemas` stays light

    document_name(action)
    if fidelity not in READERS:
        raise ValueError(f"fidelity is 'documented' or 'observed', not {fidelity!r}")
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, str | bytes):
        if verdict.accepts_text(action, message, fidelity):
            return []
        try:
            message = read(message)
        except JsonError as error:
            return [_no_json(error)]
    value = message.value if isinstance(message, Document) else message
    if verdict.accepts(action, value, fidelity):
        return []
    from schemas.explanation import violations  # noqa: PLC0415 - only a refusal needs it

    return violations(action, value, fidelity)


def _no_json(error: JsonError) -> Violation:
    expected = error.context or "JSON"
    got = error.token or error.character
    return Violation("", "json", f"not JSON: {error}", expected, got)

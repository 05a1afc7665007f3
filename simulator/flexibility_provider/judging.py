"""What there is to say of a message that the Flexibility Provider is sent, whatever it answers.

Its endpoints ask neither the schema nor the meaning; so what they let through is told by the
journal (OSCP dossier §5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from schemas import judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from schemas import Document

__all__ = ["judge_message"]

_TAKEN = "the Flexibility Provider takes it all the same; SolarUser and others would not"


def judge_message(
    action: str, body: bytes, document: Document | None, now: datetime
) -> Iterator[Finding]:
    """Yields what is wrong with a message, as far as no history is needed.

    Args:
        action: One of `schemas.ACTIONS`.
        body: What was sent.
        document: The same, read; None for a message that the service does not take.
        now: The time against which a heartbeat is held.
    """
    for each in judge(action, body):
        # A Register holds a token, which the text may quote.
        message = "the schema does not allow this" if action == "Register" else each.message
        if document is None:
            yield Finding("schema", each.rule, "error", each.pointer, message)
        else:
            yield Finding("schema", each.rule, "warning", each.pointer, message, _TAKEN)
    if document is not None:
        yield from judge_meaning(document.value, now)

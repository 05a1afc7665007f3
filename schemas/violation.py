"""One thing in a message that its schema refuses."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing in a message that its schema refuses.

    Attributes:
        pointer: JSON Pointer (RFC 6901) of the refused value; the empty text is the whole message.
        rule: The JSON Schema keyword that refuses it: `enum`, `format`, `minItems`, `minimum`,
            `required`, `type` or `uniqueItems`; or `json` where the text is no JSON.
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

"""Why a text is no JSON, and where."""

from __future__ import annotations

from typing import Literal

__all__ = ["JsonContext", "JsonError", "JsonErrorKind", "line_and_column"]

JsonErrorKind = Literal[
    "bad-escape",  # a backslash in a string, followed by what JSON does not know
    "bad-number",
    "byte-order-mark",
    "control-character",  # raw, below U+0020, inside a string
    "empty",  # nothing, or nothing but blanks
    "end-of-input",
    "not-utf8",
    "too-deep",
    "trailing-content",  # one whole value, then more
    "unexpected-character",
    "unrecognized-token",  # a word that is not true, false or null; NaN and Infinity too
]

JsonContext = Literal[
    "colon",
    "comma or end of array",
    "comma or end of object",
    "digit after point",
    "digit after sign",
    "digit in exponent",
    "end of number",
    "end of text",
    "escape",
    "no leading zero",
    "no plus sign",
    "property name",
    "string",
    "value",
]


class JsonError(ValueError):
    """Raised for a text that is no JSON (RFC 8259; strictness as observed in SolarNetwork).

    Attributes:
        kind: What sort of mistake it is.
        reason: What was expected and what came instead, for a person.
        line: The line of the mistake, from 1.
        column: The column of the mistake, from 1, in characters.
        offset: How many characters stand before the mistake.
        character: The character at fault, where it is a single one.
        token: The word or number at fault, where it is one.
        context: What was expected there, where that is known.
        inside: The innermost array or object that is open there; None outside of both.
    """

    def __init__(
        self,
        kind: JsonErrorKind,
        reason: str,
        text: str,
        offset: int,
        *,
        character: str | None = None,
        token: str | None = None,
        context: JsonContext | None = None,
        inside: Literal["array", "object"] | None = None,
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.line, self.column = line_and_column(text, offset)
        self.offset = offset
        self.character = character
        self.token = token
        self.context = context
        self.inside = inside

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}"


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Answers with line and column, both from 1, of a place in a text; lines end in LF."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)

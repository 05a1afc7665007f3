"""What exactly is wrong with a text that is not JSON, at the place where a scan stopped."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from oscp_schemas.show import preview

JsonErrorKind = Literal[
    "bad-escape",  # a backslash in a string, followed by nothing that JSON knows
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
    """Raised for a text that is not JSON (RFC 8259; strictness as observed in SolarNetwork).

    Attributes:
        reason: What was expected and what came instead, for a person.
        line: The line of the mistake, from 1.
        column: Its column, from 1, in characters.
        offset: How many characters come before it.
        character: The character at fault, where it is a single one.
        token: The word or number at fault, where it is one.
        context: What was expected there, where that is known.
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
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.line, self.column = line_and_column(text, offset)
        self.offset = offset
        self.character = character
        self.token = token
        self.context = context

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}"


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a place in a text; lines end in LF."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


_WORD = re.compile(r"[+-]?[^\W\d][\w$]*")
_NUMERIC = re.compile(r"[\w.+-]+")
# A string without its closing quote.
STRING_START = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*'
_STRING_START = re.compile(STRING_START)
_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{0,4}|\\.?", re.DOTALL)

_EXPECTED: dict[JsonContext, str] = {
    "colon": "a colon after the property name",
    "comma or end of array": "a comma or the closing bracket",
    "comma or end of object": "a comma or the closing brace",
    "digit after point": "a digit after the decimal point",
    "digit after sign": "a digit",
    "digit in exponent": "a digit in the exponent",
    "end of number": "the end of the number",
    "end of text": "nothing more after the value",
    "escape": 'one of " \\ / b f n r t after the backslash, or u and four hexadecimal digits',
    "no leading zero": "no zero before the other digits",
    "no plus sign": "no plus sign",
    "property name": "a property name in double quotes",
    "string": "the closing double quote",
    "value": "a value",
}

# In this order: the first that fits is the mistake, at the place of its empty group.
_NUMBER_FAULTS: tuple[tuple[re.Pattern[str], JsonContext], ...] = (
    (re.compile(r"()\+"), "no plus sign"),
    (re.compile(r"-?+()(?![0-9])"), "digit after sign"),
    (re.compile(r"-?()0[0-9]"), "no leading zero"),
    (re.compile(r"-?[0-9]+\.()(?![0-9])"), "digit after point"),
    (re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?+()(?![0-9])"), "digit in exponent"),
    (re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?()"), "end of number"),
)

_WORD_HINTS = {
    "Infinity": "; JSON has no infinity",
    "NaN": "; JSON has no NaN",
    "False": "; write false",
    "None": "; write null",
    "True": "; write true",
    "undefined": "; write null",
}

_CHARACTER_HINTS = {
    "'": "; JSON quotes with double quotes only",
    "/": "; JSON has no comments",
    "#": "; JSON has no comments",
}


class Place(NamedTuple):
    """Where the scan stopped: the text and the offset."""

    text: str
    offset: int

    @property
    def character(self) -> str | None:
        """The character there; None at the end of the text."""
        return self.text[self.offset : self.offset + 1] or None

    @property
    def found(self) -> str:
        """The character there as a person reads it."""
        if self.character is None:
            return "the end of the text"
        return "a double quote" if self.character == '"' else preview(self.character)

    def moved(self, offset: int) -> Place:
        """Return another place in the same text."""
        return self._replace(offset=offset)


def structure_fault(place: Place, context: JsonContext, *, after_comma: bool = False) -> JsonError:
    """Return the error for a place where `context` should be and is not."""
    character = place.character
    if character is None:
        return _end(place, context)
    word = _WORD.match(place.text, place.offset)
    hint = _CHARACTER_HINTS.get(character, "")
    if after_comma and character in "]}":
        hint = "; a comma must not come last"
    return _error(
        place,
        "trailing-content" if context == "end of text" else "unexpected-character",
        context,
        f", found {preview(word[0]) if word else place.found}{hint}",
        token=word[0] if word else None,
    )


def value_fault(place: Place, *, after_comma: bool = False) -> JsonError:
    """Return the error for a place where a value should be, and no right one is."""
    character = place.character
    if character is None:
        return _end(place, "value")
    if character == '"':
        return string_fault(place)
    if word := _WORD.match(place.text, place.offset):
        hint = _WORD_HINTS.get(word[0].lstrip("+-"), "; a text needs double quotes")
        found = f", found {preview(word[0])}{hint}"
        return _error(place, "unrecognized-token", "value", found, token=word[0])
    if character in "+-.0123456789":
        return _number_fault(place)
    return structure_fault(place, "value", after_comma=after_comma)


def string_fault(place: Place) -> JsonError:
    """Return the error for a string, or property name, that starts here and never ends."""
    start = _STRING_START.match(place.text, place.offset)
    stop = place.moved(start.end() if start else place.offset)
    if stop.character is None:
        return _end(stop, "string")
    if stop.character == "\\":
        return _escape_fault(stop)
    found = f", found the raw control character U+{ord(stop.character):04X}; write it as an escape"
    return _error(stop, "control-character", "string", found)


def _escape_fault(place: Place) -> JsonError:
    match = _ESCAPE.match(place.text, place.offset)
    escape = match[0] if match else "\\"
    if place.offset + len(escape) == len(place.text):
        return _end(place, "escape")
    # In an unfinished \u escape, the character that is not a hexadecimal digit is at fault.
    at = place.moved(place.offset + (len(escape) if escape.startswith("\\u") else 1))
    return _error(at, "bad-escape", "escape", f", found {at.found}", token=escape)


def _number_fault(place: Place) -> JsonError:
    run = _NUMERIC.match(place.text, place.offset)
    token = run[0] if run else place.text[place.offset]
    matches = ((pattern.match(token), context) for pattern, context in _NUMBER_FAULTS)
    step, context = next((match.end(1), context) for match, context in matches if match)
    at = place.moved(place.offset + step)
    lead = f"{preview(token)} is not a number: "
    return _error(at, "bad-number", context, f", found {at.found}", lead=lead, token=token)


def _end(place: Place, context: JsonContext) -> JsonError:
    end = place.moved(len(place.text))
    return _error(end, "end-of-input", context, ", but the text ends here")


def _error(
    place: Place,
    kind: JsonErrorKind,
    context: JsonContext,
    found: str,
    *,
    lead: str = "",
    token: str | None = None,
) -> JsonError:
    return JsonError(
        kind,
        f"{lead}expected {_EXPECTED[context]}{found}",
        place.text,
        place.offset,
        character=place.character,
        token=token,
        context=context,
    )

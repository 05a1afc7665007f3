"""How values, places and names are shown to a person: short, and safe to print."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal


def escape_pointer(token: str) -> str:
    """Return a property name as a JSON Pointer has it: `~` as `~0`, `/` as `~1` (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def make_pointer(path: Iterable[str | int]) -> str:
    """Return the JSON Pointer of a path of property names and array indexes."""
    return "".join(f"/{escape_pointer(str(step))}" for step in path)


def pointer_tokens(pointer: str) -> list[str]:
    """Return the property names and indexes, as text, that a JSON Pointer is made of.

    Raises:
        LookupError: The text is not a JSON Pointer: it is not empty and has no slash in front.
    """
    if pointer and not pointer.startswith("/"):
        raise LookupError(f"{pointer!r} is not a JSON Pointer: it should start with a slash")
    # The order matters: "~01" is the name "~1", not "/".
    return [each.replace("~1", "/").replace("~0", "~") for each in pointer.split("/")[1:]]


_LONGEST = 40
#: Characters of a text that is shown whole on a line.
LONGEST_TEXT = 160
_LARGEST_INTEGER = 10**_LONGEST


def preview(value: object) -> str:
    """Return a value as JSON would write it, cut to 40 characters; containers are named.

    Lone surrogates and control characters come out escaped.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return _text(value)
        case dict():
            return "an object" if value else "an empty object"
        case list() | tuple():
            return f"an array of {len(value)}" if value else "an empty array"
        case int() | float() | Decimal():
            return _number(value)
        case _:
            return f"a Python {type(value).__name__}"


def _text(value: str) -> str:
    beginning = value[:_LONGEST]
    shown = json.dumps(beginning, ensure_ascii=not beginning.isprintable())
    return shown if beginning == value else f'{shown[:-1]}…" ({len(value)} characters)'


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        # Python refuses to write an integer of more than 4300 digits; a Decimal has no such limit.
        value = Decimal(value)
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    return shown if len(shown) <= _LONGEST else f"{value:.6e}"


def nearest(name: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that a misspelt one was probably meant to be, or None."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    return next(iter(get_close_matches(str(name), list(known), 1, cutoff)), None)


def shortened(text: str) -> str:
    """Return a text without blanks around it; of a long one, its beginning and end."""
    text = text.strip()
    return text if len(text) <= LONGEST_TEXT else f"{text[:100]} ... {text[-40:]}"


def printable(text: str) -> str:
    """Return the text with every character escaped that is invisible or could move a cursor."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )

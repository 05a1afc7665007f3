"""What to do about a schema refusal, told from what was given instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from oscp_send.instants import has_no_offset

if TYPE_CHECKING:
    from schemas import Violation

__all__ = ["hint", "near"]


def hint(violation: Violation, parent: object) -> str:
    """Answers with the remedy for a violation, or with an empty text where none is known.

    Args:
        violation: What the schema refuses.
        parent: The value that holds it: for `required`, the object that lacks the property.
    """
    return _HINTS.get(violation.rule, _nothing)(violation, parent)


def near(name: str, names: Iterable[str]) -> str | None:
    """Answers with the one of `names` that was probably meant, or None.

    Case, underscores and hyphens do not count; then spelling is forgiven.
    """
    plain = {_plain(each): each for each in names}
    exact = plain.get(_plain(name))
    close = get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    return exact or (plain[close[0]] if close else None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _nothing(_violation: Violation, _parent: object) -> str:
    return ""


def _enumeration(violation: Violation, _parent: object) -> str:
    values = list(violation.expected) if isinstance(violation.expected, Iterable) else []
    meant = near(violation.got, values) if isinstance(violation.got, str) else None
    if meant is None:
        return ""
    if violation.pointer.endswith("/unit"):
        return f'units are upper case on the wire: "{meant}"'
    return f'write "{meant}"; these words are upper case on the wire'


def _type(violation: Violation, _parent: object) -> str:
    got, expected = violation.got, violation.expected
    if got is None:
        return "leave the property out, or give it a value: null is neither"
    if expected == "number" and isinstance(got, str):
        try:
            return f"a number stands without quotes: {json.dumps(float(got), allow_nan=False)}"
        except ValueError:
            return "a number stands without quotes"
    if expected == "string" and isinstance(got, int | float) and not isinstance(got, bool):
        if violation.pointer.endswith(("_time", "_at")):
            return 'a time is a text such as "2026-03-01T00:15:00Z", not seconds since 1970'
        return f'a text stands in quotes: "{got}"'
    return ""


def _required(violation: Violation, parent: object) -> str:
    wanted = str(violation.expected)
    given = [name for name in parent if name != wanted] if isinstance(parent, Mapping) else []
    meant = near(wanted, given)
    return f'"{meant}" is not read: write "{wanted}"' if meant else f'add "{wanted}"'


def _date_time(violation: Violation, _parent: object) -> str:
    text = str(violation.got)
    if has_no_offset(text):
        return "give the whole time and end it in Z, or in an offset such as +02:00"
    if re.search(r"[+-]\d{4}$", text):
        return f"the offset takes a colon: {text[:-2]}:{text[-2:]}"
    if re.match(r"\s*\d{4}-\d\d-\d\d \d", text):
        return "put a T between date and time"
    return 'write it as "2026-03-01T00:15:00Z"'


def _minimum(violation: Violation, _parent: object) -> str:
    if violation.pointer.endswith("/capacity"):
        return "the direction is told by type (CONSUMPTION, GENERATION), never by the sign"
    return ""


_HINTS: Mapping[str, Callable[[Violation, object], str]] = {
    "enum": _enumeration,
    "format": _date_time,
    "minItems": lambda _violation, _parent: "leave the property out, or give at least one",
    "minimum": _minimum,
    "required": _required,
    "type": _type,
    "uniqueItems": lambda _violation, _parent: "name each value once",
}

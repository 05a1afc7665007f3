"""Read the texts of a scenario file that mean more than text."""

import re
from datetime import datetime

from simulator.durations import parse_duration

__all__ = ["parse_duration", "parse_expression", "parse_instant"]

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII
)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 date-time, whose seconds may be left out.

    Raises:
        ValueError: It is none, or has no offset; the message says what to write.
    """
    found = _DATE_TIME.match(text)
    if found is None:
        message = f'"{text}" is no date-time: write it as 2026-03-01T00:00:00Z'
        raise ValueError(message)
    if found[1] is None:
        message = f'"{text}" has no offset: add Z for UTC, or one as +01:00'
        raise ValueError(message)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        message = f'"{text}" is no date-time: {error}'
        raise ValueError(message) from None


def parse_expression(text: str) -> str:
    """Return a Python regular expression as it is.

    Raises:
        ValueError: It is none; the message says where.
    """
    try:
        re.compile(text)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from None
    return text

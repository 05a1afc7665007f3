"""Read the texts of a scenario file that mean more than text."""

import re
from datetime import datetime, timedelta

__all__ = ["parse_duration", "parse_expression", "parse_instant"]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?:([0-9]+)D)?(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?\Z"
)
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII
)


def parse_duration(text: str) -> timedelta:
    """Read a duration as `15m`, `2s`, `500ms`, `1h30m`, or as in ISO 8601 from days down: `PT15M`.

    Raises:
        ValueError: It is none, or not above zero; the message says what to write.
    """
    if text.startswith("P"):
        found = _ISO.match(text)
        parts = list(zip(found.groups(), ("d", "h", "m", "s"), strict=True)) if found else []
    else:
        parts = [] if _SHORT.sub("", text) else _SHORT.findall(text)
    try:
        duration = timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts if n))
    except OverflowError:
        duration = timedelta()
    if not duration:
        message = f'"{text}" is no duration above zero: write it as 15m, 2s, 500ms, 1h30m or PT15M'
        raise ValueError(message)
    return duration


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

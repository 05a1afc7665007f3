"""Date-time texts as instants, for comparing what a message says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["has_no_offset", "read_instant"]


_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_NO_OFFSET = re.compile(r"\s*\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*", re.ASCII)


def read_instant(text: object) -> datetime | None:
    """Answers with the instant, in UTC, that an RFC 3339 text names, or None for anything else.

    Microseconds are kept and finer digits cut; a leap second counts as the second after it.
    """
    return _read(text) if isinstance(text, str) else None


@lru_cache(maxsize=8192)
def _read(text: str) -> datetime | None:
    """Reads a text once: each time of a forecast is looked at again and again on its way."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction, offset = match.groups()
    leap = second == "60"
    microseconds = f".{(fraction or '.')[1:7]:0<6}"
    plain = f"{day}T{minute}:{'59' if leap else second}{microseconds}{offset.upper()}"
    try:
        instant = datetime.fromisoformat(plain).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return _after(instant) if leap else instant


def has_no_offset(text: object) -> bool:
    """Tells whether a text is a date, with or without a time, that lacks its offset from UTC."""
    return isinstance(text, str) and _NO_OFFSET.fullmatch(text) is not None


def _after(instant: datetime) -> datetime | None:
    try:
        return datetime.fromtimestamp(instant.timestamp() // 1 + 1, UTC)
    except (ValueError, OverflowError):
        return None

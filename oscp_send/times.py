"""Instants: every way in which the sender reads and writes them.

An instant is an aware `datetime` in UTC. SolarNetwork's own readers of dates, with the texts by
which they refuse, are in `oscp_send.solarnetwork.dates`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_NO_OFFSET: Final = re.compile(r"\s*\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*", re.ASCII)
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z", re.ASCII)
_MILLISECOND: Final = 1000
#: Of longer texts of times, which may have a million digits, no more than one is remembered.
LONGEST_USUAL: Final = 40


def utc_now() -> datetime:
    """Return the present instant by the system's clock."""
    return datetime.now(UTC)


def utc_text(moment: datetime, timespec: str = "auto") -> str:
    """Return an aware datetime as ISO 8601 text in UTC: `2026-03-01T00:15:00Z`.

    Raises:
        OverflowError: In UTC it is before the year 1 or after 9999.
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def write_instant(moment: datetime) -> str:
    """Return an instant with none or exactly three fraction digits, as SolarNetwork reads it."""
    return utc_text(moment, "milliseconds" if moment.microsecond else "seconds")


def cut_to_milliseconds(moment: datetime) -> datetime:
    """Return the same instant as a plain datetime in UTC, without what is finer than milliseconds.

    Raises:
        OverflowError: In UTC it is before the year 1 or after 9999.
    """
    utc = moment.astimezone(UTC)
    cut = utc.microsecond - utc.microsecond % _MILLISECOND
    # A plain datetime, whatever subclass came in.
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, cut, tzinfo=UTC)


@lru_cache(maxsize=8192)  # each time of a forecast is looked at several times on its way
def read_instant(text: str) -> datetime | None:
    """Return the instant, in UTC, that an RFC 3339 text names, or None for any other text.

    Microseconds are kept and finer digits cut; a leap second counts as the second after it.
    """
    if len(text) > LONGEST_USUAL:
        read_instant.cache_clear()
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction, offset = match.groups()
    leap = second == "60"
    microseconds = f".{(fraction or '.')[1:7]:0<6}"
    plain = f"{day}T{minute}:{'59' if leap else second}{microseconds}{offset.upper()}"
    try:
        instant = datetime.fromisoformat(plain).astimezone(UTC)
        return datetime.fromtimestamp(instant.timestamp() // 1 + 1, UTC) if leap else instant
    except (ValueError, OverflowError):
        return None


def has_no_offset(text: object) -> bool:
    """Return whether a text is a date, with or without a time, that lacks its offset from UTC."""
    return isinstance(text, str) and _NO_OFFSET.fullmatch(text) is not None


def read_timestamp(text: str) -> datetime:
    """Return the instant of a timestamp in SolarUser's replies: `2026-01-02 03:04:05.123456Z`.

    There are 0 to 6 fraction digits (solaruser.md §1.6).

    Raises:
        ValueError: The text is not such a timestamp.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a timestamp such as 2026-01-02 03:04:05.123456Z")
    day, time, fraction = match.groups()
    return datetime.fromisoformat(f"{day}T{time}.{fraction or '0':0<6}Z")

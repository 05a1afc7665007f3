"""How a date-time is read: by RFC 3339, or as SolarNetwork's schema validator reads it.

This is our own, because no package reads exactly as the one or the other: jsonschema-rs takes some
signs for digits, rfc3339-validator a trailing newline, and plain jsonschema any text at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Fidelity = Literal["documented", "observed"]

# What nearly every message holds, and both readings take: for speed alone.
_PLAIN = re.compile(
    r"[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|(?!-00:00)[+-](?:0[0-9]|1[0-7]):[0-5][0-9])"
)

_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_ZONE = r"(?:[Zz]|(?P<offset>[+-][0-9]{2}:[0-9]{2}))"
_RFC_3339 = re.compile(rf"{_DATE}[Tt]{_TIME}(?:\.[0-9]+)?{_ZONE}")
_ITU = re.compile(rf"{_DATE}[Tt ]{_TIME}(?:\.[0-9]{{1,9}})?{_ZONE}")

_LAST_HOUR = 23
_LAST_MINUTE = 59
_LEAP_SECOND = 60
_DAY = 24 * 60
_LARGEST_ITU_OFFSET = 18 * 60

# The days that ended, in UTC, with a 61st second (IERS Bulletin C).
_LEAP_DAYS = frozenset(
    {
        *("1972-06-30", "1972-12-31", "1973-12-31", "1974-12-31", "1975-12-31", "1976-12-31"),
        *("1977-12-31", "1978-12-31", "1979-12-31", "1981-06-30", "1982-06-30", "1983-06-30"),
        *("1985-06-30", "1987-12-31", "1989-12-31", "1990-12-31", "1992-06-30", "1993-06-30"),
        *("1994-06-30", "1995-12-31", "1997-06-30", "1998-12-31", "2005-12-31", "2008-12-31"),
        *("2012-06-30", "2015-06-30", "2016-12-31"),
    }
)
_LEAP_YEARS = range(1972, 2018)  # with an offset, 2016's may be written as a time in 2017


@lru_cache(maxsize=8192)  # a message is judged several times on its way
def rfc3339_reads(text: str) -> bool:
    """Return whether a text is a date-time of RFC 3339.

    `t` and `z`, any number of fraction digits, `-00:00`, year 0000, and second 60 in the last
    minute of any day in UTC are valid: which days will have one is not known beforehand.
    """
    if _PLAIN.fullmatch(text):
        return True
    match = _RFC_3339.fullmatch(text)
    if match is None or not _is_in_range(match):
        return False
    return int(match["second"]) < _LEAP_SECOND or _utc_minute(match) % _DAY == _DAY - 1


@lru_cache(maxsize=8192)
def itu_reads(text: str) -> bool:
    """Return whether SolarNetwork's schema validator takes a text as date-time.

    It takes more than RFC 3339 in some places and less in others (as observed in SolarNetwork,
    oscp20.md §9.1: networknt 3.0.0 with ITU 1.14.0). That a leap second is looked up
    by its moment in UTC, whatever the offset, is inferred.
    """
    if _PLAIN.fullmatch(text):
        return True
    match = _ITU.match(text)  # what follows the offset is never looked at
    if match is None or not _is_in_range(match):
        return False
    if match["offset"] == "-00:00" or abs(_offset(match)) > _LARGEST_ITU_OFFSET:
        return False
    return int(match["second"]) < _LEAP_SECOND or _is_known_leap_minute(match)


READERS: Mapping[Fidelity, Callable[[str], bool]] = MappingProxyType(
    {"documented": rfc3339_reads, "observed": itu_reads}
)


def _is_in_range(match: re.Match[str]) -> bool:
    zone = match["offset"] or "+00:00"
    return (
        _day(match) is not None
        and max(int(match["hour"]), int(zone[1:3])) <= _LAST_HOUR
        and max(int(match["minute"]), int(zone[4:])) <= _LAST_MINUTE
        and int(match["second"]) <= _LEAP_SECOND
    )


def _day(match: re.Match[str]) -> date | None:
    try:
        # Python has no year 0; it is a leap year, as 400 is.
        return date(int(match["year"]) or 400, int(match["month"]), int(match["day"]))
    except ValueError:
        return None


def _offset(match: re.Match[str]) -> int:
    """Return the minutes by which the local time is ahead of UTC."""
    zone = match["offset"] or "+00:00"
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return -minutes if zone.startswith("-") else minutes


def _utc_minute(match: re.Match[str]) -> int:
    """Return the minute in UTC, counted from the local day's midnight, so -1 is earlier."""
    return int(match["hour"]) * 60 + int(match["minute"]) - _offset(match)


def _is_known_leap_minute(match: re.Match[str]) -> bool:
    days, minute = divmod(_utc_minute(match), _DAY)
    day = _day(match)
    if minute < _DAY - 1 or day is None or day.year not in _LEAP_YEARS:
        return False
    return (day + timedelta(days=days)).isoformat() in _LEAP_DAYS

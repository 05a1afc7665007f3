"""Read the times of a message as the service's classes do, with their texts.

As measured at SolarNetwork (oscp20.md §3.3 and §9.1): what has another form is told with the place
where the reading stops, what is out of range with the field.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from oscp_sim.flexibility_provider.call import ServiceRefused

# What Java's String.trim takes off: the space and every control character below it.
TRIMMED: Final = "".join(map(chr, range(0x21)))

_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# One after the other, each as long as it fits; the fraction may be left out.
_YEAR: Final = r"(?:\+\d{5,19}|-\d{4,19}|\d{4}(?!\d))"
_PARTS: Final = tuple(
    re.compile(part, re.ASCII)
    for part in (
        *(_YEAR, "-", r"\d\d", "-", r"\d\d", "T", r"\d\d", ":", r"\d\d", ":", r"\d\d"),
        *(r"(?:\.\d{3})?", r"(?:Z|[+-][0-5]\d:[0-5]\d)"),
    )
)
_RANGES: Final = (
    ("YearOfEra", 1, 999_999_999, "1 - 999999999/1000000000"),
    ("MonthOfYear", 1, 12, "1 - 12"),
    ("DayOfMonth", 1, 31, "1 - 28/31"),
    ("HourOfDay", 0, 23, "0 - 23"),
    ("MinuteOfHour", 0, 59, "0 - 59"),
    ("SecondOfMinute", 0, 59, "0 - 59"),
)
_FURTHEST_OFFSET: Final = 18 * 60
_FORMAT: Final = (
    "'Value(YearOfEra,4,19,EXCEEDS_PAD)'-'Value(MonthOfYear,2)'-'Value(DayOfMonth,2)'T'"
    "Value(HourOfDay,2)':'Value(MinuteOfHour,2)':'Value(SecondOfMinute,2)"
    "['.'Fraction(NanoOfSecond,3,3)]Offset(+HH:MM,'Z')'"
)


def instant_of_number(milliseconds: float) -> datetime:
    """Return the instant so many milliseconds from 1970; a fraction is cut (inferred)."""
    return _bounded(int(milliseconds) * 1000)


def instant_of_text(text: str) -> datetime | None:
    """Return the instant that a text names, in UTC, or None for a blank one.

    An upper-case T, no or exactly three fraction digits, Z or an offset with a colon; blanks around
    it are trimmed. A day that its month does not have is the month's last, and 24:00:00 is the
    beginning of the next day. Beyond Python's years it is the first or last instant of those.

    Raises:
        ServiceRefused: It has another form, or a field is out of its range.
    """
    trimmed = text.strip(TRIMMED)
    if not trimmed:
        return None
    year, month, day, hour, minute, second, fraction, offset = _fields(trimmed)
    values = [int(each) for each in (year, month, day, hour, minute, second)]
    milliseconds, away = int(fraction[1:] or 0), _minutes(offset)
    if (why := _out_of_range(values, milliseconds, away)) is not None:
        raise _refused(trimmed, why)
    since = _midnight(*values[:3]) + timedelta(
        hours=values[3], minutes=values[4] - away, seconds=values[5], milliseconds=milliseconds
    )
    return _bounded(since // timedelta(microseconds=1))


def _fields(text: str) -> list[str]:
    """Return the eight fields of a text, without what stands between them."""
    found, end = [], 0
    for part in _PARTS:
        match = part.match(text, end)
        if match is None:
            raise _unparsable(text, f" at index {end}")
        found.append(match[0])
        end = match.end()
    if end < len(text):
        raise _unparsable(text, f", unparsed text found at index {end}")
    return [*found[0:11:2], *found[11:]]


def _out_of_range(values: list[int], milliseconds: int, away: int) -> str | None:
    is_midnight = values[3] == 24 and not (values[4] or values[5] or milliseconds)  # noqa: PLR2004 - hours
    for value, (name, least, most, valid) in zip(values, _RANGES, strict=True):
        if not least <= value <= most and not (is_midnight and name == "HourOfDay"):
            return f"Invalid value for {name} (valid values {valid}): {value}"
    if abs(away) > _FURTHEST_OFFSET:
        return "Zone offset not in valid range: -18:00 to +18:00"
    return None


def _minutes(offset: str) -> int:
    """Return how far an offset is from UTC."""
    if offset == "Z":
        return 0
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    return -minutes if offset.startswith("-") else minutes


def _midnight(year: int, month: int, day: int) -> timedelta:
    """Return how long after 1970 a day begins; one in a far year counts as very late."""
    if year > _LATEST.year:
        return timedelta(days=4_000_000)
    last = calendar.monthrange(year, month)[1]
    return datetime(year, month, min(day, last), tzinfo=UTC) - _EPOCH


def _bounded(microseconds: int) -> datetime:
    try:
        instant = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _LATEST if microseconds > 0 else _EARLIEST
    return min(instant, _LATEST)


def _unparsable(text: str, where: str) -> ServiceRefused:
    why = f"Malformed date string: Text '{text}' could not be parsed{where}"
    return ServiceRefused(422, why, code="VAL.00006")


def _refused(text: str, why: str) -> ServiceRefused:
    return ServiceRefused(
        422,
        "Malformed request: JSON parse error: Cannot deserialize value of type "
        f'`java.time.Instant` from String "{text}": Failed to deserialize `java.time.Instant` '
        f"(with format {_FORMAT}): (java.time.format.DateTimeParseException) "
        f"Text '{text}' could not be parsed: {why}",
        code="VAL.00007",
    )

"""How SolarNetwork's own API reads and writes dates, which are not those of OSCP messages.

As observed in SolarNetwork (solaruser.md §1.2, §1.5 and §1.6).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple

from oscp_send.times import LONGEST_USUAL

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What Java's String.trim takes off: the space and every control character below it.
TRIMMED: Final = "".join(map(chr, range(0x21)))
# What the database holds is fewer than 10^16 milliseconds from 1970.
_MOST_DIGITS: Final = 16


class DateRefused(ValueError):
    """Raised for a text that a form of SolarNetwork's dates does not read; `str` is Java's text.

    Attributes:
        deserializing: The parser's text about it, which holds Java's.
        is_out_of_range: Whether it has the form, and a field is out of its range.
    """

    def __init__(self, text: str, form: str, why: str, *, is_out_of_range: bool = False) -> None:
        said = f"Text '{text}' could not be parsed{why}"
        super().__init__(said)
        self.deserializing = (
            f'Cannot deserialize value of type `java.time.Instant` from String "{text}": Failed to '
            f"deserialize `java.time.Instant` (with format {form}): "
            f"(java.time.format.DateTimeParseException) {said}"
        )
        self.is_out_of_range = is_out_of_range


class BeyondDatabase(ValueError):
    """Raised for an instant that SolarNetwork reads, and its database cannot hold."""


class _Range(NamedTuple):
    """A field, and which values it may have."""

    name: str
    least: int
    most: int
    shown: str


class _Form(NamedTuple):
    """How a date is written: parts one after the other, each as long as it fits.

    In `parts`, each group is a field; the last two are the fraction of a second and the offset.
    """

    parts: tuple[re.Pattern[str], ...]
    year: _Range
    shown: str


def _form(parts: Iterable[str], year: _Range, shown: str, flags: re.RegexFlag) -> _Form:
    return _Form(tuple(re.compile(part, re.ASCII | flags) for part in parts), year, shown)


_DAY: Final = ("-", r"(\d\d)", "-", r"(\d\d)")
_MOST_YEARS: Final = 999_999_999
# Of a message.
_OF_MESSAGE: Final = _form(
    (
        r"(\+\d{5,19}|-\d{4,19}|\d{4}(?!\d))",
        *(*_DAY, "T", r"(\d\d)", ":", r"(\d\d)", ":", r"(\d\d)"),
        *(r"(\.\d{3})?", r"(Z|[+-][0-5]\d:[0-5]\d)"),
    ),
    _Range("YearOfEra", 1, _MOST_YEARS, "1 - 999999999/1000000000"),
    "'Value(YearOfEra,4,19,EXCEEDS_PAD)'-'Value(MonthOfYear,2)'-'Value(DayOfMonth,2)'T'"
    "Value(HourOfDay,2)':'Value(MinuteOfHour,2)':'Value(SecondOfMinute,2)"
    "['.'Fraction(NanoOfSecond,3,3)]Offset(+HH:MM,'Z')'",
    re.NOFLAG,
)
# Of SolarNetwork's own API.
_OF_JSON: Final = _form(
    (
        r"(\+\d{5,10}|-\d{4,10}|\d{4}(?!\d))",
        *(*_DAY, " ", r"(\d\d)", ":", r"(\d\d)"),
        *(r"(?::(\d\d)(\.\d{0,9})?)?", r"(Z|[+-][0-5]\d:[0-5]\d(?::[0-5]\d)?)?"),
    ),
    _Range("Year", -_MOST_YEARS, _MOST_YEARS, "-999999999 - 999999999"),
    "'ParseCaseSensitive(false)(Value(Year,4,10,EXCEEDS_PAD)'-'Value(MonthOfYear,2)'-'"
    "Value(DayOfMonth,2))java.time.format.DateTimeFormatterBuilder$DefaultValueParser@671ca08d' '"
    "(ParseCaseSensitive(false)(Value(HourOfDay,2)':'Value(MinuteOfHour,2)[':'"
    "Value(SecondOfMinute,2)[Fraction(NanoOfSecond,0,9,DecimalPoint)]])[Offset(+HH:MM:ss,'Z')])'",
    re.IGNORECASE,
)
_RANGES: Final = (
    _Range("MonthOfYear", 1, 12, "1 - 12"),
    _Range("DayOfMonth", 1, 31, "1 - 28/31"),
    _Range("HourOfDay", 0, 23, "0 - 23"),
    _Range("MinuteOfHour", 0, 59, "0 - 59"),
    _Range("SecondOfMinute", 0, 59, "0 - 59"),
)
_FURTHEST_OFFSET: Final = 18 * 3600
_OF_JSON_WITH_T: Final = _OF_JSON._replace(
    parts=tuple(
        re.compile(part, re.ASCII | re.IGNORECASE)
        for part in (
            *(r"(\d{4})", *_DAY, "T", r"(\d\d)", ":", r"(\d\d)(?::(\d\d))?"),
            *(r"(\.\d{1,9})?", r"(Z|[+-]\d\d(?::?\d\d)?)"),
        )
    )
)
# Of a query or a form.
_OF_FORM: Final = _OF_JSON._replace(
    parts=(
        re.compile(
            r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(\.\d{0,9})?)?"
            r"(?:(Z|[+-]\d\d:\d\d)(?:\[[A-Za-z][\w/+-]*\])?)?)?",
            re.ASCII | re.IGNORECASE,
        ),
    )
)


def timestamp(instant: datetime) -> str:
    """Return an instant as the API writes it: `2026-01-02 03:04:05.1Z`.

    Always UTC; up to six fraction digits, without trailing zeros.
    """
    instant = instant.astimezone(UTC)
    fraction = f".{instant.microsecond:06}".rstrip("0").rstrip(".")
    whole = instant.replace(microsecond=0, tzinfo=None).isoformat(sep=" ")
    return f"{whole}{fraction}Z"


@lru_cache(maxsize=8192)  # each time of a forecast is read several times on its way
def read_message_time(text: str) -> datetime | None:
    """Return the instant that a text of a message names, in UTC, or None for a blank one.

    An upper-case T, no or exactly three fraction digits, Z or an offset with a colon; blanks around
    it are trimmed. Beyond Python's years it is the first or last instant of those.

    Raises:
        DateRefused: It has another form, or a field is out of its range (as measured, oscp20.md
            §3.3 and §9.1).
    """
    if len(text) > LONGEST_USUAL:
        read_message_time.cache_clear()
    trimmed = text.strip(TRIMMED)
    return bounded(_since_epoch(trimmed, _OF_MESSAGE)) if trimmed else None


def bounded(since: timedelta) -> datetime:
    """Return the instant so long after 1970, or the first or last that Python knows."""
    try:
        instant = _EPOCH + since
    except OverflowError:
        return _LATEST if since > timedelta() else _EARLIEST
    return min(instant, _LATEST)


_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)


def read_json_date(text: str) -> datetime:
    """Return the instant that a date text of a JSON body names, in UTC; blanks around do not count.

    Raises:
        DateRefused: The text has none of the accepted forms.
    """
    trimmed = text.strip(TRIMMED)
    try:
        return _instant(trimmed, _OF_JSON)
    except DateRefused as refused:
        try:
            return _instant(trimmed, _OF_JSON_WITH_T)
        except DateRefused:
            raise refused from None


def read_form_date(text: str) -> datetime:
    """Return the instant that a date text of a query or a form names, in UTC.

    `2026-01-02`, `2026-01-02 03:04`, with seconds, with a fraction, with a `T` instead of the
    blank; a time may have an offset, with a zone's name behind it, and is UTC without one.

    Raises:
        DateRefused: The text has none of the accepted forms.
    """
    return _instant(text, _OF_FORM)


def read_epoch(text: str) -> datetime:
    """Return the instant that a number names: whole milliseconds, or seconds with a fraction.

    As measured (solaruser.md §1.2).

    Raises:
        ValueError: It is too far from 1970.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits and more
        raise BeyondDatabase(text) from None
    is_whole = re.fullmatch(r"-?\d+", text) is not None
    milliseconds = number if is_whole else number.scaleb(3)
    if milliseconds and milliseconds.adjusted() >= _MOST_DIGITS:
        raise BeyondDatabase(text)
    return _stored(timedelta(microseconds=_rounded(int(milliseconds * 10**6))), text, _OF_JSON)


def _rounded(nanoseconds: int) -> int:
    """Return nanoseconds as the microseconds that the database keeps (measured)."""
    return (nanoseconds + 500) // 1000


def _instant(text: str, form: _Form) -> datetime:
    return _stored(_since_epoch(text, form), text, form)


def _stored(since: timedelta, text: str, form: _Form) -> datetime:
    try:
        return _EPOCH + since
    except OverflowError:  # beyond Python's years
        if not _FIRST_STORED <= since <= _LAST_STORED:
            raise BeyondDatabase(text) from None
        raise DateRefused(text, form.shown, " at index 0") from None


_FIRST_STORED: Final = timedelta(days=-2_440_588)
_LAST_STORED: Final = timedelta(days=106_762_948)


def _since_epoch(text: str, form: _Form) -> timedelta:
    """Return how long after 1970 a text's instant is.

    A day that its month does not have is the month's last, and 24:00:00 begins the next day.
    """
    *written, fraction, offset = _fields(text, form)
    year, month, day, hour, minute, second = (int(each or 0) for each in written)
    nanoseconds = int(f"{(fraction or '.')[1:]:0<9}")
    away = _away(offset or "Z")
    is_midnight = (hour, minute, second, nanoseconds) == (24, 0, 0, 0)
    values = (year, month, day, 0 if is_midnight else hour, minute, second)
    for value, field in zip(values, (form.year, *_RANGES), strict=True):
        if not field.least <= value <= field.most:
            why = f": Invalid value for {field.name} (valid values {field.shown}): {value}"
            raise DateRefused(text, form.shown, why, is_out_of_range=True)
    if abs(away) > _FURTHEST_OFFSET:
        why = ": Zone offset not in valid range: -18:00 to +18:00"
        raise DateRefused(text, form.shown, why, is_out_of_range=True)
    return _midnight(year, month, day) + timedelta(
        hours=hour, minutes=minute, seconds=second - away, microseconds=_rounded(nanoseconds)
    )


def _fields(text: str, form: _Form) -> list[str | None]:
    """Return the eight fields of a text."""
    found: list[str | None] = []
    end = 0
    for part in form.parts:
        match = part.match(text, end)
        if match is None:
            raise DateRefused(text, form.shown, f" at index {end}")
        found += match.groups()
        end = match.end()
    if end < len(text):
        raise DateRefused(text, form.shown, f", unparsed text found at index {end}")
    return found


def _away(offset: str) -> int:
    """Return how many seconds an offset is from UTC."""
    if offset in "Zz":
        return 0
    digits = f"{offset[1:].replace(':', ''):0<6}"
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return -seconds if offset.startswith("-") else seconds


_MOST_DAYS: Final = 200_000_000.0


def _midnight(year: int, month: int, day: int) -> timedelta:
    """Return how long after 1970 a day begins, about so where its year is a far one."""
    if not 1 <= year <= _LATEST.year:
        days = (year - _EPOCH.year) * 365.2425
        return timedelta(days=max(-_MOST_DAYS, min(days, _MOST_DAYS)))
    last = monthrange(year, month)[1]
    return datetime(year, month, min(day, last), tzinfo=UTC) - _EPOCH

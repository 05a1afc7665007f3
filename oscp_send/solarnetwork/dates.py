"""How SolarNetwork's own API reads and writes dates, which are not those of OSCP messages.

As observed in SolarNetwork (solaruser.md §1.2, §1.5 and §1.6).
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

_MONTHS, _LONGEST_MONTH = 12, 31
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Every instant that can be written is fewer than 10^18 milliseconds from 1970.
_MOST_DIGITS: Final = 18
_WITH_BLANK: Final = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_WITH_T: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d(?::?\d\d)?)",
    re.ASCII | re.IGNORECASE,
)
_OF_FORM: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?:(:\d\d)(\.\d{0,9})?)?"
    r"(?:(Z|[+-]\d\d:\d\d)(?:\[[A-Za-z][\w/+-]*\])?)?)?",
    re.ASCII | re.IGNORECASE,
)


def timestamp(instant: datetime) -> str:
    """Return an instant as the API writes it: `2026-01-02 03:04:05.1Z`.

    Always UTC; up to six fraction digits, without trailing zeros.
    """
    instant = instant.astimezone(UTC)
    fraction = f".{instant.microsecond:06}".rstrip("0").rstrip(".")
    whole = instant.replace(microsecond=0, tzinfo=None).isoformat(sep=" ")
    return f"{whole}{fraction}Z"


def read_json_date(text: str) -> datetime:
    """Return the instant that a date text of a JSON body names, in UTC; blanks around do not count.

    Raises:
        ValueError: The text has none of the accepted forms; the message is the service's.
    """
    bare = text.strip()
    return _instant(text, _WITH_BLANK.fullmatch(bare) or _WITH_T.fullmatch(bare))


def read_form_date(text: str) -> datetime:
    """Return the instant that a date text of a query or a form names, in UTC.

    `2026-01-02`, `2026-01-02 03:04`, with seconds, with a fraction, with a `T` instead of the
    blank; a time may have an offset, with a zone's name behind it, and is UTC without one.

    Raises:
        ValueError: The text has none of the accepted forms; the message is the service's.
    """
    return _instant(text, _OF_FORM.fullmatch(text))


def read_epoch(text: str) -> datetime:
    """Return the instant that a number names: whole milliseconds, or seconds with a fraction.

    Inferred (solaruser.md §1.2).

    Raises:
        ValueError: It is too far from 1970.
    """
    try:
        number = Decimal(text)
        whole = re.fullmatch(r"-?\d+", text) is not None
        if not number or number.adjusted() <= _MOST_DIGITS:
            milliseconds = number if whole else number * 1000
            return _EPOCH + timedelta(microseconds=int(milliseconds * 1000))
    except (InvalidOperation, OverflowError):
        pass
    raise ValueError(_unparsable(text))


def _instant(text: str, match: re.Match[str] | None) -> datetime:
    if match is None:
        raise ValueError(_unparsable(text))
    day, minute, second, fraction, offset = match.groups()
    clock = f"{minute or '00:00'}{second or ':00'}"
    digits = f"{(fraction or '.')[1:]:0<9}"
    try:
        midnight = datetime.fromisoformat(f"{_existing(day)}T00:00:00{(offset or 'Z').upper()}")
        return (midnight + _since_midnight(clock, int(digits))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_unparsable(text)) from None


def _existing(day: str) -> str:
    """Return a day, or the last one of its month for 29 to 31 where there is none (measured)."""
    year, month, number = map(int, day.split("-"))
    if 1 <= month <= _MONTHS and number <= _LONGEST_MONTH:
        number = min(number, monthrange(year, month)[1])
    return f"{day[:8]}{number:02}"


def _since_midnight(clock: str, nanoseconds: int) -> timedelta:
    """Return how far a time of day is from midnight; 24:00 ends the day (measured)."""
    if (clock, nanoseconds) == ("24:00:00", 0):
        return timedelta(days=1)
    moment = time.fromisoformat(clock)
    # The database rounds to microseconds (measured).
    return timedelta(
        hours=moment.hour,
        minutes=moment.minute,
        seconds=moment.second,
        microseconds=(nanoseconds + 500) // 1000,
    )


def _unparsable(text: str) -> str:
    # The index is where Java's parser stops; only whether that is at 0 is known here.
    index = 0 if re.match(r"\d{4}-\d\d-\d\d", text) is None else 10
    return f"Text '{text}' could not be parsed at index {index}"

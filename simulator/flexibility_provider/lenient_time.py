"""How the Flexibility Provider's endpoints read a time (OSCP dossier §3.2 and §5.1).

The same reader that SolarUser's messages go through, but no schema has been there before it: so a
number is taken, a day too many, and an hour 24.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["instant_of_milliseconds", "instant_of_text", "trimmed"]

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{3})?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
# What Java's String.trim takes off: the space and every control character below it.
_TRIMMED: Final = "".join(map(chr, range(0x21)))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MONTH: Final = 31
_MIDNIGHT: Final = 24
_FURTHEST_OFFSET: Final = timedelta(hours=18)


def trimmed(text: str) -> str:
    """Answers with a text without what Java takes off at its ends."""
    return text.strip(_TRIMMED)


def instant_of_milliseconds(number: float | Decimal) -> datetime:
    """Answers with the instant that a number names: milliseconds since 1970.

    Args:
        number: A fraction of a millisecond is cut (inferred).

    Raises:
        ValueError: No calendar goes as far.
    """
    try:
        return _EPOCH + timedelta(milliseconds=int(number))
    except OverflowError:
        raise ValueError(str(number)) from None


def instant_of_text(text: str) -> datetime | None:
    """Answers with the instant that a text names; None for one that is blank.

    An upper-case T, no or exactly three fraction digits, Z or an offset with a colon; blanks around
    it are trimmed. A day that its month does not have is the month's last, and 24:00:00 the next
    day's beginning.

    Raises:
        ValueError: It names none.
    """
    shown = trimmed(text)
    if not shown:
        return None
    match = _TIME.fullmatch(shown)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    milliseconds = int((match[7] or ".0")[1:])
    try:
        return (
            datetime.combine(_day(year, month, day), time(), _zone(match))
            + _since_midnight(hour, minute, second, milliseconds)
        ).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None


def _day(year: int, month: int, day: int) -> date:
    first = date(year, month, 1)
    if not 1 <= day <= _LONGEST_MONTH:
        raise ValueError(day)
    return first.replace(day=min(day, calendar.monthrange(year, month)[1]))


def _since_midnight(hour: int, minute: int, second: int, milliseconds: int) -> timedelta:
    if hour == _MIDNIGHT and not (minute or second or milliseconds):
        return timedelta(days=1)
    # Checks what each of them may be.
    at = time(hour, minute, second, milliseconds * 1000)
    return timedelta(
        hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
    )


def _zone(match: re.Match[str]) -> timezone:
    if match[8] is None:
        return UTC
    offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
    if offset > _FURTHEST_OFFSET or int(match[10]) > time.max.minute:
        raise ValueError(match[0])
    return timezone(-offset if match[8] == "-" else offset)

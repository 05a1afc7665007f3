"""The dates of SolarNetwork's own API: how it reads and writes them (not those of OSCP messages).

As observed in SolarNetwork (SolarUser dossier §1.2, §1.5 and §1.6).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

__all__ = ["read_epoch", "read_form_date", "read_timestamp", "timestamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# No instant that can be written is further from 1970 than so many digits of milliseconds.
_MOST_DIGITS = 18
_BLANK = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_T = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
# A fraction has exactly the three digits of the pattern there (inferred).
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?:(:\d\d)(\.\d{3})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


def timestamp(instant: datetime) -> str:
    """Answers with an instant as the API writes it: `2026-01-02 03:04:05.1Z`.

    Always UTC; no to six fraction digits, without trailing zeros.
    """
    instant = instant.astimezone(UTC)
    fraction = f".{instant.microsecond:06}".rstrip("0").rstrip(".")
    whole = instant.replace(microsecond=0, tzinfo=None).isoformat(sep=" ")
    return f"{whole}{fraction}Z"


def read_timestamp(text: str) -> datetime:
    """Answers with the instant that a date text of a JSON body names, in UTC.

    Raises:
        ValueError: The text is none of the accepted forms; the message is the service's.
    """
    return _instant(text, _BLANK.fullmatch(text) or _T.fullmatch(text))


def read_form_date(text: str) -> datetime:
    """Answers with the instant that a date text of a query or a form names, in UTC.

    `2026-01-02`, `2026-01-02 03:04`, with seconds, with three fraction digits, with a `T` for the
    blank; a time may have an offset, and is UTC without one.

    Raises:
        ValueError: The text is none of the accepted forms; the message is the service's.
    """
    return _instant(text, _FORM.fullmatch(text))


def read_epoch(text: str) -> datetime:
    """Answers with the instant that a number names: whole milliseconds, or seconds with a fraction.

    Inferred (SolarUser dossier §1.2).

    Raises:
        ValueError: No instant is as far away.
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
    whole = f"{day}T{minute or '00:00'}{second or ':00'}.{(fraction or '.')[1:7]:0<6}"
    try:
        return datetime.fromisoformat(f"{whole}{offset or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_unparsable(text)) from None


def _unparsable(text: str) -> str:
    # The index is where Java's parser gives up; only whether it is 0 can be told from here.
    index = 0 if re.match(r"\d{4}-\d\d-\d\d", text) is None else 10
    return f"Text '{text}' could not be parsed at index {index}"

"""The dates of SolarNetwork's own API: how it reads and writes them (not those of OSCP messages).

As observed in SolarNetwork (SolarUser dossier §1.2 and §1.6).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

__all__ = ["read_epoch", "read_timestamp", "timestamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_T = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def timestamp(instant: datetime) -> str:
    """Answers with an instant as the API writes it: `2026-01-02 03:04:05.1Z`.

    Always UTC; no to six fraction digits, without trailing zeros.
    """
    instant = instant.astimezone(UTC)
    fraction = f".{instant.microsecond:06}".rstrip("0").rstrip(".")
    return f"{instant:%Y-%m-%d %H:%M:%S}{fraction}Z"


def read_timestamp(text: str) -> datetime:
    """Answers with the instant that a date text of a request names, in UTC.

    Raises:
        ValueError: The text is none of the accepted forms; the message is the service's.
    """
    match = _BLANK.fullmatch(text) or _T.fullmatch(text)
    if match is None:
        raise ValueError(_unparsable(text))
    day, minute, second, fraction, offset = match.groups()
    whole = f"{day}T{minute}{second or ':00'}.{(fraction or '.')[1:7]:0<6}{offset or 'Z'}"
    try:
        return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_unparsable(text)) from None


def read_epoch(text: str) -> datetime:
    """Answers with the instant that a number names: whole milliseconds, or seconds with a fraction.

    Inferred (SolarUser dossier §1.2).

    Raises:
        ValueError: No instant is as far away.
    """
    try:
        number = Decimal(text)
        whole = re.fullmatch(r"-?\d+", text) is not None
        milliseconds = number if whole else number * 1000
        return _EPOCH + timedelta(microseconds=int(milliseconds * 1000))
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(_unparsable(text)) from None


def _unparsable(text: str) -> str:
    # The index is where Java's parser gives up; only whether it is 0 can be told from here.
    index = 0 if re.match(r"\d{4}-\d\d-\d\d", text) is None else 10
    return f"Text '{text}' could not be parsed at index {index}"

"""The date of a request, which its signature covers (SolarUser dossier §5.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulator.solaruser.refusal import AuthenticationRefused

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["request_date"]

# In English whatever the locale, which is why nothing of the standard library reads them here.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        # RFC 1123, RFC 850 and asctime; the last two as the container reads them (inferred).
        rf"[a-z]{{3}}, (?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[a-z]{{6,9}}, (?P<day>\d\d?)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} GMT",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]?\d) {_TIME} (?P<year>\d{{4}})",
    )
)
# Two digits of a year are of this century from here down (as in POSIX).
_LAST_OF_THIS_CENTURY = 68


def request_date(request: WireRequest) -> datetime:
    """Answers with the date that a request was signed at: `X-SN-Date`, or else `Date`.

    Raises:
        AuthenticationRefused: There is none, or it cannot be read.
    """
    name = "X-SN-Date" if request.header("x-sn-date") is not None else "Date"
    text = request.header(name.lower())
    if text is None:
        raise AuthenticationRefused(403, "Missing or invalid HTTP Date header value")
    date = _read(text.strip())
    if date is None:
        raise AuthenticationRefused(403, f"Invalid HTTP {name} header value")
    return date


def _read(text: str) -> datetime | None:
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match["month"].lower()) + 1
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    try:
        return datetime(_year(match["year"]), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _year(text: str) -> int:
    year = int(text)
    if len(text) > 2:  # noqa: PLR2004
        return year
    return year + (2000 if year <= _LAST_OF_THIS_CENTURY else 1900)

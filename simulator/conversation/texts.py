"""How a finding of a conversation writes instants and what a message was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from oscp_send.findings import Finding

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["moment", "problem", "remark", "span"]


def problem(
    rule: str, pointer: str, message: str, hint: str, exchange: int | None = None
) -> Finding:
    """Answers with a finding of severity error."""
    return Finding("meaning", rule, "error", pointer, message, hint, exchange=exchange)


def remark(
    rule: str,
    pointer: str,
    message: str,
    hint: str,
    exchange: int | None = None,
    *,
    severity: Literal["warning", "info"] = "warning",
) -> Finding:
    """Answers with a finding of severity warning, or info."""
    return Finding("meaning", rule, severity, pointer, message, hint, exchange=exchange)


def moment(instant: datetime) -> str:
    """Answers with an instant in UTC as `2031-03-01 16:30 UTC`, as exactly as needed."""
    return f"{instant.date()} {_clock(instant)} UTC"


def span(start: datetime, end: datetime) -> str:
    """Answers with a stretch of time as `2031-03-01 16:30 to 17:00 UTC`."""
    until = _clock(end) if start.date() == end.date() else f"{end.date()} {_clock(end)}"
    return f"{start.date()} {_clock(start)} to {until} UTC"


def _clock(instant: datetime) -> str:
    if instant.microsecond:
        return instant.time().isoformat("milliseconds")
    return instant.time().isoformat("seconds" if instant.second else "minutes")

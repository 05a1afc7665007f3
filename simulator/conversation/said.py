"""A message as it was said in a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """An OSCP message, who said it, and when.

    Attributes:
        action: The OSCP message name.
        body: The parsed message, whose times are texts or aware datetimes; it is not changed later.
        request_id: The X-Request-ID; None where there is none.
        correlation_id: The X-Correlation-ID; None where there is none.
        sent: Whether the party that keeps the conversation said it, rather than the other side.
        at: The time of that party, with its offset.
        number: Under which the simulator's journal has the exchange, if it has.
    """

    action: str
    body: Mapping[str, Any] = field(repr=False)  # a Register holds a token
    request_id: str | None
    correlation_id: str | None
    sent: bool
    at: datetime
    number: int | None = None

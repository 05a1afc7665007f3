"""The messages of a system: how one is written, and what is remembered of each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from oscp_send.findings import Finding
from oscp_send.times import utc_text
from oscp_sim.entry import Entry
from oscp_sim.http import Headers, json_bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that a system sent, and the answer to it.

    Attributes:
        action: The OSCP message name.
        request_id: Its X-Request-ID.
        status: Of the answer; None where no answer came.
        reason: The phrase beside the status, or why there is none.
        body: Of the answer, as text.
        entry: The number of the exchange in the journal.
    """

    action: str
    request_id: str
    status: int | None
    reason: str
    body: str
    entry: int

    @property
    def is_taken(self) -> bool:
        """Whether the answer says that the message was accepted: any status below 400."""
        return self.status is not None and self.status < 400  # noqa: PLR2004 - of HTTP

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Received:
    """One message that a system got, and how it judged it.

    Attributes:
        action: The OSCP message name.
        request_id: Its X-Request-ID; None where it had none.
        correlation_id: Its X-Correlation-ID.
        at: When, by the simulator's clock.
        status: Of the answer; None where none was given.
        judged: Findings about the message.
        judge: Yields further ones.
        message: What was put together of its segments; None where it came whole.
        told: The exchange in the journal.
        size: About how many bytes it takes.
    """

    action: str
    request_id: str | None
    correlation_id: str | None
    at: datetime
    status: int | None
    judged: tuple[Finding, ...] = field(repr=False)
    judge: Callable[[], Iterable[Finding]] = field(repr=False, compare=False)
    message: Mapping[str, Any] | None
    told: Entry = field(repr=False)
    size: int = field(repr=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """About the message."""
        return (*self.judged, *self.judge())

    @property
    def entry(self) -> int:
        """The number of the exchange in the journal."""
        return self.told.number

    @property
    def headers(self) -> Headers:
        """Lower-case names and values in order; credentials are replaced."""
        return self.told.request.headers if self.told.request else ()

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON of any kind
        """The message, or its text where it is not JSON; secrets are replaced."""
        if self.message is not None:
            return self.message
        try:
            return json.loads(self._text, parse_float=_number, parse_constant=Decimal)
        except (ValueError, RecursionError):
            return self._text

    @property
    def _shown(self) -> Any:  # noqa: ANN401 - JSON of any kind
        """The body as JSON values: a number beyond a double becomes its text."""
        body = self.body
        try:
            return json.loads(json.dumps(body, default=str))
        except RecursionError:
            return self._text

    @property
    def _text(self) -> str:
        return self.told.request.text if self.told.request else ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {
            "action": self.action,
            "request_id": self.request_id,
            "correlation_id": self.correlation_id,
            "at": utc_text(self.at),
            "headers": [list(pair) for pair in self.headers],
            "body": self._shown,
            "status": self.status,
            "findings": [finding.to_dict() for finding in self.findings],
            "entry": self.entry,
        }


def _number(text: str) -> float | Decimal:
    number = float(text)
    if math.isfinite(number):
        return number
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of 19 digits and more
        return Decimal(number)


def encoded(message: object) -> bytes:
    """Return the body of a message: JSON values are written, text and bytes go as they are.

    Raises:
        ValueError: It is nested too deeply to be written.
    """
    if isinstance(message, bytes):
        return message
    try:
        return message.encode() if isinstance(message, str) else json_bytes(message, float)
    except RecursionError:
        raise ValueError("the message is nested too deeply: send it as a text") from None


def message_headers(token: str | None, request_id: str, correlation_id: str | None) -> Headers:
    """Return the headers of a message; None leaves one out (oscp20.md §2.2)."""
    shown = (("Authorization", f"Token {token}"),) if token is not None else ()
    named = (*shown, ("Content-Type", "application/json"), ("X-Request-ID", request_id))
    return named if correlation_id is None else (*named, ("X-Correlation-ID", correlation_id))

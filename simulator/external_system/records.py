"""What an external system remembers of each message: the ones that it sent, and the ones it got."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_send.findings import Finding

__all__ = ["Received", "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that an external system sent, and what came of it.

    Attributes:
        action: The OSCP message name.
        request_id: Its X-Request-ID.
        status: Of the answer; None where no answer came.
        reason: The phrase beside the status, or why there is none.
        body: Of the answer, as text.
        entry: The number under which the journal has the exchange.
    """

    action: str
    request_id: str
    status: int | None
    reason: str
    body: str
    entry: int

    @property
    def is_taken(self) -> bool:
        """Whether the answer says that the message was taken: any status below 400."""
        return self.status is not None and self.status < 400  # noqa: PLR2004 - of HTTP

    def to_dict(self) -> dict[str, Any]:
        """Answers with JSON values, always with the same keys in the same order."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Received:
    """One message that an external system got, and how it judged it.

    Attributes:
        action: The OSCP message name.
        request_id: Its X-Request-ID; None where it had none.
        correlation_id: Its X-Correlation-ID.
        at: When, by the simulator's clock.
        headers: Lower-case names and values in order; credentials are replaced.
        body: The message, or its text where it is no JSON.
        status: Of the answer; None where none was given.
        findings: What there is to say of it.
        entry: The number under which the journal has the exchange.
    """

    action: str
    request_id: str | None
    correlation_id: str | None
    at: datetime
    headers: tuple[tuple[str, str], ...]
    body: Any
    status: int | None
    findings: tuple[Finding, ...]
    entry: int

    def to_dict(self) -> dict[str, Any]:
        """Answers with JSON values, always with the same keys in the same order."""
        return {
            "action": self.action,
            "request_id": self.request_id,
            "correlation_id": self.correlation_id,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "headers": [list(pair) for pair in self.headers],
            "body": _writable(self.body),
            "status": self.status,
            "findings": [finding.to_dict() for finding in self.findings],
            "entry": self.entry,
        }


def _writable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Answers with a value that JSON can hold again: a number beyond a double becomes its text."""
    return json.loads(json.dumps(value, default=str))

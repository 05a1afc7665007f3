"""One message on its way into an external system, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from oscp_send.findings import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.external_system.manners import Manners
    from simulator.wire import WireRequest

__all__ = ["Call", "Reaction", "Refused"]

_FAILURE: Final = 400


class Refused(Exception):
    """Raised for a message that is refused; its text is what the sender is told.

    Attributes:
        case: What is wrong, as `Manners` name it.
        keyword: Of a body that the schema refuses: the first violation's keyword.
        findings: What there is to say of it besides.
    """

    def __init__(
        self, case: str, message: str, *, keyword: str = "", findings: tuple[Finding, ...] = ()
    ) -> None:
        super().__init__(message)
        self.case = case
        self.keyword = keyword
        self.findings = findings


@dataclass(slots=True)
class Call:
    """A message that has come.

    Attributes:
        wire: The request, as it was sent.
        action: The OSCP message that its path stands for; None: there is none of that path.
        now: When it came.
        message: Parsed; None before it is read.
        findings: What there is to say of it, so far.
        body: As it was sent; None where it is longer than the system takes.
        request_id: Its X-Request-ID; of a message in segments, the first one's.
        correlation_id: Its X-Correlation-ID, likewise.
    """

    wire: WireRequest
    action: str | None
    now: datetime
    message: Any = None
    findings: list[Finding] = field(default_factory=list)
    body: bytes | None = b""
    request_id: str | None = None
    correlation_id: str | None = None

    @classmethod
    def of(cls, wire: WireRequest, now: datetime) -> Self:
        """Answers with the message that a request brings, not yet read."""
        return cls(
            wire,
            None,
            now,
            request_id=wire.header("x-request-id"),
            correlation_id=wire.header("x-correlation-id"),
        )

    def mind(self, case: str, message: str, manners: Manners) -> None:
        """Remarks on a case, or refuses it.

        Raises:
            Refused: It is one that these manners refuse.
        """
        if manners.status(case) >= _FAILURE:
            raise Refused(case, message)
        self.findings.append(Finding("transport", case, "warning", "", message))

    @property
    def content(self) -> Mapping[str, Any]:
        """The message, where it is an object."""
        return self.message if isinstance(self.message, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a system does about a message.

    Attributes:
        status: Of the answer.
        headers: Of the answer.
        body: Of the answer.
        is_silent: Whether there is none, ever.
        is_taken: Whether the message counts as said; one that is refused does not.
        later: What it does after it has answered, each with the seconds until then.
    """

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_silent: bool = False
    is_taken: bool = True
    later: tuple[tuple[float, Callable[[], object]], ...] = ()

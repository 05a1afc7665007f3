"""What a schema refuses, and SolarNetwork sends all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from oscp_send.findings import Finding

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_schemas import Violation
    from oscp_sim.http import Request
    from oscp_sim.system.profile import Manners

__all__ = ["Call", "Reaction", "Received", "Refused", "Sent", "tolerated"]


# § What an external system remembers of each message: the ones that it sent, and the ones it got.


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


# § One message on its way into an external system, and what becomes of it.

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
        request: As it was sent.
        action: The OSCP message that its path stands for; None: there is none of that path.
        now: When it came.
        message: Parsed; None before it is read.
        findings: What there is to say of it, so far.
        request_id: Its X-Request-ID; of a message in segments, the first one's.
        correlation_id: Its X-Correlation-ID, likewise.
    """

    request: Request
    action: str | None
    now: datetime
    message: Any = None
    findings: list[Finding] = field(default_factory=list)
    request_id: str | None = None
    correlation_id: str | None = None

    @classmethod
    def of(cls, request: Request, now: datetime) -> Self:
        """Answers with the message that a request brings, not yet read."""
        return cls(
            request,
            None,
            now,
            request_id=request.header("x-request-id"),
            correlation_id=request.header("x-correlation-id"),
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


_MEASUREMENTS = frozenset({"UpdateGroupMeasurements", "UpdateAssetMeasurement"})


def tolerated(action: str, violation: Violation, manners: Manners) -> Finding | None:
    """Answers with a remark on what a system accepts against the schema; None: it does not.

    That is an acknowledge that asks for nothing, as SolarNetwork's Flexibility Provider writes it,
    and a list of no measurements, which its job sends (oscp20.md §11.8 and §11.26).
    """
    if violation.rule == "required" and violation.pointer == "/required_behaviour":
        if action in manners.configuration_needed:
            return None
        hint = "leave required_behaviour out, or say in measurement_configuration what you want"
    elif violation.rule == "minItems" and violation.pointer == "/measurements":
        if action not in _MEASUREMENTS or not manners.no_measurements:
            return None
        hint = "send nothing where nothing was measured"
    else:
        return None
    return Finding(
        "schema", violation.rule, "warning", violation.pointer, violation.message, hint, "observed"
    )

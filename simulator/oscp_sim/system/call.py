"""One message on its way into a system: its headers, its reading by the schema, its refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import orjson

from oscp_schemas import JsonError, Violation, judge, read
from oscp_send.findings import Finding
from oscp_sim.conversation import ExchangedMessage
from oscp_sim.http import Request, Response
from oscp_sim.system.profile import Profile

_JSON: Final = "application/json"


class Refused(Exception):
    """Raised for a message that is refused; its text goes into the answer.

    Attributes:
        case: What is wrong, as a `Profile` names it.
        keyword: Of a body that the schema refuses: the first violation's keyword.
        findings: Further findings about the message.
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
    """A message that has come, and the findings about it so far.

    Attributes:
        request_id: Its X-Request-ID; of a message in segments, the first one's.
        correlation_id: Its X-Correlation-ID, likewise.
        action: The OSCP message that its path stands for; None: the path is unknown.
        message: Parsed; None before it is read.
        text: Where the message is no more than that says.
        judge: Yields further findings, for those who read them.
    """

    request: Request
    now: datetime
    request_id: str | None
    correlation_id: str | None
    action: str | None = None
    message: Any = None
    findings: list[Finding] = field(default_factory=list)
    text: bytes | None = None
    judge: Callable[[], Iterable[Finding]] = tuple

    @classmethod
    def of(cls, request: Request, now: datetime) -> Self:
        """Return the message that a request brings, not read yet."""
        return cls(
            request, now, request.fields.get("x-request-id"), request.fields.get("x-correlation-id")
        )

    @property
    def content(self) -> Mapping[str, Any]:
        """The message, where it is an object; else an empty one."""
        return self.message if isinstance(self.message, Mapping) else {}

    @property
    def group(self) -> str | None:
        """The Capacity Group that it names, or None; as an unknown property it may be anything."""
        group = self.content.get("group_id")
        return str(group) if isinstance(group, str | int) else None

    def check(self, case: str, message: str, profile: Profile) -> None:
        """Add a finding of a case that applies.

        Raises:
            Refused: The profile refuses that case.
        """
        if profile.refuses(case):
            raise Refused(case, message)
        self.findings.append(Finding("transport", case, "warning", "", message))

    def said(self, number: int | None = None) -> ExchangedMessage:
        """Return the message as a conversation remembers it, by the number of its journal entry."""
        return ExchangedMessage(
            self.action or "",
            self.content,
            self.request_id,
            self.correlation_id,
            sent=False,
            at=self.now,
            number=number,
        )


_NO_CONTENT: Final = Response(204)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a system does about a message.

    Attributes:
        response: Its answer; one that comes infinitely late is silence.
        later: What it does after it has answered, each with the seconds until then.
        is_said: Whether the message counts as said, for judging those that follow.
    """

    response: Response = _NO_CONTENT
    later: tuple[tuple[float, Callable[[], object]], ...] = ()
    is_said: bool = True


def check_headers(call: Call, profile: Profile) -> None:
    """Check the headers that a message needs.

    Raises:
        Refused: One is missing or wrong, and the profile refuses that.
    """
    request = call.request
    if request.method != "DELETE":
        content_type = request.fields.get("content-type", "")
        if content_type != _JSON and content_type.partition(";")[0].strip().lower() != _JSON:
            call.check("X14", "the Content-Type must be application/json", profile)
        encoding = (request.fields.get("content-encoding") or "identity").strip().lower()
        if encoding != "identity":
            call.check("X17", f"the body is compressed with {encoding}: send it as it is", profile)
    if not call.request_id and call.action in profile.request_id_needed:
        call.check("X7", "the X-Request-ID header is missing", profile)
    if not call.correlation_id and call.action in profile.correlation_needed:
        call.check("X9", "the X-Correlation-ID header is missing", profile)


def read_message(call: Call, profile: Profile) -> None:
    """Read a message and judge it by its schema.

    Raises:
        Refused: It is too long, not JSON, or not as the schema says.
    """
    if call.request.method == "DELETE":
        return
    body = call.request.body
    if body is None or len(body) > profile.behaviour.longest_body:
        call.request = replace(call.request, body=None)
        raise Refused("X18", "the body is too large")
    try:
        call.message = orjson.loads(body)
    except orjson.JSONDecodeError:
        # It is not JSON, or holds a number that only the strict reader can read.
        _read_closely(call, body, profile)
        return
    if judge(call.action or "", body):
        _read_closely(call, body, profile)
    else:
        call.text = bytes(body)


def _read_closely(call: Call, body: bytes, profile: Profile) -> None:
    """Read what the quick judgement refused: it may be an accepted deviation, or even right."""
    try:
        document = read(body)
    except JsonError as error:
        raise Refused("json", f"not JSON: {error}") from None
    call.message = document.value
    action = call.action or ""
    violations = judge(action, document)
    accepted = [_accepted_deviation(action, each, profile) for each in violations]
    if None in accepted:
        listed = "; ".join(f"{each.pointer or '/'}: {each.message}" for each in violations)
        findings = tuple(
            Finding("schema", each.rule, "error", each.pointer, each.message) for each in violations
        )
        raise Refused("schema", listed, keyword=violations[0].rule, findings=findings)
    call.findings.extend(finding for finding in accepted if finding is not None)


_MEASUREMENTS: Final = frozenset({"UpdateGroupMeasurements", "UpdateAssetMeasurement"})


def _accepted_deviation(action: str, violation: Violation, profile: Profile) -> Finding | None:
    """Return the finding about a violation that the profile accepts, or None.

    Accepted are an acknowledge that asks for nothing, as SolarNetwork's Flexibility Provider writes
    it, and an empty list of measurements, which its job sends (oscp20.md §11.8 and §11.26).
    """
    if violation.rule == "required" and violation.pointer == "/required_behaviour":
        if action in profile.configuration_needed:
            return None
        hint = "leave required_behaviour out, or say in measurement_configuration what you want"
    elif violation.rule == "minItems" and violation.pointer == "/measurements":
        if action not in _MEASUREMENTS or not profile.no_measurements:
            return None
        hint = "send nothing where nothing was measured"
    else:
        return None
    return Finding(
        "schema", violation.rule, "warning", violation.pointer, violation.message, hint, "observed"
    )

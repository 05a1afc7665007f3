"""Judging a whole request body before SolarUser does: the request, its parameters, its message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from oscp_send.check import check
from oscp_send.fidelity import Behaviour, Fidelity
from oscp_send.findings import Finding, Judgement, Severity, Stage
from oscp_send.instruction import join_parameters, split_parameters
from oscp_send.request_keys import judge_keys
from oscp_send.request_parameters import GivenParameters, judge_parameters
from oscp_send.request_relations import is_for_another_group, judge_relations
from oscp_send.solarnetwork import hook_texts
from oscp_send.solarnetwork.addressing import Unaddressed, read_address
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body
from schemas import Document, JsonError, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RequestJudgement", "RequestStage", "check_request"]

RequestStage = Literal["request", "parameters", "group"] | Stage

_NO_NODE = "Illegal argument: The nodeId parameter is required."
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OK, _UNPROCESSABLE = 200, 422


@dataclass(frozen=True, slots=True)
class RequestJudgement:
    """What would become of a request body that is posted to `/instr/add/OSCP_v20`.

    Whether SolarUser knows the node, the Capacity Optimizer and the Capacity Group is not judged.

    Attributes:
        accepted: Would SolarUser queue the instruction?
        status: The HTTP status of its answer: 200, also for an instruction that is declined, or
            422.
        stage: Where it is refused: `request` for a 422; `parameters`, one of the stages of a
            message, or `group` for an instruction that is declined; None when it is accepted.
        error: What the service would say: the `message` of a 422, else `resultParameters.error`.
        action: The `action` parameter; None where none was given.
        findings: What there is to say of the request; pointers are into the request body.
        message: The judgement of the `msg` parameter, pointers into that; None without an action.
    """

    accepted: bool
    status: int
    stage: RequestStage | None
    error: str | None
    action: str | None
    findings: tuple[Finding, ...] = ()
    message: Judgement | None = None

    def of_severity(self, *severities: Severity) -> tuple[Finding, ...]:
        """Answers with the findings of these severities, those of the message last."""
        inner = self.message.of_severity(*severities) if self.message else ()
        return (*(each for each in self.findings if each.severity in severities), *inner)

    def to_dict(self) -> dict[str, Any]:
        """Answers with the judgement as JSON values, in a fixed order of keys."""
        return {
            "accepted": self.accepted,
            "status": self.status,
            "stage": self.stage,
            "error": self.error,
            "action": self.action,
            "findings": [finding.to_dict() for finding in self.findings],
            "message": self.message.to_dict() if self.message else None,
        }


def check_request(
    data: bytes, fidelity: Fidelity | Behaviour = "documented", *, now: datetime | None = None
) -> RequestJudgement:
    """Answers with what would become of a request body, and with everything there is to say of it.

    Args:
        data: The body as it would be posted, the JSON of the SolarUser OSCP guide.
        fidelity: `documented` follows the guide and the specification, `observed` SolarNetwork's
            code; where the two part, a finding says so.
        now: The time against which dates are held; the wall clock's by default.

    Raises:
        ValueError: The fidelity is neither of the two.
    """
    behaviour = Behaviour.of(fidelity)
    now = now or datetime.now(UTC)
    document = _document(data)
    body, refusal = _understood(data)
    value = document.value if isinstance(document, Document) else None
    given = GivenParameters.of(value)
    # Of a body that is refused as a whole, what was meant is judged, so that nothing else is lost.
    pairs = body.parameters if body and refusal is None else given.texts()
    parameters = join_parameters(split_parameters(pairs))
    message = _judged_message(parameters, behaviour, now)
    stage, error = _ruling(refusal, parameters, message)
    about_action, message = _parted(given, parameters, message)
    findings = [*_unreadable(document)]
    if isinstance(document, Document) and isinstance(value, dict):
        repeated, is_refused = document.duplicate_keys, refusal is not None
        findings += judge_keys(value, repeated, now)
        findings += judge_parameters(given, parameters, repeated, refused=is_refused)
        findings += about_action
        findings += judge_relations(given, parameters, behaviour)
    if stage is None:
        findings = [_harmless(each) for each in findings]
    elif not _explain(findings, message):
        findings.append(Finding("transport", stage, "error", "", f"SolarUser says: {error}"))
    return RequestJudgement(
        accepted=stage is None,
        status=_UNPROCESSABLE if stage == "request" else _OK,
        stage=stage,
        error=error,
        action=parameters.get("action"),
        findings=tuple(findings),
        message=message,
    )


def _understood(data: bytes) -> tuple[InstructionBody | None, str | None]:
    """Answers with what SolarUser reads, and with the text of its refusal."""
    try:
        body = read_body(data)
    except BodyRefused as refusal:
        return None, refusal.message
    return body, _NO_NODE if body.node_id is None else None


def _document(data: bytes) -> Document | JsonError:
    try:
        return read(data.removeprefix(_BYTE_ORDER_MARK))
    except JsonError as error:
        return error


def _unreadable(document: Document | JsonError) -> Iterator[Finding]:
    """Yields why a body is no object of JSON at all."""
    hint = "the request body is a JSON object with nodeId and params"
    if isinstance(document, JsonError) and document.kind != "empty":
        yield Finding("transport", "json", "error", "", f"not JSON: {document}")
    elif isinstance(document, JsonError) or document.value is None:
        yield Finding("transport", "request", "error", "", "there is no request body", hint)
    elif not isinstance(document.value, dict):
        yield Finding("transport", "request", "error", "", "is JSON, but not an object", hint)


def _harmless(found: Finding) -> Finding:
    """Answers with a finding of a request that is accepted: nothing of it is a refusal."""
    is_refusal = found.severity == "error" and found.layer != "meaning"
    return replace(found, severity="warning") if is_refusal else found


def _explain(findings: list[Finding], message: Judgement | None) -> bool:
    """Tells whether there is a finding for which SolarUser would refuse the request."""
    told = (*findings, *(message.findings if message else ()))
    return any(each.severity == "error" and each.layer != "meaning" for each in told)


def _judged_message(
    parameters: Mapping[str, str], behaviour: Behaviour, now: datetime
) -> Judgement | None:
    action = parameters.get("action", "")
    if not action.strip():
        return None
    return check(action, parameters.get("msg", ""), behaviour, now=now)


def _parted(
    given: GivenParameters, parameters: Mapping[str, str], message: Judgement | None
) -> tuple[list[Finding], Judgement | None]:
    """Parts what is said of the message into what concerns the parameters, and the rest."""
    if message is None:
        return [], None
    about = [each for each in message.findings if each.rule == "action"]
    # That there is no message is told among the parameters that are missing.
    silent = {"action"} if "msg" in parameters else {"action", "document"}
    rest = tuple(each for each in message.findings if each.rule not in silent)
    placed = [replace(each, pointer=given.place("action")) for each in about]
    return placed, replace(message, findings=rest)


def _ruling(
    refusal: str | None, parameters: Mapping[str, str], message: Judgement | None
) -> tuple[RequestStage | None, str | None]:
    """Answers with the stage and the text of the refusal, in the service's order (§3.1)."""
    if refusal is not None:
        return "request", refusal
    address = read_address(parameters)
    if isinstance(address, Unaddressed):
        return "parameters", address.error
    if message is not None and message.stage is not None:
        return message.stage, message.error
    if is_for_another_group(parameters):
        return "group", hook_texts.GROUP_MISMATCH
    return None, None

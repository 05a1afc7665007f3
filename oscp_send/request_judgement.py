"""Judge a whole request body before SolarUser does: the request, its parameters, its message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from oscp_schemas import Document, Fidelity, JsonError
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Judgement, Severity, Stage
from oscp_send.instruction import join_parameters, split_parameters
from oscp_send.judgement import check
from oscp_send.queue_size import MQTT_LIMIT
from oscp_send.request_findings import (
    ADJUST,
    GivenParameters,
    judge_keys,
    judge_parameters,
    judge_relations,
    other_group,
)
from oscp_send.solarnetwork import texts
from oscp_send.solarnetwork.json_reading import decoded, read_json
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body
from oscp_send.solarnetwork.texts import Unaddressed, read_address

RequestStage = Literal["request", "parameters", "group"] | Stage

_NO_NODE: Final = "Illegal argument: The nodeId parameter is required."
_OK, _UNPROCESSABLE = 200, 422


@dataclass(frozen=True, slots=True)
class RequestJudgement:
    """What SolarUser would do with a request body that is posted to `/instr/add/OSCP_v20`.

    Whether SolarUser knows the node, the Capacity Optimizer and the Capacity Group is not judged.

    Attributes:
        status: The HTTP status of its answer: 422, or 200, also for an instruction that is
            declined.
        stage: The check that refuses it: `request` or `size` for a 422; `parameters`, one of the
            stages of a message, or `group` for an instruction that is declined; None when it is
            accepted.
        error: The service's text: the `message` of a 422, else `resultParameters.error`.
        action: The `action` parameter; None where none was given.
        findings: The findings about the request; pointers are into the request body.
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
        """Return the findings of these severities, those of the message last."""
        inner = self.message.of_severity(*severities) if self.message else ()
        return (*(each for each in self.findings if each.severity in severities), *inner)

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON values, in a fixed order of keys."""
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
    data: bytes | Document,
    fidelity: Fidelity | Behaviour = "documented",
    *,
    now: datetime | None = None,
    mqtt_limit: int = MQTT_LIMIT,
) -> RequestJudgement:
    """Return what SolarUser would do with a request body, and all findings about it.

    Args:
        data: The body as it would be posted, the JSON of the SolarUser OSCP guide; or the document
            that was read from it.
        fidelity: As for `check`.
        now: The time to compare dates with, the system's by default; blocks are past only where
            it is given.
        mqtt_limit: As for `check`.

    Raises:
        ValueError: The fidelity is unknown.
    """
    behaviour = Behaviour.of(fidelity)
    document = data if isinstance(data, Document) else read_json(decoded(data))
    value = document.value if isinstance(document, Document) else None
    understood, refusal = _understood(document if isinstance(document, Document) else data)
    given = GivenParameters.of(value)
    # In a body that is refused as a whole, the parameters that were meant are judged: nothing else
    # of it should be missed.
    pairs = understood.parameters if understood and refusal is None else given.texts()
    parameters = join_parameters(split_parameters(pairs))
    message = read_json(parameters.get("msg", ""))
    group = other_group(parameters, message)
    judgement = _judged_message(parameters, message, behaviour, now, mqtt_limit)
    stage, error = _ruling(refusal, parameters, judgement, group)
    about_action, judgement = _parted(given, parameters, judgement)
    findings = [*_unreadable(document)]
    if isinstance(document, Document) and isinstance(value, dict):
        repeated, is_refused = document.duplicate_keys, refusal is not None
        findings += judge_keys(value, repeated, now or datetime.now(UTC))
        findings += judge_parameters(given, parameters, repeated, refused=is_refused)
        findings += about_action
        findings += judge_relations(given, parameters, group, behaviour)
    if stage is None:
        findings = [_harmless(each) for each in findings]
    elif not _has_refusal(findings) and not (judgement and _has_refusal(judgement.findings)):
        findings.append(Finding("transport", stage, "error", "", f"SolarUser says: {error}"))
    return RequestJudgement(
        accepted=stage is None,
        status=_UNPROCESSABLE if stage in {"request", "size"} else _OK,
        stage=stage,
        error=error,
        action=parameters.get("action"),
        findings=tuple(findings),
        message=judgement,
    )


def _understood(body: bytes | Document) -> tuple[InstructionBody | None, str | None]:
    """Return what SolarUser reads, and the text of its refusal."""
    try:
        understood = read_body(body)
    except BodyRefused as refusal:
        return None, refusal.message
    return understood, _NO_NODE if understood.node_id is None else None


def _judged_message(
    parameters: Mapping[str, str],
    message: Document | JsonError,
    behaviour: Behaviour,
    now: datetime | None,
    mqtt_limit: int,
) -> Judgement | None:
    action = parameters.get("action", "")
    if not action.strip():
        return None
    text = message if isinstance(message, Document) else parameters.get("msg", "")
    return check(action, text, behaviour, now=now, mqtt_limit=mqtt_limit)


def _ruling(
    refusal: str | None, parameters: Mapping[str, str], message: Judgement | None, group: str | None
) -> tuple[RequestStage | None, str | None]:
    """Return the stage and the text of the refusal, in the order of SolarUser's checks.

    That is solaruser.md §3.1.
    """
    if refusal is not None:
        return "request", refusal
    address = read_address(parameters)
    if isinstance(address, Unaddressed):
        return "parameters", address.error
    if message is not None and message.stage is not None:
        return message.stage, message.error
    if group is not None and address.action == ADJUST:
        return "group", texts.GROUP_MISMATCH
    return None, None


def _parted(
    given: GivenParameters, parameters: Mapping[str, str], message: Judgement | None
) -> tuple[list[Finding], Judgement | None]:
    """Move the findings that are about the parameters out of the judgement of the message."""
    if message is None:
        return [], None
    about = [each for each in message.findings if each.rule == "action"]
    # A message that is missing is reported among the parameters.
    silent = {"action"} if "msg" in parameters else {"action", "document"}
    rest = tuple(each for each in message.findings if each.rule not in silent)
    placed = [replace(each, pointer=given.place("action")) for each in about]
    return placed, replace(message, findings=rest)


def _unreadable(document: Document | JsonError) -> Iterator[Finding]:
    """Yield why a body is not a JSON object at all."""
    remedy = "the request body is a JSON object with nodeId and params"
    if isinstance(document, JsonError) and document.kind != "empty":
        yield Finding("transport", "json", "error", "", f"not JSON: {document}")
    elif isinstance(document, JsonError) or document.value is None:
        yield Finding("transport", "request", "error", "", "there is no request body", remedy)
    elif not isinstance(document.value, dict):
        yield Finding("transport", "request", "error", "", "is JSON, but not an object", remedy)


def _is_refusal(found: Finding) -> bool:
    return found.severity == "error" and found.layer != "meaning"


def _has_refusal(findings: Iterable[Finding]) -> bool:
    return any(map(_is_refusal, findings))


def _harmless(found: Finding) -> Finding:
    """Return a finding about a request that is accepted: it is not a refusal."""
    return replace(found, severity="warning") if _is_refusal(found) else found

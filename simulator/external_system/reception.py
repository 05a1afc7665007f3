"""The way of a request into an external system: headers, body, schema, meaning, reaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from schemas import JsonError, judge, read
from simulator.conversation import Said, case_of
from simulator.external_system.call import Reaction, Refused
from simulator.external_system.leniency import tolerated
from simulator.external_system.segmentation import assemble

if TYPE_CHECKING:
    from simulator.external_system.call import Call
    from simulator.external_system.seat import Seat

__all__ = ["judge_message", "read_message", "require_headers", "said_of"]

_JSON: Final = "application/json"


def require_headers(call: Call, seat: Seat) -> None:
    """Lets a request pass whose headers are as they must be.

    Raises:
        Refused: They are not.
    """
    wire, manners = call.wire, seat.manners
    if wire.method != "DELETE":
        content_type = wire.header("content-type") or ""
        if content_type != _JSON and content_type.partition(";")[0].strip().lower() != _JSON:
            call.mind("X14", "the Content-Type must be application/json", manners)
        encoding = (wire.header("content-encoding") or "identity").strip().lower()
        if encoding != "identity":
            raise Refused("X17", f"the body is compressed with {encoding}: send it as it is")
    if not call.request_id and call.action in manners.request_id_needed:
        call.mind("X7", "the X-Request-ID header is missing", manners)
    if not call.correlation_id and call.action in manners.correlation_needed:
        call.mind("X9", "the X-Correlation-ID header is missing", manners)


def read_message(call: Call, seat: Seat) -> None:
    """Reads a message and judges it by its schema.

    Raises:
        Refused: It is too long, no JSON, or not as the schema has it.
    """
    if call.wire.method == "DELETE":
        return
    if call.body is None:
        raise Refused("X18", "the body is too large")
    try:
        call.message = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        # It is no JSON, or holds a number that only a closer look can read.
        _read_closely(call, call.body, seat)
        return
    if judge(call.action or "", call.body):
        _read_closely(call, call.body, seat)


def judge_message(call: Call, seat: Seat) -> Reaction:
    """Judges a message by its meaning and by what was said before; answers with the reaction to it.

    The lock of the correspondence must be held.

    Raises:
        Refused: A finding is one that the system refuses, or the message cannot be taken.
    """
    group = call.content.get("group_id")
    if group is not None and group not in seat.groups:
        call.mind("X19", f'there is no Capacity Group "{group}"', seat.manners)
    if not assemble(call, seat):
        return Reaction(is_taken=False)
    correspondence = seat.correspondence
    correspondence.mark_arrived()
    call.findings.extend(judge_meaning(call.message, call.now))
    call.findings.extend(correspondence.conversation.judge(said_of(call)))
    for finding in call.findings:
        _refuse_if_minded(finding, seat)
    return seat.conduct.take(call)


def said_of(call: Call, number: int | None = None) -> Said:
    """Answers with a message as it was said."""
    return Said(
        call.action or "",
        call.content,
        call.request_id,
        call.correlation_id,
        sent=False,
        at=call.now,
        number=number,
    )


def _read_closely(call: Call, body: bytes, seat: Seat) -> None:
    """Reads what the quick judgement did not pass: it may be tolerable, or even right."""
    try:
        document = read(body)
    except JsonError as error:
        raise Refused("json", f"not JSON: {error}") from None
    call.message = document.value
    action = call.action or ""
    violations = judge(action, document)
    remarks = [tolerated(action, each, seat.manners) for each in violations]
    if None in remarks:
        listed = "; ".join(f"{each.pointer or '/'}: {each.message}" for each in violations)
        findings = tuple(
            Finding("schema", each.rule, "error", each.pointer, each.message) for each in violations
        )
        raise Refused("schema", listed, keyword=violations[0].rule, findings=findings)
    call.findings.extend(remark for remark in remarks if remark is not None)


def _refuse_if_minded(finding: Finding, seat: Seat) -> None:
    for case in (case_of(finding), finding.rule):
        if case is not None and seat.manners.minds(finding, case):
            raise Refused(case, f"{finding.pointer or '/'}: {finding.message}")

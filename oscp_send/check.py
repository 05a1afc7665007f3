"""Judging a message before production does: what is wrong, where, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from oscp_send.fidelity import Behaviour, Fidelity
from oscp_send.findings import Finding, Judgement
from oscp_send.meaning import judge_meaning
from oscp_send.properties import judge_properties
from oscp_send.schema_hints import hint, near
from oscp_send.solarnetwork.decoding import DecodeError
from oscp_send.verdict import INSTRUCTION_ACTIONS, Verdict, verdict
from schemas import ACTIONS, Document, JsonError, Violation, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check"]


def check(
    action: str,
    text: str,
    fidelity: Fidelity | Behaviour = "documented",
    *,
    now: datetime | None = None,
) -> Judgement:
    """Answers with what would become of a message, and with everything there is to say of it.

    Args:
        action: The OSCP message name, as in the `action` parameter.
        text: The message as JSON text, the whole `msg` parameter.
        fidelity: `documented` follows the guide and the specification, `observed` SolarNetwork's
            code; where the two part, a finding says so.
        now: The time against which a heartbeat is held; the wall clock's by default.

    Raises:
        ValueError: The fidelity is neither of the two.
    """
    behaviour = Behaviour.of(fidelity)
    ruling = verdict(action, text, behaviour)
    findings = [*_refusal(action, ruling), *_difference(action, text, behaviour, ruling)]
    if ruling.document is not None:
        findings += judge_properties(action, ruling.document)
        findings += judge_meaning(ruling.document.value, now or datetime.now(UTC))
    return Judgement(action, ruling.stage is None, ruling.stage, ruling.error, tuple(findings))


def _refusal(action: str, ruling: Verdict) -> Iterator[Finding]:
    if isinstance(ruling.cause, JsonError):
        yield Finding("transport", "json", "error", "", f"not JSON: {ruling.cause}")
    elif isinstance(ruling.cause, DecodeError):
        yield _undecodable(ruling.cause, "error")
    elif ruling.stage == "action":
        yield _unsupported(action)
        yield from _violations(action, ruling.document)
    elif ruling.stage == "schema-lookup":
        yield Finding(
            "schema",
            "schema-lookup",
            "error",
            "",
            "SolarNetwork cannot find its schema for UpdateAssetMeasurement and declines them all",
            "send UpdateGroupMeasurements instead",
            "observed",
        )
        yield from _violations(action, ruling.document)
    elif ruling.stage == "schema" and ruling.document is not None:
        yield from _explained(ruling.violations, ruling.document)
    elif ruling.stage is not None:
        yield _no_document(ruling)


def _unsupported(action: str) -> Finding:
    meant = near(action, INSTRUCTION_ACTIONS)
    if meant:
        remedy = f'did you mean "{meant}"?'
    else:
        remedy = f"an instruction's action is one of {', '.join(INSTRUCTION_ACTIONS)}"
    return Finding(
        "transport", "action", "error", "", f'"{action}" cannot be sent as an instruction', remedy
    )


def _no_document(ruling: Verdict) -> Finding:
    if ruling.document is None:
        return Finding("transport", "document", "error", "", "there is no message")
    if ruling.stage == "json":
        # Too deep, or too long a number: JSON all the same.
        reason = str(ruling.error).partition("\n")[0]
        message = f"SolarNetwork's parser refuses this: {reason}"
        return Finding("transport", "json", "error", "", message, source="observed")
    hint = "a message is a JSON object"
    if isinstance(ruling.document.value, str) and ruling.document.value.lstrip().startswith("{"):
        hint = "it is JSON inside a JSON string: encode the message once only"
    return Finding("transport", "document", "error", "", "is JSON, but not an object", hint)


def _violations(action: str, document: Document | None) -> Iterator[Finding]:
    if action in ACTIONS and document is not None:
        yield from _explained(judge(action, document), document)


def _explained(
    violations: list[Violation] | tuple[Violation, ...], document: Document
) -> Iterator[Finding]:
    for each in violations:
        remedy = hint(each, _value_at(document.value, each.pointer))
        yield Finding("schema", each.rule, "error", each.pointer, each.message, remedy)


def _value_at(value: object, pointer: str) -> object:
    for token in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(token)]
        elif isinstance(value, dict):
            value = value.get(token.replace("~1", "/").replace("~0", "~"))
    return value


def _undecodable(error: DecodeError, severity: str) -> Finding:
    is_time = error.pointer.endswith(("_time", "_at"))
    return Finding(
        "schema",
        "date_times" if is_time else "number",
        "error" if severity == "error" else "warning",
        error.pointer,
        "SolarNetwork cannot read this time" if is_time else "is more than a 64-bit float can hold",
        "write an upper-case T, then Z or +hh:mm, with no or exactly three fraction digits"
        if is_time
        else "give a number below 1.8e308",
        "observed",
    )


def _difference(action: str, text: str, behaviour: Behaviour, ruling: Verdict) -> Iterator[Finding]:
    """Yields where the guide and the service part over this message."""
    side: Fidelity = "documented" if behaviour.fidelity == "observed" else "observed"
    other = verdict(action, text, Behaviour(side))
    if ruling.stage is not None and other.stage is None:
        who = "guide" if side == "documented" else "running service"
        rule = "asset_measurements" if ruling.stage == "schema-lookup" else "date_times"
        yield Finding("schema", rule, "info", "", f"the {who} lets this through", source=side)
    elif ruling.stage is None and isinstance(other.cause, DecodeError):
        yield _undecodable(other.cause, "warning")
    elif ruling.stage is None:
        yield from (_refused_elsewhere(each, side) for each in _refusal(action, other))
    if action == "UpdateGroupCapacityForecast" and ruling.stage is None:
        yield Finding(
            "transport",
            "group_forecasts",
            "warning",
            "",
            "SolarNetwork queues this and declines it on delivery: a Capacity Provider has no "
            "path for it",
            "ask for other values with AdjustGroupCapacityForecast",
            "observed",
        )


def _refused_elsewhere(refusal: Finding, side: Fidelity) -> Finding:
    """Answers with a refusal of the side that is not followed, as a warning."""
    message = refusal.message
    if side == "documented":
        message = f"the guide does not let this through: {message}"
    elif refusal.rule == "format":
        # The schema's own words speak of RFC 3339, which allows this.
        message = "SolarNetwork cannot read this time"
    return replace(refusal, severity="warning", message=message, source=side)

"""Judging a message before production does: what is wrong, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from oscp_schemas import ACTIONS, Document, JsonError, Violation, escape_pointer, judge, read
from oscp_schemas.catalogue import BASE_URI, document, document_name
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Judgement, Stage
from oscp_send.hints import hint, near
from oscp_send.meaning import judge_meaning
from oscp_send.solarnetwork import json_reading, texts
from oscp_send.solarnetwork.decoding import DecodeError, decode
from oscp_send.solarnetwork.texts import schema_error

if TYPE_CHECKING:
    from oscp_schemas.date_time import Fidelity

__all__ = ["INSTRUCTION_ACTIONS", "Verdict", "check", "judge_properties", "verdict"]


# § Would SolarUser queue a message: the checks of its queue hook that concern the message alone.
#
# The order is the service's (SolarUser dossier §3.1, checks 10 to 12), and so are the texts.

INSTRUCTION_ACTIONS: tuple[str, ...] = (
    "AdjustGroupCapacityForecast",
    "GroupCapacityComplianceError",
    "Handshake",
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
)

_LONG_NUMBER = re.compile(rf"[-+.0-9eE]{{{json_reading.MAXIMUM_NUMBER_LENGTH + 1}}}")
# The text of the exception is not specified; only that it is this one (inferred).
_NULL_MESSAGE = 'Cannot invoke "tools.jackson.databind.JsonNode.getNodeType()": node is null'


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the queue hook says of a message.

    Attributes:
        stage: Where the message is refused; None when it is taken.
        error: The text of the refusal.
        document: The message as read; None where it is no JSON.
        violations: What the schema refuses, at stage `schema`.
        cause: The exception behind a refusal at stage `json` or `decode`.
        decoded: What SolarNetwork keeps of a message that it takes.
    """

    stage: Stage | None = None
    error: str | None = None
    document: Document | None = None
    violations: tuple[Violation, ...] = ()
    cause: JsonError | DecodeError | None = None
    decoded: Mapping[str, Any] | None = None


def verdict(action: str, text: str, behaviour: Behaviour) -> Verdict:
    """Answers with what SolarUser would make of `msg` for an action.

    Args:
        action: The `action` parameter, known or not.
        text: The whole `msg` parameter, its parts joined.
        behaviour: Which side of each difference to follow.
    """
    if action not in INSTRUCTION_ACTIONS:
        return Verdict("action", texts.unsupported_action(action), _readable(text))
    if not text:
        return Verdict("document", texts.missing_message(action))
    if not text.strip():
        return Verdict("document", texts.not_an_object(action))
    try:
        document = read(text)
    except JsonError as error:
        message = json_reading.parser_message(error)
        return Verdict("json", _json_error(action, message, behaviour), cause=error)
    return _limits(action, document, behaviour) or _judged(action, document, behaviour)


def _limits(action: str, document: Document, behaviour: Behaviour) -> Verdict | None:
    """Refuses what the service's parser gives up on (OSCP dossier §9.1); the scan is slow."""
    text = document.text
    if text.count("{") + text.count("[") > json_reading.MAXIMUM_DEPTH:
        depth = document.depth
        if depth > json_reading.MAXIMUM_DEPTH:
            message = json_reading.too_deep(json_reading.MAXIMUM_DEPTH + 1)
            return Verdict("json", _json_error(action, message, behaviour), document)
    if _LONG_NUMBER.search(text) and document.longest_number > json_reading.MAXIMUM_NUMBER_LENGTH:
        message = json_reading.too_long_a_number(document.longest_number)
        return Verdict("json", _json_error(action, message, behaviour), document)
    return None


def _judged(action: str, document: Document, behaviour: Behaviour) -> Verdict:
    if document.value is None:
        return Verdict("document", _NULL_MESSAGE, document)
    if not isinstance(document.value, dict):
        return Verdict("document", texts.not_an_object(action), document)
    if action == "UpdateAssetMeasurement" and behaviour.follows_service("asset_measurements"):
        # The file is update-asset-measurements.json; the service looks for the singular.
        error = f"java.io.FileNotFoundException: {BASE_URI}update-asset-measurement.json"
        return Verdict("schema-lookup", error, document)
    violations = judge(action, document, fidelity=behaviour.side("date_times"))
    if violations:
        return Verdict("schema", schema_error(action, violations), document, tuple(violations))
    try:
        decoded = decode(action, document.value, behaviour)
    except DecodeError as error:
        return Verdict("decode", error.text + json_reading.SOURCE, document, cause=error)
    return Verdict(document=document, decoded=decoded)


def _json_error(action: str, message: str, behaviour: Behaviour) -> str:
    if behaviour.follows_service("malformed_message"):
        return message + json_reading.SOURCE
    return texts.invalid_json(action, message)


def _readable(text: str) -> Document | None:
    try:
        return read(text)
    except JsonError:
        return None


# § What a schema lets through and SolarNetwork drops, mends or mangles without a word.


def judge_properties(action: str, message: Document) -> Iterator[Finding]:
    """Yields what would silently become another message on its way.

    Properties that OSCP 2.0 does not know, names given twice, halves of surrogate pairs, and a
    handshake that says nothing (OSCP dossier §3.1, §3.5 and §9.1).
    """
    for pointer in message.duplicate_keys:
        name = pointer.rpartition("/")[2]
        yield _warning("duplicate-key", pointer, f'"{name}" is given twice; the last one counts')
    for pointer in message.lone_surrogates:
        yield _warning(
            "surrogate",
            pointer,
            "holds half a surrogate pair, which is no character and cannot be delivered whole",
            "write the character itself, or both halves of its \\u escapes",
        )
    if action in ACTIONS:
        yield from _unknown(message.value, document_name(action), "")
    if action == "Handshake" and message.value == {}:
        yield _warning(
            "empty-handshake",
            "",
            "asks for nothing: a Flexibility Provider's own endpoint answers it with 422",
            "give required_behaviour with its measurement_configuration",
        )


def _warning(rule: str, pointer: str, message: str, hint: str = "") -> Finding:
    return Finding("schema", rule, "warning", pointer, message, hint, "observed")


def _unknown(value: object, name: str, pointer: str) -> Iterator[Finding]:
    known = _properties(name)
    if not isinstance(value, Mapping) or not known:
        return
    for key, member in value.items():
        place = f"{pointer}/{escape_pointer(key)}"
        if key not in known:
            yield _warning(
                "unknown-property",
                place,
                f'"{key}" is no OSCP 2.0 property; SolarNetwork drops it',
                _meant(key, name),
            )
            continue
        target = known[key]
        if isinstance(member, list):
            for index, item in enumerate(member):
                yield from _unknown(item, target, f"{place}/{index}")
        else:
            yield from _unknown(member, target, place)


def _meant(key: str, name: str) -> str:
    known = _properties(name)
    meant = near(key, known)
    if meant:
        return f'did you mean "{meant}"?'
    for parent, target in known.items():
        inner = near(key, _properties(target))
        if inner:
            return f'"{inner}" belongs inside "{parent}"'
    return ""


@cache
def _properties(name: str) -> Mapping[str, str]:
    """Answers with the properties of a schema document, each with its own document's name."""
    properties: Mapping[str, Any] = document(name).get("properties", {}) if name else {}
    return {
        key: each.get("$ref") or each.get("items", {}).get("$ref", "")
        for key, each in properties.items()
    }


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

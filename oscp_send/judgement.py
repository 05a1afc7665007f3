"""Judge a message before SolarUser does: what is wrong, where, and what to do.

`verdict` repeats the checks of SolarUser's queue hook that concern the message alone: 10 to 12 of
solaruser.md §3.1, in that order and with the service's texts. `check` explains the
verdict, compares it with that of the other fidelity, and adds what no service refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from oscp_schemas import ACTIONS, Document, Fidelity, JsonError, Violation, judge
from oscp_schemas.catalogue import BASE_URI, document, document_name
from oscp_schemas.show import make_pointer, pointer_tokens
from oscp_schemas.validate import MOST_VIOLATIONS
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Judgement, Severity, Stage, bounded
from oscp_send.hints import hint, near
from oscp_send.instruction import split_parameters
from oscp_send.meaning import judge_meaning
from oscp_send.messages import MESSAGES
from oscp_send.queue_size import MQTT_LIMIT, judge_size, queue_size, too_large
from oscp_send.solarnetwork import json_reading, texts
from oscp_send.solarnetwork.decoding import DecodeError, decode
from oscp_send.solarnetwork.json_reading import Mistake

#: The actions of an instruction. `UpdateAssetMeasurement` is singular here, its schema is not.
INSTRUCTION_ACTIONS: Final = tuple(MESSAGES)

# The exception is specified, its text is not (inferred).
_NULL_MESSAGE: Final = (
    'Cannot invoke "tools.jackson.databind.JsonNode.isObject()" because "node" is null'
)


def check(
    action: str,
    text: str | Document,
    fidelity: Fidelity | Behaviour = "documented",
    *,
    now: datetime | None = None,
    mqtt_limit: int = MQTT_LIMIT,
) -> Judgement:
    """Return what SolarUser would do with a message, and all findings about it.

    Args:
        action: The OSCP message name, as in the `action` parameter.
        text: The whole `msg` parameter, or the document that was read from it.
        fidelity: `documented` follows the guide and the specification, `observed` SolarNetwork's
            code; a finding says where the two differ.
        now: The time to compare a heartbeat with, the system's by default; blocks are past only
            where it is given.
        mqtt_limit: The bytes that the message may have in SolarNetwork's queue, whatever the ids
            that go with it.

    Raises:
        ValueError: The fidelity is unknown.
    """
    behaviour = Behaviour.of(fidelity)
    ruling = verdict(action, text, behaviour)
    findings = [*_refusal(action, ruling), *_difference(action, behaviour, ruling)]
    if ruling.document is not None:
        findings += judge_properties(action, ruling.document)
        moment, past = now or datetime.now(UTC), now is not None
        findings += judge_meaning(ruling.document.value, moment, past_blocks=past)
    stage, error = ruling.stage, ruling.error
    if ruling.document is not None and ruling.decoded is not None:
        pieces = split_parameters([("msg", ruling.document.text)])
        size = queue_size(action, ruling.decoded, pieces)
        sized = list(judge_size(size, mqtt_limit, behaviour, ruling.decoded))
        findings += sized
        if any(each.severity == "error" for each in sized):
            stage, error = "size", too_large(mqtt_limit, size.least)
    return Judgement(action, stage is None, stage, error, tuple(findings))


def accepts(action: str, text: str | Document) -> bool:
    """Return whether SolarUser would queue a message, as `check` says, without the findings."""
    # Only the running service refuses one for its size.
    return verdict(action, text, Behaviour.of("documented")).stage is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the queue hook decides about a message.

    Attributes:
        stage: The check that refuses the message; None when it is accepted.
        document: The message as read; None where it is not JSON.
        violations: What the schema refuses, at stage `schema`.
        cause: The exception behind a refusal at stage `json` or `decode`.
        decoded: What SolarNetwork keeps of a message that it accepts.
    """

    stage: Stage | None = None
    error: str | None = None
    document: Document | None = None
    violations: tuple[Violation, ...] = ()
    cause: JsonError | DecodeError | None = None
    decoded: Mapping[str, Any] | None = None


def verdict(action: str, text: str | Document, behaviour: Behaviour) -> Verdict:
    """Return what SolarUser's queue hook decides about the whole `msg` parameter of an action."""
    message = text if isinstance(text, Document) else json_reading.read_json(text)
    if action not in INSTRUCTION_ACTIONS:
        readable = message if isinstance(message, Document) else None
        return Verdict("action", texts.unsupported_action(action), readable)
    if text == "":
        return Verdict("document", texts.missing_message(action))
    if isinstance(text, str) and not text.strip():
        return Verdict("document", texts.not_an_object(action))
    source = text.text if isinstance(text, Document) else text
    said = json_reading.mistake(message, source)
    error = _json_error(action, said, behaviour) if said else None
    if isinstance(message, JsonError):
        return Verdict("json", error, cause=message)
    return Verdict("json", error, message) if said else _judged(action, message, behaviour)


def _judged(action: str, message: Document, behaviour: Behaviour) -> Verdict:
    if message.value is None:
        return Verdict("document", _NULL_MESSAGE, message)
    if not isinstance(message.value, dict):
        return Verdict("document", texts.not_an_object(action), message)
    if action == "UpdateAssetMeasurement" and behaviour.follows_service("asset_measurements"):
        # The file is update-asset-measurements.json; the service looks for the singular.
        error = f"java.io.FileNotFoundException: {BASE_URI}update-asset-measurement.json"
        return Verdict("schema-lookup", error, message)
    violations = judge(action, message, fidelity=behaviour.side("date_times"))
    if violations:
        return Verdict("schema", texts.schema_error(action, violations), message, tuple(violations))
    try:
        decoded = decode(action, message.value, behaviour)
    except DecodeError as error:
        return Verdict("decode", error.text, message, cause=error)
    return Verdict(document=message, decoded=decoded)


def _json_error(action: str, said: Mistake, behaviour: Behaviour) -> str:
    if behaviour.follows_service("malformed_message"):
        return said.placed
    return texts.invalid_json(action, said.text)


def _refusal(action: str, ruling: Verdict) -> Iterator[Finding]:
    """Yield the findings that explain a refusal."""
    if isinstance(ruling.cause, JsonError):
        yield Finding("transport", "json", "error", "", f"not JSON: {ruling.cause}")
    elif isinstance(ruling.cause, DecodeError):
        yield _undecodable(ruling.cause, "error")
    elif ruling.stage == "action":
        yield _unsupported(action)
        yield from _violations(action, ruling.document)
    elif ruling.stage == "schema-lookup":
        what = (
            "SolarNetwork cannot find its schema for UpdateAssetMeasurement and declines every one"
        )
        remedy = "send UpdateGroupMeasurements instead"
        yield Finding("schema", "schema-lookup", "error", "", what, remedy, "observed")
        yield from _violations(action, ruling.document)
    elif ruling.stage == "schema" and ruling.document is not None:
        yield from _explained(action, ruling.violations, ruling.document)
    elif ruling.stage is not None:
        yield _not_a_message(ruling)


def _unsupported(action: str) -> Finding:
    meant = near(action, INSTRUCTION_ACTIONS)
    if meant:
        remedy = f'did you mean "{meant}"?'
    else:
        remedy = f"an instruction's action is one of {', '.join(INSTRUCTION_ACTIONS)}"
    what = f'"{action}" cannot be sent as an instruction'
    return Finding("transport", "action", "error", "", what, remedy)


def _not_a_message(ruling: Verdict) -> Finding:
    if ruling.document is None:
        return Finding("transport", "document", "error", "", "there is no message")
    if ruling.stage == "json":
        # It is JSON, but too deep, or a number in it is too long.
        what = f"SolarNetwork's parser refuses this: {ruling.error}"
        return Finding("transport", "json", "error", "", what, source="observed")
    remedy = "a message is a JSON object"
    value = ruling.document.value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        remedy = "it is JSON inside a JSON string: encode the message only once"
    return Finding("transport", "document", "error", "", "is JSON, but not an object", remedy)


def _violations(action: str, message: Document | None) -> Iterator[Finding]:
    """Yield what the schema would refuse in a message that is refused before it is asked."""
    if action in ACTIONS and message is not None:
        yield from _explained(action, judge(action, message), message)


def _explained(
    action: str, violations: Iterable[Violation], message: Document
) -> Iterator[Finding]:
    for each in violations:
        known = _properties(_name_at(action, each.pointer)) if each.rule == "required" else ()
        remedy = hint(each, _value_at(message.value, each.pointer), known)
        yield Finding("schema", each.rule, "error", each.pointer, each.message, remedy)


def _value_at(value: object, pointer: str) -> object:
    for token in pointer_tokens(pointer):
        if isinstance(value, list):
            value = value[int(token)]
        elif isinstance(value, dict):
            value = value.get(token)
    return value


def _name_at(action: str, pointer: str) -> str:
    """Return the name of the schema document of an object in a message."""
    name = _name_of(action)
    for token in pointer_tokens(pointer):
        name = name if token.isdecimal() else _properties(name)[token]
    return name


def _undecodable(error: DecodeError, severity: Severity) -> Finding:
    if error.pointer.endswith("_time"):
        rule, what = "date_times", "SolarNetwork cannot read this time"
        remedy = "write an upper-case T, then Z or +hh:mm, with no or exactly three fraction digits"
    else:
        rule, what = "number", "is more than a 64-bit float can hold"
        remedy = "give a number below 1.8e308"
    return Finding("schema", rule, severity, error.pointer, what, remedy, "observed")


def _difference(action: str, behaviour: Behaviour, ruling: Verdict) -> Iterator[Finding]:
    """Yield where the guide and the service decide differently about this message."""
    if ruling.document is None:
        return  # the two decide alike
    side: Fidelity = "documented" if behaviour.fidelity == "observed" else "observed"
    other = verdict(action, ruling.document, Behaviour.of(side))
    if ruling.stage is not None:
        if other.stage is None:
            rule = "asset_measurements" if ruling.stage == "schema-lookup" else "date_times"
            who = "guide" if side == "documented" else "running service"
            yield Finding("schema", rule, "info", "", f"the {who} accepts this", source=side)
        return
    if isinstance(other.cause, DecodeError):
        yield _undecodable(other.cause, "warning")
    else:
        yield from (_refused_elsewhere(each, side) for each in _refusal(action, other))
    if action == "UpdateGroupCapacityForecast":
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


def judge_accepted(action: str, message: Document, behaviour: Behaviour) -> Iterator[Finding]:
    """Yield where the other side decides differently about a message that is accepted."""
    return _difference(action, behaviour, Verdict(document=message))


def _refused_elsewhere(refusal: Finding, side: Fidelity) -> Finding:
    """Return a refusal of the side that is not followed, as a warning."""
    message = refusal.message
    if side == "documented":
        message = f"the guide does not allow this: {message}"
    elif refusal.rule == "format":
        # The schema's own words name RFC 3339, which allows this.
        message = "SolarNetwork cannot read this time"
    return replace(refusal, severity="warning", message=message, source=side)


def judge_properties(action: str, message: Document) -> Iterator[Finding]:
    """Yield what the schema lets through and SolarNetwork drops or changes silently.

    That is: properties that OSCP 2.0 does not know, names given twice, halves of surrogate pairs,
    and a handshake that asks for nothing (oscp20.md §3.1, §3.5 and §9.1).
    """
    return bounded(_dropped(action, message))


def _dropped(action: str, message: Document) -> Iterator[Finding]:
    for pointer in message.duplicate_keys:
        name = pointer.rpartition("/")[2]
        yield _warning("duplicate-key", pointer, f'"{name}" is given twice; the last one counts')
    for pointer in message.lone_surrogates:
        yield _warning(
            "surrogate",
            pointer,
            "holds half a surrogate pair, which is not a character and cannot be delivered whole",
            "write the character itself, or both halves of its \\u escapes",
        )
    if action in ACTIONS:
        for number, (path, known) in enumerate(_unknown(message.value, _name_of(action), ())):
            what = f'"{path[-1]}" is not an OSCP 2.0 property; SolarNetwork drops it'
            # To guess takes long, and of very many none but the first are listed.
            remedy = _meant(str(path[-1]), known) if number < MOST_VIOLATIONS else ""
            yield _warning("unknown-property", make_pointer(path), what, remedy)
    if action == "Handshake" and message.value == {}:
        yield _warning(
            "empty-handshake",
            "",
            "asks for nothing: a Flexibility Provider's own endpoint answers it with 422",
            "give required_behaviour with its measurement_configuration",
        )


_name_of = cache(document_name)


def _warning(rule: str, pointer: str, message: str, remedy: str = "") -> Finding:
    return Finding("schema", rule, "warning", pointer, message, remedy, "observed")


def _unknown(
    value: object, name: str, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, str]]]:
    """Yield the path of each unknown property, and those that are known beside it."""
    known = _properties(name)
    if not isinstance(value, Mapping) or not known:
        return
    # A block, as a day has 96 of.
    if value.keys() <= known.keys() and not _holds_objects(name):
        return
    for key, member in value.items():
        if key not in known:
            yield (*path, key), known
        elif isinstance(member, list):
            for index, item in enumerate(member):
                yield from _unknown(item, known[key], (*path, key, index))
        else:
            yield from _unknown(member, known[key], (*path, key))


def _meant(key: str, known: Mapping[str, str]) -> str:
    meant = near(key, known)
    if meant:
        return f'did you mean "{meant}"?'
    for parent, target in known.items():
        inner = near(key, _properties(target))
        if inner:
            return f'"{inner}" belongs inside "{parent}"'
    return ""


@cache
def _holds_objects(name: str) -> bool:
    """Return whether the objects of a schema document have others within that it describes."""
    return any(map(_properties, _properties(name).values()))


@cache
def _properties(name: str) -> Mapping[str, str]:
    """Return the properties of a schema document, each with the name of its own document."""
    properties: Mapping[str, Any] = document(name).get("properties", {}) if name else {}
    return {
        key: each.get("$ref") or each.get("items", {}).get("$ref", "")
        for key, each in properties.items()
    }

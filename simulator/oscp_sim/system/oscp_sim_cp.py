"""SolarNetwork's own Capacity Provider simulator: how it reads a message, and what it refuses.

As measured (oscp20.md §6): its framework reads a body into the message's class, without a schema;
then it asks for the token, where it does at all, and for what it cannot do without. What the class
makes of other JSON types than its own is as at the Flexibility Provider (inferred; §9.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from oscp_schemas import Document, JsonError, Violation, judge
from oscp_schemas.catalogue import document, document_names
from oscp_send.findings import Finding
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.dates import DateRefused, read_message_time, timestamp
from oscp_sim.http import Response, respond
from oscp_sim.system.call import Call, Refused

# A request without a good token is let in until its body is read.
_WITHOUT_TOKEN: Final = frozenset({"X1", "X3", "X4", "X5"})
_FOR_ANYBODY: Final = frozenset({"AdjustGroupCapacityForecast", "GroupCapacityComplianceError"})
# What must not be null, as the program names it; a Register's token and assets are (inferred).
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "Handshake": ("required_behaviour",),
    "HandshakeAcknowledge": ("required_behaviour",),
    "Heartbeat": ("input.offline_mode_at",),
    "Register": ("version_url", "token"),
    "UpdateGroupMeasurements": ("input.group_id",),
    "UpdateAssetMeasurement": ("input.group_id",),
}
# The Java method of each message, which a text names; those of the last two are (inferred).
_METHODS: Final[Mapping[str, str]] = {
    "AdjustGroupCapacityForecast": "CapacityForecastController.register20",
    "GroupCapacityComplianceError": "GroupCapacityComplianceErrorController.register20",
    "Handshake": "HandshakeController.handshake20",
    "HandshakeAcknowledge": "HandshakeController.handshakeAck20",
    "Heartbeat": "HeartbeatController.heartbeat20",
    "UpdateGroupMeasurements": "MeasurementsController.updateGroupMeasurements20",
    "Register": "RegistrationController.register20",
    "UpdateAssetMeasurement": "MeasurementsController.updateAssetMeasurements20",
}
_TAKEN: Final = "oscp-sim-cp takes it anyway; SolarUser and others would not"


def read_message(call: Call) -> None:
    """Read a message, and refuse it where the program does.

    Raises:
        Refused: It cannot be read, its token is not good, or something is missing.
    """
    action = call.action or ""
    parsed = _parsed(call.request.body, action)
    violations = judge(action, parsed)
    _check_classes(violations)
    _check_times(parsed.value)
    call.message = parsed.value
    # A Register holds a token, which the text may quote.
    secret = "the schema does not allow this" if action == "Register" else None
    call.findings.extend(
        Finding("schema", each.rule, "warning", each.pointer, secret or each.message, _TAKEN)
        for each in violations
    )
    if action not in _FOR_ANYBODY and _WITHOUT_TOKEN & {each.rule for each in call.findings}:
        raise Refused("token", "Internal error")
    for name in _NEEDED.get(action, ()):
        value = call.content.get(name.removeprefix("input."))
        if value is None or (action == "Heartbeat" and not str(value).strip()):
            raise Refused("argument", f"Illegal argument: The {name} argument must not be null.")


_AS_JSON: Final = ("Content-Type", "application/json")
_DEPENDS_ON: Final = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
#: What every answer says besides; the container's errors say it in one header.
VARY: Final = tuple(("Vary", name) for name in _DEPENDS_ON)
_VARY_IN_ONE: Final = ("Vary", ",".join((*_DEPENDS_ON, "accept-encoding")).lower())
_BY_CONTAINER: Final = frozenset({"X13", "X14", "X18", "X20", "path"})


def refusal(call: Call, refused: Refused, status: int) -> Response:
    """Return the answer that refuses a message."""
    if call.request.method == "HEAD":
        return _container_error(call, HTTPStatus.UNAUTHORIZED)
    if refused.case in _BY_CONTAINER:
        return _container_error(call, status)
    if refused.case == "versions":
        return respond(status, b"", headers=[*VARY, ("X-Error-Message", str(refused))])
    unread = {"code": "WEB.00200"} if refused.case in {"json", "schema"} else {}
    return _with_body(status, {"success": False, **unread, "message": str(refused)}, VARY)


def _container_error(call: Call, status: int) -> Response:
    """Return an error of the container, with its time to the millisecond."""
    now = call.now.replace(microsecond=call.now.microsecond // 1000 * 1000)
    content = {
        "timestamp": timestamp(now),
        "status": status,
        "error": HTTPStatus(status).phrase,
        "path": call.request.path,
        "success": False,
    }
    right = {405: ("Allow", "POST"), 415: ("Accept", "application/json")}.get(status)
    return _with_body(status, content, (*([right] if right else []), _VARY_IN_ONE))


def _with_body(
    status: int, content: Mapping[str, object], headers: tuple[tuple[str, str], ...]
) -> Response:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return respond(status, text.encode("utf-8", "replace"), headers=(*headers, _AS_JSON))


# --- the body ------------------------------------------------------------------------------------


def _parsed(body: bytes | None, action: str) -> Document:
    if body is None:
        raise Refused("X18", "the body is too large")
    if not body:
        raise _no_body(action)
    text = json_reading.decoded(body)
    parsed = json_reading.read_json(text)
    said = json_reading.mistake(parsed, text, _java(action))
    if said is not None:
        # An unquoted word in a Register may be its token.
        raise _unreadable(said.without_word() if action == "Register" else said.text)
    if isinstance(parsed, JsonError) or parsed.value is None:
        raise _no_body(action)
    return parsed


def _no_body(action: str) -> Refused:
    return Refused(
        "json",
        "Required request body is missing: public org.springframework.http.ResponseEntity"
        f"<java.lang.Void> net.solarnetwork.oscp.sim.cp.v20.web.{_METHODS[action]}"
        f"({_java(action)},org.springframework.web.context.request.WebRequest)",
    )


def _unreadable(why: str) -> Refused:
    return Refused("schema", f"JSON parse error: {why}")


def _java(title: str) -> str:
    """Return the name of a schema's class."""
    return f"oscp.v20.{_WITHIN.get(title, '')}{title}"


# The classes that are declared within another one.
_WITHIN: Final[Mapping[str, str]] = {
    "CapacityForecastType": "AdjustGroupCapacityForecast$",
    "ForecastedBlockUnit": "ForecastedBlock$",
    "PhaseIndicator": "ForecastedBlock$",
}


@cache
def _titles() -> Mapping[tuple[str, ...], str]:
    """Return the class of each enumeration that has a name, by its values."""
    found = map(document, document_names())
    return {tuple(each["enum"]): _java(each["title"]) for each in found if "enum" in each}


def _check_classes(violations: Sequence[Violation]) -> None:
    """Refuse what the classes cannot hold; they turn numbers into texts, and the other way."""
    for each in violations:
        is_text = isinstance(each.got, str)
        if each.got is None or each.rule not in {"enum", "type"}:
            continue
        if each.rule == "enum" and isinstance(each.expected, list):
            title = _titles().get(tuple(each.expected), "java.lang.Enum")
            raise _unreadable(f"Cannot construct instance of `{title}`, problem: {each.got}")
        is_number = is_text and _NUMBER.fullmatch(str(each.got).strip()) is not None
        is_plain = not isinstance(each.got, list | Mapping)
        if not {"number": is_number, "string": is_plain}.get(str(each.expected), False):
            raise _unreadable(_wrong_type(str(each.expected), each.got))


_NUMBER: Final = re.compile(r"([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?", re.ASCII)
_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {"number": "java.lang.Double", "string": "java.lang.String", "array": "java.util.ArrayList"}
)


def _wrong_type(expected: str, got: object) -> str:
    """Return the parser's text; the class of an object, and other tokens, are left out of it."""
    of = _CLASSES.get(expected, "java.lang.Object")
    kind, token = "String", "VALUE_STRING"
    if isinstance(got, list | Mapping):
        kind = "Array" if isinstance(got, list) else "Object"
        token = f"START_{kind.upper()}"
    return f"Cannot deserialize value of type `{of}` from {kind} value (token `JsonToken.{token}`)"


_TIMES: Final = frozenset(
    {"start_time", "end_time", "measure_time", "initial_measure_time", "offline_mode_at"}
)


def _check_times(value: object, name: str = "") -> None:
    """Refuse a time that the classes cannot read."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            _check_times(each, key)
    elif isinstance(value, list):
        for each in value:
            _check_times(each)
    elif isinstance(value, str) and name in _TIMES:
        try:
            read_message_time(value)
        except DateRefused as refused:
            raise _unreadable(refused.deserializing) from None

"""Judging a whole request body before SolarUser does: the request, its parameters, its message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from oscp_schemas import Document, JsonError, escape_pointer, read
from oscp_schemas.show import preview
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Judgement, Severity, Stage
from oscp_send.hints import near
from oscp_send.instruction import TOPIC, join_parameters, split_parameters
from oscp_send.judgement import check
from oscp_send.solarnetwork import texts
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_send.solarnetwork.request_body import (
    BodyRefused,
    InstructionBody,
    read_body,
    read_epoch,
    read_timestamp,
)
from oscp_send.solarnetwork.texts import Unaddressed, read_address

if TYPE_CHECKING:
    from oscp_schemas.date_time import Fidelity

__all__ = [
    "GivenParameters",
    "RequestJudgement",
    "RequestStage",
    "check_request",
    "is_for_another_group",
    "judge_keys",
    "judge_parameters",
    "judge_relations",
]


# § Why SolarUser would not understand a request body: its top-level keys, their order, their
# values.
#
# Its reader knows certain keys and loses its place at any other (SolarUser dossier §1.2 and
# §1.4). The verdict is that of `solarnetwork.request_body`; here stands what a person needs to
# know of it.

_NEEDED = ("nodeId", "params", "parameters")
_WANTED = (*_NEEDED, "topic", "instructionDate", "expirationDate")
_IGNORED = ("id", "created", "state", "statusDate", "resultParameters")
_ONLY = "send nodeId and params, expirationDate if it is wanted, and nothing else"
_LONGEST_LIST = 3
#: How long an instruction may wait to be claimed (as observed in SolarNetwork).
_STALE = timedelta(seconds=30)
_DATE_FORM = 'write it as "2026-03-01 00:15:00Z"'

Member = tuple[str, object]


def judge_keys(
    body: Mapping[str, object], duplicates: Sequence[str], now: datetime
) -> Iterator[Finding]:
    """Yields what is wrong with the top-level keys of a request body.

    Args:
        body: The parsed body, its keys in the order of the text.
        duplicates: Pointers of the properties that are given more than once.
        now: The time against which dates are held.
    """
    members = list(body.items())
    for place, (key, value) in enumerate(members):
        if key not in _WANTED and key not in _IGNORED:
            yield from _unknown(key, value, members[place + 1 :])
    if "nodeId" not in body:
        yield _missing("nodeId", "is missing: SolarUser needs a node to find its owner", body)
    for key in duplicates:
        if key.count("/") == 1:
            yield _finding("duplicate-key", "warning", key, "is given twice; the last one counts")
    for key, value in members:
        yield from _VALUES.get(key, _ignored)(key, value, now)
    yield from _parameters(body)


def _finding(rule: str, severity: Severity, pointer: str, message: str, hint: str = "") -> Finding:
    return Finding("transport", rule, severity, pointer, message, hint, "observed")


def _unknown(key: str, value: object, later: Sequence[Member]) -> Iterator[Finding]:
    pointer = f"/{escape_pointer(key)}"
    meant = near(key, _WANTED)
    hint = f'did you mean "{meant}"?' if meant else _ONLY
    if key == "nodeIds":
        hint = "a JSON request has one nodeId; for several nodes, send several requests"
    if _holds_object(value):
        what = "the object in it makes SolarUser refuse the request"
        yield _finding(
            "unknown-key", "error", pointer, f"is no key of an instruction: {what}", hint
        )
        return
    lost = [name for name, _ in later]
    harmful = any(name in _NEEDED or _holds_object(item) for name, item in later)
    what = f"SolarUser reads nothing behind it, so it loses {_listed(lost)}"
    yield _finding(
        "unknown-key",
        "error" if harmful else "warning",
        pointer,
        f"is no key of an instruction: {what if lost else 'SolarUser passes it over'}",
        hint,
    )


def _holds_object(value: object) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            return True
        if isinstance(item, list):
            waiting += item
    return False


def _missing(key: str, what: str, body: Mapping[str, object]) -> Finding:
    meant = near(key, [name for name in body if name not in _WANTED])
    hint = f'"{meant}" is not read: write "{key}"' if meant else f'add "{key}"'
    return _finding("missing", "error", "", f"{key} {what}", hint)


def _parameters(body: Mapping[str, object]) -> Iterator[Finding]:
    given = [key for key in body if key in {"params", "parameters"}]
    if not given:
        yield _missing("params", "are missing: the action and the message are in them", body)
        return
    for key in given[:-1]:
        what = f'is the same to SolarUser as "{given[-1]}", which comes later and replaces it'
        yield _finding("parameters", "warning", f"/{key}", what, "give one of the two")
    if not isinstance(body[given[-1]], Mapping | list):
        what = f"is {preview(body[given[-1]])}: SolarUser reads no parameters from it"
        hint = 'give an object of texts: {"action": "...", "coId": "1", ...}'
        yield _finding("parameters", "error", f"/{given[-1]}", what, hint)


def _node(_: str, value: object, __: datetime) -> Iterator[Finding]:
    if value is None or isinstance(value, bool):
        what = f"is {preview(value)}: SolarUser takes it as missing"
        yield _finding("nodeId", "error", "/nodeId", what, "give the number of the node")
    elif isinstance(value, float | Decimal) and value != int(value):
        what = f"is {preview(value)}: SolarUser cuts it to {int(value)}"
        yield _finding("nodeId", "warning", "/nodeId", what, "give a whole number")
    elif isinstance(value, Mapping | list) or not _is_long(value):
        what = f"is {preview(value)}: that is no 64-bit whole number"
        yield _finding("nodeId", "error", "/nodeId", what, "give the number of the node")


def _is_long(value: object) -> bool:
    text = value if isinstance(value, str) else str(int(value))  # type: ignore[call-overload]
    try:
        parse_long(text)
    except ValueError:
        return False
    return True


def _topic(_: str, value: object, __: datetime) -> Iterator[Finding]:
    if isinstance(value, Mapping | list):
        what = f"is {preview(value)}, no string: SolarUser loses its place there"
        yield _finding("topic", "error", "/topic", what, f'write "{TOPIC}", or leave it out')
    elif value != TOPIC:
        what = f"is {preview(value)}, not {TOPIC}: only /instr/add/{TOPIC} overrides it"
        hint = f'write "{TOPIC}", or leave it out: the path has it'
        yield _finding("topic", "warning", "/topic", what, hint)


def _date(key: str, value: object, now: datetime) -> Iterator[Finding]:
    if value is None or isinstance(value, bool | list | Mapping):
        what = f"is {preview(value)}: SolarUser refuses the request for it"
        yield _finding("date", "error", f"/{key}", what, "leave it out")
        return
    if isinstance(value, str) and not value.strip():
        return
    try:
        moment = read_timestamp(value) if isinstance(value, str) else read_epoch(str(value))
    except ValueError:
        what = f"is {preview(value)}, which SolarUser cannot read"
        yield _finding("date", "error", f"/{key}", what, _DATE_FORM)
        return
    yield from _past(key, moment, now)


def _past(key: str, moment: datetime, now: datetime) -> Iterator[Finding]:
    shown = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if key == "expirationDate" and moment <= now:
        what = f"is {shown}, which is past: SolarNetwork soon declines what is not finished"
        yield _finding("date", "warning", f"/{key}", what, "set it some minutes ahead")
    if key == "instructionDate" and moment < now - _STALE:
        what = f"is {shown}, over 30 s ago: an instruction that old is set aside undelivered"
        yield _finding("date", "warning", f"/{key}", what, "leave it out")


def _ignored(key: str, _: object, __: datetime) -> Iterator[Finding]:
    if key in _IGNORED:
        yield _finding("ignored-key", "info", f"/{key}", "is read and ignored", "leave it out")


def _nothing(_: str, __: object, ___: datetime) -> Iterator[Finding]:
    yield from ()


def _listed(names: Sequence[str]) -> str:
    shown = [f'"{name}"' for name in names[:_LONGEST_LIST]]
    more = len(names) - _LONGEST_LIST
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


_VALUES: Mapping[str, Callable[[str, object, datetime], Iterator[Finding]]] = MappingProxyType(
    {
        "expirationDate": _date,
        "instructionDate": _date,
        "nodeId": _node,
        "parameters": _nothing,
        "params": _nothing,
        "topic": _topic,
    }
)


# § What becomes of the parameters of a request: dropped, joined, or never reached, and why.
#
# Only texts survive SolarUser's reader (SolarUser dossier §1.3), and what is empty is dropped
# behind it (§2.1); the queue hook then says no more than that something is missing (§3.1).

_NEEDED_PARAMETERS: Final = ("action", "coId", "cgIdentifier", "msg")
_KNOWN: Final = (*_NEEDED_PARAMETERS, "correlationId")
_DROPPED: Final = "SolarUser drops parameters that are not strings"
_LOST: Final = "SolarUser loses its place there and refuses the request"
_WHAT: Final = {
    "action": "the OSCP message name",
    "coId": "the configId of the Capacity Optimizer",
    "cgIdentifier": "the identifier of the Capacity Group",
    "msg": "the message, as a string that holds JSON",
}


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """The parameters as they stand in a request body.

    Attributes:
        pointer: Where they are: `/params` or `/parameters`; of the two the last one counts. Empty
            where there are none.
        value: The object, the list, or whatever else is there.
    """

    pointer: str
    value: object

    @classmethod
    def of(cls, body: object) -> GivenParameters:
        """Finds them in a parsed body."""
        if isinstance(body, Mapping):
            for key in reversed(body):
                if key in {"params", "parameters"}:
                    return cls(f"/{key}", body[key])
        return cls("", None)

    def places(self) -> list[tuple[str, str, object]]:
        """Answers with pointer, name and value of each parameter that has both, in order."""
        if isinstance(self.value, Mapping):
            return [
                (f"{self.pointer}/{escape_pointer(name)}", name, value)
                for name, value in self.value.items()
            ]
        if not isinstance(self.value, list):
            return []
        return [
            (f"{self.pointer}/{index}/value", element["name"], element["value"])
            for index, element in enumerate(self.value)
            if isinstance(element, Mapping)
            and isinstance(element.get("name"), str)
            and "value" in element
        ]

    def place(self, wanted: str) -> str:
        """Answers with the pointer of a parameter's value, the first of its name."""
        found = (pointer for pointer, name, _ in self.places() if name == wanted)
        return next(found, self.pointer)

    def texts(self) -> list[tuple[str, str]]:
        """Answers with the names and texts as they were probably meant, for a body that is refused.

        SolarUser reads no parameters then; these are what it would, were the rest mended.
        """
        return [(name, value) for _, name, value in self.places() if isinstance(value, str)]


def judge_parameters(
    given: GivenParameters,
    left: Mapping[str, str],
    duplicates: Sequence[str] = (),
    *,
    refused: bool = False,
) -> Iterator[Finding]:
    """Yields what is wrong with the parameters of a request body.

    Args:
        given: As they stand in the body.
        left: What is left of them, joined by name.
        duplicates: Pointers of the properties that the body gives more than once.
        refused: Whether SolarUser refuses the body as a whole.
    """
    if not isinstance(given.value, Mapping | list):
        return
    if isinstance(given.value, list):
        yield from _elements(given.pointer, given.value)
    for pointer, name, value in given.places():
        severity: Severity = (
            "error" if name in _NEEDED_PARAMETERS and name not in left else "warning"
        )
        yield from _member(pointer, name, value, severity, is_fatal=refused)
    yield from _repeated(duplicates, given.pointer, left)
    for name in left:
        if name not in _KNOWN:
            yield _unknown_parameter(given.place(name), name)
    yield from _missing_parameter(given, left)
    yield from _unusable(given, left)


def _parameter_finding(
    rule: str, severity: Severity, pointer: str, message: str, hint: str = ""
) -> Finding:
    return Finding("transport", rule, severity, pointer, message, hint)


def _elements(pointer: str, elements: Sequence[object]) -> Iterator[Finding]:
    """Yields what is odd about the list form, `[{"name": ..., "value": ...}]`."""
    for index, element in enumerate(elements):
        place = f"{pointer}/{index}"
        if not isinstance(element, Mapping):
            what = f"is {preview(element)}: SolarUser passes over all but objects"
            yield _parameter_finding(
                "not-object", "warning", place, what, 'give {"name": ..., "value": ...}'
            )
            continue
        for key in ("name", "value"):
            if key not in element:
                what = f"has no {key}: SolarUser gives it that of the element before"
                yield _parameter_finding("inherited", "warning", place, what, f'add "{key}"')
        if not isinstance(element.get("name", ""), str):
            what = f"is {preview(element['name'])}: SolarUser passes over the element"
            yield _parameter_finding("not-text", "warning", f"{place}/name", what, "give a text")


def _member(
    pointer: str, name: str, value: object, severity: Severity, *, is_fatal: bool
) -> Iterator[Finding]:
    """Yields what becomes of one value; the severity is that of losing it."""
    if isinstance(value, Mapping | list):
        yield _nested(pointer, name, value, "error" if is_fatal else severity, is_fatal=is_fatal)
    elif value == "":
        what = f"{name} is empty: SolarUser drops it"
        yield _parameter_finding(
            "empty", severity, pointer, what, f"give {_WHAT.get(name, 'it a text')}"
        )
    elif not isinstance(value, str):
        what = f"{name} is {_kind(value)}: {_DROPPED}"
        yield _parameter_finding("not-text", severity, pointer, what, _as_text(value))
    elif "\0" in value:
        what = f"{name} holds a NUL character, which SolarNetwork's database refuses"
        yield _parameter_finding("nul", "warning", pointer, what)


def _nested(
    pointer: str, name: str, value: object, severity: Severity, *, is_fatal: bool
) -> Finding:
    hint = "give a string"
    if name == "msg":
        hint = 'give the message as a string that holds JSON: "{\\"group_id\\":...}"'
    what = f"{name} is {preview(value)}: {_LOST if is_fatal else _DROPPED}"
    return _parameter_finding("not-text", severity, pointer, what, hint)


def _kind(value: object) -> str:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return f"the number {preview(value)}" if is_number else preview(value)


def _as_text(value: object) -> str:
    return "leave it out, or give a string" if value is None else f'write "{preview(value)}"'


def _repeated(
    duplicates: Sequence[str], pointer: str, left: Mapping[str, str]
) -> Iterator[Finding]:
    for place in duplicates:
        parent, _, name = place.rpartition("/")
        name = name.replace("~1", "/").replace("~0", "~")
        if parent == pointer and name in left:
            what = f"{name} is given twice: SolarUser joins the strings to {preview(left[name])}"
            yield _parameter_finding("duplicate-key", "warning", place, what, "give it once")


def _unknown_parameter(pointer: str, name: str) -> Finding:
    meant = near(name, _KNOWN)
    hint = f'did you mean "{meant}"?' if meant else f"the parameters are {', '.join(_KNOWN)}"
    what = f"{preview(name)} is no parameter of an OSCP instruction: it is stored and ignored"
    return _parameter_finding("unknown-parameter", "warning", pointer, what, hint)


def _missing_parameter(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    # One that is there and was dropped has its finding already.
    known = {name for _, name, _ in given.places()} | left.keys()
    for name in _NEEDED_PARAMETERS:
        if name not in known:
            meant = near(name, [each for each in left if each not in _KNOWN])
            hint = f'"{meant}" is not read: write "{name}"' if meant else f'add "{name}"'
            what = f"{name} is missing: {_WHAT[name]}"
            yield _parameter_finding("missing", "error", given.pointer, what, hint)


def _unusable(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("action", "cgIdentifier"):
        if name in left and not left[name].strip():
            what, hint = f"{name} is blank", f"give {_WHAT[name]}"
            yield _parameter_finding("blank", "error", given.place(name), what, hint)
    try:
        parse_long(left.get("coId", "0"))
    except ValueError:
        what = f"coId is {preview(left['coId'])}, which is no 64-bit whole number"
        hint = f"give {_WHAT['coId']}, in digits and without blanks"
        yield _parameter_finding("coId", "error", given.place("coId"), what, hint)


# § What a message and the parameters beside it say of one another: the group, the forecast meant.

_ADJUST = "AdjustGroupCapacityForecast"
_COMPLIANCE_ERROR = "GroupCapacityComplianceError"


def is_for_another_group(parameters: Mapping[str, str]) -> bool:
    """Tells whether SolarUser declines an instruction for its group (check 13 of dossier §3.1).

    Only an adjustment's `group_id` is held against `cgIdentifier`.
    """
    return parameters.get("action") == _ADJUST and _other_group(parameters) is not None


def judge_relations(
    given: GivenParameters, left: Mapping[str, str], behaviour: Behaviour
) -> Iterator[Finding]:
    """Yields where the group differs, and what becomes of the correlation id (S15).

    Args:
        given: The parameters as they stand in the body.
        left: What is left of them, joined by name.
        behaviour: Decides in `correlation_id` how much it matters that the service loses it.
    """
    group = _other_group(left)
    if group is not None:
        yield _another_group(given, left, group)
    if "correlationId" in left:
        yield Finding(
            "transport",
            "correlation_id",
            "warning" if behaviour.follows_service("correlation_id") else "info",
            given.place("correlationId"),
            "SolarNetwork stores the correlationId and never delivers it",
            "a Capacity Provider that asks for X-Correlation-ID will refuse the message",
            "observed",
        )
    elif left.get("action") == _COMPLIANCE_ERROR:
        yield Finding(
            "meaning",
            "S15",
            "error",
            given.pointer,
            "correlationId is missing: nothing else tells which forecast cannot be complied with",
            "give the X-Request-ID of the UpdateGroupCapacityForecast that is meant",
        )


def _another_group(given: GivenParameters, left: Mapping[str, str], group: str) -> Finding:
    is_refused = is_for_another_group(left)
    return Finding(
        "transport" if is_refused else "meaning",
        "group",
        "error" if is_refused else "warning",
        given.place("cgIdentifier"),
        f"cgIdentifier is {preview(left['cgIdentifier'])}, the message's group_id {preview(group)}",
        "give the same group in both" if is_refused else "SolarUser does not compare the two here",
        "observed",
    )


def _other_group(parameters: Mapping[str, str]) -> str | None:
    """Answers with the message's `group_id` where it is not the instruction's group."""
    if "cgIdentifier" not in parameters:
        return None
    try:
        message = read(parameters.get("msg", "")).value
    except JsonError:
        return None
    group = message.get("group_id") if isinstance(message, dict) else None
    return group if isinstance(group, str) and group != parameters["cgIdentifier"] else None


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
        return "group", texts.GROUP_MISMATCH
    return None, None

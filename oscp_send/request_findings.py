"""Findings about a request body: its top-level keys, its parameters, and what contradicts them.

SolarUser's reader knows certain keys and loses its place at any other; of the parameters it keeps
strings alone, and drops empty ones later (solaruser.md §1.2 to §1.4 and §2.1). Its
reply then says only that something is missing. The findings say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeGuard

from oscp_schemas import Document, JsonError, escape_pointer
from oscp_schemas.show import pointer_tokens, preview
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Severity
from oscp_send.hints import near
from oscp_send.instruction import TOPIC
from oscp_send.solarnetwork.dates import read_epoch, read_json_date
from oscp_send.solarnetwork.json_reading import parse_long

ADJUST: Final = "AdjustGroupCapacityForecast"
_COMPLIANCE_ERROR: Final = "GroupCapacityComplianceError"

_NEEDED_KEYS: Final = ("nodeId", "params", "parameters")
_KNOWN_KEYS: Final = (*_NEEDED_KEYS, "topic", "instructionDate", "expirationDate")
_IGNORED_KEYS: Final = ("id", "created", "state", "statusDate", "resultParameters")
_ONLY: Final = "send nodeId and params, expirationDate if it is needed, and nothing else"
_LONGEST_LIST: Final = 3
#: How long an instruction may wait to be claimed (as observed in SolarNetwork).
_STALE: Final = timedelta(seconds=30)
_DATE_FORM: Final = 'write it as "2026-03-01 00:15:00Z"'

_Member = tuple[str, object]


def judge_keys(
    body: Mapping[str, object], duplicates: Sequence[str], now: datetime
) -> Iterator[Finding]:
    """Yield what is wrong with the top-level keys of a request body.

    `duplicates` are the pointers of the properties that are given more than once.
    """
    members = list(body.items())
    for place, (key, value) in enumerate(members):
        if key not in _KNOWN_KEYS and key not in _IGNORED_KEYS:
            yield _unknown_key(key, value, members[place + 1 :])
    if "nodeId" not in body:
        yield _missing_key("nodeId", "is missing: SolarUser needs a node to find its owner", body)
    for key in duplicates:
        if key.count("/") == 1:
            yield _of_key("duplicate-key", "warning", key, "is given twice; the last one counts")
    for key, value in members:
        if key == "nodeId":
            yield from _node(value)
        elif key == "topic":
            yield from _topic(value)
        elif key in {"expirationDate", "instructionDate"}:
            yield from _date(key, value, now)
        elif key in _IGNORED_KEYS:
            yield _of_key("ignored-key", "info", f"/{key}", "is read and ignored", "leave it out")
    yield from _parameters_key(body)


def _of_key(rule: str, severity: Severity, pointer: str, message: str, remedy: str = "") -> Finding:
    return Finding("transport", rule, severity, pointer, message, remedy, "observed")


def _unknown_key(key: str, value: object, later: Sequence[_Member]) -> Finding:
    meant = near(key, _KNOWN_KEYS)
    remedy = f'did you mean "{meant}"?' if meant else _ONLY
    if key == "nodeIds":
        remedy = "a JSON request has one nodeId; for several nodes, send several requests"
    is_harmful = any(name in _NEEDED_KEYS or _holds_object(item) for name, item in later)
    what = "SolarUser ignores it"
    if _holds_object(value):
        is_harmful, what = True, "the object in it makes SolarUser refuse the request"
    elif later:
        lost = _listed([name for name, _ in later])
        what = f"SolarUser reads nothing after it, so it loses {lost}"
    return _of_key(
        "unknown-key",
        "error" if is_harmful else "warning",
        f"/{escape_pointer(key)}",
        f"is not a key of an instruction: {what}",
        remedy,
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


def _listed(names: Sequence[str]) -> str:
    shown = [f'"{name}"' for name in names[:_LONGEST_LIST]]
    more = len(names) - _LONGEST_LIST
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _missing_key(key: str, what: str, body: Iterable[str]) -> Finding:
    remedy = _add_or_rename(key, [name for name in body if name not in _KNOWN_KEYS])
    return _of_key("missing", "error", "", f"{key} {what}", remedy)


def _add_or_rename(wanted: str, unknown: Sequence[str]) -> str:
    meant = near(wanted, unknown)
    return f'"{meant}" is not read: write "{wanted}"' if meant else f'add "{wanted}"'


def _parameters_key(body: Mapping[str, object]) -> Iterator[Finding]:
    given = [key for key in body if key in {"params", "parameters"}]
    if not given:
        what = "are missing: the action and the message are in them"
        yield _missing_key("params", what, body)
        return
    for key in given[:-1]:
        what = f'is the same to SolarUser as "{given[-1]}", which comes later and replaces it'
        yield _of_key("parameters", "warning", f"/{key}", what, "give only one of the two")
    if not isinstance(body[given[-1]], Mapping | list):
        what = f"is {preview(body[given[-1]])}: SolarUser reads no parameters from it"
        remedy = 'give an object of strings: {"action": "...", "coId": "1", ...}'
        yield _of_key("parameters", "error", f"/{given[-1]}", what, remedy)


def _node(value: object) -> Iterator[Finding]:
    if value is None or isinstance(value, bool):
        what = f"is {preview(value)}: SolarUser treats it as missing"
        yield _of_key("nodeId", "error", "/nodeId", what, "give the number of the node")
    elif _is_near(value) and value != int(value):
        what = f"is {preview(value)}: SolarUser cuts it to {int(value)}"
        yield _of_key("nodeId", "warning", "/nodeId", what, "give a whole number")
    elif isinstance(value, Mapping | list) or not _is_long(value):
        what = f"is {preview(value)}, which is not a 64-bit integer"
        yield _of_key("nodeId", "error", "/nodeId", what, "give the number of the node")


# To write out 1e999999999 takes all memory, and has no end.
_BEYOND: Final = 2**64


def _is_near(value: object) -> TypeGuard[float | Decimal]:
    """Return whether a value is a number with a point or an exponent of no more than 64 bits."""
    return isinstance(value, float | Decimal) and -_BEYOND < value < _BEYOND


def _is_long(value: object) -> bool:
    if isinstance(value, float | Decimal) and not _is_near(value):
        return False
    try:
        parse_long(value if isinstance(value, str) else str(int(value)))  # type: ignore[call-overload]
    except ValueError:
        return False
    return True


def judge_topic(topic: str, pointer: str) -> Iterator[Finding]:
    """Yield a finding about a topic that is probably OSCP_v20, misspelt; any other is left alone.

    SolarUser takes an instruction of any topic, and looks into those of OSCP_v20 alone.
    """
    if topic != TOPIC and _is_one_letter_off(_plain(topic), _plain(TOPIC)):
        what = (
            f"is {preview(topic)}, nearly {TOPIC}: SolarUser queues it for the node, and nobody "
            "delivers it"
        )
        yield _of_key("topic", "warning", pointer, what, f'did you mean "{TOPIC}"?')


def _plain(topic: str) -> str:
    return "".join(letter for letter in topic if letter.isalnum()).casefold()


def _is_one_letter_off(one: str, other: str) -> bool:
    """Return whether two texts are the same but for one letter, or two that changed places."""
    pairs = enumerate(zip(one, other, strict=False))
    at = next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
    left, right = one[at:], other[at:]
    return (
        left[1:] in {right, right[1:]}
        or left == right[1:]
        or left == right[1:2] + right[:1] + right[2:]
    )


def _topic(value: object) -> Iterator[Finding]:
    if isinstance(value, Mapping | list):
        what = f"is {preview(value)}, not a string: SolarUser loses its place there"
        yield _of_key("topic", "error", "/topic", what, f'write "{TOPIC}", or leave it out')
    elif value != TOPIC:
        what = f"is {preview(value)}, not {TOPIC}: only /instr/add/{TOPIC} overrides it"
        remedy = f'write "{TOPIC}", or leave it out: the path has it'
        if isinstance(value, str) and any(judge_topic(value, "/topic")):
            remedy = f'did you mean "{TOPIC}"? leave it out: the path has it'
        yield _of_key("topic", "warning", "/topic", what, remedy)


def _date(key: str, value: object, now: datetime) -> Iterator[Finding]:
    if value is None or isinstance(value, bool | list | Mapping):
        what = f"is {preview(value)}: SolarUser refuses the request because of it"
        yield _of_key("date", "error", f"/{key}", what, "leave it out")
        return
    if isinstance(value, str) and not value.strip():
        return
    try:
        moment = read_json_date(value) if isinstance(value, str) else read_epoch(str(value))
    except ValueError:
        what = f"is {preview(value)}, which SolarUser cannot read"
        yield _of_key("date", "error", f"/{key}", what, _DATE_FORM)
        return
    shown = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if key == "expirationDate" and moment <= now:
        what = (
            f"is {shown}, which is in the past: SolarNetwork soon declines it if it is not finished"
        )
        yield _of_key("date", "warning", f"/{key}", what, "set it a few minutes ahead")
    if key == "instructionDate" and moment < now - _STALE:
        what = f"is {shown}, over 30 s ago: SolarUser makes it Queued and does not deliver it"
        yield _of_key("date", "warning", f"/{key}", what, "leave it out")


_NEEDED: Final = ("action", "coId", "cgIdentifier", "msg")
#: The parameters of an OSCP instruction.
PARAMETERS: Final = (*_NEEDED, "correlationId")
_DROPPED: Final = "SolarUser drops parameters that are not strings"
_LOST: Final = "SolarUser loses its place there and refuses the request"
_WHAT: Final = MappingProxyType(
    {
        "action": "the OSCP message name",
        "coId": "the configId of the Capacity Optimizer",
        "cgIdentifier": "the identifier of the Capacity Group",
        "msg": "the message, as a string that holds JSON",
    }
)


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """The parameters as a request body gives them, normally an object or a list.

    They are at `/params` or `/parameters`, of which the last one counts; `pointer` is empty where
    there are none.
    """

    pointer: str
    value: object

    @classmethod
    def of(cls, body: object) -> GivenParameters:
        """Return the parameters of a parsed body."""
        if isinstance(body, Mapping):
            for key in reversed(body):
                if key in {"params", "parameters"}:
                    return cls(f"/{key}", body[key])
        return cls("", None)

    def places(self) -> list[tuple[str, str, object]]:
        """Return pointer, name and value of each parameter that has both, in order."""
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
        """Return the pointer of a parameter's value, the first of its name."""
        found = (pointer for pointer, name, _ in self.places() if name == wanted)
        return next(found, self.pointer)

    def texts(self) -> list[tuple[str, str]]:
        """Return the names and texts that were probably meant, for a body that is refused.

        SolarUser reads no parameters then; it would read these if the rest were corrected.
        """
        return [(name, value) for _, name, value in self.places() if isinstance(value, str)]


def judge_parameters(
    given: GivenParameters,
    left: Mapping[str, str],
    duplicates: Sequence[str] = (),
    *,
    refused: bool = False,
) -> Iterator[Finding]:
    """Yield what is wrong with the parameters of a request body.

    Args:
        given: The parameters as the body gives them.
        left: Those that SolarUser keeps, joined by name.
        duplicates: As for `judge_keys`.
        refused: Whether SolarUser refuses the body as a whole.
    """
    if not isinstance(given.value, Mapping | list):
        return
    if isinstance(given.value, list):
        yield from _elements(given.pointer, given.value)
    for pointer, name, value in given.places():
        yield from _value(pointer, name, value, left, refused=refused)
    yield from _repeated(duplicates, given.pointer, left)
    for name in left:
        if name not in PARAMETERS:
            yield _unknown_parameter(given.place(name), name)
    yield from _missing(given, left)
    yield from _unusable(given, left)


def _of_parameter(
    rule: str, severity: Severity, pointer: str, message: str, remedy: str = ""
) -> Finding:
    return Finding("transport", rule, severity, pointer, message, remedy)


def _elements(pointer: str, elements: Sequence[object]) -> Iterator[Finding]:
    """Yield what is odd about the list form, `[{"name": ..., "value": ...}]`."""
    for index, element in enumerate(elements):
        place = f"{pointer}/{index}"
        if not isinstance(element, Mapping):
            what = f"is {preview(element)}: SolarUser skips everything but objects"
            remedy = 'give {"name": ..., "value": ...}'
            yield _of_parameter("not-object", "warning", place, what, remedy)
            continue
        for key in ("name", "value"):
            if key not in element:
                what = f"has no {key}: SolarUser gives it the {key} of the element before"
                yield _of_parameter("inherited", "warning", place, what, f'add "{key}"')
        if not isinstance(element.get("name", ""), str):
            what = f"is {preview(element['name'])}: SolarUser skips the element"
            yield _of_parameter("not-text", "warning", f"{place}/name", what, "give a string")


def _value(
    pointer: str, name: str, value: object, left: Mapping[str, str], *, refused: bool
) -> Iterator[Finding]:
    """Yield what becomes of one value."""
    is_lost = name in _NEEDED and name not in left
    severity: Severity = "error" if is_lost else "warning"
    if isinstance(value, Mapping | list):
        what = f"{name} is {preview(value)}: {_LOST if refused else _DROPPED}"
        remedy = "give a string"
        if name == "msg":
            remedy = 'give the message as a string that holds JSON: "{\\"group_id\\":...}"'
        severity = "error" if refused else severity
        yield _of_parameter("not-text", severity, pointer, what, remedy)
    elif value == "":
        what, remedy = (
            f"{name} is empty: SolarUser drops it",
            f"give {_WHAT.get(name, 'it a value')}",
        )
        yield _of_parameter("empty", severity, pointer, what, remedy)
    elif not isinstance(value, str):
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        kind = f"the number {preview(value)}" if is_number else preview(value)
        remedy = f'write "{preview(value)}"'
        if value is None:
            remedy = "leave it out, or give a string"
        yield _of_parameter("not-text", severity, pointer, f"{name} is {kind}: {_DROPPED}", remedy)
    elif "\0" in value:
        what = f"{name} holds a NUL character, which SolarNetwork's database refuses"
        yield _of_parameter("nul", "warning", pointer, what)


def _repeated(
    duplicates: Sequence[str], pointer: str, left: Mapping[str, str]
) -> Iterator[Finding]:
    for place in duplicates:
        name = pointer_tokens(place)[-1]
        if place.rpartition("/")[0] == pointer and name in left:
            what = f"{name} is given twice: SolarUser joins the strings to {preview(left[name])}"
            yield _of_parameter("duplicate-key", "warning", place, what, "give it once")


def _unknown_parameter(pointer: str, name: str) -> Finding:
    meant = near(name, PARAMETERS)
    remedy = f'did you mean "{meant}"?' if meant else f"the parameters are {', '.join(PARAMETERS)}"
    what = f"{preview(name)} is not a parameter of an OSCP instruction: it is stored and ignored"
    return _of_parameter("unknown-parameter", "warning", pointer, what, remedy)


def _missing(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    # A parameter that is given and dropped has its finding already.
    known = {name for _, name, _ in given.places()} | left.keys()
    unknown = [name for name in left if name not in PARAMETERS]
    for name in _NEEDED:
        if name not in known:
            what, remedy = f"{name} is missing: {_WHAT[name]}", _add_or_rename(name, unknown)
            yield _of_parameter("missing", "error", given.pointer, what, remedy)


def _unusable(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("action", "cgIdentifier"):
        if name in left and not left[name].strip():
            what, remedy = f"{name} is blank", f"give {_WHAT[name]}"
            yield _of_parameter("blank", "error", given.place(name), what, remedy)
    try:
        parse_long(left.get("coId", "0"))
    except ValueError:
        what = f"coId is {preview(left['coId'])}, which is not a 64-bit integer"
        remedy = f"give {_WHAT['coId']}, in digits and without blanks"
        yield _of_parameter("coId", "error", given.place("coId"), what, remedy)


def other_group(parameters: Mapping[str, str], message: Document | JsonError | None) -> str | None:
    """Return the message's `group_id` where it is not the instruction's group, else None."""
    if "cgIdentifier" not in parameters or not isinstance(message, Document):
        return None
    group = message.value.get("group_id") if isinstance(message.value, dict) else None
    return group if isinstance(group, str) and group != parameters["cgIdentifier"] else None


def judge_relations(
    given: GivenParameters, left: Mapping[str, str], group: str | None, behaviour: Behaviour
) -> Iterator[Finding]:
    """Yield where the group differs, and what becomes of the correlation id (S15).

    Args:
        given: The parameters as the body gives them.
        left: Those that SolarUser keeps, joined by name.
        group: As from `other_group`.
        behaviour: Decides by `correlation_id` how much it matters that the service loses it.
    """
    if group is not None:
        yield _another_group(given, left, group)
    if "correlationId" in left:
        yield Finding(
            "transport",
            "correlation_id",
            "warning" if behaviour.follows_service("correlation_id") else "info",
            given.place("correlationId"),
            "SolarNetwork stores the correlationId and never delivers it",
            "a Capacity Provider that requires X-Correlation-ID will refuse the message",
            "observed",
        )
    elif left.get("action") == _COMPLIANCE_ERROR:
        yield Finding(
            "meaning",
            "S15",
            "error",
            given.pointer,
            "correlationId is missing: nothing else says which forecast cannot be complied with",
            "give the X-Request-ID of the UpdateGroupCapacityForecast that is meant",
        )


def _another_group(given: GivenParameters, left: Mapping[str, str], group: str) -> Finding:
    # SolarUser compares the group of an adjustment alone (check 13).
    is_refused = left.get("action") == ADJUST
    return Finding(
        "transport" if is_refused else "meaning",
        "group",
        "error" if is_refused else "warning",
        given.place("cgIdentifier"),
        f"cgIdentifier is {preview(left['cgIdentifier'])}, the message's group_id {preview(group)}",
        "give the same group in both" if is_refused else "SolarUser does not compare the two here",
        "observed",
    )

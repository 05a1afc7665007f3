"""Why SolarUser would not understand a request body: its top-level keys, their order, their values.

Its reader knows certain keys and loses its place at any other (SolarUser dossier §1.2 and §1.4).
The verdict is that of `solarnetwork.request_body`; here stands what a person needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from oscp_send.findings import Finding, Severity
from oscp_send.instruction import TOPIC
from oscp_send.schema_hints import near
from oscp_send.solarnetwork.dates import read_epoch, read_timestamp
from oscp_send.solarnetwork.java import parse_long
from schemas import escape_pointer
from schemas.preview import preview

__all__ = ["judge_keys"]

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

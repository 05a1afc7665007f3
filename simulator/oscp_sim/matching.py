"""Compare what came with what was expected, and say where they differ.

Of values, each difference has its place; of journal entries, the nearest is named.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal

from oscp_schemas.show import LONGEST_TEXT, escape_pointer, nearest
from oscp_schemas.show import printable as printable  # noqa: PLC0414 - who compares shows, too
from oscp_schemas.show import shortened as shortened  # noqa: PLC0414 - as above
from oscp_sim.entry import FIELDS, VALUES, Entry, check_value

_NOTHING = "nothing"
_UNANSWERED = "unanswered"

# RFC 3339 §5.6, where `t` and `z` may be lower case.
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,99}))?(?:[Zz]|([+-])(\d\d):(\d\d))\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a value is not the expected one.

    Attributes:
        pointer: JSON Pointer of the place; empty for the whole.
        got: What came, or `nothing`.
    """

    pointer: str
    expected: str
    got: str

    def __str__(self) -> str:
        place = f"{self.pointer}: " if self.pointer else ""
        return f"{place}expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class TextPattern:
    """What a text should be: exactly `text`, begin with it, or contain a match of it.

    Attributes:
        kind: `is`, `starts_with`, or `matches` (a Python regular expression, searched for).
    """

    kind: Literal["is", "starts_with", "matches"]
    text: str

    def __str__(self) -> str:
        shown = render(self.text)
        return {
            "is": shown,
            "starts_with": f"a text that starts with {shown}",
            "matches": f"a text that matches {shown}",
        }[self.kind]

    def fits(self, text: str) -> bool:
        """Return whether a text is as it should be."""
        match self.kind:
            case "is":
                return text == self.text
            case "starts_with":
                return text.startswith(self.text)
            case "matches":
                return re.search(self.text, text) is not None


def match(expected: object, got: object) -> tuple[bool, tuple[Difference, ...]]:
    """Compare a JSON value with an expected one.

    A mapping may hold more than was expected; a list must have the same length. Numbers compare as
    numbers and two RFC 3339 date-times as instants, because SolarNetwork rewrites both (`10` as
    `10.0`, times in UTC; as observed). A `TextPattern` may be in place of an expected text.

    Returns:
        Whether it matches, and if not, every difference.
    """
    differences = tuple(_differences(expected, got, ""))
    return not differences, differences


def match_json(expected: object, text: str) -> tuple[bool, tuple[Difference, ...]]:
    """Compare JSON text with an expected value; an expected text must be the text itself."""
    if isinstance(expected, str):
        return match_text(TextPattern("is", expected), text)
    try:
        got = json.loads(text)
    except (ValueError, RecursionError):
        shown = render(text) if text else "an empty body"
        return False, (Difference("", render(expected), f"{shown}, which is not JSON"),)
    return match(expected, got)


def match_headers(
    expected: Mapping[str, str | None], got: Iterable[tuple[str, str]]
) -> tuple[bool, tuple[Difference, ...]]:
    """Compare header pairs with expected headers; the case of names does not matter.

    Args:
        expected: Name to value; None where the header must be absent. A header that came several
            times matches when one of its values does.
        got: Name and value pairs in the order in which they came.
    """
    values: dict[str, list[str]] = {}
    for name, value in got:
        values.setdefault(name.lower(), []).append(value)
    differences = []
    for name, wanted in expected.items():
        there = values.get(name.lower(), [])
        if (wanted is None and there) or (wanted is not None and wanted not in there):
            shown = ", ".join(map(render, there)) or _NOTHING
            awaited = _NOTHING if wanted is None else render(wanted)
            differences.append(Difference(_step("", name), awaited, shown))
    return not differences, tuple(differences)


def match_text(pattern: TextPattern, got: str | None) -> tuple[bool, tuple[Difference, ...]]:
    """Compare a text, or its absence, with a pattern."""
    if got is None:
        return False, (Difference("", str(pattern), _NOTHING),)
    if pattern.fits(got):
        return True, ()
    wanted, shown = (
        _apart(pattern.text, got) if pattern.kind == "is" else (str(pattern), render(got))
    )
    return False, (Difference("", wanted, shown),)


def render(value: object) -> str:
    """Write a value as JSON on one line, shortened in the middle of anything long.

    Characters that could move a terminal's cursor are escaped.
    """
    if isinstance(value, TextPattern):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return printable(shortened(text))


def _differences(expected: object, got: object, pointer: str) -> Iterator[Difference]:
    if isinstance(expected, TextPattern):
        if not isinstance(got, str):
            yield Difference(pointer, str(expected), _NOTHING if got is None else render(got))
            return
        for difference in match_text(expected, got)[1]:
            yield Difference(pointer, difference.expected, difference.got)
        return
    if isinstance(expected, date):
        expected = expected.isoformat()
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key, value in expected.items():
            if key in got:
                yield from _differences(value, got[key], _step(pointer, key))
            else:
                yield Difference(_step(pointer, key), render(value), _NOTHING)
    elif isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        yield from _list_differences(expected, got, pointer)
    elif not _same(expected, got):
        yield Difference(pointer, *_apart(expected, got))


def _list_differences(
    expected: Sequence[object], got: Sequence[object], pointer: str
) -> Iterator[Difference]:
    if len(expected) != len(got):
        yield Difference(pointer, f"a list of {len(expected)}", f"a list of {len(got)}")
        return
    for index, (wanted, there) in enumerate(zip(expected, got, strict=True)):
        yield from _differences(wanted, there, _step(pointer, index))


def _same(expected: object, got: object) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, float) and isinstance(got, float) and math.isnan(expected):
        return math.isnan(got)
    if isinstance(expected, str) and isinstance(got, str) and expected != got:
        instant = _instant(expected)
        return instant is not None and instant == _instant(got)
    return expected == got


def _instant(text: str) -> Fraction | None:
    """Read an RFC 3339 date-time as exact seconds; return None for any other text."""
    found = _DATE_TIME.match(text)
    return None if found is None else _seconds(found.groups())


@lru_cache(maxsize=1024)  # a block begins when another ends
def _seconds(parts: tuple[str, ...]) -> Fraction | None:
    year, month, day, hour, minute, second = map(int, parts[:6])
    fraction, sign, hours, minutes = parts[6:]
    try:
        whole = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 (the offset follows)
    except ValueError:
        return None
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    seconds = whole.toordinal() * 86400 + hour * 3600 + minute * 60 + second - offset
    return seconds + Fraction(int(fraction or 0), 10 ** len(fraction or ""))


def _apart(expected: object, got: object) -> tuple[str, str]:
    """Render two values; of long texts, the part where they begin to differ."""
    if not (isinstance(expected, str) and isinstance(got, str)):
        return render(expected), render(got)
    if max(len(expected), len(got)) <= LONGEST_TEXT:
        return render(expected), render(got)
    pairs = enumerate(zip(expected, got, strict=False))
    shortest = min(len(expected), len(got))
    at = next((index for index, (one, other) in pairs if one != other), shortest)
    begin = max(0, at - 20)
    note = f" (from character {begin + 1})"
    return render(expected[begin : at + 60]) + note, render(got[begin : at + 60]) + note


def _step(pointer: str, token: object) -> str:
    return f"{pointer}/{escape_pointer(str(token))}"


# An entry about something else, or of another kind, is not near, however few its differences.
_IDENTITY = frozenset(
    {"/party", "/kind", "/action", "/instruction_id", "/state", "/request", "/response"}
)


class NotSeen(AssertionError):
    """An awaited journal entry did not come in time."""

    def __init__(
        self, message: str, nearest: Entry | None, differences: Sequence[Difference]
    ) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.differences = tuple(differences)


#: What can be expected of an entry besides its fields: of its request, and the answer's status.
SHORTER: Final = ("status", "method", "path", "headers", "message")


class JournalCondition:
    """Expected fields of an entry, or a function that accepts the right one.

    Besides the fields there is `status` (of the answer), and of the request `method`, `path` (or
    its end, from a slash on), `headers`, and `message` (what its JSON holds at least).

    Args:
        condition: Either of the two, or None where `more` is enough.
        more: More expected fields.

    Raises:
        ValueError: An entry has no such field, no entry can have such a party, peer, kind or state,
            or nothing is expected at all.
    """

    def __init__(
        self,
        condition: Mapping[str, Any] | Callable[[Entry], bool] | None,
        more: Mapping[str, Any],
    ) -> None:
        self._asks = condition if callable(condition) else None
        self._expected = {**(condition if isinstance(condition, Mapping) else {}), **more}
        # What is quickly compared comes first: most entries are of something else.
        self._quickest = sorted(self._expected.items(), key=lambda pair: isinstance(pair[1], dict))
        for name, value in self._expected.items():
            _check_field(name)
            # A sender can make up any action.
            if name != "action":
                check_value(name, value)
        if self._asks is None and not self._expected:
            message = "name at least one field to wait for, such as party or state"
            raise ValueError(message)

    def fits(self, entry: Entry) -> bool:
        """Return whether an entry is the awaited one."""
        differs = (any(_field_differences(name, value, entry)) for name, value in self._quickest)
        return not any(differs) and (self._asks is None or self._asks(entry))

    def not_seen(self, timeout: float, entries: Sequence[Entry]) -> NotSeen:
        """Return the error that says what was awaited and what came nearest."""
        lines = [f"not seen within {timeout:g} s:", *(f"  {line}" for line in self.awaited)]
        near = self.nearest_of(entries)
        if near is None:
            lines.append("no entry came at all")
            return NotSeen("\n".join([*lines, *self._doubts(entries)]), None, ())
        entry, differences = near
        lines.append(f"of {len(entries)} entries the nearest is {_name(entry)}:")
        lines += [f"  {difference}" for difference in differences]
        if not differences:
            lines.append("  its fields fit, but the function that was given did not accept it")
        return NotSeen("\n".join([*lines, *self._doubts(entries)]), entry, differences)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The expected fields."""
        return self._expected

    @property
    def awaited(self) -> tuple[str, ...]:
        """What is expected, a line each."""
        lines = [f"{name}: {render(value)}" for name, value in self._expected.items()]
        if self._asks is not None:
            lines.append(f"an entry that {getattr(self._asks, '__name__', self._asks)} accepts")
        return tuple(lines)

    def nearest_of(self, entries: Iterable[Entry]) -> tuple[Entry, tuple[Difference, ...]] | None:
        """Return the entry that differs least, and how; None where there is none at all."""
        compared = ((entry, tuple(self._differences(entry))) for entry in entries)
        return min(compared, key=_distance, default=None)

    def _doubts(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield why nothing fits: an action that is no OSCP message, and that nobody made up."""
        action = self._expected.get("action")
        if action not in VALUES["action"]:
            try:
                check_value("action", action, {entry.action or "" for entry in entries})
            except ValueError as error:
                yield str(error)

    def _differences(self, entry: Entry) -> Iterator[Difference]:
        for name, value in self._expected.items():
            yield from _field_differences(name, value, entry)


def _check_field(name: str) -> None:
    known = (*FIELDS, *SHORTER)
    if name not in known:
        near = nearest(name, known)
        hint = f'did you mean "{near}"?' if near else f"known here: {', '.join(known)}"
        message = f'a journal entry has no "{name}"; {hint}'
        raise ValueError(message)


def _field_differences(name: str, expected: object, entry: Entry) -> Iterator[Difference]:
    if name in SHORTER:
        return _below(f"/{name}", _shorter_differences(name, expected, entry))
    got = entry.shown(name)
    if name in {"request", "response"} and isinstance(expected, Mapping) and got:
        return _below(f"/{name}", _message_differences(expected, got))
    return _below(f"/{name}", match(expected, got)[1])


def _shorter_differences(name: str, expected: object, entry: Entry) -> Iterator[Difference]:
    """Compare what has a short name of its own; an entry that is no exchange has nothing of it."""
    if name == "status":
        got: object = _UNANSWERED if entry.request and entry.status is None else entry.status
        yield from match(expected, got)[1]
    elif entry.request is None:
        yield Difference("", render(expected), _NOTHING)
    elif name == "headers" and isinstance(expected, Mapping):
        yield from match_headers(expected, entry.request.headers)[1]
    elif name == "message":
        yield from match_json(expected, entry.request.text)[1]
    elif name == "path":
        path = entry.request.without_host.partition("?")[0]
        if not (isinstance(expected, str) and is_end_of(expected, path)):
            yield from match(expected, path)[1]
    else:
        yield from match(expected, getattr(entry.request, name))[1]


def is_end_of(end: str, path: str) -> bool:
    """Return whether a path is the one that is expected, or ends with it from a slash on."""
    return path == end or path.endswith(end if end.startswith("/") else f"/{end}")


def _message_differences(
    expected: Mapping[str, Any], got: Mapping[str, Any]
) -> Iterator[Difference]:
    """Compare a request or response: headers by name, a body that is expected as JSON as JSON."""
    for name, value in expected.items():
        if name == "headers" and isinstance(value, Mapping):
            pairs = [(pair[0], pair[1]) for pair in got["headers"]]
            yield from _below("/headers", match_headers(value, pairs)[1])
        elif name == "body":
            yield from _below("/body", match_json(value, got["body"])[1])
        else:
            yield from match({name: value}, got)[1]


def _below(pointer: str, differences: Iterable[Difference]) -> Iterator[Difference]:
    for difference in differences:
        yield Difference(pointer + difference.pointer, difference.expected, difference.got)


def _distance(compared: tuple[Entry, Sequence[Difference]]) -> tuple[int, int, int]:
    entry, differences = compared
    strangers = sum(difference.pointer in _IDENTITY for difference in differences)
    return strangers, len(differences), -entry.number


def _name(entry: Entry) -> str:
    words = [entry.party, entry.kind, entry.action, entry.state]
    return f"{entry.number} ({', '.join(word for word in words if word)})"

"""Judge journal entries by what somebody waits for, and say which came nearest."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from simulator.entry import Entry
from simulator.matching import Difference, match, match_headers, match_json, render

__all__ = ["JournalCondition", "NotSeen"]

_KNOWN = tuple(field.name for field in fields(Entry))
# An entry about something else, or of another kind, is not near, however few its differences.
_IDENTITY = frozenset(
    {"/party", "/kind", "/action", "/instruction_id", "/state", "/request", "/response"}
)


class NotSeen(AssertionError):
    """What was awaited did not come in time.

    Attributes:
        nearest: The entry that differed least, or None where none could be compared.
        differences: How it differed.
    """

    def __init__(
        self, message: str, nearest: Entry | None, differences: Sequence[Difference]
    ) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.differences = tuple(differences)


class JournalCondition:
    """Expected fields of an entry, or a function that knows the right one.

    Args:
        condition: Either of the two, or None where `more` says it all.
        more: More expected fields.

    Raises:
        ValueError: A field that no entry has, or nothing expected at all.
    """

    def __init__(
        self,
        condition: Mapping[str, Any] | Callable[[Entry], bool] | None,
        more: Mapping[str, Any],
    ) -> None:
        self._asks = condition if callable(condition) else None
        self._expected = {**(condition if isinstance(condition, Mapping) else {}), **more}
        for name in self._expected:
            if name not in _KNOWN:
                near = difflib.get_close_matches(name, _KNOWN, n=1) or _KNOWN
                message = f'no journal entry has "{name}"; there is {", ".join(near)}'
                raise ValueError(message)
        if self._asks is None and not self._expected:
            message = "name at least one field to wait for, such as party or state"
            raise ValueError(message)

    def fits(self, entry: Entry) -> bool:
        """Say whether an entry is the awaited one."""
        return not any(self._differences(entry)) and (self._asks is None or self._asks(entry))

    def not_seen(self, timeout: float, entries: Sequence[Entry]) -> NotSeen:
        """Make the error that tells what was awaited and what came nearest."""
        lines = [f"not seen within {timeout:g} s:", *(f"  {line}" for line in self._awaited())]
        compared = [(entry, tuple(self._differences(entry))) for entry in entries]
        if not compared:
            return NotSeen("\n".join([*lines, "no entry came at all"]), None, ())
        entry, differences = min(compared, key=_distance)
        lines.append(f"of {len(entries)} entries the nearest is {_name(entry)}:")
        lines += [f"  {difference}" for difference in differences]
        if not differences:
            lines.append("  its fields fit, and the function given said no")
        return NotSeen("\n".join(lines), entry, differences)

    def _awaited(self) -> Iterator[str]:
        for name, value in self._expected.items():
            yield f"{name}: {render(value)}"
        if self._asks is not None:
            yield f"an entry that {getattr(self._asks, '__name__', self._asks)} accepts"

    def _differences(self, entry: Entry) -> Iterator[Difference]:
        got = entry.to_dict()
        for name, value in self._expected.items():
            if name in {"request", "response"} and isinstance(value, Mapping) and got[name]:
                yield from _below(f"/{name}", _message_differences(value, got[name]))
            else:
                yield from _below(f"/{name}", match(value, got[name])[1])


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

"""Messages that were too large for one request, put together again (oscp20.md §2.3 and X21).

All of it is second hand, and no implementation that was read uses it. The sources contradict one
another in one point: whether later segments correlate to the first one's request id, or to that of
the one before. Both are accepted, and a finding says which it was.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from oscp_send.findings import Finding
from oscp_sim.journal import Room, size_of
from oscp_sim.system.call import Call
from oscp_sim.system.profile import Profile

CorrelatesTo = Literal["the first", "the one before", "either", "both in turn"]

# The list in which a message can be cut; the other messages are never large.
_LISTS: Final[Mapping[str, str]] = {
    "AdjustGroupCapacityForecast": "forecasted_blocks",
    "GroupCapacityComplianceError": "forecasted_blocks",
    "UpdateAssetMeasurement": "measurements",
    "UpdateGroupCapacityForecast": "forecasted_blocks",
    "UpdateGroupMeasurements": "measurements",
}
# The fields that all segments of a message have in common.
_IDENTITY: Final = ("group_id", "type")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_MOST_OPEN: Final = 64
# Of 4 KB on average; a message has at most 9999.
_MOST_SEGMENTS: Final = 10_000
_MOST_ENDED: Final = 1024
_FIRST: Final = 1
_THIRD: Final = 3


def assemble(call: Call, segments: Segments, profile: Profile) -> bool:
    """Put the message of a segment together, and return whether there is a message to deal with.

    The call gets the whole message, where it is complete.

    Raises:
        Refused: Something is wrong with the segment, and the profile refuses that.
    """
    index, count = (call.request.fields.get(f"x-segment-{name}") for name in ("index", "count"))
    if index is None and count is None:
        return True
    if not profile.reassembles:
        call.check("X21", "segments are not supported: this is taken for a whole", profile)
        return True
    taken = segments.take(
        call.action or "",
        call.content,
        request_id=call.request_id or "",
        correlation_id=call.correlation_id,
        index=index,
        count=count,
    )
    if taken.state == "problem":
        call.check("X21", taken.problem, profile)
        return False
    what = f"segment {index} of {count}"
    if taken.message is None:
        missing = ", ".join(map(str, taken.missing)) or "none"
        again = "came before; " if taken.repeated else ""
        _add_information(call, f"{what}: {again}still to come: {missing}")
        return False
    call.message, call.text = taken.message, None
    call.request_id, call.correlation_id = taken.request_id, taken.correlation_id
    to = "" if taken.correlates_to is None else f"; later segments name {taken.correlates_to}"
    _add_information(call, f"{what}: the message is whole{to}")
    return True


def _add_information(call: Call, message: str) -> None:
    call.findings.append(Finding("transport", "X21", "info", "", message))


@dataclass(frozen=True, slots=True)
class Taken:
    """The result of one segment.

    Attributes:
        state: `complete`: the message is whole; `waiting`: more is to come; `problem`.
        message: The whole message, where it is complete.
        request_id: Of the whole message: the first segment's.
        correlation_id: Of the whole message: the first segment's.
        problem: What is wrong with the segment, for a person.
        correlates_to: Which request the later segments named; None for one that was not cut; with
            two segments there is no difference.
        repeated: Whether that segment had come before; it is not taken twice.
        missing: The numbers of the segments that are still to come.
    """

    state: Literal["complete", "waiting", "problem"]
    message: dict[str, Any] | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    problem: str = ""
    correlates_to: CorrelatesTo | None = None
    repeated: bool = False
    missing: tuple[int, ...] = ()


class _Segment(NamedTuple):
    """One segment, sound by itself."""

    action: str
    message: Mapping[str, Any]
    request_id: str
    correlation_id: str | None
    number: int
    of: int

    def __str__(self) -> str:
        return f"segment {self.number} of {self.of}"


@dataclass(slots=True)
class _Chain:
    """The segments of one message, as far as they have come; the first of them always has."""

    first: _Segment
    segments: dict[int, _Segment] = field(default_factory=dict)
    named: set[Literal["the first", "the one before"]] = field(default_factory=set)

    @property
    def key(self) -> tuple[str, str]:
        return self.first.action, self.first.request_id

    @property
    def missing(self) -> tuple[int, ...]:
        numbers = range(_FIRST, self.first.of + 1)
        return tuple(each for each in numbers if each not in self.segments)

    def continues(self, segment: _Segment) -> bool:
        """Return whether a later segment belongs to it, by either reading."""
        before = self.segments.get(segment.number - 1, self.first)
        named = {self.first.request_id, before.request_id}
        return segment.action == self.first.action and segment.correlation_id in named


class Segments:
    """The segments that one system has received; not for several threads at once."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], _Chain] = OrderedDict()
        self._ended: deque[tuple[str, str]] = deque(maxlen=_MOST_ENDED)
        self._room = Room(_MOST_SEGMENTS)

    def take(
        self,
        action: str,
        message: Mapping[str, Any],
        *,
        request_id: str,
        correlation_id: str | None,
        index: str | None,
        count: str | None,
    ) -> Taken:
        """Remember a segment, and return what is known of its message now.

        Of many messages that were begun and never finished, or long ones, the oldest is forgotten.
        The body is valid by itself; the headers are as they were sent, or None.
        """
        kept = deepcopy(dict(message))
        if index is None and count is None:
            return Taken("complete", kept, request_id, correlation_id)
        problem = _unusable(action, index, count)
        if problem:
            return Taken("problem", problem=problem)
        numbers = int(index or ""), int(count or "")
        segment = _Segment(action, kept, request_id, correlation_id, *numbers)
        if (action, request_id) in self._ended:
            return Taken("waiting", request_id=request_id, repeated=True)
        return self._begin(segment) if segment.number == _FIRST else self._continue(segment)

    def _begin(self, segment: _Segment) -> Taken:
        chain = self._open.get((segment.action, segment.request_id))
        if chain is not None:
            return _waiting(chain, repeated=True)
        chain = _Chain(segment)
        self._open[chain.key] = chain
        if len(self._open) > _MOST_OPEN:
            self._forget(next(iter(self._open)))
        return self._added(chain, segment)

    def _continue(self, segment: _Segment) -> Taken:
        latest_first = reversed(self._open.values())
        chain = next((each for each in latest_first if each.continues(segment)), None)
        if chain is None:
            return Taken("problem", problem=_lost(segment))
        same = chain.segments.get(segment.number)
        if same is not None and same.request_id == segment.request_id:
            return _waiting(chain, repeated=True)
        problem = _contradiction(chain, segment)
        if problem:
            return Taken("problem", problem=problem, request_id=chain.first.request_id)
        if segment.number >= _THIRD:
            # The second follows the first whichever of the two is meant.
            first = segment.correlation_id == chain.first.request_id
            chain.named.add("the first" if first else "the one before")
        return self._added(chain, segment)

    def _added(self, chain: _Chain, segment: _Segment) -> Taken:
        chain.segments[segment.number] = segment
        if chain.missing:
            self._room.take((*chain.key, segment.number), size_of(segment.message))
            while self._room.is_short:
                self._forget(next(iter(self._open)))
            return _waiting(chain)
        self._forget(chain.key)
        self._ended.extend((each.action, each.request_id) for each in chain.segments.values())
        first = chain.first
        ids = first.request_id, first.correlation_id
        return Taken("complete", _merged(chain), *ids, correlates_to=_reading(chain))

    def _forget(self, key: tuple[str, str]) -> None:
        for number in self._open.pop(key).segments:
            self._room.free((*key, number))


def _unusable(action: str, index: str | None, count: str | None) -> str:
    if index is None or count is None:
        header = "X-Segment-Index" if index is None else "X-Segment-Count"
        return f"{header} is missing: every segment carries both X-Segment-Index and -Count"
    for header, value in (("X-Segment-Index", index), ("X-Segment-Count", count)):
        if not _NUMBER.fullmatch(value.strip()):
            return f"{header} is not a number from 1 to 9999: segments are counted from 1"
    if int(index) > int(count):
        return f"segment {int(index)} of {int(count)}: there is no such segment"
    if action not in _LISTS:
        return f"{action} holds no list that could be cut into segments"
    return ""


def _lost(segment: _Segment) -> str:
    expected = "send the X-Request-ID of the first segment, or of the one before"
    if segment.correlation_id is None:
        return f"{segment} has no X-Correlation-ID: {expected}"
    return (
        f'{segment} correlates to "{segment.correlation_id}", which no segment before it bore: '
        f"{expected}"
    )


def _contradiction(chain: _Chain, segment: _Segment) -> str:
    if segment.of != chain.first.of:
        return f"{segment} continues a message of {chain.first.of} segments"
    if segment.number in chain.segments:
        return f"{segment} came before, with another X-Request-ID"
    for name in _IDENTITY:
        own, first = segment.message.get(name), chain.first.message.get(name)
        if own != first:
            return f'{segment} is of the {name} "{own}", the first "{first}"'
    return ""


def _waiting(chain: _Chain, *, repeated: bool = False) -> Taken:
    return Taken(
        "waiting",
        request_id=chain.first.request_id,
        correlation_id=chain.first.correlation_id,
        correlates_to=_reading(chain),
        repeated=repeated,
        missing=chain.missing,
    )


def _reading(chain: _Chain) -> CorrelatesTo | None:
    if chain.first.of == _FIRST:
        return None
    if not chain.named:
        return "either"
    return next(iter(chain.named)) if len(chain.named) == 1 else "both in turn"


def _merged(chain: _Chain) -> dict[str, Any]:
    """Return the first segment, its list followed by those of the others in order."""
    name = _LISTS[chain.first.action]
    messages = [chain.segments[number].message for number in sorted(chain.segments)]
    merged = dict(messages[0])
    entries = [entry for message in messages for entry in message.get(name) or ()]
    if entries or name in merged:
        merged[name] = entries
    return merged

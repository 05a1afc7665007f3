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
from typing import Any, Final, Literal

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


def assemble(call: Call, segments: Segments | None, profile: Profile) -> bool:
    """Put the message of a segment together, and return whether there is a message to deal with.

    Args:
        call: Gets the whole message, where it is complete.
        segments: Those that came before; None: the system does not keep any.
        profile: Whether segments are put together, and whether X21 is refused.

    Raises:
        Refused: Something is wrong with the segment, and the profile refuses that.
    """
    index, count = (call.request.fields.get(f"x-segment-{name}") for name in ("index", "count"))
    if index is None and count is None:
        return True
    if segments is None or not profile.reassembles:
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
    call.message = taken.message
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


@dataclass(slots=True)
class _Chain:
    """The segments of one message, as far as they have come."""

    action: str
    count: int
    correlation_id: str | None
    request_ids: dict[int, str] = field(default_factory=dict)
    messages: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    named: set[Literal["the first", "the one before"]] = field(default_factory=set)

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(each for each in range(_FIRST, self.count + 1) if each not in self.messages)


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

        Args:
            action: The OSCP message name.
            message: The body, valid by itself.
            request_id: Its X-Request-ID.
            correlation_id: Its X-Correlation-ID; None where there is none.
            index: Its X-Segment-Index as it was sent; None where there is none.
            count: Its X-Segment-Count, likewise.
        """
        if index is None and count is None:
            return Taken("complete", deepcopy(dict(message)), request_id, correlation_id)
        problem = _unusable(action, index, count)
        if problem:
            return Taken("problem", problem=problem)
        number, of = int(index or ""), int(count or "")
        if (action, request_id) in self._ended:
            return Taken("waiting", request_id=request_id, repeated=True)
        if number == _FIRST:
            return self._begin(action, message, request_id, correlation_id, of)
        return self._continue(action, message, request_id, correlation_id, (number, of))

    def _begin(
        self,
        action: str,
        message: Mapping[str, Any],
        request_id: str,
        correlation_id: str | None,
        count: int,
    ) -> Taken:
        chain = self._open.get((action, request_id))
        if chain is not None:
            return _waiting(chain, repeated=True)
        chain = _Chain(action, count, correlation_id)
        self._open[action, request_id] = chain
        if len(self._open) > _MOST_OPEN:
            self._forget(next(iter(self._open)))
        return self._added(chain, _FIRST, request_id, message)

    def _continue(
        self,
        action: str,
        message: Mapping[str, Any],
        request_id: str,
        correlation_id: str | None,
        segment: tuple[int, int],
    ) -> Taken:
        number, count = segment
        chain = self._named(action, correlation_id, number)
        if chain is None:
            return Taken("problem", problem=_lost(number, count, correlation_id))
        if chain.request_ids.get(number) == request_id:
            return _waiting(chain, repeated=True)
        problem = _contradiction(chain, number, count, message)
        if problem:
            return Taken("problem", problem=problem, request_id=chain.request_ids[_FIRST])
        if number >= _THIRD:
            # The second follows the first whichever of the two is meant.
            first = correlation_id == chain.request_ids[_FIRST]
            chain.named.add("the first" if first else "the one before")
        return self._added(chain, number, request_id, message)

    def _named(self, action: str, correlation_id: str | None, number: int) -> _Chain | None:
        """Return the message that a later segment belongs to, the latest one, or None."""
        for chain in reversed(self._open.values()):
            named = {chain.request_ids.get(_FIRST), chain.request_ids.get(number - 1)}
            if chain.action == action and correlation_id in named - {None}:
                return chain
        return None

    def _added(
        self, chain: _Chain, number: int, request_id: str, message: Mapping[str, Any]
    ) -> Taken:
        chain.request_ids[number] = request_id
        chain.messages[number] = deepcopy(dict(message))
        first = chain.request_ids[_FIRST]
        if chain.missing:
            self._room.take((chain.action, first, number), size_of(message))
            while self._room.is_short:
                self._forget(next(iter(self._open)))
            return _waiting(chain)
        self._forget((chain.action, first))
        self._ended.extend((chain.action, each) for each in chain.request_ids.values())
        return Taken("complete", _merged(chain), first, chain.correlation_id, "", _reading(chain))

    def _forget(self, key: tuple[str, str]) -> None:
        for number in self._open.pop(key).messages:
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


def _lost(number: int, count: int, correlation_id: str | None) -> str:
    what = f"segment {number} of {count}"
    expected = "send the X-Request-ID of the first segment, or of the one before"
    if correlation_id is None:
        return f"{what} has no X-Correlation-ID: {expected}"
    return f'{what} correlates to "{correlation_id}", which no segment before it bore: {expected}'


def _contradiction(chain: _Chain, number: int, count: int, message: Mapping[str, Any]) -> str:
    what, first = f"segment {number} of {count}", chain.messages[_FIRST]
    if count != chain.count:
        return f"{what} continues a message of {chain.count} segments"
    if number in chain.messages:
        return f"{what} came before, with another X-Request-ID"
    for name in _IDENTITY:
        if message.get(name) != first.get(name):
            return f'{what} is of the {name} "{message.get(name)}", the first "{first.get(name)}"'
    return ""


def _waiting(chain: _Chain, *, repeated: bool = False) -> Taken:
    return Taken(
        "waiting",
        request_id=chain.request_ids[_FIRST],
        correlation_id=chain.correlation_id,
        correlates_to=_reading(chain),
        repeated=repeated,
        missing=chain.missing,
    )


def _reading(chain: _Chain) -> CorrelatesTo | None:
    if chain.count == _FIRST:
        return None
    if not chain.named:
        return "either"
    if len(chain.named) > 1:
        return "both in turn"
    (only,) = chain.named
    return only


def _merged(chain: _Chain) -> dict[str, Any]:
    """Return the first segment, its list followed by those of the others in order."""
    name = _LISTS[chain.action]
    merged = dict(chain.messages[_FIRST])
    parts = [chain.messages[number].get(name) or [] for number in sorted(chain.messages)]
    entries = [entry for part in parts for entry in part]
    if entries or name in merged:
        merged[name] = entries
    return merged

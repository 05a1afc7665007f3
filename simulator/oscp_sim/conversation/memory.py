"""What is remembered of the messages of one party: no more than the rules need, and bounded."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

from oscp_send import meaning
from oscp_send.blocks import Block
from oscp_send.messages import CapacityForecastType
from oscp_sim.conversation.message import (
    ExchangedMessage,
    ParsedMessage,
    RequiredBehaviour,
)

_MOST_OF_AN_ACTION: Final = 4096
_MOST_SPANS: Final = 1000
_MOST_BLOCKS: Final = 10_000
_MOST_GROUPS: Final = 1000
_MOST_COUNTERS: Final = 10_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def put_recent(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Put a value under a key as the latest, and drop the oldest beyond the limit."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)


class Mention(NamedTuple):
    """The message that had an X-Request-ID, and its number in the journal."""

    action: str
    number: int | None


#: Messages of which the same one again says nothing new.
SAID_ONCE: Final = frozenset(
    {
        "AdjustGroupCapacityForecast",
        "GroupCapacityComplianceError",
        "UpdateAssetMeasurement",
        "UpdateGroupCapacityForecast",
        "UpdateGroupMeasurements",
    }
)


class Mentions(Generic[_Key]):
    """The messages of one party, by a key: the latest 4096 of each action."""

    def __init__(self) -> None:
        # Kept by action, so that heartbeats do not displace forecasts.
        self._of_action: dict[str, OrderedDict[_Key, int | None]] = {}

    def remember(self, key: _Key, message: ExchangedMessage) -> None:
        """Remember the message of a key; if the action uses it again, its first use."""
        known = self._of_action.setdefault(message.action, OrderedDict())
        if key not in known:
            put_recent(known, key, message.number, _MOST_OF_AN_ACTION)

    def has_any_of(self, action: str) -> bool:
        """Return whether there was a message of this action."""
        return action in self._of_action

    def find(self, key: _Key) -> Mention | None:
        """Return the message that had a key, or None."""
        for action, known in self._of_action.items():
            if key in known:
                return Mention(action, known[key])
        return None


class Coverage:
    """A set of instants, held as spans in order of time that neither overlap nor touch.

    Forecasts that follow one another make one span, however many they are. Beyond `limit` spans,
    the earliest is forgotten.
    """

    def __init__(self, limit: int = _MOST_SPANS) -> None:
        self._limit = limit
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []

    @property
    def spans(self) -> tuple[tuple[datetime, datetime], ...]:
        """The spans, each from its first instant to the one after its last."""
        return tuple(zip(self._starts, self._ends, strict=True))

    @property
    def end(self) -> datetime | None:
        """The end of the last span."""
        return self._ends[-1] if self._ends else None

    def add(self, start: datetime, end: datetime) -> None:
        """Add the instants from `start` up to `end`, which is later."""
        first, after = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]
        if len(self._starts) > self._limit:
            del self._starts[0], self._ends[0]

    def end_after(self, instant: datetime) -> datetime | None:
        """Return the end of the span that holds an instant, or None."""
        index = bisect_right(self._starts, instant) - 1
        return self._ends[index] if index >= 0 and instant < self._ends[index] else None

    def missing(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Return the spans between two instants that are not in this set."""
        gaps = []
        for index in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._ends[index]
        return [*gaps, (start, end)] if start < end else gaps


class Forecast(NamedTuple):
    """An UpdateGroupCapacityForecast, its blocks in chronological order."""

    request_id: str | None
    number: int | None
    group: str
    type: str
    blocks: tuple[Block, ...]


@dataclass(slots=True)
class ForecastTimes:
    """For which times a group has forecasts of one type, and the latest one's journal number."""

    times: Coverage = field(default_factory=Coverage)
    number: int | None = None


class Forecasts:
    """The forecasts of one party: the times of all, and the latest ones block by block.

    If a forecast is sent again under its X-Request-ID, that ID means the later one.
    """

    def __init__(self) -> None:
        self._times: dict[str, OrderedDict[str, ForecastTimes]] = {
            kind.value: OrderedDict() for kind in CapacityForecastType
        }
        self._latest: deque[Forecast] = deque()
        self._with_id: dict[str, Forecast] = {}
        self._block_count = 0

    def remember(self, parsed: ParsedMessage) -> None:
        """Remember a forecast."""
        group, kind, message = parsed.group, parsed.type, parsed.message
        if group is None or kind not in self._times:
            return
        known = self.times_of(group, kind) or ForecastTimes()
        for block in parsed.blocks:
            known.times.add(block.start, block.end)
        known.number = message.number
        put_recent(self._times[kind], group, known, _MOST_GROUPS)
        self._keep(Forecast(message.request_id, message.number, group, kind, parsed.blocks))

    def times_of(self, group: str, kind: str) -> ForecastTimes | None:
        """Return the times of a group's forecasts of a type, or None if there were none."""
        groups = self._times.get(kind)
        return None if groups is None else groups.get(group)

    def groups_of(self, kind: str) -> Iterator[tuple[str, ForecastTimes]]:
        """Yield the groups that had forecasts of a type, and the times of those."""
        yield from self._times[kind].items()

    def groups(self) -> set[str]:
        """Return the groups that had forecasts."""
        return {group for groups in self._times.values() for group in groups}

    def types_of(self, group: str) -> list[str]:
        """Return the types of forecasts that a group had."""
        return [kind for kind, groups in self._times.items() if group in groups]

    def with_id(self, request_id: str) -> Forecast | None:
        """Return a forecast by its X-Request-ID; None if it is unknown or too old."""
        return self._with_id.get(request_id)

    def latest_of(self, group: str, kind: str) -> Iterator[Forecast]:
        """Yield a group's forecasts of a type, the latest first."""
        for forecast in reversed(self._latest):
            if (forecast.group, forecast.type) == (group, kind):
                yield forecast

    def _keep(self, forecast: Forecast) -> None:
        self._latest.append(forecast)
        self._block_count += len(forecast.blocks) + 1
        if forecast.request_id is not None:
            self._with_id[forecast.request_id] = forecast
        while self._block_count > _MOST_BLOCKS and len(self._latest) > 1:
            oldest = self._latest.popleft()
            self._block_count -= len(oldest.blocks) + 1
            if oldest.request_id is not None and self._with_id[oldest.request_id] is oldest:
                del self._with_id[oldest.request_id]


class Count(NamedTuple):
    """The value of an energy counter, when it was read, since when it counts, and where."""

    value: float
    at: datetime
    began: datetime | None
    number: int | None


class Counters:
    """The latest reading of each energy counter: by group, asset, phase and direction."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, Count] = OrderedDict()

    def remember(self, parsed: ParsedMessage) -> None:
        """Remember the readings of a message, unless later ones are known."""
        for counter, reading in _by_counter(parsed):
            before = self._latest.get(counter)
            if before is None or reading.at >= before.at:
                value, number = reading.value or 0.0, parsed.message.number
                count = Count(value, reading.at, reading.began, number)
                put_recent(self._latest, counter, count, _MOST_COUNTERS)

    def compare(self, parsed: ParsedMessage) -> Iterator[tuple[meaning.Reading, Count]]:
        """Yield the first reading of each counter in a message, and the one remembered of it."""
        seen = set()
        for counter, reading in _by_counter(parsed):
            before = self._latest.get(counter)
            if before is not None and counter not in seen:
                yield reading, before
            seen.add(counter)


def _by_counter(parsed: ParsedMessage) -> Iterator[tuple[str, meaning.Reading]]:
    """Yield the readings of a message in chronological order, each with its counter's key."""
    for reading in sorted(parsed.readings, key=lambda each: each.at):
        # A net value may fall: it is not a counter.
        if reading.value is not None and reading.direction != "NET":
            # A text, because a message that breaks its schema may hold lists and objects here.
            yield repr((parsed.group, reading.counter)), reading


class Heartbeat(NamedTuple):
    """A heartbeat: when its sender goes offline, when it was sent, and its journal number."""

    offline_at: datetime
    at: datetime
    number: int | None


@dataclass(slots=True)
class Speaker:
    """One of the two parties, and what it has said.

    Attributes:
        name: What findings call it.
        registrations: When it has, the last two times.
        handshake: The journal number of its latest Handshake.
        contents: What it has said once and for all.
    """

    name: str
    registered: bool
    handshaken: bool
    handshake: int | None = None
    requires: RequiredBehaviour | None = None
    heartbeat: Heartbeat | None = None
    ids: Mentions[str] = field(default_factory=Mentions)
    contents: Mentions[tuple[str, int]] = field(default_factory=Mentions)
    forecasts: Forecasts = field(default_factory=Forecasts)
    counters: Counters = field(default_factory=Counters)
    registrations: deque[datetime] = field(default_factory=lambda: deque(maxlen=2))

    def remember(self, parsed: ParsedMessage) -> None:
        """Remember a message that this party sent."""
        message = parsed.message
        if message.request_id is not None and self.ids.find(message.request_id) is None:
            self.ids.remember(message.request_id, message)
        if message.action in SAID_ONCE:
            self.contents.remember((message.action, parsed.digest), message)
        match message.action:
            case "Register":
                self.registered = True
                self.registrations.append(message.at)
            case "Handshake":
                self.handshaken, self.handshake = True, message.number
                self.requires = parsed.required_behaviour or self.requires
            case "HandshakeAcknowledge":
                self.requires = parsed.required_behaviour or self.requires
            case "Heartbeat":
                if parsed.offline_at is not None:
                    self.heartbeat = Heartbeat(parsed.offline_at, message.at, message.number)
            case "UpdateGroupCapacityForecast":
                self.forecasts.remember(parsed)
            case _:
                self.counters.remember(parsed)

    def forget_registration(self) -> None:
        """Forget the registration, and what was agreed since."""
        self.registered = self.handshaken = False
        self.handshake = self.requires = self.heartbeat = None

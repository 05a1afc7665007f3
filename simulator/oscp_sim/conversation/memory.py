"""What one of the two sides of a conversation has said so far."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from oscp_send.findings import Finding
from oscp_send.meaning import Reading as EnergyReading
from oscp_send.meaning import energy_readings
from oscp_send.messages import CapacityForecastType
from oscp_send.times import read_instant

__all__ = [
    "ACKNOWLEDGE_WITHOUT_HANDSHAKE",
    "ADJUSTS_UNKNOWN_FORECAST",
    "BEFORE_HANDSHAKE",
    "BEFORE_REGISTRATION",
    "CASES",
    "DUPLICATE",
    "FORECAST_BEFORE_HANDSHAKE",
    "NO_FORECAST_NAMED",
    "NO_HANDSHAKE_NAMED",
    "UNKNOWN_FORECAST_NAMED",
    "Block",
    "Count",
    "Counters",
    "Coverage",
    "Covered",
    "Forecast",
    "Forecasts",
    "Heartbeat",
    "Mention",
    "Reading",
    "Recent",
    "RequestIds",
    "RequiredBehaviour",
    "Said",
    "Side",
    "Span",
    "case_of",
    "moment",
    "number",
    "problem",
    "remark",
    "span",
]


# § How a finding of a conversation writes instants and what a message was.


def problem(
    rule: str, pointer: str, message: str, hint: str, exchange: int | None = None
) -> Finding:
    """Answers with a finding of severity error."""
    return Finding("meaning", rule, "error", pointer, message, hint, exchange=exchange)


def remark(
    rule: str,
    pointer: str,
    message: str,
    hint: str,
    exchange: int | None = None,
    *,
    severity: Literal["warning", "info"] = "warning",
) -> Finding:
    """Answers with a finding of severity warning, or info."""
    return Finding("meaning", rule, severity, pointer, message, hint, exchange=exchange)


def moment(instant: datetime) -> str:
    """Answers with an instant in UTC as `2031-03-01 16:30 UTC`, as exactly as needed."""
    return f"{instant.date()} {_clock(instant)} UTC"


def span(start: datetime, end: datetime) -> str:
    """Answers with a stretch of time as `2031-03-01 16:30 to 17:00 UTC`."""
    until = _clock(end) if start.date() == end.date() else f"{end.date()} {_clock(end)}"
    return f"{start.date()} {_clock(start)} to {until} UTC"


def _clock(instant: datetime) -> str:
    if instant.microsecond:
        return instant.time().isoformat("milliseconds")
    return instant.time().isoformat("seconds" if instant.second else "minutes")


# § What to do about a finding of a conversation; each text belongs to one kind of finding alone.

DUPLICATE: Final = (
    "give every message an X-Request-ID of its own; one that is sent again under the same is "
    "processed twice where nobody looks for duplicates"
)
NO_FORECAST_NAMED: Final = (
    "send correlationId, the X-Request-ID of the forecast that cannot be complied with"
)
UNKNOWN_FORECAST_NAMED: Final = (
    "correlate with the X-Request-ID of the forecast that cannot be complied with, unchanged"
)
ADJUSTS_UNKNOWN_FORECAST: Final = (
    "correlate with the X-Request-ID of the forecast to be adjusted, or leave X-Correlation-ID out"
)
NO_HANDSHAKE_NAMED: Final = "correlate with the X-Request-ID of the Handshake that is acknowledged"
ACKNOWLEDGE_WITHOUT_HANDSHAKE: Final = (
    "send HandshakeAcknowledge in answer to a Handshake alone; to ask for settings, send Handshake"
)
BEFORE_REGISTRATION: Final = (
    "register first: each side sends Register, and is then called with the token that it gave"
)
BEFORE_HANDSHAKE: Final = "send Handshake first, and wait for its HandshakeAcknowledge"
FORECAST_BEFORE_HANDSHAKE: Final = (
    "send Handshake first, wait for its HandshakeAcknowledge, and only then speak of forecasts"
)


# § Which case of headers and sequence (oscp20.md §9.3) a finding is.

# Of each case, the rules and the remedies of its findings.
CASES: Final[Mapping[str, frozenset[tuple[str, str]]]] = MappingProxyType(
    {
        "X8": frozenset({("S19", DUPLICATE)}),
        "X9": frozenset({("S15", NO_FORECAST_NAMED)}),
        "X10": frozenset(
            {
                ("S8", ADJUSTS_UNKNOWN_FORECAST),
                ("S15", UNKNOWN_FORECAST_NAMED),
            }
        ),
        "X11": frozenset(
            {
                ("S16", ACKNOWLEDGE_WITHOUT_HANDSHAKE),
                ("S17", ACKNOWLEDGE_WITHOUT_HANDSHAKE),
            }
        ),
        "X12": frozenset({("S17", FORECAST_BEFORE_HANDSHAKE)}),
    }
)


def case_of(finding: Finding) -> str | None:
    """Answers with the name of a finding's case, such as `X10`, or None where it is of no case."""
    kind = (finding.rule, finding.hint)
    return next((case for case, kinds in CASES.items() if kind in kinds), None)


# § A mapping that forgets what it was given longest ago.

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Holds the values that were put there last, so that a year of messages fits into memory.

    Args:
        limit: How many it holds.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def __contains__(self, key: _Key) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: _Key) -> _Value | None:
        """Answers with a value, or None where it is unknown or forgotten."""
        return self._kept.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        """Holds a value, and forgets the oldest where there are too many."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def items(self) -> Iterator[tuple[_Key, _Value]]:
        """Yields all that is held, the oldest first."""
        yield from self._kept.items()


# § A message as it was said in a conversation.


@dataclass(frozen=True, slots=True)
class Said:
    """An OSCP message, who said it, and when.

    Attributes:
        action: The OSCP message name.
        body: The parsed message, whose times are texts or aware datetimes; it is not changed later.
        request_id: The X-Request-ID; None where there is none.
        correlation_id: The X-Correlation-ID; None where there is none.
        sent: Whether the party that keeps the conversation said it, rather than the other side.
        at: The time of that party, with its offset.
        number: Under which the simulator's journal has the exchange, if it has.
    """

    action: str
    body: Mapping[str, Any] = field(repr=False)  # a Register holds a token
    request_id: str | None
    correlation_id: str | None
    sent: bool
    at: datetime
    number: int | None = None


# § What a message says, read once for all rules; what its schema refuses is passed over.

_FAR_FROM_OVERFLOW = 1e300


class Block(NamedTuple):
    """A forecasted block that ends after it starts; `capacity` is None where it is no number."""

    position: int
    start: datetime
    end: datetime
    unit: str
    phase: str
    capacity: float | None

    @property
    def pointer(self) -> str:
        """Where the message has it."""
        return f"/forecasted_blocks/{self.position}"


class Reading:
    """A message and what the rules ask of it, each part read when it is first asked for."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.body: Mapping[str, Any] = said.body if isinstance(said.body, Mapping) else {}

    @cached_property
    def group(self) -> str | None:
        """The Capacity Group's name."""
        group = self.body.get("group_id")
        return group if isinstance(group, str) else None

    @cached_property
    def type(self) -> str | None:
        """The type of forecast."""
        kind = self.body.get("type")
        return str(kind) if isinstance(kind, str) else None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The forecasted blocks, in order of time."""
        listed = self.body.get("forecasted_blocks")
        return tuple(sorted(_blocks(listed if isinstance(listed, list | tuple) else ()), key=_time))

    @cached_property
    def readings(self) -> tuple[EnergyReading, ...]:
        """The readings of counters, as the message lists them."""
        listed = self.body.get("measurements")
        return tuple(
            energy_readings(list(listed) if isinstance(listed, list | tuple) else [], _instant)
        )

    @cached_property
    def offline_at(self) -> datetime | None:
        """When the sender of a heartbeat is to be taken as offline."""
        return _instant(self.body.get("offline_mode_at"))


def number(value: object) -> float | None:
    """Answers with a JSON number as a double, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _FAR_FROM_OVERFLOW else None


def _blocks(listed: Iterable[object]) -> Iterator[Block]:
    for position, block in enumerate(listed):
        if not isinstance(block, Mapping):
            continue
        start, end = _instant(block.get("start_time")), _instant(block.get("end_time"))
        if start is not None and end is not None and start < end:
            unit, phase = str(block.get("unit")), str(block.get("phase"))
            yield Block(position, start, end, unit, phase, number(block.get("capacity")))


def _instant(value: object) -> datetime | None:
    """Answers with an instant in UTC: who reads as SolarNetwork does holds times, not texts."""
    if not isinstance(value, datetime):
        return read_instant(value)
    try:
        return None if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def _time(block: Block) -> tuple[datetime, datetime]:
    return block.start, block.end


# § S19: which X-Request-ID a party used for which message.

_MOST_OF_ONE_MESSAGE = 4096


class Mention(NamedTuple):
    """A message that had an X-Request-ID, and under which number the journal has it."""

    action: str
    number: int | None


class RequestIds:
    """The X-Request-IDs of one sender, of each message the latest 4096."""

    def __init__(self) -> None:
        # Kept apart by message, so that heartbeats push no forecast out.
        self._of_action: dict[str, Recent[str, int | None]] = {}

    def put(self, request_id: str, action: str, number: int | None) -> None:
        """Holds an X-Request-ID; of one that is used again, the first use."""
        if self.find(request_id) is not None:
            return
        if action not in self._of_action:
            self._of_action[action] = Recent(_MOST_OF_ONE_MESSAGE)
        self._of_action[action].put(request_id, number)

    def knows(self, action: str) -> bool:
        """Tells whether a message of this name had an X-Request-ID."""
        return action in self._of_action

    def find(self, request_id: str) -> Mention | None:
        """Answers with the message that had an X-Request-ID, or None where none is known."""
        for action, ids in self._of_action.items():
            if request_id in ids:
                return Mention(action, ids.get(request_id))
        return None


# § Which stretches of time forecasts have spoken of.

Span = tuple[datetime, datetime]

_MOST_SPANS = 1000


class Coverage:
    """A set of instants, held as spans that neither overlap nor touch, in order of time.

    The earliest span is forgotten where there are more than `limit` of them; forecasts that follow
    one another are one span, however many they are.
    """

    def __init__(self, limit: int = _MOST_SPANS) -> None:
        self._limit = limit
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans, each from its first instant to the one after its last."""
        return tuple(zip(self._starts, self._ends, strict=True))

    @property
    def end(self) -> datetime | None:
        """The end of the last span."""
        return self._ends[-1] if self._ends else None

    def add(self, start: datetime, end: datetime) -> None:
        """Adds the instants from `start` up to `end`, which comes later."""
        first, after = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < after:
            start, end = min(start, self._starts[first]), max(end, self._ends[after - 1])
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]
        if len(self._starts) > self._limit:
            del self._starts[0], self._ends[0]

    def end_after(self, instant: datetime) -> datetime | None:
        """Answers with the end of the span that holds an instant, or None where none does."""
        index = bisect_right(self._starts, instant) - 1
        return self._ends[index] if index >= 0 and instant < self._ends[index] else None

    def missing(self, start: datetime, end: datetime) -> list[Span]:
        """Answers with what lies between two instants and is in no span."""
        gaps = []
        for index in range(bisect_right(self._ends, start), bisect_left(self._starts, end)):
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._ends[index]
        return [*gaps, (start, end)] if start < end else gaps


# § The forecasts of one side: which times they cover, and the latest of them block by block.

_MOST_BLOCKS = 10_000
_MOST_GROUPS = 1000


class Forecast(NamedTuple):
    """An UpdateGroupCapacityForecast, with its blocks in order of time."""

    request_id: str | None
    number: int | None
    group: str
    type: str
    blocks: tuple[Block, ...]


@dataclass(slots=True)
class Covered:
    """The times that the forecasts of a group and type covered, and the number of the latest."""

    times: Coverage = field(default_factory=Coverage)
    number: int | None = None


class Forecasts:
    """Remembers forecasts: the times of all of them, the blocks of the latest.

    Of a forecast that is sent again under its X-Request-ID, the later one is remembered.
    """

    def __init__(self) -> None:
        self._covered: dict[str, Recent[str, Covered]] = {
            kind.value: Recent(_MOST_GROUPS) for kind in CapacityForecastType
        }
        self._latest: deque[Forecast] = deque()
        self._with_id: dict[str, Forecast] = {}
        self._block_count = 0

    def remember(self, reading: Reading) -> None:
        """Remembers a forecast."""
        group, kind, said = reading.group, reading.type, reading.said
        if group is None or kind not in self._covered:
            return
        covered = self.covered(group, kind) or Covered()
        for block in reading.blocks:
            covered.times.add(block.start, block.end)
        covered.number = said.number
        self._covered[kind].put(group, covered)
        self._keep(Forecast(said.request_id, said.number, group, kind, reading.blocks))

    def covered(self, group: str, kind: str) -> Covered | None:
        """Answers with the times that a group's forecasts of a type covered, if there were any."""
        groups = self._covered.get(kind)
        return None if groups is None else groups.get(group)

    def of_type(self, kind: str) -> Iterator[tuple[str, Covered]]:
        """Yields the groups of which there were forecasts of a type, and their times."""
        yield from self._covered[kind].items()

    def groups(self) -> set[str]:
        """Answers with the groups of which there were forecasts."""
        return {group for groups in self._covered.values() for group, _ in groups.items()}

    def types_of(self, group: str) -> list[str]:
        """Answers with the types of a group's forecasts."""
        return [kind for kind in self._covered if self.covered(group, kind) is not None]

    def with_id(self, request_id: str) -> Forecast | None:
        """Answers with a forecast, or None where it is unknown or too long ago."""
        return self._with_id.get(request_id)

    def latest_of(self, group: str, kind: str) -> Iterator[Forecast]:
        """Yields a group's forecasts of a type, the latest first."""
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


# § The latest reading of each counter that one side sent.

_MOST_COUNTERS = 10_000


class Count(NamedTuple):
    """What a counter said, when, since when it counts, and in which exchange."""

    value: float
    at: datetime
    began: datetime | None
    number: int | None


class Counters:
    """Remembers the latest reading of each counter: of a group, an asset, a phase, a direction."""

    def __init__(self) -> None:
        self._latest: Recent[str, Count] = Recent(_MOST_COUNTERS)

    def remember(self, reading: Reading) -> None:
        """Remembers what the counters of a message said, where it is news."""
        for counter, energy in _counted(reading):
            before = self._latest.get(counter)
            if before is None or energy.at >= before.at:
                count = Count(energy.value or 0.0, energy.at, energy.began, reading.said.number)
                self._latest.put(counter, count)

    def compare(self, reading: Reading) -> Iterator[tuple[EnergyReading, Count]]:
        """Yields each counter's first reading in a message, with the latest one before that."""
        seen = set()
        for counter, energy in _counted(reading):
            before = self._latest.get(counter)
            if before is not None and counter not in seen:
                yield energy, before
            seen.add(counter)


def _counted(reading: Reading) -> Iterator[tuple[str, EnergyReading]]:
    """Yields the readings that are of counters, in order of time."""
    for energy in sorted(reading.readings, key=lambda each: each.at):
        # What is netted may fall: it is no counter.
        if energy.value is not None and energy.direction != "NET":
            # A text, because what no schema has seen may hold lists and objects.
            yield repr((reading.group, energy.counter)), energy


class Heartbeat(NamedTuple):
    """The latest heartbeat: when it was said, and when its sender goes offline without another."""

    offline_at: datetime
    at: datetime
    number: int | None


class RequiredBehaviour(NamedTuple):
    """What a side asked of the other in its latest Handshake or HandshakeAcknowledge."""

    heartbeat_interval: float | None
    measurement_configuration: frozenset[str]
    number: int | None


@dataclass(slots=True)
class Side:
    """One of the two parties, and what it said.

    Attributes:
        name: What findings call it.
        registered: Did it send Register?
        handshaken: Did it send Handshake?
        handshake: The number of its latest Handshake in the journal.
        requires: What it asks of the other side; None where it asked for nothing.
        heartbeat: Its latest heartbeat.
        ids: Its X-Request-IDs.
        forecasts: Its forecasts.
        counters: The readings of counters that it sent.
    """

    name: str
    registered: bool
    handshaken: bool
    handshake: int | None = None
    requires: RequiredBehaviour | None = None
    heartbeat: Heartbeat | None = None
    ids: RequestIds = field(default_factory=RequestIds)
    forecasts: Forecasts = field(default_factory=Forecasts)
    counters: Counters = field(default_factory=Counters)

    def remember(self, reading: Reading) -> None:
        """Remembers a message that this side said."""
        said = reading.said
        if said.request_id is not None:
            self.ids.put(said.request_id, said.action, said.number)
        match said.action:
            case "Register":
                self.registered = True
            case "Handshake":
                self.handshaken, self.handshake = True, said.number
                self._require(reading)
            case "HandshakeAcknowledge":
                self._require(reading)
            case "Heartbeat":
                if reading.offline_at is not None:
                    self.heartbeat = Heartbeat(reading.offline_at, said.at, said.number)
            case "UpdateGroupCapacityForecast":
                self.forecasts.remember(reading)
            case _:
                self.counters.remember(reading)

    def forget_registration(self) -> None:
        """Forgets that it is registered, and what was agreed since."""
        self.registered = self.handshaken = False
        self.handshake = self.requires = self.heartbeat = None

    def _require(self, reading: Reading) -> None:
        behaviour = reading.body.get("required_behaviour")
        if not isinstance(behaviour, Mapping):
            return
        interval = number(behaviour.get("heartbeat_interval"))
        asked = behaviour.get("measurement_configuration")
        self.requires = RequiredBehaviour(
            interval if interval is not None and interval >= 1 else None,
            frozenset(map(str, asked if isinstance(asked, list | tuple) else ())),
            reading.said.number,
        )

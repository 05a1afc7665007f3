"""A scenario as its file says, ready to be run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock
from oscp_sim.matching import TextPattern
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.world import World
from oscp_sim.yaml_source import YamlDocument

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII
)


def parse_instant(text: str) -> datetime:
    """Return the instant of an RFC 3339 date-time, whose seconds may be left out.

    Raises:
        ValueError: It is not one, or has no offset; the message says what to write.
    """
    found = _DATE_TIME.match(text)
    if found is None:
        message = f'"{text}" is not a date-time: write it as 2026-03-01T00:00:00Z'
        raise ValueError(message)
    if found[1] is None:
        message = f'"{text}" has no offset: add Z for UTC, or one as +01:00'
        raise ValueError(message)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        message = f'"{text}" is not a date-time: {error}'
        raise ValueError(message) from None


def parse_expression(text: str) -> str:
    """Return a Python regular expression as it is.

    Raises:
        ValueError: It is not one; the message says where.
    """
    try:
        re.compile(text)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from None
    return text


Role = Literal["capacity_provider", "capacity_optimizer"]


def _source() -> YamlDocument:
    return YamlDocument.of(None, "scenario")


@dataclass(frozen=True, slots=True)
class PlayedParty:
    """A Capacity Provider or Capacity Optimizer that the simulator plays.

    Attributes:
        role: Which of the two.
        id: Its configId.
        user: Whose it is; needed only where several users have one of that id.
    """

    role: Role
    id: int
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A message that a simulated party sends of its own accord.

    Attributes:
        name: As `register`, `handshake`, `heartbeat`, `forecast`, `adjust` or `post`.
        party: Who sends it.
        fields: What the party is told about it, as the file has it.
        source: Where it stands.
    """

    name: str
    party: PlayedParty
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that passes.

    Attributes:
        duration: How much.
    """

    duration: timedelta


Runs = Literal["frozen", "fast", "real"]


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """Where time begins, and how it passes.

    Attributes:
        runs: `frozen`: only where a step waits, or follows an instruction to its end; `fast`: at a
            speed; `real`: as on the wall.
        start: The first instant; aware. The machine's own where not given.
        speed: Of a fast clock: its seconds in a second of the wall's; none for one that runs only
            while somebody waits.
    """

    runs: Runs = "real"
    start: datetime | None = None
    speed: float | None = None

    def make(self) -> Clock:
        """Make such a clock."""
        if self.runs == "real":
            return RealClock()
        start = self.start or RealClock().now()
        return FrozenClock(start) if self.runs == "frozen" else FastClock(start, self.speed)

    @property
    def is_moved(self) -> bool:
        """Whether nothing but who waits moves it, so that the same happens every time."""
        return self.runs != "real" and self.speed is None


# `unanswered` where no answer came; None where it is not looked at.
Status = int | Literal["unanswered"] | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message given as a value.

    Attributes:
        value: What the file holds, as JSON values.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Received:
    """What the Capacity Provider is expected to have received.

    Attributes:
        nothing: True: no request at all; the rest is then not set.
        path: Below the Capacity Provider's base URL.
        headers: Name to value, None for one that must be absent.
        message: What the message holds at least; None where not looked at, else a `Message`.
        same_as_sent: Whether it must mean the same as the message sent.
    """

    nothing: bool = False
    path: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    message: Message | None = None
    same_as_sent: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedExchange:
    """A request from one party to another, as far as a file looks at it.

    Attributes:
        sender: The party that sends it, None where it is not looked at, like the rest.
        receiver: The party that it is for.
        action: The name of the OSCP message.
        path: The whole path, or its end.
        method: As `POST`.
        status: Of the answer.
        headers: Name to value, None for one that must be absent.
        message: What the message holds at least.
    """

    sender: str | None = None
    receiver: str | None = None
    action: str | None = None
    path: str | None = None
    method: str | None = None
    status: Status = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The requests between parties that are expected, in order.

    Attributes:
        wanted: Each of them; empty: there are none at all.
        complete: Whether there may be no others between, before or after.
    """

    wanted: tuple[ExpectedExchange, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Expect:
    """What is expected to come of a step; None and empty where it is not looked at.

    `source.place("/received/message/group_id")` says on which line of which file an expectation
    stands.

    Attributes:
        state: The state in which the instruction ends.
        reason: Why it was declined, what the sender's error says, or what the answer to another
            party's message says.
        parts: Into how many parts the message is split.
        within: How long it may take.
        received: What the Capacity Provider receives.
        sender: Name of the exception of `oscp_send` that ends the step.
        status: How a simulated party's message is answered.
        exchanges: What the parties send one another.
        findings: Rules and cases that are found; empty: none is.
        nothing_pending: Whether nothing may be on its way any more.
        source: Where it stands.
    """

    state: str | None = None
    reason: TextPattern | None = None
    parts: int | None = None
    within: timedelta | None = None
    received: Received | None = None
    sender: str | None = None
    status: Status = None
    exchanges: Exchanges | None = None
    findings: tuple[str, ...] | None = None
    nothing_pending: bool = False
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


Fidelity = Literal["documented", "observed"]


@dataclass(frozen=True, slots=True)
class JsonText:
    """A message given as JSON text, to be sent exactly so.

    Attributes:
        text: The text, which need not be JSON at all.
        file: Name of the payload file that it was read from.
    """

    text: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasted blocks that follow one another without a gap.

    Attributes:
        group_id: The message's group.
        type: As `CONSUMPTION`.
        start: When the first block starts; aware.
        step: How long each block lasts.
        capacities: One for each block, in `unit`.
        unit: As `KW`.
        phase: As `ALL`.
    """

    group_id: str
    type: str
    start: datetime
    step: timedelta
    capacities: tuple[float, ...]
    unit: str
    phase: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """The raw parameters of an instruction, instead of all that a sender would make.

    Attributes:
        pairs: Name and value, in order.
    """

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Send:
    """An instruction to send.

    Attributes:
        node: The node id.
        content: What it carries. With `Parameters`, nothing below but `checked` is used.
        optimizer: The parameter `coId`.
        group: The parameter `cgIdentifier`.
        action: The name of the OSCP message.
        correlation_id: The parameter `correlationId`.
        checked: Whether the sender checks the message first.
        source: Where it stands.
    """

    node: int
    content: Message | JsonText | Forecast | Parameters
    optimizer: str | None = None
    group: str | None = None
    action: str | None = None
    correlation_id: str | None = None
    checked: bool = True
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and what is expected to come of it.

    Attributes:
        name: What the report calls it.
        does: What to do: an instruction to send, a party's own message, or time that passes.
        expect: What should come of it.
        source: Where it stands.
    """

    name: str
    does: Send | Command | Wait
    expect: Expect = field(default_factory=Expect)
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A rehearsal of its own.

    Attributes:
        name: Unique in its folder.
        group: The heading under which the report shows it.
        steps: At least one.
        about: One sentence, or None.
        world: None: the rehearsal's own.
        fidelity: None: the rehearsal's own.
        clock: By which it runs.
        seats: Which parties are real, and where.
        sequence: Whether a report shows what the parties sent one another even where all is well.
        source: Where it stands.
    """

    name: str
    group: str
    steps: tuple[Step, ...]
    about: str | None = None
    world: World | None = None
    fidelity: Fidelity | None = None
    clock: ClockSetting = field(default_factory=ClockSetting)
    seats: RealParties = field(default_factory=RealParties)
    sequence: bool = False
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)

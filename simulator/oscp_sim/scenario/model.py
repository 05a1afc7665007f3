"""A scenario: its steps, what each is expected to lead to, and the clock that it runs by.

The dataclasses are what `read` reads a scenario file by: a field is a key of the file, and its type
says how the value is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from oscp_schemas.show import nearest
from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock
from oscp_sim.dataclass_values import written_as
from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.faults import Rule
from oscp_sim.matching import TextPattern
from oscp_sim.scenario.events import ScenarioId
from oscp_sim.scenario.real_parties import RealParties, SystemRole
from oscp_sim.verify import Verification
from oscp_sim.world import Broker, World
from oscp_sim.yaml_source import YamlDocument

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII
)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 date-time, whose seconds may be left out.

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
        ValueError: It is not one; the message says where it goes wrong.
    """
    try:
        re.compile(text)
    except re.error as error:
        message = f"not a regular expression: {error}"
        raise ValueError(message) from None
    return text


Instant = Annotated[datetime, parse_instant]
Fidelity = Literal["documented", "observed"]
Runs = Literal["frozen", "fast", "real"]
#: HTTP status of an answer, or that there is none.
Status = int | Literal["unanswered"]
#: Name to value, None for one that must be absent.
Headers = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sourced:
    """A part of a scenario; `source.place("/received")` says where in which file a key of it is."""

    source: YamlDocument = field(
        default_factory=lambda: YamlDocument.of(None, "scenario"), repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """Where time begins, and how it passes.

    Attributes:
        runs: `frozen`: only while a step waits, or follows an instruction to its end; `fast`: at a
            speed; `real`: by the machine's clock.
        start: The first instant; None: now.
        speed: Of a fast clock: its seconds in a second of the machine's; None for one that runs
            only while somebody waits.
    """

    runs: Runs = "real"
    start: Instant | None = None
    speed: float | None = None

    def make(self) -> Clock:
        """Make such a clock."""
        if self.runs == "real":
            return RealClock()
        start = self.start or RealClock().now()
        return FrozenClock(start) if self.runs == "frozen" else FastClock(start, self.speed)


# What a step does.


@dataclass(frozen=True, slots=True)
class Message:
    """A message given as a JSON value, which may be null."""

    value: Any


@dataclass(frozen=True, slots=True)
class JsonText:
    """A message given as text, to be sent exactly so, whether it is JSON or not.

    Attributes:
        file: Name of the payload file that it was read from.
    """

    text: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasted blocks that follow one another without a gap, each as long as `step`."""

    group_id: str
    type: str
    start: Instant
    step: timedelta
    capacities: tuple[int | float, ...]
    unit: str = "KW"
    phase: str = "ALL"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The raw parameters of an instruction, name and value, instead of what a sender would make."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Send(_Sourced):
    """An instruction to send.

    Attributes:
        content: What it carries. With `Parameters`, nothing below but `checked` is used.
        optimizer: The parameter `coId`.
        group: The parameter `cgIdentifier`.
        checked: Whether the sender checks the message first.
    """

    node: int
    content: Message | JsonText | Forecast | Parameters = field(
        metadata=written_as(
            {
                "message": Message,
                "text": JsonText,
                "file": JsonText,
                "forecast": Forecast,
                "parameters": Parameters,
            }
        )
    )
    optimizer: str | None = None
    group: str | None = None
    action: str | None = None
    correlation_id: str | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class PlayedParty:
    """A Capacity Provider or Capacity Optimizer that the simulator plays.

    Attributes:
        id: Its configId.
        user: Whose it is; needed only where several users have one of that id.
    """

    role: SystemRole
    id: int
    user: int | None = None


#: What a simulated party can be made to send: the key of the step.
COMMANDS: Final = (
    "register",
    "handshake",
    "handshake_acknowledge",
    "heartbeat",
    "forecast",
    "adjust",
    "post",
)


@dataclass(frozen=True, slots=True)
class Command(_Sourced):
    """A message that a simulated party is made to send.

    Attributes:
        name: One of `COMMANDS`.
        fields: The arguments of that command of the party.
    """

    name: str
    party: PlayedParty
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a request is for, or whose token it shows; without an id, the only one of its kind."""

    party: PartyName
    id: int | None = None

    def __str__(self) -> str:
        return self.party if self.id is None else f"{self.party}:{self.id}"


def parse_addressee(text: str) -> Addressee:
    """Read a party, as `solaruser` or `capacity_provider:3`.

    Raises:
        ValueError: It is not one; the message says how to write it.
    """
    name, colon, number = text.partition(":")
    found = next((each for each in ALL_PARTIES if each == name), None)
    if found is None:
        near = nearest(name, ALL_PARTIES)
        hint = f'did you mean "{near}"?' if near else f"there is {', '.join(ALL_PARTIES)}"
        message = f'there is no party "{name}"; {hint}'
        raise ValueError(message)
    if colon and found in {"solaruser", "flexibility_provider"}:
        message = f"there is one {found} only: leave :{number} out"
        raise ValueError(message)
    if colon and not (number.isascii() and number.isdigit()):
        message = f'"{number}" is not an id: write the party as {found}:3'
        raise ValueError(message)
    return Addressee(found, int(number) if colon else None)


@dataclass(frozen=True, slots=True)
class Signer:
    """By whose token of SolarUser a request is signed.

    Attributes:
        secret: What it is signed with; None: the token's own secret.
    """

    token: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RawRequest(_Sourced):
    """A request as it stands in the file, of a program that is not a party.

    Attributes:
        path: Path and query as they are sent, below the base URL of whom it is for.
        to: Whom it is for; None: the simulator, whose path is the whole one then.
        user: Whose Capacity Provider or Optimizer that is, where several have one of that id.
        method: None: POST with a body, else GET.
        headers: Those to send, each with its value or values; None for one that is left out.
        content: The body, or None.
        sign: By what it is signed as SolarUser wants it.
        version: Of HTTP, as the request line has it.
        token_of: Of the token between this party and the Flexibility Provider, the one that goes
            this way is shown.
    """

    path: str
    to: Annotated[Addressee, parse_addressee] | None = None
    user: int | None = None
    method: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict, hash=False)
    content: Message | JsonText | None = field(
        default=None,
        metadata=written_as({"message": Message, "text": JsonText, "file": JsonText}),
    )
    sign: Signer | None = None
    version: str = "HTTP/1.1"
    token_of: Annotated[Addressee, parse_addressee] | None = None

    @property
    def verb(self) -> str:
        """The method that it is sent with."""
        return self.method or ("GET" if self.content is None else "POST")


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that passes."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class Pause:
    """Real time that passes, whatever the clock says, for a real party or program."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class Outage:
    """The broker between the services goes down, or comes up again."""

    broker: Broker


@dataclass(frozen=True, slots=True)
class Run(_Sourced):
    """A program of the reader's own to run to its end.

    Attributes:
        folder: Where it runs: that of the scenario file; None: here.
        others: What becomes of its requests for other hosts than production's, which are answered;
            None: nothing is intercepted.
    """

    command: tuple[str, ...]
    folder: Path | None = None
    others: Literal["pass", "refuse"] | None = None


@dataclass(frozen=True, slots=True)
class Verify(_Sourced):
    """A look back at all that happened in the scenario, as it is verified over HTTP, too."""

    verifications: tuple[Verification, ...]


# What a step is expected to lead to; None or empty: it does not matter.


@dataclass(frozen=True, slots=True)
class Times:
    """How often something is expected; None: as often as it may be."""

    at_least: int = 0
    at_most: int | None = None

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            return f"exactly {self.at_least}"
        bounds = (("at least", self.at_least or None), ("at most", self.at_most))
        return " and ".join(f"{word} {count}" for word, count in bounds if count is not None)

    def allows(self, count: int) -> bool:
        """Return whether that many are as many as expected."""
        return self.at_least <= count and (self.at_most is None or count <= self.at_most)


@dataclass(frozen=True, slots=True)
class Received:
    """What the Capacity Provider is expected to have received.

    Attributes:
        nothing: True: no request at all; the rest is then not set.
        path: Below the Capacity Provider's base URL.
        message: What the message holds at least.
        same_as_sent: Whether it must mean the same as the message sent.
    """

    nothing: bool = False
    path: str | None = None
    headers: Headers = field(default_factory=dict)
    message: Message | None = None
    same_as_sent: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedExchange:
    """A request from one party to another, as far as a file describes it.

    Attributes:
        path: The whole path, or its end.
        message: What the message holds at least.
        times: How often it is sent; None: once, and more often only where anything else may be.
        captured_as: The name by which later steps refer to the first of them.
    """

    sender: PartyName | None = field(default=None, metadata=written_as("from"))
    receiver: PartyName | None = field(default=None, metadata=written_as("to"))
    action: str | None = None
    path: str | None = None
    method: str | None = None
    status: Status | None = None
    headers: Headers = field(default_factory=dict)
    message: Message | None = None
    times: Times | None = None
    captured_as: str | None = field(default=None, metadata=written_as("as"))


@dataclass(frozen=True, slots=True)
class Await(_Sourced):
    """Something to wait for until somebody has sent it.

    Attributes:
        within: How long to wait; None: as long as for an instruction.
    """

    exchange: ExpectedExchange
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DeclinedInstruction:
    """An instruction that is expected to be declined, as far as a file describes it."""

    action: str | None = None
    reason: TextPattern | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """Which instructions are expected to be declined.

    Attributes:
        any: True: any may be, and none need be; the list is then empty.
        listed: Each description must fit one that is declined, and each of those a description.
    """

    any: bool = False
    listed: tuple[DeclinedInstruction, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Which requests are expected to be refused, as `Declined` says of instructions."""

    any: bool = False
    listed: tuple[ExpectedExchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """What the JSON of an answer holds at least, its text, or a `TextPattern` for that."""

    value: Any


@dataclass(frozen=True, slots=True)
class Expect(_Sourced):
    """What a step is expected to lead to.

    Attributes:
        state: The state in which the instruction ends.
        reason: Why it was declined, the text of the sender's error, or the body of the answer to a
            simulated party.
        parts: Into how many parts the message is split.
        within: How long it may take.
        sender: Name of the exception of `oscp_send` that ends the step.
        settled: What the sender then finds of an instruction that may have been queued.
        status: Of the answer to a simulated party, or to a request as it stands.
        exchanges: All that the parties send one another, in order.
        exchanges_among_others: What they send one another, in order, with anything between.
        findings: Rules and cases that are found; empty: none is.
        pending: That nothing may be on its way any more.
        declined: Of a program: which of its instructions are declined; none where not given.
        refused: Of a program: which requests are refused; none where not given.
        exit_code: Of the program; None: 0.
        verify: Counts, order and more of what happens in the step.
    """

    state: str | None = None
    reason: TextPattern | None = None
    parts: int | None = None
    within: timedelta | None = None
    received: Received | None = None
    sender: str | None = None
    settled: str | None = None
    status: Status | None = None
    headers: Headers = field(default_factory=dict)
    body: Body | None = None
    exchanges: tuple[ExpectedExchange, ...] | None = None
    exchanges_among_others: tuple[ExpectedExchange, ...] | None = None
    findings: tuple[str, ...] | None = None
    pending: Literal["nothing"] | None = None
    declined: Declined | None = None
    refused: Refused | None = None
    exit_code: int | None = None
    output: TextPattern | None = None
    verify: tuple[Verification, ...] = ()


#: What a step can do.
Does = Send | Command | RawRequest | Wait | Pause | Outage | Run | Await | Verify


@dataclass(frozen=True, slots=True)
class Step(_Sourced):
    """One thing to do, and what is expected of it.

    Attributes:
        expect_none: What nobody may send meanwhile.
        captured_as: The name by which later steps refer to what it sent or awaited.
        fill: Of a step that refers to what earlier ones captured, by name: returns it with the
            values in place, or raises `SourceError` if they do not fit.
    """

    name: str
    does: Does = field(
        metadata=written_as(
            {
                "send": Send,
                "request": RawRequest,
                "run": Run,
                "await": Await,
                "wait": Wait,
                "pause": Pause,
                "broker": Outage,
                "verify": Verify,
                **dict.fromkeys(COMMANDS, Command),
            }
        )
    )
    expect: Expect = field(default_factory=Expect)
    expect_none: tuple[ExpectedExchange, ...] = ()
    captured_as: str | None = field(default=None, metadata=written_as("as"))
    fill: Callable[[Mapping[str, Mapping[str, Any]]], Step] | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class Scenario(_Sourced):
    """A rehearsal of its own.

    Attributes:
        name: Unique in its folder.
        group: The heading under which the report shows it.
        about: One sentence, or None.
        world: None, as of fidelity and seed: the rehearsal's own.
        real_parties: Which parties are real, and where.
        sequence: Whether a report shows what the parties sent one another even if nothing failed.
        tags: By which scenarios are chosen.
        expect_none: What nobody may send in any of its steps.
        matrix: Of a scenario that was written for several values: those that this one has.
        faults: What shall go wrong, beside the faults of the world.
    """

    name: str = field(metadata=written_as("scenario"))
    group: str
    steps: tuple[Step, ...]
    about: str | None = None
    world: World | None = None
    fidelity: Fidelity | None = None
    seed: int | None = None
    clock: ClockSetting = field(default_factory=ClockSetting)
    real_parties: RealParties = field(default_factory=RealParties, metadata=written_as("seats"))
    sequence: bool = False
    tags: tuple[str, ...] = ()
    expect_none: tuple[ExpectedExchange, ...] = ()
    matrix: Mapping[str, Any] = field(default_factory=dict, hash=False)
    faults: tuple[Rule, ...] = ()

    @property
    def id(self) -> ScenarioId:
        """What events call it."""
        return ScenarioId(self.group, self.name)

"""A scenario as its file tells it, ready to be run."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from simulator.scenario.clock_setting import ClockSetting
from simulator.scenario.command import Command, Wait
from simulator.scenario.expectation import Expect, Message
from simulator.scenario.seats import Seats
from simulator.world import World
from simulator.yaml_source import YamlDocument

__all__ = ["Fidelity", "Forecast", "JsonText", "Parameters", "Scenario", "Send", "Step"]

Fidelity = Literal["documented", "observed"]


def _source() -> YamlDocument:
    return YamlDocument.of(None, "scenario")


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
    seats: Seats = field(default_factory=Seats)
    sequence: bool = False
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)

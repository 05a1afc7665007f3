"""A scenario as its file tells it, ready to be run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from simulator.matching import TextPattern
from simulator.world import World
from simulator.yaml_source import YamlDocument

__all__ = [
    "Expect",
    "Fidelity",
    "Forecast",
    "JsonText",
    "Message",
    "Parameters",
    "Received",
    "Scenario",
    "Send",
    "Step",
]

Fidelity = Literal["documented", "observed"]


def _source() -> YamlDocument:
    return YamlDocument.of(None, "scenario")


@dataclass(frozen=True, slots=True)
class Message:
    """A message given as a value.

    Attributes:
        value: What the file holds, as JSON values.
    """

    value: Any


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
class Expect:
    """What is expected to come of a step; None and empty where it is not looked at.

    `source.place("/received/message/group_id")` says on which line of which file an expectation
    stands.

    Attributes:
        state: The state in which the instruction ends.
        reason: Why it was declined, or what the sender's error says.
        parts: Into how many parts the message is split.
        within: How long it may take.
        received: What the Capacity Provider receives.
        sender: Name of the exception of `oscp_send` that ends the step.
        source: Where it stands.
    """

    state: str | None = None
    reason: TextPattern | None = None
    parts: int | None = None
    within: timedelta | None = None
    received: Received | None = None
    sender: str | None = None
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and what is expected to come of it.

    Attributes:
        name: What the report calls it.
        send: What to do.
        expect: What should come of it.
        source: Where it stands.
    """

    name: str
    send: Send
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
        source: Where it stands.
    """

    name: str
    group: str
    steps: tuple[Step, ...]
    about: str | None = None
    world: World | None = None
    fidelity: Fidelity | None = None
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)

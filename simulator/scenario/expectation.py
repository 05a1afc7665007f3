"""What a scenario expects to come of a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from simulator.matching import TextPattern
from simulator.yaml_source import YamlDocument

__all__ = ["Exchanges", "Expect", "ExpectedExchange", "Message", "Received", "Status"]

# `unanswered` where no answer came; None where it is not looked at.
Status = int | Literal["unanswered"] | None


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

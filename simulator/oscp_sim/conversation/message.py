"""One message of a conversation: what it says, and how a finding about it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from oscp_send import meaning
from oscp_send.blocks import Block, number, read_blocks
from oscp_send.findings import Finding, Severity
from oscp_send.times import read_instant


@dataclass(frozen=True, slots=True)
class ExchangedMessage:
    """An OSCP message that one of two parties sent to the other.

    Attributes:
        body: The parsed message, its times as texts or aware datetimes; never changed later.
        sent: Whether it was sent by the party that keeps the conversation.
        at: When, by that party's clock, with its offset.
        number: The number of the exchange in the simulator's journal, or None.
    """

    action: str
    body: Mapping[str, Any] = field(repr=False)  # a Register holds a token
    request_id: str | None
    correlation_id: str | None
    sent: bool
    at: datetime
    number: int | None = None


class RequiredBehaviour(NamedTuple):
    """What a party asked of the other in a Handshake or a HandshakeAcknowledge.

    Attributes:
        heartbeat_interval: Seconds, 1 or more; None if no heartbeats are wanted.
        measurement_configuration: CONTINUOUS, INTERMITTENT, both or neither.
        number: The number of the message in the journal, or None.
    """

    heartbeat_interval: float | None
    measurement_configuration: frozenset[str]
    number: int | None


class ParsedMessage:
    """What the rules read of a message, each part when it is first needed.

    Whatever the message's schema refuses is skipped.
    """

    def __init__(self, message: ExchangedMessage) -> None:
        self.message = message
        self._body: Mapping[str, Any] = message.body if isinstance(message.body, Mapping) else {}

    @cached_property
    def group(self) -> str | None:
        """The identifier of the Capacity Group."""
        group = self._body.get("group_id")
        return group if isinstance(group, str) else None

    @cached_property
    def type(self) -> str | None:
        """The type of the forecast."""
        kind = self._body.get("type")
        return str(kind) if isinstance(kind, str) else None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The forecasted blocks that end after they start, in chronological order."""
        blocks = read_blocks(_list(self._body.get("forecasted_blocks")), _instant)
        return tuple(sorted(each for each in blocks if each.start < each.end))

    @cached_property
    def readings(self) -> tuple[meaning.Reading, ...]:
        """The readings of energy counters in the order of the message."""
        return tuple(meaning.energy_readings(_list(self._body.get("measurements")), _instant))

    @cached_property
    def offline_at(self) -> datetime | None:
        """When the sender of a heartbeat goes offline unless another one follows."""
        return _instant(self._body.get("offline_mode_at"))

    @cached_property
    def digest(self) -> int:
        """What the message says, and of which other one it says it, as 64 bits."""
        said = [self._body, self.message.correlation_id]
        try:
            text = orjson.dumps(said, default=str)
        except TypeError:  # an integer of more than 64 bits, or half a surrogate pair
            text = repr(said).encode(errors="backslashreplace")
        return hash(text)

    @property
    def required_behaviour(self) -> RequiredBehaviour | None:
        """What the sender of a handshake asks for, or None."""
        behaviour = self._body.get("required_behaviour")
        if not isinstance(behaviour, Mapping):
            return None
        seconds = number(behaviour.get("heartbeat_interval"))
        return RequiredBehaviour(
            seconds if seconds is not None and seconds >= 1 else None,
            frozenset(map(str, _list(behaviour.get("measurement_configuration")))),
            self.message.number,
        )


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _instant(value: object) -> datetime | None:
    """Return an instant in UTC, or None; a party may have read the time texts of its messages."""
    if not isinstance(value, datetime):
        return read_instant(value) if isinstance(value, str) else None
    try:
        return None if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None


def finding(
    rule: str,
    pointer: str,
    message: str,
    hint: str,
    exchange: int | None = None,
    *,
    severity: Severity = "warning",
    case: str | None = None,
) -> Finding:
    """Return a finding of a rule that needs history."""
    return Finding("meaning", rule, severity, pointer, message, hint, exchange=exchange, case=case)


def utc(instant: datetime) -> str:
    """Return an instant as `2031-03-01 16:30 UTC`, with seconds where there are any."""
    return f"{instant.date()} {_clock(instant)} UTC"


def interval(start: datetime, end: datetime) -> str:
    """Return an interval as `2031-03-01 16:30 to 17:00 UTC`."""
    until = _clock(end) if start.date() == end.date() else f"{end.date()} {_clock(end)}"
    return f"{start.date()} {_clock(start)} to {until} UTC"


def _clock(instant: datetime) -> str:
    if instant.microsecond:
        return instant.time().isoformat("milliseconds")
    return instant.time().isoformat("seconds" if instant.second else "minutes")

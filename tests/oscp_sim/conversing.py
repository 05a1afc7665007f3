"""Conversations for tests: lines that two parties say to each other, one minute apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from oscp_sim.conversation import Conversation, ExchangedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oscp_send.findings import Finding

NOON = datetime(2031, 3, 1, 12, tzinfo=UTC)
GROUP = "depot-7"


def at(minute: float) -> str:
    """Return an instant as a text, given in minutes after noon."""
    return (NOON + timedelta(minutes=minute)).isoformat()


@dataclass(frozen=True)
class Line:
    """What one party says; `minute`, after noon, is by default one after the line before."""

    action: str
    body: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    names: str | None = None
    minute: float | None = None
    sent: bool = True


class How(TypedDict, total=False):
    """How a line is said."""

    id: str | None
    names: str | None
    minute: float | None


def ours(action: str, body: dict[str, Any] | None = None, **how: Unpack[How]) -> Line:
    """Return a line of the party that keeps the conversation."""
    return Line(action, body or {}, sent=True, **how)


def theirs(action: str, body: dict[str, Any] | None = None, **how: Unpack[How]) -> Line:
    """Return a line of the other party."""
    return Line(action, body or {}, sent=False, **how)


def behaviour(*styles: str, interval: object = None) -> dict[str, Any]:
    """Return a Handshake that asks for measurements and, by an interval, for heartbeats."""
    asked: dict[str, Any] = {"measurement_configuration": list(styles)}
    if interval is not None:
        asked["heartbeat_interval"] = interval
    return {"required_behaviour": asked}


def block(start: float, end: float, capacity: object = 50, **changes: object) -> dict[str, Any]:
    """Return a block between two minutes after noon."""
    base = {"capacity": capacity, "phase": "ALL", "unit": "KW"}
    return {**base, "start_time": at(start), "end_time": at(end), **changes}


def forecast(
    *blocks: dict[str, Any], kind: str = "CONSUMPTION", group: str = GROUP
) -> dict[str, Any]:
    """Return a forecast or an adjustment."""
    return {"group_id": group, "type": kind, "forecasted_blocks": list(blocks)}


def heartbeat(minute: float) -> dict[str, Any]:
    """Return a heartbeat whose sender goes offline at a minute after noon."""
    return {"offline_mode_at": at(minute)}


def energy(value: object, minute: float, **changes: object) -> dict[str, Any]:
    """Return the reading of a counter of imported energy."""
    base = {"value": value, "phase": "ALL", "unit": "KWH", "direction": "IMPORT"}
    return {**base, "measure_time": at(minute), **changes}


def measured(*readings: dict[str, Any], group: str = GROUP) -> dict[str, Any]:
    """Return the measurements of a group, or of its assets."""
    return {"group_id": group, "measurements": list(readings)}


REGISTERED = (
    ours("Register", id="a1", minute=-4),
    theirs("Register", id="u1", minute=-3),
)
OPENED = (
    *REGISTERED,
    ours("Handshake", behaviour("CONTINUOUS", interval=60), id="h1", minute=-2),
    theirs("HandshakeAcknowledge", {"required_behaviour": {}}, id="u2", names="h1", minute=-1),
)


def converse(
    lines: Iterable[Line], conversation: Conversation | None = None
) -> list[list[Finding]]:
    """Return the findings of each line, which is judged and then remembered.

    Lines are numbered from 1, like the exchanges of a journal.
    """
    conversation = conversation or Conversation("capacity_provider")
    return [_say(conversation, message) for message in spoken(lines)]


def spoken(lines: Iterable[Line]) -> list[ExchangedMessage]:
    """Return lines as exchanged messages: numbered, and each at its minute."""
    result: list[ExchangedMessage] = []
    minute = -1.0
    for number, line in enumerate(lines, start=1):
        minute = minute + 1 if line.minute is None else line.minute
        moment = NOON + timedelta(minutes=minute)
        result.append(
            ExchangedMessage(line.action, line.body, line.id, line.names, line.sent, moment, number)
        )
    return result


def by_the_other(lines: Iterable[Line]) -> list[Line]:
    """Return the lines as the other party hears them."""
    return [replace(line, sent=not line.sent) for line in lines]


def _say(conversation: Conversation, message: ExchangedMessage) -> list[Finding]:
    found = list(conversation.judge(message))
    conversation.remember(message)
    return found

"""Conversations for tests: lines that two sides say to each other, one minute apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from oscp_sim.conversation.conversation import Conversation
from oscp_sim.conversation.memory import Said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oscp_send.findings import Finding

NOON = datetime(2031, 3, 1, 12, tzinfo=UTC)
GROUP = "depot-7"


def at(minute: float) -> str:
    """Answers with the text of an instant, in minutes after noon."""
    return (NOON + timedelta(minutes=minute)).isoformat()


@dataclass(frozen=True)
class Line:
    """What one side says; `minute`, of noon, is one after the line before where it is left out."""

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
    """Answers with a line of the party that keeps the conversation."""
    return Line(action, body or {}, sent=True, **how)


def theirs(action: str, body: dict[str, Any] | None = None, **how: Unpack[How]) -> Line:
    """Answers with a line of the other side."""
    return Line(action, body or {}, sent=False, **how)


def behaviour(*styles: str, interval: object = None) -> dict[str, Any]:
    """Answers with a Handshake that asks for styles of measurement and for heartbeats."""
    asked: dict[str, Any] = {"measurement_configuration": list(styles)}
    if interval is not None:
        asked["heartbeat_interval"] = interval
    return {"required_behaviour": asked}


def block(start: float, end: float, capacity: object = 50, **changes: object) -> dict[str, Any]:
    """Answers with a block between two minutes after noon."""
    base = {"capacity": capacity, "phase": "ALL", "unit": "KW"}
    return {**base, "start_time": at(start), "end_time": at(end), **changes}


def forecast(
    *blocks: dict[str, Any], kind: str = "CONSUMPTION", group: str = GROUP
) -> dict[str, Any]:
    """Answers with a forecast or an adjustment."""
    return {"group_id": group, "type": kind, "forecasted_blocks": list(blocks)}


def heartbeat(minute: float) -> dict[str, Any]:
    """Answers with a heartbeat whose sender goes offline at a minute after noon."""
    return {"offline_mode_at": at(minute)}


def energy(value: object, minute: float, **changes: object) -> dict[str, Any]:
    """Answers with the reading of a counter of imported energy."""
    base = {"value": value, "phase": "ALL", "unit": "KWH", "direction": "IMPORT"}
    return {**base, "measure_time": at(minute), **changes}


def measured(*readings: dict[str, Any], group: str = GROUP) -> dict[str, Any]:
    """Answers with the measurements of a group, or of its assets."""
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
    """Answers with the findings of each line, each remembered after it was judged.

    Lines are numbered from 1, as exchanges of a journal.
    """
    conversation = conversation or Conversation("capacity_provider")
    return [_say(conversation, said) for said in spoken(lines)]


def spoken(lines: Iterable[Line]) -> list[Said]:
    """Answers with lines as they are said: numbered, and each at its minute."""
    result: list[Said] = []
    minute = -1.0
    for number, line in enumerate(lines, start=1):
        minute = minute + 1 if line.minute is None else line.minute
        moment = NOON + timedelta(minutes=minute)
        said = Said(line.action, line.body, line.id, line.names, line.sent, moment, number)
        result.append(said)
    return result


def by_the_other(lines: Iterable[Line]) -> list[Line]:
    """Answers with the lines as the other side hears them."""
    return [replace(line, sent=not line.sent) for line in lines]


def _say(conversation: Conversation, said: Said) -> list[Finding]:
    found = list(conversation.judge(said))
    conversation.remember(said)
    return found

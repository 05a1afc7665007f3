"""S17 and S19: what comes too early, and what comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.conversation import remedies
from simulator.conversation.texts import problem, remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from simulator.conversation.reading import Reading
    from simulator.conversation.side import Side

__all__ = ["judge_duplicate", "judge_order"]

_FORECASTS = frozenset({"AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast"})


def judge_order(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S17: Register comes first, by both sides, then Handshake, by one, then all else."""
    action = reading.said.action
    if action == "Register":
        return
    if not (sender.registered and receiver.registered):
        yield problem(
            "S17",
            "",
            f"{action} comes before registration: {_who_registered(sender, receiver)}",
            remedies.BEFORE_REGISTRATION,
        )
    elif action != "Handshake" and not (sender.handshaken or receiver.handshaken):
        message = f"{action} comes before a handshake: neither side has sent Handshake"
        yield problem("S17", "", message, _before_handshake(action))


def judge_duplicate(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S19 for an X-Request-ID that its sender used before."""
    said = reading.said
    known = None if said.request_id is None else sender.ids.find(said.request_id)
    if known is None:
        return
    what = "this message" if known.action == said.action else known.action
    message = f"{sender.name} has used X-Request-ID {said.request_id} before, for {what}"
    yield remark("S19", "", message, remedies.DUPLICATE, known.number)


def _who_registered(sender: Side, receiver: Side) -> str:
    for side, other in ((sender, receiver), (receiver, sender)):
        if side.registered:
            return f"{side.name} has sent Register, and {other.name} has not answered with its own"
    return "neither side has sent Register"


def _before_handshake(action: str) -> str:
    if action == "HandshakeAcknowledge":
        return remedies.ACKNOWLEDGE_WITHOUT_HANDSHAKE
    return remedies.FORECAST_BEFORE_HANDSHAKE if action in _FORECASTS else remedies.BEFORE_HANDSHAKE

"""S15, S16 and part of S8: what an X-Correlation-ID names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.conversation import remedies
from simulator.conversation.texts import problem, remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from simulator.conversation.reading import Reading
    from simulator.conversation.request_ids import Mention
    from simulator.conversation.side import Side

__all__ = ["judge_acknowledged", "judge_adjusted", "judge_complained_of"]

_FORECAST = "UpdateGroupCapacityForecast"


def judge_complained_of(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S15: nothing but the X-Correlation-ID tells which forecast cannot be complied with."""
    named = reading.said.correlation_id
    if not named:
        message = "names no forecast: there is no X-Correlation-ID"
        yield problem("S15", "", message, remedies.NO_FORECAST_NAMED)
        return
    message, known = _misnamed(named, _FORECAST, sender, receiver)
    if message:
        exchange = known.number if known else None
        yield problem("S15", "", message, remedies.UNKNOWN_FORECAST_NAMED, exchange)


def judge_adjusted(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S8 for an adjustment that names another message than a forecast; it need name none."""
    named = reading.said.correlation_id
    if not named:
        return
    message, known = _misnamed(named, _FORECAST, sender, receiver)
    if message:
        exchange = known.number if known else None
        yield remark("S8", "", message, remedies.ADJUSTS_UNKNOWN_FORECAST, exchange)


def judge_acknowledged(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S16: an acknowledge names the Handshake that it answers.

    It is left to S17 where it comes before registration, or before any handshake.
    """
    if not (sender.registered and receiver.registered):
        return
    if not receiver.handshaken and not sender.handshaken:
        return
    named = reading.said.correlation_id
    if receiver.ids.knows("Handshake"):
        yield from _names_handshake(named, sender, receiver)
        return
    yield problem(
        "S16",
        "",
        f"answers no Handshake: {receiver.name} has sent none",
        remedies.ACKNOWLEDGE_WITHOUT_HANDSHAKE,
    )


def _names_handshake(named: str | None, sender: Side, receiver: Side) -> Iterator[Finding]:
    if not named:
        message = "names no Handshake: there is no X-Correlation-ID"
        yield problem("S16", "", message, remedies.NO_HANDSHAKE_NAMED, receiver.handshake)
        return
    message, known = _misnamed(named, "Handshake", sender, receiver)
    if message:
        exchange = known.number if known else receiver.handshake
        yield problem("S16", "", message, remedies.NO_HANDSHAKE_NAMED, exchange)


def _misnamed(named: str, action: str, sender: Side, receiver: Side) -> tuple[str, Mention | None]:
    """Answers with what is wrong with an id that ought to be of a message of the receiver's."""
    of_receiver = receiver.ids.find(named)
    if of_receiver is not None and of_receiver.action == action:
        return "", None
    message = f"X-Correlation-ID {named} names no {action} that {receiver.name} sent"
    for side, mention in ((receiver, of_receiver), (sender, sender.ids.find(named))):
        if mention is not None:
            return f"{message}: it is of {mention.action} of {side.name}", mention
    return message, None

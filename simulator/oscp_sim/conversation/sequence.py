"""Rules S15 to S17 and S19, and S8 for correlation: the order of messages, and what is repeated.

They are those of docs/protocol/oscp20.md §3.13; the cases X8 to X12 are those of its §9.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from oscp_send.findings import Finding
from oscp_sim.conversation.memory import SAID_ONCE, Speaker
from oscp_sim.conversation.message import ParsedMessage, finding

_FORECAST: Final = "UpdateGroupCapacityForecast"
_ONLY_ACKNOWLEDGE: Final = (
    "send HandshakeAcknowledge only in answer to a Handshake; to ask for settings, send Handshake"
)
_FORECAST_LATER: Final = (
    "send Handshake first, wait for its HandshakeAcknowledge, and only then send forecasts and "
    "adjustments"
)
# What to do about a message before any handshake, and which case it is.
_BEFORE_HANDSHAKE: Final = {
    "HandshakeAcknowledge": (_ONLY_ACKNOWLEDGE, "X11"),
    "AdjustGroupCapacityForecast": (_FORECAST_LATER, "X12"),
    _FORECAST: (_FORECAST_LATER, "X12"),
}


def judge_order(parsed: ParsedMessage, sender: Speaker, receiver: Speaker) -> Iterator[Finding]:
    """Yield S17: first both parties send Register, then one sends Handshake, then all else."""
    action = parsed.message.action
    if action == "Register":
        return
    if not (sender.registered and receiver.registered):
        message = f"{action} comes before registration: {_who_registered(sender, receiver)}"
        hint = (
            "register first: each side sends Register, and is then called with the token that it "
            "gave"
        )
        yield finding("S17", "", message, hint, severity="error")
    elif action != "Handshake" and not (sender.handshaken or receiver.handshaken):
        message = f"{action} comes before a handshake: neither side has sent Handshake"
        otherwise = ("send Handshake first, and wait for its HandshakeAcknowledge", None)
        hint, case = _BEFORE_HANDSHAKE.get(action, otherwise)
        yield finding("S17", "", message, hint, severity="error", case=case)


def _who_registered(sender: Speaker, receiver: Speaker) -> str:
    for side, other in ((sender, receiver), (receiver, sender)):
        if side.registered:
            return f"{side.name} has sent Register, and {other.name} has not answered with its own"
    return "neither side has sent Register"


_TIMES, _SOON = 3, timedelta(minutes=1)


def judge_registered_again(
    parsed: ParsedMessage, sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield a finding for the third Register in a minute, each after the other side's own.

    Each side takes the other's answer for an opening, and answers it: that never ends (§10).
    """
    at = parsed.message.at
    turns = [*zip(sender.registrations, receiver.registrations, strict=False), (at, at)]
    in_turn = [each for turn in turns for each in turn]
    if len(turns) == _TIMES and in_turn == sorted(in_turn) and at - in_turn[0] <= _SOON:
        message = (
            f"{sender.name} registers for the third time in {(at - in_turn[0]).total_seconds():g} "
            f"s, each time after {receiver.name}'s own Register: it may wait for one with an "
            "X-Correlation-ID, which SolarNetwork's has not"
        )
        hint = "after sending Register, take the next Register for the answer, and send no other"
        yield finding("register-loop", "", message, hint)


def judge_duplicate(
    parsed: ParsedMessage, sender: Speaker, _receiver: Speaker
) -> Iterator[Finding]:
    """Yield S19 for an X-Request-ID that its sender has used before, or tell of the same message.

    Heartbeats and what is said of a registration or a handshake may be repeated.
    """
    action, request_id = parsed.message.action, parsed.message.request_id
    known = None if request_id is None else sender.ids.find(request_id)
    if known is not None:
        what = "this message" if known.action == action else known.action
        message = f"{sender.name} has used X-Request-ID {request_id} before, for {what}"
        hint = (
            "give every message an X-Request-ID of its own; one that is sent again under the same "
            "ID is processed twice unless the receiver detects duplicates"
        )
        yield finding("S19", "", message, hint, known.number, case="X8")
    elif action in SAID_ONCE and (same := sender.contents.find((action, parsed.digest))):
        message = f"{sender.name} has sent the same {action} before, under another X-Request-ID"
        if request_id is None:
            message = f"{sender.name} has sent the same {action} before"
        hint = "send it once; to send it again, keep its X-Request-ID, so that it can be recognised"
        yield finding("same-message", "", message, hint, same.number, severity="info")


def judge_complained_of(
    parsed: ParsedMessage, sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield S15 for a compliance error whose X-Correlation-ID does not name a forecast."""
    named = parsed.message.correlation_id
    if not named:
        message = "names no forecast: there is no X-Correlation-ID"
        hint = "send correlationId, the X-Request-ID of the forecast that cannot be complied with"
        yield finding("S15", "", message, hint, severity="error", case="X9")
        return
    hint = "correlate with the X-Request-ID of the forecast that cannot be complied with, unchanged"
    if wrong := _misnamed(named, _FORECAST, sender, receiver):
        message, number = wrong
        yield finding("S15", "", message, hint, number, severity="error", case="X10")


def judge_adjusted(parsed: ParsedMessage, sender: Speaker, receiver: Speaker) -> Iterator[Finding]:
    """Yield S8 for an adjustment whose X-Correlation-ID, if any, does not name a forecast."""
    named = parsed.message.correlation_id
    if named and (wrong := _misnamed(named, _FORECAST, sender, receiver)):
        message, number = wrong
        hint = (
            "correlate with the X-Request-ID of the forecast to be adjusted, or leave "
            "X-Correlation-ID out"
        )
        yield finding("S8", "", message, hint, number, case="X10")


def judge_acknowledged(
    parsed: ParsedMessage, sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield S16 for an acknowledge whose X-Correlation-ID does not name a Handshake.

    Before registration and before any handshake, S17 applies instead.
    """
    if not (sender.registered and receiver.registered):
        return
    if not (sender.handshaken or receiver.handshaken):
        return
    if not receiver.ids.has_any_of("Handshake"):
        message = f"answers no Handshake: {receiver.name} has sent none"
        yield finding("S16", "", message, _ONLY_ACKNOWLEDGE, severity="error", case="X11")
        return
    named, latest = parsed.message.correlation_id, receiver.handshake
    wrong = (
        _misnamed(named, "Handshake", sender, receiver, latest)
        if named
        else ("names no Handshake: there is no X-Correlation-ID", latest)
    )
    if wrong:
        message, number = wrong
        hint = "correlate with the X-Request-ID of the Handshake that is acknowledged"
        yield finding("S16", "", message, hint, number, severity="error")


def _misnamed(
    named: str, action: str, sender: Speaker, receiver: Speaker, number: int | None = None
) -> tuple[str, int | None] | None:
    """Return what is wrong with a correlation ID that should be of the receiver's `action`.

    With it goes the journal number of the message that it does name, otherwise `number`.
    """
    of_receiver = receiver.ids.find(named)
    if of_receiver is not None and of_receiver.action == action:
        return None
    message = f"X-Correlation-ID {named} names no {action} that {receiver.name} sent"
    for side, mention in ((receiver, of_receiver), (sender, sender.ids.find(named))):
        if mention is not None:
            return f"{message}: it belongs to {side.name}'s {mention.action}", mention.number
    return message, number

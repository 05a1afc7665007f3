"""Rules S12 to S14: heartbeats and measurements, as the receiver's handshake requires them.

They are those of docs/protocol/oscp20.md §3.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oscp_send import meaning
from oscp_send.findings import Finding, Severity
from oscp_sim.conversation.memory import Count, Speaker
from oscp_sim.conversation.message import ParsedMessage, finding, utc

_OFFLINE_AT: Final = "/offline_mode_at"
# The time that a message takes to arrive is not its sender's mistake: seconds, and of an interval.
_MOST_ON_THE_WAY: Final = 1.0
_SHARE_ON_THE_WAY: Final = 0.1


def judge_heartbeat(parsed: ParsedMessage, sender: Speaker, receiver: Speaker) -> Iterator[Finding]:
    """Yield S12 if the next heartbeat would be late, or the offline time does not move.

    A time in the past needs no history: it is left to `oscp_send.meaning`.
    """
    message, offline_at = parsed.message, parsed.offline_at
    if offline_at is None or offline_at <= message.at:
        return
    asked, before = receiver.requires, sender.heartbeat
    ahead = (offline_at - message.at).total_seconds()
    if asked is not None and asked.heartbeat_interval is not None:
        seconds = asked.heartbeat_interval
        if ahead < seconds - min(_MOST_ON_THE_WAY, seconds * _SHARE_ON_THE_WAY):
            text = (
                f"{utc(offline_at)} is {ahead:g} s ahead, "
                f"but {receiver.name} asked for a heartbeat every {seconds:g} s"
            )
            hint = "set it at least one heartbeat interval ahead; SolarNetwork sets it two ahead"
            yield finding("S12", _OFFLINE_AT, text, hint, asked.number)
            return
    if before is None or (message.request_id and sender.ids.find(message.request_id)):
        return
    earlier = offline_at < before.offline_at
    if earlier or (offline_at == before.offline_at and message.at > before.at):
        how = "is earlier than" if earlier else "is still"
        text = f"{utc(offline_at)} {how} that of the heartbeat before"
        hint = "move offline_mode_at with each heartbeat"
        yield finding("S12", _OFFLINE_AT, text, hint, before.number)


def judge_intermittent(
    parsed: ParsedMessage, _sender: Speaker, receiver: Speaker
) -> Iterator[Finding]:
    """Yield S13 for each reading that does not say since when it counts.

    A receiver that asked for CONTINUOUS as well must expect both kinds: then it is a warning.
    """
    asked = receiver.requires
    if asked is None or "INTERMITTENT" not in asked.measurement_configuration:
        return
    either = "CONTINUOUS" in asked.measurement_configuration
    message = f"lacks initial_measure_time: {receiver.name} asked for INTERMITTENT"
    hint = "say in initial_measure_time when the counting started"
    for reading in parsed.readings:
        if reading.began is None:
            severity: Severity = "warning" if either else "error"
            yield finding("S13", reading.pointer, message, hint, asked.number, severity=severity)


def judge_counters(parsed: ParsedMessage, sender: Speaker, receiver: Speaker) -> Iterator[Finding]:
    """Yield S14 for each counter whose value is less than an earlier one.

    A counter with another `initial_measure_time` was restarted. It may be, unless its receiver
    asked for CONTINUOUS alone.
    """
    asked = receiver.requires
    is_continuous = asked is not None and asked.measurement_configuration == {"CONTINUOUS"}
    for reading, before in sender.counters.compare(parsed):
        restarted = reading.began != before.began
        if not _fell(reading, before) or (restarted and not is_continuous):
            continue
        how = "less" if reading.at > before.at else "more"
        message = f"{reading.value:g} is {how} than the {before.value:g} of {utc(before.at)}"
        hint = (
            "a CONTINUOUS counter is never restarted: count on from its last value"
            if restarted
            else "a counter that is not restarted never decreases; if it was restarted, give "
            "initial_measure_time"
        )
        yield finding("S14", f"{reading.pointer}/value", message, hint, before.number)


def _fell(reading: meaning.Reading, before: Count) -> bool:
    """Return whether a counter fell, even if the later of its readings arrived first."""
    value = reading.value or 0.0
    if reading.at == before.at:
        return False
    return value < before.value if reading.at > before.at else value > before.value

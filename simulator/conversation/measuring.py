"""S13 and S14: what counters say over several messages, and what was agreed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.conversation.texts import moment, problem, remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from oscp_send.meaning.measurements import Reading as EnergyReading
    from simulator.conversation.counters import Count
    from simulator.conversation.reading import Reading
    from simulator.conversation.side import RequiredBehaviour, Side

__all__ = ["judge_counters", "judge_intermittent"]

_FELL = "a counter that is not restarted never decreases; give initial_measure_time where it is"
_RESTARTED = "a counter is never restarted for who asked for CONTINUOUS: count on from the value"


def judge_intermittent(reading: Reading, _sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S13 for each reading that does not say since when it counts.

    A receiver that asked for CONTINUOUS as well may be sent either, so that this is a warning then.
    """
    asked = receiver.requires
    if asked is None or "INTERMITTENT" not in asked.measurement_configuration:
        return
    tell = remark if "CONTINUOUS" in asked.measurement_configuration else problem
    for energy in reading.readings:
        if energy.began is None:
            message = f"lacks initial_measure_time: {receiver.name} asked for INTERMITTENT"
            hint = "say in initial_measure_time when the counting started"
            yield tell("S13", energy.pointer, message, hint, asked.number)


def judge_counters(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S14 for each counter that says less than it said before.

    A counter whose `initial_measure_time` changed was restarted, and may; but not where its
    receiver asked for CONTINUOUS alone, which means that it never is.
    """
    for energy, before in sender.counters.compare(reading):
        restarted = energy.began != before.began
        if not _fell(energy, before) or (restarted and not _never_restarts(receiver.requires)):
            continue
        how = "less" if energy.at > before.at else "more"
        hint = _RESTARTED if restarted else _FELL
        message = f"{energy.value:g} is {how} than the {before.value:g} of {moment(before.at)}"
        yield remark("S14", f"{energy.pointer}/value", message, hint, before.number)


def _fell(energy: EnergyReading, before: Count) -> bool:
    """Tells whether a counter fell, also where its earlier reading arrives after the later one."""
    value = energy.value or 0.0
    if energy.at == before.at:
        return False
    return value < before.value if energy.at > before.at else value > before.value


def _never_restarts(asked: RequiredBehaviour | None) -> bool:
    return asked is not None and asked.measurement_configuration == {"CONTINUOUS"}

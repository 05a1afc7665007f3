"""S9: the fallback forecasts cover the time for which a party is offline (OSCP dossier §3.14)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from simulator.conversation.texts import moment, remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from oscp_send.findings import Finding
    from simulator.conversation.forecasts import Covered
    from simulator.conversation.reading import Reading
    from simulator.conversation.side import Side

__all__ = ["judge_fallback", "judge_fallbacks_at", "judge_last_heartbeat"]

_FALLBACK = "FALLBACK_"
_NORMAL = ("CONSUMPTION", "GENERATION")
_FALLBACKS = tuple(_FALLBACK + kind for kind in _NORMAL)
_HINT = "send FALLBACK_ forecasts that cover the time after offline_mode_at"
_UNDEFINED = "what holds while offline is undefined"


def judge_fallback(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S9 for a fallback forecast that leaves out when its sender would go offline."""
    kind, heartbeat, group = reading.type, sender.heartbeat, reading.group
    if group is None or kind not in _FALLBACKS or heartbeat is None:
        return
    offline_at = heartbeat.offline_at
    if offline_at < reading.said.at or any(b.start <= offline_at < b.end for b in reading.blocks):
        return
    covered = sender.forecasts.covered(group, kind)
    if covered is None or covered.times.end_after(offline_at) is None:
        message = (
            f"{kind} of {group} says nothing of {moment(offline_at)}, "
            f"when {sender.name} would go offline"
        )
        yield remark("S9", "/forecasted_blocks", message, _HINT, heartbeat.number)


def judge_last_heartbeat(reading: Reading, sender: Side, _receiver: Side) -> Iterator[Finding]:
    """Yields S9 for the heartbeat whose offline time is the first after the fallback forecasts.

    The heartbeats after it are no news. Who never sent a fallback forecast is told by
    `judge_fallbacks_at`, once it matters.
    """
    offline_at = reading.offline_at
    if offline_at is None or offline_at <= reading.said.at:
        return
    before = sender.heartbeat
    for kind, group, covered in _fallbacks(sender):
        times = covered.times
        was_covered = before is None or times.end_after(before.offline_at) is not None
        if was_covered and times.end_after(offline_at) is None:
            message = f"{kind} of {group} says nothing of {moment(offline_at)}"
            yield remark("S9", "/offline_mode_at", message, _HINT, covered.number)


def judge_fallbacks_at(at: datetime, sides: Iterable[Side]) -> Iterator[Finding]:
    """Yields S9 for each group: what its fallback forecasts say of the time from `at` on."""
    found = [
        finding
        for side in sides
        for group in sorted(side.forecasts.groups())
        for kind in _NORMAL
        for finding in _fallback(side, group, kind, at.astimezone(UTC))
    ]
    if not found:
        found = [remark("S9", "", f"no fallback forecast is known: {_UNDEFINED}", _HINT)]
    yield from found


def _fallbacks(side: Side) -> Iterator[tuple[str, str, Covered]]:
    for kind in _FALLBACKS:
        for group, covered in side.forecasts.of_type(kind):
            yield kind, group, covered


def _fallback(side: Side, group: str, kind: str, at: datetime) -> Iterator[Finding]:
    normal = side.forecasts.covered(group, kind)
    fallback = side.forecasts.covered(group, _FALLBACK + kind)
    name, until = f"{_FALLBACK}{kind} of {group}", _end(normal)
    if fallback is None:
        if until is not None and until > at:
            message = f"{side.name} sent no {name}: {_UNDEFINED}"
            yield remark("S9", "", message, _HINT, normal.number if normal else None)
        return
    covered_until = fallback.times.end_after(at)
    if covered_until is None:
        message = f"{name} says nothing of {moment(at)}: {_UNDEFINED}"
        yield remark("S9", "", message, _HINT, fallback.number)
    elif until is not None and until > covered_until:
        message = f"{name} ends {moment(covered_until)}, the {kind} forecast {moment(until)}"
        yield remark("S9", "", message, _HINT, fallback.number)
    else:
        message, hint = f"{name} covers {moment(at)} to {moment(covered_until)}", ""
        yield remark("S9", "", message, hint, fallback.number, severity="info")


def _end(covered: Covered | None) -> datetime | None:
    return None if covered is None else covered.times.end

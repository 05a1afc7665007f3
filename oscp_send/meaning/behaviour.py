"""S11 and S12: what a handshake asks for, and when a heartbeat says its sender goes offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from oscp_send.findings import Finding
from oscp_send.instants import read_instant

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["judge_behaviour", "judge_heartbeat"]

_INTERVAL = "/required_behaviour/heartbeat_interval"
_LARGEST_STORED_INTERVAL = 32767
_FAR_FROM_OVERFLOW = 1e300


def judge_behaviour(message: Mapping[str, object]) -> Iterator[Finding]:
    """Yields what is odd about the heartbeat interval of a handshake (S11)."""
    behaviour = message.get("required_behaviour")
    interval = behaviour.get("heartbeat_interval") if isinstance(behaviour, Mapping) else None
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        return
    # JSON's integers know no limit, and no double could say the longest of them.
    interval = max(-_FAR_FROM_OVERFLOW, min(interval, _FAR_FROM_OVERFLOW))
    if interval < 1:
        yield Finding(
            "meaning",
            "S11",
            "error",
            _INTERVAL,
            f"{interval:g} is no interval: it counts seconds, 1 or more",
            "leave heartbeat_interval out when no heartbeats are wanted",
        )
    elif interval != int(interval):
        yield _stored(f"{interval:g} seconds are cut to {int(interval)}", "give whole seconds")
    elif interval > _LARGEST_STORED_INTERVAL:
        yield _stored(
            f"{interval:g} seconds are more than can be stored",
            f"give {_LARGEST_STORED_INTERVAL} or less",
        )


def judge_heartbeat(message: Mapping[str, object], now: datetime) -> Iterator[Finding]:
    """Yields S12 for a heartbeat whose sender would be offline already."""
    offline = read_instant(message.get("offline_mode_at"))
    if offline is not None and offline <= now:
        yield Finding(
            "meaning",
            "S12",
            "warning",
            "/offline_mode_at",
            f"{message['offline_mode_at']} is in the past: the sender counts as offline at once",
            "set it at least one heartbeat interval ahead",
        )


def _stored(message: str, hint: str) -> Finding:
    return Finding("meaning", "S11", "warning", _INTERVAL, message, hint, "observed")

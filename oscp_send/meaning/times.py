"""S4: every time carries its offset from UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oscp_send.findings import Finding
from oscp_send.instants import has_no_offset
from schemas import escape_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["judge_times"]

_TIME_FIELDS = frozenset(
    {"end_time", "initial_measure_time", "measure_time", "offline_mode_at", "start_time"}
)


def judge_times(message: object) -> Iterator[Finding]:
    """Yields S4 for each time without an offset, wherever it stands."""
    # Where it stands is of interest only where there is one, and hardly any message has one.
    if not _lacks_offset(message):
        return
    waiting: list[tuple[str, object]] = [("", message)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(
                (f"{pointer}/{escape_pointer(str(name))}", value[name]) for name in reversed(value)
            )
        elif isinstance(value, list):
            waiting.extend((f"{pointer}/{i}", value[i]) for i in reversed(range(len(value))))
        elif pointer.rpartition("/")[2] in _TIME_FIELDS and has_no_offset(value):
            yield Finding(
                "meaning",
                "S4",
                "error",
                pointer,
                f'"{value}" does not say its offset from UTC',
                "end it in Z, or in the local offset such as +02:00: on the days when clocks "
                "change, a local time alone names two instants or none",
            )


def _lacks_offset(message: object) -> bool:
    waiting = [message]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, dict | list):
                    waiting.append(member)
                elif name in _TIME_FIELDS and has_no_offset(member):
                    return True
    return False

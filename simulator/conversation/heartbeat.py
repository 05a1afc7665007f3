"""S12: a heartbeat says that its sender is there for at least as long as until the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.conversation.texts import moment, remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding
    from simulator.conversation.reading import Reading
    from simulator.conversation.side import Side

__all__ = ["judge_heartbeat"]

_POINTER = "/offline_mode_at"
# What a message takes on its way is not its sender's mistake.
_MOST_ON_THE_WAY = 1.0
_SHARE_ON_THE_WAY = 0.1


def judge_heartbeat(reading: Reading, sender: Side, receiver: Side) -> Iterator[Finding]:
    """Yields S12 where the next heartbeat would be late, or the offline time stands still.

    A time in the past needs no history to be wrong: `oscp_send.meaning` says so.
    """
    said, offline_at = reading.said, reading.offline_at
    if offline_at is None or offline_at <= said.at:
        return
    asked, before = receiver.requires, sender.heartbeat
    ahead = (offline_at - said.at).total_seconds()
    if asked is not None and asked.heartbeat_interval is not None:
        interval = asked.heartbeat_interval
        if ahead < interval - min(_MOST_ON_THE_WAY, interval * _SHARE_ON_THE_WAY):
            message = (
                f"{moment(offline_at)} is {ahead:g} s ahead, "
                f"but {receiver.name} asked for a heartbeat every {interval:g} s"
            )
            hint = "set it at least one heartbeat interval ahead; SolarNetwork sets it two ahead"
            yield remark("S12", _POINTER, message, hint, asked.number)
            return
    if before is None or _is_repeated(reading, sender):
        return
    if offline_at < before.offline_at or (offline_at == before.offline_at and said.at > before.at):
        how = "is earlier than" if offline_at < before.offline_at else "is still"
        message = f"{moment(offline_at)} {how} that of the heartbeat before"
        hint = "move offline_mode_at with each heartbeat"
        yield remark("S12", _POINTER, message, hint, before.number)


def _is_repeated(reading: Reading, sender: Side) -> bool:
    request_id = reading.said.request_id
    return request_id is not None and sender.ids.find(request_id) is not None

"""What is published of a heartbeat: oscp20.md §5.5. (Of a forecast: see `test_forwarding`.)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oscp_sim.fp_callers import HEARTBEAT, Role, say
from tests.oscp_sim.peers import START, peers, world


def published(role: Role, settings: dict[str, Any]) -> list[dict[str, Any]]:
    with peers(world(**settings), start=START.replace(microsecond=123_456)) as there:
        say(there.simulator, HEARTBEAT, {"offline_mode_at": "2026-03-01T12:02:05Z"}, role=role)
        return [entry.detail["datum"] for entry in there.simulator.journal.entries(kind="note")]


@pytest.mark.parametrize(
    ("role", "name"), [("provider", "cp/Heartbeat/3"), ("optimizer", "co/Heartbeat/1")]
)
def test_a_heartbeat_is_a_datum_of_its_group(role: Role, name: str) -> None:
    assert published(role, {"settings": {"node_id": 1}}) == [
        {
            "nodeId": 1,
            "sourceId": f"/oscp/{name}/depot-7",
            "created": "2026-03-01 12:00:05.123Z",
            "s": {"expires": "2026-03-01 12:02:05Z"},
        }
    ]


def test_without_settings_nothing_is_published() -> None:
    assert published("provider", {}) == []

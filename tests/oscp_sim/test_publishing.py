"""What is published of a heartbeat: oscp20.md §5.5. (Of a forecast: see `test_forwarding`.)"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from oscp_sim.flexibility_provider.forwarding import publish_heartbeat
from tests.oscp_sim.peers import START, peers, world
from tests.oscp_sim.rig import shared_of


def published(role: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    with peers(world(**settings)) as there:
        shared = shared_of(there.simulator)
        (user,) = shared.world.users
        (of,) = user.capacity_groups
        publish_heartbeat(shared, user, of, role, START + timedelta(minutes=2))
        return [entry.detail["datum"] for entry in there.simulator.journal.entries(kind="note")]


@pytest.mark.parametrize("role", ["cp", "co"])
def test_a_heartbeat_is_a_datum_of_its_group(role: str) -> None:
    assert published(role, {"settings": {"node_id": 1}}) == [
        {
            "nodeId": 1,
            "sourceId": f"/oscp/{role}/Heartbeat/3/1/depot-7",
            "created": "2026-03-01 12:00:05Z",
            "s": {"expires": "2026-03-01 12:02:05Z"},
        }
    ]


def test_without_settings_nothing_is_published() -> None:
    assert published("cp", {}) == []

"""What is too large for the queue between the services (solaruser.md §2.6, §3.4 and §3.5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.instruction_api import TWO_USERS
from tests.oscp_sim.rig import BASE, NOW, get, instruction, post
from tests.oscp_sim.test_fidelity import BLOCK, FORECAST

if TYPE_CHECKING:
    from tests.oscp_sim.rig import Answer


def send(simulator: Simulator, count: int) -> Answer:
    message = json.dumps(FORECAST | {"forecasted_blocks": [BLOCK] * count})
    return post(simulator, instruction(action="AdjustGroupCapacityForecast", msg=message))


def observed(limit: int = 8192, seed: int = 1) -> Simulator:
    world = TWO_USERS | {"mqtt_limit": limit}
    return Simulator(world, fidelity="observed", clock=FrozenClock(NOW), seed=seed)


def test_74_blocks_are_refused_and_their_number_is_used() -> None:
    simulator = observed()
    answer = send(simulator, 74)
    assert (answer.status, answer.json["code"]) == (422, "RS.00001")
    assert answer.json["message"] == (
        "MQTT error queuing OSCP instruction 1 action AdjustGroupCapacityForecast for Capacity "
        "Provider (42,3): java.lang.IllegalArgumentException: Maximum message size 8192 exceeded: "
        "8290"
    )
    assert get(simulator, f"{BASE}/view?id=1").json == {"success": True}
    answer = send(simulator, 73)
    assert (answer.data["id"], answer.data["state"]) == (2, "Queuing")


def test_the_limit_is_the_worlds() -> None:
    assert send(observed(8290), 74).status == 200
    assert send(observed(8289), 74).status == 422


def test_what_comes_of_the_nodes_copy_follows_the_seed() -> None:
    states = []
    for seed in range(20):
        simulator = observed(seed=seed)
        assert send(simulator, 73).data["state"] == "Queuing"
        states.append(get(simulator, f"{BASE}/view?id=1").data["state"])
    assert set(states) == {"Queued", "Queuing"}

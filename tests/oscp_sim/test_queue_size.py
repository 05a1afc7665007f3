"""What is too large for the queue between the services (solaruser.md §2.6, §3.4 and §3.5)."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.instruction_api import TWO_USERS, form
from tests.oscp_sim.rig import BASE, NOW, ask, get, instruction, post
from tests.oscp_sim.test_fidelity import BLOCK, FORECAST

if TYPE_CHECKING:
    from tests.oscp_sim.rig import Answer


EVENTS = "/solaruser/api/v1/sec/user/events?tags=oscp&startDate=2026-01-01&endDate=2027-01-01"


def send(simulator: Simulator, count: int) -> Answer:
    message = json.dumps(FORECAST | {"forecasted_blocks": [BLOCK] * count})
    return post(simulator, instruction(action="AdjustGroupCapacityForecast", msg=message))


def switch(simulator: Simulator, broker: str) -> Answer:
    body = json.dumps({"broker": broker}).encode()
    return ask(simulator, "POST", "/_sim/world", [("Host", "localhost")], body)


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


@pytest.fixture(params=["documented", "observed"])
def down(request: pytest.FixtureRequest) -> Simulator:
    """A simulator whose world says that the broker is down."""
    world = TWO_USERS | {"broker": "down"}
    return Simulator(world, fidelity=request.param, clock=FrozenClock(NOW))


def test_while_the_broker_is_down_nothing_is_queued(down: Simulator) -> None:
    answer = send(down, 1)
    assert (answer.status, answer.json["code"]) == (422, "RS.00001")
    assert answer.json["message"] == (
        "MQTT connection not available to publish OSCP instruction 1 action "
        "AdjustGroupCapacityForecast for Capacity Provider (42,3)"
    )
    assert get(down, f"{BASE}/view?id=1").json == {"success": True}
    assert get(down, EVENTS, more=[("Accept", "application/json")]).json == {"success": True}
    assert "/_sim/world" in repr(down.journal.entries(party="solaruser")[0].detail)
    assert down.world.summary()["broker"] == "down"
    # What is declined never comes to the queue.
    assert post(down, instruction(action="Nonsense")).data["state"] == "Declined"
    assert switch(down, "up").status == 200
    answer = send(down, 1)
    assert (answer.data["id"], answer.data["state"]) == (3, "Queuing")
    assert "broker" not in down.world.summary()


def test_what_meets_a_broker_that_is_down_is_judged_all_the_same(down: Simulator) -> None:
    message = json.dumps(FORECAST | {"forecasted_blocks": [BLOCK]})
    answer = post(down, instruction(action="UpdateGroupCapacityForecast", msg=message))
    assert answer.status == 422
    rules = [each["rule"] for each in down.journal.entries(party="solaruser")[0].findings]
    assert "group_forecasts" in rules


def test_findings_are_made_for_those_who_read_them_and_not_kept() -> None:
    simulator = Simulator(TWO_USERS, clock=FrozenClock(NOW))
    unknown = {f"unheard-of {number}": 1 for number in range(999)}
    declined = instruction(msg=json.dumps({"required_behaviour": 1, **unknown}))
    assert post(simulator, declined).data["state"] == "Declined"
    (entry,) = simulator.journal.entries(party="solaruser", kind="exchange")
    tracemalloc.start()
    try:
        assert len(entry.findings) > 900
        assert entry.findings == entry.findings
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


def test_other_topics_are_queued_a_moment_later(down: Simulator) -> None:
    body = {"nodeId": 1, "topic": "SetControlParameter", "params": {"a": "1"}}
    assert post(down, body, f"{BASE}/add").data["state"] == "Queuing"
    assert get(down, f"{BASE}/view?id=1").data["state"] == "Queued"


def test_the_broker_of_a_real_solaruser_is_its_own() -> None:
    elsewhere = Simulator(TWO_USERS | {"solaruser": {"base_url": "https://s.example"}})
    assert switch(elsewhere, "down").status == 404
    assert switch(elsewhere, "dwon").status == 400
    with pytest.raises(LookupError, match="its broker is its own"):
        elsewhere.set_broker("down")


@pytest.mark.parametrize(
    ("topic", "nodes", "used"),
    [("x" * 129, "1", 1), ("x" * 129, "1,11", 1), ("x", "1,11,", 3), ("x", "99", 0)],
)
def test_what_cannot_be_stored_uses_the_numbers_until_then(
    topic: str, nodes: str, used: int
) -> None:
    simulator = observed()
    pairs = {"nodeIds": nodes, "parameters[0].name": "a", "parameters[0].value": "1"}
    assert form(simulator, f"{BASE}/add/{topic}", urlencode(pairs)).status in {403, 422}
    assert send(simulator, 1).data["id"] == used + 1

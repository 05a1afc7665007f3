"""The stand-in for a Capacity Optimizer: what it takes, and what it is told to send (§1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.other_side import CO, COMPLIANCE, HEARTBEAT, PATHS, OtherSide, rules, simulated
from tests.oscp_sim.rig import ADJUSTMENT
from tests.oscp_sim.test_capacity_provider_cases import EMPTY
from tests.oscp_sim.worlds import user, world

if TYPE_CHECKING:
    from collections.abc import Iterator


MESSAGES: dict[str, Any] = {
    "Handshake": {"required_behaviour": {"measurement_configuration": []}},
    "HandshakeAcknowledge": {"required_behaviour": {}},
    "Heartbeat": HEARTBEAT,
    "UpdateGroupCapacityForecast": ADJUSTMENT,
    "UpdateGroupMeasurements": EMPTY,
    "UpdateAssetMeasurement": EMPTY,
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulated() as simulator:
        yield simulator


def send(simulator: Simulator, action: str, message: object, **how: Any) -> int:  # noqa: ANN401
    return OtherSide(simulator).tell(action, message, to=CO, **{"token": "co-token", **how}).status


@pytest.mark.parametrize(("action", "message"), MESSAGES.items(), ids=MESSAGES)
def test_a_message_is_taken_and_remembered(
    simulator: Simulator, action: str, message: object
) -> None:
    assert send(simulator, action, message) == 204
    (got,) = simulator.optimizer(1).received
    assert (got.action, got.body) == (action, message)
    (entry,) = simulator.journal.entries()
    assert (entry.party, entry.peer, entry.sent) == (
        "capacity_optimizer",
        "flexibility_provider",
        False,
    )


@pytest.mark.parametrize("action", ["AdjustGroupCapacityForecast", "GroupCapacityComplianceError"])
def test_it_has_no_endpoint_for_what_only_a_capacity_provider_gets(
    simulator: Simulator, action: str
) -> None:
    assert send(simulator, action, COMPLIANCE) == 404


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "X1": ({"token": None}, 401),
    "X2": ({"authorization": "token co-token"}, 403),
    "X3": ({"token": " co-token"}, 403),
    "X4": ({"authorization": "Bearer co-token"}, 403),
    "X5": ({"token": "cp-token"}, 403),
    "X7": ({"request_id": None}, 400),
    "X13": ({"method": "GET"}, 405),
    "X14": ({"content_type": "text/plain"}, 415),
    "X17": ({"more": [("Content-Encoding", "gzip")]}, 415),
}


@pytest.mark.parametrize(("how", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("action", MESSAGES)
def test_refusals(simulator: Simulator, action: str, how: dict[str, Any], status: int) -> None:
    """All its endpoints want a token, unlike pyoscp's (§4)."""
    assert send(simulator, action, MESSAGES[action], **how) == status


def test_x19_a_group_of_somebody_else(simulator: Simulator) -> None:
    assert send(simulator, "UpdateGroupCapacityForecast", {**ADJUSTMENT, "group_id": "b"}) == 404


def test_x20_a_double_slash(simulator: Simulator) -> None:
    assert send(simulator, "Heartbeat", HEARTBEAT, path="//heartbeat") == 204
    assert "X20" in rules(simulator)


def test_the_forecasts_that_it_got(simulator: Simulator) -> None:
    optimizer = simulator.optimizer(1)
    assert send(simulator, "UpdateGroupCapacityForecast", ADJUSTMENT) == 204
    assert send(simulator, "UpdateGroupCapacityForecast", {}) == 400
    assert optimizer.forecasts == (ADJUSTMENT,)
    assert optimizer.to_dict()["forecasts"] == [ADJUSTMENT]


def test_it_adjusts_over_http(simulator: Simulator) -> None:
    other, optimizer = OtherSide(simulator), simulator.optimizer(1)
    sent = optimizer.adjust(
        capacities=[42], start="2026-05-04T16:30:00Z", step="30m", request_id="a1"
    )
    assert (sent.action, sent.status, sent.request_id) == ("AdjustGroupCapacityForecast", 204, "a1")
    (got,) = other.got
    assert got.json == ADJUSTMENT
    path = PATHS["AdjustGroupCapacityForecast"]
    assert got.url == f"{IN_PROCESS_URL}/oscp/fp/2.0{path}"
    token = simulator.world.users[0].capacity_optimizers[0].flexibility_provider_token
    assert got.header("Authorization") == f"Token {token}"
    assert got.header("X-Correlation-ID") is None


@pytest.mark.parametrize(
    "fields", [{}, {"capacitys": [1]}, {"purpose": "emergency", "capacity": 1}]
)
def test_fields_that_make_no_adjustment(simulator: Simulator, fields: dict[str, Any]) -> None:
    other = OtherSide(simulator)
    with pytest.raises(ValueError, match=r"capacit|purpose"):
        simulator.optimizer(1).adjust(**fields)
    assert other.got == []


def test_where_no_group_is_named_it_is_the_optimizer_that_has_none() -> None:
    told = "the Capacity Optimizer has not exactly one Capacity Group: it has none in this world"
    made = world(user(capacity_groups=[]))
    with Simulator(made) as simulator, pytest.raises(ValueError, match=told):
        simulator.optimizer(1).adjust(capacities=[1])


def test_its_token_is_made_where_the_world_has_none() -> None:
    with simulated() as simulator:
        made = simulator.world.users[0].capacity_optimizers[0].token
        assert made == "co-token"
    with Simulator() as simulator:
        made = simulator.world.users[0].capacity_optimizers[0].token
        assert send(simulator, "Heartbeat", {"offline_mode_at": "2100-01-01T00:00:00Z"}, token=made)
        assert simulator.optimizer(1).received[0].status == 204

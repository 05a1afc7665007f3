"""What SolarNetwork's own simulator can do, and what it cannot (oscp20.md §6.1 and §6.2).

One test for each of its abilities, and one for each weakness that a mock may have as well.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.other_side import (
    CO,
    COMPLIANCE,
    HEARTBEAT,
    NEW,
    OtherSide,
    facing,
    notes,
    register,
    rules,
    simulated,
    world,
)
from tests.oscp_sim.rig import ADJUSTMENT, ASSET, NOW, PROVIDER_TOKEN, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURED = measured(measure_time="2026-01-02T03:00:00Z")
ASSETS = {
    "group_id": "foo-group",
    "measurements": [{**ASSET, "energy_measurement": MEASURED["measurements"][0]}],
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulated() as simulator:
        yield simulator


@pytest.fixture
def other(simulator: Simulator) -> OtherSide:
    return OtherSide(simulator)


# --- §6.1: what it can do ------------------------------------------------------------------------


def test_6_1_a_system_exists_with_both_tokens() -> None:
    made = world(flexibility_provider_token="out-token")
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        other = OtherSide(simulator)
        simulator.provider(3).heartbeat()
        assert other.got[0].header("Authorization") == "Token out-token"
        assert other.tell("Heartbeat", HEARTBEAT, token=PROVIDER_TOKEN).status == 204


def test_6_1_the_whole_registration(simulator: Simulator, other: OtherSide) -> None:
    provider = simulator.provider(3)
    provider.register(new_token=True)
    token = other.got[0].json["token"]
    assert other.tell("Register", register(), token=token).status == 204
    provider.handshake(heartbeat_interval=60, measurement_configuration=["CONTINUOUS"])
    assert other.got[1].header("Authorization") == f"Token {NEW}"
    assert provider.to_dict()["registered"] is True


def test_6_1_a_forecast(simulator: Simulator, other: OtherSide) -> None:
    simulator.provider(3).forecast(message=ADJUSTMENT)
    assert other.got[0].action == "UpdateGroupCapacityForecast"
    assert other.got[0].json == ADJUSTMENT


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("HandshakeAcknowledge", {"required_behaviour": {}}),
        ("Heartbeat", HEARTBEAT),
        ("AdjustGroupCapacityForecast", ADJUSTMENT),
        ("GroupCapacityComplianceError", COMPLIANCE),
        ("UpdateGroupMeasurements", MEASURED),
        ("UpdateAssetMeasurement", ASSETS),
    ],
)
def test_6_1_every_message_is_taken(other: OtherSide, action: str, message: object) -> None:
    assert other.tell(action, message).status == 204


def test_6_1_asset_measurements_at_a_capacity_optimizer(other: OtherSide) -> None:
    assert other.tell("UpdateAssetMeasurement", ASSETS, to=CO, token="co-token").status == 204


def test_6_1_a_handshake_is_answered(simulator: Simulator, other: OtherSide) -> None:
    other.tell("Handshake", {"required_behaviour": {"measurement_configuration": []}})
    simulator.clock.advance(1)
    assert other.actions() == ["HandshakeAcknowledge"]


def test_6_1_alternative_paths() -> None:
    paths = {
        "Heartbeat": "/alt/oscp-heartbeat",
        "UpdateGroupMeasurements": "/alt/oscp-update-group-measurements",
        "UpdateAssetMeasurements": "/alt/oscp-update-asset-measurements",
    }
    with facing(service_props={"url-paths": paths}) as other:
        messages = (HEARTBEAT, MEASURED, ASSETS)
        for message, (action, path) in zip(messages, paths.items(), strict=True):
            assert other.tell(action, message, path=path).status == 204


def test_6_1_jobs_send_heartbeats_and_notice_who_is_offline() -> None:
    with facing({"heartbeat_every": "1m"}) as other:
        soon = (NOW + timedelta(seconds=90)).isoformat(timespec="milliseconds")
        other.tell("Heartbeat", {"offline_mode_at": soon.replace("+00:00", "Z")})
        other.simulator.clock.advance(121)
        assert other.actions() == ["Heartbeat", "Heartbeat"]
        assert len(notes(other.simulator)) == 1


def test_6_1_systems_persist(simulator: Simulator, other: OtherSide) -> None:
    simulator.provider(3).register()
    other.tell("Register", register())
    kept = simulator.remembered()
    with simulated() as after:
        after.recall(kept)
        again = OtherSide(after)
        after.provider(3).heartbeat()
        assert again.got[0].header("Authorization") == f"Token {NEW}"


def test_6_1_every_message_that_is_sent_has_a_request_id(
    simulator: Simulator, other: OtherSide
) -> None:
    provider, optimizer = simulator.provider(3), simulator.optimizer(1)
    provider.register()
    provider.handshake()
    provider.handshake_acknowledge()
    provider.heartbeat()
    provider.forecast(capacities=[1])
    optimizer.adjust(capacities=[1])
    ids = [each.header("X-Request-ID") for each in other.got]
    assert None not in ids
    assert len(set(ids)) == 6


# --- §6.2: what it cannot ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "message"),
    [("AdjustGroupCapacityForecast", ADJUSTMENT), ("GroupCapacityComplianceError", COMPLIANCE)],
)
def test_6_2_1_nothing_is_taken_without_a_token(
    other: OtherSide, action: str, message: object
) -> None:
    assert other.tell(action, message, token=None).status == 401
    assert other.tell(action, message, token="wrong").status == 403


def test_6_2_2_what_came_can_be_looked_at(simulator: Simulator, other: OtherSide) -> None:
    other.tell("AdjustGroupCapacityForecast", ADJUSTMENT, request_id="u4", correlation_id="r1")
    (shown,) = json.loads(json.dumps(simulator.provider(3).to_dict()))["received"]
    assert shown["request_id"] == "u4"
    assert shown["correlation_id"] == "r1"
    assert ["x-request-id", "u4"] in shown["headers"]
    assert shown["body"] == ADJUSTMENT


@pytest.mark.parametrize("body", ["{}", "{", "", "[]", '{"group_id":"foo-group"}'])
def test_6_2_3_bodies_are_validated(other: OtherSide, body: str) -> None:
    reply = other.tell("AdjustGroupCapacityForecast", body)
    assert reply.status == 400
    assert json.loads(reply.body).keys() == {"message"}


def test_6_2_4_correlation(simulator: Simulator, other: OtherSide) -> None:
    other.tell("Handshake", {"required_behaviour": {"measurement_configuration": []}})
    simulator.clock.advance(1)
    assert other.got[0].header("X-Correlation-ID") == "u1"
    simulator.provider(3).forecast(message=ADJUSTMENT, request_id="r1")
    how: dict[str, Any] = {"correlation_id": "r1", "request_id": "u2"}
    other.tell("GroupCapacityComplianceError", COMPLIANCE, **how)
    assert "S15" not in rules(simulator)
    other.tell("GroupCapacityComplianceError", COMPLIANCE, request_id="u3")
    assert "S15" in rules(simulator)


def test_6_2_5_an_adjustment_is_answered() -> None:
    with facing("answer") as other:
        other.tell("AdjustGroupCapacityForecast", ADJUSTMENT)
        other.simulator.clock.advance(1)
        assert other.actions() == ["UpdateGroupCapacityForecast"]


@pytest.mark.parametrize("behaviour", ["refuse", {"delay": "5s"}, {"statuses": {"X19": 418}}])
def test_6_2_6_faults_can_be_had(behaviour: object) -> None:
    with facing(behaviour) as other:
        reply = other.tell("AdjustGroupCapacityForecast", {**ADJUSTMENT, "group_id": "x"})
        assert reply.status == 418 or reply.after == 5 or reply.status in {404, 409}


def test_6_2_6_the_same_seed_gives_the_same_bytes() -> None:
    def everything() -> str:
        with facing({"adjustments": "answer", "heartbeat_every": "1m"}) as other:
            other.provider.register(new_token=True)
            other.tell("Register", register())
            other.tell("AdjustGroupCapacityForecast", ADJUSTMENT)
            other.simulator.clock.advance(300)
            return repr(other.got) + json.dumps(
                [e.to_dict() for e in other.simulator.journal.entries()]
            )

    assert everything() == everything()


def test_6_2_8_registering_again_keeps_one_system(simulator: Simulator, other: OtherSide) -> None:
    provider = simulator.provider(3)
    for number in range(3):
        provider.register()
        other.tell("Register", register(chr(66 + number) * 64), request_id=f"u{number}")
    provider.heartbeat()
    assert other.got[-1].header("Authorization") == f"Token {'D' * 64}"
    assert len(provider.received) == 3


def test_6_2_9_an_unknown_system_is_said_to_be_unknown(simulator: Simulator) -> None:
    with pytest.raises(LookupError, match="there is no Capacity Provider 4; there is 3 of user 42"):
        simulator.provider(4)


def test_6_2_10_heartbeats_come_at_the_rate_that_was_asked_for(
    simulator: Simulator, other: OtherSide
) -> None:
    simulator.provider(3).handshake(heartbeat_interval=10)
    asked = {"heartbeat_interval": 30, "measurement_configuration": []}
    other.tell("HandshakeAcknowledge", {"required_behaviour": asked})
    simulator.clock.advance(60)
    assert other.actions() == ["Handshake", "Heartbeat", "Heartbeat"]
    # Twice the interval: one that is lost does no harm.
    assert other.got[1].json == {"offline_mode_at": "2026-01-02T03:05:35.123Z"}


def test_6_2_11_put_delete_rotation_and_expiry() -> None:
    with facing({"token_valid_for": "1m"}) as other:
        assert other.tell("Register", register(), method="PUT").status == 204
        other.provider.register(new_token=True)
        token = other.got[0].json["token"]
        other.tell("Register", register(), token=token)
        assert other.tell("Heartbeat", HEARTBEAT).status == 403
        other.simulator.clock.advance(60)
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 403
        assert other.tell("Register", method="DELETE", token=token).status == 403


def test_6_2_12_a_group_belongs_to_somebody(other: OtherSide) -> None:
    assert other.tell("UpdateGroupMeasurements", {**MEASURED, "group_id": "x"}).status == 404


def test_6_2_13_what_it_has_to_answer_it_tries_again(
    simulator: Simulator, other: OtherSide
) -> None:
    other.answers = [None, 503]
    other.tell("Handshake", {"required_behaviour": {"measurement_configuration": []}})
    simulator.clock.advance(60)
    assert len(other.got) == 3


def test_6_2_14_a_bearer_is_verified(other: OtherSide) -> None:
    assert other.tell("Heartbeat", HEARTBEAT, authorization="Bearer a.b.c").status == 403


def test_6_2_16_all_can_be_reset(simulator: Simulator, other: OtherSide) -> None:
    other.tell("Heartbeat", HEARTBEAT)
    simulator.reset()
    assert simulator.provider(3).received == ()
    assert simulator.provider(3).to_dict()["offline_mode_at"] is None

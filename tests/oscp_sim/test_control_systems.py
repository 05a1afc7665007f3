"""Looking into parties from outside, and telling them what to send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.system.kinds import COMMANDS
from tests.oscp_sim.rig import ADJUSTMENT, PROVIDER_TOKEN, ask, instruction, post, settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oscp_sim.rig import Answer

HOST = [("Host", "localhost")]
START = datetime(2026, 5, 4, 15, 58, tzinfo=UTC)
CAPACITIES = {
    "group": "foo-group",
    "type": "CONSUMPTION",
    "start": "2026-05-04T16:30:00Z",
    "step": "30m",
    "capacities": [42],
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(clock=FrozenClock(START)) as simulator:
        yield simulator


def tell(simulator: Simulator, path: str, fields: object = None) -> Answer:
    body = fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode()
    return ask(simulator, "POST", f"/_sim/{path}", HOST, body)


def look(simulator: Simulator, path: str) -> Answer:
    return ask(simulator, "GET", f"/_sim/{path}", HOST)


def sent(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json
    assert told.keys() == {"action", "request_id", "status", "reason", "body", "entry"}
    return told


COMMANDED = [
    ("providers/3/register", {}, "Register", 204),
    ("providers/3/register", {"new_token": True, "request_id": "a1"}, "Register", 204),
    ("providers/3/register", {"version": "1.0"}, "Register", 501),
    ("providers/3/handshake", {"heartbeat_interval": 90}, "Handshake", 204),
    ("providers/3/handshake_acknowledge", {}, "HandshakeAcknowledge", 204),
    ("providers/3/heartbeat", {"offline_mode_at": "2026-05-04T16:00:00Z"}, "Heartbeat", 204),
    ("providers/3/forecast", CAPACITIES, "UpdateGroupCapacityForecast", 204),
    ("providers/3/forecast", {"message": ADJUSTMENT}, "UpdateGroupCapacityForecast", 204),
    ("providers/3/forecast", {"message": {"a": 1}}, "UpdateGroupCapacityForecast", 422),
    ("providers/3/post", {"action": "Heartbeat", "message": {}}, "Heartbeat", 422),
    ("optimizers/1/register", {}, "Register", 204),
    ("optimizers/1/handshake", {"measurement_configuration": None}, "Handshake", 422),
    ("optimizers/1/heartbeat", {}, "Heartbeat", 204),
    ("optimizers/1/adjust", CAPACITIES, "AdjustGroupCapacityForecast", 204),
    ("optimizers/1/post?user=42", {"action": "Heartbeat", "message": "{"}, "Heartbeat", 422),
]


@pytest.mark.parametrize(("path", "fields", "action", "status"), COMMANDED)
def test_commands(
    simulator: Simulator, path: str, fields: dict[str, Any], action: str, status: int
) -> None:
    told = sent(tell(simulator, path, fields))
    assert (told["action"], told["status"]) == (action, status)
    assert told["request_id"] == fields.get("request_id", told["request_id"])
    entry = next(each for each in simulator.journal.entries() if each.number == told["entry"])
    assert (entry.sent, entry.action, entry.peer) == (True, action, "flexibility_provider")


def test_an_empty_body_is_one_without_fields(simulator: Simulator) -> None:
    assert sent(tell(simulator, "providers/3/heartbeat", b""))["status"] == 204


def test_headers(simulator: Simulator) -> None:
    fields = {"action": "Heartbeat", "message": {}, "headers": {"X-Segment-Index": "1"}}
    entry = sent(tell(simulator, "providers/3/post", fields))["entry"]
    (found,) = [each for each in simulator.journal.entries() if each.number == entry]
    assert found.request is not None
    assert ("X-Segment-Index", "1") in found.request.headers


@pytest.mark.parametrize(
    ("path", "fields", "status", "told"),
    [
        ("providers/4/heartbeat", {}, 404, "there is no Capacity Provider 4; there is 3 of user"),
        ("providers/3/heartbeat?user=1", {}, 404, "there is no Capacity Provider 3 of user 1"),
        ("providers/three/heartbeat", {}, 404, 'an id is a whole number, not "three"'),
        ("optimizers/3/heartbeat", {}, 404, "there is no Capacity Optimizer 3"),
        ("providers/3/heartbeat?user=x", {}, 400, "user is the id of a user"),
        ("providers/3/heartbeat?usr=1", {}, 400, 'unknown parameter "usr"; there is user'),
        ("providers/3/heartbeat", {"offline_mode": "x"}, 400, 'did you mean "offline_mode_at"?'),
        ("providers/3/heartbeat", {"x": 1}, 400, 'unknown field "x"; there is offline_mode_at'),
        ("providers/3/heartbeat", [1], 400, "the body is a JSON object"),
        ("providers/3/heartbeat", b"{", 400, "the body is not JSON"),
        ("providers/3/register", {"new_token": 1}, 400, "new_token: 1 is not of type"),
        ("providers/3/post", {"action": "Heartbeat"}, 400, '"message" is a required property'),
        ("providers/3/post", {"action": "X", "message": 1}, 400, 'there is no message "X"'),
        ("providers/3/forecast", {"capacities": ["a"]}, 400, "capacities/0"),
        ("providers/3/forecast", {"capacities": [1], "start": "x"}, 400, "start"),
        ("providers/3/forecast", {}, 400, "capacities"),
    ],
)
def test_what_makes_no_sense(
    simulator: Simulator, path: str, fields: object, status: int, told: str
) -> None:
    answer = tell(simulator, path, fields)
    assert (answer.status, answer.json.keys()) == (status, {"error"})
    assert told in answer.json["error"]
    assert simulator.journal.last == 0


@pytest.mark.parametrize("path", ["providers/3/adjust", "optimizers/1/forecast", "providers/3/x"])
def test_what_there_is_not(simulator: Simulator, path: str) -> None:
    assert tell(simulator, path).status == 404


def test_several_users_have_one(simulator: Simulator) -> None:
    users = [
        {"id": n, "capacity_providers": [{"id": 3, "name": "P", "token": f"t{n}"}]} for n in (1, 2)
    ]
    with Simulator({"users": users}, clock=FrozenClock(START)) as several:
        answer = tell(several, "providers/3/heartbeat")
        assert answer.status == 400
        assert "1, 2" in answer.json["error"]
        assert look(several, "providers/3").status == 400
        assert look(several, "providers/3?user=2").json["user"] == 2
        assert sent(tell(several, "providers/3/heartbeat?user=2"))["status"] == 204


def test_what_one_knows(simulator: Simulator) -> None:
    post(simulator, instruction(), when=START)
    settled(simulator)
    tell(simulator, "providers/3/heartbeat", {"request_id": "b1"})
    known = look(simulator, "providers/3").json
    assert (known["party"], known["user"], known["id"]) == ("capacity_provider", 42, 3)
    assert known["groups"] == ["foo-group"]
    assert [each["action"] for each in known["received"]] == ["Handshake"]
    assert [each["request_id"] for each in known["sent"]][:1] == ["b1"]


def test_no_secret_is_told(simulator: Simulator) -> None:
    tell(simulator, "providers/3/register", {"token": "a-token-of-our-own"})
    simulator.clock.advance(3)
    shown = look(simulator, "providers/3").body + look(simulator, "journal").body
    user = simulator.world.users[0]
    secrets = [PROVIDER_TOKEN, "a-token-of-our-own"]
    secrets += [system.flexibility_provider_token or "?" for system in user.systems]
    assert [each for each in secrets if each.encode() in shown] == []


def test_reset_forgets_what_they_know_and_what_is_due(simulator: Simulator) -> None:
    world = simulator.world
    tell(simulator, "providers/3/register", {"new_token": True})
    assert simulator.pending
    assert tell(simulator, "reset").status == 200
    assert simulator.pending == 0
    assert simulator.world == world
    assert look(simulator, "providers/3").json["sent"] == []
    assert sent(tell(simulator, "providers/3/heartbeat"))["status"] == 204


def test_each_command_has_a_route_and_a_description(simulator: Simulator) -> None:
    paths = look(simulator, "openapi.json").json["paths"]
    for name, party in (("providers", "capacity_provider"), ("optimizers", "capacity_optimizer")):
        for command in COMMANDS[party]:
            described = paths[f"/_sim/{name}/{{id}}/{command}"]["post"]
            assert described["requestBody"]["content"]["application/json"]["schema"]

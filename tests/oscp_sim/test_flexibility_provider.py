"""Delivering: solaruser.md §4.1 and §4.2, oscp20.md §7.3, against a real HTTP server."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.other_side import PATHS
from tests.oscp_sim.rig import (
    ASSET,
    NOW,
    PROVIDER_TOKEN,
    VIEW,
    Provider,
    delivered,
    get,
    instruction,
    measured,
    post,
    settled,
)
from tests.oscp_sim.worlds import GRID, TOKENS, user

FORECAST = {
    "group_id": "foo-group",
    "type": "CONSUMPTION",
    "forecasted_blocks": [
        {
            "capacity": 10,
            "phase": "ALL",
            "unit": "KW",
            "start_time": "2026-05-05T05:30:00+13:00",
            "end_time": "2026-05-04T17:00:00.5Z",
        }
    ],
}
MESSAGES: dict[str, dict[str, Any]] = {
    "AdjustGroupCapacityForecast": FORECAST,
    "GroupCapacityComplianceError": {"message": "too little"},
    "Handshake": {},
    "UpdateGroupMeasurements": measured(),
    "UpdateGroupCapacityForecast": FORECAST,
    "UpdateAssetMeasurement": {
        "group_id": "foo-group",
        "measurements": [{**ASSET, "asset_category": "STORAGE"}],
    },
}


def world(**provider: object) -> dict[str, Any]:
    return {"users": [user(tokens=TOKENS, capacity_providers=[GRID | provider])]}


@contextmanager
def simulated(
    *, seed: int = 1, fidelity: Fidelity = "documented", **provider: object
) -> Iterator[Simulator]:
    clock = FrozenClock(NOW)
    with Simulator(world(**provider), seed=seed, clock=clock, fidelity=fidelity) as simulator:
        yield simulator


def outcome(simulator: Simulator, **parameters: str) -> tuple[str, str | None]:
    """State and reason in which an instruction ends."""
    queued = post(simulator, instruction(**parameters)).data
    settled(simulator)
    ended = get(simulator, f"{VIEW}?id={queued['id']}").data
    result = ended.get("resultParameters", {"error": None})
    assert result.keys() == {"error"}
    return ended["state"], result["error"]


def of(action: str, **more: str) -> dict[str, str]:
    return {"action": action, "msg": json.dumps(MESSAGES[action]), **more}


# --- §4.1: the sequence ------------------------------------------------------------------------


def test_the_states_in_order_and_who_sets_them(simulator: Simulator) -> None:
    assert outcome(simulator) == ("Completed", None)
    entries = [(entry.party, entry.kind, entry.state) for entry in simulator.journal.entries()[:7]]
    assert entries == [
        ("solaruser", "state", "Queuing"),
        ("solaruser", "note", None),
        ("solaruser", "exchange", None),
        ("flexibility_provider", "state", "Executing"),
        ("capacity_provider", "exchange", None),
        ("flexibility_provider", "exchange", None),
        ("flexibility_provider", "state", "Completed"),
    ]
    assert {entry.instruction_id for entry in simulator.journal.entries(kind="state")} == {1}


def test_instructions_are_delivered_in_order() -> None:
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        for number in range(20):
            body = {"message": str(number)}
            post(
                simulator,
                instruction(action="GroupCapacityComplianceError", msg=json.dumps(body)),
            )
        settled(simulator)
    assert [json.loads(body)["message"] for _, _, body in provider.asked] == [
        str(number) for number in range(20)
    ]


def test_without_a_start_nothing_is_claimed() -> None:
    simulator = Simulator(clock=FrozenClock(NOW))
    assert post(simulator, instruction()).data["state"] == "Queuing"
    assert not simulator.wait_until_settled(0)
    assert get(simulator, f"{VIEW}?id=1").data["state"] == "Queuing"
    simulator.start()
    settled(simulator)
    simulator.close()
    assert get(simulator, f"{VIEW}?id=1").data["state"] == "Completed"


# --- §4.2: the request -------------------------------------------------------------------------


@pytest.mark.parametrize("action", MESSAGES)
def test_what_a_provider_is_asked(action: str) -> None:
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        assert outcome(simulator, **of(action, correlationId="r1")) == ("Completed", None)
    ((target, headers, _),) = provider.asked
    assert target == f"/cp{PATHS[action]}"
    got = dict(headers)
    assert got["Authorization"] == f"Token {PROVIDER_TOKEN}"
    assert got["Content-Type"] == "application/json"
    assert got["X-Correlation-ID"] == "r1"
    assert uuid.UUID(got["X-Request-ID"]).version == 4


@pytest.mark.parametrize(
    "action",
    ["AdjustGroupCapacityForecast", "GroupCapacityComplianceError", "Handshake"],
)
def test_as_observed_no_correlation_id_is_passed_on(action: str) -> None:
    with (
        Provider() as provider,
        simulated(base_url=provider.url, fidelity="observed") as simulator,
    ):
        message = of(action, correlationId="r1")
        message["msg"] = message["msg"].replace("00.5Z", "00.500Z")
        assert outcome(simulator, **message) == ("Completed", None)
    ((_, headers, _),) = provider.asked
    assert "x-correlation-id" not in {name.lower() for name, _ in headers}


def test_without_a_correlation_id_there_is_no_header() -> None:
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        outcome(simulator)
    assert "X-Correlation-ID" not in dict(provider.asked[0][1])


def test_the_body_to_the_letter() -> None:
    block = {**FORECAST["forecasted_blocks"][0], "comment": "lost"}  # type: ignore[dict-item]
    blocks = [
        block,
        {**block, "capacity": 10_000_000},
        {**block, "capacity": 1e-4},
        {**block, "capacity": 123.456},
        {**block, "capacity": 0},
    ]
    message = {"x": 1, **FORECAST, "forecasted_blocks": blocks}
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        outcome(simulator, action="AdjustGroupCapacityForecast", msg=json.dumps(message))
    body = provider.asked[0][2].decode()
    rest = (
        '"phase":"ALL","unit":"KW","start_time":"2026-05-04T16:30:00.000Z",'
        '"end_time":"2026-05-04T17:00:00.500Z"}'
    )
    capacities = ("10.0", "1.0E7", "1.0E-4", "123.456", "0.0")
    assert body == (
        '{"group_id":"foo-group","type":"CONSUMPTION","forecasted_blocks":['
        + ",".join(f'{{"capacity":{capacity},{rest}' for capacity in capacities)
        + "]}"
    )


def test_text_is_written_as_utf_8_with_no_slash_escaped() -> None:
    text = 'a/b "c" \\ \u00e9 \U0001f50b \n'
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        message = json.dumps({"message": text})
        outcome(simulator, action="GroupCapacityComplianceError", msg=message)
    body = provider.asked[0][2]
    assert b"a/b" in body
    assert "\U0001f50b".encode() in body
    assert json.loads(body) == {"message": text}


def test_a_base_url_is_put_before_the_path_as_it_stands() -> None:
    with Provider() as provider, simulated(base_url=f"{provider.url}//") as simulator:
        assert outcome(simulator)[0] == "Completed"
    assert provider.asked[0][0] == "/cp///handshake"


@pytest.mark.parametrize("base_url", [None, "", " "])
def test_without_a_base_url_nothing_is_sent_and_it_is_completed(base_url: str | None) -> None:
    with simulated(base_url=base_url) as simulator:
        assert outcome(simulator) == ("Completed", None)
        assert delivered(simulator) == []
        exchanges = simulator.journal.entries(party="flexibility_provider", kind="exchange")
        assert exchanges == ()
        (note,) = simulator.journal.entries(party="flexibility_provider", kind="note")
        assert "no base URL" in note.detail["why"]


@pytest.mark.parametrize("version", ["1.0", "2", "2.0.1", " 2.0"])
def test_another_version_is_declined(version: str) -> None:
    with simulated(oscp_version=version) as simulator:
        assert outcome(simulator) == (
            "Declined",
            "[Handshake] task with CapacityOptimizer (42,3) failed because the OSCP version "
            f"{version} is not supported.",
        )
        assert delivered(simulator) == []


def test_as_observed_a_group_forecast_is_declined_on_delivery() -> None:
    message = of("UpdateGroupCapacityForecast")
    message["msg"] = message["msg"].replace("00.5Z", "00.500Z")
    with simulated(fidelity="observed") as simulator:
        assert outcome(simulator, **message) == (
            "Declined",
            "Unsupported OSCP 2.0 action [UpdateGroupCapacityForecast]",
        )
        states = [entry.state for entry in simulator.journal.entries(kind="state")]
        assert states == ["Queuing", "Executing", "Declined"]
        assert delivered(simulator) == []


# --- oscp20.md §7.3: what a provider's answer means -----------------------------------------


def test_a_refused_connection_is_declined_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{closed.getsockname()[1]}"
        url = f"{place}/cp"
        with simulated(base_url=url) as simulator:
            assert outcome(simulator) == (
                "Declined",
                f'I/O error on POST request for "{url}/handshake": Connect to {place} failed: '
                "Connection refused",
            )
            (exchange,) = simulator.journal.entries(party="flexibility_provider", kind="exchange")
            assert exchange.response is None
            assert outcome(simulator)[0] == "Declined"


def test_a_connection_that_ends_in_silence_is_declined() -> None:
    def hang_up(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as provider:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/cp"
        with simulated(base_url=url) as simulator:
            hung_up = provider.submit(hang_up, server)
            post(simulator, instruction())
            settled(simulator)
            hung_up.result()
            ended = get(simulator, f"{VIEW}?id=1").data
    assert ended["state"] == "Declined"
    error = ended["resultParameters"]["error"]
    place = url.removeprefix("http://").removesuffix("/cp")
    assert error == f'I/O error on POST request for "{url}/handshake": {place} failed to respond'


def test_what_a_header_cannot_hold_ends_the_instruction_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Provider() as provider, simulated(base_url=provider.url) as simulator:
        for correlation_id in ("a\nb", "\u20ac", " x", "\U0001f50b"):
            state, reason = outcome(simulator, correlationId=correlation_id)
            assert state == "Declined"
            assert PROVIDER_TOKEN not in str(reason)
        assert outcome(simulator) == ("Completed", None)
    assert PROVIDER_TOKEN not in caplog.text


# --- ids ---------------------------------------------------------------------------------------


def request_ids(seed: int) -> list[str]:
    with simulated(seed=seed) as simulator:
        for _ in range(3):
            post(simulator, instruction())
        settled(simulator)
        requests = [entry.request for entry in delivered(simulator)]
    return [dict(each.headers)["x-request-id"] for each in requests if each is not None]


def test_the_seed_makes_the_request_ids() -> None:
    ids = request_ids(1)
    assert len(set(ids)) == 3
    assert request_ids(1) == ids
    assert not set(request_ids(2)) & set(ids)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)

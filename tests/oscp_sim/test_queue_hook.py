"""The queue hook: each row of solaruser.md §3.1 and §3.3, through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.rig import (
    ADJUSTMENT,
    ASSET,
    NOW,
    Answer,
    delivered,
    get,
    instruction,
    measured,
    post,
    settled,
)
from tests.oscp_sim.worlds import DEPOT, GRID, TOKENS, group, user

WORLD: dict[str, Any] = {
    "users": [
        user(
            tokens=TOKENS,
            capacity_providers=[
                GRID,
                {"id": 4, "name": "Closed", "token": "closed", "enabled": False},
            ],
            capacity_optimizers=[
                DEPOT,
                {"id": 2, "name": "Closed", "enabled": False},
                {"id": 9, "name": "Other"},
            ],
            capacity_groups=[
                group(1),
                group(2, "closed", enabled=False),
                group(3, "no-provider", provider=4),
                group(4, "of-other", optimizer=9),
                group(5, "of-closed", optimizer=2),
            ],
        ),
        {
            "id": 43,
            "capacity_optimizers": [{"id": 77, "name": "Of another user"}],
            "nodes": [2],
        },
    ]
}
GOOD = {"action": "Handshake", "coId": "1", "cgIdentifier": "foo-group", "msg": "{}"}
SCHEMA = "JSON schema validation error on [{}] OSCP action: {}."
NOT_AN_OBJECT = (
    "Invalid JSON for [Handshake] OSCP action: OSCP msg parameter must be a JSON object."
)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(WORLD, clock=FrozenClock(NOW)) as simulator:
        yield simulator


def declined(answer: Answer) -> str:
    """The reason of an instruction that HTTP calls a success; nothing else is in the result."""
    assert answer.json["success"] is True
    assert answer.data["state"] == "Declined"
    assert answer.data["resultParameters"].keys() == {"error"}
    error: str = answer.data["resultParameters"]["error"]
    return error


def without(*names: str, **changes: str) -> dict[str, str]:
    return {name: value for name, value in (GOOD | changes).items() if name not in names}


# --- §3.1 --------------------------------------------------------------------------------------

ROWS: dict[str, tuple[Any, str]] = {
    "2-absent": (None, "Missing OSCP parameters"),
    "2-empty": ({}, "Missing OSCP parameters"),
    "2-all-dropped": ({"action": 1, "msg": None, "x": ""}, "Missing OSCP parameters"),
    "3-missing": (without("action"), "Missing OSCP action"),
    "3-empty": (without(action=""), "Missing OSCP action"),
    "3-blank": (without(action=" \t"), "Missing OSCP action"),
    "4-missing": (without("coId"), "Missing capacity optimizer ID"),
    "4-empty": (without(coId=""), "Missing capacity optimizer ID"),
    "4-a-number": ({**GOOD, "coId": 1}, "Missing capacity optimizer ID"),
    "5-word": (without(coId="x"), "Invalid capacity optimizer ID"),
    "5-blank": (without(coId=" "), "Invalid capacity optimizer ID"),
    "5-leading-blank": (without(coId=" 7"), "Invalid capacity optimizer ID"),
    "5-fraction": (without(coId="7.0"), "Invalid capacity optimizer ID"),
    # Java holds such a digit as two characters.
    "5-mathematical": (without(coId="\U0001d7cf"), "Invalid capacity optimizer ID"),
    "5-over-64-bits": (without(coId=str(2**63)), "Invalid capacity optimizer ID"),
    "5-exponent": (without(coId="1e0"), "Invalid capacity optimizer ID"),
    "6-missing": (without("cgIdentifier"), "Missing group identifier"),
    "6-empty": (without(cgIdentifier=""), "Missing group identifier"),
    "6-blank": (without(cgIdentifier="  "), "Missing group identifier"),
    "7-unknown": (without(coId="99"), "Unknown capacity optimizer"),
    "7-largest": (without(coId=str(2**63 - 1)), "Unknown capacity optimizer"),
    "7-negative": (without(coId="-7"), "Unknown capacity optimizer"),
    "7-disabled": (without(coId="2", cgIdentifier="of-closed"), "Unknown capacity optimizer"),
    "7-another-user-s": (without(coId="77"), "Unknown capacity optimizer"),
    "8-unknown": (without(cgIdentifier="bar"), "Unknown group identifier"),
    "8-other-case": (without(cgIdentifier="FOO-GROUP"), "Unknown group identifier"),
    "8-trailing-blank": (without(cgIdentifier="foo-group "), "Unknown group identifier"),
    "8-disabled": (without(cgIdentifier="closed"), "Unknown group identifier"),
    "8-another-optimizer-s": (without(cgIdentifier="of-other"), "Unknown group identifier"),
    "9-disabled": (without(cgIdentifier="no-provider"), "Unknown capacity provider"),
    "10-unknown": (without(action="Nonsense"), "Unsupported OSCP 2.0 action [Nonsense]"),
    "10-other-case": (without(action="handshake"), "Unsupported OSCP 2.0 action [handshake]"),
    "10-padded": (without(action=" Handshake"), "Unsupported OSCP 2.0 action [ Handshake]"),
    **{
        f"10-{action}": (without(action=action), f"Unsupported OSCP 2.0 action [{action}]")
        for action in ("Heartbeat", "Register", "HandshakeAcknowledge", "UpdateAssetMeasurements")
    },
    "11-missing": (
        without("msg"),
        "Missing [msg] parameter for OSCP 2.0 action [Handshake]",
    ),
    "11-empty": (without(msg=""), "Missing [msg] parameter for OSCP 2.0 action [Handshake]"),
    "12-blank": (without(msg=" "), NOT_AN_OBJECT),
    "12-array": (without(msg="[]"), NOT_AN_OBJECT),
    "12-string": (without(msg='"{}"'), NOT_AN_OBJECT),
    "12-number": (without(msg="0"), NOT_AN_OBJECT),
    "12-boolean": (without(msg="false"), NOT_AN_OBJECT),
    "12-required": (
        without(action="GroupCapacityComplianceError"),
        SCHEMA.format("GroupCapacityComplianceError", ": required property 'message' not found"),
    ),
    "12-type": (
        without(action="GroupCapacityComplianceError", msg='{"message":1}'),
        SCHEMA.format("GroupCapacityComplianceError", "/message: integer found, string expected"),
    ),
    "12-min-items": (
        without(
            action="AdjustGroupCapacityForecast",
            msg=json.dumps({**ADJUSTMENT, "forecasted_blocks": []}),
        ),
        SCHEMA.format(
            "AdjustGroupCapacityForecast",
            "/forecasted_blocks: must have at least 1 items but found 0",
        ),
    ),
    "12-null-enumeration": (
        without(action="AdjustGroupCapacityForecast", msg=json.dumps({**ADJUSTMENT, "type": None})),
        SCHEMA.format(
            "AdjustGroupCapacityForecast",
            "/type: null found, string expected, /type: does not have a value in the enumeration "
            '["CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", '
            '"OPTIMUM"]',
        ),
    ),
    "13-mismatch": (
        without(
            action="AdjustGroupCapacityForecast",
            msg=json.dumps({**ADJUSTMENT, "group_id": "bar"}),
        ),
        "The AdjustGroupCapacityForecast message group_identifier must match the instruction "
        "cgIdentifier parameter",
    ),
}


@pytest.mark.parametrize(("parameters", "error"), ROWS.values(), ids=ROWS)
def test_an_instruction_is_declined(
    simulator: Simulator, parameters: dict[str, object] | None, error: str
) -> None:
    body = {"nodeId": 1} if parameters is None else {"nodeId": 1, "params": parameters}
    answer = post(simulator, body)
    assert declined(answer) == error
    number = answer.data["id"]
    assert get(simulator, f"/solaruser/api/v1/sec/instr/view?id={number}").data == answer.data
    settled(simulator)
    assert delivered(simulator) == []
    (state,) = simulator.journal.entries(kind="state")
    assert (state.party, state.state, state.reason) == ("solaruser", "Declined", error)


@pytest.mark.parametrize("co_id", ["1", "+1", "001", "+0000000000000000000000001"])
def test_an_optimizer_id_is_a_java_long(simulator: Simulator, co_id: str) -> None:
    assert post(simulator, instruction(coId=co_id)).data["state"] == "Queuing"


@pytest.mark.parametrize(
    "action",
    [
        "AdjustGroupCapacityForecast",
        "GroupCapacityComplianceError",
        "Handshake",
        "UpdateGroupMeasurements",
        "UpdateGroupCapacityForecast",
        "UpdateAssetMeasurement",
    ],
)
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_14_all_good(action: str, fidelity: Fidelity) -> None:
    messages: dict[str, Any] = {
        "GroupCapacityComplianceError": {"message": ""},
        "Handshake": {},
        "UpdateGroupMeasurements": {**measured(), "group_id": "any"},
        "UpdateAssetMeasurement": {"group_id": "any", "measurements": [ASSET]},
    }
    text = json.dumps(messages.get(action, ADJUSTMENT))
    with Simulator(WORLD, clock=FrozenClock(NOW), fidelity=fidelity) as simulator:
        answer = post(simulator, instruction(action=action, msg=text))
    if action == "UpdateAssetMeasurement" and fidelity == "observed":
        assert declined(answer) == (
            "java.io.FileNotFoundException: "
            "http://www.openchargealliance.org/schemas/oscp/2.0/update-asset-measurement.json"
        )
    else:
        assert answer.data["state"] == "Queuing"
        assert "resultParameters" not in answer.data


@pytest.mark.parametrize("group", ["bar-group", "", "foo-group"])
@pytest.mark.parametrize("action", ["UpdateGroupMeasurements", "UpdateGroupCapacityForecast"])
def test_only_an_adjustment_s_group_is_compared(
    simulator: Simulator, action: str, group: str
) -> None:
    message: dict[str, Any] = {**ADJUSTMENT, "group_id": group}
    if action == "UpdateGroupMeasurements":
        message["measurements"] = measured()["measurements"]
    answer = post(simulator, instruction(action=action, msg=json.dumps(message)))
    assert answer.data["state"] == "Queuing"


def test_checks_come_in_the_service_s_order(simulator: Simulator) -> None:
    """Each instruction has every mistake from its own on; the first is the reason."""
    worst = {"msg": "no JSON", "note": "x"}
    steps: list[dict[str, str]] = [
        worst,
        {"action": "Nonsense"},
        {"coId": "x"},
        {"coId": "99"},
        {"cgIdentifier": "bar"},
        {"coId": "1"},
        {"cgIdentifier": "no-provider"},
        {"cgIdentifier": "foo-group"},
        {"action": "AdjustGroupCapacityForecast"},
    ]
    errors = []
    parameters: dict[str, str] = {}
    for step in steps:
        parameters = parameters | step
        errors.append(declined(post(simulator, {"nodeId": 1, "params": parameters})))
    assert errors[:-1] == [
        "Missing OSCP action",
        "Missing capacity optimizer ID",
        "Invalid capacity optimizer ID",
        "Missing group identifier",
        "Unknown capacity optimizer",
        "Unknown group identifier",
        "Unknown capacity provider",
        "Unsupported OSCP 2.0 action [Nonsense]",
    ]
    assert errors[-1].startswith("Invalid JSON for [AdjustGroupCapacityForecast] OSCP action: ")


# --- §3.3 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("{'a':1}", "Unexpected character (''' (code 39)): was expecting double-quote to start"),
        ("{bad", "Unexpected character ('b' (code 98)): was expecting double-quote to start"),
        ("not", "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or"),
        ('{"a":1', "Unexpected end-of-input"),
    ],
)
def test_malformed_json(simulator: Simulator, observed: Simulator, text: str, begins: str) -> None:
    documented = declined(post(simulator, instruction(msg=text)))
    assert documented.startswith(f"Invalid JSON for [Handshake] OSCP action: {begins}")
    as_observed = declined(post(observed, instruction(msg=text)))
    assert as_observed.startswith(begins)
    assert "\n at [Source: " in as_observed


@pytest.mark.parametrize("text", ["{}{}", "{} x", "null", "{} null"])
def test_declined_with_a_text_that_is_not_known(simulator: Simulator, text: str) -> None:
    assert declined(post(simulator, instruction(msg=text)))


@pytest.mark.parametrize("time", ["2026-05-04T16:30:00.123456Z", "2026-05-04t16:30:00z"])
def test_what_the_schema_lets_through_and_the_decoder_does_not(
    simulator: Simulator, observed: Simulator, time: str
) -> None:
    block = {**ADJUSTMENT["forecasted_blocks"][0], "start_time": time}
    message = {**ADJUSTMENT, "forecasted_blocks": [block]}
    body = instruction(action="AdjustGroupCapacityForecast", msg=json.dumps(message))
    assert post(simulator, body).data["state"] == "Queuing"
    assert declined(post(observed, body)).startswith(
        f'Cannot deserialize value of type `java.time.Instant` from String "{time}"'
    )


@pytest.mark.parametrize(
    ("topic", "is_near"),
    [
        ("OSCP_V20", True),
        ("oscp_v20", True),
        ("OSCPv20", True),
        ("OSCP-v2.0", True),
        ("OSCP_v2", True),
        ("OSC_v20", True),
        ("OSSCP_v20", True),
        ("OSCP_v", False),
        ("OSCP_v2O", True),
        ("OSCP_v200", True),
        ("OCSP_v20", True),
        ("OSCP_v02", True),
        ("OSCP_v21", True),
        ("OSCP_v16", False),
        ("OSCP", False),
        ("OPCS_v20", False),
        ("SetControlParameter", False),
    ],
)
def test_who_misspells_the_topic_reads_it_in_the_journal(
    simulator: Simulator, *, topic: str, is_near: bool
) -> None:
    base = "/solaruser/api/v1/sec/instr/add"
    assert post(simulator, {"nodeId": 1, "params": {"a": "b"}}, f"{base}/{topic}").status == 200
    [entry] = simulator.journal.entries(kind="exchange")
    found = [(each["rule"], each["severity"], each["hint"]) for each in entry.findings]
    assert found == ([("topic", "warning", 'did you mean "OSCP_v20"?')] if is_near else [])
    assert found == [(each["rule"], each["severity"], each["hint"]) for each in entry.findings]


def test_another_topic_is_no_business_of_the_hook(simulator: Simulator) -> None:
    base = "/solaruser/api/v1/sec/instr/add"
    for topic in ("oscp_v20", "OSCP_v21", "SetControlParameter"):
        answer = post(simulator, {"nodeId": 1, "params": {"a": "b"}}, f"{base}/{topic}")
        assert answer.data["topic"] == topic
        assert answer.data["state"] in {"Queued", "Queuing"}
        assert "resultParameters" not in answer.data
    assert declined(post(simulator, {"nodeId": 1})) == "Missing OSCP parameters"


def test_what_the_sender_s_own_check_finds_is_in_the_journal(simulator: Simulator) -> None:
    block = {**ADJUSTMENT["forecasted_blocks"][0], "unit": "kW"}
    message = {**ADJUSTMENT, "forecasted_blocks": [block]}
    post(simulator, instruction(action="AdjustGroupCapacityForecast", msg=json.dumps(message)))
    (exchange,) = simulator.journal.entries(party="solaruser", kind="exchange")
    (finding,) = (each for each in exchange.findings if each["severity"] == "error")
    assert finding["pointer"] == "/forecasted_blocks/0/unit"
    assert "KW" in finding["hint"]


def test_what_the_running_service_would_refuse_is_in_the_journal(simulator: Simulator) -> None:
    block = {**ADJUSTMENT["forecasted_blocks"][0], "end_time": "2026-05-04T17:00:00.0001Z"}
    message = {**ADJUSTMENT, "forecasted_blocks": [block]}
    body = instruction(action="AdjustGroupCapacityForecast", msg=json.dumps(message))
    assert post(simulator, body).data["state"] == "Queuing"
    (exchange,) = simulator.journal.entries(party="solaruser", kind="exchange")
    (finding,) = exchange.findings
    assert (finding["pointer"], finding["source"]) == ("/forecasted_blocks/0/end_time", "observed")

"""A whole request body: what SolarUser would answer, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

import oscp_send
from oscp_send.request_judgement import RequestJudgement, check_request
from tests.cases.payloads import DROP, changed, compliance, forecast, group_measurements, one_block
from tests.oscp_send.cli.given import params
from tests.oscp_send.sender_world import in_short

ADJUST = "AdjustGroupCapacityForecast"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HANDSHAKE = '{"required_behaviour":{"measurement_configuration":["CONTINUOUS"]}}'
NODE_REQUIRED = "Illegal argument: The nodeId parameter is required."
GROUP_MISMATCH = (
    f"The {ADJUST} message group_identifier must match the instruction cgIdentifier parameter"
)


def request(**changes: object) -> str:
    return json.dumps(changed({"nodeId": 1, "params": params()}, changes))


def with_params(**changes: object) -> str:
    return request(params=params(**changes))


def listed(**changes: object) -> str:
    elements = [{"name": name, "value": value} for name, value in params(**changes).items()]
    return request(params=elements)


def judged(text: str, fidelity: Any = "documented") -> RequestJudgement:  # noqa: ANN401 - a literal
    return check_request(text.encode(), fidelity, now=NOW)


def reported(judgement: RequestJudgement) -> list[str]:
    return in_short(judgement.findings)


def test_what_is_right_has_no_findings() -> None:
    judgement = judged(request())
    assert judgement.accepted
    assert (judgement.status, judgement.stage, judgement.error) == (200, None, None)
    assert judgement.action == ADJUST
    assert judgement.findings == ()
    assert judgement.message is not None
    assert judgement.message.findings == ()


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        ("OSCP_V20", 'did you mean "OSCP_v20"? leave it out: the path has it'),
        ("Other", 'write "OSCP_v20", or leave it out: the path has it'),
    ],
)
def test_a_misspelt_topic_is_told_the_right_one(topic: str, hint: str) -> None:
    (finding,) = judged(request(topic=topic)).findings
    assert (finding.rule, finding.severity, finding.hint) == ("topic", "warning", hint)


def test_it_is_exported() -> None:
    assert oscp_send.check_request is check_request


@pytest.mark.parametrize(
    "first", ["import oscp_send.request_judgement", "from oscp_send import check_request", "pass"]
)
def test_it_is_the_function_regardless_of_what_was_imported_first(first: str) -> None:
    code = f"{first}\nimport oscp_send\nprint(callable(oscp_send.check_request))"
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


# The whole body is refused: HTTP 422, with a finding that says why.
REFUSED: dict[str, tuple[str, str, list[str]]] = {
    "empty": ("", "Malformed request: Required request body", ["request error"]),
    "null": ("null", "Malformed request: Required request body", ["request error"]),
    "array": ("[]", "Malformed JSON: Unable to parse", ["request error"]),
    "not-json": ("{'nodeId':1}", "Malformed JSON: Unexpected char", ["json error"]),
    "node-missing": (request(nodeId=DROP), NODE_REQUIRED, ["missing error"]),
    "node-null": (request(nodeId=None), NODE_REQUIRED, ["nodeId error /nodeId"]),
    "node-true": (request(nodeId=True), NODE_REQUIRED, ["nodeId error /nodeId"]),
    "node-word": (request(nodeId="abc"), "Malformed JSON: For", ["nodeId error /nodeId"]),
    "node-huge": (request(nodeId=2**63), "Malformed JSON: Numeric", ["nodeId error /nodeId"]),
    "node-endless": (
        request().replace('"nodeId": 1', '"nodeId": 1e999999999'),
        "Malformed JSON: Numeric",
        ["nodeId error /nodeId"],
    ),
    "node-array": (request(nodeId=[1]), "Malformed JSON: Trailing", ["nodeId error /nodeId"]),
    "node-misspelt": (
        json.dumps({"params": params(), "node_id": 1}),
        NODE_REQUIRED,
        ["unknown-key warning /node_id", "missing error"],
    ),
    "message-an-object": (
        with_params(msg=json.loads(forecast())),
        "Malformed JSON: Trailing token",
        ["not-text error /params/msg"],
    ),
    "message-an-array": (
        with_params(msg=[]),
        "Malformed JSON: Trailing token",
        ["not-text error /params/msg"],
    ),
    "any-parameter-an-object": (
        with_params(correlationId={}),
        "Malformed JSON: Trailing token",
        ["not-text error /params/correlationId"],
    ),
    "unknown-key-before-params": (
        json.dumps({"nodeId": 1, "comment": "x", "params": params()}),
        "Malformed JSON: Trailing token",
        ["unknown-key error /comment"],
    ),
    "unknown-key-before-node": (
        json.dumps({"params": params(), "comment": "x", "nodeId": 1}),
        NODE_REQUIRED,
        ["unknown-key error /comment"],
    ),
    "unknown-object-last": (
        request(comment={}),
        "Malformed JSON: Trailing token",
        ["unknown-key error /comment"],
    ),
    "several-nodes": (
        json.dumps({"nodeIds": [1], "params": params()}),
        "Malformed JSON: Trailing token",
        ["unknown-key error /nodeIds", "missing error"],
    ),
    "topic-an-object": (
        request(topic={}),
        "Malformed JSON: Trailing token",
        ["topic error /topic"],
    ),
    "expiration-null": (
        request(expirationDate=None),
        "Malformed JSON: Unexpected token",
        ["date error /expirationDate"],
    ),
    "expiration-unreadable": (
        request(expirationDate="2026-01-02"),
        "Malformed date string: ",
        ["date error /expirationDate"],
    ),
    "ignored-and-unreadable": (
        request(id="x"),
        "Malformed JSON: For input string",
        ["ignored-key info /id", "request error"],
    ),
}


@pytest.mark.parametrize(("text", "error", "findings"), REFUSED.values(), ids=REFUSED)
def test_refused_as_a_whole(text: str, error: str, findings: list[str]) -> None:
    judgement = judged(text)
    assert not judgement.accepted
    assert (judgement.status, judgement.stage) == (422, "request")
    assert (judgement.error or "").startswith(error)
    assert reported(judgement) == findings


# The instruction is declined for its parameters (§3.1, checks 2 to 6).
DECLINED: dict[str, tuple[str, str, list[str]]] = {
    "no-params": (request(params=DROP), "Missing OSCP parameters", ["missing error"]),
    "params-empty": (request(params={}), "Missing OSCP parameters", ["missing error /params"] * 4),
    "params-null": (request(params=None), "Missing OSCP parameters", ["parameters error /params"]),
    "params-a-text": (
        request(params=json.dumps(params())),
        "Missing OSCP parameters",
        ["parameters error /params"],
    ),
    "all-dropped": (
        request(params={"action": 1, "coId": 2, "cgIdentifier": None, "msg": True}),
        "Missing OSCP parameters",
        [f"not-text error /params/{name}" for name in ("action", "coId", "cgIdentifier", "msg")],
    ),
    "action-missing": (with_params(action=DROP), "Missing OSCP action", ["missing error /params"]),
    "action-blank": (
        with_params(action="  "),
        "Missing OSCP action",
        ["blank error /params/action"],
    ),
    "optimizer-missing": (
        with_params(coId=DROP),
        "Missing capacity optimizer ID",
        ["missing error /params"],
    ),
    "optimizer-a-number": (
        with_params(coId=1),
        "Missing capacity optimizer ID",
        ["not-text error /params/coId"],
    ),
    "optimizer-null": (
        with_params(coId=None),
        "Missing capacity optimizer ID",
        ["not-text error /params/coId"],
    ),
    "optimizer-empty": (
        with_params(coId=""),
        "Missing capacity optimizer ID",
        ["empty error /params/coId"],
    ),
    **{
        f"optimizer-{name}": (
            with_params(coId=text),
            "Invalid capacity optimizer ID",
            ["coId error /params/coId"],
        )
        for name, text in {
            "a-word": "x",
            "with-a-blank": " 7",
            "with-a-point": "7.0",
            "beyond-64-bits": str(2**63),
            "blank": " ",
        }.items()
    },
    "group-missing": (
        with_params(cgIdentifier=DROP),
        "Missing group identifier",
        ["missing error /params"],
    ),
    "group-blank": (
        with_params(cgIdentifier=" "),
        "Missing group identifier",
        ["blank error /params/cgIdentifier", "group error /params/cgIdentifier"],
    ),
    "optimizer-misspelt": (
        with_params(coId=DROP, coID="1"),
        "Missing capacity optimizer ID",
        ["unknown-parameter warning /params/coID", "missing error /params"],
    ),
    "list-value-a-number": (
        listed(coId=1),
        "Missing capacity optimizer ID",
        ["not-text error /params/0/value"],
    ),
    "list-optimizer-a-word": (
        listed(coId="x"),
        "Invalid capacity optimizer ID",
        ["coId error /params/0/value"],
    ),
}


@pytest.mark.parametrize(("text", "error", "findings"), DECLINED.values(), ids=DECLINED)
def test_declined_for_its_parameters(text: str, error: str, findings: list[str]) -> None:
    judgement = judged(text)
    assert (judgement.status, judgement.stage) == (200, "parameters")
    assert judgement.error == error
    assert reported(judgement) == findings


# The instruction is declined for its message (checks 10 to 13).
MESSAGE: dict[str, tuple[str, str, str, list[str]]] = {
    "action-unsupported": (
        with_params(action="Heartbeat", msg='{"offline_mode_at":"2031-03-01T00:00:00Z"}'),
        "action",
        "Unsupported OSCP 2.0 action [Heartbeat]",
        ["action error /params/action"],
    ),
    "message-missing": (
        with_params(msg=DROP),
        "document",
        f"Missing [msg] parameter for OSCP 2.0 action [{ADJUST}]",
        ["missing error /params"],
    ),
    "message-empty": (
        with_params(msg=""),
        "document",
        f"Missing [msg] parameter for OSCP 2.0 action [{ADJUST}]",
        ["empty error /params/msg"],
    ),
    "message-a-number": (
        with_params(msg=5),
        "document",
        f"Missing [msg] parameter for OSCP 2.0 action [{ADJUST}]",
        ["not-text error /params/msg"],
    ),
    "message-without-text-and-unsupported": (
        with_params(msg=DROP, action="X"),
        "action",
        "Unsupported OSCP 2.0 action [X]",
        ["missing error /params", "action error /params/action"],
    ),
    "message-not-json": (
        with_params(msg="{"),
        "json",
        f"Invalid JSON for [{ADJUST}] OSCP action: Unexpected end-of-input",
        [],
    ),
    "message-refused-by-schema": (
        with_params(msg=one_block(unit="kW")),
        "schema",
        f"JSON schema validation error on [{ADJUST}] OSCP action: /forecasted_blocks/0/unit: ",
        [],
    ),
    "group-differs": (
        with_params(cgIdentifier="bar-group"),
        "group",
        GROUP_MISMATCH,
        ["group error /params/cgIdentifier"],
    ),
    "group-differs-in-case": (
        with_params(cgIdentifier="Foo-Group"),
        "group",
        GROUP_MISMATCH,
        ["group error /params/cgIdentifier"],
    ),
    "action-given-twice": (
        request().replace('"action"', '"action": "X", "action"'),
        "action",
        f"Unsupported OSCP 2.0 action [X{ADJUST}]",
        ["duplicate-key warning /params/action", "action error /params/action"],
    ),
}


@pytest.mark.parametrize(("text", "stage", "error", "findings"), MESSAGE.values(), ids=MESSAGE)
def test_declined_for_its_message(text: str, stage: str, error: str, findings: list[str]) -> None:
    judgement = judged(text)
    assert (judgement.status, judgement.stage) == (200, stage)
    assert (judgement.error or "").startswith(error)
    assert reported(judgement) == findings


# Accepted, with something to know.
ACCEPTED: dict[str, tuple[str, list[str]]] = {
    "node-a-text": (request(nodeId="1"), []),
    "node-cut": (request(nodeId=1.9), ["nodeId warning /nodeId"]),
    "topic": (request(topic="OSCP_v20"), []),
    "topic-in-lower-case": (request(topic="oscp_v20"), ["topic warning /topic"]),
    "topic-null": (request(topic=None), ["topic warning /topic"]),
    "unknown-key-last": (request(comment="x"), ["unknown-key warning /comment"]),
    "unknown-key-before-a-date": (
        request(comment="x", expirationDate="2031-01-01 00:00:00Z"),
        ["unknown-key warning /comment"],
    ),
    "ignored-key": (request(state="Completed"), ["ignored-key info /state"]),
    "expiration-ahead": (request(expirationDate="2031-01-01 00:00:00Z"), []),
    "expiration-past": (
        request(expirationDate="2026-01-02 03:04:05Z"),
        ["date warning /expirationDate"],
    ),
    "instruction-date-just-past": (request(instructionDate="2026-01-02 03:03:40Z"), []),
    "instruction-date-long-past": (
        request(instructionDate="2026-01-02 03:03:30Z"),
        ["date warning /instructionDate"],
    ),
    "both-names": (
        json.dumps({"nodeId": 1, "params": {}, "parameters": params()}),
        ["parameters warning /params"],
    ),
    "params-twice": (
        request().replace('"params"', '"params": {}, "params"'),
        ["duplicate-key warning /params"],
    ),
    "list-form": (listed(), []),
    "list-form-cut-beforehand": (
        request(
            params=[
                *({"name": n, "value": v} for n, v in params(msg=DROP).items()),
                {"name": "msg", "value": forecast()[:50]},
                {"name": "msg", "value": forecast()[50:]},
            ]
        ),
        [],
    ),
    "list-element-no-object": (
        request(params=["x", *json.loads(listed())["params"]]),
        ["not-object warning /params/0"],
    ),
    "list-element-lacks-a-name": (
        request(params=[*json.loads(listed())["params"], {"value": " "}]),
        ["inherited warning /params/4"],
    ),
    "parameter-unknown": (with_params(note="x"), ["unknown-parameter warning /params/note"]),
    "correlation-a-number": (
        with_params(correlationId=5),
        ["not-text warning /params/correlationId"],
    ),
    "correlation": (with_params(correlationId="r1"), ["correlation_id info /params/correlationId"]),
    "nul-in-a-parameter": (
        with_params(correlationId="r\0"),
        ["nul warning /params/correlationId", "correlation_id info /params/correlationId"],
    ),
    "S15": (
        with_params(action="GroupCapacityComplianceError", msg=compliance()),
        ["S15 error /params"],
    ),
    "S15-dropped": (
        with_params(action="GroupCapacityComplianceError", msg=compliance(), correlationId=""),
        ["empty warning /params/correlationId", "S15 error /params"],
    ),
    "S15-given": (
        with_params(action="GroupCapacityComplianceError", msg=compliance(), correlationId="r1"),
        ["correlation_id info /params/correlationId"],
    ),
    "S15-not-for-an-adjustment": (request(), []),
    "group-of-measurements-differs": (
        with_params(action="UpdateGroupMeasurements", msg=group_measurements(group_id="x")),
        ["group warning /params/cgIdentifier"],
    ),
}


@pytest.mark.parametrize(("text", "findings"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(text: str, findings: list[str]) -> None:
    judgement = judged(text)
    assert judgement.accepted
    assert (judgement.status, judgement.stage, judgement.error) == (200, None, None)
    assert reported(judgement) == findings


def test_a_lost_correlation_id_weighs_more_as_observed() -> None:
    (finding,) = judged(with_params(correlationId="r1"), "observed").findings
    assert (finding.severity, finding.source) == ("warning", "observed")


def test_a_number_is_shown_as_it_should_be_written() -> None:
    (finding,) = judged(with_params(coId=1)).findings
    assert finding.message == (
        "coId is the number 1: SolarUser drops parameters that are not strings"
    )
    assert finding.hint == 'write "1"'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (REFUSED["node-misspelt"][0], '"node_id" is not read: write "nodeId"'),
        (DECLINED["optimizer-misspelt"][0], '"coID" is not read: write "coId"'),
        (request(Params=params(), params=DROP), '"Params" is not read: write "params"'),
    ],
)
def test_a_misspelt_name_is_recognised(text: str, hint: str) -> None:
    assert hint in [each.hint for each in judged(text).findings if each.rule == "missing"]


def test_what_is_lost_behind_an_unknown_key_is_named() -> None:
    (finding,) = judged(REFUSED["unknown-key-before-node"][0]).findings
    assert 'loses "nodeId"' in finding.message


def test_the_pointers_of_the_message_are_into_the_message() -> None:
    judgement = judged(with_params(msg=one_block(unit="kW")))
    assert judgement.message is not None
    assert [each.pointer for each in judgement.message.findings] == ["/forecasted_blocks/0/unit"]


def test_what_is_wrong_beyond_a_refusal_is_reported_as_well() -> None:
    text = request(nodeId=DROP, params=params(coId=1, msg=one_block(unit="kW")))
    judgement = judged(text)
    assert judgement.stage == "request"
    assert [each.rule for each in judgement.of_severity("error")] == ["missing", "not-text", "enum"]


def test_what_is_dropped_beside_a_text_of_its_name_is_no_refusal() -> None:
    text = with_params(coId=1).replace('"action"', '"cgIdentifier": null, "action"')
    assert reported(judged(text)) == [
        "not-text error /params/coId",
        "not-text warning /params/cgIdentifier",
        "duplicate-key warning /params/cgIdentifier",
    ]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert check_request(b"\xef\xbb\xbf" + request().encode()).accepted


def test_bytes_that_are_no_utf8_are_placed() -> None:
    (finding,) = check_request(b'{"nodeId":1,\n"params":"\xff"}').findings
    assert "line 2, column 11" in finding.message


def test_a_deep_body_is_refused() -> None:
    judgement = judged('{"nodeId":1,"params":' + "[" * 501 + "]" * 501 + "}")
    assert judgement.status == 422
    assert judgement.of_severity("error")


def test_it_can_be_written_as_json() -> None:
    written = json.loads(json.dumps(judged(with_params(coId=1)).to_dict()))
    assert list(written) == [
        "accepted",
        "status",
        "stage",
        "error",
        "action",
        "findings",
        "message",
    ]
    assert written["findings"][0]["pointer"] == "/params/coId"
    assert written["message"]["accepted"] is True


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(ValueError, match="'documented' or 'observed', not 'strict'"):
        judged(request(), "strict")

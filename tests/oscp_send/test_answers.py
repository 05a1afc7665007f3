"""Every way in which SolarUser refuses, as the exception that says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
import requests

from oscp_send.answers import Answer, Reply
from oscp_send.errors import (
    InstructionDeclined,
    NotAuthorised,
    NotUnderstood,
    PossiblySent,
    RateLimited,
    Refused,
    Unreachable,
)
from oscp_send.solarnetwork import texts
from oscp_send.values import OscpSendError
from tests.oscp_send.sender_world import ADD, HANDSHAKE, NOW, TO, VIEW, Service, make_client, reply


def failed_send(service: Service, **answer: Any) -> OscpSendError:  # noqa: ANN401 - passed on
    posted = service.post(ADD, **answer)
    with pytest.raises(OscpSendError) as caught:
        make_client().send("Handshake", HANDSHAKE, **TO)
    assert posted.call_count == 1
    return caught.value


def failed_view(service: Service, **answer: Any) -> OscpSendError:  # noqa: ANN401 - passed on
    service.get(VIEW, **answer)
    with pytest.raises(OscpSendError) as caught:
        make_client().view(1)
    return caught.value


def refusal(message: str, **more: object) -> dict[str, Any]:
    return {"success": False, "message": message, **more}


# docs/protocol/solaruser.md §5.7
AUTHORISATION = [
    (401, "Full authentication is required to access this resource", "Authorization header"),
    (401, "Expired token", "new token"),
    (401, "Unable to verify credentials", "later"),
    (401, "Something new", ""),
    (403, "Bad credentials", "token and its secret"),
    (403, "Date skew too large", "15 minutes"),
    (403, "Access denied", "apiPaths"),
    (403, "Access Denied", "type User"),
    (403, "Missing or invalid HTTP Date header value", "signature"),
    (403, "Invalid HTTP X-SN-Date header value", "signature"),
    (403, "Invalid HTTP Date header value", "signature"),
    (403, "Invalid Credential value", "token id"),
    (403, "Invalid Signature value", "signature"),
    (403, "Invalid SignedHeaders value", "signature"),
    (403, "The 'Host' HTTP header must be included in SignedHeaders", "signature"),
    (
        403,
        "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders",
        "signature",
    ),
    (403, "The 'content-type' HTTP header must be included in SignedHeaders", "signature"),
    (403, "Content sha-256 digest value mismatch", "changed it"),
    (403, "Invalid Digest sha-256 encoding", "signature"),
    (403, "Content too large", "20 MB"),
]


@pytest.mark.parametrize(
    ("status", "message", "hint"), AUTHORISATION, ids=[row[1] for row in AUTHORISATION]
)
def test_a_refusal_of_the_credentials_is_not_authorised(
    service: Service, status: int, message: str, hint: str
) -> None:
    error = failed_send(service, status=status, json=refusal(message, code="A.1"))
    assert isinstance(error, NotAuthorised)
    assert (error.status, error.reason, error.code) == (status, message, "A.1")
    assert error.excerpt == json.dumps(refusal(message, code="A.1"))[:200]
    assert hint in error.hint
    assert bool(error.hint) is bool(hint)
    assert message in str(error)
    assert "hunter2" not in str(error) + repr(error)


def test_what_is_said_beside_the_status_is_a_line_of_its_own() -> None:
    body = json.dumps(refusal("Bad credentials")).encode()
    with pytest.raises(NotAuthorised) as caught:
        Answer(Reply(403, "Forbidden; why: the secret", {}, body)).instruction_or_none()
    hint, _, beside = caught.value.hint.partition("\n")
    assert "token and its secret" in hint
    assert beside == "Beside the status it says: Forbidden; why: the secret"


def test_a_message_in_a_header_alone_is_understood(service: Service) -> None:
    headers = {"X-SN-ErrorMessage": "Date skew too large"}
    error = failed_send(service, status=403, headers=headers)
    assert isinstance(error, NotAuthorised)
    assert (error.reason, error.code, error.excerpt) == ("Date skew too large", "", "")


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (599, "no reason given")])
def test_a_refusal_without_words_has_those_of_its_status(
    service: Service, status: int, reason: str
) -> None:
    error = failed_view(service, status=status)
    assert isinstance(error, Refused | Unreachable)
    assert error.reason == reason


def test_a_look_that_succeeds_with_a_no_is_refused(service: Service) -> None:
    error = failed_view(service, json=refusal("no"))
    assert isinstance(error, Refused)
    assert (error.status, error.reason, error.hint) == (200, "no", "")


TOO_LARGE = (
    "MQTT error queuing OSCP instruction 26 action AdjustGroupCapacityForecast for Capacity "
    "Provider (45,50): java.lang.IllegalArgumentException: Maximum message size 8192 exceeded: 1"
)
# docs/protocol/solaruser.md §6.3, §7.1 and §7.2
REFUSALS: dict[str, tuple[int, dict[str, Any], str]] = {
    "unknown-node": (403, refusal("UNKNOWN_OBJECT"), "does not know this node"),
    "foreign-node": (403, refusal("ACCESS_DENIED"), "another user's"),
    "upload": (403, refusal("Maximum upload size of 20971520 bytes exceeded"), "20 MB"),
    "no-node": (422, refusal("Illegal argument: The nodeId parameter is required."), "parameter"),
    "malformed": (422, refusal("Malformed JSON: Unexpected end-of-input"), "changed it"),
    "too-long": (422, refusal("An invalid ...", code="DAO.00103"), "NUL"),
    "mqtt": (422, refusal("MQTT connection not available", code="RS.00001"), "Nothing was queued"),
    "mqtt-without-code": (422, refusal("MQTT error queuing OSCP"), "Nothing was queued"),
    "too-large": (422, refusal(TOO_LARGE, code="RS.00001"), "split_to_fit"),
    "firewall": (400, refusal("The request was rejected because ..."), "double slashes"),
    "not-found": (
        404,
        {"timestamp": "x", "status": 404, "error": "Not Found", "path": "/x", "success": False},
        "no route",
    ),
}


@pytest.mark.parametrize(("status", "body", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_why_and_what_to_do(
    service: Service, status: int, body: dict[str, Any], hint: str
) -> None:
    error = failed_send(service, status=status, json=body)
    assert isinstance(error, Refused)
    assert error.status == status
    assert error.reason == body.get("message", "Not Found")
    assert error.code == body.get("code", "")
    assert error.excerpt == excerpt_of({"json": body})
    assert hint in error.hint


# docs/protocol/solaruser.md §3.1 and §4
DECLINED = {
    texts.MISSING_PARAMETERS: "texts",
    texts.MISSING_ACTION: "message name",
    texts.MISSING_OPTIMIZER: "configId",
    texts.INVALID_OPTIMIZER: "configId",
    texts.MISSING_GROUP: "identifier",
    texts.UNKNOWN_OPTIMIZER: "configId",
    texts.UNKNOWN_GROUP: "identifier",
    texts.UNKNOWN_PROVIDER: "not enabled",
    texts.GROUP_MISMATCH: "group_id",
    texts.unsupported_action("Heartbeat"): "Handshake",
    texts.missing_message("Handshake"): "not empty",
    texts.not_an_object("Handshake"): "object",
    "JSON schema validation error on [Handshake] OSCP action: /a: x.": "check",
    "java.io.FileNotFoundException: http://x.json": "cannot send this message",
    "[Handshake] task with CapacityOptimizer (1,2) failed because the OSCP version 1.0 is not "
    "supported.": "oscpVersion",
    '500 Internal Server Error: "x"': "own words",
    'I/O error on POST request for "http://x": timed out': "may have acted",
    "quite another reason": "",
}


@pytest.mark.parametrize(("reason", "hint"), DECLINED.items(), ids=DECLINED)
def test_a_declined_instruction_is_raised_with_the_services_reason(
    service: Service, reason: str, hint: str
) -> None:
    error = failed_send(service, json=reply("Declined", resultParameters={"error": reason}))
    assert isinstance(error, InstructionDeclined)
    assert error.reason == reason
    assert error.instruction.id == 5012345
    assert hint in error.hint
    assert bool(error.hint) is bool(hint)
    assert str(error).startswith(f"Instruction 5012345 was declined: {reason}")


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ({"message": "Expired"}, "Expired"),
        ({"error": 7}, "the service gave no reason"),
        (None, "the service gave no reason"),
    ],
)
def test_a_reason_may_be_elsewhere_or_missing(
    service: Service, results: object, reason: str
) -> None:
    error = failed_send(service, json=reply("Declined", resultParameters=results))
    assert isinstance(error, InstructionDeclined)
    assert (error.reason, error.instruction.id) == (reason, 5012345)


def test_a_rate_limit_says_when_to_come_back(service: Service) -> None:
    at = datetime(2026, 1, 2, 3, 4, 6, 500_000, tzinfo=UTC)
    headers = {"X-SN-Rate-Limit-Retry-After": str(int(at.timestamp() * 1000))}
    body = {"success": False, "code": "WEB.10000"}
    error = failed_send(service, status=429, json=body, headers=headers)
    assert isinstance(error, RateLimited)
    assert error.retry_at == at
    assert error.excerpt == '{"success": false, "code": "WEB.10000"}'
    assert str(error) == (
        "SolarUser asks to wait (HTTP 429, WEB.10000): too many requests\n"
        "Nothing was queued. Try again at 2026-01-02T03:04:06.500Z."
    )


@pytest.mark.parametrize("value", ["soon", "99999999999999999999", ""])
def test_an_unreadable_time_to_come_back_is_none(service: Service, value: str) -> None:
    headers = {"X-SN-Rate-Limit-Retry-After": value}
    error = failed_send(service, status=429, json=refusal("busy"), headers=headers)
    assert isinstance(error, RateLimited)
    assert error.retry_at is None
    assert str(error) == (
        "SolarUser asks to wait (HTTP 429): busy\nNothing was queued. Try again in some seconds."
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Friday, 02-Jan-26 03:05:05 GMT", 60),
        ("-1", None),
        ("soon", None),
        ("9" * 30, None),
    ],
)
def test_the_header_of_http_is_read_in_either_form(
    service: Service, value: str, seconds: int | None
) -> None:
    answer: dict[str, Any] = {"status": 429, "headers": {"Retry-After": value}}
    looked = failed_view(service, body="<html>busy", **answer)
    for error in (looked, failed_send(service, json=refusal("busy"), **answer)):
        assert isinstance(error, RateLimited)
        if seconds is None:
            assert error.retry_at is None
        else:
            assert error.retry_at == NOW + timedelta(seconds=seconds)
            assert error.retry_at.tzinfo is UTC
    assert str(looked).partition("\n")[2].startswith("Try again ")


def test_who_is_away_may_say_until_when(service: Service) -> None:
    error = failed_view(service, status=503, headers={"Retry-After": "7"})
    assert isinstance(error, Unreachable)
    assert error.retry_at == NOW + timedelta(seconds=7)
    assert str(error) == (
        "SolarUser could not be reached (HTTP 503): Service Unavailable\n"
        f"Try again at {NOW + timedelta(seconds=7):%Y-%m-%dT%H:%M:%S}.000Z."
    )


def test_a_busy_database_is_not_called_a_rate_limit(service: Service) -> None:
    error = failed_send(service, status=429, json=refusal("lock", code="DAO.00201"))
    assert isinstance(error, RateLimited)
    assert "database that is busy" in str(error)
    assert error.code == "DAO.00201"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", ['{"success":false,"message":"Internal error"}', "<html>oops"])
def test_a_broken_server_leaves_open_whether_a_post_arrived(
    service: Service, status: int, body: str
) -> None:
    error = failed_send(service, status=status, body=body)
    assert isinstance(error, PossiblySent)
    assert (error.status, error.excerpt, error.hint) == (status, body, "")
    said = "Internal error" if body.startswith("{") else HTTPStatus(status).phrase
    assert error.reason == f"HTTP {status}, {said}"
    assert error.instruction.node_id == 101
    assert error.since == NOW - timedelta(minutes=1)
    assert "client.settle(error)" in str(error)
    assert "oscp-send list --node-id 101 --start 2026-01-02T03:03:05Z" in str(error)


def test_without_an_answer_nothing_is_told_of_one(service: Service) -> None:
    error = failed_send(service, body=requests.ReadTimeout("late"))
    assert isinstance(error, PossiblySent)
    assert (error.status, error.excerpt, error.hint) == (0, "", "")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_server_is_unreachable_for_a_look(service: Service, status: int) -> None:
    error = failed_view(service, status=status, body="x")
    assert isinstance(error, Unreachable)
    assert (error.status, error.reason) == (status, HTTPStatus(status).phrase)
    assert (error.hint, error.excerpt) == ("Try again later.", "x")


NO_SUCCESS = "it is not a JSON object with success"
STATES = "Unknown, Queued, Queuing, Received, Executing, Declined, Completed"
LONG = "https://other.example/" + "x" * 500
JSON = "(application/json)"
STRANGE: dict[str, tuple[dict[str, Any], str]] = {
    "said-no-with-200": ({"json": refusal("no")}, f"no {JSON}"),
    "html": ({"body": "<html>", "content_type": "text/html"}, f"{NO_SUCCESS} (text/html)"),
    "cbor": ({"body": b"\xa1gsuccess\xf5"}, f"{NO_SUCCESS} (text/plain)"),
    "empty": ({"body": b""}, f"{NO_SUCCESS} (text/plain)"),
    "nameless": ({"body": "x", "content_type": None}, f"{NO_SUCCESS} (no content type)"),
    "no-success": ({"json": {"data": {}}}, f"{NO_SUCCESS} {JSON}"),
    "array": ({"json": []}, f"{NO_SUCCESS} {JSON}"),
    "deep": ({"body": "[" * 100_000}, f"{NO_SUCCESS} (text/plain)"),
    "no-data": ({"json": {"success": True}}, f"an instruction is expected, not NoneType {JSON}"),
    "other-node": ({"json": reply(nodeId=102)}, f"it is about another instruction, 5012345 {JSON}"),
    "list-for-one": (
        {"json": {"success": True, "data": []}},
        f"an instruction is expected, not list {JSON}",
    ),
    "unknown-state": (
        {"json": reply("Pondering")},
        f"its state 'Pondering' is not one of {STATES} {JSON}",
    ),
    "no-id": ({"json": reply(id=None)}, f"its id is not an integer {JSON}"),
    "boolean-id": ({"json": reply(id=True)}, f"its id is not an integer {JSON}"),
    "number-topic": ({"json": reply(topic=1)}, f"its topic is not a string {JSON}"),
    "bad-date": (
        {"json": reply(created="now")},
        f"'now' is not a timestamp such as 2026-01-02 03:04:05.123456Z {JSON}",
    ),
    "number-date": ({"json": reply(created=17)}, f"its created is not a string {JSON}"),
    "bad-parameters": (
        {"json": reply(parameters={"msg": "x"})},
        f"its parameters are not a list of objects {JSON}",
    ),
    "text-parameters": (
        {"json": reply(parameters=["x"])},
        f"its parameters are not a list of objects {JSON}",
    ),
    "number-parameter": (
        {"json": reply(parameters=[{"name": "a", "value": 1}])},
        f"its value is not a string {JSON}",
    ),
    "bad-results": (
        {"json": reply(resultParameters=["x"])},
        f"its resultParameters are not an object {JSON}",
    ),
    "accepted-elsewhere": ({"status": 202, "body": "later"}, f"{NO_SUCCESS} (text/plain)"),
    "page-not-found": ({"status": 404, "body": "<html>nginx"}, "Not Found (text/plain)"),
    "forbidden-page": ({"status": 403, "body": "<html>WAF"}, "Forbidden (text/plain)"),
    "nowhere": ({"status": 300}, "a redirect to nowhere"),
    "see-other": ({"status": 303, "headers": {"Location": "/x"}}, "a redirect to /x"),
    "moved": ({"status": 301, "headers": {"Location": LONG}}, f"a redirect to {LONG[:200]}"),
    "not-followed": ({"status": 307, "headers": {"Location": "//x"}}, "a redirect to //x"),
}


#: What a look reads as one of SolarUser's.
FOR_A_LOOK = {"said-no-with-200", "no-data", "other-node"}


def test_another_instruction_that_is_answered_with_is_named(service: Service) -> None:
    error = failed_send(service, json=reply(nodeId=102))
    assert isinstance(error, PossiblySent)
    assert error.other == 5012345


def what_to_correct(words: str) -> str:
    if words.startswith("a redirect"):
        return (
            "No redirect is followed, since the signature is for one address: correct the base URL."
        )
    return "This does not look like SolarUser: check the base URL, and proxies on the way."


@pytest.mark.parametrize(("answer", "words"), STRANGE.values(), ids=STRANGE)
def test_an_answer_that_is_not_solarusers_leaves_open_whether_a_post_was_taken(
    service: Service, answer: dict[str, Any], words: str
) -> None:
    error = failed_send(service, **answer)
    assert isinstance(error, PossiblySent)
    assert "may have been queued" in str(error)
    assert error.status == answer.get("status", 200)
    assert error.reason == f"HTTP {error.status}, {words}"
    assert error.hint == what_to_correct(words)
    assert error.excerpt == excerpt_of(answer)


@pytest.mark.parametrize("name", sorted(STRANGE.keys() - FOR_A_LOOK))
def test_an_answer_to_a_look_that_is_not_solarusers_is_not_understood(
    service: Service, name: str
) -> None:
    answer, words = STRANGE[name]
    error = failed_view(service, **answer)
    assert isinstance(error, NotUnderstood)
    assert error.status == answer.get("status", 200)
    assert (error.reason, error.hint) == (words, what_to_correct(words))
    assert error.excerpt == excerpt_of(answer)


def excerpt_of(answer: dict[str, Any]) -> str:
    body = json.dumps(answer["json"]) if "json" in answer else answer.get("body", "")
    return (body if isinstance(body, str) else body.decode(errors="replace"))[:200]


def test_an_excerpt_is_short_and_on_one_line(service: Service) -> None:
    body = "<html>\x1b[31m\r\n" + "x" * 5000
    error = failed_send(service, body=body, content_type="text/html")
    assert isinstance(error, PossiblySent)
    assert error.excerpt.startswith("<html> [31m xxx")
    assert len(error.excerpt) == 200
    assert error.excerpt in str(error)


def test_a_list_of_something_else_is_not_understood(service: Service) -> None:
    service.get(VIEW, json={"success": True, "data": {}})
    with pytest.raises(NotUnderstood, match="a list is expected, not dict"):
        make_client().list(ids=[1])

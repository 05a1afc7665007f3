"""The client: what it refuses to send, what it sends, and how it reads success."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses

from oscp_send.client import SolarUserClient
from oscp_send.errors import InvalidMessage, SettingsError
from oscp_send.instruction import TOPIC, Instruction, InstructionState, InstructionStatus
from oscp_send.messages import AdjustGroupCapacityForecast, Handshake, Message, RequiredBehaviour
from oscp_send.settings import load_settings
from oscp_send.times import read_timestamp
from oscp_send.values import InvalidValue
from tests.oscp_send.sender_world import (
    ADD,
    BASE,
    HANDSHAKE,
    INSTR,
    NOW,
    SECRET,
    TO,
    VIEW,
    Service,
    accepting,
    instruction,
    make_client,
    refusing,
    reply,
)

if TYPE_CHECKING:
    from oscp_send.findings import Judgement

FORECAST = AdjustGroupCapacityForecast.from_capacities(
    "depot-a", "CONSUMPTION", NOW, timedelta(minutes=15), [1, 2]
)


def only_request(service: Service) -> requests.PreparedRequest:
    assert len(service.calls) == 1
    request: requests.PreparedRequest = service.calls[0].request
    return request


def sent_body(service: Service) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(only_request(service).body or b"")
    return body


def test_a_message_is_posted_as_the_guide_says(service: Service) -> None:
    service.post(ADD, json=reply())
    answer = make_client().send("Handshake", HANDSHAKE, correlation_id="r1", **TO)
    request = only_request(service)
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == "solar.example:443"
    assert request.headers["Digest"].startswith("sha-256=")
    assert request.headers["Authorization"].startswith(
        "SNWS2 Credential=the-token,SignedHeaders=content-type;digest;host;x-sn-date,Signature="
    )
    assert sent_body(service) == {
        "nodeId": 101,
        "params": {
            "coId": "7",
            "cgIdentifier": "depot-a",
            "action": "Handshake",
            "msg": HANDSHAKE,
            "correlationId": "r1",
        },
    }
    assert answer.state is InstructionState.QUEUING


def test_the_answer_is_the_instruction(service: Service) -> None:
    service.post(ADD, json=reply(expirationDate="2026-01-03 00:00:00Z"))
    assert make_client().send("Handshake", HANDSHAKE, **TO) == InstructionStatus(
        id=5012345,
        node_id=101,
        topic="OSCP_v20",
        state=InstructionState.QUEUING,
        created=datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        instruction_date=datetime(2026, 1, 2, 3, 4, 5, 100000, tzinfo=UTC),
        status_date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        expiration_date=datetime(2026, 1, 3, tzinfo=UTC),
    )


def test_the_parts_of_an_answer_are_joined_on_request(service: Service) -> None:
    parts = [{"name": "coId", "value": "7"}, {"name": "msg", "value": '{"a":'}]
    parts.append({"name": "msg", "value": "1}"})
    service.get(VIEW, json=reply(parameters=parts))
    seen = make_client().view(1)
    assert seen is not None
    assert seen.joined_parameters() == {"coId": "7", "msg": '{"a":1}'}


@pytest.mark.parametrize(
    "message",
    [
        Handshake(RequiredBehaviour(["CONTINUOUS"])),
        {"required_behaviour": {"measurement_configuration": ["CONTINUOUS"]}},
        HANDSHAKE,
    ],
    ids=["typed", "mapping", "text"],
)
def test_a_message_is_accepted_in_any_of_its_forms(
    service: Service, message: Message | dict[str, object] | str
) -> None:
    service.post(ADD, json=reply())
    make_client().send("Handshake", message, **TO)
    assert sent_body(service)["params"]["msg"] == HANDSHAKE


def test_the_text_that_is_judged_is_the_text_that_is_sent(service: Service) -> None:
    judged: list[tuple[str, str]] = []

    def judging(action: str, text: str) -> Judgement:
        judged.append((action, text))
        return accepting(action, text)

    service.post(ADD, json=reply())
    make_client(checker=judging).send("AdjustGroupCapacityForecast", FORECAST, **TO)
    assert judged == [("AdjustGroupCapacityForecast", sent_body(service)["params"]["msg"])]


def test_an_expiration_is_sent(service: Service) -> None:
    service.post(ADD, json=reply())
    make_client().send("Handshake", HANDSHAKE, expires=NOW, **TO)
    assert sent_body(service)["expirationDate"] == "2026-01-02T03:04:05Z"


def test_a_message_that_would_be_declined_is_not_sent(service: Service) -> None:
    with pytest.raises(InvalidMessage) as caught:
        make_client(checker=refusing).send("AdjustGroupCapacityForecast", FORECAST, **TO)
    assert caught.value.judgement is not None
    assert caught.value.judgement.stage == "schema"
    assert str(caught.value) == (
        "AdjustGroupCapacityForecast was not sent: SolarUser would decline it (schema): E.\n"
        '  /forecasted_blocks/3/unit: "kW" is not one of A, W, KW, WH, KWH [enum] '
        '(units are upper case on the wire: "KW")'
    )


def test_messages_are_judged_by_check_unless_a_checker_is_given(service: Service) -> None:
    service.post(ADD, json=reply())
    client = make_client(checker=None)
    client.send("AdjustGroupCapacityForecast", FORECAST, **TO)
    faulty = FORECAST.to_json().replace('"KW"', '"kW"', 1)
    with pytest.raises(InvalidMessage, match="/forecasted_blocks/0/unit") as caught:
        client.send("AdjustGroupCapacityForecast", faulty, **TO)
    assert caught.value.judgement is not None
    assert caught.value.judgement.stage == "schema"
    assert len(service.calls) == 1


NOT_SENT: dict[str, tuple[str, Any, dict[str, Any], type[Exception], str]] = {
    "other-group": (
        "AdjustGroupCapacityForecast",
        FORECAST,
        {"cg_identifier": "depot-b"},
        InvalidMessage,
        'group_id "depot-a" is not the cg_identifier "depot-b"',
    ),
    "other-group-in-text": (
        "AdjustGroupCapacityForecast",
        FORECAST.to_json(),
        {"cg_identifier": "Depot-a"},
        InvalidMessage,
        "the same group",
    ),
    "other-action": ("Handshake", FORECAST, {}, InvalidMessage, "is a AdjustGroup|is an Adjust"),
    "lone-surrogate": ("Handshake", '{"a":"\ud83d"}', {}, InvalidMessage, "surrogate"),
    "escaped-surrogate": ("Handshake", '{"a":"\\uD83d"}', {}, InvalidMessage, "surrogate"),
    "too-large": ("Handshake", '"' + "x" * 20_971_520 + '"', {}, InvalidMessage, "20 MB"),
    "mapping-nan": ("Handshake", {"a": float("nan")}, {}, InvalidValue, "^a: "),
    "node-text": ("Handshake", "{}", {"node_id": "x"}, InvalidValue, "^node_id: "),
    "node-boolean": ("Handshake", "{}", {"node_id": True}, InvalidValue, "^node_id: "),
    "node-none": ("Handshake", "{}", {"node_id": None}, InvalidValue, "^node_id: "),
    "node-large": ("Handshake", "{}", {"node_id": 2**63}, InvalidValue, "^node_id: "),
    "optimizer-empty": ("Handshake", "{}", {"co_id": ""}, InvalidValue, "^co_id: "),
    "optimizer-blank": ("Handshake", "{}", {"co_id": " 7"}, InvalidValue, "^co_id: "),
    "optimizer-fraction": ("Handshake", "{}", {"co_id": "7.0"}, InvalidValue, "^co_id: "),
    "optimizer-float": ("Handshake", "{}", {"co_id": 7.0}, InvalidValue, "^co_id: "),
    "group-blank": ("Handshake", "{}", {"cg_identifier": " "}, InvalidValue, "^cg_identifier: "),
    "group-nul": ("Handshake", "{}", {"cg_identifier": "a\0"}, InvalidValue, "NUL"),
    "group-number": ("Handshake", "{}", {"cg_identifier": 7}, InvalidValue, "^cg_identifier: "),
    "group-surrogate": ("Handshake", "{}", {"cg_identifier": "\ud800"}, InvalidValue, "surrogate"),
    "correlation-empty": ("Handshake", "{}", {"correlation_id": ""}, InvalidValue, "header"),
    "correlation-lines": ("Handshake", "{}", {"correlation_id": "a\nb"}, InvalidValue, "header"),
    "correlation-end": ("Handshake", "{}", {"correlation_id": "a\n"}, InvalidValue, "header"),
    "correlation-blank": ("Handshake", "{}", {"correlation_id": "a "}, InvalidValue, "header"),
    "naive-expiration": (
        "Handshake",
        "{}",
        {"expires": datetime(2026, 1, 1)},  # noqa: DTZ001 - what is refused
        InvalidValue,
        "^expires: ",
    ),
}


@pytest.mark.parametrize(
    ("action", "message", "changes", "kind", "words"), NOT_SENT.values(), ids=NOT_SENT
)
@pytest.mark.usefixtures("service")
def test_what_could_not_arrive_as_it_is_is_not_sent(
    action: str,
    message: Message | dict[str, object] | str,
    changes: dict[str, Any],
    kind: type[Exception],
    words: str,
) -> None:
    with pytest.raises(kind, match=words):
        make_client().send(action, message, **(TO | changes))


@pytest.mark.parametrize("text", ['{"a":"\\ud83d\\ude00"}', '{"a":"\\\\ud83d"}'])
def test_whole_surrogate_pairs_and_their_like_are_sent(service: Service, text: str) -> None:
    service.post(ADD, json=reply())
    make_client().send("Handshake", text, **TO)
    assert sent_body(service)["params"]["msg"] == text


@pytest.mark.parametrize("co_id", [7, "7", "+7", "007", "-7"])
def test_an_optimizer_is_always_sent_as_text(service: Service, co_id: int | str) -> None:
    service.post(ADD, json=reply())
    make_client().send("Handshake", "{}", **(TO | {"co_id": co_id}))
    assert sent_body(service)["params"]["coId"] == str(co_id)


def test_an_instruction_is_submitted_without_being_judged(service: Service) -> None:
    service.post(ADD, json=reply(nodeId=1))
    odd = Instruction(TOPIC, 1, (("action", "Nonsense"),))
    make_client(checker=refusing).submit(odd)
    assert sent_body(service) == {"nodeId": 1, "params": {"action": "Nonsense"}}


def test_what_is_prepared_is_what_would_be_sent(service: Service) -> None:
    client = make_client()
    prepared = client.prepare("Handshake", HANDSHAKE, **TO)
    service.post(ADD, json=reply())
    client.send("Handshake", HANDSHAKE, **TO)
    sent = only_request(service)
    assert (prepared.method, prepared.url, prepared.body) == (sent.method, sent.url, sent.body)
    assert prepared.headers == sent.headers


def test_one_instruction_is_viewed(service: Service) -> None:
    service.get(f"{VIEW}?id=5012345", json=reply("Completed"))
    seen = make_client().view(5012345)
    assert seen is not None
    assert seen.state is InstructionState.COMPLETED
    assert only_request(service).headers["Accept"] == "application/json"


def test_an_unknown_instruction_is_none(service: Service) -> None:
    service.get(VIEW, json={"success": True})
    assert make_client().view(1) is None


def test_a_declined_instruction_can_be_viewed(service: Service) -> None:
    service.get(
        VIEW, json=reply("Declined", resultParameters={"error": "Unknown group identifier"})
    )
    seen = make_client().view(1)
    assert seen is not None
    assert seen.error == "Unknown group identifier"


LISTS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "ids": ({"ids": [1, 2]}, VIEW, {"ids": "1,2"}),
    "nodes": ({"node_ids": (101,)}, INSTR, {"nodeIds": "101"}),
    "ids-and-states": (
        {"ids": [1], "states": ["Queued", InstructionState.QUEUING]},
        INSTR,
        {"instructionIds": "1", "states": "Queued,Queuing"},
    ),
    "dates": (
        {"node_ids": [1], "start": NOW, "end": NOW + timedelta(milliseconds=1)},
        INSTR,
        {
            "nodeIds": "1",
            "startDate": "2026-01-02T03:04:05Z",
            "endDate": "2026-01-02T03:04:05.001Z",
        },
    ),
}


@pytest.mark.parametrize(("wanted", "url", "params"), LISTS.values(), ids=LISTS)
def test_instructions_are_listed(
    service: Service, wanted: dict[str, Any], url: str, params: dict[str, str]
) -> None:
    service.get(
        url,
        json={"success": True, "data": [instruction(), instruction("Completed", id=5012346)]},
        match=[responses.matchers.query_param_matcher(params)],
    )
    found = make_client().list(**wanted)
    assert [(one.id, one.state) for one in found] == [(5012345, "Queuing"), (5012346, "Completed")]


def test_a_list_that_finds_nothing_is_empty(service: Service) -> None:
    service.get(INSTR, json={"success": True})
    assert make_client().list(node_ids=[1]) == ()


@pytest.mark.parametrize("wanted", [{"ids": []}, {"node_ids": []}, {"ids": [1], "states": []}])
def test_nothing_is_asked_where_nothing_is_wanted(service: Service, wanted: dict[str, Any]) -> None:
    assert make_client().list(**wanted) == ()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "ids or node ids"),
        ({"states": ["Queued"]}, "ids or node ids"),
        ({"ids": [1], "states": ["completed"]}, 'did you mean "Completed"'),
        ({"ids": [1], "start": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - refused
    ],
)
def test_a_list_that_cannot_be_asked_for(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        make_client().list(**wanted)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02 03:04:05Z", 0),
        ("2026-01-02 03:04:05.1Z", 100_000),
        ("2026-01-02 03:04:05.12Z", 120_000),
        ("2026-01-02 03:04:05.000001Z", 1),
        ("2026-01-02 03:04:05.123456Z", 123_456),
    ],
)
def test_timestamps_have_none_to_six_fraction_digits(text: str, microsecond: int) -> None:
    assert read_timestamp(text) == NOW.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05",
        "2026-01-02 03:04:05.Z",
        "2026-01-02 03:04:05.1234567Z",
        "2026-13-02 03:04:05Z",
        "2026-01-02 03:04:05+00:00",
    ],
)
def test_a_text_that_is_not_a_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"timestamp|month"):
        read_timestamp(text)


def test_no_secret_is_shown_anywhere(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service.post(ADD, json=reply())
    client = make_client()
    client.send("Handshake", HANDSHAKE, **TO)
    shown = repr(client) + str(vars(client)) + caplog.text
    assert "HTTP 200" in caplog.text
    assert "the-token" in repr(client)
    assert "hunter2" not in shown


def test_settings_make_a_client() -> None:
    settings = load_settings(url=f"{BASE}/solaruser/", token="t", secret=SECRET, environ={})
    assert SolarUserClient.from_settings(settings, timeout=3).base_url == BASE


@pytest.mark.parametrize(
    ("url", "token", "secret"),
    [("solar.example", "t", "s"), (BASE, "a b", "s"), (BASE, "t", "s\n")],
)
def test_unusable_settings_are_refused(url: str, token: str, secret: str) -> None:
    with pytest.raises(SettingsError):
        SolarUserClient(url, token, secret)


class CountingSession(requests.Session):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_session_that_was_given_is_left_open() -> None:
    session = CountingSession()
    with make_client(session=session):
        pass
    assert session.closed == 0


def test_a_session_of_its_own_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = CountingSession()
    monkeypatch.setattr(requests, "Session", lambda: session)
    with make_client():
        pass
    assert session.closed == 1

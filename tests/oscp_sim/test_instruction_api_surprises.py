"""What surprises an integrator most: the solaruser.md §11 and §12, by number and topic.

Those of the signature, the configuration and the delivery are with the tests of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import jsonschema
import pytest

from oscp_send.solarnetwork.dates import read_json_date
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.instruction_api import (
    accepting,
    fields,
    form,
    handshake_form,
    of_cbor,
    routes,
)
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    NOW,
    delivered,
    get,
    instruction,
    post,
    settled,
)

VIEW = f"{BASE}/view?id=1"
TRAILING = "Malformed JSON: Trailing token (`JsonToken."


@pytest.fixture
def unstarted() -> Simulator:
    return Simulator(clock=FrozenClock(NOW))


def test_fact_1_a_refused_message_is_a_success(simulator: Simulator) -> None:
    answer = post(simulator, instruction(msg="[]"))
    assert (answer.status, answer.json["success"], answer.data["state"]) == (200, True, "Declined")
    assert answer.data["resultParameters"]["error"]


def test_fact_2_success_means_queuing(simulator: Simulator) -> None:
    assert post(simulator, instruction()).data["state"] == "Queuing"
    settled(simulator)
    assert get(simulator, VIEW).data["state"] == "Completed"


@pytest.mark.parametrize("value", ["1", "true", "null"])
def test_fact_3_an_optimizer_that_is_no_text_is_missing(simulator: Simulator, value: str) -> None:
    body = json.dumps(instruction()).replace('"coId": "1"', f'"coId": {value}')
    error = post(simulator, body).data["resultParameters"]["error"]
    assert error == "Missing capacity optimizer ID"


def test_fact_4_a_nested_message_is_refused(simulator: Simulator) -> None:
    body = instruction()
    body["params"]["msg"] = {"required_behaviour": {}}
    status, message = post(simulator, body).refusal
    assert (status, message[: len(TRAILING)]) == (422, TRAILING)


def test_fact_5_an_unknown_key_before_the_others_ruins_it(simulator: Simulator) -> None:
    assert post(simulator, {"note": "x"} | instruction()).status == 422
    assert post(simulator, instruction() | {"note": "x"}).status == 200


def test_fact_6_an_expiration_date_of_null_is_refused(simulator: Simulator) -> None:
    assert post(simulator, instruction() | {"expirationDate": None}).status == 422


def test_facts_8_and_9_a_post_without_a_route_has_the_real_status(observed: Simulator) -> None:
    for status, answer in (
        (415, post(observed, instruction(), content_type="text/plain")),
        (404, post(observed, instruction(), f"{BASE}/nothing")),
        (400, form(observed, ADD, "topic=x")),
    ):
        assert (answer.status, answer.json["status"]) == (status, status)
    assert post(observed, "{}").refusal == (
        422,
        "Illegal argument: The nodeId parameter is required.",
    )


def test_fact_10_lists_are_cbor_to_anybody(simulator: Simulator) -> None:
    target = f"{BASE}?nodeId=1"
    assert of_cbor(get(simulator, target, more=accepting("*/*"))) == {"success": True}


def test_fact_11_a_correlation_id_is_echoed(simulator: Simulator, observed: Simulator) -> None:
    for each, sent in ((simulator, "r-1"), (observed, None)):
        data = post(each, instruction(correlationId="r-1")).data
        assert data["parameters"][-1] == {"name": "correlationId", "value": "r-1"}
        settled(each)
        (exchange,) = delivered(each)
        assert exchange.request is not None
        assert dict(exchange.request.headers).get("x-correlation-id") == sent


def test_facts_16_and_17_pieces_by_form_as_by_json(simulator: Simulator) -> None:
    text = "{" + " " * 511 + "}"
    pairs = [*handshake_form()[:6], *fields([("", ""), ("", ""), ("", ""), ("msg", text)])[6:]]
    data = form(simulator, ADD, [("nodeId", "1"), *pairs]).data
    pieces = [each["value"] for each in data["parameters"] if each["name"] == "msg"]
    assert pieces == ["{" + " " * 255, " " * 256, "}"]
    assert data["state"] == "Queuing"


def test_facts_18_and_19_who_is_not_claimed_is_lost(unstarted: Simulator) -> None:
    late = instruction() | {"instructionDate": "2020-01-01 00:00:00Z"}
    assert post(unstarted, late).data["state"] == "Queuing"
    assert get(unstarted, VIEW).data["state"] == "Queued"


def test_fact_25_timestamps_have_a_blank_and_no_trailing_zeros() -> None:
    with Simulator(clock=FrozenClock(NOW.replace(microsecond=120000))) as simulator:
        created = post(simulator, instruction()).data["created"]
    assert created == "2026-01-02 03:04:05.12Z"
    assert read_json_date(created) == NOW.replace(microsecond=120000)


def test_fact_30_the_status_date_does_not_move(simulator: Simulator, clock: FrozenClock) -> None:
    data = post(simulator, {"nodeId": 1}, f"{BASE}/add/x").data
    clock.advance(timedelta(seconds=5))
    form(simulator, f"{BASE}/updateState", "id=1&state=Completed")
    assert get(simulator, VIEW).data["statusDate"] == data["statusDate"] <= data["created"]


def test_fact_32_queuing_is_neither_active_nor_pending(unstarted: Simulator) -> None:
    post(unstarted, instruction())
    for path in ("viewActive", "viewPending"):
        assert get(unstarted, f"{BASE}/{path}?nodeId=1").json == {"success": True}


def test_fact_33_an_unknown_instruction_is_a_success(simulator: Simulator) -> None:
    assert get(simulator, VIEW).body == b'{"success":true}'


def test_fact_34_keys_that_are_given_twice_concatenate(simulator: Simulator) -> None:
    body = (
        '{"nodeId":1,"params":{"action":"Hand","coId":"1","action":"shake",'
        '"cgIdentifier":"foo-group","msg":"{}"}}'
    )
    assert post(simulator, body).data["state"] == "Queuing"


# --- §12 ---------------------------------------------------------------------------------------


def test_topic_256_character_splitting(simulator: Simulator) -> None:
    """Of every parameter, not of msg alone."""
    data = post(simulator, {"nodeId": 1, "params": {"note": "a" * 256 + "b"}}).data
    assert [len(each["value"]) for each in data["parameters"]] == [256, 1]


@pytest.mark.parametrize("node", [1, "1"])
def test_topic_node_id_type(simulator: Simulator, node: int | str) -> None:
    assert post(simulator, {"nodeId": node}).data["nodeId"] == 1


def test_topic_declined(simulator: Simulator) -> None:
    """Not only by a node: before anything is sent, too."""
    assert post(simulator, {"nodeId": 1}).data["state"] == "Declined"
    assert delivered(simulator) == []


# --- §2.2, whichever way the text comes --------------------------------------------------------

UNSTORABLE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "value-with-NUL": ("x", [("a", "b\0")]),
    "name-with-NUL": ("x", [("a\0", "b")]),
    "name-of-257": ("x", [("n" * 257, "b")]),
    "topic-of-129": ("t" * 129, [("a", "b")]),
    "topic-with-NUL": ("t\0", [("a", "b")]),
}


@pytest.mark.parametrize("path", ["add", "exec"])
@pytest.mark.parametrize("row", UNSTORABLE.values(), ids=UNSTORABLE)
def test_7_2_dao_00103(
    simulator: Simulator, path: str, row: tuple[str, list[tuple[str, str]]]
) -> None:
    topic, pairs = row
    target = f"{BASE}/{path}"
    text = '"An invalid query parameter was used, or a required parameter was missing."'
    expected = f'{{"success":false,"code":"DAO.00103","message":{text}}}'
    by_json = post(simulator, {"nodeId": 1, "topic": topic, "params": dict(pairs)}, target)
    by_form = form(simulator, target, [("nodeIds", "1"), ("topic", topic), *fields(pairs)])
    for answer in (by_json, by_form):
        assert (answer.status, answer.body.decode()) == (422, expected)
    assert simulator.journal.entries(kind="state") == ()


# --- what the description says -----------------------------------------------------------------


def examples() -> Iterator[tuple[int, str, str, object]]:
    json_body, one, many = (
        instruction(),
        handshake_form(("nodeId", "1")),
        handshake_form(("nodeIds", "1")),
    )
    topic = ("topic", "OSCP_v20")
    for first, path in ((8, "add"), (14, "exec")):
        yield first, "POST", f"{BASE}/{path}", json_body | {"topic": "OSCP_v20"}
        yield first + 1, "POST", f"{BASE}/{path}/OSCP_v20", json_body
        yield first + 2, "POST", f"{BASE}/{path}", [*one, topic]
        yield first + 3, "POST", f"{BASE}/{path}/OSCP_v20", one
        yield first + 4, "POST", f"{BASE}/{path}", [*many, topic]
        yield first + 5, "POST", f"{BASE}/{path}/OSCP_v20", many
    for row, query in (
        (1, "?nodeId=1"),
        (2, "/view?id=1"),
        (3, "/view?ids=1"),
        (4, "/viewActive?nodeId=1"),
        (5, "/viewActive?nodeIds=1"),
        (6, "/viewPending?nodeId=1"),
        (7, "/viewPending?nodeIds=1"),
        (2, "/view?id=99"),
        (1, "?instructionIds=99"),
    ):
        yield row, "GET", BASE + query, None
    for row, query in ((20, "id=1"), (21, "ids=1"), (22, "states=Queued")):
        yield row, "POST", f"{BASE}/updateState", f"{query}&state=Received"


@pytest.mark.parametrize(("row", "method", "target", "body"), list(examples()))
def test_a_row_is_as_it_is_described(
    simulator: Simulator, row: int, method: str, target: str, body: object
) -> None:
    post(simulator, {"nodeId": 1, "expirationDate": "2030-01-01 00:00Z"}, f"{BASE}/add/x")
    described = routes(simulator, "instr-")[str(row)].docs
    if method == "GET":
        answer = get(simulator, target)
    elif isinstance(body, dict):
        assert described.request_schema is not None
        jsonschema.validate(body, described.request_schema)
        answer = post(simulator, body, target)
    else:
        assert described.request_schema is None
        answer = form(simulator, target, body)  # type: ignore[arg-type]
    assert answer.status == 200
    assert answer.status in described.statuses
    assert described.response_schema is not None
    jsonschema.validate(answer.json, described.response_schema)


def test_what_a_route_needs_is_described_as_required(simulator: Simulator) -> None:
    for route in routes(simulator, "instr-").values():
        docs = route.docs
        required = {each.name for each in docs.parameters if each.required}
        known = {each.name for each in docs.parameters}
        assert route.needs <= required
        assert not route.lacks & known
        assert ("topic" in {each.name for each in docs.parameters if each.where == "path"}) == (
            "<topic>" in route.path
        )
        assert (docs.request_schema is not None) == (route.consumes == "json")
        for schema in (docs.request_schema, docs.response_schema):
            if schema is not None:
                jsonschema.Draft202012Validator.check_schema(schema)

"""The 22 routes of the instruction API: solaruser.md §1.1, each row by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.instruction_api import (
    ANOTHER,
    TWO_USERS,
    form,
    handshake_form,
    ids,
    routes,
)
from tests.oscp_sim.rig import (
    BASE,
    FORM,
    JSON,
    NOW,
    Answer,
    ask,
    get,
    instruction,
    post,
    settled,
    signed_headers,
)

NODE = ("nodeId", "1")
NODES = ("nodeIds", "11,1")
TOPIC = ("topic", "OSCP_v20")


@pytest.fixture
def two_users() -> Iterator[Simulator]:
    with Simulator(TWO_USERS, clock=FrozenClock(NOW)) as simulator:
        yield simulator


def one(answer: Answer) -> list[int]:
    assert list(answer.json) == ["success", "data"]
    return [answer.data["nodeId"]]


def many(answer: Answer) -> list[int]:
    assert isinstance(answer.data, list)
    return [each["nodeId"] for each in answer.data]


QUEUEING: dict[int, tuple[Callable[[Simulator], Answer], Callable[[Answer], list[int]]]] = {
    8: (lambda s: post(s, instruction() | {"topic": "OSCP_v20"}, f"{BASE}/add"), one),
    9: (lambda s: post(s, instruction(), f"{BASE}/add/OSCP_v20"), one),
    10: (lambda s: form(s, f"{BASE}/add", handshake_form(NODE, TOPIC)), one),
    11: (lambda s: form(s, f"{BASE}/add/OSCP_v20", handshake_form(NODE)), one),
    12: (lambda s: form(s, f"{BASE}/add", handshake_form(NODES, TOPIC)), many),
    13: (lambda s: form(s, f"{BASE}/add/OSCP_v20", handshake_form(NODES)), many),
    14: (lambda s: post(s, instruction() | {"topic": "OSCP_v20"}, f"{BASE}/exec"), one),
    15: (lambda s: post(s, instruction(), f"{BASE}/exec/OSCP_v20"), one),
    16: (lambda s: form(s, f"{BASE}/exec", handshake_form(NODE, TOPIC)), one),
    17: (lambda s: form(s, f"{BASE}/exec/OSCP_v20", handshake_form(NODE)), one),
    18: (lambda s: form(s, f"{BASE}/exec", handshake_form(NODES, TOPIC)), many),
    19: (lambda s: form(s, f"{BASE}/exec/OSCP_v20", handshake_form(NODES)), many),
}


@pytest.mark.parametrize("row", QUEUEING)
def test_row_queues(two_users: Simulator, row: int) -> None:
    request, read = QUEUEING[row]
    answer = request(two_users)
    nodes = read(answer)
    assert nodes == ([11, 1] if read is many else [1])
    data = answer.data if read is many else [answer.data]
    state = "Queuing" if row < 14 else "Completed"
    assert [(each["topic"], each["state"]) for each in data] == [("OSCP_v20", state)] * len(nodes)
    settled(two_users)
    seen = get(two_users, f"{BASE}/view?ids=1,2").data
    assert [(each["nodeId"], each["state"]) for each in seen] == [(n, "Completed") for n in nodes]


@pytest.mark.parametrize("row", [9, 11, 13, 15, 17, 19])
def test_row_takes_the_topic_of_the_path(two_users: Simulator, row: int) -> None:
    path = f"{BASE}/{'add' if row < 14 else 'exec'}/other?resultMaxWait=0"
    if row in {9, 15}:
        answer = post(two_users, {"nodeId": 1, "topic": "OSCP_v20"}, path)
    else:
        node = NODE if row in {11, 17} else NODES
        answer = form(two_users, path, [node, TOPIC])
    data = answer.data if isinstance(answer.data, list) else [answer.data]
    assert {(each["topic"], each["state"]) for each in data} == {("other", "Queuing")}


def prepared(simulator: Simulator) -> None:
    """Instructions 1 to 4 of the first user, Queued but the last; 5 of the second."""
    for node in (1, 11, 1, 12):
        post(simulator, {"nodeId": node}, f"{BASE}/add/other")
    form(simulator, f"{BASE}/updateState", "ids=1,2,3&state=Queued")
    form(simulator, f"{BASE}/updateState", "id=4&state=Received")
    post(simulator, {"nodeId": 2}, f"{BASE}/add/other", **ANOTHER)


VIEWS: dict[int, tuple[str, list[int]]] = {
    1: (f"{BASE}?nodeIds=1,12", [1, 3, 4]),
    2: (f"{BASE}/view?id=3", [3]),
    3: (f"{BASE}/view?ids=3,1", [1, 3]),
    4: (f"{BASE}/viewActive?nodeId=1", [1, 3]),
    5: (f"{BASE}/viewActive?nodeIds=1,11,12", [1, 2, 3]),
    6: (f"{BASE}/viewPending?nodeId=12", [4]),
    7: (f"{BASE}/viewPending?nodeIds=1,11,12", [1, 2, 3, 4]),
}


@pytest.mark.parametrize("row", VIEWS)
def test_row_views(two_users: Simulator, row: int) -> None:
    prepared(two_users)
    target, expected = VIEWS[row]
    data = get(two_users, target).data
    assert [each["id"] for each in (data if row != 2 else [data])] == expected


@pytest.mark.parametrize("row", VIEWS)
def test_row_answers_a_head_like_a_get(two_users: Simulator, row: int) -> None:
    prepared(two_users)
    target, _ = VIEWS[row]
    whole = get(two_users, target)
    head = ask(two_users, "HEAD", target, signed_headers("HEAD", target))
    assert (head.status, head.body) == (200, b"")
    assert head.headers == whole.headers


UPDATES: dict[int, tuple[str, Any, list[int]]] = {
    20: ("id=1&state=Completed", None, [1]),
    21: ("ids=2,1&state=Completed", None, [1, 2]),
    22: ("nodeIds=1,11&state=Completed", [1, 2, 3], [1, 2, 3]),
}


@pytest.mark.parametrize("place", ["query", "form", "json"])
@pytest.mark.parametrize("row", UPDATES)
def test_row_updates(two_users: Simulator, row: int, place: str) -> None:
    prepared(two_users)
    fields, data, changed = UPDATES[row]
    target = f"{BASE}/updateState"
    if place == "form":
        answer = form(two_users, target, fields)
    else:
        answer = post(two_users, b"{}" if place == "json" else b"", f"{target}?{fields}")
    assert answer.status == 200
    assert answer.json == {"success": True} | ({} if data is None else {"data": data})
    assert ids(get(two_users, f"{BASE}?nodeIds=1,11,12&state=Completed")) == changed


def test_there_are_22_of_them(simulator: Simulator) -> None:
    assert sorted(map(int, routes(simulator, "instr-"))) == list(range(1, 23))


# --- the remarks below the table ---------------------------------------------------------------


@pytest.mark.parametrize("path", ["add", "exec"])
def test_json_does_not_look_at_node_ids_in_the_query(two_users: Simulator, path: str) -> None:
    target = f"{BASE}/{path}/other?nodeIds=11&resultMaxWait=0"
    assert one(post(two_users, {"nodeId": 1}, target)) == [1]


def test_node_ids_win_over_a_node_id(two_users: Simulator) -> None:
    assert many(form(two_users, f"{BASE}/add/x", "nodeId=12&nodeIds=1")) == [1]
    form(two_users, f"{BASE}/updateState", "id=1&state=Queued")
    assert ids(get(two_users, f"{BASE}/viewActive?nodeId=12&nodeIds=1")) == [1]


@pytest.mark.parametrize("path", ["add/x", "exec/x", "updateState"])
def test_parameters_may_stand_in_the_query_of_a_form(two_users: Simulator, path: str) -> None:
    post(two_users, {"nodeId": 1}, f"{BASE}/add/other")
    query = "nodeId=1&resultMaxWait=0&id=1&state=Received&expirationDate=2030-01-01"
    assert form(two_users, f"{BASE}/{path}?{query}", "").status == 200


def test_both_id_and_ids_is_no_route(two_users: Simulator) -> None:
    answer = form(two_users, f"{BASE}/updateState", "id=1&ids=1&state=Declined")
    assert (answer.status, answer.json["error"]) == (400, "Bad Request")


@pytest.mark.parametrize("path", ["add/", "add/OSCP_v20/", "exec/", "view/", "updateState/", ""])
def test_a_trailing_slash_is_another_path(two_users: Simulator, path: str) -> None:
    assert get(two_users, f"{BASE}/{path}?id=1&nodeId=1").status == 404


@pytest.mark.parametrize(
    "content_type",
    ["application/json;charset=UTF-8", "application/json; charset=utf-8", "APPLICATION/JSON"],
)
@pytest.mark.parametrize("path", ["add", "exec"])
def test_json_may_have_parameters(two_users: Simulator, path: str, content_type: str) -> None:
    target = f"{BASE}/{path}/x?resultMaxWait=0"
    assert post(two_users, {"nodeId": 1}, target, content_type=content_type).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.solarnetwork+json",
        "application/cbor",
        "text/json",
        "text/plain",
        None,
    ],
)
@pytest.mark.parametrize("path", ["add", "add/x", "exec", "exec/x"])
def test_no_other_content_type_has_a_route(
    two_users: Simulator, path: str, content_type: str | None
) -> None:
    answer = post(two_users, {"nodeId": 1}, f"{BASE}/{path}", content_type=content_type)
    assert answer.status == 415
    assert answer.header("Accept") == f"{JSON}, {FORM}"


METHODS = {
    "": "GET",
    "/view": "GET",
    "/viewActive": "GET",
    "/viewPending": "GET",
    "/add": "POST",
    "/add/x": "POST",
    "/exec": "POST",
    "/exec/x": "POST",
    "/updateState": "POST",
}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", METHODS)
def test_no_other_method_has_a_route(two_users: Simulator, path: str, method: str) -> None:
    if method == METHODS[path]:
        return
    target = BASE + path
    answer = ask(two_users, method, target, signed_headers(method, target))
    assert (answer.status, answer.header("Allow")) == (405, METHODS[path])


MISSING_BEFORE_FORBIDDEN: dict[int, tuple[str, Any, str]] = {
    8: ("add", {}, "nodeId"),
    9: ("add/x", {}, "nodeId"),
    14: ("exec", {"nodeId": 2}, "topic"),
    15: ("exec/x", {}, "nodeId"),
    10: ("add", "nodeId=2", "topic"),
    16: ("exec", "nodeId=2", "topic"),
    12: ("add", "nodeIds=2", "topic"),
    18: ("exec", "nodeIds=2", "topic"),
}


@pytest.mark.parametrize("row", MISSING_BEFORE_FORBIDDEN)
def test_row_looks_for_what_is_missing_before_whose_node_it_is(
    two_users: Simulator, row: int
) -> None:
    path, body, missing = MISSING_BEFORE_FORBIDDEN[row]
    message = f"Illegal argument: The {missing} parameter is required."
    answer = (
        form(two_users, f"{BASE}/{path}", body)
        if isinstance(body, str)
        else post(two_users, body, f"{BASE}/{path}")
    )
    assert answer.refusal == (422, message)


def test_a_topic_that_is_spelled_like_the_variable_of_a_route_is_a_topic(
    two_users: Simulator,
) -> None:
    body = {"nodeId": 1, "params": {"a": "b"}}
    answer = post(two_users, body, f"{BASE}/add/%3Ctopic%3E")
    assert answer.json["data"]["topic"] == "<topic>"

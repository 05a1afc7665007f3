"""What SolarUser gives back: solaruser.md §1.6, §1.7, §1.10, §2.1, §2.3 and §6.3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    NOW,
    VIEW,
    Signing,
    ask,
    delivered,
    encoded,
    get,
    instruction,
    post,
    settled,
    signed_headers,
)

TWO_USERS: dict[str, Any] = {
    "users": [
        {
            "id": 42,
            "tokens": [{"id": "rehearsal-token-0001", "secret": "rehearsal-secret"}],
            "nodes": [1, 11],
        },
        {
            "id": 43,
            "tokens": [
                {"id": "another-token", "secret": "another-secret"},
                {"id": "reading-token", "secret": "reading-secret", "type": "ReadNodeData"},
            ],
            "nodes": [2],
        },
    ]
}
ANOTHER: Signing = {"token": "another-token", "secret": "another-secret"}
GUIDE_MESSAGE = (
    r"{\"message\":\"Whoops!\",\"forecasted_blocks\":[{\"capacity\":123.456,\"unit\":\"KW\","
    r"\"phase\":\"ALL\",\"start_time\":\"2022-10-08T18:00:00Z\","
    r"\"end_time\":\"2022-10-08T18:15:00Z\"}]}"
)
# The guide's own request, blanks, order and the node id as text included.
GUIDE = f"""{{
"nodeId" : "1",
"params" : {{
"coId" : "1",
"cgIdentifier" : "foo-group",
"action" : "GroupCapacityComplianceError",
"msg" : "{GUIDE_MESSAGE}",
"correlationId" : "sdldkj0-1lk3j389-flk4230fhfg"
}}
}}"""


@pytest.fixture
def two_users() -> Iterator[Simulator]:
    with Simulator(TWO_USERS, clock=FrozenClock(NOW)) as simulator:
        yield simulator


def parameters(data: dict[str, Any]) -> list[tuple[str, str]]:
    assert all(list(each) == ["name", "value"] for each in data["parameters"])
    return [(each["name"], each["value"]) for each in data["parameters"]]


# --- §1.6, byte for byte -----------------------------------------------------------------------


def test_the_reply_to_the_guide_s_own_request(simulator: Simulator) -> None:
    answer = post(simulator, GUIDE)
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert ("Vary", "Accept") in answer.headers
    assert answer.body.decode() == (
        '{"success":true,"data":{"id":1,"created":"2026-01-02 03:04:05.123456Z","nodeId":1,'
        '"topic":"OSCP_v20","instructionDate":"2026-01-02 03:04:05.123456Z","state":"Queuing",'
        '"statusDate":"2026-01-02 03:04:05.123456Z","parameters":[{"name":"coId","value":"1"},'
        '{"name":"cgIdentifier","value":"foo-group"},'
        '{"name":"action","value":"GroupCapacityComplianceError"},'
        f'{{"name":"msg","value":"{GUIDE_MESSAGE}"}},'
        '{"name":"correlationId","value":"sdldkj0-1lk3j389-flk4230fhfg"}]}}'
    )


def test_a_declined_instruction_has_its_reason_last(simulator: Simulator) -> None:
    body = {
        "nodeId": 1,
        "expirationDate": "2026-01-03 00:00:00Z",
        "instructionDate": "2026-01-01 00:00:00.5+01:00",
        "params": {"action": "Handshake"},
    }
    assert post(simulator, body).body.decode() == (
        '{"success":true,"data":{"id":1,"created":"2026-01-02 03:04:05.123456Z","nodeId":1,'
        '"topic":"OSCP_v20","instructionDate":"2025-12-31 23:00:00.5Z","state":"Declined",'
        '"statusDate":"2026-01-02 03:04:05.123456Z","expirationDate":"2026-01-03 00:00:00Z",'
        '"parameters":[{"name":"action","value":"Handshake"}],'
        '"resultParameters":{"error":"Missing capacity optimizer ID"}}}'
    )


def test_what_is_empty_is_left_out(simulator: Simulator) -> None:
    data = post(simulator, {"nodeId": 1}).data
    assert list(data) == [
        *("id", "created", "nodeId", "topic", "instructionDate", "state", "statusDate"),
        "resultParameters",
    ]


@pytest.mark.parametrize(
    ("microsecond", "written"),
    [(0, ""), (100000, ".1"), (123456, ".123456"), (123000, ".123"), (1, ".000001")],
)
def test_timestamps_drop_trailing_zeros(microsecond: int, written: str) -> None:
    clock = FrozenClock(NOW.replace(microsecond=microsecond))
    with Simulator(clock=clock) as simulator:
        data = post(simulator, instruction()).data
    assert data["created"] == f"2026-01-02 03:04:05{written}Z"


def test_ids_come_from_one_sequence(two_users: Simulator) -> None:
    first = post(two_users, instruction(1)).data["id"]
    second = post(two_users, instruction(2), **ANOTHER).data["id"]
    assert (first, second, post(two_users, instruction(11)).data["id"]) == (1, 2, 3)


# --- §2.1 and §2.3: the pieces -----------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 255, 256, 257, 511, 512, 513])
def test_every_parameter_is_cut(simulator: Simulator, length: int) -> None:
    value = "".join(chr(ord("a") + (at // 16) % 26) for at in range(length))
    data = post(simulator, {"nodeId": 1, "params": {"note": value, "coId": value}}).data
    pieces = [value[at : at + 256] for at in range(0, length, 256)]
    expected = [("note", piece) for piece in pieces] + [("coId", piece) for piece in pieces]
    assert parameters(data) == expected


def test_pieces_that_are_equal_come_back_as_one(simulator: Simulator) -> None:
    message = '{"message":"' + "x" * 500 + '"}'
    body = instruction(action="GroupCapacityComplianceError", msg=message, note=" " * 513)
    data = post(simulator, body).data
    assert parameters(data) == [
        ("action", "GroupCapacityComplianceError"),
        ("coId", "1"),
        ("cgIdentifier", "foo-group"),
        ("msg", message[:256]),
        ("msg", message[256:512]),
        ("msg", message[512:]),
        ("note", " " * 256),
        ("note", " "),
    ]
    settled(simulator)
    assert get(simulator, f"{VIEW}?id=1").data["parameters"] == data["parameters"]
    (exchange,) = delivered(simulator)
    assert exchange.request is not None
    assert json.loads(exchange.request.text) == {"message": "x" * 500}


def test_a_cut_character_comes_back_as_question_marks_and_arrives_whole(
    simulator: Simulator,
) -> None:
    message = '{"message":"' + "x" * 243 + "\U0001f50b" + '"}'
    assert len(message[: message.index("\U0001f50b")]) == 255
    body = instruction(action="GroupCapacityComplianceError", msg=message)
    for written in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        data = post(simulator, written).data
        msg = [value for name, value in parameters(data) if name == "msg"]
        assert msg == [message[:255] + "?", '?"}']
        settled(simulator)
        assert get(simulator, f"{VIEW}?id={data['id']}").data["parameters"] == data["parameters"]
        request = delivered(simulator)[-1].request
        assert request is not None
        assert json.loads(request.text)["message"] == "x" * 243 + "\U0001f50b"


def test_a_character_that_is_not_cut_comes_back_as_it_is(simulator: Simulator) -> None:
    answer = post(simulator, {"nodeId": 1, "params": {"note": "\U0001f50b\u00e9/"}})
    assert '"value":"\U0001f50b\u00e9/"' in answer.body.decode()


def test_half_a_character_comes_back_as_a_question_mark(simulator: Simulator) -> None:
    body = r'{"nodeId":1,"params":{"note\ud83d":"a\ud83db"}}'
    assert parameters(post(simulator, body).data) == [("note?", "a?b")]


def as_stored(value: str) -> list[str]:
    """§2.1 and §2.3 restated: cut at UTF-16 units, each half of a cut character a question mark."""
    units = value.encode("utf-16-le")
    pieces = [units[at : at + 512] for at in range(0, len(units), 512)]
    texts = [piece.decode("utf-16-le", "surrogatepass") for piece in pieces]
    return [text.encode("utf-8", "replace").decode() for text in texts]


LONG = st.text(st.sampled_from("ab\U0001f50b"), max_size=30).map(lambda text: text * 40)


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", min_codepoint=1), max_size=2), LONG),
        max_size=3,
    )
)
def test_pieces_are_stored_as_restated(pairs: list[tuple[str, str]]) -> None:
    listed = [{"name": name, "value": value} for name, value in pairs]
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        data = post(simulator, {"nodeId": 1, "parameters": listed}).data
    pieces = [(name, piece) for name, value in pairs if name for piece in as_stored(value)]
    expected = list(dict.fromkeys(pieces))
    assert parameters(data) == expected if expected else "parameters" not in data


# --- §1.10 and §1.7: looking -------------------------------------------------------------------


def test_view_shows_what_became_of_an_instruction(simulator: Simulator, clock: FrozenClock) -> None:
    queued = post(simulator, instruction()).data
    settled(simulator)
    clock.advance(timedelta(minutes=1))
    when = NOW + timedelta(minutes=1)
    seen = get(simulator, f"{VIEW}?id=1", when=when).data
    assert seen == {**queued, "state": "Completed"}


def test_view_of_an_unknown_instruction(simulator: Simulator) -> None:
    assert get(simulator, f"{VIEW}?id=77").body == b'{"success":true}'
    assert get(simulator, f"{VIEW}?ids=77,78").body == b'{"success":true}'


def test_view_of_several(simulator: Simulator) -> None:
    for _ in range(3):
        post(simulator, instruction())
    settled(simulator)
    for query in ("ids=3,1", "ids=3&ids=1", "ids=1,3,77,3"):
        answer = get(simulator, f"{VIEW}?{query}")
        assert [each["id"] for each in answer.data] == [1, 3]
        assert answer.body.startswith(b'{"success":true,"data":[{"id":1,"created":')


def test_view_without_an_id_is_a_bad_request(simulator: Simulator) -> None:
    answer = get(simulator, VIEW)
    assert answer.status == 400
    assert answer.json["path"] == VIEW


@pytest.mark.parametrize("text", ["x", "1.5", "9223372036854775808", "1x"])
def test_view_of_what_is_no_id(simulator: Simulator, text: str) -> None:
    status, message = get(simulator, f"{VIEW}?id={text}").refusal
    assert status == 422
    assert message.startswith(
        "Illegal argument: Method parameter 'id': Failed to convert value of type "
        "'java.lang.String' to required type 'java.lang.Long'; "
    )


def test_view_of_somebody_else_s(two_users: Simulator) -> None:
    post(two_users, instruction(1))
    post(two_users, instruction(2), **ANOTHER)
    assert get(two_users, f"{VIEW}?id=1", **ANOTHER).refusal == (403, "ACCESS_DENIED")
    assert get(two_users, f"{VIEW}?ids=2,1", **ANOTHER).refusal == (403, "ACCESS_DENIED")
    assert get(two_users, f"{VIEW}?id=2", **ANOTHER).data["id"] == 2


# --- §6.1 and §6.3: rights ---------------------------------------------------------------------


def test_a_node_of_nobody(two_users: Simulator) -> None:
    assert post(two_users, instruction(99)).refusal == (403, "UNKNOWN_OBJECT")


def test_a_node_of_another_user(two_users: Simulator) -> None:
    assert post(two_users, instruction(2)).refusal == (403, "ACCESS_DENIED")
    assert post(two_users, instruction(1), **ANOTHER).refusal == (403, "ACCESS_DENIED")


def test_what_is_refused_is_not_stored(two_users: Simulator) -> None:
    post(two_users, instruction(2))
    assert post(two_users, instruction(1)).data["id"] == 1


def test_a_token_for_reading_only(two_users: Simulator) -> None:
    reading: Signing = {"token": "reading-token", "secret": "reading-secret"}
    for answer in (
        post(two_users, instruction(2), **reading),
        get(two_users, f"{VIEW}?id=1", **reading),
    ):
        assert answer.refusal == (403, "Access Denied")
        assert answer.header("WWW-Authenticate") is None


@pytest.mark.parametrize("target", [ADD, f"{BASE}/add", f"{VIEW}?id=1", f"{BASE}/nothing"])
def test_nobody_is_let_in_unsigned(simulator: Simulator, target: str) -> None:
    method = "GET" if "view" in target else "POST"
    answer = ask(simulator, method, target, [("Host", "h")], encoded(instruction()))
    text = "Full authentication is required to access this resource"
    assert answer.refusal == (401, text)
    assert answer.header("WWW-Authenticate") == "SNWS2"
    assert answer.header("X-SN-ErrorMessage") == text
    assert simulator.journal.entries(kind="state") == ()


def test_a_wrong_secret_is_explained_in_the_journal_only(simulator: Simulator) -> None:
    body = encoded(instruction())
    headers = signed_headers("POST", ADD, body, secret="wrong")
    assert ask(simulator, "POST", ADD, headers, body).refusal == (403, "Bad credentials")
    (entry,) = simulator.journal.entries(party="solaruser")
    assert entry.detail["canonical_request"].startswith(f"POST\n{ADD}\n\ncontent-type:")

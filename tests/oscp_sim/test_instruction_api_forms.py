"""Forms: the tables of the solaruser.md §1.5, and of §7.1 and §7.4 what concerns forms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.effort import examples
from tests.oscp_sim.instruction_api import (
    TWO_USERS,
    fields,
    form,
    handshake_form,
    ids,
    post_any_form,
)
from tests.oscp_sim.rig import BASE, FORM, NOW, get, post, shared_of, signed_headers
from tests.oscp_sim.rig import ask as ask_raw

ADD = f"{BASE}/add/other"
TARGETS = {"add": ADD, "exec": f"{BASE}/exec/other?resultMaxWait=0"}
NODE_MISSING = "Illegal argument: The nodeId parameter is required."
NOW_TEXT = "2026-01-02 03:04:05.123456Z"


@pytest.fixture
def two_users() -> Iterator[Simulator]:
    with Simulator(TWO_USERS, clock=FrozenClock(NOW)) as simulator:
        yield simulator


def pairs(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each["value"]) for each in data.get("parameters", [])]


# --- §1.5 --------------------------------------------------------------------------------------


KEPT: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "indexed": (
        "parameters[0].name=action&parameters[0].value=Handshake",
        [("action", "Handshake")],
    ),
    "by-number-not-by-text": (
        "&".join(f"parameters[{n}].name=p{n}&parameters[{n}].value={n}" for n in (10, 9, 2, 100)),
        [("p2", "2"), ("p9", "9"), ("p10", "10"), ("p100", "100")],
    ),
    "gaps": (
        "parameters[7].name=b&parameters[7].value=2&parameters[3].name=a&parameters[3].value=1",
        [("a", "1"), ("b", "2")],
    ),
    "the-last-index": ("parameters[255].name=a&parameters[255].value=1", [("a", "1")]),
    "no-value": ("parameters[0].name=a&parameters[1].name=b&parameters[1].value=1", [("b", "1")]),
    "no-name": ("parameters[0].value=a&parameters[1].name=b&parameters[1].value=1", [("b", "1")]),
    "empty-value": ("parameters[0].name=a&parameters[0].value=", []),
    "empty-name": ("parameters[0].name=&parameters[0].value=1", []),
    "same-name": (
        "parameters[0].name=a&parameters[0].value=1&parameters[1].name=a&parameters[1].value=2",
        [("a", "1"), ("a", "2")],
    ),
    "repeated-field": (
        "parameters[0].name=a&parameters[0].value=1&parameters[0].value=2",
        [("a", "1,2")],
    ),
    "params": ("params[x]=y&params[action]=Handshake", []),
    "params-dot": ("params.x=y", []),
    "unknown": ("foo=1&parameters.x=1&nodes=5&parameters[0].foo=1", []),
    "ignored": (
        "id=77&created=2020-01-01&state=Completed&statusDate=2020-01-01&resultParameters[a]=b",
        [],
    ),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("row", KEPT.values(), ids=KEPT)
def test_1_5_field(
    simulator: Simulator, target: str, row: tuple[str, list[tuple[str, str]]]
) -> None:
    written, expected = row
    written = written.replace("[", "%5B").replace("]", "%5D")
    data = form(simulator, target, f"nodeId=1&{written}").data
    assert pairs(data) == expected
    assert (data["id"], data["state"]) == (1, "Queuing")
    assert (data["created"], data["statusDate"]) == (NOW_TEXT, NOW_TEXT)
    assert "resultParameters" not in data


BEYOND = {
    "256": "parameters[256].name=a",
    "far": "parameters[99999999999].value=a",
    "negative": "parameters[-1].value=a",
    "no-number": "parameters[x].value=a",
    "no-index": "parameters[].value=a",
    "of-an-unknown-property": "parameters[256].foo=a",
    "besides-a-field-that-is-bad": "parameters[256].name=a&expirationDate=x",
}


@pytest.mark.parametrize("written", BEYOND.values(), ids=BEYOND)
def test_1_5_index_beyond_the_limit(simulator: Simulator, written: str) -> None:
    written = written.replace("[", "%5B").replace("]", "%5D")
    answer = form(simulator, ADD, f"nodeId=1&{written}")
    assert answer.status == 422
    assert list(answer.json) == ["success", "code", "message"]
    assert answer.json["code"] == "VAL.00005"
    assert simulator.journal.entries(kind="state") == ()


FORM_DATES: dict[str, tuple[str, str | None]] = {
    "day": ("2030-01-02", "2030-01-02 00:00:00Z"),
    "minutes": ("2030-01-02 03:04", "2030-01-02 03:04:00Z"),
    "seconds": ("2030-01-02 03:04:05", "2030-01-02 03:04:05Z"),
    "milliseconds": ("2030-01-02 03:04:05.060", "2030-01-02 03:04:05.06Z"),
    "T-minutes": ("2030-01-02T03:04", "2030-01-02 03:04:00Z"),
    "T-seconds": ("2030-01-02T03:04:05", "2030-01-02 03:04:05Z"),
    "T-milliseconds": ("2030-01-02T03:04:05.006", "2030-01-02 03:04:05.006Z"),
    "Z": ("2030-01-02 03:04:05Z", "2030-01-02 03:04:05Z"),
    "T-Z": ("2030-01-02T03:04:05.006Z", "2030-01-02 03:04:05.006Z"),
    "minutes-Z": ("2030-01-02 03:04Z", "2030-01-02 03:04:00Z"),
    "offset": ("2030-01-02 03:04:05+13:00", "2030-01-01 14:04:05Z"),
    "T-offset": ("2030-01-02T03:04:05-01:30", "2030-01-02 04:34:05Z"),
    "empty": ("", None),
    "blank": ("  ", None),
}


@pytest.mark.parametrize("key", ["instructionDate", "expirationDate"])
@pytest.mark.parametrize("row", FORM_DATES.values(), ids=FORM_DATES)
def test_1_5_date(simulator: Simulator, row: tuple[str, str | None], key: str) -> None:
    given_, expected = row
    data = form(simulator, ADD, [("nodeId", "1"), (key, given_)]).data
    default = None if key == "expirationDate" else NOW_TEXT
    assert data.get(key) == (expected or default)


NO_DATES = {
    "word": "soon",
    "number": "1767322800000",
    "no-such-day": "2030-02-32",
    "month-13": "2030-13-01",
    "hour-25": "2030-01-02 25:00",
    "offset-of-a-day": "2030-01-02Z",
    "one-digit": "2030-1-2",
    "plus-that-became-a-blank": "2030-01-02 03:04:05 13:00",
    "beyond-the-calendar": "9999-12-31 23:59:59-13:00",
}


@pytest.mark.parametrize("key", ["instructionDate", "expirationDate", "created", "statusDate"])
@pytest.mark.parametrize("given_", NO_DATES.values(), ids=NO_DATES)
def test_1_5_date_that_is_none(simulator: Simulator, given_: str, key: str) -> None:
    answer = form(simulator, ADD, [("nodeId", "1"), (key, given_)])
    assert answer.status == 422
    assert list(answer.json) == ["success", "code", "message", "errors"]
    assert (answer.json["success"], answer.json["code"]) == (False, "VAL.00004")
    (error,) = answer.json["errors"]
    assert list(error) == ["location", "rejectedValue", "message"]
    assert (error["location"], error["rejectedValue"]) == (f"instruction.{key}", given_)
    assert simulator.journal.entries(kind="state") == ()


def test_7_1_every_field_that_cannot_be_converted_is_named(simulator: Simulator) -> None:
    written = "nodeId=1&id=x&state=Sleeping&expirationDate=x&instructionDate=2030-01-01"
    answer = form(simulator, ADD, f"{written}&parameters%5B0%5D=x&created=2030-01-01")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")
    assert {(each["location"], each["rejectedValue"]) for each in answer.json["errors"]} == {
        ("instruction.id", "x"),
        ("instruction.state", "Sleeping"),
        ("instruction.expirationDate", "x"),
        ("instruction.parameters[0]", "x"),
    }


# --- nodes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["add", "add/other", "exec", "exec/other"])
@pytest.mark.parametrize("written", ["", "topic=other", "nodeId=&topic=other"])
def test_7_1_node_id_is_missing(simulator: Simulator, path: str, written: str) -> None:
    answer = form(simulator, f"{BASE}/{path}", written)
    assert (answer.status, answer.json["error"]) == (400, "Bad Request")


@pytest.mark.parametrize("path", ["add/other", "exec/other"])
def test_7_1_node_id_is_missing_as_observed(observed: Simulator, path: str) -> None:
    answer = form(observed, f"{BASE}/{path}", "topic=x")
    assert (answer.status, answer.json["status"]) == (400, 400)


@pytest.mark.parametrize("path", ["add", "add/other", "exec", "exec/other"])
def test_7_1_node_ids_are_empty(simulator: Simulator, path: str) -> None:
    answer = form(simulator, f"{BASE}/{path}", "nodeIds=&topic=other")
    assert answer.refusal == (422, NODE_MISSING)


@pytest.mark.parametrize("path", ["add/other", "exec/other"])
@pytest.mark.parametrize("written", ["nodeIds=1,", "nodeIds=,", "nodeIds=&nodeIds=1"])
def test_an_empty_element_of_node_ids(simulator: Simulator, path: str, written: str) -> None:
    answer = form(simulator, f"{BASE}/{path}", written)
    assert (answer.status, answer.json["code"]) == (422, "DAO.00104")


@pytest.mark.parametrize("text", ["abc", "1.5", "9223372036854775808", "1x", "0x", "1,11"])
def test_7_1_node_id_is_no_number(simulator: Simulator, text: str) -> None:
    answer = form(simulator, ADD, [("nodeId", text)])
    status, message = answer.refusal
    assert status == 422
    assert message.startswith(
        "Illegal argument: Method parameter 'nodeId': Failed to convert value of type "
        "'java.lang.String' to required type 'java.lang.Long'; For input string: "
    )


@pytest.mark.parametrize("text", ["1,abc", "1&nodeIds=11,12", "1&nodeIds=x"])
def test_7_1_one_of_the_node_ids_is_no_number(two_users: Simulator, text: str) -> None:
    status, message = form(two_users, ADD, f"nodeIds={text}").refusal
    assert status == 422
    assert message.startswith("Illegal argument: Method parameter 'nodeIds': Failed to convert")


@pytest.mark.parametrize("text", ["1", "+1", "%2B1", "001", " 1 ", "0x1", "%230001", "1&nodeId=11"])
def test_forms_of_a_node_id(two_users: Simulator, text: str) -> None:
    assert form(two_users, ADD, f"nodeId={quote(text, safe='+%&=')}").data["nodeId"] == 1


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("11,1", [11, 1]),
        ("11&nodeIds=1", [11, 1]),
        ("1,1,11,1", [1, 11]),
        (" 1 , 11", [1, 11]),
    ],
)
def test_forms_of_node_ids(two_users: Simulator, text: str, nodes: list[int]) -> None:
    data = form(two_users, ADD, f"nodeIds={quote(text, safe='&=,')}").data
    assert [each["nodeId"] for each in data] == nodes
    assert [each["id"] for each in data] == list(range(1, len(nodes) + 1))


@pytest.mark.parametrize(
    ("nodes", "refusal"),
    [
        ("1,2,99", "ACCESS_DENIED"),
        ("1,99,2", "UNKNOWN_OBJECT"),
        ("2", "ACCESS_DENIED"),
        ("1,11,99", "UNKNOWN_OBJECT"),
    ],
)
@pytest.mark.parametrize("path", ["add", "exec"])
def test_6_3_the_first_node_that_fails_fails_all(
    two_users: Simulator, path: str, nodes: str, refusal: str
) -> None:
    answer = form(two_users, f"{BASE}/{path}/OSCP_v20", handshake_form(("nodeIds", nodes)))
    assert answer.refusal == (403, refusal)
    assert two_users.journal.entries(kind="state") == ()
    # Not even a number of the sequence is used up.
    assert post(two_users, {"nodeId": 1}, ADD).data["id"] == 1


def test_several_nodes_are_each_delivered_to(two_users: Simulator) -> None:
    form(two_users, f"{BASE}/add/OSCP_v20", handshake_form(("nodeIds", "12,1,11")))
    assert two_users.wait_until_settled(10)
    assert ids(get(two_users, f"{BASE}?nodeIds=1,11,12&state=Completed")) == [1, 2, 3]
    entries = two_users.journal.entries(party="capacity_provider", kind="exchange")
    assert len(entries) == 3


# --- §5.5 and §7.4 -----------------------------------------------------------------------------


def test_5_5_a_digest_does_not_fit_a_form(simulator: Simulator) -> None:
    digest = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="  # of hello world
    body = b"hello world"
    headers = signed_headers(
        "POST", ADD, body, content_type=FORM, more=[("Digest", f"sha-256={digest}")]
    )
    assert ask_raw(simulator, "POST", ADD, headers, body).status == 403


def test_7_4_a_form_has_at_most_2_mb(simulator: Simulator) -> None:
    base = "nodeId=1&x="
    fits = "x" * (2 * 1024 * 1024 - len(base))
    assert form(simulator, ADD, base + fits).status == 200
    answer = form(simulator, ADD, base + fits + "x")
    assert (answer.status, answer.json["success"]) == (413, False)


def test_7_4_there_are_at_most_1000_parameters(simulator: Simulator) -> None:
    fits = "nodeId=1" + "&x=1" * 999
    assert form(simulator, ADD, fits).status == 200
    assert form(simulator, ADD, f"{fits}&x=1").status == 403
    assert form(simulator, f"{ADD}?y=1", fits).status == 403


def test_7_4_json_may_be_longer(simulator: Simulator) -> None:
    body = {"nodeId": 1, "params": {"note": "x" * (2 * 1024 * 1024)}}
    assert post(simulator, body, ADD).status == 200


# --- the same by JSON and by form --------------------------------------------------------------

NAMES = st.sampled_from(["action", "coId", "msg", "note", "", "\u00e9", "\U0001f50b"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5).map(
    lambda text: text * 90
)
PARAMETERS = st.lists(st.tuples(NAMES, TEXTS), max_size=12)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
DATES = st.fixed_dictionaries({}, optional={"instructionDate": MOMENTS, "expirationDate": MOMENTS})


@settings(max_examples=examples(40), deadline=None)
@given(PARAMETERS, DATES, st.sampled_from(["OSCP_v20", "other", "a b"]), st.booleans())
@example([("msg", "\U0001f50b" * 129)], {}, "OSCP_v20", True)
def test_json_and_form_store_the_same(
    parameters: list[tuple[str, str]], dates: dict[str, datetime], topic: str, in_path: bool
) -> None:
    target = f"{BASE}/add/{quote(topic)}" if in_path else f"{BASE}/add"
    named = {} if in_path else {"topic": topic}
    body = {
        "nodeId": 1,
        **named,
        "parameters": [{"name": name, "value": value} for name, value in parameters],
        **{name: timestamp(moment) for name, moment in dates.items()},
    }
    # The form knows no other number of digits than three.
    texts = {
        name: f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
        for name, moment in dates.items()
    }
    written = [("nodeId", "1"), *named.items(), *fields(parameters), *texts.items()]
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        by_json = post(simulator, body, target).data
        by_form = post_any_form(simulator, target, written)
        stored = [shared_of(simulator).instructions.get(each) for each in (1, 2)]
    assert (by_json.pop("id"), by_form.pop("id")) == (1, 2)
    assert by_form == by_json
    first, second = stored
    assert first is not None
    assert second is not None
    # To the letter, too, as it would be delivered.
    assert first.pieces == second.pieces

"""Reading user events, by the rows of solaruser.md §9.2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oscp_send.snws2 import SNWS2Auth
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.rig import (
    FORM,
    JSON,
    NOW,
    TOKEN,
    Answer,
    ask,
    get,
    instruction,
    post,
    settled,
    signed_headers,
)

PATH = "/solaruser/api/v1/sec/user/events"
RANGE = "startDate=2026-01-01&endDate=2026-02-01"
WORLD = """
users:
  - id: 42
    tokens:
      - {id: rehearsal-token-0001, secret: rehearsal-secret}
      - {id: reader, secret: rehearsal-secret, type: ReadNodeData}
    nodes: [1]
    roles: []
    capacity_providers: [{id: 3, name: Grid, token: cp-token}]
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups:
      - {id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}
  - id: 43
    tokens: [{id: rehearsal-token-0002, secret: rehearsal-secret}]
    nodes: [2]
"""
DATE_REQUIRED = (422, "A date range is required.")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def simulator(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(WORLD, clock=clock) as simulator:
        yield simulator


@pytest.fixture
def busy(simulator: Simulator) -> Simulator:
    """Four events of an instruction that succeeded, then one of each of three that did not."""
    post(simulator, instruction(correlationId="abc"))
    settled(simulator)
    for group in ("depot-a", "depot-b", "other (1)"):
        post(simulator, instruction(cgIdentifier=group))
    return simulator


def read(
    simulator: Simulator, query: str = RANGE, accept: str | None = JSON, token: str = TOKEN
) -> Answer:
    more = [] if accept is None else [("Accept", accept)]
    return get(simulator, f"{PATH}?{query}", more=more, token=token)


def found(simulator: Simulator, query: str = "", token: str = TOKEN) -> list[dict[str, Any]]:
    answer = read(simulator, f"{RANGE}&{query}" if query else RANGE, token=token)
    assert answer.status == 200, answer.body
    events: list[dict[str, Any]] = answer.json.get("data", [])
    return events


def messages(simulator: Simulator, query: str = "") -> list[str]:
    return [event["message"] for event in found(simulator, query)]


def test_9_2_a_reply(simulator: Simulator) -> None:
    post(simulator, instruction(cgIdentifier="depot-x", action="Handshake"))
    answer = read(simulator)
    event = answer.json["data"][0]
    assert answer.body == (
        b'{"success":true,"data":[{"userId":42,"created":"2026-01-02 03:04:05.123456Z","eventId":"'
        + event["eventId"].encode()
        + b'","tags":["oscp","instruction","error"],"message":"Unknown group identifier",'
        b'"data":{"coId": 1, "action": "Handshake", "cgIdentifier": "depot-x"}}]}'
    )
    assert answer.header("Content-Type") == "application/json"
    assert UUID(event["eventId"]).version == 7


def test_9_2_no_data_where_there_is_none(simulator: Simulator) -> None:
    post(simulator, {"nodeId": 1})
    (event,) = found(simulator)
    assert list(event) == ["userId", "created", "eventId", "tags", "message"]


def test_9_2_no_list_where_nothing_matches(simulator: Simulator) -> None:
    assert read(simulator).body == b'{"success":true}'


def test_9_2_ordered_by_event_id_ascending(busy: Simulator) -> None:
    ids = [event["eventId"] for event in found(busy)]
    assert len(ids) == 7
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "startDate=2026-01-01",
        "endDate=2026-02-01",
        "startDate=&endDate=2026-02-01",
        "tags=oscp",
    ],
    ids=["neither", "no end", "no start", "a blank start", "tags alone"],
)
def test_9_2_a_date_range_is_required(busy: Simulator, query: str) -> None:
    assert read(busy, query).refusal == DATE_REQUIRED


# NOW is 2026-01-02 03:04:05.123456Z: the start counts, the end does not.
DATES = [
    ("2026-01-02", "2026-01-03", True),
    ("2026-01-02 03:04", "2026-01-02 03:05", True),
    ("2026-01-02 03:04:05", "2026-01-02 03:04:06", True),
    ("2026-01-02 03:04:05.123", "2026-01-02 03:04:05.124", True),
    ("2026-01-02T03:04:05.123", "2026-01-02T03:04:05.124", True),
    ("2026-01-02T03:04Z", "2026-01-02T03:05Z", True),
    ("2026-01-02 16:04:05+13:00", "2026-01-02 16:04:06+13:00", True),
    ("2026-01-02 03:04:05Z", "2026-01-02 03:04:05.123Z", False),
    ("2026-01-02 03:04:05.124", "2026-01-03", False),
    ("2026-01-03", "2026-01-02", False),
    ("2026-01-02 16:04:06+13:00", "2026-01-03", False),
]


@pytest.mark.parametrize(("start", "end", "fits"), DATES)
def test_9_2_the_formats_of_1_5(simulator: Simulator, start: str, end: str, fits: bool) -> None:
    post(simulator, {"nodeId": 1})
    answer = read(simulator, f"startDate={quote(start)}&endDate={quote(end)}")
    assert answer.status == 200
    assert ("data" in answer.json) is fits


def test_9_2_the_start_is_inclusive_and_the_end_is_not(
    simulator: Simulator, clock: FrozenClock
) -> None:
    clock.advance(timedelta(microseconds=876_544))
    post(simulator, {"nodeId": 1})
    whole, next_second = "2026-01-02 03:04:06", "2026-01-02 03:04:07"
    assert len(read(simulator, quoted(whole, next_second)).json["data"]) == 1
    assert "data" not in read(simulator, quoted("2026-01-02", whole)).json


def quoted(start: str, end: str) -> str:
    return f"startDate={quote(start)}&endDate={quote(end)}"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-01-02T03", "1767322800000"])
@pytest.mark.parametrize("name", ["startDate", "endDate"])
def test_9_2_a_date_that_is_none(busy: Simulator, name: str, text: str) -> None:
    other = "endDate" if name == "startDate" else "startDate"
    answer = read(busy, f"{name}={quote(text)}&{other}=2026-02-01")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")
    assert [error["location"] for error in answer.json["errors"]] == [
        f"basicUserEventFilter.{name}"
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("tags=oscp", 7),
        ("tag=oscp", 7),
        ("tags=oscp,instruction", 7),
        ("tags=instruction,oscp", 7),
        ("tags=oscp&tags=instruction", 7),
        ("tags=error", 3),
        ("tag=error", 3),
        ("tags=oscp,error", 3),
        ("tags=error,http", 0),
        ("tags=http", 1),
        ("tags=in", 1),
        ("tags=out", 1),
        ("tags=in,out", 0),
        ("tags=Oscp", 0),
        ("tags=instr", 0),
        ("tags=", 7),
        ("tags=,", 7),
        ("tags=%20error%20,%20oscp", 3),
        ("tags=error&tag=in", 3),
        # One text, and no event carries a tag with a comma.
        ("tag=oscp&tag=error", 0),
        ("tag=oscp,error", 0),
    ],
)
def test_9_2_tags_an_event_must_carry_all(busy: Simulator, query: str, count: int) -> None:
    assert len(found(busy, query)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(cgIdentifier=depot-a)", 1),
        ("(/cgIdentifier=depot-*)", 2),
        ("(cgIdentifier=*other*)", 1),
        ("(&(/cgIdentifier=depot-*)(!(/cgIdentifier=depot-b)))", 1),
        ("(|(cgIdentifier=depot-a)(instructionId=1))", 4),
        ("(instructionId=*)", 3),
        ("(!(instructionId=*))", 4),
        ("(coId>=1)", 6),
        ("(coId<1)", 0),
        ("(coId<>1)", 0),
        ("(url~=/handshake$)", 1),
        ("(correlationId=abc)", 3),
        ("(v=2.0)", 1),
        # Only the data is searched.
        ("(message=Success)", 0),
        ("", 7),
        (" ", 7),
    ],
)
def test_9_2_a_search_filter(busy: Simulator, text: str, count: int) -> None:
    assert len(found(busy, f"searchFilter={quote(text)}")) == count


@pytest.mark.parametrize("text", ["action=Handshake", "(action", "(a=)", "(" * 1000])
def test_9_2_a_search_filter_that_is_none(busy: Simulator, text: str) -> None:
    answer = read(busy, f"{RANGE}&searchFilter={quote(text)}")
    assert answer.refusal == (422, "Illegal argument: Invalid search filter.")
    why = busy.journal.entries(party="solaruser")[-1].detail["why"]
    assert why.startswith("searchFilter is not a filter")


@pytest.mark.parametrize(
    ("text", "count", "why"),
    [
        ("coId=7", 2, "passes it over"),
        ("()", 2, "passes it over"),
        ("(coId=*)", 0, "cannot express"),
        ("(&)", 0, "cannot express"),
        # Not the event without data.
        ("(!(coId=7))", 1, None),
    ],
)
def test_9_2_a_search_filter_as_the_service_has_it(text: str, count: int, why: str | None) -> None:
    with Simulator(WORLD, clock=FrozenClock(NOW), fidelity="observed") as simulator:
        post(simulator, {"nodeId": 1})
        post(simulator, instruction(cgIdentifier="other"))
        assert len(found(simulator, f"searchFilter={quote(text)}")) == count
        detail = simulator.journal.entries(party="solaruser")[-1].detail
        assert why is None or why in detail["why"]


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("max=2", 0, 2),
        ("max=0", 0, 7),
        ("max=-1", 0, 7),
        ("max=100", 0, 7),
        ("offset=5", 5, 7),
        ("offset=2&max=3", 2, 5),
        ("offset=7", 7, 7),
        ("offset=99&max=1", 7, 7),
        ("offset=-1", 0, 7),
        ("offset=&max=", 0, 7),
        ("offset=9223372036854775807&max=9223372036854775807", 7, 7),
    ],
)
def test_9_2_max_and_offset(busy: Simulator, query: str, first: int, last: int) -> None:
    assert found(busy, query) == found(busy)[first:last]


def test_9_2_pages_are_of_what_fits(busy: Simulator) -> None:
    errors = found(busy, "tags=error")
    assert [found(busy, f"tags=error&max=1&offset={each}") for each in range(4)] == [
        [errors[0]],
        [errors[1]],
        [errors[2]],
        [],
    ]


@pytest.mark.parametrize("query", ["max=x", "offset=1.5", "max=1e3", "offset=92233720368547758070"])
def test_9_2_max_and_offset_are_whole_numbers(busy: Simulator, query: str) -> None:
    answer = read(busy, f"{RANGE}&{query}")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")


def test_9_2_a_path_into_sorts_is_refused(busy: Simulator) -> None:
    answer = read(busy, f"{RANGE}&sorts%5B0%5D.sortKey=created")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00005")
    assert answer.json["message"] == "Invalid request syntax"


@pytest.mark.parametrize("query", [RANGE, ""], ids=["with dates", "before dates are looked at"])
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_9_2_an_accept_header_is_required(query: str, fidelity: Any) -> None:  # noqa: ANN401
    with Simulator(WORLD, clock=FrozenClock(NOW), fidelity=fidelity) as simulator:
        answer = read(simulator, query, accept=None)
    # It is a GET: the container shows the status inside, whatever the fidelity.
    assert answer.status == 400
    assert answer.json == {
        "timestamp": "2026-01-02 03:04:05.123Z",
        "status": 400,
        "error": "Bad Request",
        "path": PATH,
        "success": False,
    }


@pytest.mark.parametrize("accept", ["*/*", "application/cbor", "application/*"])
def test_9_2_any_type_yields_cbor_as_in_1_7(busy: Simulator, accept: str) -> None:
    answer = read(busy, accept=accept)
    assert answer.header("Content-Type") == "application/cbor"
    assert cbor2.loads(answer.body) == read(busy).json


@pytest.mark.parametrize("accept", ["application/json", "application/json, */*"])
def test_9_2_json_as_in_1_7(busy: Simulator, accept: str) -> None:
    assert read(busy, accept=accept).header("Content-Type") == "application/json"


def test_9_2_csv_as_in_1_7(busy: Simulator) -> None:
    answer = read(busy, accept="text/csv")
    assert answer.header("Content-Type") == "text/csv"
    lines = answer.body.decode().splitlines()
    assert [name for name in lines[0].split(",") if name != "data"] == [
        *("created", "eventId", "id", "message", "tags", "userId")
    ]
    assert len(lines) == 8


@pytest.mark.parametrize("accept", ["text/xml", "image/png"])
def test_9_2_any_other_type_has_no_body(busy: Simulator, accept: str) -> None:
    answer = read(busy, accept=accept)
    assert (answer.status, answer.body, answer.header("Content-Type")) == (200, b"", None)


def test_9_2_needs_only_role_user(busy: Simulator) -> None:
    """The user of this world has no role at all."""
    assert len(found(busy)) == 7
    assert read(busy, token="reader").refusal == (403, "Access Denied")


def test_9_2_only_by_get(busy: Simulator) -> None:
    for method in ("POST", "PUT", "DELETE"):
        body = RANGE.encode() if method == "POST" else b""
        headers = signed_headers(method, PATH, body, content_type=FORM, more=[("Accept", JSON)])
        answer = ask(busy, method, PATH, headers, body)
        assert answer.status in {403, 405}
        assert b"eventId" not in answer.body


def test_a_user_sees_only_their_own_events(busy: Simulator) -> None:
    post(busy, {"nodeId": 2}, token="rehearsal-token-0002")
    (theirs,) = found(busy, token="rehearsal-token-0002")
    assert theirs["userId"] == 43
    assert {event["userId"] for event in found(busy)} == {42}
    for query in ("userId=43", "userIds=43", "userId=42&userIds=42,43"):
        assert found(busy, query) == found(busy)
    everything = quote("(!(nothing=here))")
    found_by_filter = found(busy, f"searchFilter={everything}")
    assert theirs["eventId"] not in {event["eventId"] for event in found_by_filter}


def test_the_same_seed_and_clock_give_the_same_bytes() -> None:
    def run(seed: int) -> bytes:
        with Simulator(WORLD, clock=FrozenClock(NOW), seed=seed) as simulator:
            post(simulator, instruction(correlationId="abc"))
            settled(simulator)
            return read(simulator, accept="*/*").body

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_a_reset_forgets_them(busy: Simulator) -> None:
    last = found(busy)[-1]["eventId"]
    assert ask(busy, "POST", "/_sim/reset", [("Host", "localhost")]).status == 200
    assert found(busy) == []
    post(busy, {"nodeId": 1})
    assert found(busy)[0]["eventId"] > last


def test_reading_events_stands_in_the_journal_without_a_secret(busy: Simulator) -> None:
    read(busy)
    entry = busy.journal.entries(party="solaruser", kind="exchange")[-1]
    assert entry.request is not None
    assert entry.request.target.startswith(PATH)
    text = json.dumps(entry.to_dict())
    assert "rehearsal-secret" not in text


def test_texts_that_no_encoding_can_write_break_no_reply(simulator: Simulator) -> None:
    post(simulator, json.dumps(instruction(cgIdentifier="\ud83d", action="a\udc00\u0007")))
    for accept in ("application/json", "*/*", "text/csv"):
        answer = read(simulator, accept=accept)
        assert answer.status == 200
        assert b"?" in answer.body


NAMES = st.sampled_from(
    ["startDate", "endDate", "tags", "tag", "searchFilter", "max", "offset", "other"]
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text("()&|!=<>~*\\/a0", max_size=20),
    st.sampled_from(["2026-01-01", "2026-02-01", "0000-00-00", "9999-12-31 23:59:59-18:00"]),
    st.integers().map(str),
)
ACCEPTS = st.sampled_from([None, "*/*", JSON, "text/csv", "a/*;q=.5.5", "*/*;q=.5"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), ACCEPTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_nothing_that_is_asked_is_answered_with_a_500(
    busy: Simulator, fields: list[tuple[str, str]], accept: str | None
) -> None:
    with busy.session() as session:
        response = session.get(
            IN_PROCESS_URL + PATH,
            params=fields,
            headers={"Accept": accept},
            auth=SNWS2Auth(TOKEN, "rehearsal-secret", clock=lambda: NOW),
        )
    assert response.status_code in {200, 400, 422}

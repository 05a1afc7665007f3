"""Filters, views and changes of state: the solaruser.md §1.8 and §1.10, with §6.3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.instructions import STATES
from tests.effort import examples
from tests.oscp_sim.instruction_api import ANOTHER, RESTRICTED, TWO_USERS, form, ids, states
from tests.oscp_sim.rig import BASE, NOW, Signing, delivered, get, instruction, post, settled

UPDATE = f"{BASE}/updateState"


@contextmanager
def _seven_instructions() -> Iterator[Simulator]:
    """1 to 6: the first user's, on nodes 1, 11, 1, 12, 1, 1; 7: another's. A day lies between."""
    with Simulator(TWO_USERS, clock=FrozenClock(NOW)) as simulator:
        for day, (node, state) in enumerate(
            [
                (1, "Queued"),
                (11, "Received"),
                (1, "Executing"),
                (12, "Completed"),
                (1, "Declined"),
                (1, "Unknown"),
            ]
        ):
            date = f"2030-01-0{day + 1} 00:00:00Z"
            post(simulator, {"nodeId": node, "instructionDate": date}, f"{BASE}/add/other")
            form(simulator, UPDATE, f"id={day + 1}&state={state}")
        post(simulator, {"nodeId": 2}, f"{BASE}/add/other", **ANOTHER)
        yield simulator


@pytest.fixture
def world() -> Iterator[Simulator]:
    """Seven instructions."""
    with _seven_instructions() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def unchanged() -> Iterator[Simulator]:
    """The same for all who only read, or are refused."""
    with _seven_instructions() as simulator:
        yield simulator


# --- §1.8 --------------------------------------------------------------------------------------

FILTERS: dict[str, tuple[str, list[int]]] = {
    "nodeId": ("nodeId=1", [1, 3, 5, 6]),
    "nodeIds": ("nodeIds=11,12", [2, 4]),
    "nodeIds-repeated": ("nodeIds=11&nodeIds=12", [2, 4]),
    "nodeIds-replace-nodeId": ("nodeId=1&nodeIds=11", [2]),
    "nodeIds-replace-nodeId-in-any-order": ("nodeIds=11&nodeId=1", [2]),
    "instructionIds": ("instructionIds=5,2", [2, 5]),
    "instructionIds-repeated": ("instructionIds=5&instructionIds=2", [2, 5]),
    "instructionIds-unknown": ("instructionIds=2,99", [2]),
    "instructionIds-all-unknown": ("instructionIds=98,99", []),
    "instructionIds-and-nodeIds": ("instructionIds=1,2,4&nodeIds=11,12", [2, 4]),
    "state": ("nodeId=1&state=Executing", [3]),
    "states": ("nodeIds=1,11,12&states=Executing,Completed", [3, 4]),
    "states-repeated": ("nodeIds=1,11,12&states=Executing&states=Completed", [3, 4]),
    "states-replace-state": ("nodeId=1&state=Queued&states=Declined", [5]),
    "state-Unknown": ("nodeId=1&state=Unknown", [6]),
    "startDate-is-included": ("nodeId=1&startDate=2030-01-03", [3, 5, 6]),
    "endDate-is-not": ("nodeId=1&endDate=2030-01-03", [1]),
    "both-dates": (
        "nodeId=1&startDate=2030-01-01T00:00Z&endDate=2030-01-05%2000:00:00.001",
        [1, 3, 5],
    ),
    "date-with-offset": ("nodeId=1&startDate=2030-01-03T13:00:00%2B13:00", [3, 5, 6]),
    "empty-dates": ("nodeId=1&startDate=&endDate=", [1, 3, 5, 6]),
    "unknown-parameter": ("nodeId=1&foo=bar&max=1&offset=2", [1, 3, 5, 6]),
    "everything": (
        "nodeIds=1,11&instructionIds=1,2,3&states=Received,Executing&startDate=2030-01-02"
        "&endDate=2030-01-03",
        [2],
    ),
}


@pytest.mark.parametrize("row", FILTERS.values(), ids=FILTERS)
def test_1_8_filter(unchanged: Simulator, row: tuple[str, list[int]]) -> None:
    query, expected = row
    assert ids(get(unchanged, f"{BASE}?{query}")) == expected


REFUSED: dict[str, tuple[str, Signing, str]] = {
    "nothing": ("", {}, "ACCESS_DENIED"),
    "no-id": ("state=Queued&startDate=2030-01-01", {}, "ACCESS_DENIED"),
    "empty-node-ids": ("nodeIds=", {}, "ACCESS_DENIED"),
    "emptied-by-node-ids": ("nodeId=1&nodeIds=", {}, "ACCESS_DENIED"),
    "empty-instruction-ids": ("instructionIds=", {}, "ACCESS_DENIED"),
    "foreign-node": ("nodeId=2", {}, "ACCESS_DENIED"),
    "nobodys-node": ("nodeId=99", {}, "UNKNOWN_OBJECT"),
    "first-that-fails": ("nodeIds=1,99,2", {}, "UNKNOWN_OBJECT"),
    "other-first-that-fails": ("nodeIds=1,2,99", {}, "ACCESS_DENIED"),
    "foreign-instruction": ("instructionIds=1,7", {}, "ACCESS_DENIED"),
    "foreign-instruction-on-own-node": ("nodeId=1&instructionIds=7", {}, "ACCESS_DENIED"),
    "foreign-node-with-own-instruction": ("nodeId=2&instructionIds=1", {}, "ACCESS_DENIED"),
    "node-beyond-the-policy": ("nodeIds=11,1", RESTRICTED, "ACCESS_DENIED"),
    "instruction-beyond-the-policy": ("instructionIds=2,1", RESTRICTED, "ACCESS_DENIED"),
    "of-another-user": ("nodeId=1", ANOTHER, "ACCESS_DENIED"),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_1_8_access(unchanged: Simulator, row: tuple[str, Signing, str]) -> None:
    query, signing, message = row
    assert get(unchanged, f"{BASE}?{query}", **signing).refusal == (403, message)


UNREADABLE = {
    "nodeId": "abc",
    "nodeIds": "1,abc",
    "instructionIds": "1,1.5",
    "state": "queued",
    "states": "Queued,Sleeping",
    "startDate": "soon",
    "endDate": "2030-02-32",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_1_8_unreadable(unchanged: Simulator, name: str) -> None:
    node = "nodeIds=1" if name == "nodeId" else "nodeId=1"
    answer = get(unchanged, f"{BASE}?{node}&{name}={UNREADABLE[name]}")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")
    (error,) = answer.json["errors"]
    assert list(error) == ["location", "rejectedValue", "message"]
    assert error["location"] == f"simpleInstructionFilter.{name}"
    assert error["rejectedValue"] == UNREADABLE[name]
    assert error["message"] == answer.json["message"]


@settings(max_examples=examples(25), deadline=None)
@given(
    nodes=st.sets(st.sampled_from([1, 11, 12])),
    wanted=st.sets(st.integers(1, 8).filter(lambda number: number != 7)),
    in_states=st.sets(st.sampled_from(STATES)),
    start=st.integers(1, 7),
    end=st.integers(1, 7),
)
def test_a_filter_is_the_conjunction_of_its_parts(
    unchanged: Simulator,
    *,
    nodes: set[int],
    wanted: set[int],
    in_states: set[str],
    start: int,
    end: int,
) -> None:
    rows = {
        1: (1, "Queued"),
        2: (11, "Received"),
        3: (1, "Executing"),
        4: (12, "Completed"),
        5: (1, "Declined"),
        6: (1, "Unknown"),
    }
    query = [f"startDate=2030-01-0{start}", f"endDate=2030-01-0{end}"]
    for name, values in (("nodeIds", nodes), ("instructionIds", wanted), ("states", in_states)):
        if values:
            query.append(f"{name}={','.join(map(str, values))}")
    answer = get(unchanged, f"{BASE}?{'&'.join(query)}")
    if not nodes and not wanted:
        assert answer.refusal == (403, "ACCESS_DENIED")
        return
    assert ids(answer) == [
        number
        for number, (node, state) in rows.items()
        if (not nodes or node in nodes)
        and (not wanted or number in wanted)
        and (not in_states or state in in_states)
        and start <= number < end
    ]


# --- §1.10: views ------------------------------------------------------------------------------

VIEWS: dict[str, tuple[str, list[int]]] = {
    "active": ("viewActive?nodeIds=1,11,12", [1]),
    "pending": ("viewPending?nodeIds=1,11,12", [1, 2, 3]),
    "active-of-one": ("viewActive?nodeId=1", [1]),
    "pending-of-one": ("viewPending?nodeId=1", [1, 3]),
    "active-of-none": ("viewActive?nodeId=12", []),
    "pending-of-none": ("viewPending?nodeId=12", []),
}


@pytest.mark.parametrize("row", VIEWS.values(), ids=VIEWS)
def test_1_1_rows_4_to_7(unchanged: Simulator, row: tuple[str, list[int]]) -> None:
    target, expected = row
    assert ids(get(unchanged, f"{BASE}/{target}")) == expected


@pytest.mark.parametrize("path", ["viewActive", "viewPending"])
def test_views_need_their_nodes(unchanged: Simulator, path: str) -> None:
    for query in ("", "nodeId="):
        assert get(unchanged, f"{BASE}/{path}?{query}").status == 400
    assert get(unchanged, f"{BASE}/{path}?nodeIds=").refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/{path}?nodeId=2").refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/{path}?nodeIds=1,99").refusal == (403, "UNKNOWN_OBJECT")
    assert get(unchanged, f"{BASE}/{path}?nodeIds=11,1", **RESTRICTED).refusal == (
        403,
        "ACCESS_DENIED",
    )
    assert get(unchanged, f"{BASE}/{path}?nodeId=x").status == 422


def test_a_fresh_message_is_in_neither_view() -> None:
    # Not started: nobody claims it.
    simulator = Simulator(clock=FrozenClock(NOW))
    post(simulator, instruction())
    for path in ("viewActive", "viewPending"):
        assert get(simulator, f"{BASE}/{path}?nodeId=1").body == b'{"success":true}'
    assert get(simulator, f"{BASE}/view?id=1").data["state"] == "Queuing"
    assert ids(get(simulator, f"{BASE}?nodeId=1&state=Queuing")) == [1]


def test_view(unchanged: Simulator) -> None:
    assert get(unchanged, f"{BASE}/view?id=99").body == b'{"success":true}'
    assert get(unchanged, f"{BASE}/view?id=7").refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/view?id=1", **RESTRICTED).refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/view?id=2", **RESTRICTED).data["id"] == 2
    for query in ("", "id="):
        assert get(unchanged, f"{BASE}/view?{query}").status == 400


def test_view_of_several(unchanged: Simulator) -> None:
    assert ids(get(unchanged, f"{BASE}/view?ids=5,99,2,5")) == [2, 5]
    assert ids(get(unchanged, f"{BASE}/view?ids=5&ids=2&id=1")) == [2, 5]
    for query in ("ids=99", "ids=,"):
        assert get(unchanged, f"{BASE}/view?{query}").body == b'{"success":true}'
    assert get(unchanged, f"{BASE}/view?ids=").refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/view?ids=1,7").refusal == (403, "ACCESS_DENIED")
    assert get(unchanged, f"{BASE}/view?ids=1,x").status == 422


@pytest.mark.parametrize("path", [BASE, f"{BASE}/viewPending", f"{BASE}/viewActive"])
def test_an_empty_element_is_a_node_that_nobody_has(unchanged: Simulator, path: str) -> None:
    assert get(unchanged, f"{path}?nodeIds=1,").refusal == (403, "UNKNOWN_OBJECT")


def test_an_empty_list_of_states_is_refused(unchanged: Simulator) -> None:
    answer = get(unchanged, f"{BASE}?nodeId=1&states=")
    assert answer.json["code"] == "VAL.00004"
    assert answer.json["message"].endswith("IllegalArgumentException: Collection is empty")


def test_a_first_letter_has_any_case_and_a_mark_makes_a_default(unchanged: Simulator) -> None:
    assert ids(get(unchanged, f"{BASE}?NodeId=1&%21state=Executing")) == [3]
    assert ids(get(unchanged, f"{BASE}?nodeId=1&state=Queued&%21state=Executing")) == [1]


# --- §1.10: changes of state -------------------------------------------------------------------


@pytest.mark.parametrize("new", STATES)
@pytest.mark.parametrize("old", STATES)
def test_any_state_from_any_state(world: Simulator, old: str, new: str) -> None:
    # Dated in the future, so that Queuing does not grow stale.
    form(world, UPDATE, f"id=1&state={old}")
    before = get(world, f"{BASE}/view?id=1").data
    assert before["state"] == old
    assert form(world, UPDATE, f"id=1&state={new}").body == b'{"success":true}'
    assert get(world, f"{BASE}/view?id=1").data == before | {"state": new}


@pytest.mark.parametrize(
    "query", ["id=99&state=Declined", "ids=98,99&state=Declined", "ids=&state=Declined"]
)
def test_unknown_ids_are_ignored(world: Simulator, query: str) -> None:
    since = world.journal.last
    assert form(world, UPDATE, query).body == b'{"success":true}'
    assert world.journal.entries(since=since, kind="state") == ()


BAD_STATES = ["queued", "Sleeping", "QUEUED", "1"]


@pytest.mark.parametrize("state", BAD_STATES)
@pytest.mark.parametrize("which", ["id=1", "ids=1", "nodeId=1"])
def test_a_state_is_an_exact_name(unchanged: Simulator, which: str, state: str) -> None:
    status, message = form(unchanged, UPDATE, f"{which}&state={state}").refusal
    assert status == 422
    assert message.startswith(
        "Illegal argument: Method parameter 'state': Failed to convert value of type "
        "'java.lang.String' to required type "
    )


@pytest.mark.parametrize("which", ["id=1", "ids=1", "nodeId=1", "id=1&state=", "state="])
def test_a_state_must_be_given(unchanged: Simulator, which: str) -> None:
    assert form(unchanged, UPDATE, which).status == 400


@pytest.mark.parametrize("which", ["id=&state=Declined", "id=x&state=Declined"])
def test_an_id_must_be_a_number(unchanged: Simulator, which: str) -> None:
    assert form(unchanged, UPDATE, which).status == (400 if "id=&" in which else 422)


def test_the_same_state_is_no_change(world: Simulator) -> None:
    since = world.journal.last
    assert form(world, UPDATE, "id=4&state=Completed").json == {"success": True}
    assert form(world, UPDATE, "nodeId=12&state=Completed").json == {"success": True, "data": []}
    assert world.journal.entries(since=since, kind="state") == ()


def test_the_status_date_stays_and_so_do_results() -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        declined = post(simulator, instruction(coId="77")).data
        clock.advance(timedelta(minutes=5))
        later = NOW + timedelta(minutes=5)
        for query in ("id=1", "ids=1", "nodeId=1"):
            form(simulator, UPDATE, f"{query}&state=Received", when=later)
            seen = get(simulator, f"{BASE}/view?id=1", when=later).data
            assert seen == declined | {"state": "Received"}
            form(simulator, UPDATE, f"{query}&state=Declined", when=later)


@pytest.mark.parametrize("query", ["id=7", "ids=1,7", "instructionIds=1,7", "nodeIds=1,2"])
def test_nobody_changes_what_is_somebody_else_s(world: Simulator, query: str) -> None:
    since = world.journal.last
    assert form(world, UPDATE, f"{query}&state=Executing").refusal == (403, "ACCESS_DENIED")
    assert form(world, UPDATE, "nodeId=99&state=Executing").refusal == (403, "UNKNOWN_OBJECT")
    assert world.journal.entries(since=since, kind="state") == ()


UPDATES: dict[str, tuple[str, Signing, list[int]]] = {
    "all-of-ones-own": ("state=Completed", {}, [1, 2, 3, 5, 6]),
    "all-of-anothers-own": ("state=Completed", ANOTHER, [7]),
    "all-of-the-policy": ("state=Completed", RESTRICTED, [2]),
    "by-node": ("nodeIds=11,12&state=Executing", {}, [2, 4]),
    "by-instructions": ("instructionIds=1,4,99&state=Completed", {}, [1]),
    "by-states": ("states=Queued,Unknown&state=Declined", {}, [1, 6]),
    "by-date": ("startDate=2030-01-05&state=Declined", {}, [6]),
    "none": ("endDate=2030-01-01&state=Declined", {}, []),
}


@pytest.mark.parametrize("row", UPDATES.values(), ids=UPDATES)
def test_1_1_row_22(world: Simulator, row: tuple[str, Signing, list[int]]) -> None:
    query, signing, expected = row
    since = world.journal.last
    answer = form(world, UPDATE, query, **signing)
    assert answer.json == {"success": True, "data": expected}
    entries = world.journal.entries(since=since, kind="state")
    assert [entry.instruction_id for entry in entries] == expected


def test_declining_a_message_in_time_prevents_its_delivery() -> None:
    simulator = Simulator(clock=FrozenClock(NOW))
    post(simulator, instruction())
    post(simulator, instruction())
    form(simulator, UPDATE, "id=1&state=Declined")
    with simulator:
        settled(simulator)
        assert get(simulator, f"{BASE}/view?id=1").data["state"] == "Declined"
        assert get(simulator, f"{BASE}/view?id=2").data["state"] == "Completed"
        assert len(delivered(simulator)) == 1
    assert ("flexibility_provider", 1, "Executing") not in states(simulator)


OBSERVED_UPDATES: dict[str, list[int]] = {
    "state=Completed&instructionIds=1": [],
    "state=Completed&nodeId=1": [],
    "state=Completed&states=Queued&nodeId=1": [1],
    "states=Received,Executing&state=Completed&nodeIds=1,11,2,99": [2, 3],
    "states=Queued&state=Completed": [1],
    "states=Queued&state=Completed&nodeId=2": [],
    "states=Queuing,Queued&state=Completed&instructionIds=7,1": [1],
}


@pytest.mark.parametrize("query", OBSERVED_UPDATES)
def test_observed_an_update_by_filter_needs_states_and_refuses_nobody(query: str) -> None:
    with Simulator(TWO_USERS, clock=FrozenClock(NOW), fidelity="observed") as simulator:
        for number, node in enumerate([1, 11, 1], 1):
            post(simulator, {"nodeId": node}, f"{BASE}/add/other")
            state = ("Queued", "Received", "Executing")[number - 1]
            form(simulator, UPDATE, f"id={number}&state={state}")
        answer = form(simulator, UPDATE, query)
        assert (answer.status, answer.data) == (200, OBSERVED_UPDATES[query])
        why = simulator.journal.entries()[-1].detail.get("why", "")
        assert ("add states" in why) == ("states" not in query)


@pytest.mark.parametrize("field", ["parameters[0]", "parameters", "params", "resultParameters"])
def test_1_5_a_field_that_no_text_can_fill(world: Simulator, field: str) -> None:
    answer = form(world, f"{BASE}/add/other", f"nodeId=1&{field}=x")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00004")
    (error,) = answer.json["errors"]
    assert (error["location"], error["rejectedValue"]) == (f"instruction.{field}", "x")
    assert error["message"].endswith("no matching editors or conversion strategy found")


@pytest.mark.parametrize("index", ["256", "x", "", "-1"])
def test_1_5_an_index_that_leads_nowhere(world: Simulator, index: str) -> None:
    answer = form(world, f"{BASE}/add/other", f"nodeId=1&parameters[{index}].name=a")
    assert (answer.status, answer.json["code"]) == (422, "VAL.00005")
    assert answer.json["message"] == "Invalid request syntax"

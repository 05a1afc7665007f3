"""Forecasts and adjustments at the Flexibility Provider: oscp20.md §5.1, §5.6 and §9.3.

Cases X8, X10, X12, X19 and X21, each by its name; how they go on is told in `test_forwarding`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.fp_callers import (
    ADJUST,
    HANDSHAKE,
    REGISTER,
    UPDATE,
    forecast,
    heard,
    registration,
    rules,
    say,
    token_of,
    why,
)
from tests.oscp_sim.peers import (
    CO_URL,
    CP_URL,
    ERROR,
    Peers,
    group,
    optimizer,
    peers,
    provider,
    world,
)
from tests.oscp_sim.rig import NOW, delivered, shared_of

BOTH = (UPDATE, ADJUST)
TO = {UPDATE: f"{CO_URL}/1/update_group_capacity_forecast"}
TO[ADJUST] = f"{CP_URL}/3/adjust_group_capacity_forecast"


@pytest.fixture
def there() -> Iterator[Peers]:
    with peers(world()) as found:
        yield found


@pytest.mark.parametrize("action", BOTH)
def test_what_goes_on_is_rebuilt_and_keeps_its_id(there: Peers, action: str) -> None:
    body = {**forecast(capacity="50", start_time="2026-05-04T18:00:00+02:00"), "more": 1}
    more = [("X-Correlation-ID", "c1"), ("X-Segment-Index", "1")]
    assert say(there.simulator, action, body, more=more).status == 204
    assert there.sent == []
    there.clock.advance(1.5)
    (sent,) = there.sent
    assert sent.url == TO[action]
    assert sent.headers.keys() == {"Authorization", "Content-Type", "X-Request-ID"}
    assert sent.headers["X-Request-ID"] == "r1"
    start, end = "2026-05-04T16:00:00.000Z", "2026-05-04T16:30:00.000Z"
    assert sent.json == forecast(capacity=50.0, start_time=start, end_time=end)
    assert b'"capacity":50.0' in sent.body


@pytest.mark.parametrize("action", BOTH)
@pytest.mark.parametrize("name", ["depot-8", "Depot-7", "depot-7 ", "", "g" * 100_000])
def test_x19_an_unknown_group(there: Peers, action: str, name: str) -> None:
    answer = say(there.simulator, action, forecast(name))
    assert answer.refusal == (403, "ACCESS_DENIED")
    assert "has no group" in why(there.simulator)
    there.clock.advance(60)
    assert there.sent == []


def test_x19_a_group_of_somebody_else() -> None:
    others = {"capacity_provider": 4, "capacity_optimizer": 2}
    of = world(
        [provider(3), provider(4)],
        [optimizer(1), optimizer(2)],
        [group(19), group(20, identifier="port", **others)],
    )
    with peers(of) as there:
        for action in BOTH:
            assert say(there.simulator, action, forecast("port")).status == 403
        token = token_of(there.simulator, number=4)
        assert say(there.simulator, UPDATE, forecast("port"), token=token).status == 204


def test_a_group_is_named_as_its_number_is_written() -> None:
    with peers(world(groups=[group(identifier="7.50")])) as there:
        body = json.dumps(forecast("@")).replace('"@"', "7.50")
        assert say(there.simulator, UPDATE, body).status == 204


@pytest.mark.parametrize("action", BOTH)
def test_a_null_block_fails_later(there: Peers, action: str) -> None:
    body = {**forecast(), "forecasted_blocks": [None]}
    assert say(there.simulator, action, body).status == 204
    there.clock.advance(60)
    assert there.sent == []
    assert "null" in there.notes[0]


@pytest.mark.parametrize("action", BOTH)
@pytest.mark.parametrize(
    ("block", "sent"),
    [
        pytest.param({"capacity": -10.5}, {"capacity": -10.5}, id="negative capacity"),
        pytest.param({"capacity": "10.5"}, {"capacity": 10.5}, id="number as a text"),
        pytest.param(
            {"end_time": "2031-02-30T00:00:00Z"},
            {"end_time": "2031-02-28T00:00:00.000Z"},
            id="30 February",
        ),
        pytest.param(
            {"end_time": 1_930_089_600_000},
            {"end_time": "2031-03-01T00:00:00.000Z"},
            id="epoch milliseconds",
        ),
    ],
)
def test_what_the_schema_refuses_goes_on(
    there: Peers, action: str, block: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert say(there.simulator, action, forecast(**block)).status == 204
    (finding, *_) = heard(there.simulator).findings
    assert (finding["layer"], finding["severity"]) == ("schema", "warning")
    there.clock.advance(2)
    assert there.sent[0].json["forecasted_blocks"][0].items() >= sent.items()


@pytest.mark.parametrize("action", BOTH)
def test_x8_the_same_message_twice_goes_on_twice(there: Peers, action: str) -> None:
    for _ in range(2):
        assert say(there.simulator, action).status == 204
    first, second = there.simulator.journal.entries(party="flexibility_provider", sent=False)
    assert "S19" not in [finding["rule"] for finding in first.findings]
    (duplicate,) = [finding for finding in second.findings if finding["rule"] == "S19"]
    assert duplicate["exchange"] == first.number
    there.clock.advance(2)
    assert [sent.headers["X-Request-ID"] for sent in there.sent] == ["r1", "r1"]


def test_two_systems_may_use_the_same_id(there: Peers) -> None:
    say(there.simulator, UPDATE)
    say(there.simulator, ADJUST)
    assert "S19" not in rules(there.simulator)


def test_what_was_refused_was_not_said(there: Peers) -> None:
    say(there.simulator, UPDATE, forecast("depot-8"))
    assert say(there.simulator, UPDATE).status == 204
    assert rules(there.simulator) == []


@pytest.mark.parametrize("correlation_id", ["r0", "u9"])
def test_x10_a_correlation_id_is_not_read(there: Peers, correlation_id: str) -> None:
    more = [("X-Correlation-ID", correlation_id)]
    assert say(there.simulator, ADJUST, more=more).status == 204
    assert "S8" in rules(there.simulator)
    there.clock.advance(2)
    assert "X-Correlation-ID" not in there.sent[0].headers


def test_an_adjustment_of_what_was_passed_on_is_in_order(there: Peers) -> None:
    say(there.simulator, UPDATE, request_id="r1")
    there.clock.advance(2)
    more = [("X-Correlation-ID", "r1")]
    assert say(there.simulator, ADJUST, more=more, request_id="a1").status == 204
    assert rules(there.simulator) == []


def test_x12_a_forecast_before_the_handshake() -> None:
    with peers(world([provider(registration_status="Pending")])) as there:
        say(there.simulator, REGISTER, registration(), request_id="a1")
        there.clock.advance(2)
        token = token_of(there.simulator)
        assert say(there.simulator, UPDATE, token=token, request_id="r1").status == 204
        assert rules(there.simulator) == ["S17"]
        there.clock.advance(2)
        assert there.to(CO_URL)[0].url == TO[UPDATE]
        say(there.simulator, HANDSHAKE, token=token, request_id="h1")
        assert say(there.simulator, UPDATE, token=token, request_id="r2").status == 204
        # Only that it came before, under the id r1.
        assert rules(there.simulator) == ["same-message"]


@pytest.mark.parametrize("action", BOTH)
def test_x21_each_segment_is_a_whole_message(there: Peers, action: str) -> None:
    for index in (1, 2):
        more = [("X-Segment-Index", str(index)), ("X-Segment-Count", "2")]
        answer = say(there.simulator, action, more=more, request_id=f"r{index}")
        assert answer.status == 204
    there.clock.advance(2)
    assert {sent.headers["X-Request-ID"] for sent in there.sent} == {"r1", "r2"}
    assert all("X-Segment-Index" not in sent.headers for sent in there.sent)


@pytest.mark.parametrize("action", BOTH)
def test_three_tries(there: Peers, action: str) -> None:
    there.answers += [ERROR] * 3
    assert say(there.simulator, action).status == 204
    there.clock.advance(timedelta(hours=1))
    assert [sent.headers["X-Request-ID"] for sent in there.sent] == ["r1"] * 3
    assert f"{action} failed, try 3 of 3" in there.notes[0]


def test_an_empty_request_id_is_one(there: Peers) -> None:
    assert say(there.simulator, UPDATE, request_id="").status == 204
    there.clock.advance(2)
    assert there.sent[0].headers["X-Request-ID"] == ""


def test_an_update_that_no_optimizer_gets(there: Peers) -> None:
    shared = shared_of(there.simulator)
    (user,) = shared.world.users
    shared.change_group(user.id, user.capacity_groups[0].id, capacity_optimizer=9)
    assert say(there.simulator, UPDATE).status == 204
    there.clock.advance(60)
    assert there.sent == []


def test_the_journal_tells_of_it_before_it_goes_on() -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        assert say(simulator, UPDATE, forecast("foo-group")).status == 204
        assert say(simulator, ADJUST, forecast("foo-group")).status == 204
        assert [entry.sent for entry in simulator.journal.entries()] == [False, False]
        clock.advance(2)
        (adjusted,) = delivered(simulator)
        assert adjusted.action == ADJUST
        optimized = simulator.journal.entries(party="capacity_optimizer", kind="exchange")
        assert [entry.action for entry in optimized] == [UPDATE]


def test_a_reset_forgets_what_was_said(there: Peers) -> None:
    old = token_of(there.simulator)
    say(there.simulator, UPDATE)
    say(there.simulator, REGISTER, registration(), request_id="a1")
    there.simulator.reset()
    assert token_of(there.simulator) == old
    assert say(there.simulator, UPDATE).status == 204
    assert rules(there.simulator) == []
    there.clock.advance(60)
    assert [sent.url for sent in there.sent] == [TO[UPDATE]]

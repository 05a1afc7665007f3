"""What a simulated Capacity Provider makes of an adjustment (oscp20.md §3.7, §5.10, §7.3)."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim.outgoing import Unanswered
from tests.oscp_sim.other_side import CP, HEARTBEAT, facing, notes, rules, simulated
from tests.oscp_sim.rig import ADJUSTMENT, BLOCK, PROVIDER_TOKEN, ask_over_network, encoded

if TYPE_CHECKING:
    from oscp_sim import Simulator
    from tests.oscp_sim.rig import Answer

ACTION = "AdjustGroupCapacityForecast"
HEADERS = [
    ("Host", "cp.test"),
    ("Authorization", f"Token {PROVIDER_TOKEN}"),
    ("Content-Type", "application/json"),
    ("X-Request-ID", "u4"),
]


def forecast(capacity: float) -> dict[str, Any]:
    return {**ADJUSTMENT, "forecasted_blocks": [{**BLOCK, "capacity": capacity}]}


def test_accept() -> None:
    with facing("accept") as other:
        assert other.tell(ACTION, ADJUSTMENT).status == 204
        other.simulator.clock.advance(3600)
        assert other.got == []


@pytest.mark.parametrize(("behaviour", "status"), [("refuse", 409), ({"refusal": 422}, 422)])
def test_refuse(behaviour: object, status: int) -> None:
    if isinstance(behaviour, dict):
        behaviour = {"adjustments": "refuse", **behaviour}
    with facing(behaviour) as other:
        reply = other.tell(ACTION, ADJUSTMENT)
        assert reply.status == status
        assert json.loads(reply.body).keys() == {"message"}
        (entry,) = other.simulator.journal.entries()
        assert entry.response is not None
        assert entry.response.status == status


def test_what_was_refused_was_never_said() -> None:
    with facing("refuse") as other:
        for _ in range(2):
            other.tell(ACTION, ADJUSTMENT, request_id="u1")
        assert "S19" not in rules(other.simulator)


def test_only_adjustments_are_refused() -> None:
    with facing("refuse") as other:
        assert other.tell("Heartbeat", HEARTBEAT).status == 204


def test_what_is_wrong_is_refused_for_that() -> None:
    with facing("silent") as other:
        assert other.tell(ACTION, {}).status == 400


@pytest.mark.parametrize(
    ("chosen", "asked", "granted"),
    [
        ({"answer": "grant"}, 60, 60),
        ({"answer": "trim"}, 60, 50),
        ({"answer": "trim", "limit": 55}, 60, 55),
        ({"answer": "deny"}, 60, 50),
    ],
    ids=["grant", "trim", "trim to a limit", "deny"],
)
def test_answer_with_a_new_forecast(chosen: dict[str, Any], asked: float, granted: float) -> None:
    """§7.1, step 12: correlated with the adjustment."""
    with facing({"adjustments": "answer", **chosen}) as other:
        other.provider.forecast(message=forecast(50), request_id="r1")
        assert other.tell(ACTION, forecast(asked), request_id="u4").status == 204
        assert other.simulator.pending == 1
        other.simulator.clock.advance(1)
        assert other.actions() == ["UpdateGroupCapacityForecast"] * 2
        got = other.got[1]
        assert got.header("X-Correlation-ID") == "u4"
        assert got.header("X-Request-ID") not in {None, "r1", "u4"}
        assert [each["capacity"] for each in got.json["forecasted_blocks"]] == [granted]
        assert other.provider.forecasts == (forecast(50), got.json)
        assert other.simulator.pending == 0


@pytest.mark.parametrize(("after", "at"), [("30s", 30), ("1h", 3600)])
def test_the_answer_comes_when_the_world_says(after: str, at: int) -> None:
    with facing({"adjustments": "answer", "answer_after": after}) as other:
        other.tell(ACTION, ADJUSTMENT)
        other.simulator.clock.advance(at - 0.001)
        assert other.got == []
        other.simulator.clock.advance(0.001)
        assert len(other.got) == 1


def test_the_answer_follows_the_forecast_as_it_is_then() -> None:
    with facing({"adjustments": "answer", "answer": "deny", "answer_after": "1m"}) as other:
        other.tell(ACTION, forecast(60))
        other.provider.forecast(message=forecast(20))
        other.simulator.clock.advance(60)
        assert other.got[1].json["forecasted_blocks"][0]["capacity"] == 20


def test_an_answer_that_is_not_taken_is_sent_again_under_the_same_id() -> None:
    with facing("answer") as other:
        other.answers = [403, 503]
        other.tell(ACTION, ADJUSTMENT)
        other.simulator.clock.advance(60)
        assert len({each.header("X-Request-ID") for each in other.got}) == 1
        assert [each.at[:8] for each in other.got] == ["03:04:06", "03:04:11", "03:04:21"]
        assert notes(other.simulator) == []
        assert len(other.provider.forecasts) == 1


def test_an_adjustment_that_asks_for_nothing_is_not_answered() -> None:
    nothing = {**BLOCK, "end_time": BLOCK["start_time"]}
    with facing("answer") as other:
        message = {**ADJUSTMENT, "forecasted_blocks": [nothing]}
        assert other.tell(ACTION, message).status == 204
        other.simulator.clock.advance(60)
        assert other.got == []
        (note,) = notes(other.simulator)
        assert "is not answered" in note.detail["why"]


def test_silent() -> None:
    """The other side gives up after 20 s, although the message was taken (§5.10)."""
    with facing("silent") as other:
        with pytest.raises(Unanswered, match="Read timed out") as unanswered:
            other.tell(ACTION, ADJUSTMENT)
        assert unanswered.value.after == 20
        (entry,) = other.simulator.journal.entries()
        assert entry.response is None
        assert "silent" in entry.detail["why"]
        (got,) = other.provider.received
        assert (got.action, got.status) == (ACTION, None)


@pytest.mark.parametrize("seconds", [19, 21])
def test_a_delay_of_19_or_21_seconds(seconds: int) -> None:
    with facing({"delay": f"{seconds}s", "adjustments": "answer"}) as other:
        if seconds < 20:
            assert other.tell(ACTION, ADJUSTMENT).after == seconds
        else:
            with pytest.raises(Unanswered):
                other.tell(ACTION, ADJUSTMENT)
        other.simulator.clock.advance(seconds)
        assert other.got == []
        other.simulator.clock.advance(1)
        assert len(other.got) == 1


# --- over a socket, where somebody really waits


def over_network(simulator: Simulator) -> Answer:
    return ask_over_network(
        simulator.url,
        "POST",
        f"{CP}/adjust_group_capacity_forecast",
        HEADERS,
        encoded(ADJUSTMENT),
    )


def test_a_delay_over_the_network() -> None:
    with simulated({"delay": "200ms"}) as simulator:
        began = time.monotonic()
        assert over_network(simulator).status == 204
        assert time.monotonic() - began >= 0.2


def test_silence_over_the_network_ends_with_the_simulator() -> None:
    with facing("silent") as other:
        assert other.simulator.url
        asking = threading.Thread(target=_ask_in_vain, args=(other.simulator,))
        asking.start()
        other.simulator.journal.wait_for(party="capacity_provider", action=ACTION, timeout=10)
        assert asking.is_alive()
    asking.join(10)
    assert not asking.is_alive()


def _ask_in_vain(simulator: Simulator) -> None:
    try:
        over_network(simulator)
    except (OSError, ValueError, ConnectionError):
        return

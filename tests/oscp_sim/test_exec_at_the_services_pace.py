"""`exec` where it keeps the service's own pace (solaruser.md §1.9), on a clock of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from oscp_send.fidelity import Behaviour
from oscp_send.snws2 import SNWS2Auth
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.instructions import Instruction, Instructions, State
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.solaruser.waiting import TIMEOUT_MESSAGE, Results, look_times, wait_for_results
from tests.oscp_sim.rig import NOW, shared_of

PACED = Behaviour("documented", {"exec_waiting": "observed"})


class Paced:
    """Instructions whose pauses pass at once, with what happens in the course of them."""

    def __init__(self, events: dict[float, tuple[int, State]]) -> None:
        self.simulator = Simulator(clock=FrozenClock(NOW))
        self.instructions: Instructions = shared_of(self.simulator).instructions
        self.passed = 0.0
        self._events = sorted(events.items())

    def get(self, instruction_id: int) -> Instruction | None:
        return self.instructions.get(instruction_id)

    def pause(self, seconds: float) -> None:
        self.passed = round(self.passed + seconds, 3)
        while self._events and self._events[0][0] <= self.passed:
            _, (instruction_id, state) = self._events.pop(0)
            self.instructions.set_state(instruction_id, state)

    def rows(self, count: int) -> list[Instruction]:
        return [
            self.instructions.add(node_id=1, topic="other", pieces=(), state="Queued", result={})
            for _ in range(count)
        ]


def wait(
    paced: Paced, rows: list[Instruction], milliseconds: int | None, *, drawn: float = 0.5
) -> Results:
    chance = Random()
    chance.random = lambda: drawn  # type: ignore[method-assign]
    return wait_for_results(paced, rows, milliseconds, chance)  # type: ignore[arg-type]


def test_the_first_look_is_after_a_second_and_the_pauses_grow() -> None:
    assert list(look_times(4)) == [1.0, 2.125, 3.375, 4.75]


@pytest.mark.parametrize(("ready", "answered"), [(0.1, 1.0), (1.0, 1.0), (1.1, 2.125)])
def test_an_answer_comes_at_a_look(ready: float, answered: float) -> None:
    paced = Paced({ready: (1, "Completed")})
    results = wait(paced, paced.rows(1), 60_000)
    assert paced.passed == answered
    assert [row.state for row in results.rows] == ["Completed"]
    assert results.is_wrapped


def test_on_time_out_the_unfinished_say_so_at_the_look_that_is_not_too_late() -> None:
    paced = Paced({})
    results = wait(paced, paced.rows(1), 2_000)
    assert paced.passed == 2.125
    assert results.rows[0].result == {"message": TIMEOUT_MESSAGE}
    assert results.is_wrapped


@pytest.mark.parametrize(("drawn", "is_wrapped"), [(0.14, False), (0.15, True)])
def test_a_look_more_than_200_ms_late_leaves_the_answer_to_the_container_at_times(
    drawn: float, is_wrapped: bool
) -> None:
    paced = Paced({})
    results = wait(paced, paced.rows(1), 1_500, drawn=drawn)
    assert paced.passed == 1.7
    assert results.rows[0].result == ({"message": TIMEOUT_MESSAGE} if is_wrapped else {})
    assert results.is_wrapped == is_wrapped


def test_of_several_nodes_one_that_is_first_makes_all_wait_to_the_limit() -> None:
    paced = Paced({0.5: (1, "Completed"), 1.5: (2, "Completed")})
    results = wait(paced, paced.rows(2), 3_300)
    assert paced.passed == 3.375
    assert [row.state for row in results.rows] == ["Completed", "Completed"]


def test_several_that_are_ready_at_the_same_look_are_answered_then() -> None:
    paced = Paced({0.5: (1, "Completed"), 0.6: (2, "Declined")})
    wait(paced, paced.rows(2), 60_000)
    assert paced.passed == 1.0


def test_below_100_ms_nothing_is_waited_for() -> None:
    paced = Paced({})
    wait(paced, paced.rows(1), 99)
    assert paced.passed == 0.0


def test_a_reply_of_the_container_lacks_the_wrapper(clock: FrozenClock) -> None:
    with Simulator(clock=clock, fidelity=PACED, seed=713) as simulator:
        answer = _while_time_passes(clock, lambda: _exec(simulator, "other", 100))
    assert answer["topic"] == "other"
    assert "success" not in answer


def test_an_oscp_instruction_is_answered_with_its_wrapper(clock: FrozenClock) -> None:
    with Simulator(clock=clock, fidelity=PACED) as simulator:
        answer = _while_time_passes(clock, lambda: _exec(simulator, "OSCP_v20", 60_000))
    assert answer["success"] is True
    assert answer["data"]["state"] == "Completed"


def _exec(simulator: Simulator, topic: str, milliseconds: int) -> dict[str, Any]:
    params = {"action": "Handshake", "coId": "1", "cgIdentifier": "foo-group", "msg": "{}"}
    response = simulator.session().post(
        f"{IN_PROCESS_URL}/solaruser/api/v1/sec/instr/exec/{topic}?resultMaxWait={milliseconds}",
        json={"nodeId": 1, "params": params},
        auth=SNWS2Auth("rehearsal-token-0001", "rehearsal-secret", clock=lambda: NOW),
    )
    answer: dict[str, Any] = response.json()
    return answer


def _while_time_passes(clock: FrozenClock, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(ask()))
    asking.start()
    while asking.is_alive():
        clock.advance(0.05)
        asking.join(0.01)
    return answers[0]

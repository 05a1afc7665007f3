"""What is left to do after an answer, and when it is tried again: oscp20.md §5.3, §5.6, §5.10."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.flexibility_provider.delivery import ConfigurationProblem, DeliveryFailed, Retries
from oscp_sim.flexibility_provider.http_client import Sending
from oscp_sim.http import Response
from tests.oscp_sim.rig import NOW, shared_of

Outcome = Response | Exception | None
FAILED = DeliveryFailed("503 Service Unavailable: [no body]")


@dataclass
class Attempts:
    """An attempt that turns out as told, and notes when it was made."""

    clock: FrozenClock
    outcomes: list[Outcome]
    made: list[float] = field(default_factory=list)
    ended: list[tuple[float, str]] = field(default_factory=list)
    after: float = 0.0

    def __call__(self) -> Sending:
        self.made.append(self._now())
        outcome = self.outcomes.pop(0)
        if self.after:
            yield self.after
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def succeeded(self) -> None:
        self.ended.append((self._now(), "success"))

    def failed(self, why: str) -> None:
        self.ended.append((self._now(), why))

    def _now(self) -> float:
        return (self.clock.now() - NOW).total_seconds()


@pytest.fixture
def running(clock: FrozenClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        yield simulator


def run(
    simulator: Simulator, *outcomes: Outcome, tries: int = 3, seed: int = 1, after: float = 0.0
) -> Attempts:
    shared = shared_of(simulator)
    assert isinstance(shared.clock, FrozenClock)
    attempts = Attempts(shared.clock, list(outcomes), after=after)
    Retries(shared, Random(seed)).run(
        "Heartbeat",
        attempts,
        tries=tries,
        on_success=attempts.succeeded,
        on_failure=attempts.failed,
    )
    shared.clock.advance(timedelta(hours=1))
    return attempts


def notes(simulator: Simulator) -> list[tuple[str | None, str]]:
    entries = simulator.journal.entries(party="flexibility_provider", kind="note")
    return [(entry.action, entry.detail["why"]) for entry in entries]


def test_nothing_is_done_at_once(running: Simulator, clock: FrozenClock) -> None:
    attempts = Attempts(clock, [None])
    Retries(shared_of(running), Random(1)).run("Heartbeat", attempts)
    assert running.pending == 1
    clock.advance(0.499)
    assert attempts.made == []
    clock.advance(1)
    assert len(attempts.made) == 1
    assert running.pending == 0


@pytest.mark.parametrize("reply", [None, Response(204, reason="No Content")])
def test_success_at_the_first_try(running: Simulator, reply: Response | None) -> None:
    attempts = run(running, reply)
    assert [told for _, told in attempts.ended] == ["success"]
    assert attempts.ended[0][0] == attempts.made[0]
    assert notes(running) == []


def test_success_is_told_when_the_answer_has_come(running: Simulator) -> None:
    attempts = run(running, Response(204, reason="No Content"), after=7.5)
    assert attempts.ended == [(attempts.made[0] + 7.5, "success")]


def test_three_tries_after_5_and_10_seconds(running: Simulator) -> None:
    attempts = run(running, FAILED, FAILED, FAILED)
    first, second, third = attempts.made
    assert 5.5 <= second - first <= 6.499
    assert 10.5 <= third - second <= 11.499
    why = f"Heartbeat failed, try 3 of 3: {FAILED}"
    assert attempts.ended == [(third, why)]
    assert notes(running) == [("Heartbeat", why)]


def test_a_later_try_may_succeed(running: Simulator) -> None:
    attempts = run(running, FAILED, FAILED, None)
    assert attempts.ended == [(attempts.made[2], "success")]
    assert notes(running) == []


@pytest.mark.parametrize("tries", [1, 2, 3, 4, 5])
def test_as_many_tries_as_are_wanted(running: Simulator, tries: int) -> None:
    attempts = run(running, *[FAILED] * 6, tries=tries)
    assert len(attempts.made) == tries
    assert len(attempts.ended) == 1
    pauses = [b - a for a, b in zip(attempts.made, attempts.made[1:], strict=False)]
    assert all(pause < 6.5 for pause in pauses[:1])
    assert all(10.5 <= pause < 11.5 for pause in pauses[1:])


def test_a_silence_passes_before_the_next_try(running: Simulator) -> None:
    silent = DeliveryFailed("Read timed out")
    first, second, third = (attempts := run(running, silent, silent, silent, after=20.0)).made
    assert 25.5 <= second - first <= 26.499
    assert 30.5 <= third - second <= 31.499
    assert attempts.ended[0][0] == third + 20


def test_a_configuration_problem_is_not_tried_again(running: Simulator) -> None:
    attempts = run(running, ConfigurationProblem("Grid is not Registered"))
    assert len(attempts.made) == 1
    assert notes(running) == [("Heartbeat", "Grid is not Registered")]
    assert attempts.ended == [(attempts.made[0], "Grid is not Registered")]


def test_anything_else_is_tried_again(running: Simulator) -> None:
    wrong = ValueError("/forecasted_blocks/0 is null")
    attempts = run(running, wrong, wrong, wrong)
    assert len(attempts.made) == 3
    told = "Heartbeat failed, try 3 of 3: /forecasted_blocks/0 is null"
    assert notes(running) == [("Heartbeat", told)]


def test_nobody_need_be_told(running: Simulator, clock: FrozenClock) -> None:
    retries = Retries(shared_of(running), Random(1))
    retries.run("Register", Attempts(clock, [None]))
    retries.run("Register", Attempts(clock, [FAILED]), tries=1)
    clock.advance(60)
    assert [action for action, _ in notes(running)] == ["Register"]


def test_a_secret_in_a_reason_is_not_told(running: Simulator) -> None:
    token = "A" * 64
    running.journal.conceal(token)
    run(running, DeliveryFailed(f'I/O error on "http://me:secret@cp.test": {token}'), tries=1)
    told = notes(running)[0][1]
    assert "secret" not in told
    assert token not in told


@given(st.integers())
def test_the_delay_is_of_whole_milliseconds(seed: int) -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        (delay,) = run(simulator, None, seed=seed).made
    assert 0.5 <= delay <= 1.499
    assert round(delay * 1000) / 1000 == delay

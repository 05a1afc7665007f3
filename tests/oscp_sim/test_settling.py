"""Waiting until nothing is on its way: by the machine's clock, and by clocks that are simulated."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from oscp_sim import FastClock, RealClock, Simulator
from tests.oscp_sim.rig import NOW, instruction, post

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_sim.clock import Clock, FrozenClock

# Long enough to tell a wait that ends from one that does not.
LONG = 30.0


def acknowledged(simulator: Simulator) -> int:
    return len(simulator.journal.entries(action="HandshakeAcknowledge", sent=True))


def tell(simulator: Simulator) -> None:
    """Send a Handshake, which is acknowledged a second later."""
    answer = post(simulator, instruction(), when=simulator.clock.now())
    assert answer.data["state"] == "Queuing"


def begun(wait: Callable[[], bool]) -> tuple[threading.Thread, list[bool]]:
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(wait()))
    thread.start()
    return thread, answers


def test_where_nothing_happened_it_is_settled() -> None:
    with Simulator() as simulator:
        assert simulator.settle(0)


@pytest.mark.parametrize("speed", [None, 1000])
def test_what_is_due_later_is_awaited(speed: float | None) -> None:
    with Simulator(clock=FastClock(NOW, speed)) as simulator:
        tell(simulator)
        assert acknowledged(simulator) == 0 or speed
        assert simulator.settle(LONG)
        assert acknowledged(simulator) == 1
        assert simulator.pending == 0


def test_a_clock_that_runs_for_who_waits_goes_no_further_than_it_must() -> None:
    clock = FastClock(NOW)
    with Simulator(clock=clock) as simulator:
        tell(simulator)
        assert not simulator.settle(0.5)
        assert clock.monotonic() == 0
        assert simulator.settle(1.0)
        assert clock.monotonic() == 1


def test_by_a_frozen_clock_nobody_waits_for_what_is_due_later(
    simulator: Simulator, clock: FrozenClock
) -> None:
    """It returns at once, or this test takes an hour."""
    tell(simulator)
    assert not simulator.settle(3600)
    clock.advance(1)
    assert simulator.settle(3600)


class TestAnInstructionThatNobodyClaims:
    """SolarNetwork gives it up after 30 seconds; here, its Flexibility Provider is elsewhere."""

    @staticmethod
    def of(clock: Clock) -> Simulator:
        return Simulator(clock=clock, fidelity="observed", plays=["solaruser", "capacity_provider"])

    @staticmethod
    def states(simulator: Simulator) -> list[str | None]:
        return [each.state for each in simulator.journal.entries(kind="state")]

    def test_is_awaited_until_time_gives_it_up(self) -> None:
        with self.of(FastClock(NOW)) as simulator:
            tell(simulator)
            assert not simulator.settle(29)
            assert simulator.settle(31)
            assert self.states(simulator) == ["Queuing", "Queued"]

    def test_is_so_by_the_machines_clock_too(self) -> None:
        with self.of(RealClock()) as simulator:
            now = simulator.clock.now()
            dated = f"{now - timedelta(seconds=29.9):%Y-%m-%d %H:%M:%S.%fZ}"
            body = instruction() | {"instructionDate": dated}
            assert post(simulator, body, when=now).data["state"] == "Queuing"
            assert simulator.settle(LONG)
            assert self.states(simulator) == ["Queuing", "Queued"]

    def test_is_awaited_no_longer_once_it_is_forgotten(self) -> None:
        with self.of(RealClock()) as simulator:
            tell(simulator)
            thread, answers = begun(lambda: simulator.settle(LONG))
            simulator.reset()
            thread.join(LONG / 2)
            assert answers == [True]


def test_who_moves_a_frozen_clock_may_be_at_work(simulator: Simulator, clock: FrozenClock) -> None:
    """What is being done is awaited, though the clock stands."""
    entered, go_on = threading.Event(), threading.Event()

    def task() -> None:
        entered.set()
        go_on.wait(LONG)

    simulator.shared.schedule.soon(task)
    assert entered.wait(LONG)
    thread, answers = begun(lambda: simulator.settle(LONG))
    assert not answers
    go_on.set()
    thread.join(LONG / 2)
    assert answers == [True]


def test_who_calls_off_the_last_thing_wakes_who_waits() -> None:
    with Simulator() as simulator:
        task = simulator.shared.schedule.after(2 * LONG, lambda: None)
        thread, answers = begun(lambda: simulator.settle(LONG))
        assert not answers
        task.cancel()
        thread.join(LONG / 2)
        assert answers == [True]


def test_a_request_that_is_being_answered_is_awaited() -> None:
    with Simulator() as simulator, simulator.shared.schedule.asked():
        assert not simulator.settle(0)

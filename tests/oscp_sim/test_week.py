"""A day of the whole loop by a fast clock: nothing is left pending, and nothing is lost."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FastClock
from tests.week import START, Tally, register, run_days, world
from tests.week import tally as tallied

if TYPE_CHECKING:
    from types import FrameType

    from oscp_sim.entry import PartyName

DAYS, GROUPS = 1, 3
MINUTES = DAYS * 24 * 60
PLANS = DAYS * GROUPS


@pytest.fixture(scope="module")
def tally() -> Tally:
    return run_days(DAYS, GROUPS, hashed=True)


EXPECTED: dict[tuple[PartyName, str], int] = {
    ("flexibility_provider", "Register"): 1,
    ("capacity_provider", "Register"): 1,
    ("flexibility_provider", "Handshake"): 1,
    ("capacity_provider", "HandshakeAcknowledge"): 1,
    # The first of its own comes a minute after it registered; the other side's at each full one.
    ("flexibility_provider", "Heartbeat"): MINUTES - 1,
    ("capacity_provider", "Heartbeat"): MINUTES,
    # The forecast of each day, and the one that answers the adjustment.
    ("flexibility_provider", "UpdateGroupCapacityForecast"): 2 * PLANS,
    ("capacity_optimizer", "UpdateGroupCapacityForecast"): 2 * PLANS,
    ("capacity_provider", "AdjustGroupCapacityForecast"): PLANS,
}


@pytest.mark.parametrize("message", EXPECTED, ids=" ".join)
def test_every_message_arrives_once(tally: Tally, message: tuple[PartyName, str]) -> None:
    assert tally.received[message] == EXPECTED[message]


def test_nothing_else_is_said(tally: Tally) -> None:
    said = {message for message in tally.received if message[0] != "solaruser"}
    assert said == EXPECTED.keys()


def test_nothing_is_refused(tally: Tally) -> None:
    assert tally.refused == 0


def test_every_instruction_is_completed(tally: Tally) -> None:
    assert tally.states == {"Queuing": PLANS, "Executing": PLANS, "Completed": PLANS}


def test_nothing_is_pending(tally: Tally) -> None:
    assert tally.pending == 0


def test_the_same_seed_gives_the_same_bytes(tally: Tally) -> None:
    assert run_days(DAYS, GROUPS, hashed=True) == tally


def calls_for_a_heartbeat(providers: int) -> float:
    """Return how many functions are called for one of so many providers' heartbeats."""
    calls = Counter[str]()

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        calls[event] += 1

    with Simulator(world(providers, providers), clock=FastClock(START)) as simulator:
        register(simulator, providers)
        # All that is made once is there.
        simulator.clock.advance(120)
        before = sum(tallied(simulator).received.values())
        profiled = sys.getprofile()
        sys.setprofile(count)
        try:
            simulator.clock.advance(120)
        finally:
            sys.setprofile(profiled)
        return calls["call"] / (sum(tallied(simulator).received.values()) - before)


def test_a_heartbeat_costs_the_same_however_many_providers_there_are() -> None:
    assert calls_for_a_heartbeat(40) < 1.05 * calls_for_a_heartbeat(4)

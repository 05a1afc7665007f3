"""Days of the whole loop by a fast clock: forecasts, adjustments and heartbeats of many groups.

Each day at ten every Capacity Group is sent the next day's forecast, its Capacity Optimizer asks
for more by an instruction through SolarUser, and the Capacity Provider answers with a new one;
heartbeats go both ways every minute.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from oscp_send import AdjustGroupCapacityForecast, SolarUserClient, forecasted_blocks
from oscp_sim import Simulator
from oscp_sim.clock import FastClock
from oscp_sim.outgoing import IN_PROCESS_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oscp_sim.entry import PartyName
    from oscp_sim.system import SimulatedProvider

__all__ = ["START", "Tally", "register", "run_days", "tally", "world"]

START = datetime(2026, 3, 2, tzinfo=UTC)
TOKEN, SECRET = "rehearsal-token-0001", "rehearsal-secret"
BLOCKS = 96
STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened in so many days.

    Attributes:
        received: How many messages each party received, by party and action.
        refused: How many of them it did not take.
        states: How many instructions ended in which state.
        pending: What is still on its way.
        journal: The SHA-256 of everything that the journal has, where it is asked for.
    """

    received: Mapping[tuple[PartyName, str], int]
    refused: int
    states: Mapping[str, int]
    pending: int
    journal: str


def world(groups: int, providers: int = 1) -> dict[str, Any]:
    """Return a world of so many providers and one optimizer, not registered yet."""
    return {
        "users": [
            {
                "id": 42,
                "tokens": [{"id": TOKEN, "secret": SECRET}],
                "nodes": [1],
                "capacity_providers": [
                    {
                        "id": number,
                        "name": f"Grid {number}",
                        "token": f"cp-token-{number}",
                        "registration_status": "Pending",
                        "behaviour": {"adjustments": "answer", "heartbeat_every": "60s"},
                    }
                    for number in range(1, providers + 1)
                ],
                "capacity_optimizers": [{"id": 1, "name": "Depot"}],
                "capacity_groups": [
                    {
                        "id": number,
                        "identifier": f"group-{number}",
                        "capacity_provider": _provider_of(number, providers),
                        "capacity_optimizer": 1,
                    }
                    for number in range(1, groups + 1)
                ],
            }
        ]
    }


def _provider_of(group: int, providers: int) -> int:
    return (group - 1) % providers + 1


def register(simulator: Simulator, providers: int) -> None:
    """Register each provider, and let it ask for heartbeats every minute."""
    for number in range(1, providers + 1):
        simulator.provider(number).register()
    simulator.clock.advance(5)
    for number in range(1, providers + 1):
        # On the minute's grid, an interval of 60 s would be served every other minute.
        simulator.provider(number).handshake(heartbeat_interval=59)
    simulator.clock.advance(5)


def run_days(days: int, groups: int, providers: int = 1, *, hashed: bool = False) -> Tally:
    """Let so many days pass, and return what happened."""
    clock = FastClock(START)
    with Simulator(world(groups, providers), clock=clock) as simulator:
        register(simulator, providers)
        client = SolarUserClient(
            IN_PROCESS_URL,
            TOKEN,
            SECRET,
            session=simulator.session(),
            clock=clock.now,
            sleep=clock.sleep,
        )
        for day in range(days):
            clock.advance(START + timedelta(days=day, hours=10) - clock.now())
            for number in range(1, groups + 1):
                provider = simulator.provider(_provider_of(number, providers))
                _plan(provider, client, f"group-{number}", START + timedelta(days=day + 1))
        clock.advance(START + timedelta(days=days) - clock.now())
        return tally(simulator, hashed=hashed)


def _plan(
    provider: SimulatedProvider, client: SolarUserClient, group: str, tomorrow: datetime
) -> None:
    forecast = provider.forecast(group=group, start=tomorrow, step=STEP, capacities=[50.0] * BLOCKS)
    provider.shared.clock.sleep(2)
    wanted = AdjustGroupCapacityForecast(
        group, "CONSUMPTION", forecasted_blocks(tomorrow, STEP, [55.0] * BLOCKS)
    )
    sent = client.send(
        "AdjustGroupCapacityForecast",
        wanted,
        node_id=1,
        co_id=1,
        cg_identifier=group,
        correlation_id=forecast.request_id,
    )
    client.wait(sent, timeout=30)


def tally(simulator: Simulator, *, hashed: bool = False) -> Tally:
    """Return what has happened so far."""
    exchanges = simulator.journal.entries(kind="exchange", sent=False)
    received = Counter((each.party, each.action or "") for each in exchanges)
    states: Counter[str] = Counter()
    for entry in simulator.journal.entries(kind="state"):
        states[entry.state or ""] += 1
    refused = sum(each.status is None or each.status >= 300 for each in exchanges)
    journal = sha256()
    for entry in simulator.journal.entries() if hashed else ():
        journal.update(json.dumps(entry.to_dict()).encode())
    return Tally(received, refused, states, simulator.pending, journal.hexdigest())

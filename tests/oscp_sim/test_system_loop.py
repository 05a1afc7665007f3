"""Simulated systems and the Flexibility Provider between them (oscp20.md §7.1 and §11)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.other_side import notes, simulated, world
from tests.oscp_sim.rig import ADJUSTMENT, BLOCK, NOW

if TYPE_CHECKING:
    from oscp_sim.entry import Entry

# The start delay of what the Flexibility Provider does later is below this (§5.3).
SOON = 2


def told(simulator: Simulator, party: str = "capacity_provider") -> list[tuple[str | None, bool]]:
    """The messages of a party, each with whether it sent it."""
    return [
        (entry.action, entry.sent)
        for entry in simulator.journal.entries(kind="exchange")
        if entry.party == party
    ]


def findings(entry: Entry) -> set[str]:
    return {each["rule"] for each in entry.findings if each["severity"] == "error"}


@pytest.mark.parametrize("party", ["capacity_provider", "capacity_optimizer"])
def test_registration_and_handshake(party: str) -> None:
    with simulated(registration_status="Pending") as simulator:
        system = simulator.provider(3) if party == "capacity_provider" else simulator.optimizer(1)
        assert system.register(new_token=True).status == 204
        simulator.clock.advance(SOON)
        assert system.handshake().status == 204
        simulator.clock.advance(SOON)
        simulator.clock.advance(90)
        assert told(simulator, party) == [
            ("Register", True),
            ("Register", False),
            ("Handshake", True),
            ("HandshakeAcknowledge", False),
            ("Heartbeat", False),
        ]
        state = system.to_dict()
        assert (state["registered"], state["handshaken"], state["offline"]) == (True, True, False)
        assert [findings(entry) for entry in simulator.journal.entries(party=system.party)] == [
            set()
        ] * 5
        assert system.system.registration_status == "Registered"
        assert simulator.pending == 0


def test_there_is_a_gap_without_a_valid_token() -> None:
    """§11.10: registering kills the old token at once, and the new one takes a second."""
    with simulated() as simulator:
        provider = simulator.provider(3)
        assert provider.forecast(message=ADJUSTMENT).status == 204
        provider.register()
        assert provider.forecast(message=ADJUSTMENT).status == 403
        simulator.clock.advance(SOON)
        assert provider.forecast(message=ADJUSTMENT).status == 204


def test_a_system_that_is_locked_out_is_let_in_with_a_token_told_out_of_band() -> None:
    made = world({"statuses": {"X7": 400}})
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        provider = simulator.provider(3)
        # Where this says that it is, nobody answers.
        provider.register(base_url="http://127.0.0.1:9/nobody")
        simulator.clock.advance(60)
        assert provider.heartbeat().status == 403
        assert provider.register().status == 403
        token = provider.system.flexibility_provider_token
        assert provider.register(show=token).status == 204
        simulator.clock.advance(SOON)
        assert provider.heartbeat().status == 204


def test_the_loop() -> None:
    """Steps 6, 7, the adjustment over HTTP, and 12."""
    with simulated({"adjustments": "answer", "answer": "trim", "limit": 45}) as simulator:
        provider, optimizer = simulator.provider(3), simulator.optimizer(1)
        provider.forecast(message=ADJUSTMENT, request_id="r1")
        simulator.clock.advance(SOON)
        (forecast,) = optimizer.received
        assert (forecast.request_id, forecast.correlation_id) == ("r1", None)
        asked = {**BLOCK, "capacity": 60}
        optimizer.adjust(message={**ADJUSTMENT, "forecasted_blocks": [asked]}, request_id="a1")
        simulator.clock.advance(SOON)
        (adjustment,) = provider.received
        assert (adjustment.request_id, adjustment.correlation_id) == ("a1", None)
        simulator.clock.advance(1 + SOON)
        answer = provider.sent[-1]
        entry = next(e for e in simulator.journal.entries(sent=True) if e.number == answer.entry)
        assert entry.request is not None
        assert dict(entry.request.headers)["X-Correlation-ID"] == "a1"
        granted = [block["capacity"] for block in optimizer.forecasts[-1]["forecasted_blocks"]]
        assert granted == [45]
        assert simulator.pending == 0


def test_in_a_day_of_heartbeats_nobody_is_ever_offline() -> None:
    with simulated({"heartbeat_every": "1m"}) as simulator:
        provider = simulator.provider(3)
        provider.handshake(heartbeat_interval=60)
        simulator.clock.advance(SOON)
        simulator.clock.advance(timedelta(days=1))
        exchanges = len(provider.sent) + len(provider.received)
        assert exchanges > 2000
        assert notes(simulator) == []

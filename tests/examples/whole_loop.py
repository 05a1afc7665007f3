"""The whole loop in a test of your own, with time in your hand."""

from datetime import UTC, datetime, timedelta

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock


def rehearse_the_loop() -> None:
    """Register, shake hands and forecast as the Capacity Provider, and look what arrives."""
    clock = FrozenClock(datetime(2026, 5, 4, 15, 30, tzinfo=UTC))
    with Simulator(clock=clock) as simulator:
        grid = simulator.provider(3)
        grid.register()
        clock.advance(2)  # the Flexibility Provider's own Register comes a second later
        grid.handshake(heartbeat_interval=300)
        clock.advance(timedelta(minutes=10))  # with two heartbeats
        sent = grid.forecast(start="2026-05-04T16:00:00Z", step="30m", capacities=[50, 35.5])
        clock.advance(2)
        forwarded = simulator.journal.entries(party="capacity_optimizer", kind="exchange")[-1]
        assert forwarded.request is not None
        assert ("x-request-id", sent.request_id) in forwarded.request.headers
        assert [each.action for each in grid.received].count("Heartbeat") == 2

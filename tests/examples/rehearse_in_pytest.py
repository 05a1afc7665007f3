"""Hold your own sender against the simulator, in your own tests."""

from oscp_sim import Simulator
from tests.examples.send_adjustment import ask_for_more


def rehearse() -> None:
    """Sends through the real HTTP interface and looks at what the Capacity Provider received."""
    with Simulator() as simulator:
        state = ask_for_more(simulator.url, "rehearsal-token-0001", "rehearsal-secret")
        assert state == "Completed"
        delivered = simulator.journal.wait_for(
            party="capacity_provider",
            request={"body": {"forecasted_blocks": [{"capacity": 42}, {}, {}, {}]}},
            timeout=2,
        )
        assert delivered.response is not None
        assert delivered.response.status == 204

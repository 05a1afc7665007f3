"""Send a handshake, and verify what came of it."""

from oscp_send import SolarUserClient
from oscp_sim import Simulator

with Simulator() as simulator:
    client = SolarUserClient(simulator.url, "rehearsal-token-0001", "rehearsal-secret")
    client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")
    simulator.verify(party="capacity_provider", action="Handshake", exactly=1, within=2)
    simulator.verify(state="Declined", none=True)
    simulator.verify(
        party="capacity_provider",
        order=[{"action": "Handshake"}, {"action": "HandshakeAcknowledge"}],
        nothing_else=True,
    )
    for entry in simulator.journal.entries(party="capacity_provider"):
        print(entry)

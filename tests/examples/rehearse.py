"""Send to the simulator instead of SolarUser, and look at what the Capacity Provider got."""

from oscp_send import SolarUserClient
from oscp_sim import Simulator

with Simulator() as simulator:
    client = SolarUserClient(simulator.url, "rehearsal-token-0001", "rehearsal-secret")
    sent = client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")
    assert client.wait(sent, timeout=10).state == "Completed"
    got = simulator.journal.wait_for(party="capacity_provider", action="Handshake", timeout=2)
    print(got.request, got.response)

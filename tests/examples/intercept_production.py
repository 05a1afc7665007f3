from oscp_send import SolarUserClient
from oscp_sim import Simulator


def ask_for_a_handshake() -> None:
    """Stand for a program of yours, with production's URL in its source."""
    url = "https://data.solarnetwork.net"
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")


def rehearse_the_program() -> None:
    with Simulator() as simulator, simulator.intercept(others="refuse"):
        ask_for_a_handshake()
        simulator.verify(party="capacity_provider", action="Handshake", exactly=1, within=2)

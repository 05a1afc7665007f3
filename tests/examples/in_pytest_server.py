"""A program that is started once for all tests; here, its part is played by a function."""

from collections.abc import Callable

import pytest

from oscp_send import SolarUserClient
from oscp_sim import Simulator


@pytest.fixture(scope="session")
def program(oscp_server: Simulator) -> Callable[[], object]:
    """Start it with the address that it is to send to."""
    client = SolarUserClient(oscp_server.url, "rehearsal-token-0001", "rehearsal-secret")
    return lambda: client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group")


@pytest.mark.parametrize("time", [1, 2])
def test_each_test_finds_it_cleared(
    program: Callable[[], object], oscp_server: Simulator, time: int
) -> None:
    program()
    oscp_server.verify(party="capacity_provider", action="Handshake", exactly=1)


@pytest.mark.oscp(faults=[{"where": "hand_off", "fault": "doubled"}], seed=7)
def test_its_own_marker_counts(program: Callable[[], object], oscp_server: Simulator) -> None:
    assert oscp_server.seed == 7

"""Tests of a sender; nothing is imported for them but what they are annotated with."""

import pytest

from oscp_send import InstructionDeclined, SolarUserClient
from oscp_sim import Simulator


def ask(url: str, group: str = "foo-group") -> None:
    """Stand for the sender that is to be tested."""
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    client.send("Handshake", "{}", node_id=1, co_id=1, cg_identifier=group)


def test_a_handshake_arrives(oscp: Simulator) -> None:
    ask(oscp.url)
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)


@pytest.mark.oscp(clock="frozen", faults=[{"where": "hand_off", "fault": "late", "by": "20s"}])
def test_a_handshake_may_take_its_time(oscp: Simulator) -> None:
    ask(oscp.url)
    oscp.verify(party="capacity_provider", action="Handshake", none=True)
    oscp.clock.advance("20s")
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)


def test_a_group_that_nobody_has(oscp: Simulator) -> None:
    with pytest.raises(InstructionDeclined):
        ask(oscp.url, group="no-group")
    oscp.verify(state="Declined", exactly=1)
    oscp.verify(party="capacity_provider", none=True)


def test_nothing_to_do(oscp: Simulator) -> None:
    oscp.assert_nothing_sent()

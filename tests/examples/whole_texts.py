"""Send texts that SolarUser cuts within a character, and find them whole at the other end."""

import json

from hypothesis import given, settings

from oscp_send import SolarUserClient
from oscp_send.testing import correlation_ids, texts_near_part_boundaries
from oscp_sim import Simulator

ACTION = "GroupCapacityComplianceError"


def test_what_is_sent_arrives() -> None:
    with Simulator() as simulator:
        client = SolarUserClient(simulator.url, "rehearsal-token-0001", "rehearsal-secret")

        @settings(deadline=None)
        @given(texts_near_part_boundaries(), correlation_ids())
        def arrives(text: str, correlation_id: str) -> None:
            mark = simulator.journal.last
            client.send(
                ACTION,
                {"message": text},
                node_id=1,
                co_id=1,
                cg_identifier="foo-group",
                correlation_id=correlation_id,
            )
            (taken,) = simulator.verify(
                party="capacity_provider", action=ACTION, exactly=1, since=mark
            )
            assert taken.request is not None
            assert json.loads(taken.request.text) == {"message": text}
            assert dict(taken.request.headers)["x-correlation-id"] == correlation_id

        arrives()

"""Send messages that are broken in one way each, and find SolarUser's answer as foretold."""

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from oscp_send import SNWS2Auth, check
from oscp_send.testing import Broken, Sample, broken, damaged, messages
from oscp_sim import Simulator


def answer(url: str, drawn: Broken) -> tuple[bool, str | None]:
    """Return whether SolarUser has queued a message, and its text if it has not."""
    params = {"action": drawn.action, "coId": "1", "cgIdentifier": "foo-group", "msg": drawn.text}
    reply = requests.post(
        f"{url}/solaruser/api/v1/sec/instr/add/OSCP_v20",
        json={"nodeId": 1, "params": params},
        auth=SNWS2Auth("rehearsal-token-0001", "rehearsal-secret"),
        timeout=10,
    )
    instruction = reply.json()["data"]
    results = instruction.get("resultParameters") or {}
    return instruction["state"] != "Declined", results.get("error")


def test_the_answer_is_the_one_to_be_expected() -> None:
    with Simulator() as simulator:

        @settings(deadline=None)
        @given(broken(messages(group_ids=st.just("foo-group"))))
        def is_foretold(drawn: Broken) -> None:
            accepted, error = answer(simulator.url, drawn)
            assert drawn.is_answered_by(accepted=accepted, error=error), drawn.what

        is_foretold()


@given(damaged(messages()))
def test_no_damage_is_too_much_to_be_judged(sample: Sample) -> None:
    judged = check(sample.action, sample.text)
    assert judged.accepted == (judged.error is None)

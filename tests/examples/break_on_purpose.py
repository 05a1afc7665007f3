from oscp_send import PossiblySent, SolarUserClient
from oscp_sim import Simulator


def rehearse_a_reset() -> str:
    with Simulator() as simulator:
        reset = simulator.faults.add(
            where="solaruser", path="/instr/add/OSCP_v20", fault="reset_after", times=1
        )
        client = SolarUserClient(simulator.url, "rehearsal-token-0001", "rehearsal-secret")
        try:
            client.send(
                "GroupCapacityComplianceError",
                {"message": "m"},
                node_id=1,
                co_id=1,
                cg_identifier="foo-group",
            )
        except PossiblySent as error:
            found = client.settle(error)  # it was accepted, only the answer was lost
    assert reset.struck == 1
    return "nothing" if found is None else f"instruction {found.id}"

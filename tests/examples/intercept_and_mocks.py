import requests
import responses

from oscp_sim import Simulator

STATUS = "https://data.solarnetwork.net/solaruser/api/v1/sec/instr/view?id=1"


def rehearse_with_mocks() -> list[int]:
    seen = []
    with Simulator() as simulator, simulator.intercept(), responses.RequestsMock() as mocks:
        mocks.get("https://weather.example/now", json={"sun": 0.7})
        seen.append(requests.get("https://weather.example/now", timeout=5).status_code)
        seen.append(requests.get(STATUS, timeout=5).status_code)  # the simulator: not signed
        mocks.get(STATUS, status=503)
        seen.append(requests.get(STATUS, timeout=5).status_code)  # the mock, which is further in
    return seen

from datetime import UTC, datetime

import httpx

from oscp_sim import FrozenClock, Simulator


def read_why_it_is_refused() -> str:
    headers = {
        "X-SN-Date": "Mon, 04 May 2026 16:00:00 GMT",
        "Authorization": (
            "SNWS2 Credential=rehearsal-token-0001,SignedHeaders=host;x-sn-date,"
            f"Signature={'0' * 64}"
        ),
    }
    clock = FrozenClock(datetime(2026, 5, 4, 16, 0, tzinfo=UTC))
    with Simulator(clock=clock) as simulator, simulator.intercept(), httpx.Client() as client:
        url = "https://data.solarnetwork.net/solaruser/api/v1/sec/instr/view?id=1"
        try:
            client.get(url, headers=headers).raise_for_status()
        except httpx.HTTPStatusError as error:
            return str(error)
    return "it was taken"

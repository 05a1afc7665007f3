"""Ask SolarUser with a request of your own."""

import httpx

from oscp_send import SNWS2HttpxAuth


def instructions_of(url: str, token: str, secret: str, node_id: int) -> str:
    """Return the instructions of a node, as SolarUser writes them."""
    auth = SNWS2HttpxAuth(token, secret)
    answer = httpx.get(
        f"{url}/solaruser/api/v1/sec/instr",
        params={"nodeIds": node_id},
        headers={"Accept": "application/json"},
        auth=auth,
    )
    return answer.raise_for_status().text

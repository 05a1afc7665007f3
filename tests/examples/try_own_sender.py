"""A sender of one's own, and a test of its properties."""

import time
from typing import Any

import requests

from oscp_send import SNWS2Auth
from oscp_send.testing import Outcome, Sending, sender_properties

INSTR = "/solaruser/api/v1/sec/instr"


class Refused(Exception):
    """SolarUser itself refused the request, so nothing was queued."""


def deliver(url: str, auth: SNWS2Auth, node: int, params: dict[str, str], timeout: float) -> str:
    """Send a message, and return the state in which its instruction was last seen."""
    body = {"nodeId": node, "params": params}
    answer = requests.post(
        f"{url}{INSTR}/add/OSCP_v20", json=body, auth=auth, timeout=timeout, allow_redirects=False
    )
    told: dict[str, Any] = answer.json()
    if 400 <= answer.status_code < 500 and told.get("success") is False:
        raise Refused(told.get("message"))
    answer.raise_for_status()
    instruction, until = told["data"], time.monotonic() + timeout
    while instruction["state"] not in {"Completed", "Declined"} and time.monotonic() < until:
        time.sleep(0.02)
        view = f"{url}{INSTR}/view?id={instruction['id']}"
        headers = {"Accept": "application/json"}
        instruction = requests.get(view, headers=headers, auth=auth, timeout=timeout).json()["data"]
    return str(instruction["state"])


def send(sending: Sending) -> Outcome:
    """Adapt it: send what is asked for, and say what its state means."""
    auth = SNWS2Auth(sending.token, sending.secret)
    params = {"action": sending.action, "msg": sending.text, "coId": str(sending.co_id)}
    params |= {"cgIdentifier": sending.cg_identifier}
    params |= {"correlationId": sending.correlation_id} if sending.correlation_id else {}
    state = deliver(sending.url, auth, sending.node_id, params, sending.timeout)
    known: dict[str, Outcome] = {"Completed": "delivered", "Declined": "not delivered"}
    return known.get(state, "unknown")


test_own_sender = sender_properties(
    send, not_delivered=Refused, unknown=(requests.RequestException, KeyError)
)

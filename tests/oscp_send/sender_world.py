"""What the sender's tests have in common: a client, its checkers, and SolarUser's replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import responses

from oscp_send.client import SolarUserClient
from oscp_send.findings import Finding, Judgement

#: What answers in the place of SolarUser.
Service = responses.RequestsMock

BASE = "https://solar.example"
INSTR = f"{BASE}/solaruser/api/v1/sec/instr"
ADD = f"{INSTR}/add/OSCP_v20"
VIEW = f"{INSTR}/view"
SECRET = "hunter2-hunter2"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HANDSHAKE = '{"required_behaviour":{"measurement_configuration":["CONTINUOUS"]}}'
TO: dict[str, Any] = {"node_id": 101, "co_id": 7, "cg_identifier": "depot-a"}


def accepting(action: str, text: str) -> Judgement:
    return Judgement(action, accepted=True, stage=None, error=None)


def refusing(action: str, text: str) -> Judgement:
    finding = Finding(
        "schema",
        "enum",
        "error",
        "/forecasted_blocks/3/unit",
        '"kW" is not one of A, W, KW, WH, KWH',
        'units are upper case on the wire: "KW"',
    )
    warning = Finding("meaning", "S1", "warning", "/forecasted_blocks/7", "ends early")
    return Judgement(
        action, accepted=False, stage="schema", error="E.", findings=(finding, warning)
    )


def in_short(findings: Iterable[Finding]) -> list[str]:
    """Return findings as a table has them: rule, severity, and pointer if there is one."""
    return [f"{each.rule} {each.severity} {each.pointer}".rstrip() for each in findings]


#: What makes a client; the fixture `service` changes it.
SENDER: Callable[..., SolarUserClient] = SolarUserClient


def make_client(**options: Any) -> SolarUserClient:  # noqa: ANN401 - passed on to the client
    options = {"clock": lambda: NOW, "checker": accepting} | options
    return SENDER(BASE, "the-token", SECRET, **options)


def instruction(state: str = "Queuing", **changes: object) -> dict[str, Any]:
    return {
        "id": 5012345,
        "created": "2026-01-02 03:04:05.123456Z",
        "nodeId": 101,
        "topic": "OSCP_v20",
        "instructionDate": "2026-01-02 03:04:05.1Z",
        "state": state,
        "statusDate": "2026-01-02 03:04:05Z",
    } | changes


def reply(state: str = "Queuing", **changes: object) -> dict[str, Any]:
    return {"success": True, "data": instruction(state, **changes)}

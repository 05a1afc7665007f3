"""What the tests of the commands have in common: their types, files and SolarUser's replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

from tests.cases.payloads import block, changed, forecast
from tests.oscp_send import sender_world

Cli = Callable[..., Result]
Write = Callable[[str, str | bytes], str]

ACTION = "AdjustGroupCapacityForecast"
TO = ("--action", ACTION, "--node-id", "1", "--co-id", "1", "--cg-identifier", "foo-group")


def pretty(**first_block: object) -> str:
    """Return an adjustment of two blocks over several lines; the first one differs."""
    second = block(start_time="2031-03-01T00:15:00Z", end_time="2031-03-01T00:30:00Z")
    value = json.loads(forecast(forecasted_blocks=[block(**first_block), second]))
    return json.dumps(value, indent=2) + "\n"


def params(**changes: object) -> dict[str, Any]:
    """Return the parameters of an adjustment."""
    base = {"coId": "1", "cgIdentifier": "foo-group", "action": ACTION, "msg": forecast()}
    return changed(base, changes)


def request_body(**changes: object) -> str:
    """Return a whole request body over several lines, whose parameters differ."""
    return json.dumps({"nodeId": 1, "params": params(**changes)}, indent=2) + "\n"


def instruction(state: str = "Queuing", **changes: object) -> dict[str, Any]:
    """Return an instruction that carries that, as SolarUser writes it."""
    parameters = [{"name": name, "value": value} for name, value in params().items()]
    whole = sender_world.instruction(state, nodeId=1, parameters=parameters)
    return changed(whole, changes)


def reply(state: str = "Queuing", **changes: object) -> dict[str, Any]:
    """Return SolarUser's reply about one instruction."""
    return {"success": True, "data": instruction(state, **changes)}

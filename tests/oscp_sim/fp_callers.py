"""External systems that call the Flexibility Provider, request by request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from oscp_sim import Simulator
from oscp_sim.entry import Entry
from oscp_sim.world import CapacityOptimizer, CapacityProvider
from tests.cases.case import ACTIONS
from tests.oscp_sim.rig import JSON, Answer, ask, encoded

FP = "/oscp/fp/2.0"
FP_URL = "http://simulator.invalid/oscp/fp/2.0"
Role = Literal["provider", "optimizer"]

REGISTER, HANDSHAKE = ACTIONS["R"], ACTIONS["HS"]
ACKNOWLEDGE, HEARTBEAT = ACTIONS["HA"], ACTIONS["HB"]
UPDATE, ADJUST = ACTIONS["U"], ACTIONS["A"]
PATHS = {
    REGISTER: "/register",
    HANDSHAKE: "/handshake",
    ACKNOWLEDGE: "/handshake_acknowledge",
    HEARTBEAT: "/heartbeat",
    UPDATE: "/update_group_capacity_forecast",
    ADJUST: "/adjust_group_capacity_forecast",
}


def registration(
    base_url: str = "http://cp.test/new", shown: object = "cp-token-new", version: object = "2.0"
) -> dict[str, Any]:
    return {"token": shown, "version_url": [{"version": version, "base_url": base_url}]}


def behaviour(interval: object = 60, styles: object = ("CONTINUOUS",)) -> dict[str, Any]:
    asked = {"heartbeat_interval": interval, "measurement_configuration": styles}
    given = {name: value for name, value in asked.items() if value is not None}
    return {"required_behaviour": given}


def forecast(group: str = "depot-7", kind: str = "CONSUMPTION", **block: object) -> dict[str, Any]:
    base = {
        "capacity": 50,
        "phase": "ALL",
        "unit": "KW",
        "start_time": "2026-05-04T16:00:00Z",
        "end_time": "2026-05-04T16:30:00Z",
    }
    return {"group_id": group, "type": kind, "forecasted_blocks": [{**base, **block}]}


GOOD: dict[str, dict[str, Any]] = {
    REGISTER: registration(),
    HANDSHAKE: behaviour(),
    ACKNOWLEDGE: behaviour(),
    HEARTBEAT: {"offline_mode_at": "2026-03-01T13:00:00Z"},
    UPDATE: forecast(),
    ADJUST: forecast(),
}


def system(
    simulator: Simulator, role: Role = "provider", number: int | None = None
) -> CapacityProvider | CapacityOptimizer:
    """A system of the only user of a world, as it is now; the first where none is named."""
    (user,) = simulator.world.users
    systems = user.capacity_providers if role == "provider" else user.capacity_optimizers
    return next(each for each in systems if number in {None, each.id})


def token_of(simulator: Simulator, role: Role = "provider", number: int | None = None) -> str:
    """The token with which a system calls the Flexibility Provider now."""
    token = system(simulator, role, number).flexibility_provider_token
    assert token is not None
    return token


def say(
    simulator: Simulator,
    action: str,
    body: object = None,
    *,
    role: Role | None = None,
    token: str | None = None,
    authorization: str | None = None,
    request_id: str | None = "r1",
    content_type: str | None = JSON,
    method: str = "POST",
    target: str | None = None,
    more: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Posts a message as a system that may: a good one, unless another is given.

    Args:
        authorization: In place of the token's; empty for none at all.
        target: In place of the message's own path.
    """
    usual: Role = "optimizer" if action == ADJUST else "provider"
    shown = f"Token {token or token_of(simulator, role or usual)}"
    named = {
        "Host": "fp.test",
        "Authorization": shown if authorization is None else authorization or None,
        "Content-Type": content_type,
        "X-Request-ID": request_id,
    }
    headers = [(name, value) for name, value in named.items() if value is not None]
    data = encoded(GOOD[action] if body is None else body)
    where = FP + PATHS[action] if target is None else target
    return ask(simulator, method, where, [*headers, *more], data)


def heard(simulator: Simulator) -> Entry:
    """The last request that the Flexibility Provider was sent."""
    entries = simulator.journal.entries(party="flexibility_provider", kind="exchange", sent=False)
    return entries[-1]


def rules(simulator: Simulator) -> list[str]:
    """The rules of the findings of that request."""
    return [str(finding["rule"]) for finding in heard(simulator).findings]


def why(simulator: Simulator) -> str:
    """What the journal says of that request beyond the answer."""
    return str(heard(simulator).detail.get("why", ""))

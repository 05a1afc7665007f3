"""Two users, and tokens of every kind, for the tests of what stands before SolarUser's routes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.oscp_sim.rig import NOW, Answer, Headers, ask, encoded, signed_headers
from tests.oscp_sim.worlds import user

SECRET_OF_ALL = "gate-secret"
API = "/solaruser/api/v1"
INSTR = f"{API}/sec/instr"


def owned(number: int, node: int) -> dict[str, Any]:
    """A user with a node, and all that an instruction for it needs."""
    provider = {"id": 3, "name": "Grid", "token": f"cp-{number}"}
    return user(number, nodes=[node, node + 1], capacity_providers=[provider])


def token(name: str, **more: object) -> dict[str, Any]:
    return {"id": name, "secret": SECRET_OF_ALL, **more}


def limited(*api_paths: str) -> dict[str, Any]:
    return {"policy": {"api_paths": list(api_paths)}}


def instant(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


WORLD: dict[str, Any] = {
    "users": [
        owned(7, 70)
        | {
            "tokens": [
                token("mine"),
                token("reader", type="ReadNodeData"),
                token("disabled", enabled=False),
                token("node-70", policy={"node_ids": [70]}),
                token("expired", policy={"not_after": instant(-1)}),
                token("expires-later", policy={"not_after": instant(1)}),
                token("adds-only", **limited("/instr/add/OSCP_v20")),
                token("views-only", **limited("/instr/view")),
                token(
                    "expired-and-limited", policy={"not_after": instant(-1), "api_paths": ["/x"]}
                ),
            ]
        },
        owned(8, 80) | {"tokens": [token("theirs")], "roles": []},
    ]
}


def gate(
    fidelity: Fidelity | Behaviour = "documented",
    world: dict[str, Any] | None = None,
    clock: FrozenClock | None = None,
    seed: int = 1,
) -> Simulator:
    """A simulator of two users; nothing is delivered until it is entered."""
    clock = clock or FrozenClock(NOW)
    return Simulator(world or WORLD, clock=clock, fidelity=fidelity, seed=seed, strict_dates=True)


def call(
    simulator: Simulator,
    method: str,
    target: str,
    body: object = b"",
    *,
    token: str = "mine",  # noqa: S107 - its id
    more: Headers | None = None,
    unsigned: Headers | None = None,
    **signing: Any,  # noqa: ANN401 - as the rig takes them
) -> Answer:
    """A signed request: `more` headers are signed where they must be, `unsigned` ones never."""
    data = encoded(body)
    signing = {"secret": SECRET_OF_ALL, "more": more or ()} | signing
    headers = signed_headers(method, target, data, token=token, **signing)
    return ask(simulator, method, target, [*headers, *(unsigned or ())], data)

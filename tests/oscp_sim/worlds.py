"""The worlds of tests, in the shape of a world file: what an instruction needs, and no more."""

from __future__ import annotations

from typing import Any

from tests.oscp_sim.rig import PROVIDER_TOKEN, SECRET, TOKEN

TOKENS = [{"id": TOKEN, "secret": SECRET}]
GRID = {"id": 3, "name": "Grid", "token": PROVIDER_TOKEN}
DEPOT = {"id": 1, "name": "Depot"}


def group(
    number: int = 19,
    identifier: str = "foo-group",
    provider: int = 3,
    optimizer: int = 1,
    **more: object,
) -> dict[str, Any]:
    """Return a Capacity Group between a Capacity Provider and a Capacity Optimizer."""
    parties = {"capacity_provider": provider, "capacity_optimizer": optimizer}
    return {"id": number, "identifier": identifier, **parties, **more}


def user(number: int = 42, **more: object) -> dict[str, Any]:
    """Return a user with one node, Capacity Provider, Optimizer and Group, where not said else."""
    systems = {"capacity_providers": [GRID], "capacity_optimizers": [DEPOT]}
    return {"id": number, "nodes": [1], **systems, "capacity_groups": [group()], **more}


def world(*users: dict[str, Any]) -> dict[str, Any]:
    return {"users": list(users)}

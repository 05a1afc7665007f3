"""Requests of random shape give no 500, leak no secret, and leave everything consistent.

`make soak` runs 50,000 of them; `OSCP_RANDOM_REQUESTS` says how many.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.simulator import Simulator
from tests.oscp_sim.random_requests import RandomRequest, random_request

if TYPE_CHECKING:
    import pytest

_COUNT = int(os.environ.get("OSCP_RANDOM_REQUESTS", "2000"))
_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_TOKEN, _SECRET = "first-users-token-01", "first-users-secret"
_OTHER_SECRET, _PROVIDER_TOKEN = "second-users-secret", "provider-token-of-the-first"
_WORLD: dict[str, Any] = {
    "users": [
        {
            "id": 42,
            "tokens": [{"id": _TOKEN, "secret": _SECRET, "type": "User"}],
            "nodes": [1],
            "capacity_providers": [{"id": 3, "name": "Grid", "token": _PROVIDER_TOKEN}],
            "capacity_optimizers": [{"id": 1, "name": "Depot"}],
            "capacity_groups": [
                {
                    "id": 19,
                    "identifier": "foo-group",
                    "capacity_provider": 3,
                    "capacity_optimizer": 1,
                }
            ],
        },
        {
            "id": 43,
            "tokens": [
                {"id": "second-users-token-1", "secret": _OTHER_SECRET, "type": "User"},
            ],
            "nodes": [7],
            "capacity_optimizers": [{"id": 1, "name": "Other"}],
        },
    ]
}


def test_requests_of_random_shape(caplog: pytest.LogCaptureFixture) -> None:
    random = Random(20261123)
    clock = FrozenClock(_NOW)
    simulator = Simulator(_WORLD, clock=clock, seed=1)
    other = simulator.world.user(43)
    statuses: Counter[int] = Counter()
    with caplog.at_level(logging.DEBUG), simulator:
        for _ in range(_COUNT):
            request = random_request(random, clock.now(), _TOKEN, _SECRET)
            status, answer = _exchange(simulator, request)
            assert status != 500, request
            _assert_no_secret(answer, request)
            statuses[status] += 1
            if random.random() < 0.01:
                clock.advance(random.choice((1, 31, 61)))
        assert simulator.wait_until_settled(10)
        entries = simulator.journal.entries()
    for entry in entries:
        # What a request itself quotes of a secret is not ours; no request here does.
        _assert_no_secret(repr(entry), entry.number)
    _assert_no_secret(caplog.text, "log")
    assert simulator.world.user(43) == other, "nobody may change what another user has"
    assert {200, 401, 403, 404, 422} <= statuses.keys(), statuses
    assert statuses[200] > _COUNT / 20, f"too few of them are accepted to be a test: {statuses}"


def _exchange(simulator: Simulator, request: RandomRequest) -> tuple[int, str]:
    headers = [(name.lower(), value) for name, value in request.headers]
    if not any(name == "content-length" for name, _ in headers):
        headers.append(("content-length", str(len(request.body))))
    answer = simulator.handle(Request(request.method, request.target, tuple(headers), request.body))
    return answer.status, answer.text + str(answer.headers)


def _assert_no_secret(text: str, where: object) -> None:
    for secret in (_SECRET, _OTHER_SECRET, _PROVIDER_TOKEN):
        assert secret not in text, where

"""The tables of the sender's tests are tried with both clients: over requests, and over httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import responses

from tests.oscp_send import sender_world
from tests.oscp_send.in_a_loop import InALoop
from tests.oscp_send.sender_world import Service


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests, which is not running between two calls."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=["requests", "httpx"])
def service(
    request: pytest.FixtureRequest, loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """What answers a client that `make_client` makes: one over requests, then one over httpx."""
    if request.param == "httpx":
        monkeypatch.setattr(sender_world, "SENDER", InALoop(loop).client)
    with responses.RequestsMock() as mock:
        yield mock

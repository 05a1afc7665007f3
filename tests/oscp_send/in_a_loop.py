"""The asynchronous client, called without `await`: a table of tests holds for both clients.

What it sends goes on through requests, so that the answers that `responses` gives are its, too.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import requests

from oscp_send.async_client import AsyncSolarUserClient
from oscp_send.client import SolarUserClient


@dataclass(frozen=True)
class InALoop:
    """Makes clients that are driven by one event loop."""

    runner: asyncio.Runner

    def client(self, *given: Any, **options: Any) -> SolarUserClient:  # noqa: ANN401 - passed on
        """Return a client that looks like the other one."""
        sleep = options.pop("sleep", None)
        made = AsyncSolarUserClient(
            *given,
            **options,
            client=httpx.AsyncClient(transport=ThroughRequests()),
            sleep=sleep and in_a_task(sleep),
        )
        looks_alike: Any = Awaited(self.runner, made)
        client: SolarUserClient = looks_alike
        return client


@dataclass(frozen=True)
class Awaited:
    """A client whose coroutines are run to their end."""

    runner: asyncio.Runner
    client: AsyncSolarUserClient

    def prepare(self, *given: Any, **options: Any) -> requests.PreparedRequest:  # noqa: ANN401 - passed on
        return as_of_requests(self.client.prepare(*given, **options))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is
        found = getattr(self.client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *given, **options: self.runner.run(found(*given, **options))


def in_a_task(sleep: Callable[[float], None]) -> Callable[[float], Any]:
    async def pause(seconds: float) -> None:
        sleep(seconds)

    return pause


def as_of_requests(request: httpx.Request) -> requests.PreparedRequest:
    headers = {name.decode(): value.decode() for name, value in request.headers.raw}
    of_requests = requests.Request(
        request.method, str(request.url), headers=headers, data=request.content or None
    )
    return of_requests.prepare()


class ThroughRequests(httpx.AsyncBaseTransport):
    """Sends what httpx would send, and fails as httpx would."""

    _session = requests.Session()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = self._session.send(as_of_requests(request), allow_redirects=False)
        except requests.ReadTimeout as error:
            raise httpx.ReadTimeout("late") from error
        except requests.ConnectionError as error:
            raise httpx.ReadError("lost") from error
        return httpx.Response(
            answer.status_code,
            headers=dict(answer.headers),
            content=answer.content,
            extensions={"reason_phrase": (answer.reason or "").encode()},
        )

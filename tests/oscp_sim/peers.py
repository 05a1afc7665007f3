"""A world whose systems are elsewhere, and somebody who answers in their place.

Nothing leaves the process, and no time passes but that of the simulator's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.entry import Entry
from oscp_sim.flexibility_provider.http_client import ACCEPT
from oscp_sim.flexibility_provider.provider import FlexibilityProvider
from oscp_sim.http import Request, Response
from oscp_sim.outgoing import Outgoing, Unanswered
from tests.oscp_sim.rig import shared_of

START = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
CP_URL, CO_URL = "http://cp.test/oscp", "http://co.test/oscp"
NO_CONTENT = Response(204, reason="No Content")
ERROR = Response(500, reason="Internal Server Error")
SILENT = Unanswered("read_timeout", "Read timed out", 20.0)

Answer = Response | Unanswered


@dataclass(frozen=True)
class Sent:
    """What the Flexibility Provider sent."""

    at: datetime
    url: str
    pairs: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.pairs)

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON of any kind
        return json.loads(self.body)


def provider_of(simulator: Simulator) -> FlexibilityProvider:
    """A simulator's Flexibility Provider, for what no request can set or show."""
    return simulator.flexibility_provider


@dataclass
class Peers:
    """Whoever is sent something: answers 204, unless told otherwise.

    Attributes:
        sent: What was sent, in order.
        answers: The next answers, before all others.
        decide: Chooses an answer; None for the usual one.
    """

    simulator: Simulator
    clock: FrozenClock
    sent: list[Sent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    decide: Callable[[Sent], Answer | None] = lambda _: None

    @property
    def party(self) -> FlexibilityProvider:
        return provider_of(self.simulator)

    @property
    def notes(self) -> list[str]:
        return [
            entry.detail["why"]
            for entry in self.simulator.journal.entries(party="flexibility_provider", kind="note")
        ]

    @property
    def exchanges(self) -> list[Entry]:
        return list(self.simulator.journal.entries(party="flexibility_provider", sent=True))

    def to(self, url: str) -> list[Sent]:
        return [each for each in self.sent if each.url.startswith(url)]

    def answer(self, sent: Sent) -> Response:
        self.sent.append(sent)
        answer = self.answers.pop(0) if self.answers else self.decide(sent) or NO_CONTENT
        if isinstance(answer, Unanswered):
            raise answer
        return answer


class _Stub(Outgoing):
    def __init__(self, peers: Peers) -> None:
        super().__init__()
        self._peers = peers

    def send(
        self, request: Request, *, timeout: tuple[float, float], follow: bool = True
    ) -> Response:
        assert (timeout, follow) == ((60.0, 20.0), False)
        now, body = self._peers.clock.now(), request.body
        assert body is not None
        own = tuple(pair for pair in request.headers if not _is_the_clients(*pair))
        return self._peers.answer(Sent(now, request.target, own, body))


def _is_the_clients(name: str, value: str) -> bool:
    """Whether every request of the HTTP client has that header, whatever it is about."""
    same = {"Accept-Encoding", "Transfer-Encoding", "User-Agent"}
    return name in same or (name, value) == ACCEPT


def provider(number: int = 3, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    token = {"token": f"cp-token-{number}", "base_url": f"{CP_URL}/{number}"}
    return {"id": number, "name": f"Grid {number}", **token, **more}


def optimizer(number: int = 1, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    token = {"token": f"co-token-{number}", "base_url": f"{CO_URL}/{number}"}
    return {"id": number, "name": f"Depot {number}", **token, **more}


def group(number: int = 19, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    parties = {"capacity_provider": 3, "capacity_optimizer": 1}
    return {"id": number, "identifier": "depot-7", **parties, **more}


def world(
    providers: Sequence[Mapping[str, Any]] | None = None,
    optimizers: Sequence[Mapping[str, Any]] | None = None,
    groups: Sequence[Mapping[str, Any]] | None = None,
    **user: Any,  # noqa: ANN401 - of a world file
) -> dict[str, Any]:
    return {
        "users": [
            {
                "id": 42,
                "tokens": [{"id": "rehearsal-token-0001", "secret": "rehearsal-secret"}],
                "nodes": [1],
                "capacity_providers": [provider()] if providers is None else list(providers),
                "capacity_optimizers": [optimizer()] if optimizers is None else list(optimizers),
                "capacity_groups": [group()] if groups is None else list(groups),
                **user,
            }
        ]
    }


@contextmanager
def peers(
    of: Mapping[str, Any],
    *,
    start: datetime = START,
    seed: int = 1,
    fidelity: Fidelity = "documented",
) -> Iterator[Peers]:
    """A running simulator of that world, and whoever answers its Flexibility Provider."""
    clock = FrozenClock(start)
    simulator = Simulator(of, clock=clock, seed=seed, fidelity=fidelity)
    found = Peers(simulator, clock)
    shared_of(simulator).outgoing = _Stub(found)
    with simulator:
        yield found

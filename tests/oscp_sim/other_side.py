"""A Flexibility Provider that a test plays: what it gets, what it answers, and what it sends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, Unanswered
from oscp_sim.system import SimulatedProvider
from tests.oscp_sim.rig import NOW, PROVIDER_TOKEN, encoded, shared_of
from tests.oscp_sim.worlds import DEPOT, GRID, user

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from oscp_sim.entry import Entry
    from oscp_sim.outgoing import Outgoing

CP = "/oscp/cp/2.0"
CO = "/oscp/co/2.0"
PATHS = {
    "Register": "/register",
    "Handshake": "/handshake",
    "HandshakeAcknowledge": "/handshake_acknowledge",
    "Heartbeat": "/heartbeat",
    "UpdateGroupCapacityForecast": "/update_group_capacity_forecast",
    "AdjustGroupCapacityForecast": "/adjust_group_capacity_forecast",
    "GroupCapacityComplianceError": "/group_capacity_compliance_error",
    "UpdateGroupMeasurements": "/update_group_measurements",
    "UpdateAssetMeasurement": "/update_asset_measurements",
}

FP = "http://fp.test/oscp/fp/2.0"
NEW = "A" * 64

COMPLIANCE = {"message": "too little"}
HEARTBEAT = {"offline_mode_at": "2026-05-04T16:30:00Z"}


def world(behaviour: object = None, **provider: object) -> Mapping[str, Any]:
    more = {} if behaviour is None else {"behaviour": behaviour}
    depot = {**DEPOT, "token": "co-token"}
    return {
        "users": [user(capacity_providers=[GRID | more | provider], capacity_optimizers=[depot])]
    }


def simulated(behaviour: object = None, **provider: object) -> Simulator:
    return Simulator(world(behaviour, **provider), clock=FrozenClock(NOW))


def register(token: str = NEW, base_url: str = FP, version: str = "2.0") -> dict[str, Any]:
    return {"token": token, "version_url": [{"version": version, "base_url": base_url}]}


@dataclass(frozen=True)
class Got:
    """A request that reached the Flexibility Provider."""

    at: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def action(self) -> str:
        path = "/" + self.url.rpartition("/")[2]
        return next(action for action, each in PATHS.items() if each == path)

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON of any kind
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class OtherSide:
    """Stands where the simulator's own Flexibility Provider would be.

    Attributes:
        simulator: Whose systems it talks to.
        got: What it was sent, in order.
        answers: The statuses of its next answers; 204 after the last one. None: no answer comes.
    """

    simulator: Simulator
    got: list[Got] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shared = shared_of(self.simulator)
        outgoing: Outgoing | OtherSide = self._shared.outgoing
        self.within: Outgoing = outgoing.within if isinstance(outgoing, OtherSide) else outgoing
        # All that is used of it.
        self.keep = self.within.keep
        self._shared.outgoing = self  # type: ignore[assignment]

    def send(
        self,
        request: Request,
        *,
        timeout: tuple[float, float],
        follow: bool = True,  # noqa: ARG002
    ) -> Response:
        """Take what a simulated system sends."""
        assert timeout[0] > 0
        assert timeout[1] > 0
        at = self._shared.clock.now().isoformat(timespec="milliseconds")
        method, url, body = request.method, request.target, request.body
        assert body is not None
        self.got.append(Got(at[11:23], method, url, request.headers, body))
        status = self.answers.pop(0) if self.answers else 204
        if status is None:
            raise Unanswered("refused", "Connection refused")
        return Response(status, reason="as told")

    @property
    def provider(self) -> SimulatedProvider:
        return self.simulator.provider(3)

    def close(self) -> None:
        self.within.close()

    def tell(
        self,
        action: str,
        message: object = None,
        *,
        token: str | None = PROVIDER_TOKEN,
        request_id: str | None = "u1",
        correlation_id: str | None = None,
        to: str = CP,
        path: str | None = None,
        method: str = "POST",
        content_type: str | None = "application/json",
        authorization: str | None = None,
        more: Iterable[tuple[str, str]] = (),
        patience: float = 20.0,
    ) -> Response:
        """Send a message to a simulated system, as another party in this process does."""
        shown = authorization or (None if token is None else f"Token {token}")
        named = {
            "Authorization": shown,
            "Content-Type": content_type,
            "X-Request-ID": request_id,
            "X-Correlation-ID": correlation_id,
        }
        headers = [(name, value) for name, value in named.items() if value is not None]
        body = b"" if message is None else encoded(message)
        url = IN_PROCESS_URL + to + (path or PATHS[action])
        request = Request(method, url, (*headers, *more), body)
        return self.within.send(request, timeout=(60.0, patience))

    def actions(self) -> list[str]:
        return [each.action for each in self.got]


@contextmanager
def facing(behaviour: object = None, **provider: object) -> Iterator[OtherSide]:
    """Yield the other side of the systems of a world as `simulated` makes it."""
    with simulated(behaviour, **provider) as simulator:
        yield OtherSide(simulator)


def notes(simulator: Simulator) -> list[Entry]:
    return list(simulator.journal.entries(kind="note"))


def rules(simulator: Simulator) -> list[str]:
    """The rules of the findings of the last message that a simulated system got."""
    entry = simulator.journal.entries(kind="exchange", sent=False)[-1]
    return [finding["rule"] for finding in entry.findings]

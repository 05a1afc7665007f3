"""A Flexibility Provider that a test plays: what it gets, what it answers, and what it sends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oscp_sim.http import Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, Unanswered
from tests.oscp_sim.rig import PROVIDER_TOKEN, encoded, shared_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oscp_sim import Simulator
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


def notes(simulator: Simulator) -> list[Entry]:
    return list(simulator.journal.entries(kind="note"))


def rules(simulator: Simulator) -> list[str]:
    """The rules of the findings of the last message that a simulated system got."""
    entry = simulator.journal.entries(kind="exchange", sent=False)[-1]
    return [finding["rule"] for finding in entry.findings]

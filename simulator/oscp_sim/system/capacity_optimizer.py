"""A simulated Capacity Optimizer: what it knows, and what it can be told to send."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, cast

from oscp_sim.system.profile import PATHS, PlainManners
from oscp_sim.system.system import Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from oscp_sim.entry import PartyName
    from oscp_sim.shared import Shared
    from oscp_sim.system.call import Sent
    from oscp_sim.world import CapacityGroup, CapacityOptimizer

__all__ = ["MANNERS", "Compose", "OptimizerSeat"]


# What a Capacity Optimizer of the specification takes (oscp20.md §1.2), and the group
# measurements that SolarNetwork's job sends to one as well (§5.7).
_ACTIONS: Final = (
    "Register",
    "Handshake",
    "HandshakeAcknowledge",
    "Heartbeat",
    "UpdateGroupCapacityForecast",
    "UpdateAssetMeasurement",
    "UpdateGroupMeasurements",
)
MANNERS: Final = PlainManners(
    endpoints=MappingProxyType({PATHS[action]: action for action in _ACTIONS}),
    request_id_needed=frozenset(_ACTIONS),
)


class Compose(Protocol):
    """Makes a message with forecasted blocks of what a person would rather write."""

    def __call__(
        self, fields: Mapping[str, Any], *, groups: Sequence[str], now: datetime
    ) -> dict[str, Any]:
        """Answers with the message.

        Raises:
            ValueError: The fields make none.
        """
        ...


class OptimizerSeat(Seat):
    """One Capacity Optimizer that the simulator plays.

    Args:
        compose: Makes an adjustment of the fields of `adjust`.
        shared: The shared shared.
        user_id: Whose it is.
        system: As the world has it.
        tokens_changed: Called whenever other tokens are good than before.
    """

    party: ClassVar[PartyName] = "capacity_optimizer"

    def __init__(
        self,
        compose: Compose,
        shared: Shared,
        user_id: int,
        system: CapacityOptimizer,
        tokens_changed: Callable[[], None],
    ) -> None:
        super().__init__(shared, user_id, system, tokens_changed)
        self._compose = compose
        self._groups: tuple[tuple[CapacityGroup, ...], frozenset[str]] | None = None

    def adjust(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Sends AdjustGroupCapacityForecast over HTTP, which SolarNetwork has added to OSCP.

        Args:
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            **fields: `message`, `csv` or `capacities`, and what goes with it.

        Raises:
            ValueError: The fields make no adjustment.
        """
        now = self.shared.clock.now()
        message = self._compose(fields, groups=sorted(self.groups), now=now)
        return self.post(
            "AdjustGroupCapacityForecast",
            message,
            request_id=request_id,
            correlation_id=correlation_id,
        )

    @property
    def forecasts(self) -> tuple[Mapping[str, Any], ...]:
        """The forecasts that it has got, oldest first."""
        return tuple(
            each.body
            for each in self.received
            if each.action == "UpdateGroupCapacityForecast"
            and each.status is not None
            and each.status < 400  # noqa: PLR2004 - of HTTP
        )

    @property
    def manners(self) -> PlainManners:
        """Its ways: those of the specification."""
        return MANNERS

    @property
    def groups(self) -> frozenset[str]:
        """The identifiers of its Capacity Groups."""
        user = self.shared.world.user(self.user_id)
        groups = user.capacity_groups if user else ()
        if self._groups is None or self._groups[0] is not groups:
            own = frozenset(
                each.identifier for each in groups if each.capacity_optimizer == self.id
            )
            self._groups = groups, own
        return self._groups[1]

    @property
    def heartbeat_every(self) -> timedelta | None:
        """How often the world wants it to send heartbeats."""
        return cast("CapacityOptimizer", self.system).heartbeat_every

    def to_dict(self) -> dict[str, Any]:
        """Answers with what it knows as JSON values, without secrets."""
        return {**super().to_dict(), "forecasts": [dict(each) for each in self.forecasts]}

    def _find(self) -> CapacityOptimizer | None:
        user = self.shared.world.user(self.user_id)
        return user.optimizer(self.id) if user else None

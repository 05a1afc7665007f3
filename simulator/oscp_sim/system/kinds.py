"""The two kinds of system: Capacity Providers and Capacity Optimizers.

They differ by profile, by the message that they compose, and by what a Capacity Provider does with
segments and by the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from oscp_sim.entry import PartyName
from oscp_sim.shared import Shared
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.registration import Configured
from oscp_sim.system.segments import Segments
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import FORECAST, System
from oscp_sim.system.timetable import Timetable
from oscp_sim.world import CapacityGroup, CapacityOptimizer, CapacityProvider, User


class SimulatedProvider(System):
    """A Capacity Provider that the simulator plays.

    Args:
        shared: What all parties share.
        user_id: Whose it is.
        configured: The Capacity Provider as the world has it.
        tokens_changed: Called when the set of good tokens has changed.

    Attributes:
        segments: The segments that it got.
        timetable: What it does by the clock.
    """

    party: ClassVar[PartyName] = "capacity_provider"

    def __init__(
        self,
        shared: Shared,
        user_id: int,
        configured: Configured,
        tokens_changed: Callable[[], None],
    ) -> None:
        super().__init__(shared, user_id, configured, tokens_changed)
        self.segments = Segments()
        self.timetable = Timetable(self)

    @staticmethod
    def of_user(user: User) -> Sequence[CapacityProvider]:
        """Return the Capacity Providers that a user has configured."""
        return user.capacity_providers

    def forecast(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Send UpdateGroupCapacityForecast, built from shorthand.

        Args:
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            **fields: As for `forecast_message`: `message`, `csv`, `capacities` or `purpose`, and
                what goes with it.

        Raises:
            ValueError: The fields do not make a forecast.
        """
        now, groups = self.shared.clock.now(), sorted(self.groups)
        message = forecast_message(fields, groups=groups, profile=self.profile, now=now)
        return self.post(FORECAST, message, request_id=request_id, correlation_id=correlation_id)

    def plan(self) -> None:
        """Plan what it does by itself."""
        super().plan()
        self.timetable.plan()

    def end(self) -> None:
        """Do nothing by itself any more."""
        super().end()
        self.timetable.end()

    def to_dict(self) -> dict[str, Any]:
        """Return what it knows as JSON values, without secrets."""
        return {
            **super().to_dict(),
            "profile": self.profile.name,
            "forecasts": [dict(each) for each in self.forecasts],
        }

    def _find(self, user: User) -> CapacityProvider | None:
        return user.provider(self.id)

    def _has(self, group: CapacityGroup) -> bool:
        return group.capacity_provider == self.id


class SimulatedOptimizer(System):
    """A Capacity Optimizer that the simulator plays."""

    party: ClassVar[PartyName] = "capacity_optimizer"

    @staticmethod
    def of_user(user: User) -> Sequence[CapacityOptimizer]:
        """Return the Capacity Optimizers that a user has configured."""
        return user.capacity_optimizers

    def adjust(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Send AdjustGroupCapacityForecast, built from shorthand.

        Args:
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            **fields: As for `forecast_message`: `message`, `csv` or `capacities`, and what goes
                with it.

        Raises:
            ValueError: The fields do not make an adjustment.
        """
        now, groups = self.shared.clock.now(), sorted(self.groups)
        message = forecast_message(fields, groups=groups, profile=self.profile, now=now)
        action = "AdjustGroupCapacityForecast"
        return self.post(action, message, request_id=request_id, correlation_id=correlation_id)

    @property
    def forecasts(self) -> tuple[Mapping[str, Any], ...]:
        """The newest forecasts that it got and did not refuse, oldest first."""
        return tuple(
            each.body
            for each in self.received
            if each.action == FORECAST and each.status is not None and each.status < 400  # noqa: PLR2004 - of HTTP
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what it knows as JSON values, without secrets."""
        return {**super().to_dict(), "forecasts": [dict(each) for each in self.forecasts]}

    def _find(self, user: User) -> CapacityOptimizer | None:
        return user.optimizer(self.id)

    def _has(self, group: CapacityGroup) -> bool:
        return group.capacity_optimizer == self.id

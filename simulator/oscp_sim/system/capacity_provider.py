"""A simulated Capacity Provider: what it knows, and what it can be told to send."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from oscp_sim.system.elmo import Timetable
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.profile import PROFILES, ProviderManners
from oscp_sim.system.reactions import ProviderConduct
from oscp_sim.system.segments import Segments
from oscp_sim.system.system import Seat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from oscp_sim.entry import PartyName
    from oscp_sim.system.call import Sent
    from oscp_sim.world import CapacityGroup, CapacityProvider

__all__ = ["ProviderSeat"]


_FORECAST: Final = "UpdateGroupCapacityForecast"
# How many forecasts an adjustment may refer to: ten days of quarter hours.
_FORECASTS: Final = 1000


class ProviderSeat(Seat):
    """One Capacity Provider that the simulator plays."""

    party: ClassVar[PartyName] = "capacity_provider"

    def forecast(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Sends UpdateGroupCapacityForecast, made of what a person would rather write.

        Args:
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            **fields: As `forecast_message` takes them: `message`, `csv`, `capacities` or `purpose`,
                and what goes with it.

        Raises:
            ValueError: The fields make no forecast.
        """
        message = forecast_message(
            fields,
            groups=sorted(self.groups),
            profile=self.provider.profile,
            now=self.shared.clock.now(),
        )
        return self.post(_FORECAST, message, request_id=request_id, correlation_id=correlation_id)

    def post(
        self,
        action: str,
        message: object,
        *,
        request_id: str | None = None,
        correlation_id: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Sent:
        """Sends any message, sound or not; a forecast that is taken counts from then on.

        Args:
            action: The OSCP message name.
            message: JSON values; a text or bytes go as they are.
            request_id: Its X-Request-ID; made from the seed unless given.
            correlation_id: Its X-Correlation-ID.
            headers: More of them, in order.

        Raises:
            ValueError: There is no such message.
        """
        sent = super().post(
            action,
            message,
            request_id=request_id,
            correlation_id=correlation_id,
            headers=headers,
        )
        is_forecast = action == _FORECAST and isinstance(message, Mapping)
        if is_forecast and (sent.status is None or self.is_success(sent)):
            with self.correspondence.lock:
                self._forecasts.append(cast("Mapping[str, Any]", message))
        return sent

    @property
    def forecasts(self) -> tuple[Mapping[str, Any], ...]:
        """The forecasts that it has sent and that were not refused, oldest first."""
        with self.correspondence.lock:
            return tuple(self._forecasts)

    @property
    def provider(self) -> CapacityProvider:
        """The Capacity Provider as the world has it, or had it last."""
        return cast("CapacityProvider", self.system)

    @property
    def manners(self) -> ProviderManners:
        """Its ways."""
        provider = self.provider
        if self._manners is None or self._manners.behaviour is not provider.behaviour:
            self._manners = ProviderManners(PROFILES[provider.profile], provider.behaviour)
        return self._manners

    @property
    def groups(self) -> frozenset[str]:
        """The identifiers of its Capacity Groups."""
        user = self.shared.world.user(self.user_id)
        groups = user.capacity_groups if user else ()
        if self._groups is None or self._groups[0] is not groups:
            own = frozenset(each.identifier for each in groups if each.capacity_provider == self.id)
            self._groups = groups, own
        return self._groups[1]

    @property
    def heartbeat_every(self) -> timedelta | None:
        """How often the world wants it to send heartbeats."""
        return self.provider.behaviour.heartbeat_every

    @property
    def interval(self) -> float | None:
        """Seconds between two heartbeats; whoever has no use for them sends none unless told to."""
        is_used = "/heartbeat" in self.manners.endpoints or self.heartbeat_every is not None
        return super().interval if is_used else None

    @cached_property
    def segments(self) -> Segments:
        """What it has got in segments."""
        return Segments()

    @cached_property
    def timetable(self) -> Timetable:
        """What it does by the clock of ELMO."""
        return Timetable(self)

    @cached_property
    def conduct(self) -> ProviderConduct:
        """What it does about the messages that it takes."""
        return ProviderConduct(self)

    def plan(self) -> None:
        """Makes tasks for what it does by itself."""
        super().plan()
        self.timetable.plan()

    def end(self) -> None:
        """Does nothing by itself any more."""
        super().end()
        self.timetable.end()

    def to_dict(self) -> dict[str, Any]:
        """Answers with what it knows as JSON values, without secrets."""
        return {
            **super().to_dict(),
            "profile": self.provider.profile,
            "forecasts": [dict(each) for each in self.forecasts],
        }

    _manners: ProviderManners | None = None
    _groups: tuple[tuple[CapacityGroup, ...], frozenset[str]] | None = None

    @cached_property
    def _forecasts(self) -> deque[Mapping[str, Any]]:
        return deque(maxlen=_FORECASTS)

    def _find(self) -> CapacityProvider | None:
        user = self.shared.world.user(self.user_id)
        return user.provider(self.id) if user else None

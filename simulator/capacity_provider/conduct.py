"""What a simulated Capacity Provider does about the messages that only such a one gets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulator.capacity_provider import elmo
from simulator.capacity_provider.reactions import answer_to, asks_for_anything
from simulator.capacity_provider.refusal_bodies import refusal
from simulator.external_system import Conduct, Reaction, insist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from simulator.capacity_provider.seat import ProviderSeat
    from simulator.external_system import Call, Sent

__all__ = ["ProviderConduct"]


class ProviderConduct(Conduct):
    """Of one Capacity Provider."""

    seat: ProviderSeat

    def takers(self) -> Mapping[str, Callable[[Call], Reaction]]:
        """Answers with what takes each message."""
        return {
            **super().takers(),
            "AdjustGroupCapacityForecast": self._adjust,
            "UpdateGroupMeasurements": self._usage,
            "UpdateAssetMeasurement": self._usage,
        }

    def _adjust(self, call: Call) -> Reaction:
        seat = self.seat
        behaviour = seat.provider.behaviour
        late = elmo.late_request(call.content, call.now) if seat.timetable.is_kept else None
        if late is not None:
            call.findings.append(late)
        if behaviour.adjustments == "refuse":
            return self._refuse()
        if behaviour.adjustments == "silent":
            return Reaction(is_silent=True)
        if behaviour.adjustments == "accept":
            return Reaction()
        if not asks_for_anything(call.content):
            seat.note("the adjustment is not answered: none of its blocks ends after it starts")
            return Reaction()
        request_id = seat.correspondence.new_request_id()
        send = partial(self._answer, call.content, request_id, call.request_id)
        return Reaction(later=((self._answer_after(call), partial(insist, seat, send)),))

    def _refuse(self) -> Reaction:
        manners, behaviour = self.seat.manners, self.seat.provider.behaviour
        made = refusal(
            manners.profile,
            "adjustment",
            "the capacities that are asked for cannot be had",
            behaviour,
            status=behaviour.refusal,
        )
        return Reaction(made.status, made.headers, made.body, is_taken=False)

    def _answer_after(self, call: Call) -> float:
        """Answers with the seconds until an adjustment is answered; in time, where that counts."""
        chosen = self.seat.provider.behaviour.answer_after
        if self.seat.timetable.is_kept:
            chosen = min(chosen, elmo.answer_by(call.now) - call.now)
        return chosen.total_seconds()

    def _answer(
        self, adjustment: Mapping[str, Any], request_id: str, correlation_id: str | None
    ) -> Sent:
        seat = self.seat
        provider = seat.provider
        message = answer_to(
            adjustment, seat.forecasts, provider.behaviour, profile=provider.profile
        )
        return seat.forecast(message=message, request_id=request_id, correlation_id=correlation_id)

    def _usage(self, call: Call) -> Reaction:
        self.seat.timetable.usage(call.now)
        return Reaction()

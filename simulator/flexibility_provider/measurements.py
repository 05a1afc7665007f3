"""The measurements that the Flexibility Provider sends (OSCP dossier §5.7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from simulator.flexibility_provider.delivery import DeliveryFailed
from simulator.flexibility_provider.jobs import Job, Timetable
from simulator.flexibility_provider.measurement_messages import (
    GROUP_ACTION,
    Unmeasurable,
    measurement_message,
)
from simulator.flexibility_provider.measuring import Window
from simulator.flexibility_provider.outbox import check_version
from simulator.flexibility_provider.tasks import ConfigurationProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulator.flexibility_provider.outbox import Outbox
    from simulator.rooms import Rooms
    from simulator.world import CapacityGroup, CapacityOptimizer, CapacityProvider, User
    from simulator.world.capacity_group import Asset, Audience

__all__ = ["measurement_jobs"]

_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Minute": 60,
        "FiveMinute": 300,
        "TenMinute": 600,
        "FifteenMinute": 900,
        "TwentyMinute": 1200,
        "ThirtyMinute": 1800,
        "Hour": 3600,
    }
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def measurement_jobs(
    rooms: Rooms, outbox: Outbox, new_request_id: Callable[[], str]
) -> tuple[Job, Job]:
    """Answers with the two jobs: Capacity Providers at second 50, Optimizers at second 20.

    Both of every odd minute.

    Args:
        rooms: The shared rooms.
        outbox: Sends the measurements.
        new_request_id: Makes an X-Request-ID.
    """
    make = partial(_Measurements, rooms, outbox, new_request_id)
    return (
        Job(rooms, Timetable(second=50, odd_minutes=True), make("CapacityProvider")),
        Job(rooms, Timetable(second=20, odd_minutes=True), make("CapacityOptimizer")),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """A Capacity Group with assets of one audience, and that audience, as they are now."""

    user: User
    group: CapacityGroup
    system: CapacityProvider | CapacityOptimizer
    assets: tuple[Asset, ...]
    window: Window


class _Measurements:
    def __init__(
        self,
        rooms: Rooms,
        outbox: Outbox,
        new_request_id: Callable[[], str],
        audience: Audience,
    ) -> None:
        self._rooms = rooms
        self._outbox = outbox
        self._new_request_id = new_request_id
        self._audience = audience

    def due(self) -> datetime | None:
        now = self._rooms.clock.now()
        return min((each.window.end for each in self._groups(now)), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Tells of each group that is due, window after window up to now.

        One that fails stays where it is, and is tried again at the next run; the other groups go on
        (inferred).
        """
        chosen = [(each.user.id, each.group.id) for each in self._groups(begun)]
        for user_id, group_id in chosen:
            while (due := self._due(user_id, group_id, begun)) is not None:
                after, failure = 0.0, None
                try:
                    after = self._send(due)
                except (DeliveryFailed, ConfigurationProblem, Unmeasurable) as problem:
                    failure, after = problem, getattr(problem, "after", 0.0)
                # However many windows there are to catch up with, others have their turn between.
                yield after
                if failure is not None:
                    self._note(f"{due.system.name} has not been told measurements: {failure}")
                    break
                self._rooms.change_group(user_id, group_id, **{self._date: due.window.end})

    @property
    def _date(self) -> str:
        if self._audience == "CapacityProvider":
            return "capacity_provider_measurement_date"
        return "capacity_optimizer_measurement_date"

    def _send(self, due: _Group) -> float:
        """Answers with the seconds by the simulator's clock until the answer comes."""
        action, content = measurement_message(
            due.user, due.group, due.system, due.assets, due.window
        )
        check_version(due.user.id, due.system, action)
        delivery = self._outbox.delivery(due.system, action, content, self._new_request_id())
        if delivery is None:
            # As with instructions, what need not be sent counts as sent (inferred).
            self._note(f"{due.system.name} has no base URL: no measurements are sent")
            return 0.0
        return self._outbox.send(due.user.id, due.system, delivery).after

    def _due(self, user_id: int, group_id: int, begun: datetime) -> _Group | None:
        """Answers with a group, if its next window is over."""
        for each in self._groups(begun):
            if (each.user.id, each.group.id) == (user_id, group_id):
                return each if each.window.end <= begun else None
        return None

    def _groups(self, now: datetime) -> Iterator[_Group]:
        """Answers with each group whose audience is told its measurements, due or not."""
        for user in self._rooms.world.users:
            if not user.assets:
                continue
            for group in user.capacity_groups:
                system, window = self._system(user, group), self._window(group, now)
                assets = tuple(
                    asset
                    for asset in user.assets
                    if asset.capacity_group == group.id
                    and asset.audience == self._audience
                    and asset.enabled
                )
                if group.enabled and assets and system is not None and window is not None:
                    yield _Group(user, group, system, assets, window)

    def _system(
        self, user: User, group: CapacityGroup
    ) -> CapacityProvider | CapacityOptimizer | None:
        system = (
            user.provider(group.capacity_provider)
            if self._audience == "CapacityProvider"
            else user.optimizer(group.capacity_optimizer)
        )
        if system is None or not system.enabled or system.registration_status != "Registered":
            return None
        return system

    def _window(self, group: CapacityGroup, now: datetime) -> Window | None:
        """Answers with the next window: of a group that never had one, the last whole one.

        So that its windows begin at the full hour (inferred). None: after all times that there are.
        """
        of_provider = self._audience == "CapacityProvider"
        period = timedelta(
            seconds=_SECONDS[
                group.capacity_provider_measurement_period
                if of_provider
                else group.capacity_optimizer_measurement_period
            ]
        )
        last = (
            group.capacity_provider_measurement_date
            if of_provider
            else group.capacity_optimizer_measurement_date
        )
        if last is None:
            last = now - (now - _EPOCH) % period - period
        try:
            return Window(last, last + period)
        except OverflowError:
            return None

    def _note(self, why: str) -> None:
        self._rooms.journal.append(
            "flexibility_provider", "note", action=GROUP_ACTION, detail={"why": why}
        )

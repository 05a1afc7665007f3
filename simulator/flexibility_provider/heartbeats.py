"""The heartbeats that the Flexibility Provider sends (OSCP dossier §5.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.flexibility_provider.delivery import DeliveryFailed
from simulator.flexibility_provider.jobs import Job, Timetable
from simulator.flexibility_provider.outbox import check_version
from simulator.flexibility_provider.tasks import ConfigurationProblem
from simulator.world import CapacityOptimizer, CapacityProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.flexibility_provider.outbox import Outbox
    from simulator.rooms import Rooms

    System = CapacityProvider | CapacityOptimizer

__all__ = ["heartbeat_jobs"]

_ACTION: Final = "Heartbeat"
_EVER: Final = datetime.min.replace(tzinfo=UTC)
# A system is due once its interval has passed, not when it passes.
_JUST_AFTER: Final = timedelta(microseconds=1)


def heartbeat_jobs(
    rooms: Rooms, outbox: Outbox, new_request_id: Callable[[], str]
) -> tuple[Job, Job]:
    """Answers with the two jobs: Capacity Providers at second 0, Optimizers at second 30.

    Args:
        rooms: The shared rooms.
        outbox: Sends them.
        new_request_id: Makes an X-Request-ID.
    """
    make = partial(_Heartbeats, rooms, outbox, new_request_id)
    return (
        Job(rooms, Timetable(second=0), make(CapacityProvider)),
        Job(rooms, Timetable(second=30), make(CapacityOptimizer)),
    )


class _Heartbeats:
    def __init__(
        self,
        rooms: Rooms,
        outbox: Outbox,
        new_request_id: Callable[[], str],
        kind: type[System],
    ) -> None:
        self._rooms = rooms
        self._outbox = outbox
        self._new_request_id = new_request_id
        self._kind = kind

    def due(self) -> datetime | None:
        return min((when for _, _, when in self._wanted()), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Sends one to each system that is due; the first that fails ends the run (§5.5).

        In which order they come is not known: here, as the world lists them (inferred).
        """
        for user_id, chosen, _ in [each for each in self._wanted() if each[2] <= begun]:
            system = self._current(user_id, chosen)
            if system is None:
                continue
            # When it was sent, which is never before the timetable's instant.
            now, after, failure = self._rooms.clock.now(), 0.0, None
            try:
                after = self._send(user_id, system, now)
            except (DeliveryFailed, ConfigurationProblem) as problem:
                failure, after = problem, getattr(problem, "after", 0.0)
            if after:
                yield after
            if failure is not None:
                self._note(f"{system.name} has not been sent a heartbeat: {failure}")
                return
            self._rooms.change_system(user_id, system, heartbeat_date=now)

    def _send(self, user_id: int, system: System, now: datetime) -> float:
        """Answers with the seconds by the simulator's clock until the answer comes."""
        check_version(user_id, system, _ACTION)
        seconds = 2 * (_interval(system) or timedelta())
        content = {"offline_mode_at": now + seconds}
        delivery = self._outbox.delivery(system, _ACTION, content, self._new_request_id())
        if delivery is None:
            # As with instructions, what need not be sent counts as sent (inferred).
            self._note(f"{system.name} has no base URL: no heartbeat is sent, and it counts as one")
            return 0.0
        return self._outbox.send(user_id, system, delivery).after

    def _wanted(self) -> Iterator[tuple[int, System, datetime]]:
        """Answers with each system that wants heartbeats, whose it is, and when it is due."""
        for user in self._rooms.world.users:
            for system in user.systems:
                interval = _interval(system)
                if isinstance(system, self._kind) and interval is not None:
                    last = system.heartbeat_date
                    yield user.id, system, _EVER if last is None else _later(last, interval)

    def _current(self, user_id: int, chosen: System) -> System | None:
        """Answers with a system as it is now, if it still wants heartbeats."""
        found = (system for owner, system, _ in self._wanted() if owner == user_id)
        return next((each for each in found if each.id == chosen.id), None)

    def _note(self, why: str) -> None:
        self._rooms.journal.append(
            "flexibility_provider", "note", action=_ACTION, detail={"why": why}
        )


def _interval(system: System) -> timedelta | None:
    """Answers with how often a system is sent heartbeats; None: never."""
    seconds = system.settings.heartbeat_seconds if system.settings else None
    if not system.enabled or system.registration_status != "Registered" or not seconds:
        return None
    return timedelta(seconds=seconds) if seconds > 0 else None


def _later(last: datetime, interval: timedelta) -> datetime:
    try:
        return last + interval + _JUST_AFTER
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)

"""Send heartbeats to the systems that asked for them (oscp20.md §5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from oscp_sim.flexibility_provider.delivery import (
    ConfigurationProblem,
    DeliveryFailed,
    Events,
    System,
)
from oscp_sim.flexibility_provider.http_client import Sending
from oscp_sim.flexibility_provider.jobs import Job, Timetable
from oscp_sim.flexibility_provider.outbox import Outbox, check_version
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityOptimizer, CapacityProvider

_ACTION: Final = "Heartbeat"
_EVER: Final = datetime.min.replace(tzinfo=UTC)
# A system is due once its interval has passed, not when it passes.
_JUST_AFTER: Final = timedelta(microseconds=1)


def heartbeat_jobs(shared: Shared, outbox: Outbox) -> tuple[Job, Job]:
    """Return the two jobs: Capacity Providers at second 0, Optimizers at second 30."""
    return (
        Job(shared, Timetable(second=0), _Heartbeats(shared, outbox, CapacityProvider)),
        Job(shared, Timetable(second=30), _Heartbeats(shared, outbox, CapacityOptimizer)),
    )


class _Heartbeats:
    def __init__(self, shared: Shared, outbox: Outbox, kind: type[System]) -> None:
        self._shared = shared
        self._outbox = outbox
        self._kind = kind

    def due(self) -> datetime | None:
        return min((when for _, _, when in self._wanted()), default=None)

    def steps(self, begun: datetime) -> Iterator[float]:
        """Send one heartbeat to each system that is due; the first failure ends the run (§5.5).

        The service's order is not known: here, as the world lists them (inferred).
        """
        for user_id, chosen, _ in [each for each in self._wanted() if each[2] <= begun]:
            system = self._shared.world.current(user_id, chosen)
            if system is None or _interval(system) is None:
                continue
            # The time of sending, which is never before the timetable's instant.
            now = self._shared.clock.now()
            try:
                yield from self._send(user_id, system)
            except (DeliveryFailed, ConfigurationProblem) as problem:
                self._note(f"{system.name} has not been sent a heartbeat: {problem}")
                Events(self._shared, user_id, system, _ACTION).unresolvable(problem)
                return
            self._shared.change_system(user_id, system, heartbeat_date=now)

    def _send(self, user_id: int, system: System) -> Sending:
        check_version(user_id, system, _ACTION)
        now = self._shared.time_to_write("flexibility_provider", _ACTION)
        seconds = 2 * (_interval(system) or timedelta())
        delivery = self._outbox.delivery(system, _ACTION, {"offline_mode_at": now + seconds})
        if delivery is None:
            # As with instructions, a heartbeat that goes nowhere counts as sent (inferred).
            self._note(f"{system.name} has no base URL: no heartbeat is sent, and it counts as one")
            return None
        return (yield from self._outbox.send(user_id, system, delivery))

    def _wanted(self) -> Iterator[tuple[int, System, datetime]]:
        """Yield each system that wants heartbeats, after its user's id, and when it is due."""
        for user, system in self._shared.world.systems:
            interval = _interval(system) if isinstance(system, self._kind) else None
            if interval is not None:
                last = system.heartbeat_date
                yield user.id, system, _EVER if last is None else _later(last, interval)

    def _note(self, why: str) -> None:
        self._shared.journal.append(
            "flexibility_provider", "note", action=_ACTION, detail={"why": why}
        )


def _interval(system: System) -> timedelta | None:
    """Return how often a system is sent heartbeats, or None."""
    seconds = system.settings.heartbeat_seconds if system.settings else None
    if not system.enabled or system.registration_status != "Registered" or not seconds:
        return None
    return timedelta(seconds=seconds) if seconds > 0 else None


def _later(last: datetime, interval: timedelta) -> datetime:
    try:
        return last + interval + _JUST_AFTER
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)

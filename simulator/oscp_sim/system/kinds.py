"""The two kinds of system: Capacity Providers and Capacity Optimizers.

They differ by profile, by the message that they compose, and by what a Capacity Provider does with
segments, and by the clock where its profile has ELMO's timetable (oscp20.md §4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from oscp_sim.clock import Task
from oscp_sim.entry import PartyName
from oscp_sim.shared import Shared
from oscp_sim.system.elmo import day_ahead, missed_measurements, next_assignment
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.registration import Configured
from oscp_sim.system.segments import Segments
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import FORECAST, System
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
        now, groups = self.shared.time_to_write(self.party, FORECAST), sorted(self.groups)
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
        action = "AdjustGroupCapacityForecast"
        now, groups = self.shared.time_to_write(self.party, action), sorted(self.groups)
        message = forecast_message(fields, groups=groups, profile=self.profile, now=now)
        return self.post(action, message, request_id=request_id, correlation_id=correlation_id)

    @property
    def forecasts(self) -> tuple[Mapping[str, Any], ...]:
        """The newest forecasts that it got and did not refuse, oldest first."""
        bodies = (
            each.body
            for each in self.received
            if each.action == FORECAST and each.status is not None and each.status < 400  # noqa: PLR2004 - of HTTP
        )
        return tuple(body for body in bodies if isinstance(body, Mapping))

    def to_dict(self) -> dict[str, Any]:
        """Return what it knows as JSON values, without secrets."""
        return {**super().to_dict(), "forecasts": [dict(each) for each in self.forecasts]}

    def _find(self, user: User) -> CapacityOptimizer | None:
        return user.optimizer(self.id)

    def _has(self, group: CapacityGroup) -> bool:
        return group.capacity_optimizer == self.id


_USAGE_WITHIN: Final = timedelta(minutes=1, milliseconds=1)


class Timetable:
    """Assigns tomorrow's capacities, and watches that usage is reported.

    Args:
        system: The Capacity Provider; without ELMO's profile it has no timetable.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._schedule = system.shared.schedule
        self._clock = system.shared.clock
        self._assignment: Task | None = None
        self._watch: Task | None = None
        self._last_usage: datetime | None = None

    def plan(self) -> None:
        """Plan the next assignment, if there is to be one."""
        if self._assignment is not None:
            self._assignment.cancel()
        self._assignment = None
        profile = self._system.profile
        if profile.has_timetable and profile.timetable is not None:
            when, queue = next_assignment(self._clock.now()), self._system.queue
            self._assignment = self._schedule.at(when, self._assign, job=True, queue=queue)

    def usage_reported(self, now: datetime) -> None:
        """Record that usage was reported: the next report is due within a minute."""
        if not self._system.profile.has_timetable:
            return
        self._last_usage = now
        if self._watch is None:
            self._watch = self._schedule.at(now + _USAGE_WITHIN, self._look, job=True)

    def end(self) -> None:
        """Do nothing any more."""
        for task in (self._assignment, self._watch):
            if task is not None:
                task.cancel()
        self._assignment = self._watch = self._last_usage = None

    def _assign(self) -> None:
        system, capacity = self._system, self._system.profile.timetable
        if not system.is_configured or capacity is None:
            return
        self.plan()
        if not system.registration.is_registered:
            system.note("no capacities are assigned for tomorrow: it is not registered")
            return
        for group in sorted(system.groups):
            system.retry(partial(self._send, group, capacity, system.new_request_id()))

    def _send(self, group: str, capacity: float, request_id: str) -> Sent:
        message = day_ahead(group, capacity, self._clock.now())
        return self._system.post(FORECAST, message, request_id=request_id)

    def _look(self) -> None:
        self._watch, last = None, self._last_usage
        if last is None:
            return
        finding = missed_measurements(last, self._clock.now())
        if finding is None:
            self._watch = self._schedule.at(last + _USAGE_WITHIN, self._look, job=True)
            return
        system = self._system
        system.shared.journal.append(
            system.party,
            "note",
            action="UpdateGroupMeasurements",
            findings=[finding.to_dict()],
            detail={"why": finding.message, **system.who},
        )


# What systems can be told to send, and with which fields.

_Schema: TypeAlias = Mapping[str, Any]
_TEXT: Final[_Schema] = {"type": "string", "minLength": 1}
_STRING: Final[_Schema] = {"type": "string"}
_IDS: Final[Mapping[str, _Schema]] = {"request_id": _TEXT, "correlation_id": _TEXT}


def _fields(properties: Mapping[str, _Schema], *required: str) -> _Schema:
    return MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {**properties, **_IDS},
            "required": list(required),
        }
    )


_REGISTER: Final = _fields(
    {
        "token": _STRING,
        "new_token": {"type": "boolean"},
        "show": _STRING,
        "base_url": _STRING,
        "version": _STRING,
    }
)
_BEHAVIOUR: Final = _fields(
    {
        "heartbeat_interval": {"type": ["number", "null"]},
        "measurement_configuration": {"type": ["array", "null"], "items": _STRING},
    }
)
_FORECAST: Final = _fields(
    {
        "message": {},
        "csv": _TEXT,
        "columns": {"type": "object", "additionalProperties": _STRING},
        "date_format": _STRING,
        "decimal_comma": {"type": "boolean"},
        "time_zone": _STRING,
        "group": _STRING,
        "type": _STRING,
        "start": _TEXT,
        "step": _TEXT,
        "capacities": {"type": "array", "items": {"type": "number"}},
        "unit": _STRING,
        "phase": _STRING,
        "purpose": _STRING,
        "capacity": {"type": "number"},
    }
)
_POST: Final = _fields(
    {
        "action": _TEXT,
        "message": {},
        "headers": {"type": "object", "additionalProperties": _STRING},
    },
    "action",
    "message",
)


class Command(NamedTuple):
    """Something that a system can be told to send.

    Attributes:
        send: Sends it.
        fields: JSON Schema of its fields.
        sends: What that is, for people.
    """

    send: Callable[..., Sent]
    fields: _Schema
    sends: str


_COMMON: Final[Mapping[str, Command]] = {
    "register": Command(System.register, _REGISTER, "Register"),
    "handshake": Command(System.handshake, _BEHAVIOUR, "Handshake"),
    "handshake_acknowledge": Command(
        System.handshake_acknowledge, _BEHAVIOUR, "HandshakeAcknowledge"
    ),
    "heartbeat": Command(System.heartbeat, _fields({"offline_mode_at": _TEXT}), "Heartbeat"),
}
_ANYTHING: Final = Command(System.post, _POST, "any message, as it stands")
#: The commands of each kind of system.
COMMANDS: Final[Mapping[str, Mapping[str, Command]]] = {
    "capacity_provider": {
        **_COMMON,
        "forecast": Command(SimulatedProvider.forecast, _FORECAST, "UpdateGroupCapacityForecast"),
        "post": _ANYTHING,
    },
    "capacity_optimizer": {
        **_COMMON,
        "adjust": Command(SimulatedOptimizer.adjust, _FORECAST, "AdjustGroupCapacityForecast"),
        "post": _ANYTHING,
    },
}


def carry_out(system: System, command: str, fields: Mapping[str, Any]) -> Sent:
    """Have a system send a message, and return the result.

    Raises:
        ValueError: The fields do not make a message; the text says why.
    """
    given = dict(fields)
    if "headers" in given:
        given["headers"] = tuple(given["headers"].items())
    return COMMANDS[system.party][command].send(system, **given)

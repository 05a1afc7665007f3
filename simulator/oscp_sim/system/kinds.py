"""The two kinds of system: Capacity Providers and Capacity Optimizers, and what each can be told.

They differ by profile, by the message that they compose, and by the clock of ELMO (oscp20.md §4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from oscp_sim.entry import PartyName
from oscp_sim.system.elmo import Timetable
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.sending import Sent
from oscp_sim.system.system import ADJUSTMENT, FORECAST, System
from oscp_sim.world import CapacityOptimizer, CapacityProvider, User


class SimulatedProvider(System):
    """A Capacity Provider that the simulator plays; `timetable` is what it does by the clock."""

    party: ClassVar[PartyName] = "capacity_provider"
    words: ClassVar[str] = "Capacity Provider"

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - those of a system
        super().__init__(*args)
        self.timetable = Timetable(self)

    @staticmethod
    def of_user(user: User) -> Sequence[CapacityProvider]:
        """Return the Capacity Providers that a user has configured."""
        return user.capacity_providers

    def forecast(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Send UpdateGroupCapacityForecast, built from shorthand.

        The fields are those of `forecast_message`: `message`, `csv`, `capacities` or `purpose`,
        and what goes with it.

        Raises:
            ValueError: The fields do not make a forecast.
        """
        message = _composed(self, FORECAST, fields)
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


class SimulatedOptimizer(System):
    """A Capacity Optimizer that the simulator plays."""

    party: ClassVar[PartyName] = "capacity_optimizer"
    words: ClassVar[str] = "Capacity Optimizer"

    @staticmethod
    def of_user(user: User) -> Sequence[CapacityOptimizer]:
        """Return the Capacity Optimizers that a user has configured."""
        return user.capacity_optimizers

    def adjust(
        self, *, request_id: str | None = None, correlation_id: str | None = None, **fields: object
    ) -> Sent:
        """Send AdjustGroupCapacityForecast, built from shorthand.

        The fields are those of `forecast_message`: `message`, `csv` or `capacities`, and what goes
        with it.

        Raises:
            ValueError: The fields do not make an adjustment.
        """
        message = _composed(self, ADJUSTMENT, fields)
        return self.post(ADJUSTMENT, message, request_id=request_id, correlation_id=correlation_id)

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


def _composed(system: System, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return forecast_message(
        fields,
        groups=sorted(system.groups),
        profile=system.profile,
        now=system.shared.time_to_write(system.party, action),
        kind=system.words,
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

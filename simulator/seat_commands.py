"""What the parties that the simulator plays can be told to send, and with which fields."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import jsonschema_rs

if TYPE_CHECKING:
    from simulator.external_system.records import Sent

__all__ = ["COMMANDS", "BadFields", "Parties", "carry_out", "check_fields"]

Schema = Mapping[str, Any]

_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_IDS: Final[Mapping[str, Schema]] = {"request_id": _TEXT, "correlation_id": _TEXT}
_REGISTER: Final[Mapping[str, Schema]] = {
    "token": {"type": "string"},
    "new_token": {"type": "boolean"},
    "show": {"type": "string"},
    "base_url": {"type": "string"},
    "version": {"type": "string"},
    **_IDS,
}
_BEHAVIOUR: Final[Mapping[str, Schema]] = {
    "heartbeat_interval": {"type": ["number", "null"]},
    "measurement_configuration": {"type": ["array", "null"], "items": {"type": "string"}},
    **_IDS,
}
_HEARTBEAT: Final[Mapping[str, Schema]] = {"offline_mode_at": _TEXT, **_IDS}
_FORECAST: Final[Mapping[str, Schema]] = {
    "message": {},
    "csv": _TEXT,
    "group": {"type": "string"},
    "type": {"type": "string"},
    "start": _TEXT,
    "step": _TEXT,
    "capacities": {"type": "array", "items": {"type": "number"}},
    "unit": {"type": "string"},
    "phase": {"type": "string"},
    "purpose": {"type": "string"},
    "capacity": {"type": "number"},
    **_IDS,
}
_POST: Final[Mapping[str, Schema]] = {
    "action": _TEXT,
    "message": {},
    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    **_IDS,
}


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    return MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": dict(properties),
            "required": list(required),
        }
    )


#: The commands of each party, each with the JSON Schema of its fields.
COMMANDS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "capacity_provider": {
        "register": _object(_REGISTER),
        "handshake": _object(_BEHAVIOUR),
        "handshake_acknowledge": _object(_BEHAVIOUR),
        "heartbeat": _object(_HEARTBEAT),
        "forecast": _object(_FORECAST),
        "post": _object(_POST, "action", "message"),
    },
    "capacity_optimizer": {
        "register": _object(_REGISTER),
        "handshake": _object(_BEHAVIOUR),
        "handshake_acknowledge": _object(_BEHAVIOUR),
        "heartbeat": _object(_HEARTBEAT),
        "adjust": _object(_FORECAST),
        "post": _object(_POST, "action", "message"),
    },
}


class BadFields(ValueError):
    """Raised for fields that a command does not take; its text says which and why."""


class Parties(Protocol):
    """Whoever knows the parties that are played, and can start afresh."""

    def provider(self, id: int, user: int | None = None) -> Any:  # noqa: A002, ANN401
        """Answers with a Capacity Provider."""
        ...

    def optimizer(self, id: int, user: int | None = None) -> Any:  # noqa: A002, ANN401
        """Answers with a Capacity Optimizer."""
        ...

    def reset(self) -> None:
        """Forgets everything, and starts afresh."""
        ...


def check_fields(schema: Schema, fields: object) -> Mapping[str, Any]:
    """Answers with the fields of a command, which are as its schema says.

    Raises:
        BadFields: They are not.
    """
    if not isinstance(fields, Mapping):
        raise BadFields("the body is a JSON object with the fields of the command, or empty")
    known = schema["properties"]
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there is {', '.join(known)}"
            raise BadFields(f'unknown field "{name}"; {hint}')
    error = next(iter(jsonschema_rs.Draft7Validator(dict(schema)).iter_errors(dict(fields))), None)
    if error is not None:
        place = "/".join(map(str, error.instance_path))
        raise BadFields(f"{place}: {error.message}" if place else error.message)
    return fields


def carry_out(seat: Any, command: str, fields: Mapping[str, Any]) -> Sent:  # noqa: ANN401
    """Has a party send a message, and answers with what came of it.

    Raises:
        ValueError: The fields make no message; the text says why.
    """
    given = dict(fields)
    if "headers" in given:
        given["headers"] = tuple(given["headers"].items())
    sent: Sent = getattr(seat, command)(**given)
    return sent

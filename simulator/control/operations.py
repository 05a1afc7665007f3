"""The table of the simulator's own endpoints, of which routes and description are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from simulator.journal import Party
from simulator.openapi import Operation
from simulator.route_docs import RouteDocs, RouteParameter
from simulator.seat_commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FILTERS", "LONGEST_ADVANCE", "LONGEST_WAIT", "OPERATIONS", "PREFIX", "SEATS"]

PREFIX: Final = "/_sim"
LONGEST_WAIT: Final = 60.0
#: Seconds of a year: over more, a mistyped number would keep the simulator busy for long.
LONGEST_ADVANCE: Final = 366 * 86_400.0

#: The parties that can be looked into and told what to send, by the first part of their paths.
SEATS: Final[Mapping[str, str]] = {
    "providers": "capacity_provider",
    "optimizers": "capacity_optimizer",
}
_NAMES: Final = {
    "capacity_provider": "Capacity Provider",
    "capacity_optimizer": "Capacity Optimizer",
}
_SENDS: Final[Mapping[str, str]] = {
    "register": "Register",
    "handshake": "Handshake",
    "handshake_acknowledge": "HandshakeAcknowledge",
    "heartbeat": "Heartbeat",
    "forecast": "UpdateGroupCapacityForecast",
    "adjust": "AdjustGroupCapacityForecast",
    "post": "any message, as it stands",
}


def _query(name: str, schema: Mapping[str, Any], description: str) -> RouteParameter:
    return RouteParameter(name, "query", False, schema, description)


_OBJECT: Final = {"type": "object"}
_JOURNAL: Final = RouteDocs(
    parameters=(
        _query("action", {"type": "string"}, "Only entries about this OSCP message."),
        _query("party", {"enum": list(get_args(Party))}, "Only entries that this party tells."),
        _query("since", {"type": "integer", "minimum": 0}, "Only entries with a higher number."),
        _query(
            "wait",
            {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT},
            "Seconds to wait until there is such an entry.",
        ),
    ),
    response_schema={
        "type": "object",
        "properties": {"last": {"type": "integer"}, "entries": {"type": "array", "items": _OBJECT}},
        "required": ["last", "entries"],
    },
    statuses={400: "A filter makes no sense; the body says which and why."},
)
FILTERS: Final = frozenset(parameter.name for parameter in _JOURNAL.parameters)
_PLAIN: Final = RouteDocs(response_schema=_OBJECT)
_ADVANCE: Final = RouteDocs(
    request_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["advance"],
        "properties": {
            "advance": {
                "anyOf": [
                    {"type": "number", "minimum": 0, "maximum": LONGEST_ADVANCE},
                    {"type": "string", "examples": ["15m"]},
                ]
            }
        },
    },
    response_schema=_OBJECT,
    statuses={
        400: "The body says by how much in no way that is understood.",
        409: "This clock cannot be moved; the body says which can.",
    },
)
_ID: Final = RouteParameter("id", "path", True, {"type": "integer", "minimum": 1}, "Its configId.")
_USER: Final = _query(
    "user", {"type": "integer", "minimum": 1}, "Whose it is, where several have one of that id."
)
_UNKNOWN: Final = {
    400: "Several users have one of that id, or a field makes no sense; the body says which.",
    404: "There is none of that id.",
}


_NOT_SENT: Final = {
    409: "There is no Flexibility Provider to send to; the body says how to name one."
}


def _of_seats() -> Iterator[Operation]:
    for name, party in SEATS.items():
        path = f"{PREFIX}/{name}/<id>"
        looked = RouteDocs((_ID, _USER), response_schema=_OBJECT, statuses=_UNKNOWN)
        yield Operation("GET", path, f"What a {_NAMES[party]} knows, got and sent.", looked)
        for command, schema in COMMANDS[party].items():
            told = RouteDocs((_ID, _USER), schema, _OBJECT, {**_UNKNOWN, **_NOT_SENT})
            summary = f"Have a {_NAMES[party]} send {_SENDS[command]}."
            yield Operation("POST", f"{path}/{command}", summary, told)


OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("GET", f"{PREFIX}/health", "Is it there, and how is it set up?", _PLAIN),
    Operation("GET", f"{PREFIX}/journal", "Everything that happened, in order.", _JOURNAL),
    Operation("GET", f"{PREFIX}/openapi.json", "This description.", _PLAIN),
    Operation("POST", f"{PREFIX}/reset", "Forget everything, and start afresh.", _PLAIN),
    Operation("GET", f"{PREFIX}/world", "Who exists, without secrets.", _PLAIN),
    Operation("GET", f"{PREFIX}/clock", "What time it is, and what is due next.", _PLAIN),
    Operation("POST", f"{PREFIX}/clock", "Let time pass, with all that is due in it.", _ADVANCE),
    *_of_seats(),
)

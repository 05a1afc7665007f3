"""The simulator's own endpoints, below `/_sim/`: what happened, who exists, and starting afresh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast, get_args

import orjson
from flask import Blueprint, Response, request

from simulator.journal import NotSeen, Party
from simulator.openapi import Operation
from simulator.route_docs import RouteDocs, RouteParameter
from simulator.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.journal import Entry
    from simulator.rooms import Rooms

__all__ = ["LONGEST_WAIT", "OPERATIONS", "PREFIX", "control"]

PREFIX = "/_sim"
LONGEST_WAIT = 60.0


def _query(name: str, schema: Mapping[str, Any], description: str) -> RouteParameter:
    return RouteParameter(name, "query", False, schema, description)


_OBJECT = {"type": "object"}
_JOURNAL = RouteDocs(
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
_PLAIN = RouteDocs(response_schema=_OBJECT)
OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", f"{PREFIX}/health", "Is it there, and how is it set up?", _PLAIN),
    Operation("GET", f"{PREFIX}/journal", "Everything that happened, in order.", _JOURNAL),
    Operation("GET", f"{PREFIX}/openapi.json", "This description.", _PLAIN),
    Operation("POST", f"{PREFIX}/reset", "Forget everything, and start afresh.", _PLAIN),
    Operation("GET", f"{PREFIX}/world", "Who exists, without secrets.", _PLAIN),
)
_FILTERS = frozenset(parameter.name for parameter in _JOURNAL.parameters)


class _BadQuery(ValueError):
    """Raised for a query that makes no sense; its text says what would."""


def control(rooms: Rooms, openapi: Callable[[], Mapping[str, Any]]) -> Blueprint:
    """Answers with the simulator's own endpoints as a blueprint.

    Args:
        rooms: What there is to look into.
        openapi: Makes the description of the API, when it is asked for.
    """
    blueprint = Blueprint("control", __name__)
    handlers = _Handlers(rooms, openapi)
    for operation in OPERATIONS:
        name = operation.path.removeprefix(f"{PREFIX}/").partition(".")[0]
        handler = getattr(handlers, name)
        blueprint.route(operation.path, methods=[operation.method], endpoint=name)(handler)
    return blueprint


class _Handlers:
    """One method for each of `OPERATIONS`, named after its path."""

    def __init__(self, rooms: Rooms, openapi: Callable[[], Mapping[str, Any]]) -> None:
        self._rooms = rooms
        self._openapi = openapi
        self._first_world = rooms.world

    def health(self) -> Response:
        rooms = self._rooms
        return _json(
            {
                "status": "ok",
                "version": version(),
                "seed": rooms.seed,
                "fidelity": rooms.behaviour.fidelity,
                "settings": dict(rooms.behaviour.sides),
                "now": rooms.clock.now().isoformat().replace("+00:00", "Z"),
            }
        )

    def journal(self) -> Response:
        try:
            entries = _entries(self._rooms)
        except _BadQuery as error:
            return _json({"error": str(error)}, 400)
        return _json(
            {"last": self._rooms.journal.last, "entries": [entry.to_dict() for entry in entries]}
        )

    def openapi(self) -> Response:
        return _json(self._openapi())

    def reset(self) -> Response:
        rooms = self._rooms
        with rooms.world_lock:
            rooms.replace_world(self._first_world)
        rooms.instructions.clear()
        rooms.events.clear()
        rooms.journal.clear()
        return _json({"reset": True, "last": rooms.journal.last})

    def world(self) -> Response:
        return _json(self._rooms.world.summary())


def _entries(rooms: Rooms) -> tuple[Entry, ...]:
    unknown = sorted(request.args.keys() - _FILTERS)
    if unknown:
        raise _BadQuery(f"unknown filter {unknown[0]!r}; known: {', '.join(sorted(_FILTERS))}")
    party, action, since = request.args.get("party"), request.args.get("action"), _number("since")
    if party is not None and party not in get_args(Party):
        raise _BadQuery(f"unknown party {party!r}; known: {', '.join(get_args(Party))}")
    wanted: dict[str, Any] = {"party": party, "action": action}
    deadline = time.monotonic() + min(_number("wait"), LONGEST_WAIT)
    known = cast("Party | None", party)
    while True:
        found = rooms.journal.entries(party=known, action=action, since=int(since))
        left = deadline - time.monotonic()
        if found or left <= 0:
            return found
        fields = {name: value for name, value in wanted.items() if value is not None}
        try:
            rooms.journal.wait_for(lambda _: True, timeout=left, since=int(since), **fields)
        except NotSeen:
            return ()


def _number(name: str) -> float:
    text = request.args.get(name, "0")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise _BadQuery(f"{name} is a number, 0 or more, not {text!r}")
    return number


def _json(content: object, status: int = 200) -> Response:
    return Response(
        orjson.dumps(content, default=dict, option=orjson.OPT_APPEND_NEWLINE),
        status,
        mimetype="application/json",
    )

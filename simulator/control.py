"""The simulator's own endpoints, below `/_sim/`: what happened, who exists, and starting afresh."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast, get_args

import orjson
from flask import Blueprint, Response, request

from simulator.journal import NotSeen, Party

if TYPE_CHECKING:
    from simulator.journal import Entry
    from simulator.rooms import Rooms

__all__ = ["LONGEST_WAIT", "PREFIX", "control"]

PREFIX = "/_sim"
LONGEST_WAIT = 60.0
_FILTERS = frozenset({"action", "party", "since", "wait"})


class _BadQuery(ValueError):
    """Raised for a query that makes no sense; its text says what would."""


def control(rooms: Rooms, seed: int) -> Blueprint:
    """Answers with the simulator's own endpoints as a blueprint.

    Args:
        rooms: What there is to look into.
        seed: Shown by `health`.
    """
    blueprint = Blueprint("control", __name__, url_prefix=PREFIX)

    @blueprint.get("/health")
    def health() -> Response:
        return _json(
            {
                "status": "ok",
                "version": _version(),
                "seed": seed,
                "fidelity": rooms.behaviour.fidelity,
                "now": rooms.clock.now().isoformat().replace("+00:00", "Z"),
            }
        )

    @blueprint.get("/journal")
    def journal() -> Response:
        try:
            entries = _entries(rooms)
        except _BadQuery as error:
            return _json({"error": str(error)}, 400)
        return _json(
            {"last": rooms.journal.last, "entries": [entry.to_dict() for entry in entries]}
        )

    @blueprint.post("/reset")
    def reset() -> Response:
        rooms.instructions.clear()
        rooms.journal.clear()
        return _json({"reset": True, "last": rooms.journal.last})

    @blueprint.get("/world")
    def world() -> Response:
        return _json(rooms.world.summary())

    return blueprint


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
        orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), status, mimetype="application/json"
    )


def _version() -> str:
    try:
        return version("oscp-rehearsal")
    except PackageNotFoundError:
        return "unknown"

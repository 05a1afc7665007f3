"""The simulator's own endpoints as routes, one for each line of their table."""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from simulator.control.answers import json_answer, refusal
from simulator.control.clock import move_clock, show_clock
from simulator.control.journal import BadQuery, entries_asked_for
from simulator.control.operations import OPERATIONS, PREFIX, SEATS
from simulator.control.seats import SeatRoutes
from simulator.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response

    from simulator.openapi import Operation
    from simulator.rooms import Rooms
    from simulator.seat_commands import Parties

__all__ = ["control"]

# Whoever starts the simulator asks for it before anybody has told the token.
_OPEN = f"{PREFIX}/health"


def control(
    rooms: Rooms,
    parties: Parties,
    openapi: Callable[[], Mapping[str, Any]],
    token: str | None = None,
) -> Blueprint:
    """Answers with the simulator's own endpoints as a blueprint.

    Args:
        rooms: What there is to look into.
        parties: Who is played, and who starts all afresh.
        openapi: Makes the description of the API, when it is asked for.
        token: What must be shown, as `Authorization: Bearer TOKEN`; nothing where not given.
    """
    blueprint = Blueprint("control", __name__)
    handlers = _Handlers(rooms, parties, openapi)
    for operation in OPERATIONS:
        blueprint.route(operation.path, methods=[operation.method], endpoint=_endpoint(operation))(
            handlers.of(operation)
        )
    if token is not None:
        blueprint.before_request(partial(_refused, f"Bearer {token}".encode()))
    return blueprint


def _refused(wanted: bytes) -> Response | None:
    shown = (request.headers.get("Authorization") or "").encode("utf-8", "replace")
    if request.path == _OPEN or hmac.compare_digest(shown, wanted):
        return None
    response = refusal(401, "show the control token, as Authorization: Bearer TOKEN")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _endpoint(operation: Operation) -> str:
    parts = operation.path.removeprefix(f"{PREFIX}/").replace(".", "_").replace("/", "-")
    return f"{operation.method.lower()}-{parts}"


class _Handlers:
    def __init__(
        self, rooms: Rooms, parties: Parties, openapi: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._rooms = rooms
        self._parties = parties
        self._openapi = openapi
        self._seats = {name: SeatRoutes(parties, party) for name, party in SEATS.items()}

    def of(self, operation: Operation) -> Callable[..., Response]:
        """Answers with what answers an operation."""
        name, *rest = operation.path.removeprefix(f"{PREFIX}/").split("/")
        if name in self._seats:
            seats = self._seats[name]
            return partial(seats.carry_out, rest[1]) if len(rest) > 1 else seats.show
        if name == "clock":
            return partial(move_clock if operation.method == "POST" else show_clock, self._rooms)
        handler: Callable[[], Response] = getattr(self, name.partition(".")[0])
        return handler

    def health(self) -> Response:
        rooms = self._rooms
        return json_answer(
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
        journal = self._rooms.journal
        try:
            entries = entries_asked_for(journal)
        except BadQuery as error:
            return refusal(400, str(error))
        return json_answer(
            {"last": journal.last, "entries": [entry.to_dict() for entry in entries]}
        )

    def openapi(self) -> Response:
        return json_answer(self._openapi())

    def reset(self) -> Response:
        self._parties.reset()
        return json_answer({"reset": True, "last": self._rooms.journal.last})

    def world(self) -> Response:
        return json_answer(self._rooms.world.summary())

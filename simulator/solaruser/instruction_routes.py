"""The routes of the instruction API (SolarUser dossier §1.1)."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from oscp_send.solarnetwork.java import parse_long
from oscp_send.solarnetwork.request_body import BodyRefused, read_body
from simulator.solaruser.instruction_service import InstructionService
from simulator.solaruser.refusal import ApiRefused
from simulator.solaruser.replies import instruction_object, success
from simulator.solaruser.router import Call, NoRoute, Route

if TYPE_CHECKING:
    from flask import Response

    from simulator.hand_off import HandOff
    from simulator.rooms import Rooms

__all__ = ["instruction_routes"]

_BASE = "/api/v1/sec/instr"


def instruction_routes(rooms: Rooms, hand_off: HandOff) -> list[Route]:
    """Answers with the routes, named after the rows of the dossier's table.

    Args:
        rooms: The shared rooms.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    api = _InstructionApi(InstructionService(rooms), hand_off)
    ids = frozenset({"ids"})
    return [
        Route("instr-2", "GET", f"{_BASE}/view", api.view, "View an instruction", lacks=ids),
        Route("instr-3", "GET", f"{_BASE}/view", api.view_many, "View instructions", needs=ids),
        Route("instr-8", "POST", f"{_BASE}/add", api.add, "Queue an instruction", "json"),
        Route("instr-9", "POST", f"{_BASE}/add/<topic>", api.add, "Queue on a topic", "json"),
    ]


class _InstructionApi:
    def __init__(self, service: InstructionService, hand_off: HandOff) -> None:
        self._service = service
        self._hand_off = hand_off

    def add(self, call: Call) -> Response:
        try:
            body = read_body(call.body or b"")
        except BodyRefused as refusal:
            why = {"why": f"the request body is not JSON: {refusal.error}"} if refusal.error else {}
            raise ApiRefused(422, refusal.message, explanation=why) from None
        topic = call.variables.get("topic") or body.topic
        if body.node_id is None:
            raise ApiRefused(422, "Illegal argument: The nodeId parameter is required.")
        if not topic:
            raise ApiRefused(422, "Illegal argument: The topic parameter is required.")
        call.instruction, message = self._service.queue(call.actor, body.node_id, topic, body)
        if message is not None:
            # After the exchange is recorded: the journal's order does not depend on threads then.
            call.afterwards = partial(self._hand_off, message)
        return success(instruction_object(call.instruction))

    def view(self, call: Call) -> Response:
        text = call.parameters.get("id")
        if text is None:
            raise NoRoute(HTTPStatus.BAD_REQUEST)
        rows = self._service.view(call.actor, _ids("id", [text]))
        if not rows:
            return success()
        call.instruction = rows[0]
        return success(instruction_object(rows[0]))

    def view_many(self, call: Call) -> Response:
        wanted = [part for text in call.parameters.getlist("ids") for part in text.split(",")]
        rows = self._service.view(call.actor, _ids("ids", wanted))
        return success([instruction_object(row) for row in rows] or None)


def _ids(name: str, texts: list[str]) -> list[int]:
    try:
        return [parse_long(text) for text in texts]
    except ValueError as error:
        raise ApiRefused(
            422,
            f"Illegal argument: Method parameter '{name}': Failed to convert value of type "
            f"'java.lang.String' to required type 'java.lang.Long'; {error}",
        ) from None

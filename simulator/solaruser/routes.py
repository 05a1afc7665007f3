"""The routes of SolarUser's instruction API (SolarUser dossier §1.1)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule

from oscp_send.check import check
from oscp_send.solarnetwork.dates import timestamp
from oscp_send.solarnetwork.java import parse_long
from oscp_send.solarnetwork.request_body import BodyRefused, read_body
from simulator.exchange import body_within, record_exchange
from simulator.solaruser.authentication import Actor, Authenticator
from simulator.solaruser.instruction_service import AccessRefused, InstructionService
from simulator.solaruser.refusal import MAXIMUM_BODY, AuthenticationRefused
from simulator.solaruser.replies import container_error, failure, instruction_object, success
from simulator.wire import WireRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.hand_off import HandOff
    from simulator.instructions import Instruction
    from simulator.rooms import Rooms

__all__ = ["PREFIX", "solaruser"]

PREFIX = "/solaruser"
_INSTRUCTIONS = f"{PREFIX}/api/v1/sec/instr"


def solaruser(rooms: Rooms, hand_off: HandOff) -> Blueprint:
    """Answers with SolarUser as a blueprint.

    Args:
        rooms: The shared rooms.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    blueprint = Blueprint("solaruser", __name__)
    routes = _Routes(rooms, InstructionService(rooms, hand_off))
    blueprint.before_request(routes.authenticate)
    blueprint.after_request(routes.record)
    for method, rule, handler in routes.table:
        blueprint.route(rule, methods=[method], endpoint=handler.__name__)(handler)
    # Whatever else is asked for below the prefix is SolarUser's to refuse, not the server's.
    blueprint.route(
        f"{PREFIX}/<path:_>",
        methods=["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"],
        provide_automatic_options=False,
        endpoint="unknown",
    )(routes.unknown)
    return blueprint


class _Routes:
    def __init__(self, rooms: Rooms, service: InstructionService) -> None:
        self._rooms = rooms
        self._service = service
        self._authenticator = Authenticator(rooms)
        self.table: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("POST", f"{_INSTRUCTIONS}/add", self.add),
            ("POST", f"{_INSTRUCTIONS}/add/<topic>", self.add),
            ("GET", f"{_INSTRUCTIONS}/view", self.view),
        )
        self._known = Map([Rule(rule, methods=[method]) for method, rule, _ in self.table]).bind("")

    def authenticate(self) -> Response | None:
        g.wire = WireRequest.of(request.environ)
        g.body = body_within(request, MAXIMUM_BODY)
        g.explanation = {}
        try:
            g.actor = self._authenticator.authenticate(g.wire, g.body)
        except AuthenticationRefused as refusal:
            g.explanation = refusal.explanation
            return failure(refusal.status, refusal.message, headers=refusal.headers())
        actor: Actor = g.actor
        return None if actor.token.type == "User" else failure(403, "Access Denied")

    def record(self, response: Response) -> Response:
        row: Instruction | None = g.get("instruction")
        record_exchange(
            self._rooms.journal,
            "solaruser",
            g.wire,
            g.body,
            response,
            action=row.parameters.get("action") if row else None,
            instruction_id=row.id if row else None,
            findings=_findings(row, self._rooms),
            detail=g.explanation,
        )
        return response

    def add(self, topic: str | None = None) -> Response:
        if request.mimetype != "application/json":
            return self._container_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            body = read_body(g.body)
        except BodyRefused as refusal:
            if refusal.error is not None:
                g.explanation = {"why": f"the request body is not JSON: {refusal.error}"}
            return failure(422, refusal.message)
        topic = topic or body.topic
        if body.node_id is None:
            return failure(422, "Illegal argument: The nodeId parameter is required.")
        if not topic:
            return failure(422, "Illegal argument: The topic parameter is required.")
        try:
            g.instruction = self._service.queue(g.actor, body.node_id, topic, body)
        except AccessRefused as refusal:
            return failure(403, str(refusal))
        return success(instruction_object(g.instruction))

    def view(self) -> Response:
        listed = "ids" in request.args
        given = request.args.getlist("ids") if listed else request.args.getlist("id")[:1]
        if not given:
            return self._container_error(HTTPStatus.BAD_REQUEST)
        name = "ids" if listed else "id"
        try:
            wanted = [parse_long(part) for text in given for part in text.split(",")]
        except ValueError as error:
            return failure(422, _unconvertible(name, str(error)))
        try:
            rows = self._service.view(g.actor, wanted)
        except AccessRefused as refusal:
            return failure(403, str(refusal))
        shown = [instruction_object(row) for row in rows]
        if listed:
            return success(shown or None)
        if rows:
            g.instruction = rows[0]
        return success(shown[0] if shown else None)

    def unknown(self, _: str) -> Response:
        try:
            self._known.match(request.path, request.method)
        except MethodNotAllowed as error:
            response = self._container_error(HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        except HTTPException:
            pass
        return self._container_error(HTTPStatus.NOT_FOUND)

    def _container_error(self, status: HTTPStatus) -> Response:
        g.explanation = {"why": f"{status.value} {status.phrase}"}
        return container_error(
            status.value,
            status.phrase,
            method=request.method,
            path=request.path,
            at=timestamp(self._rooms.clock.now()),
            masked=self._rooms.behaviour.follows_service("container_errors"),
        )


def _unconvertible(name: str, error: str) -> str:
    return (
        f"Illegal argument: Method parameter '{name}': Failed to convert value of type "
        f"'java.lang.String' to required type 'java.lang.Long'; {error}"
    )


def _findings(row: Instruction | None, rooms: Rooms) -> list[dict[str, str]]:
    """Answers with what our own check says of a message that was declined here."""
    if row is None or row.state != "Declined":
        return []
    parameters = row.parameters
    judgement = check(
        parameters.get("action", ""),
        parameters.get("msg", ""),
        rooms.behaviour,
        now=rooms.clock.now(),
    )
    return [finding.to_dict() for finding in judgement.findings]

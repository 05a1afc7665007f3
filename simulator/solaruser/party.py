"""SolarUser as one party: every request below its prefix, from the first check to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from oscp_send.check import check
from oscp_send.solarnetwork.dates import timestamp
from simulator.exchange import body_within, record_exchange
from simulator.solaruser.authentication import Authenticator
from simulator.solaruser.firewall import check_request
from simulator.solaruser.instruction_routes import instruction_routes
from simulator.solaruser.refusal import MAXIMUM_BODY, ApiRefused, AuthenticationRefused
from simulator.solaruser.replies import container_error, failure
from simulator.solaruser.router import Call, NoRoute, Router
from simulator.wire import WireRequest

if TYPE_CHECKING:
    from simulator.hand_off import HandOff
    from simulator.rooms import Rooms

__all__ = ["PREFIX", "solaruser"]

PREFIX = "/solaruser"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_FORM = "application/x-www-form-urlencoded"


def solaruser(rooms: Rooms, hand_off: HandOff) -> Blueprint:
    """Answers with SolarUser as a blueprint.

    Args:
        rooms: The shared rooms.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    blueprint = Blueprint("solaruser", __name__)
    party = _SolarUser(rooms, Router(PREFIX, instruction_routes(rooms, hand_off)))
    # The second: a path that begins with a slash is none to the first.
    for rule in (f"{PREFIX}/<path:_>", f"{PREFIX}//<path:_>"):
        blueprint.route(rule, methods=_METHODS, endpoint="any", provide_automatic_options=False)(
            party.answer
        )
    return blueprint


class _SolarUser:
    def __init__(self, rooms: Rooms, router: Router) -> None:
        self._rooms = rooms
        self._router = router
        self._authenticator = Authenticator(rooms)

    def answer(self, _: str) -> Response:
        call = _call()
        response = self._respond(call)
        self._record(call, response)
        if call.afterwards is not None:
            call.afterwards()
        return response

    def _respond(self, call: Call) -> Response:
        try:
            check_request(call.wire)
            call.verified = self._authenticator.authenticate(call.wire, call.body)
            if call.actor.token.type != "User":
                return failure(403, "Access Denied")
            return self._router.find(request.path, call).handler(call)
        except AuthenticationRefused as refusal:
            call.explanation = refusal.explanation
            return failure(refusal.status, refusal.message, headers=refusal.headers())
        except ApiRefused as refusal:
            call.explanation = refusal.explanation
            return failure(refusal.status, refusal.message, code=refusal.code)
        except NoRoute as error:
            return self._container_error(call, error)

    def _container_error(self, call: Call, error: NoRoute) -> Response:
        call.explanation = {"why": f"{error.status.value} {error.status.phrase}"}
        response = container_error(
            error.status.value,
            error.status.phrase,
            method=call.wire.method,
            path=request.path,
            at=timestamp(self._rooms.clock.now()),
            masked=self._rooms.behaviour.follows_service("container_errors"),
        )
        response.headers.update(error.headers)
        return response

    def _record(self, call: Call, response: Response) -> None:
        row = call.instruction
        record_exchange(
            self._rooms.journal,
            "solaruser",
            call.wire,
            call.body,
            response,
            action=row.parameters.get("action") if row else None,
            instruction_id=row.id if row else None,
            findings=self._findings(call),
            detail=call.explanation,
        )

    def _findings(self, call: Call) -> list[dict[str, str]]:
        """Answers with what our own check says of a message that was declined here."""
        row = call.instruction
        if row is None or row.state != "Declined" or call.wire.method != "POST":
            return []
        parameters = row.parameters
        judgement = check(
            parameters.get("action", ""),
            parameters.get("msg", ""),
            self._rooms.behaviour,
            now=self._rooms.clock.now(),
        )
        return [finding.to_dict() for finding in judgement.findings]


def _call() -> Call:
    wire = WireRequest.of(request.environ)
    body = body_within(request, MAXIMUM_BODY)
    media_type = (wire.header("content-type") or "").partition(";")[0].strip().lower()
    pairs = parse_qsl(wire.query, keep_blank_values=True)
    if media_type == _FORM and wire.method == "POST" and not _has_digest(wire):
        # With a digest the body is read before its fields, which nobody sees then (§5.5).
        pairs += parse_qsl((body or b"").decode("utf-8", "replace"), keep_blank_values=True)
    return Call(wire, body, media_type, MultiDict(pairs))


def _has_digest(wire: WireRequest) -> bool:
    return wire.header("digest") is not None or wire.header("content-md5") is not None

"""The endpoints of simulated external systems, whatever kind they are."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from flask import Response
from werkzeug.exceptions import BadRequest

from simulator.exchange import body_within
from simulator.external_system.authentication import Authentication
from simulator.external_system.call import Call, Reaction, Refused
from simulator.external_system.exchange_record import keep, record
from simulator.external_system.paths import PATHS, alternative_paths
from simulator.external_system.reception import judge_message, read_message, require_headers
from simulator.external_system.seat import Seat
from simulator.outgoing import Answering
from simulator.wire import WireRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flask import Request

    from simulator.desk import Desk
    from simulator.entry import Party
    from simulator.external_system.manners import Manners
    from simulator.external_system.seats import Seats
    from simulator.rooms import Rooms

__all__ = ["external_system"]

S = TypeVar("S", bound=Seat)

_LOG = logging.getLogger(__name__)
_JSON: Final = (("Content-Type", "application/json"),)

# However late an answer is: whoever waits for it over the network is let go after so many seconds.
_LONGEST_WAIT: Final = 60.0


def external_system(
    rooms: Rooms, party: Party, seats: Seats[S], paths: Iterable[str], manners: Manners
) -> tuple[Desk, ...]:
    """Answers with the desks of all simulated systems of one kind, one for each path.

    It plays every one of the world that has no base URL of its own, or whose base URL leads here,
    telling them apart by the token that they are called with. One that the configuration API made
    has not registered, so there is no token that it could demand: it is called without.

    Args:
        rooms: The shared rooms.
        party: What kind of system they are.
        seats: All that there are.
        paths: Below which they are played.
        manners: Those of nobody in particular.
    """
    return tuple(_Entrance(rooms, party, seats, path, manners) for path in paths)


class _Entrance(Generic[S]):
    """Where messages come in, below one path."""

    def __init__(
        self, rooms: Rooms, party: Party, seats: Seats[S], path: str, manners: Manners
    ) -> None:
        self._rooms = rooms
        self._party = party
        self._seats = seats
        self._manners = manners
        self._path = path
        self._authentication = Authentication(rooms, seats, path)

    def is_for(self, path: str) -> bool:
        """Tells whether a path lies below its own, however many slashes are between."""
        return path.startswith(f"{self._path}/")

    def answer(self, request: Request) -> Response:
        """Answers a request."""
        rest = request.path[len(self._path) :]
        call = Call.of(WireRequest.of(request.environ), self._rooms.clock.now())
        seat: S | None = None
        try:
            path = f"/{rest.lstrip('/')}"
            call.action = _ACTIONS.get(path)
            callers = self._authentication.callers(call)
            seat = callers[0]
            self._find(call, path, callers)
            if path != rest:
                call.mind("X20", _DOUBLE_SLASH, seat.manners)
            require_headers(call, seat)
            call.body = _body(request, seat.manners.longest_body)
            read_message(call, seat)
            seat = _meant(callers, call)
            reaction = self._take(call, seat)
        except Refused as refused:
            call.findings.extend(refused.findings)
            if call.body == b"":
                longest = self._host(seat).longest_body
                call.body = _body(request, longest, quietly=True)
            reaction = self._refuse(call, refused, seat)
        except Exception as error:  # noqa: BLE001 - a party answers, whatever went wrong
            _LOG.exception("%s %s could not be answered", call.wire.method, call.wire.path)
            message = f"a mistake of the simulator's own: {type(error).__name__}"
            reaction = Reaction(500, _JSON, json.dumps({"message": message}).encode())
            record(self._rooms, self._party, call, reaction, seat)
        self._be_late(request, reaction, seat)
        return _response(reaction)

    def _find(self, call: Call, path: str, callers: Sequence[S]) -> None:
        """Finds out which message a path stands for.

        Raises:
            Refused: For none, or its method is another.
        """
        manners = callers[0].manners
        call.action = manners.endpoints.get(path) or _alternative(path, callers)
        if call.action is None:
            kind = self._party.replace("_", " ").title()
            raise Refused("path", f'there is no message "{path[1:]}" at a {kind}')
        allowed = _methods(call.action, manners)
        if call.wire.method not in allowed:
            raise Refused("X13", f"{call.wire.method} is not allowed, only {', '.join(allowed)}")

    def _take(self, call: Call, seat: S) -> Reaction:
        with seat.correspondence.lock:
            reaction = judge_message(call, seat)
            entry = record(self._rooms, self._party, call, reaction, seat)
            keep(call, reaction, seat, entry, is_taken=reaction.is_taken)
        delay = seat.manners.delay.total_seconds()
        for seconds, task in reaction.later:
            self._rooms.agenda.after(delay + seconds, task, lane=seat.lane)
        return reaction

    def _refuse(self, call: Call, refused: Refused, seat: S | None) -> Reaction:
        manners = self._host(seat)
        answer = manners.refusal(refused.case, str(refused), refused.keyword)
        headers = answer.headers
        if refused.case == "X13":
            allowed = ", ".join(_methods(call.action, manners))
            headers = tuple((n, allowed if n == "Allow" else value) for n, value in headers)
        reaction = Reaction(answer.status, headers, answer.body)
        entry = record(self._rooms, self._party, call, reaction, seat)
        if seat is not None:
            with seat.correspondence.lock:
                keep(call, reaction, seat, entry, is_taken=False)
        return reaction

    def _host(self, seat: S | None) -> Manners:
        """Answers with whose manners a refusal has, where it is not known who is meant."""
        host = seat or self._authentication.host
        return host.manners if host else self._manners

    def _be_late(self, request: Request, reaction: Reaction, seat: S | None) -> None:
        seconds = math.inf if reaction.is_silent else 0.0
        if seat is not None:
            seconds = max(seconds, seat.manners.delay.total_seconds())
        answering = Answering.of(request.environ)
        if answering is not None:
            answering.after = seconds
        elif seconds:
            self._seats.closing.wait(min(seconds, _LONGEST_WAIT))


def _response(reaction: Reaction) -> Response:
    response = Response(reaction.body, reaction.status)
    # The library has a type for every body, even for none.
    del response.headers["Content-Type"]
    response.headers.extend(reaction.headers)
    return response


_ACTIONS: Final = {path: action for action, path in PATHS.items()}
_DOUBLE_SLASH: Final = (
    "the path has two slashes: the base URL in Register ends with one, and the path begins with one"
)


def _methods(action: str | None, manners: Manners) -> Sequence[str]:
    return manners.register_methods if action == "Register" else ("POST",)


def _alternative(path: str, callers: Iterable[Seat]) -> str | None:
    """Answers with the action of a path that the service property `url-paths` names."""
    found = (alternative_paths(seat.system.service_props).get(path) for seat in callers)
    return next((action for action in found if action is not None), None)


def _body(request: Request, limit: int, *, quietly: bool = False) -> bytes | None:
    try:
        return body_within(request, limit)
    except BadRequest as error:
        if quietly:
            return b""
        raise Refused("json", str(error.description)) from None


def _meant(callers: tuple[S, ...], call: Call) -> S:
    """Answers with the system that a message is for, of several that give out the same token."""
    if len(callers) == 1:
        return callers[0]
    group = call.content.get("group_id")
    fitting = [
        seat
        for seat in callers
        if group in seat.groups
        or (call.action == "Register" and seat.registration.is_awaiting_answer)
        or _has_sent(seat, call.correlation_id)
    ]
    return (fitting or callers)[0]


def _has_sent(seat: Seat, request_id: str | None) -> bool:
    return request_id is not None and any(e.request_id == request_id for e in seat.sent)

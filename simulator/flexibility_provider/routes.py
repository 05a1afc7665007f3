"""The Flexibility Provider as one party of HTTP: from the first check of a request to the journal.

As observed in SolarNetwork (OSCP dossier §2.4, §2.5, §5.1 and §9.3). In which order what is wrong
is found out, where several things are, is (inferred): who asks, where to, how, and what.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from simulator.addresses import FLEXIBILITY_PROVIDER_PATH
from simulator.conversation import Said
from simulator.exchange import body_within, record_exchange
from simulator.flexibility_provider.authentication import caller_of, check_role
from simulator.flexibility_provider.call import Call
from simulator.flexibility_provider.endpoints import ANY_SYSTEM, Endpoint, endpoints
from simulator.flexibility_provider.envelope import (
    ContainerRefused,
    Refused,
    accepted,
    container_error,
    plain,
    success,
)
from simulator.flexibility_provider.judging import judge_message
from simulator.flexibility_provider.reading import read_message
from simulator.request_firewall import rejection
from simulator.wire import WireRequest

if TYPE_CHECKING:
    from flask import Request, Response

    from simulator.desk import Desk
    from simulator.entry import Entry
    from simulator.flexibility_provider.provider import FlexibilityProvider
    from simulator.rooms import Rooms

__all__ = ["flexibility_provider"]

_LOG = logging.getLogger(__name__)

_PING, _HELLO = "/ping", "/oscp/hello"
_BELOW: Final = f"{FLEXIBILITY_PROVIDER_PATH.rpartition('/')[0]}/"
# The service has no limit of its own; this is the simulator's, as of every body (inferred).
_LONGEST_BODY: Final = 20_971_520
_READING: Final = frozenset({"GET", "HEAD"})
_JSON: Final = re.compile(r"application/(?:[^/\s]+\+)?json")


def flexibility_provider(rooms: Rooms, party: FlexibilityProvider) -> Desk:
    """Answers with the desk of the Flexibility Provider's endpoints.

    Args:
        rooms: The shared rooms.
        party: In whose name they answer, and what they leave to be done.
    """
    return _Reception(rooms, party)


class _Reception:
    def __init__(self, rooms: Rooms, party: FlexibilityProvider) -> None:
        self._rooms = rooms
        self._party = party
        self._endpoints = endpoints(rooms, party)

    def is_for(self, path: str) -> bool:
        """Tells whether a path is one of its own."""
        return path in {_PING, _HELLO} or path.startswith(_BELOW)

    def answer(self, request: Request) -> Response:
        """Answers a request."""
        call = Call(WireRequest.of(request.environ), body_within(request, _LONGEST_BODY))
        response = self._respond(call)
        said = self._judge(call, taken=response.status_code == HTTPStatus.NO_CONTENT)
        entry = self._record(call, response)
        if said is not None:
            caller = call.known_caller
            said = replace(said, number=entry.number)
            self._party.conversations.remember(caller.user.id, caller.system, said)
        if call.afterwards is not None:
            call.afterwards()
        return response

    def _respond(self, call: Call) -> Response:
        try:
            return self._served(call)
        except Refused as refusal:
            call.why = refusal.why
            return refusal.response()
        except ContainerRefused as refusal:
            call.why = refusal.why or str(refusal)
            return container_error(call.wire, refusal, self._rooms.clock.now())
        except Exception as error:  # noqa: BLE001 - the service answers, whatever went wrong
            _LOG.exception("%s %s could not be answered", call.wire.method, call.wire.path)
            call.why = f"a mistake of the simulator's own: {type(error).__name__}"
            return Refused(500, "Internal error").response()

    def _served(self, call: Call) -> Response:
        why, path = rejection(call.wire), unquote(call.wire.path)
        if why is not None:
            raise Refused(400, why)
        endpoint = self._endpoints.get(path)
        call.action = endpoint.action if endpoint else None
        if path == _PING:
            return self._shown(call, {"allGood": True, "results": {}})
        call.caller = caller_of(call.wire, self._rooms.world, self._party.was_replaced)
        check_role(call.caller, endpoint.roles if endpoint else ANY_SYSTEM)
        if path == _HELLO:
            return self._shown(call, f"Hi there, {call.caller.system.name}.")
        if endpoint is None:
            raise ContainerRefused(HTTPStatus.NOT_FOUND)
        return self._posted(call, endpoint)

    def _shown(self, call: Call, data: object) -> Response:
        if call.wire.method == "OPTIONS":
            return plain(200, {"Allow": "GET,HEAD,OPTIONS"})
        if call.wire.method not in _READING:
            raise ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        return success(data)

    def _posted(self, call: Call, endpoint: Endpoint) -> Response:
        if call.wire.method == "OPTIONS":
            return plain(200, {"Allow": "OPTIONS,POST"})
        body = _checked_body(call, endpoint)
        call.is_read = True
        call.message = read_message(endpoint.action, body)
        call.afterwards = endpoint.handler(
            call.known_caller, call.message.value, call.request_id or ""
        )
        return accepted()

    def _judge(self, call: Call, *, taken: bool) -> Said | None:
        """Adds what there is to say of a message, and answers with what is to be remembered."""
        action, message = call.action, call.message if taken else None
        if action is None or not call.is_read:
            return None
        now = self._rooms.clock.now()
        document = message.document if message else None
        call.findings += judge_message(action, call.body or b"", document, now)
        if message is None:
            return None
        caller, correlation_id = call.known_caller, call.wire.header("x-correlation-id")
        said = Said(action, message.value, call.request_id, correlation_id, sent=False, at=now)
        call.findings += self._party.conversations.judge(caller.user.id, caller.system, said)
        return said

    def _record(self, call: Call, response: Response) -> Entry:
        return record_exchange(
            self._rooms.journal,
            "flexibility_provider",
            call.wire,
            call.body,
            response,
            action=call.action,
            findings=[finding.to_dict() for finding in call.findings],
            detail={"why": call.why} if call.why else None,
            peer=call.caller.role if call.caller else None,
        )


def _checked_body(call: Call, endpoint: Endpoint) -> bytes:
    """Answers with the body of a request that is in order without it.

    Raises:
        ContainerRefused: It is not.
    """
    if call.wire.method != "POST":
        raise ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"})
    media_type = (call.wire.header("content-type") or "").partition(";")[0].strip().lower()
    if _JSON.fullmatch(media_type) is None:
        raise ContainerRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            {"Accept": "application/json"},
            f'the Content-Type must be application/json, not "{media_type}"',
        )
    if endpoint.needs_request_id and call.request_id is None:
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the X-Request-ID header is missing")
    if call.body is None:
        raise ContainerRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why=f"the body is over {_LONGEST_BODY} bytes"
        )
    return call.body

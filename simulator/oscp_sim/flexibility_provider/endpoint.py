"""The Flexibility Provider as one party of HTTP: from the first check of a request to the journal.

As observed in SolarNetwork (oscp20.md §2.4, §2.5, §5.1 and §9.3). In which order what is wrong
is found out, where several things are, is (inferred): who asks, where to, how, and what.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from oscp_sim.addresses import FLEXIBILITY_PROVIDER_PATH
from oscp_sim.conversation import ExchangedMessage, journaled
from oscp_sim.entry import Entry, PartyName
from oscp_sim.flexibility_provider.call import Call, Caller, caller_of, check_role
from oscp_sim.flexibility_provider.envelope import (
    ContainerRefused,
    Refused,
    accepted,
    container_error,
    plain,
    success,
)
from oscp_sim.flexibility_provider.forwarding import forward
from oscp_sim.flexibility_provider.provider import FlexibilityProvider
from oscp_sim.flexibility_provider.reading import judge_message, read_message
from oscp_sim.flexibility_provider.registration import acknowledged, handshake, heartbeat, register
from oscp_sim.http import LONGEST_BODY, Party, Request, Response, rejection
from oscp_sim.shared import Shared
from oscp_sim.world import CapacityGroup, CapacityOptimizer, CapacityProvider

__all__ = ["ANY_SYSTEM", "Endpoint", "endpoints", "flexibility_provider"]


# § The Flexibility Provider's endpoints: who may post which message where (oscp20.md §5.1).

ANY_SYSTEM: Final[frozenset[PartyName]] = frozenset({"capacity_provider", "capacity_optimizer"})

# Of the caller, its message, and the X-Request-ID of that; answers with what is left to be done.
Handler = Callable[["Caller", "Mapping[str, Any]", str], Callable[[], object] | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path that takes one message.

    Attributes:
        action: The OSCP message name.
        handler: Takes the message, or raises `Refused`; answers with what is to be done afterwards.
        roles: Who may post it.
        needs_request_id: Whether it is refused without an X-Request-ID.
    """

    action: str
    handler: Handler
    roles: frozenset[PartyName] = ANY_SYSTEM
    needs_request_id: bool = True


def endpoints(shared: Shared, party: FlexibilityProvider) -> dict[str, Endpoint]:
    """Answers with all endpoints by their paths.

    Args:
        shared: The shared shared.
        party: Whose they are.
    """
    provider: frozenset[PartyName] = frozenset({"capacity_provider"})
    optimizer: frozenset[PartyName] = frozenset({"capacity_optimizer"})
    handlers = _Handlers(shared, party)
    found: dict[str, Endpoint] = {
        "/register": Endpoint("Register", handlers.register, needs_request_id=False),
        "/handshake": Endpoint("Handshake", partial(handshake, shared, party)),
        "/handshake_acknowledge": Endpoint("HandshakeAcknowledge", handlers.acknowledged),
        "/heartbeat": Endpoint("Heartbeat", handlers.heartbeat, needs_request_id=False),
        "/update_group_capacity_forecast": Endpoint(
            "UpdateGroupCapacityForecast", handlers.update, provider
        ),
        "/adjust_group_capacity_forecast": Endpoint(
            "AdjustGroupCapacityForecast", handlers.adjust, optimizer
        ),
    }
    return {FLEXIBILITY_PROVIDER_PATH + path: endpoint for path, endpoint in found.items()}


class _Handlers:
    def __init__(self, shared: Shared, party: FlexibilityProvider) -> None:
        self._shared = shared
        self._party = party

    def register(
        self, caller: Caller, message: Mapping[str, Any], _request_id: str
    ) -> Callable[[], object]:
        return register(self._shared, self._party, caller, message)

    def acknowledged(self, caller: Caller, message: Mapping[str, Any], _request_id: str) -> None:
        acknowledged(self._shared, caller, message)

    def heartbeat(self, caller: Caller, message: Mapping[str, Any], _request_id: str) -> None:
        heartbeat(self._shared, caller, message)

    def update(
        self, caller: Caller, message: Mapping[str, Any], request_id: str
    ) -> Callable[[], object]:
        group = _group(caller, message["group_id"])
        party, system = self._party, caller.system
        if not isinstance(system, CapacityProvider):
            raise Refused(403, "ACCESS_DENIED")
        return partial(
            forward, self._shared, party, caller.user, system, group, message, request_id
        )

    def adjust(
        self, caller: Caller, message: Mapping[str, Any], request_id: str
    ) -> Callable[[], object]:
        group = _group(caller, message["group_id"])
        party, system = self._party, caller.system
        if not isinstance(system, CapacityOptimizer):
            raise Refused(403, "ACCESS_DENIED")
        return partial(
            forward, self._shared, party, caller.user, system, group, message, request_id
        )


def _group(caller: Caller, identifier: str) -> CapacityGroup:
    """Answers with a system's own Capacity Group; whether it is enabled is not asked (§5.6).

    Raises:
        Refused: The system has none of that identifier.
    """
    for group in caller.user.capacity_groups:
        is_provider = isinstance(caller.system, CapacityProvider)
        of = group.capacity_provider if is_provider else group.capacity_optimizer
        if of == caller.system.id and group.identifier == identifier:
            return group
    raise Refused(403, "ACCESS_DENIED", why=f'{caller.system.name} has no group "{identifier}"')


_LOG = logging.getLogger(__name__)

_PING, _HELLO = "/ping", "/oscp/hello"
_BELOW: Final = f"{FLEXIBILITY_PROVIDER_PATH.rpartition('/')[0]}/"
_READING: Final = frozenset({"GET", "HEAD"})
_JSON: Final = re.compile(r"application/(?:[^/\s]+\+)?json")


def flexibility_provider(shared: Shared, party: FlexibilityProvider) -> Party:
    """Answers with the desk of the Flexibility Provider's endpoints.

    Args:
        shared: The shared shared.
        party: In whose name they answer, and what they leave to be done.
    """
    return _Reception(shared, party)


class _Reception:
    def __init__(self, shared: Shared, party: FlexibilityProvider) -> None:
        self._shared = shared
        self._party = party
        self._endpoints = endpoints(shared, party)

    def is_for(self, path: str) -> bool:
        """Tells whether a path is one of its own."""
        return path in {_PING, _HELLO} or path.startswith(_BELOW)

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        call = Call(request)
        response = self._respond(call)
        said = self._judge(call, taken=response.status == HTTPStatus.NO_CONTENT)
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
            return container_error(call.request, refusal, self._shared.clock.now())
        except Exception as error:  # noqa: BLE001 - the service answers, whatever went wrong
            _LOG.exception("%s %s could not be answered", call.request.method, call.request.path)
            call.why = f"a mistake of the simulator's own: {type(error).__name__}"
            return Refused(500, "Internal error").response()

    def _served(self, call: Call) -> Response:
        why, path = rejection(call.request), unquote(call.request.path)
        if why is not None:
            raise Refused(400, why)
        endpoint = self._endpoints.get(path)
        call.action = endpoint.action if endpoint else None
        if path == _PING:
            return self._shown(call, {"allGood": True, "results": {}})
        call.caller = caller_of(call.request, self._shared.world, self._party.was_replaced)
        check_role(call.caller, endpoint.roles if endpoint else ANY_SYSTEM)
        if path == _HELLO:
            return self._shown(call, f"Hi there, {call.caller.system.name}.")
        if endpoint is None:
            raise ContainerRefused(HTTPStatus.NOT_FOUND)
        return self._posted(call, endpoint)

    def _shown(self, call: Call, data: object) -> Response:
        if call.request.method == "OPTIONS":
            return plain(200, {"Allow": "GET,HEAD,OPTIONS"})
        if call.request.method not in _READING:
            raise ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        return success(data)

    def _posted(self, call: Call, endpoint: Endpoint) -> Response:
        if call.request.method == "OPTIONS":
            return plain(200, {"Allow": "OPTIONS,POST"})
        body = _checked_body(call, endpoint)
        call.is_read = True
        call.message = read_message(endpoint.action, body)
        call.afterwards = endpoint.handler(
            call.known_caller, call.message.value, call.request_id or ""
        )
        return accepted()

    def _judge(self, call: Call, *, taken: bool) -> ExchangedMessage | None:
        """Adds what there is to say of a message, and answers with what is to be remembered."""
        action, message = call.action, call.message if taken else None
        if action is None or not call.is_read:
            return None
        now = self._shared.clock.now()
        document = message.document if message else None
        call.findings += judge_message(action, call.request.body or b"", document, now)
        if message is None:
            return None
        caller, correlation_id = call.known_caller, call.request.header("x-correlation-id")
        said = ExchangedMessage(
            action, message.value, call.request_id, correlation_id, sent=False, at=now
        )
        call.findings += self._party.conversations.judge(caller.user.id, caller.system, said)
        return said

    def _record(self, call: Call, response: Response) -> Entry:
        return self._shared.journal.append(
            "flexibility_provider",
            "exchange",
            request=call.request,
            response=response,
            action=call.action,
            findings=[journaled(finding) for finding in call.findings],
            detail={"why": call.why} if call.why else None,
            peer=call.caller.role if call.caller else None,
        )


def _checked_body(call: Call, endpoint: Endpoint) -> bytes:
    """Answers with the body of a request that is in order without it.

    Raises:
        ContainerRefused: It is not.
    """
    if call.request.method != "POST":
        raise ContainerRefused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"})
    media_type = (call.request.header("content-type") or "").partition(";")[0].strip().lower()
    if _JSON.fullmatch(media_type) is None:
        raise ContainerRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            {"Accept": "application/json"},
            f'the Content-Type must be application/json, not "{media_type}"',
        )
    if endpoint.needs_request_id and call.request_id is None:
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the X-Request-ID header is missing")
    if call.request.body is None:
        raise ContainerRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why=f"the body is over {LONGEST_BODY} bytes"
        )
    return call.request.body

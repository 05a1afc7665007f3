"""The Capacity Optimizers that the simulator plays, by their parties and their seats."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar
from urllib.parse import unquote

import orjson

from oscp_schemas import JsonError, judge, read
from oscp_send.findings import Finding
from oscp_send.meaning import judge_meaning
from oscp_sim.addresses import CAPACITY_OPTIMIZER_PATH, CAPACITY_PROVIDER_PATH, ELMO_PATH
from oscp_sim.conversation import ExchangedMessage, journaled
from oscp_sim.http import Party, Request, Response, respond
from oscp_sim.system.call import Call, Reaction, Received, Refused, tolerated
from oscp_sim.system.capacity_optimizer import MANNERS, Compose, OptimizerSeat
from oscp_sim.system.capacity_provider import ProviderSeat
from oscp_sim.system.profile import PATHS, PROFILES, ProviderManners, alternative_paths
from oscp_sim.system.registry import Seats
from oscp_sim.system.segments import assemble
from oscp_sim.system.system import Seat
from oscp_sim.world import ProviderBehaviour

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oscp_sim.entry import Entry, PartyName
    from oscp_sim.shared import Shared
    from oscp_sim.system.profile import Manners
    from oscp_sim.world import CapacityProvider

__all__ = [
    "BASE_PATH",
    "Authentication",
    "OptimizerSeats",
    "ProviderSeats",
    "capacity_optimizer",
    "capacity_provider",
    "external_system",
    "judge_message",
    "keep",
    "optimizer_seats",
    "provider_seats",
    "read_message",
    "record",
    "require_headers",
    "said_of",
]


# § Which system a request is for, by the token that it shows (oscp20.md §2.2 and §9.3).

S = TypeVar("S", bound=Seat)

_SCHEME = "Token"
_BEARER = "Bearer"


class Authentication(Generic[S]):
    """Tells the systems that are played below one path apart.

    Args:
        shared: The shared shared.
        seats: All that there are.
        path: Below which they are played.
    """

    def __init__(self, shared: Shared, seats: Seats[S], path: str) -> None:
        self._shared = shared
        self._seats = seats
        self._path = path

    @property
    def host(self) -> S | None:
        """Whose ways are followed towards somebody who shows no known token.

        The first one's, where several are played here (inferred).
        """
        return self._seats.first(self._path)

    def callers(self, call: Call) -> tuple[S, ...]:
        """Answers with the systems that a request may be for, at least one.

        Raises:
            Refused: It shows no token, or one that is good for nothing here.
        """
        shown = call.request.header("authorization")
        name = call.request.header("host") or ""
        if shown is None:
            called = self._seats.calling(self._path, None, name)
            return called or _refused(call, self.host, "X1", "the Authorization header is missing")
        scheme, _, token = shown.partition(" ")
        found: tuple[S, ...] = ()
        case = "X5"
        if scheme == _SCHEME:
            found = self._seats.calling(self._path, token, name)
            case = "X3" if token.startswith(" ") else case
        elif scheme == _BEARER:
            found, case = self._bearing(token), "X4"
        elif scheme.lower() == _SCHEME.lower():
            found, case = self._misspelt(token, name), "X2"
        if not found:
            return _refused(call, self.host, case, "the token is unknown")
        if case == "X2":
            call.mind(case, 'the scheme must be spelt "Token"', found[0].manners)
        good = tuple(seat for seat in found if _is_good(seat, token, call) or scheme == _BEARER)
        return good or _outdated(call, found, token)

    def _misspelt(self, token: str, name: str) -> tuple[S, ...]:
        found = self._seats.calling(self._path, token, name)
        return tuple(seat for seat in found if seat.manners.status("X2") < 400)  # noqa: PLR2004 - HTTP

    def _bearing(self, token: str) -> tuple[S, ...]:
        """Answers with the systems for which an access token was granted (oscp20.md §5.9)."""
        client = self._shared.access_tokens.holder(token)
        if client is None:
            return ()
        return tuple(
            seat
            for seat in self._seats.played(self._path)
            if (seat.system.service_props or {}).get("oauth-client-id") == client
        )


def _is_good(seat: Seat, token: str, call: Call) -> bool:
    return any(
        issued.value == token and issued.is_good(call.now) for issued in seat.registration.issued
    )


def _outdated(call: Call, found: tuple[S, ...], token: str) -> tuple[S, ...]:
    """Refuses a token that was good once, and says why it is not any more."""
    for seat in found:
        if any(issued.value == token for issued in seat.registration.issued):
            return _refused(call, seat, "X6", "the token has expired")
    return _refused(call, found[0], "X6", "a newer token has replaced this one")


def _refused(call: Call, host: S | None, case: str, text: str) -> tuple[S, ...]:
    """Refuses, unless these manners let such a request pass."""
    if host is None:
        raise Refused(case, text)
    call.mind(case, text, host.manners)
    return (host,)


# § The way of a request into an external system: headers, body, schema, meaning, reaction.

_JSON_TYPE: Final = "application/json"


def require_headers(call: Call, seat: Seat) -> None:
    """Lets a request pass whose headers are as they must be.

    Raises:
        Refused: They are not.
    """
    wire, manners = call.request, seat.manners
    if wire.method != "DELETE":
        content_type = wire.header("content-type") or ""
        if (
            content_type != _JSON_TYPE
            and content_type.partition(";")[0].strip().lower() != _JSON_TYPE
        ):
            call.mind("X14", "the Content-Type must be application/json", manners)
        encoding = (wire.header("content-encoding") or "identity").strip().lower()
        if encoding != "identity":
            raise Refused("X17", f"the body is compressed with {encoding}: send it as it is")
    if not call.request_id and call.action in manners.request_id_needed:
        call.mind("X7", "the X-Request-ID header is missing", manners)
    if not call.correlation_id and call.action in manners.correlation_needed:
        call.mind("X9", "the X-Correlation-ID header is missing", manners)


def read_message(call: Call, seat: Seat) -> None:
    """Reads a message and judges it by its schema.

    Raises:
        Refused: It is too long, no JSON, or not as the schema has it.
    """
    if call.request.method == "DELETE":
        return
    body = call.request.body
    if body is None or len(body) > seat.manners.longest_body:
        call.request = replace(call.request, body=None)
        raise Refused("X18", "the body is too large")
    try:
        call.message = orjson.loads(body)
    except orjson.JSONDecodeError:
        # It is no JSON, or holds a number that only a closer look can read.
        _read_closely(call, body, seat)
        return
    if judge(call.action or "", body):
        _read_closely(call, body, seat)


def judge_message(call: Call, seat: Seat) -> Reaction:
    """Judges a message by its meaning and by what was said before; answers with the reaction to it.

    The lock of the correspondence must be held.

    Raises:
        Refused: A finding is one that the system refuses, or the message cannot be taken.
    """
    group = call.content.get("group_id")
    if group is not None and group not in seat.groups:
        call.mind("X19", f'there is no Capacity Group "{group}"', seat.manners)
    if not assemble(call, seat):
        return Reaction(is_taken=False)
    correspondence = seat.correspondence
    correspondence.mark_arrived()
    call.findings.extend(judge_meaning(call.message, call.now))
    call.findings.extend(correspondence.conversation.judge(said_of(call)))
    for finding in call.findings:
        _refuse_if_minded(finding, seat)
    return seat.conduct.take(call)


def said_of(call: Call, number: int | None = None) -> ExchangedMessage:
    """Answers with a message as it was said."""
    return ExchangedMessage(
        call.action or "",
        call.content,
        call.request_id,
        call.correlation_id,
        sent=False,
        at=call.now,
        number=number,
    )


def _read_closely(call: Call, body: bytes, seat: Seat) -> None:
    """Reads what the quick judgement did not pass: it may be tolerable, or even right."""
    try:
        document = read(body)
    except JsonError as error:
        raise Refused("json", f"not JSON: {error}") from None
    call.message = document.value
    action = call.action or ""
    violations = judge(action, document)
    remarks = [tolerated(action, each, seat.manners) for each in violations]
    if None in remarks:
        listed = "; ".join(f"{each.pointer or '/'}: {each.message}" for each in violations)
        findings = tuple(
            Finding("schema", each.rule, "error", each.pointer, each.message) for each in violations
        )
        raise Refused("schema", listed, keyword=violations[0].rule, findings=findings)
    call.findings.extend(remark for remark in remarks if remark is not None)


def _refuse_if_minded(finding: Finding, seat: Seat) -> None:
    for case in (finding.case, finding.rule):
        if case is not None and seat.manners.minds(finding, case):
            raise Refused(case, f"{finding.pointer or '/'}: {finding.message}")


# § What is kept of a message that an external system got: by the journal, and by the system.


def record(
    shared: Shared, party: PartyName, call: Call, reaction: Reaction, seat: Seat | None
) -> Entry:
    """Tells the journal of a message and its answer, and answers with the entry."""
    detail: dict[str, object] = {} if seat is None else {**seat.who}
    if reaction.is_silent:
        detail["why"] = "silent, as its behaviour says: there is no answer to this"
    return shared.journal.append(
        party,
        "exchange",
        peer="flexibility_provider",
        action=call.action,
        request=call.request,
        response=None if reaction.is_silent else _response(reaction),
        findings=[journaled(finding) for finding in call.findings],
        detail=detail,
    )


def keep(call: Call, reaction: Reaction, seat: Seat, entry: Entry, *, is_taken: bool) -> None:
    """Remembers a message, and what it means for those to come if it was not refused.

    The lock of the correspondence must be held.
    """
    number, request = entry.number, entry.request
    # A DELETE has no message: it has ended the registration, and what was agreed since.
    if is_taken and call.request.method != "DELETE":
        seat.correspondence.conversation.remember(said_of(call, number))
    seat.correspondence.received.append(
        Received(
            call.action or "",
            call.request_id,
            call.correlation_id,
            call.now,
            request.headers if request else (),
            _safe(call, request.text if request else ""),
            None if reaction.is_silent else reaction.status,
            tuple(call.findings),
            number,
        )
    )


def _safe(call: Call, text: str) -> object:
    """Answers with a message as it may be shown: a Register holds a token."""
    if call.message is None or call.action == "Register":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return call.message


# § The endpoints of simulated external systems, whatever kind they are.

_LOG = logging.getLogger(__name__)
_JSON_routes: Final = (("Content-Type", "application/json"),)


def external_system(
    shared: Shared, party: PartyName, seats: Seats[S], paths: Iterable[str], manners: Manners
) -> tuple[Party, ...]:
    """Answers with the parties of all simulated systems of one kind, one for each path.

    It plays every one of the world that has no base URL of its own, or whose base URL leads here,
    telling them apart by the token that they are called with. One that the configuration API made
    has not registered, so there is no token that it could demand: it is called without.

    Args:
        shared: The shared shared.
        party: What kind of system they are.
        seats: All that there are.
        paths: Below which they are played.
        manners: Those of nobody in particular.
    """
    return tuple(_Entrance(shared, party, seats, path, manners) for path in paths)


class _Entrance(Generic[S]):
    """Where messages come in, below one path."""

    def __init__(
        self, shared: Shared, party: PartyName, seats: Seats[S], path: str, manners: Manners
    ) -> None:
        self._shared = shared
        self._party = party
        self._seats = seats
        self._manners = manners
        self._path = path
        self._authentication = Authentication(shared, seats, path)

    def is_for(self, path: str) -> bool:
        """Tells whether a path lies below its own, however many slashes are between."""
        return path.startswith(f"{self._path}/")

    def handle(self, request: Request) -> Response:
        """Answer a request."""
        rest = unquote(request.path, errors="replace")
        rest = f"/{rest.lstrip('/')}"[len(self._path) :]
        call = Call.of(request, self._shared.clock.now())
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
            read_message(call, seat)
            seat = _meant(callers, call)
            reaction = self._take(call, seat)
        except Refused as refused:
            call.findings.extend(refused.findings)
            reaction = self._refuse(call, refused, seat)
        except Exception as error:  # noqa: BLE001 - a party answers, whatever went wrong
            _LOG.exception("%s %s could not be answered", request.method, request.path)
            message = f"a mistake of the simulator's own: {type(error).__name__}"
            reaction = Reaction(500, _JSON_routes, json.dumps({"message": message}).encode())
            record(self._shared, self._party, call, reaction, seat)
        late = 0.0 if seat is None else seat.manners.delay.total_seconds()
        return replace(_response(reaction), after=math.inf if reaction.is_silent else late)

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
        if call.request.method not in allowed:
            raise Refused("X13", f"{call.request.method} is not allowed, only {', '.join(allowed)}")

    def _take(self, call: Call, seat: S) -> Reaction:
        with seat.correspondence.lock:
            reaction = judge_message(call, seat)
            entry = record(self._shared, self._party, call, reaction, seat)
            keep(call, reaction, seat, entry, is_taken=reaction.is_taken)
        delay = seat.manners.delay.total_seconds()
        for seconds, task in reaction.later:
            self._shared.schedule.after(delay + seconds, task, queue=seat.queue)
        return reaction

    def _refuse(self, call: Call, refused: Refused, seat: S | None) -> Reaction:
        manners = self._host(seat)
        answer = manners.refusal(refused.case, str(refused), refused.keyword)
        headers = answer.headers
        if refused.case == "X13":
            allowed = ", ".join(_methods(call.action, manners))
            headers = tuple((n, allowed if n == "Allow" else value) for n, value in headers)
        reaction = Reaction(answer.status, headers, answer.body)
        entry = record(self._shared, self._party, call, reaction, seat)
        if seat is not None:
            with seat.correspondence.lock:
                keep(call, reaction, seat, entry, is_taken=False)
        return reaction

    def _host(self, seat: S | None) -> Manners:
        """Answers with whose manners a refusal has, where it is not known who is meant."""
        host = seat or self._authentication.host
        return host.manners if host else self._manners


def _response(reaction: Reaction) -> Response:
    return respond(reaction.status, reaction.body or None, headers=reaction.headers)


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


# § The Capacity Providers that the simulator plays, by their parties and their seats.

BASE_PATH = CAPACITY_PROVIDER_PATH

ProviderSeats: TypeAlias = Seats[ProviderSeat]


def provider_seats(shared: Shared) -> ProviderSeats:
    """Answers with the seats of all Capacity Providers that the simulator plays."""
    return Seats(
        shared, "capacity_provider", lambda user: user.capacity_providers, ProviderSeat, _acts
    )


def _acts(provider: CapacityProvider) -> bool:
    behaviour = provider.behaviour
    return behaviour.heartbeat_every is not None or behaviour.timetable is not None


def capacity_provider(shared: Shared, seats: ProviderSeats) -> tuple[Party, ...]:
    """Answers with their parties (OSCP 2.0, base paths by convention; oscp20.md §1.2).

    Args:
        shared: The shared shared.
        seats: All that there are.
    """
    plain = ProviderManners(PROFILES["specification"], ProviderBehaviour())
    paths = (CAPACITY_PROVIDER_PATH, ELMO_PATH)
    return external_system(shared, "capacity_provider", seats, paths, plain)


OptimizerSeats: TypeAlias = Seats[OptimizerSeat]


def optimizer_seats(shared: Shared, compose: Compose) -> OptimizerSeats:
    """Answers with the seats of all Capacity Optimizers that the simulator plays.

    Args:
        shared: The shared shared.
        compose: Makes their adjustments.
    """
    return Seats(
        shared,
        "capacity_optimizer",
        lambda user: user.capacity_optimizers,
        partial(OptimizerSeat, compose),
        lambda optimizer: optimizer.heartbeat_every is not None,
    )


def capacity_optimizer(shared: Shared, seats: OptimizerSeats) -> tuple[Party, ...]:
    """Answers with their parties (OSCP 2.0, base path by convention; oscp20.md §1.2).

    Args:
        shared: The shared shared.
        seats: All that there are.
    """
    return external_system(shared, "capacity_optimizer", seats, (CAPACITY_OPTIMIZER_PATH,), MANNERS)

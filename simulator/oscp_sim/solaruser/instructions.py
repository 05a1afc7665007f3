"""The routes of the instruction API (solaruser.md §1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from oscp_send.fidelity import Behaviour
from oscp_send.instruction import TOPIC, join_parameters, split_parameters
from oscp_send.judgement import Verdict, verdict
from oscp_send.solarnetwork import texts
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body
from oscp_send.solarnetwork.texts import Address, Unaddressed, read_address
from oscp_sim.http import Response
from oscp_sim.instructions import HandOff, Instruction, QueuedMessage, State
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import Actor, ApiRefused, Call
from oscp_sim.solaruser.exec import wait_for_results
from oscp_sim.solaruser.instruction_docs import documentation
from oscp_sim.solaruser.parameters import (
    LONG,
    STATE,
    InstructionFilter,
    long_of,
    optional,
    read_filter,
    read_form,
    required,
    required_longs,
    state_of,
)
from oscp_sim.solaruser.policy import may_use_node
from oscp_sim.solaruser.replies import instruction_object, json_response, single, stream
from oscp_sim.solaruser.router import Consumes, Route
from oscp_sim.user_events import UserEvents
from oscp_sim.world import User

__all__ = [
    "EXEC_PATH",
    "Admitted",
    "Declined",
    "InstructionRequest",
    "InstructionService",
    "Queued",
    "instruction_routes",
    "judge_instruction",
    "read_form_request",
    "read_json_request",
    "read_list_request",
    "tell_outcome",
]


# § The OSCP queue hook: would SolarUser queue an instruction, and if not, why.
#
# The checks stand in the service's order (solaruser.md §3.1).

_INVALID = "Invalid OSCP message"
_FAILED = "Error handling OSCP message"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An instruction that goes on to the Flexibility Provider."""

    action: str
    optimizer: int
    group: str
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declined:
    """An instruction that ends here.

    Attributes:
        error: The reason that the service gives.
        known: What was read by then: `action`, `coId`, `cgIdentifier`.
        event: What the user event says of a message that was refused; None where the message was
            not even looked at.
    """

    error: str
    known: Mapping[str, Any] = field(default_factory=dict)
    event: str | None = None


def judge_instruction(
    parameters: Mapping[str, str], owner: User, behaviour: Behaviour
) -> Admitted | Declined:
    """Answers with what the hook makes of an instruction on the topic `OSCP_v20`.

    Args:
        parameters: Joined, in order of first appearance.
        owner: The node's owner, under whom everything is looked up.
        behaviour: Which side of each difference to follow.
    """
    address = read_address(parameters)
    if isinstance(address, Unaddressed):
        return Declined(address.error, address.known)
    unknown = _unknown(owner, address)
    if unknown is not None:
        return Declined(unknown, address.known())
    return _judged(address, parameters.get("msg", ""), behaviour)


def _unknown(owner: User, address: Address) -> str | None:
    """Answers with why something does not exist for the owner, or is not enabled."""
    optimizer = owner.optimizer(address.optimizer)
    if optimizer is None or not optimizer.enabled:
        return texts.UNKNOWN_OPTIMIZER
    group = owner.group(address.optimizer, address.group)
    if group is None or not group.enabled:
        return texts.UNKNOWN_GROUP
    provider = owner.provider(group.capacity_provider)
    if provider is None or not provider.enabled:
        return texts.UNKNOWN_PROVIDER
    return None


def _judged(address: Address, text: str, behaviour: Behaviour) -> Admitted | Declined:
    ruling = verdict(address.action, text, behaviour)
    message = ruling.decoded
    if message is None:
        return Declined(ruling.error or "", address.known(), _event(ruling, behaviour))
    is_adjustment = address.action == "AdjustGroupCapacityForecast"
    if is_adjustment and message["group_id"] != address.group:
        return Declined(texts.GROUP_MISMATCH, address.known(), _INVALID)
    return Admitted(address.action, address.optimizer, address.group, message)


def _event(ruling: Verdict, behaviour: Behaviour) -> str:
    """Answers with what the user is told: was the message refused, or did reading it fail?

    By the exception behind each refusal (solaruser.md §3.3).
    """
    if ruling.stage == "document" and ruling.document is not None:
        return _FAILED if ruling.document.value is None else _INVALID
    if ruling.stage == "json":
        # Were it not for the change of libraries, the service would wrap the parser's exception.
        return _FAILED if behaviour.follows_service("malformed_message") else _INVALID
    return _FAILED if ruling.stage in {"schema-lookup", "decode"} else _INVALID


# § The user events of an instruction that SolarUser declines or queues (solaruser.md §9.1).

_TAGS = ("oscp", "instruction")


def tell_outcome(
    events: UserEvents, user_id: int, instruction_id: int, outcome: Admitted | Declined | None
) -> None:
    """Tells a node's owner what the queue hook made of an instruction.

    Args:
        events: Where to tell it.
        user_id: The owner.
        instruction_id: Left out of what is told of a refusal: the real hook refuses before there
            is an id.
        outcome: None for an instruction on a topic that is not the hook's, which nobody is told of.
    """
    if isinstance(outcome, Declined):
        events.add(user_id, (*_TAGS, "error"), outcome.event or outcome.error, _refusal(outcome))
    elif outcome is not None:
        data = {
            "instructionId": instruction_id,
            "action": outcome.action,
            "coId": outcome.optimizer,
            "cgIdentifier": outcome.group,
            "content": outcome.message,
        }
        events.add(user_id, (*_TAGS, "in"), "Queued instruction", data)


def _refusal(outcome: Declined) -> dict[str, object]:
    if outcome.event is None:
        return dict(outcome.known)
    return {**outcome.known, "message": outcome.error}


# § What a request to `add` or `exec` asks for, whichever way it says so (solaruser.md §1.1).

if TYPE_CHECKING:
    Reader = Callable[[Call], "InstructionRequest"]


@dataclass(frozen=True, slots=True)
class InstructionRequest:
    """An instruction to queue.

    Attributes:
        node_ids: A copy of it for each.
        topic: Of the path, or else of the body.
        body: All else.
        is_list: Whether the reply is a list.
    """

    node_ids: tuple[int, ...]
    topic: str
    body: InstructionBody
    is_list: bool = False


def read_json_request(call: Call) -> InstructionRequest:
    """Answers with the request of a JSON body, for one node.

    Raises:
        ApiRefused: The body cannot be read, or lacks its node or its topic.
    """
    try:
        body = read_body(call.request.body or b"")
    except BodyRefused as refusal:
        why = {"why": f"the request body is not JSON: {refusal.error}"} if refusal.error else {}
        raise ApiRefused(422, refusal.message, explanation=why) from None
    node_ids = () if body.node_id is None else (body.node_id,)
    return _request(call, node_ids, body)


def read_form_request(call: Call) -> InstructionRequest:
    """Answers with the request of a form for one node.

    Raises:
        ApiRefused: A field cannot be read, or the topic is missing.
        NoRoute: The node is missing.
    """
    node_id = required(call, "nodeId", LONG, long_of)
    return _request(call, (node_id,), read_form(call.parameters))


def read_list_request(call: Call) -> InstructionRequest:
    """Answers with the request of a form for any number of nodes, each of them once.

    Raises:
        ApiRefused: A field cannot be read, or nodes or topic are missing.
    """
    node_ids = required_longs(call, "nodeIds")
    return _request(call, node_ids, read_form(call.parameters), is_list=True)


def _request(
    call: Call, node_ids: tuple[int, ...], body: InstructionBody, *, is_list: bool = False
) -> InstructionRequest:
    if not node_ids:
        raise ApiRefused(422, "Illegal argument: The nodeId parameter is required.")
    topic = call.variables.get("topic") or body.topic
    if not topic:
        raise ApiRefused(422, "Illegal argument: The topic parameter is required.")
    return InstructionRequest(node_ids, topic, body, is_list)


# § Queueing instructions, finding them again and changing them: what stands behind the routes.
#
# As observed in SolarNetwork (solaruser.md §1.8, §1.10, §2.5 and §6.3).

_LONGEST_TOPIC = 128
_LONGEST_NAME = 256

#: An instruction as it was stored, and the message to hand over, where it was admitted.
Queued = tuple["Instruction", "QueuedMessage | None"]


class InstructionService:
    """What SolarUser does with instructions once it knows who asks.

    Args:
        shared: The shared shared.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def queue(
        self, actor: Actor, node_ids: Iterable[int], topic: str, body: InstructionBody
    ) -> list[Queued]:
        """Judges and stores an instruction for each node, or for none of them.

        Raises:
            ApiRefused: A node is unknown or out of bounds, or a text cannot be stored.
        """
        owners = [(node_id, self.owner(actor, node_id)) for node_id in node_ids]
        pieces = self._split(body.parameters)
        _check_columns(topic, pieces)
        return [self._queue(owner, node_id, topic, pieces, body) for node_id, owner in owners]

    def view(self, actor: Actor, instruction_ids: Iterable[int]) -> list[Instruction]:
        """Answers with the instructions of these ids that exist, by ascending id.

        Raises:
            ApiRefused: One of them is for a node that is out of bounds.
        """
        found = [self._shared.instructions.get(each) for each in sorted(set(instruction_ids))]
        rows = [row for row in found if row is not None]
        for row in rows:
            self.owner(actor, row.node_id)
        return rows

    def find(self, actor: Actor, wanted: InstructionFilter) -> list[Instruction]:
        """Answers with the instructions of a filter, by ascending id.

        Raises:
            ApiRefused: It names neither nodes nor instructions, or one that is out of bounds.
        """
        if not wanted.node_ids and not wanted.instruction_ids:
            raise ApiRefused(403, "ACCESS_DENIED")
        return self._found(actor, wanted)

    def update(self, actor: Actor, instruction_ids: Iterable[int], state: State) -> None:
        """Gives instructions a state, whatever they were in; ids that are not known are ignored.

        Raises:
            ApiRefused: One of them is for a node that is out of bounds; none is changed then.
        """
        for row in self.view(actor, instruction_ids):
            self._shared.instructions.set_state(row.id, state)

    def update_found(self, actor: Actor, wanted: InstructionFilter, state: State) -> list[int]:
        """Gives the instructions of a filter a state, all of the user's own where it names none.

        Returns:
            The ids of those that were in another state.

        Raises:
            ApiRefused: It names a node, or an instruction for one, that is out of bounds.
        """
        rows = self._found(actor, wanted)
        return [row.id for row in rows if self._shared.instructions.set_state(row.id, state)]

    def owner(self, actor: Actor, node_id: int) -> User:
        """Answers with the owner of a node, who must be the one who asks.

        Raises:
            ApiRefused: The node is unknown, somebody else's, or none of those that the token is
                restricted to.
        """
        owner = self._shared.world.owner_of_node(node_id)
        if owner is None:
            raise ApiRefused(403, "UNKNOWN_OBJECT")
        if owner.id != actor.user.id or not may_use_node(actor.token, node_id):
            raise ApiRefused(403, "ACCESS_DENIED")
        return owner

    def _found(self, actor: Actor, wanted: InstructionFilter) -> list[Instruction]:
        nodes = frozenset(wanted.node_ids) or frozenset(
            node_id for node_id in actor.user.nodes if may_use_node(actor.token, node_id)
        )
        for node_id in wanted.node_ids:
            self.owner(actor, node_id)
        rows: Sequence[Instruction]
        if wanted.instruction_ids:
            rows = self.view(actor, wanted.instruction_ids)
        else:
            rows = self._shared.instructions.find(lambda row: row.node_id in nodes)
        return [row for row in rows if row.node_id in nodes and wanted.fits(row)]

    def _split(self, parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        if self._shared.behaviour.follows_service("parameter_splitting"):
            return split_parameters(parameters)
        return [
            piece
            for name, value in parameters
            for piece in (split_parameters([(name, value)]) if name == "msg" else [(name, value)])
            if name and value
        ]

    def _queue(
        self,
        owner: User,
        node_id: int,
        topic: str,
        pieces: Sequence[tuple[str, str]],
        body: InstructionBody,
    ) -> Queued:
        behaviour = self._shared.behaviour
        outcome = (
            judge_instruction(join_parameters(pieces), owner, behaviour) if topic == TOPIC else None
        )
        error = outcome.error if isinstance(outcome, Declined) else None
        row = self._shared.instructions.add(
            node_id=node_id,
            topic=topic,
            pieces=pieces,
            # Without a node connected, any other topic stays Queued, waiting for one.
            state="Declined" if error is not None else "Queuing" if outcome else "Queued",
            result={} if error is None else {"error": error},
            instruction_date=body.instruction_date,
            expiration_date=body.expiration_date,
        )
        tell_outcome(self._shared.events, owner.id, row.id, outcome)
        if not isinstance(outcome, Admitted):
            return row, None
        return row, self._message(row, owner, outcome)

    def _message(self, row: Instruction, owner: User, outcome: Admitted) -> QueuedMessage:
        dropped = self._shared.behaviour.follows_service("correlation_id")
        correlation_id = row.parameters.get("correlationId")
        self._shared.journal.append(
            "solaruser",
            "note",
            action=outcome.action,
            instruction_id=row.id,
            detail=_hand_over(outcome, correlation_id, dropped=dropped),
        )
        return QueuedMessage(
            id=row.id,
            node_id=row.node_id,
            user_id=owner.id,
            action=outcome.action,
            co_id=outcome.optimizer,
            cg_identifier=outcome.group,
            msg=outcome.message,
            correlation_id=None if dropped else correlation_id,
        )


def _hand_over(
    outcome: Admitted, correlation_id: str | None, *, dropped: bool
) -> Mapping[str, object]:
    """Answers with what the journal tells of a message that goes into the queue."""
    queued: dict[str, object] = {
        "action": outcome.action,
        "coId": outcome.optimizer,
        "cgIdentifier": outcome.group,
    }
    if correlation_id is None:
        return {"handed_over": queued}
    if not dropped:
        return {"handed_over": {**queued, "correlationId": correlation_id}}
    why = (
        f"correlationId {correlation_id} stays behind: the running SolarUser never puts it into "
        "the queue (--set correlation_id=documented passes it on)"
    )
    return {"handed_over": queued, "why": why}


def _check_columns(topic: str, pieces: Sequence[tuple[str, str]]) -> None:
    """Refuses what the database's columns do not take (solaruser.md §2.2)."""
    texts = (topic, *(text for piece in pieces for text in piece))
    if any("\0" in text for text in texts):
        why = "a NUL character cannot be stored"
    elif len(topic) > _LONGEST_TOPIC:
        why = f"a topic has at most {_LONGEST_TOPIC} characters"
    elif any(len(name) > _LONGEST_NAME for name, _ in pieces):
        why = f"the name of a parameter has at most {_LONGEST_NAME} characters"
    else:
        return
    raise ApiRefused(
        422,
        "An invalid query parameter was used, or a required parameter was missing.",
        code="DAO.00103",
        explanation={"why": why},
    )


if TYPE_CHECKING:
    Handler = Callable[[Call], Response]


_BASE = "/api/v1/sec/instr"
#: The whole path of the requests that may wait, their topic apart.
EXEC_PATH = f"/solaruser{_BASE}/exec"
_ACTIVE: tuple[State, ...] = ("Queued",)
_PENDING: tuple[State, ...] = ("Queued", "Received", "Executing")


def instruction_routes(shared: Shared, hand_off: HandOff) -> list[Route]:
    """Answers with the routes, named after the rows of the dossier's table.

    Args:
        shared: The shared shared.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    api = _InstructionApi(shared, hand_off)
    return [*_views(api), *_queueing(api), *_updates(api)]


def _views(api: _InstructionApi) -> list[Route]:
    active, pending = partial(api.nodes, _ACTIVE), partial(api.nodes, _PENDING)
    ids, nodes = frozenset({"ids"}), frozenset({"nodeIds"})
    return [
        _route(1, "GET", "", api.find, "List instructions"),
        _route(2, "GET", "/view", api.view, "View an instruction", lacks=ids),
        _route(3, "GET", "/view", api.view_many, "View instructions", needs=ids),
        _route(4, "GET", "/viewActive", active, "List what a node has queued", lacks=nodes),
        _route(5, "GET", "/viewActive", active, "List what nodes have queued", needs=nodes),
        _route(6, "GET", "/viewPending", pending, "List what a node has to do", lacks=nodes),
        _route(7, "GET", "/viewPending", pending, "List what nodes have to do", needs=nodes),
    ]


def _queueing(api: _InstructionApi) -> list[Route]:
    """Answers with the same six routes for `add` and for `exec`."""
    routes = []
    for first, path, handler, verb in (
        (8, "/add", api.add, "Queue"),
        (14, "/exec", api.execute, "Queue, and wait for the result of,"),
    ):
        one, many = f"{verb} an instruction", f"{verb} an instruction for each node"
        json, form = partial(handler, read_json_request), partial(handler, read_form_request)
        listed, nodes = partial(handler, read_list_request), frozenset({"nodeIds"})
        for row, at in ((first, path), (first + 1, f"{path}/<topic>")):
            routes += [
                _route(row, "POST", at, json, one, consumes="json"),
                _route(row + 2, "POST", at, form, one, consumes="form", lacks=nodes),
                _route(row + 4, "POST", at, listed, many, consumes="form", needs=nodes),
            ]
    return routes


def _updates(api: _InstructionApi) -> list[Route]:
    one, many = frozenset({"id"}), frozenset({"ids"})
    at = "/updateState"
    return [
        _route(20, "POST", at, api.update, "Set a state", needs=one, lacks=many),
        _route(21, "POST", at, api.update_many, "Set states", needs=many, lacks=one),
        _route(22, "POST", at, api.update_found, "Set all of a filter", lacks=one | many),
    ]


def _route(
    row: int,
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    *,
    consumes: Consumes | None = None,
    needs: frozenset[str] = frozenset(),
    lacks: frozenset[str] = frozenset(),
) -> Route:
    return Route(
        f"instr-{row}",
        method,
        _BASE + path,
        handler,
        summary,
        consumes,
        needs,
        lacks,
        documentation(row),
    )


class _InstructionApi:
    def __init__(self, shared: Shared, hand_off: HandOff) -> None:
        self._instructions = shared.instructions
        self._behaviour = shared.behaviour
        self._schedule = shared.schedule
        self._service = InstructionService(shared)
        self._hand_off = hand_off

    def find(self, call: Call) -> Response:
        wanted = read_filter(call.parameters)
        return _listed(call, self._service.find(call.actor, wanted))

    def view(self, call: Call) -> Response:
        rows = self._service.view(call.actor, (required(call, "id", LONG, long_of),))
        if not rows:
            return single(call)
        call.instruction = rows[0]
        return single(call, instruction_object(rows[0]))

    def view_many(self, call: Call) -> Response:
        return _listed(call, self._service.view(call.actor, required_longs(call, "ids")))

    def nodes(self, states: tuple[State, ...], call: Call) -> Response:
        if "nodeIds" in call.parameters:
            node_ids = required_longs(call, "nodeIds")
        else:
            node_ids = (required(call, "nodeId", LONG, long_of),)
        wanted = InstructionFilter(node_ids=node_ids, states=states)
        return _listed(call, self._service.find(call.actor, wanted))

    def add(self, read: Reader, call: Call) -> Response:
        request = read(call)
        rows, messages = self._queue(call, request)
        # After the exchange is recorded: the journal's order does not depend on threads then.
        call.afterwards = partial(self._hand_over, messages)
        return _queued(call, request, rows)

    def execute(self, read: Reader, call: Call) -> Response:
        request = read(call)
        milliseconds = optional(call, "resultMaxWait", "long", long_of)
        rows, messages = self._queue(call, request)
        self._hand_over(messages)
        self._schedule.catch_up()
        results = wait_for_results(
            self._instructions,
            rows,
            milliseconds,
            at_the_services_pace=self._behaviour.follows_service("exec_waiting"),
        )
        call.instruction = results.rows[0]
        return _queued(call, request, results.rows, is_wrapped=results.is_wrapped)

    def update(self, call: Call) -> Response:
        instruction_id = required(call, "id", LONG, long_of)
        return self._update(call, (instruction_id,))

    def update_many(self, call: Call) -> Response:
        return self._update(call, required_longs(call, "ids"))

    def update_found(self, call: Call) -> Response:
        wanted = read_filter(call.parameters, state_is_wanted=True)
        state: State = required(call, "state", STATE, state_of)
        return single(call, self._service.update_found(call.actor, wanted, state))

    def _update(self, call: Call, instruction_ids: tuple[int, ...]) -> Response:
        state: State = required(call, "state", STATE, state_of)
        self._service.update(call.actor, instruction_ids, state)
        return single(call)

    def _queue(
        self, call: Call, request: InstructionRequest
    ) -> tuple[list[Instruction], list[QueuedMessage]]:
        queued = self._service.queue(call.actor, request.node_ids, request.topic, request.body)
        rows = [row for row, _ in queued]
        call.instruction = rows[0]
        return rows, [message for _, message in queued if message is not None]

    def _hand_over(self, messages: Iterable[QueuedMessage]) -> None:
        for message in messages:
            self._hand_off(message)


def _listed(call: Call, rows: Iterable[Instruction]) -> Response:
    return stream(call, [instruction_object(row) for row in rows])


def _queued(
    call: Call, request: InstructionRequest, rows: list[Instruction], *, is_wrapped: bool = True
) -> Response:
    shown = [instruction_object(row) for row in rows]
    data = shown if request.is_list else shown[0]
    return single(call, data) if is_wrapped else json_response(data)

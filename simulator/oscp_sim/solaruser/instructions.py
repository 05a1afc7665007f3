"""The instruction API: how a request queues instructions, finds them again and changes them.

As observed in SolarNetwork (solaruser.md §1, §2 and §6.3). The routes are listed in `routes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from random import Random
from typing import Final

from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding
from oscp_send.instruction import TOPIC, join_parameters, split_parameters
from oscp_send.judgement import judge_accepted, verdict
from oscp_send.queue_size import judge_size, queue_size, too_large
from oscp_send.request_findings import judge_topic
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body
from oscp_sim.faults.answers import damaged
from oscp_sim.http import Response
from oscp_sim.instructions import HandOff, Instruction, QueuedMessage, State
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import Actor, ApiRefused, Call, charset_of
from oscp_sim.solaruser.parameters import (
    NO_ID,
    InstructionFilter,
    optional_long,
    read_filter,
    read_form,
    required_long,
    required_longs,
    required_state,
)
from oscp_sim.solaruser.policy import may_use_node, owner_of_node
from oscp_sim.solaruser.queue_hook import Admitted, Declined, add_event, judge_instruction
from oscp_sim.solaruser.replies import instruction_object, json_response, single, stream
from oscp_sim.solaruser.waiting import wait_for_results
from oscp_sim.world import User

_LOST: Final = 2 / 7
_OTHER_ORDER: Final = 3 / 900
_COPY_TOO_LARGE: Final = "the node's copy of it is too large to be published, so it is given up"
_NO_BROKER: Final = "the broker between the services is down: broker of the world, or /_sim/world"
_TOO_LARGE: Final = "mqtt_limit"
_UNWRAPPED: Final = (
    "on a time-out it is sometimes the container that answers, without success and data: read the "
    "instruction from the whole reply then, or ask for it by its id"
)
_LONGEST_TOPIC: Final = 128
_LONGEST_NAME: Final = 256
_ACTIVE: Final[tuple[State, ...]] = ("Queued",)
_PENDING: Final[tuple[State, ...]] = ("Queued", "Received", "Executing")


# What a request to `add` or `exec` asks for, as JSON or as a form (solaruser.md §1.1).


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An instruction to queue, in a copy for each of its nodes, at least one.

    The topic is that of the path, or else of the body; `is_list` says that the reply is a list.
    """

    node_ids: tuple[int, ...]
    topic: str
    body: InstructionBody
    is_list: bool = False


def _of_json(call: Call, *, executes: bool) -> _Wanted:
    """Return the instruction of a JSON body, for one node."""
    try:
        body = read_body(
            call.request.body or b"",
            charset_of(call.request),
            executes=executes,
            has_topic="topic" in call.variables,
        )
    except BodyRefused as refusal:
        why = {"why": f"the request body is not JSON: {refusal.error}"} if refusal.error else {}
        raise ApiRefused(422, refusal.message, code=refusal.code, explanation=why) from None
    return _wanted(call, () if body.node_id is None else (body.node_id,), body)


def _of_form(call: Call) -> _Wanted:
    """Return the instruction of a form for one node."""
    return _wanted(call, (required_long(call, "nodeId"),), read_form(call.parameters))


def _of_form_for_many(call: Call) -> _Wanted:
    """Return the instruction of a form for any number of nodes, each of them once."""
    node_ids = required_longs(call, "nodeIds")
    return _wanted(call, node_ids, read_form(call.parameters), is_list=True)


def _wanted(
    call: Call, node_ids: tuple[int, ...], body: InstructionBody, *, is_list: bool = False
) -> _Wanted:
    if not node_ids:
        raise ApiRefused(422, "Illegal argument: The nodeId parameter is required.")
    topic = call.variables.get("topic") or body.topic
    if not topic:
        raise ApiRefused(422, "Illegal argument: The topic parameter is required.")
    return _Wanted(node_ids, topic, body, is_list)


_PACE: Final = (
    "the running service looks after about a second, and waits to the limit where one node's "
    "result comes before another's; of its replies on a time-out 4 of 27 lack the wrapper"
)


class InstructionApi:
    """The handlers of the instruction API."""

    def __init__(self, shared: Shared, hand_off: HandOff) -> None:
        self._shared = shared
        self._hand_off = hand_off

    def add_json(self, call: Call) -> Response:
        """Queue the instruction of a JSON body."""
        return self._add(call, _of_json(call, executes=False))

    def add_form(self, call: Call) -> Response:
        """Queue the instruction of a form."""
        return self._add(call, _of_form(call))

    def add_many(self, call: Call) -> Response:
        """Queue the instruction of a form for each of its nodes."""
        return self._add(call, _of_form_for_many(call))

    def exec_json(self, call: Call) -> Response:
        """Queue the instruction of a JSON body, and wait for its result."""
        return self._exec(call, _of_json(call, executes=True))

    def exec_form(self, call: Call) -> Response:
        """Queue the instruction of a form, and wait for its result."""
        return self._exec(call, _of_form(call))

    def exec_many(self, call: Call) -> Response:
        """Queue the instruction of a form for each of its nodes, and wait for the results."""
        return self._exec(call, _of_form_for_many(call))

    def _add(self, call: Call, wanted: _Wanted) -> Response:
        rows, call.queued = self._queue(call, wanted)
        return single(call, self._shown(call, wanted, rows))

    def _exec(self, call: Call, wanted: _Wanted) -> Response:
        milliseconds = optional_long(call, "resultMaxWait")
        rows, messages = self._queue(call, wanted)
        for message in messages:
            self._hand_off(message)
        self._shared.schedule.catch_up()
        as_service = self._shared.behaviour.follows_service("exec_waiting")
        chance = self._chance("exec", rows[0].id) if as_service else None
        results = wait_for_results(self._shared.instructions, rows, milliseconds, chance)
        call.instruction = results.rows[0]
        shown = self._shown(call, wanted, results.rows)
        if not results.is_wrapped:
            call.explanation = {"why": _UNWRAPPED}
        elif not as_service:
            call.explanation = {"why": _PACE}
        return single(call, shown) if results.is_wrapped else json_response(shown)

    def _queue(
        self, call: Call, wanted: _Wanted
    ) -> tuple[list[Instruction], Sequence[QueuedMessage]]:
        """Judge an instruction, and store it for each of its nodes, or for none of them."""
        world, behaviour = self._shared.world, self._shared.behaviour
        pieces = self._split(wanted.body.parameters)
        if self._shared.faults.rules:
            pieces = damaged(self._shared.faults, pieces, call.request)
        owners = [
            owner_of_node(world, call.actor, node_id)
            for node_id in wanted.node_ids
            if NO_ID not in wanted.node_ids
        ]
        self._check_columns(wanted, pieces)
        parameters = join_parameters(pieces)
        outcome = None
        if wanted.topic == TOPIC:
            # Every node is the sender's, so that the outcome is the same for each.
            outcome = judge_instruction(parameters, owners[0], behaviour)
        else:
            call.judge = partial(judge_topic, wanted.topic, "")
        ids = self._admitted_ids(call, wanted, owners[0], pieces, outcome)
        rows, messages = [], []
        for instruction_id, node_id, owner in zip(ids, wanted.node_ids, owners, strict=True):
            row = self._store(instruction_id, node_id, wanted, pieces, outcome)
            rows.append(row)
            if outcome is not None:
                add_event(self._shared.events, owner.id, row.id, outcome)
            if isinstance(outcome, Admitted):
                correlation_id = parameters.get("correlationId")
                messages.append(self._message(row, owner, outcome, correlation_id))
                self._lose(call, row.id)
            elif outcome is None and world.broker == "down":
                self._shared.instructions.set_state(row.id, "Queued", why=_NO_BROKER)
        call.instruction = rows[0]
        return rows, messages

    def _check_columns(self, wanted: _Wanted, pieces: Sequence[tuple[str, str]]) -> None:
        """Refuse what the database cannot hold; the numbers until then are used (measured)."""
        refusal, used = _not_storable(wanted.topic, pieces), 1
        if NO_ID in wanted.node_ids:
            refusal, used = _NO_NODE, wanted.node_ids.index(NO_ID) + 1
        if refusal is None:
            return
        for _ in range(used):
            self._shared.instructions.take_id()
        code, message, why = refusal
        raise ApiRefused(422, message, code=code, explanation={"why": why})

    def _admitted_ids(
        self,
        call: Call,
        wanted: _Wanted,
        owner: User,
        pieces: Sequence[tuple[str, str]],
        outcome: Admitted | Declined | None,
    ) -> list[int]:
        """Return an id for each node, once the queue takes all the messages (solaruser.md §3.5)."""
        ids: list[int] = []
        for node_id in wanted.node_ids:
            ids.append(self._shared.instructions.take_id())
            if isinstance(outcome, Admitted):
                self._check_queue(
                    call, outcome, pieces, id=ids[-1], nodeId=node_id, userId=owner.id
                )
        return ids

    def _check_queue(
        self, call: Call, outcome: Admitted, pieces: Sequence[tuple[str, str]], **ids: int
    ) -> None:
        """Refuse a message while the broker is down, or one too large where that is followed."""
        what = (
            f"OSCP instruction {ids['id']} action {outcome.action} for Capacity Provider "
            f"({ids['userId']},{outcome.provider})"
        )
        behaviour, limit = self._shared.behaviour, self._shared.world.mqtt_limit
        known = {"coId": outcome.optimizer, **ids}
        call.judge = partial(_findings, pieces, outcome.group, known, limit, behaviour)
        if self._shared.world.broker == "down":
            text = f"MQTT connection not available to publish {what}"
            raise ApiRefused(422, text, code="RS.00001", explanation={"why": _NO_BROKER})
        if not behaviour.follows_service(_TOO_LARGE):
            return
        size = queue_size(
            outcome.action, outcome.message, pieces, cg_identifier=outcome.group, **known
        )
        if size.most > limit:
            text = f"MQTT error queuing {what}: {too_large(limit, size.most)}"
            raise ApiRefused(422, text, code="RS.00001")

    def _lose(self, call: Call, instruction_id: int) -> None:
        """Give up, by the seed, some of those whose copy for the node is too large.

        As measured, 2 of 7 became Queued by themselves (solaruser.md §2.6).
        """
        shared = self._shared
        if not shared.behaviour.follows_service(_TOO_LARGE):
            return
        if not any(each.rule == _TOO_LARGE for each in call.judge()):
            return
        if self._chance("node copy", instruction_id).random() < _LOST:
            shared.instructions.set_state(instruction_id, "Queued", why=_COPY_TOO_LARGE)

    def _chance(self, of: str, instruction_id: int) -> Random:
        """Return what decides, by the seed, how a race of the service ends for an instruction."""
        return Random(f"{of} {self._shared.seed} {instruction_id}")  # noqa: S311 - of a rehearsal

    def _shown(self, call: Call, wanted: _Wanted, rows: list[Instruction]) -> object:
        if wanted.is_list:
            return [instruction_object(row) for row in rows]
        return instruction_object(self._read(call, rows[0]))

    def _read(self, call: Call, row: Instruction) -> Instruction:
        """Return an instruction as the service reads one alone: its pieces have no order.

        Measured: in 3 of some 900 replies another one came first (solaruser.md §2.3).
        """
        pieces, chance = row.pieces, self._chance("piece order", row.id)
        is_other = chance.random() < _OTHER_ORDER and len(pieces) > 1
        if not is_other:
            return row
        as_service = self._shared.behaviour.follows_service("piece_order")
        where = "are" if as_service else "would, at the running service, be"
        call.explanation = {"why": f"the parameters {where} in another order: join none by it"}
        if not as_service:
            return row
        first = chance.randrange(1, len(pieces))
        return replace(row, pieces=(*pieces[first:], *pieces[:first]))

    def _split(self, parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        if self._shared.behaviour.follows_service("parameter_splitting"):
            return split_parameters(parameters)
        return [
            piece
            for name, value in parameters
            for piece in (split_parameters([(name, value)]) if name == "msg" else [(name, value)])
            if name and value
        ]

    def _store(
        self,
        instruction_id: int,
        node_id: int,
        wanted: _Wanted,
        pieces: Sequence[tuple[str, str]],
        outcome: Admitted | Declined | None,
    ) -> Instruction:
        # Any other topic is published for its node, which need not listen (solaruser.md §2.6).
        state: State = "Queuing"
        result = {}
        if isinstance(outcome, Declined):
            state, result = "Declined", {"error": outcome.error}
        return self._shared.instructions.add(
            id=instruction_id,
            node_id=node_id,
            topic=wanted.topic,
            pieces=pieces,
            state=state,
            result=result,
            instruction_date=wanted.body.instruction_date,
            expiration_date=wanted.body.expiration_date,
        )

    def _message(
        self, row: Instruction, owner: User, outcome: Admitted, correlation_id: str | None
    ) -> QueuedMessage:
        passed_on = not self._shared.behaviour.follows_service("correlation_id")
        self._shared.journal.append(
            "solaruser",
            "note",
            action=outcome.action,
            instruction_id=row.id,
            detail=_note(outcome, correlation_id, passed_on=passed_on),
        )
        return QueuedMessage(
            id=row.id,
            node_id=row.node_id,
            user_id=owner.id,
            action=outcome.action,
            co_id=outcome.optimizer,
            cg_identifier=outcome.group,
            msg=outcome.message,
            correlation_id=correlation_id if passed_on else None,
        )

    def find(self, call: Call) -> Response:
        """List the instructions of a filter."""
        return self._find(call, read_filter(call.parameters))

    def active(self, call: Call) -> Response:
        """List what a node has queued."""
        return self._find(call, InstructionFilter((required_long(call, "nodeId"),), states=_ACTIVE))

    def active_many(self, call: Call) -> Response:
        """List what nodes have queued."""
        return self._find(call, InstructionFilter(required_longs(call, "nodeIds"), states=_ACTIVE))

    def pending(self, call: Call) -> Response:
        """List what a node has still to do."""
        nodes = (required_long(call, "nodeId"),)
        return self._find(call, InstructionFilter(nodes, states=_PENDING))

    def pending_many(self, call: Call) -> Response:
        """List what nodes have still to do."""
        return self._find(call, InstructionFilter(required_longs(call, "nodeIds"), states=_PENDING))

    def view(self, call: Call) -> Response:
        """Show one instruction; the reply to an unknown id has no data."""
        rows = self._rows(call.actor, (required_long(call, "id"),))
        if not rows:
            return single(call)
        call.instruction = rows[0]
        return single(call, instruction_object(self._read(call, rows[0])))

    def view_many(self, call: Call) -> Response:
        """Show those of several instructions that exist."""
        ids = required_longs(call, "ids")
        if not ids:
            raise ApiRefused(403, "ACCESS_DENIED", explanation={"why": "ids is empty"})
        return _listed(call, self._rows(call.actor, ids))

    def update(self, call: Call) -> Response:
        """Give one instruction a state."""
        return self._update(call, (required_long(call, "id"),))

    def update_many(self, call: Call) -> Response:
        """Give several instructions a state."""
        return self._update(call, required_longs(call, "ids"))

    def update_found(self, call: Call) -> Response:
        """Give the instructions of a filter a state, all of the user's own where it names none.

        The reply has the ids of those that were in another state. The service takes `state` for a
        filter, too, unless there is `states`, and passes over what is not the sender's (measured;
        solaruser.md §1.10).
        """
        as_service = self._shared.behaviour.follows_service("update_by_filter")
        state = required_state(call)
        wanted = read_filter(call.parameters, states_only=not as_service)
        if wanted.states in {(), (state,)}:
            call.explanation = {"why": _NO_STATES[as_service]}
        rows = self._matching(call.actor, wanted, own_only=as_service)
        changed = [row.id for row in rows if self._shared.instructions.set_state(row.id, state)]
        return single(call, changed)

    def _update(self, call: Call, instruction_ids: tuple[int, ...]) -> Response:
        """Set a state, whatever the old one was; unknown ids are ignored.

        Where one instruction is for a node that the sender may not use, none is changed.
        """
        state = required_state(call)
        for row in self._rows(call.actor, instruction_ids):
            self._shared.instructions.set_state(row.id, state)
        return single(call)

    def _find(self, call: Call, wanted: InstructionFilter) -> Response:
        if not wanted.node_ids and not wanted.instruction_ids:
            why = "there is neither a node nor an instruction to look for"
            raise ApiRefused(403, "ACCESS_DENIED", explanation={"why": why})
        return _listed(call, self._matching(call.actor, wanted))

    def _matching(
        self, actor: Actor, wanted: InstructionFilter, *, own_only: bool = False
    ) -> list[Instruction]:
        """Return the sender's instructions that a filter fits, by ascending id.

        One that names others' is refused, unless the others' are passed over with `own_only`.
        """
        own = frozenset(each for each in actor.user.nodes if may_use_node(actor.token, each))
        if not own_only:
            for node_id in wanted.node_ids:
                owner_of_node(self._shared.world, actor, node_id)
            self._rows(actor, wanted.instruction_ids)
        nodes = own & frozenset(wanted.node_ids) if wanted.node_ids else own
        ids = frozenset(wanted.instruction_ids)
        rows = self._shared.instructions.find(
            lambda row: row.node_id in nodes and (not ids or row.id in ids)
        )
        return [row for row in rows if wanted.fits(row)]

    def _rows(self, actor: Actor, instruction_ids: Iterable[int]) -> list[Instruction]:
        """Return the instructions of these ids that exist and may be used, by ascending id."""
        found = [self._shared.instructions.get(each) for each in sorted(set(instruction_ids))]
        rows = [row for row in found if row is not None]
        for row in rows:
            owner_of_node(self._shared.world, actor, row.node_id)
        return rows


# What is said where a filter names no states, by whether the service is followed.
_NO_STATES: Final = (
    "the running SolarUser takes state for a filter, too, and would change nothing: add states "
    "with those to be changed",
    "state also filters, so nothing changes: add states with those to be changed",
)


def _listed(call: Call, rows: Iterable[Instruction]) -> Response:
    return stream(call, [instruction_object(row) for row in rows])


_NO_NODE: Final = (
    "DAO.00104",
    "A data integrity violation occurred, such as attempting to save a null value where null is "
    "not allowed.",
    "nodeIds has an empty element",
)


def _findings(
    pieces: Sequence[tuple[str, str]],
    group: str,
    ids: Mapping[str, int],
    limit: int,
    behaviour: Behaviour,
) -> Iterator[Finding]:
    """Yield the findings about a message that is queued."""
    parameters = join_parameters(pieces)
    action = parameters["action"]
    ruling = verdict(action, parameters["msg"], behaviour)
    if ruling.document is not None and ruling.decoded is not None:
        yield from judge_accepted(action, ruling.document, behaviour)
        size = queue_size(action, ruling.decoded, pieces, cg_identifier=group, **ids)
        yield from judge_size(size, limit, behaviour, ruling.decoded)


def _not_storable(topic: str, pieces: Sequence[tuple[str, str]]) -> tuple[str, str, str] | None:
    """Return the code, the text and the reason why the columns cannot hold it (§2.2), or None."""
    if "\0" in "".join([topic, *chain.from_iterable(pieces)]):
        why = "a NUL character cannot be stored"
    elif len(topic) > _LONGEST_TOPIC:
        why = f"a topic has at most {_LONGEST_TOPIC} characters"
    elif any(len(name) > _LONGEST_NAME for name in {name for name, _ in pieces}):
        why = f"the name of a parameter has at most {_LONGEST_NAME} characters"
    else:
        return None
    message = "An invalid query parameter was used, or a required parameter was missing."
    return "DAO.00103", message, why


def _note(
    outcome: Admitted, correlation_id: str | None, *, passed_on: bool
) -> Mapping[str, object]:
    """Return what the journal says about a message that goes into the queue."""
    message: dict[str, object] = {
        "action": outcome.action,
        "coId": outcome.optimizer,
        "cgIdentifier": outcome.group,
    }
    if correlation_id is None:
        return {"handed_over": message}
    if passed_on:
        message["correlationId"] = correlation_id
        goes, other = "goes along, as the guide says", "observed leaves it out"
    else:
        goes, other = "stays behind", "documented passes it on"
    why = (
        f"correlationId {correlation_id} {goes}: the running SolarUser never puts it into the "
        f"queue (--set correlation_id={other})"
    )
    return {"handed_over": message, "why": why}

"""The routes of the instruction API (SolarUser dossier §1.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulator.solaruser.conversion import (
    LONG,
    STATE,
    long_of,
    optional,
    required,
    required_longs,
    state_of,
)
from simulator.solaruser.filters import InstructionFilter, read_filter
from simulator.solaruser.instruction_docs import documentation
from simulator.solaruser.instruction_request import (
    read_form_request,
    read_json_request,
    read_list_request,
)
from simulator.solaruser.instruction_service import InstructionService
from simulator.solaruser.negotiation import single, stream
from simulator.solaruser.replies import instruction_object, json_response
from simulator.solaruser.router import Call, Route
from simulator.solaruser.waiting import wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Response

    from simulator.hand_off import HandOff, QueuedMessage
    from simulator.instructions import Instruction, State
    from simulator.rooms import Rooms
    from simulator.solaruser.instruction_request import InstructionRequest, Reader
    from simulator.solaruser.router import Consumes

    Handler = Callable[[Call], Response]

__all__ = ["EXEC_PATH", "instruction_routes"]

_BASE = "/api/v1/sec/instr"
#: The whole path of the requests that may wait, their topic apart.
EXEC_PATH = f"/solaruser{_BASE}/exec"
_ACTIVE: tuple[State, ...] = ("Queued",)
_PENDING: tuple[State, ...] = ("Queued", "Received", "Executing")


def instruction_routes(rooms: Rooms, hand_off: HandOff) -> list[Route]:
    """Answers with the routes, named after the rows of the dossier's table.

    Args:
        rooms: The shared rooms.
        hand_off: Takes each admitted message to the Flexibility Provider.
    """
    api = _InstructionApi(rooms, hand_off)
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
    def __init__(self, rooms: Rooms, hand_off: HandOff) -> None:
        self._instructions = rooms.instructions
        self._behaviour = rooms.behaviour
        self._agenda = rooms.agenda
        self._service = InstructionService(rooms)
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
        self._agenda.catch_up()
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

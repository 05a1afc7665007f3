"""What a request to `add` or `exec` asks for, whichever way it says so (SolarUser dossier §1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oscp_send.solarnetwork.request_body import BodyRefused, read_body
from simulator.solaruser.conversion import LONG, long_of, required, required_longs
from simulator.solaruser.forms import read_form
from simulator.solaruser.refusal import ApiRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_send.solarnetwork.request_body import InstructionBody
    from simulator.solaruser.router import Call

    Reader = Callable[[Call], "InstructionRequest"]

__all__ = ["InstructionRequest", "read_form_request", "read_json_request", "read_list_request"]


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
        body = read_body(call.body or b"")
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

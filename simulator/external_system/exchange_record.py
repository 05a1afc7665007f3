"""What is kept of a message that an external system got: by the journal, and by the system."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from simulator.external_system.reception import said_of
from simulator.external_system.records import Received
from simulator.journal import Request, Response

if TYPE_CHECKING:
    from simulator.entry import Entry, Party
    from simulator.external_system.call import Call, Reaction
    from simulator.external_system.seat import Seat
    from simulator.rooms import Rooms

__all__ = ["keep", "record"]


def record(rooms: Rooms, party: Party, call: Call, reaction: Reaction, seat: Seat | None) -> Entry:
    """Tells the journal of a message and its answer, and answers with the entry."""
    wire, body = call.wire, call.body
    text = "(longer than the limit, not read)" if body is None else body.decode("utf-8", "replace")
    response = Response(reaction.status, reaction.headers, reaction.body.decode())
    detail: dict[str, object] = {} if seat is None else {**seat.who}
    if reaction.is_silent:
        detail["why"] = "silent, as its behaviour says: there is no answer to this"
    return rooms.journal.append(
        party,
        "exchange",
        peer="flexibility_provider",
        action=call.action,
        request=Request(wire.method, wire.target, wire.headers, text),
        response=None if reaction.is_silent else response,
        findings=[finding.to_dict() for finding in call.findings],
        detail=detail,
    )


def keep(call: Call, reaction: Reaction, seat: Seat, entry: Entry, *, is_taken: bool) -> None:
    """Remembers a message, and what it means for those to come if it was not refused.

    The lock of the correspondence must be held.
    """
    number, request = entry.number, entry.request
    # A DELETE has no message: it has ended the registration, and what was agreed since.
    if is_taken and call.wire.method != "DELETE":
        seat.correspondence.conversation.remember(said_of(call, number))
    seat.correspondence.received.append(
        Received(
            call.action or "",
            call.request_id,
            call.correlation_id,
            call.now,
            request.headers if request else (),
            _safe(call, request.body if request else ""),
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

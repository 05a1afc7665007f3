"""Reading a request's body within a limit, and telling the journal of the whole exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest

from simulator.journal import Journal, Party, Request
from simulator.journal import Response as RecordedResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flask import Request as FlaskRequest
    from flask import Response

    from simulator.journal import Entry
    from simulator.wire import WireRequest

__all__ = ["body_within", "record_exchange"]


def body_within(request: FlaskRequest, limit: int) -> bytes | None:
    """Answers with a request's body, or None where it is longer than `limit` bytes.

    A body that declares its length is not read when that is too long; any other is read no further
    than the limit.

    Raises:
        BadRequest: It is not sent as HTTP says.
    """
    if (request.content_length or 0) > limit:
        return None
    try:
        body: bytes = request.stream.read(limit + 1)
    except OSError as error:
        raise BadRequest(str(error)) from None
    return body if len(body) <= limit else None


def record_exchange(
    journal: Journal,
    party: Party,
    wire: WireRequest,
    body: bytes | None,
    response: Response,
    *,
    action: str | None = None,
    instruction_id: int | None = None,
    findings: Iterable[Mapping[str, Any]] = (),
    detail: Mapping[str, Any] | None = None,
    peer: Party | None = None,
) -> Entry:
    """Tells the journal what a party was asked and what it answered, and answers with the entry."""
    text = "(longer than the limit, not read)" if body is None else body.decode("utf-8", "replace")
    return journal.append(
        party,
        "exchange",
        action=action,
        instruction_id=instruction_id,
        request=Request(wire.method, wire.target, wire.headers, text),
        response=RecordedResponse(
            response.status_code,
            tuple(response.headers.items()),
            _text(response),
        ),
        findings=findings,
        detail=detail,
        peer=peer,
    )


def _text(response: Response) -> str:
    data = response.get_data()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({response.mimetype}, {len(data)} bytes)"

"""The route on which users read what they are told of their instructions (SolarUser dossier §9.2).

Of its parameters the dossier names the rules; what follows from the framework and the database
behind them is (inferred): a property that cannot be converted is refused like that of any filter,
`endDate` is the first instant that does not count, of `tag` and `tags` the plural counts, a
negative `max` is refused by the database and a negative `offset` ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork.dates import timestamp
from simulator.route_docs import RouteDocs, RouteParameter
from simulator.solaruser.binding import Binding
from simulator.solaruser.negotiation import stream
from simulator.solaruser.refusal import ApiRefused
from simulator.solaruser.router import Call, NoRoute, Route
from simulator.solaruser.search_filter_text import FilterError, read_search_filter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flask import Response

    from simulator.rooms import Rooms
    from simulator.solaruser.search_filter import SearchFilter
    from simulator.user_events import UserEvent

__all__ = ["user_event_routes"]

_PATH = "/api/v1/sec/user/events"


def user_event_routes(rooms: Rooms) -> list[Route]:
    """Answers with the routes of the user events.

    Args:
        rooms: The shared rooms.
    """

    def find(call: Call) -> Response:
        wanted = _wanted(call)
        events = rooms.events.find(
            call.actor.user.id,
            wanted.start,
            wanted.end,
            tags=wanted.tags,
            search_filter=wanted.search_filter.fits if wanted.search_filter else None,
            offset=wanted.offset,
            max=wanted.max,
        )
        return stream(call, [_shown(event) for event in events])

    return [
        Route("user-events", "GET", _PATH, find, "List user events", documentation=_DOCUMENTATION)
    ]


@dataclass(frozen=True, slots=True)
class _Wanted:
    start: datetime
    end: datetime
    tags: tuple[str, ...]
    search_filter: SearchFilter | None
    offset: int
    max: int | None


def _wanted(call: Call) -> _Wanted:
    if call.wire.header("accept") is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    binding = Binding(call.parameters)
    start, end = binding.date("startDate"), binding.date("endDate")
    offset, most = binding.long("offset"), binding.long("max")
    binding.check()
    if start is None or end is None:
        raise ApiRefused(422, "A date range is required.")
    if most is not None and most < 0:
        raise ApiRefused(
            422,
            "An invalid query parameter was used, or a required parameter was missing.",
            code="DAO.00103",
            explanation={"why": f"max is {most}; it must not be negative"},
        )
    search_filter = _search_filter(binding.text("searchFilter") or "")
    return _Wanted(start, end, _tags(call), search_filter, max(offset or 0, 0), most)


def _tags(call: Call) -> tuple[str, ...]:
    given = call.parameters.getlist("tags" if "tags" in call.parameters else "tag")
    tags = (tag.strip() for text in given for tag in text.split(","))
    return tuple(tag for tag in tags if tag)


def _search_filter(text: str) -> SearchFilter | None:
    if not text.strip():
        return None
    try:
        return read_search_filter(text)
    except FilterError as error:
        raise ApiRefused(
            422,
            "Illegal argument: Invalid search filter.",
            explanation={"why": f"searchFilter is no filter: {error}"},
        ) from None


def _shown(event: UserEvent) -> dict[str, Any]:
    """Answers with an event as the API shows it, keys in its order, no data left out."""
    shown: dict[str, Any] = {
        "userId": event.user_id,
        "created": timestamp(event.created),
        "eventId": str(event.id),
        "tags": list(event.tags),
        "message": event.message,
    }
    return shown if event.data is None else {**shown, "data": dict(event.data)}


_TEXT: Mapping[str, Any] = {"type": "string"}
_DATE = "as 2026-01-02, 2026-01-02 03:04[:05[.678]], with T for the blank, with Z or an offset"
_DOCUMENTATION = RouteDocs(
    parameters=(
        RouteParameter("Accept", "header", True, _TEXT, "Required; */* yields CBOR."),
        RouteParameter("startDate", "query", True, _TEXT, f"The first instant, {_DATE}."),
        RouteParameter("endDate", "query", True, _TEXT, f"The first instant beyond, {_DATE}."),
        RouteParameter(
            "tags", "query", False, _TEXT, "Tags with commas between; an event carries all."
        ),
        RouteParameter("tag", "query", False, _TEXT, "The same, where there is no tags."),
        RouteParameter(
            "searchFilter",
            "query",
            False,
            _TEXT,
            "A filter of the data, as (&(/action=Handshake)(/coId>5)).",
        ),
        RouteParameter(
            "offset", "query", False, {"type": "integer"}, "How many events to pass over."
        ),
        RouteParameter(
            "max", "query", False, {"type": "integer", "minimum": 0}, "How many events at most."
        ),
    ),
    response_schema={
        "type": "object",
        "required": ["success"],
        "properties": {
            "success": {"const": True},
            "data": {
                "description": "By ascending eventId; left out where there are none.",
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["userId", "created", "eventId", "tags", "message"],
                    "properties": {
                        "userId": {"type": "integer"},
                        "created": {"type": "string"},
                        "eventId": {"type": "string", "format": "uuid"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                        "message": {"type": "string"},
                        "data": {"type": "object"},
                    },
                },
            },
        },
    },
    statuses={
        200: "The events of the user who asks.",
        400: "There is no Accept header.",
        422: "There is no date range; or a parameter cannot be read; or Accept names no type that "
        "can be served.",
    },
)

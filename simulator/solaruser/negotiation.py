"""In which form a reply is written: as the request's `Accept` asks, by two sets of rules.

One object is negotiated by the framework, a list by the service's own code, which prefers CBOR
(SolarUser dossier §1.6 and §1.7). What is not said there is inferred.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import cbor2
from flask import Response

from simulator.solaruser.accept import accepted
from simulator.solaruser.csv_text import csv_text
from simulator.solaruser.refusal import ApiRefused
from simulator.solaruser.replies import json_response
from simulator.solaruser.router import NoRoute
from simulator.solaruser.xml_text import xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulator.solaruser.accept import MediaRange
    from simulator.solaruser.router import Call

__all__ = ["single", "stream"]

_JSON: Final = "application/json"
_CBOR: Final = "application/cbor"
_CSV: Final = "text/csv"
_XML: Final = "text/xml"
# In the order in which each is tried for an entry of the header.
_OF_ONE: Final = (_JSON, _CBOR, _CSV, _XML)
_OF_LISTS: Final = (_CBOR, _JSON, _CSV)


def single(
    call: Call,
    data: object | None = None,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Answers with a success and its data, as the framework negotiates: JSON for any type.

    To be called last: what the request asked for is done even where the reply cannot be written.

    Args:
        call: The request.
        data: JSON values; left out where there are none.
        status: HTTP status.
        headers: More headers of the reply.

    Raises:
        NoRoute: The client accepts nothing that the service writes.
    """
    given = [value for name, value in call.wire.headers if name == "accept"]
    try:
        ranges = accepted(", ".join(given))
    except ValueError:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE) from None
    media_type = _first(sorted(ranges, key=lambda each: each.rank), _OF_ONE)
    if ranges and media_type is None:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE)
    response = _written(media_type or _JSON, data, status)
    response.headers.extend(headers)
    return response


def stream(call: Call, rows: Sequence[Mapping[str, Any]]) -> Response:
    """Answers with a list, which is left out where nothing is in it: CBOR for any type.

    Entries of `Accept` are taken in their own order, whatever their quality; without the header the
    reply is JSON.

    Raises:
        ApiRefused: The client accepts nothing that the service writes.
    """
    try:
        ranges = accepted(call.wire.header("accept"))
    except ValueError as error:
        raise ApiRefused(422, f"Illegal argument: {error}") from None
    media_type = _first(ranges, _OF_LISTS)
    if ranges and media_type is None:
        named = ", ".join(each.text for each in ranges)
        raise ApiRefused(422, f"Illegal argument: No supported media type within [{named}]")
    return _written(media_type or _JSON, list(rows) or None, 200)


def _first(ranges: Iterable[MediaRange], offered: Sequence[str]) -> str | None:
    for each in ranges:
        for media_type in offered:
            if each.takes(media_type):
                return media_type
    return None


def _written(media_type: str, data: object | None, status: int) -> Response:
    content = {"success": True} if data is None else {"success": True, "data": data}
    if media_type == _JSON:
        return json_response(content, status)
    if media_type == _CBOR:
        body = _cbor(content)
    elif media_type == _CSV:
        body = csv_text(_rows(content, data))
    else:
        body = xml_text(content)
    response = Response(body, status)
    response.headers["Content-Type"] = media_type
    response.headers["Vary"] = "Accept"
    return response


def _cbor(content: Mapping[str, Any]) -> bytes:
    try:
        return cbor2.dumps(content)
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON has a question mark for.
        return cbor2.dumps(json.loads(json_response(content).get_data()))


def _rows(content: Mapping[str, Any], data: object) -> list[Mapping[str, Any]]:
    """Answers with what stands in the lines of a table: the data, or else all there is to say."""
    if data is None:
        return [content]
    items = data if isinstance(data, list | tuple) else [data]
    return [item if isinstance(item, dict) else {"data": item} for item in items]

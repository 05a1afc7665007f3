"""The replies of SolarUser: what they hold, and the refusals; `media` writes them.

As measured in SolarNetwork (solaruser.md §1.6, §1.7 and §7).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.http import Headers, Request, Response, respond
from oscp_sim.instructions import Instruction
from oscp_sim.solaruser.call import ApiRefused, Call, NoRoute
from oscp_sim.solaruser.media import (
    CBOR,
    JSON,
    WRITABLE,
    json_text,
    type_of_list,
    type_of_one,
    written,
)

_VARY: Final[Headers] = (("Vary", "Accept"),)


def single(
    call: Call,
    data: object | None = None,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Return a success and its data, as the framework negotiates: JSON for any type.

    Call it last: what a request asks for is done even where its reply cannot be written, which
    raises `NoRoute`.
    """
    try:
        media_type = type_of_one(_accept(call.request))
    except ValueError:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE) from None
    if media_type is None:
        raise NoRoute(HTTPStatus.NOT_ACCEPTABLE, {"Accept": WRITABLE})
    response = respond(status, written(_success(data), media_type), media_type, _VARY)
    # A reply with 201 is streamed.
    return (response if status == HTTPStatus.OK else _streamed(response)).adding(headers)


def stream(call: Call, rows: Sequence[Mapping[str, Any]], *, or_nothing: bool = False) -> Response:
    """Return a success with a list, left out where it is empty: CBOR for any type.

    The entries of `Accept` count in their own order, whatever their quality; without the header the
    reply is JSON. Where the service can write none of them, the request is refused, or the reply
    has no body.
    """
    accept = call.request.header("accept")
    try:
        media_type = type_of_list(accept)
    except ValueError as error:
        raise ApiRefused(422, f"Illegal argument: {error}") from None
    if media_type is None:
        if or_nothing:
            return respond(200, b"", None, _VARY)
        named = ", ".join(entry.strip() for entry in (accept or "").split(","))
        raise ApiRefused(422, f"Illegal argument: No supported media type within [{named}]")
    content = _success(list(rows) or None)
    if media_type == "text/csv" and not rows:
        content["data"] = []
    return _streamed(respond(200, written(content, media_type, is_list=True), media_type, _VARY))


def cut_short(response: Response) -> Response:
    """Return a list in CBOR as the service breaks it off: before its first entry (§1.7)."""
    is_list = _is_streamed(response) and response.status == HTTPStatus.OK
    if not is_list or response.header("content-type") != CBOR:
        return response
    head, data, _ = response.body.partition(b"ddata")
    return replace(response, body=b"\xa1" + head[1:] + data) if data else response


def _success(data: object | None) -> dict[str, Any]:
    return {"success": True} if data is None else {"success": True, "data": data}


def _accept(request: Request) -> str:
    return ", ".join(value for name, value in request.headers if name == "accept")


def _streamed(response: Response) -> Response:
    """Return a response whose length the container does not know beforehand."""
    kept = [pair for pair in response.headers if pair[0] != "Content-Length"]
    return replace(response, headers=tuple(kept))


def _is_streamed(response: Response) -> bool:
    return bool(response.body) and response.header("content-length") is None


def instruction_object(row: Instruction) -> dict[str, Any]:
    """Return an instruction as the API shows it, keys in its order, empty ones left out."""
    shown: dict[str, Any] = {
        "id": row.id,
        "created": timestamp(row.created),
        "nodeId": row.node_id,
        "topic": row.topic,
        "instructionDate": timestamp(row.instruction_date),
        "state": row.state,
        "statusDate": timestamp(row.status_date),
    }
    if row.expiration_date is not None:
        shown["expirationDate"] = timestamp(row.expiration_date)
    if row.pieces:
        shown["parameters"] = [{"name": name, "value": value} for name, value in row.stored_pieces]
    if row.result:
        shown["resultParameters"] = dict(row.result)
    return shown


def failure(
    call: Call,
    status: int,
    message: str | None,
    *,
    code: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> Response | None:
    """Return a refusal in the service's own words, or None where no accepted type can hold it."""
    content: dict[str, Any] = {"success": False}
    if code:
        content["code"] = code
    if message is not None:
        content["message"] = message
    if errors:
        content["errors"] = list(errors)
    varying = _VARY if call.is_routed else ()
    try:
        media_type = type_of_one(_accept(call.request))
    except ValueError:
        return respond(status, b"", None, varying)
    if media_type is None:
        return None
    return respond(status, written(content, media_type), media_type, varying)


def container_error(
    call: Call, status: HTTPStatus, headers: Mapping[str, str], *, at: datetime
) -> Response:
    """Return what a client sees when the container, not the API, refuses: §7.3, as measured.

    It has no body where no accepted type can hold it.
    """
    request = call.request
    content = {
        "timestamp": timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000)),
        "status": status.value,
        "error": status.phrase,
        "path": request.path,
        "success": False,
    }
    varying = (*_VARY, *headers.items()) if call.is_routed else tuple(headers.items())
    if _prefers_html(request.header("accept") or ""):
        return _page(status).adding(varying)
    try:
        media_type = type_of_one(_accept(request))
    except ValueError:
        media_type = None
    if media_type is None:
        return respond(status.value, b"", None, varying)
    return _streamed(respond(status.value, written(content, media_type), media_type, varying))


def _page(status: HTTPStatus) -> Response:
    text = f"<!DOCTYPE html>\n<title>{status.value}</title>\n<p>{status.phrase}</p>\n"
    html = respond(status.value, text.encode(), "text/html;charset=UTF-8")
    return _streamed(html).adding([("Content-Language", "en-US")])


def _prefers_html(accept: str) -> bool:
    """Return whether the first of the accepted types is HTML, as it is in a browser."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"


def json_response(content: object, status: int = 200) -> Response:
    """Return JSON as the service writes it: compact UTF-8, no charset in the type."""
    return respond(status, json_text(content), JSON, _VARY)


# Compression, as the service's container does it (solaruser.md §1.6; measured).

_SHORTEST: Final = 2048
_KINDS: Final = frozenset({JSON, CBOR, "text/html", "text/plain", "text/xml"})
_LEVEL: Final = 6


def compressed(request: Request, response: Response) -> Response:
    """Return a reply compressed, if the client accepts gzip, and it is long or streamed."""
    media_type = (response.header("content-type") or "").partition(";")[0]
    is_wanted = _is_streamed(response) or len(response.body) >= _SHORTEST
    if media_type not in _KINDS or not is_wanted:
        return response
    response = _varying_by_encoding(response)
    if not _accepts_gzip(request.header("accept-encoding") or ""):
        return response
    # Without a time in it, the same reply is the same bytes.
    body = gzip.compress(response.body, _LEVEL, mtime=0)
    response = _streamed(response).adding([("Content-Encoding", "gzip")])
    return replace(response, body=body)


def _varying_by_encoding(response: Response) -> Response:
    """Return a response with all that it varies by in one line, as the container rewrites it."""
    names = [value.lower() for name, value in response.headers if name == "Vary"]
    kept = [pair for pair in response.headers if pair[0] != "Vary"]
    merged = ("Vary", ",".join([*names, "accept-encoding"]))
    return replace(response, headers=(merged, *kept))


def _accepts_gzip(accepted: str) -> bool:
    for entry in accepted.split(","):
        coding, *parameters = (part.strip().lower() for part in entry.split(";"))
        if coding == "gzip":
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() == "q" and float(value) <= 0
    except ValueError:
        return False

"""The replies of SolarUser: what they hold, and the refusals; `media` writes them.

As measured in SolarNetwork (solaruser.md §1.6, §1.7 and §7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.http import (
    Headers,
    Request,
    Response,
    error_content,
    is_streamed,
    no_error,
    respond,
    streamed,
)
from oscp_sim.instructions import Instruction
from oscp_sim.solaruser.call import CONTEXT_PATH, ApiRefused, Call, NoRoute
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
    kind: str = "",
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
    body = written(_success(data), media_type, kind=kind)
    response = respond(status, body, media_type, _VARY)
    # A reply with 201 is streamed.
    return (response if status == HTTPStatus.OK else streamed(response)).adding(headers)


def stream(call: Call, rows: Sequence[Mapping[str, Any]], *, or_nothing: bool = False) -> Response:
    """Return a success with a list, left out where it is empty: CBOR for any type.

    The entries of `Accept` count in their own order, whatever their quality; without the header the
    reply is JSON. Where the service can write none of them, the request is refused, or the reply
    has no body.
    """
    accept = call.request.fields.get("accept")
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
    return streamed(respond(200, written(content, media_type, is_list=True), media_type, _VARY))


def cut_short(response: Response) -> Response:
    """Return a list in CBOR as the service breaks it off: before its first entry (§1.7)."""
    is_list = is_streamed(response) and response.status == HTTPStatus.OK
    if not is_list or response.header("content-type") != CBOR:
        return response
    head, data, _ = response.body.partition(b"ddata")
    return replace(response, body=b"\xa1" + head[1:] + data) if data else response


def _success(data: object | None) -> dict[str, Any]:
    return {"success": True} if data is None else {"success": True, "data": data}


def _accept(request: Request) -> str:
    return ", ".join(value for name, value in request.headers if name == "accept")


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
    is_masked: bool = True,
) -> Response | None:
    """Return a refusal in the service's own words, in JSON where it is not masked.

    Where it is, and no accepted type can hold it, it is None; for a malformed Accept it is empty.
    """
    content: dict[str, Any] = {"success": False}
    if code:
        content["code"] = code
    if message is not None:
        content["message"] = message
    if errors:
        content["errors"] = list(errors)
    varying = _VARY if call.is_routed else ()
    try:
        media_type = type_of_one(_accept(call.request)) if is_masked else JSON
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
    content = error_content(request, status.value, at)
    varying = (*_VARY, *headers.items()) if call.is_routed else tuple(headers.items())
    if _prefers_html(request.fields.get("accept", "")):
        return _page(status).adding(varying)
    try:
        media_type = type_of_one(_accept(request))
    except ValueError:
        media_type = None
    if media_type is None:
        return respond(status.value, b"", None, varying)
    return streamed(respond(status.value, written(content, media_type), media_type, varying))


def _page(status: HTTPStatus) -> Response:
    text = f"<!DOCTYPE html>\n<title>{status.value}</title>\n<p>{status.phrase}</p>\n"
    html = respond(status.value, text.encode(), "text/html;charset=UTF-8")
    return streamed(html).adding([("Content-Language", "en-US")])


# What the service's host has beside the API; other methods than GET would need a form's secret.
_PAGES: Final = frozenset({"/", "/login"})
_ALLOWED: Final = "GET, HEAD, POST, PUT, DELETE, TRACE, OPTIONS, PATCH"


def beside_the_api(call: Call, path: str, asked: Response | None, at: datetime) -> Response:
    """Return what is at a path below the service's own that is none of the API (measured).

    `asked` is what a browser that asks first is told.
    """
    if path in {*_PAGES, "/ping", "/error"}:
        if asked is not None:
            return asked.adding([("Allow", _ALLOWED)])
        if call.request.method in {"GET", "HEAD"}:
            return _page(HTTPStatus.OK) if path in _PAGES else _about(path, at)
    call.explanation = {"why": f"the API is at {CONTEXT_PATH}/api/v1/, in lower case"}
    return container_error(call, HTTPStatus.FORBIDDEN, {}, at=at)


def _about(path: str, at: datetime) -> Response:
    if path == "/error":
        return streamed(respond(500, json_text(no_error(at)), JSON))
    # The results are those of the service's own machine.
    data = {"allGood": True, "date": timestamp(at), "results": {}}
    return respond(200, json_text(_success(data)), JSON)


def _prefers_html(accept: str) -> bool:
    """Return whether the first of the accepted types is HTML, as it is in a browser."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"


def json_response(content: object, status: int = 200) -> Response:
    """Return JSON as the service writes it: compact UTF-8, no charset in the type."""
    return respond(status, json_text(content), JSON, _VARY)

"""The replies of SolarUser: the wrapper, the instruction in it, and the refusals.

As observed in SolarNetwork (SolarUser dossier §1.6, §1.7 and §7).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response

from oscp_send.solarnetwork.dates import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.instructions import Instruction

__all__ = ["container_error", "failure", "instruction_object", "json_response", "success"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def success(data: object = None) -> Response:
    """Answers with 200 and the data, which is left out where there is none."""
    return json_response({"success": True} if data is None else {"success": True, "data": data})


def failure(
    status: int,
    message: str,
    *,
    code: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Answers with a refusal, in the service's own words."""
    content = {"success": False} | ({"code": code} if code else {}) | {"message": message}
    response = json_response(content, status)
    response.headers.extend(headers)
    return response


def container_error(
    status: int, error: str, *, method: str, path: str, at: str, masked: bool
) -> Response:
    """Answers with what a client sees when the container, not the API, refuses.

    The container hands the error to `/error`, which the security rules allow for GET only: any
    other method sees an empty 403 (inferred; SolarUser dossier §7.3).

    Args:
        status: The status inside.
        error: Its reason phrase.
        method: The request's method.
        path: The request's path.
        at: The time, as the API writes it.
        masked: Whether the status inside is hidden from methods other than GET.
    """
    if masked and method not in {"GET", "HEAD"}:
        response = Response(status=403)
        del response.headers["Content-Type"]
        return response
    content = {
        "timestamp": at,
        "status": status,
        "error": error,
        "path": path,
        "success": False,
    }
    return json_response(content, status)


def instruction_object(row: Instruction) -> dict[str, Any]:
    """Answers with an instruction as the API shows it, keys in its order, empty ones left out."""
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


def json_response(content: Mapping[str, Any], status: int = 200) -> Response:
    """Answers with JSON as the service writes it: compact UTF-8, no charset in the type."""
    response = Response(_written(content), status, mimetype="application/json")
    response.headers["Vary"] = "Accept"
    return response


def _written(content: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:
        # Half a surrogate pair, quoted from a request: Java's encoder writes a question mark.
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return _LONE_SURROGATE.sub("?", text).encode()

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
    from collections.abc import Iterable, Mapping, Sequence

    from simulator.instructions import Instruction

__all__ = ["failure", "instruction_object", "json_response"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def failure(
    status: int,
    message: str | None,
    *,
    code: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """Answers with a refusal, in the service's own words."""
    content: dict[str, Any] = {"success": False}
    if code:
        content["code"] = code
    if message is not None:
        content["message"] = message
    if errors:
        content["errors"] = list(errors)
    response = json_response(content, status)
    response.headers.extend(headers)
    return response


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


def json_response(content: object, status: int = 200) -> Response:
    """Answers with JSON as the service writes it: compact UTF-8, no charset in the type."""
    response = Response(_written(content), status, mimetype="application/json")
    response.headers["Vary"] = "Accept"
    return response


def _written(content: object) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:
        # Half a surrogate pair, quoted from a request: Java's encoder writes a question mark.
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return _LONE_SURROGATE.sub("?", text).encode()

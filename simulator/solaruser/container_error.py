"""What a client sees when the container, not the API, refuses (SolarUser dossier §7.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

from oscp_send.solarnetwork.dates import timestamp
from simulator.solaruser.replies import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from http import HTTPStatus

    from simulator.wire import WireRequest

__all__ = ["container_error"]

# Those that the security rules let through to `/error`; OPTIONS is let through everywhere.
_UNMASKED = frozenset({"GET", "OPTIONS"})


def container_error(
    request: WireRequest,
    status: HTTPStatus,
    headers: Mapping[str, str],
    *,
    at: datetime,
    masked: bool,
) -> Response:
    """Answers with an error of the container.

    It hands the error to `/error` under the request's own method, and the security rules allow
    that for GET only: any other method sees an empty 403, with the headers that were set before
    (inferred).

    Args:
        request: The request as it was sent.
        status: The status inside.
        headers: What the container sets besides: `Allow` or `Accept`.
        at: The time; shown to the millisecond.
        masked: Whether the status inside is hidden, as the service does.
    """
    if masked and request.method not in _UNMASKED:
        response = Response(status=403)
        del response.headers["Content-Type"]
    elif _prefers_html(request.header("accept") or ""):
        text = f"<!doctype html><title>{status.value}</title><p>{status.phrase}</p>\n"
        response = Response(text, status.value, mimetype="text/html")
    else:
        content = {
            "timestamp": timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000)),
            "status": status.value,
            "error": status.phrase,
            "path": request.path,
            "success": False,
        }
        response = json_response(content, status.value)
    response.headers.update(headers)
    return response


def _prefers_html(accept: str) -> bool:
    """Tells whether the first of the accepted types is HTML, as it is in a browser."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"

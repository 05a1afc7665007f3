"""Letting browsers of any origin in (SolarUser dossier §7.4).

As Spring's own processor does it; that every origin counts as a foreign one, even the service's
own, makes no difference to a browser. The list of methods is inferred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["add_cors_headers", "permissive_headers", "preflight"]

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_HEADERS = ("Authorization", "Content-MD5", "Content-Type", "Digest", "X-SN-Date")
_MAXIMUM_AGE = 86400
_VARY = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")


def preflight(request: WireRequest) -> Response | None:
    """Answers a browser that asks what it may ask; None where a request is no such question.

    Nobody needs to sign it.
    """
    method = request.header("access-control-request-method")
    origin = request.header("origin")
    if request.method != "OPTIONS" or method is None or origin is None:
        return None
    allowed = _allowed(request.header("access-control-request-headers") or "")
    if method not in _METHODS or allowed is None or not origin.strip():
        return _bare(Response("Invalid CORS request", 403))
    response = _bare(Response(status=200))
    response.headers["Access-Control-Allow-Methods"] = ",".join(_METHODS)
    if allowed:
        response.headers["Access-Control-Allow-Headers"] = ", ".join(allowed)
    response.headers["Access-Control-Max-Age"] = str(_MAXIMUM_AGE)
    _let_in(origin, response)
    return response


def add_cors_headers(request: WireRequest, response: Response) -> None:
    """Lets the origin of a request, if it has one, read the response."""
    _vary(response)
    origin = request.header("origin")
    if origin and origin.strip():
        _let_in(origin, response)


def permissive_headers() -> list[tuple[str, str]]:
    """Answers with what stands on the refusal of an authentication, whoever asks (inferred)."""
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Headers", ", ".join(_HEADERS)),
        ("Access-Control-Allow-Methods", ", ".join(_METHODS)),
    ]


def _allowed(text: str) -> list[str] | None:
    """Answers with those of the wanted headers that are allowed; None where that leaves nothing."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    known = {name.lower() for name in _HEADERS}
    allowed = [name for name in wanted if name.lower() in known]
    return None if wanted and not allowed else allowed


def _let_in(origin: str, response: Response) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"


def _vary(response: Response) -> None:
    for name in _VARY:
        response.headers.add("Vary", name)


def _bare(response: Response) -> Response:
    del response.headers["Content-Type"]
    _vary(response)
    return response

"""Compressing replies, as the service's container does (SolarUser dossier §1.6)."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Response

    from simulator.wire import WireRequest

__all__ = ["SMALLEST", "compress"]

SMALLEST = 2048
# Which kinds of reply the service compresses is inferred; CBOR is not among them.
_KINDS = frozenset({"application/json", "text/csv", "text/html", "text/plain", "text/xml"})
_LEVEL = 6


def compress(request: WireRequest, response: Response) -> None:
    """Compresses a reply that is long enough, where the client takes gzip.

    Args:
        request: Says what the client takes.
        response: Changed in place.
    """
    if response.mimetype not in _KINDS or "Content-Encoding" in response.headers:
        return
    body = response.get_data()
    if len(body) < SMALLEST:
        return
    response.headers.add("Vary", "Accept-Encoding")
    if _takes_gzip(request.header("accept-encoding") or ""):
        # Without a time in it, the same reply is the same bytes.
        response.set_data(gzip.compress(body, _LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _takes_gzip(accepted: str) -> bool:
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

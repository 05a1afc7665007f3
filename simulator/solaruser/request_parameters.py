"""The parameters of a request as the container reads them: those of the query, then of a form.

As observed in SolarNetwork (SolarUser dossier §5.4, §5.5 and §7.4). A signature covers them and the
routes read them, so both ask here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from simulator.solaruser.content_digest import declares_digest
from simulator.solaruser.media_type import media_type_of
from simulator.solaruser.router import NoRoute

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["FORM", "LONGEST_FORM", "MOST_PARAMETERS", "is_consumed_form", "request_parameters"]

FORM = "application/x-www-form-urlencoded"
# The container's own limits (inferred; SolarUser dossier §7.4), and what it says beyond them, too.
LONGEST_FORM = 2_097_152
MOST_PARAMETERS = 1000


def is_consumed_form(request: WireRequest) -> bool:
    """Tells whether the container has read the body as parameters, so that nobody sees it as body.

    With a digest the body is read before its fields, which nobody sees then (inferred).
    """
    return (
        request.method == "POST" and media_type_of(request) == FORM and not declares_digest(request)
    )


def request_parameters(request: WireRequest, body: bytes | None) -> list[tuple[str, str]]:
    """Answers with the decoded names and values, in request order.

    Args:
        request: The request as it was sent.
        body: Its body; None where it is longer than the service takes.

    Raises:
        NoRoute: A form is too long, or there are too many parameters.
    """
    pairs = _pairs(request.query)
    if body is not None and is_consumed_form(request):
        if len(body) > LONGEST_FORM:
            raise NoRoute(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        pairs += _pairs(body.decode("utf-8", "replace"))
    if len(pairs) > MOST_PARAMETERS:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    return pairs


def _pairs(text: str) -> list[tuple[str, str]]:
    if text.count("&") >= MOST_PARAMETERS:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    # A value without a name is no parameter to the container (inferred).
    return [pair for pair in parse_qsl(text, keep_blank_values=True) if pair[0]]

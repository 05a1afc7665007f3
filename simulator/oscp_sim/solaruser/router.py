"""What a client sees when the container, not the API, refuses (solaruser.md §7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Literal

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, Rule

from oscp_send.solarnetwork.dates import timestamp
from oscp_sim.http import Request, Response, RouteDocs, respond
from oscp_sim.solaruser.call import Call, NoRoute
from oscp_sim.solaruser.replies import json_response

__all__ = ["Route", "Router", "container_error"]


# § Finding the route of a request as SolarUser's framework does, and refusing as its container
# does.
#
# A route is chosen by path, method, content type and the parameters that it needs or must lack,
# in that order; what does not fit says which status the container has inside (SolarUser dossier
# §1.1, §7.1 and §7.3).

Consumes = Literal["json", "form"]

_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"form": "application/x-www-form-urlencoded", "json": "application/json"}
)


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API.

    Attributes:
        name: Unique; names the row of the dossier's table where there is one: `instr-8`.
        method: As `POST`.
        path: Below `/solaruser`, variables as `<topic>`.
        handler: Answers a call.
        summary: One line, for the API's description.
        consumes: The kind of body that it needs; any where not given.
        needs: Parameters that must be there.
        lacks: Parameters that must not be there.
        documentation: What the API's description says of it.
    """

    name: str
    method: str
    path: str
    handler: Callable[[Call], Response]
    summary: str
    consumes: Consumes | None = None
    needs: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    documentation: RouteDocs | None = None


class Router:
    """Knows all routes; made once.

    Args:
        prefix: Stands before every path.
        routes: In the order in which they are to be tried.
    """

    def __init__(self, prefix: str, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_path: dict[str, list[Route]] = {}
        for route in self.routes:
            self._by_path.setdefault(prefix + route.path, []).append(route)
        self._paths = _matcher(tuple(self._by_path))

    def find(self, path: str, call: Call) -> Route:
        """Answers with the route of a call, having set the call's path variables.

        Args:
            path: Decoded.
            call: Everything else.

        Raises:
            NoRoute: Nothing fits.
        """
        routes, call.variables = self._at(path)
        routes = _of_method(routes, call.request.method)
        for route in _of_content(routes, call.media_type):
            if route.needs <= call.parameters.keys() and not route.lacks & call.parameters.keys():
                return route
        raise NoRoute(HTTPStatus.BAD_REQUEST)

    def options(self, path: str) -> Response:
        """Answers whoever asks what there is at a path, without a body.

        Raises:
            NoRoute: Nothing.
        """
        methods = {route.method for route in self._at(path)[0]} | {"OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return respond(200, headers=[("Allow", ",".join(sorted(methods)))])

    def _at(self, path: str) -> tuple[list[Route], Mapping[str, Any]]:
        try:
            endpoint, variables = self._paths.match(path)
        except HTTPException:
            raise NoRoute(HTTPStatus.NOT_FOUND) from None
        return self._by_path[endpoint], variables


def _of_method(routes: list[Route], method: str) -> list[Route]:
    # The framework answers HEAD wherever it answers GET.
    wanted = "GET" if method == "HEAD" else method
    fitting = [route for route in routes if route.method == wanted]
    if not fitting:
        allowed = sorted({route.method for route in routes})
        raise NoRoute(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(allowed)})
    return fitting


def _of_content(routes: list[Route], media_type: str) -> list[Route]:
    fitting = [
        route
        for route in routes
        if route.consumes is None or _MEDIA_TYPES[route.consumes] == media_type
    ]
    if not fitting:
        wanted = sorted({_MEDIA_TYPES[route.consumes] for route in routes if route.consumes})
        raise NoRoute(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"Accept": ", ".join(wanted)})
    return fitting


@cache
def _matcher(paths: tuple[str, ...]) -> MapAdapter:
    """Compiling the paths takes longer than all else in making a simulator; they never change."""
    return Map([Rule(path, endpoint=path) for path in paths], merge_slashes=False).bind("")


# Those that the security rules let through to `/error`; OPTIONS is let through everywhere.
_UNMASKED = frozenset({"GET", "OPTIONS"})


def container_error(
    request: Request,
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
        response = respond(403)
    elif _prefers_html(request.header("accept") or ""):
        text = f"<!doctype html><title>{status.value}</title><p>{status.phrase}</p>\n"
        response = respond(status.value, text.encode(), "text/html; charset=utf-8")
    else:
        content = {
            "timestamp": timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000)),
            "status": status.value,
            "error": status.phrase,
            "path": request.path,
            "success": False,
        }
        response = json_response(content, status.value)
    return response.setting(headers)


def _prefers_html(accept: str) -> bool:
    """Tells whether the first of the accepted types is HTML, as it is in a browser."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"

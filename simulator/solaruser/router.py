"""Finding the route of a request as SolarUser's framework does, and refusing as its container does.

A route is chosen by path, method, content type and the parameters that it needs or must lack, in
that order; what does not fit says which status the container has inside (SolarUser dossier §1.1,
§7.1 and §7.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from flask import Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from werkzeug.datastructures import MultiDict
    from werkzeug.routing import MapAdapter

    from simulator.instructions import Instruction
    from simulator.route_docs import RouteDocs
    from simulator.solaruser.authentication import Actor
    from simulator.wire import WireRequest

__all__ = ["Call", "NoRoute", "Route", "Router"]

Consumes = Literal["json", "form"]

_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"form": "application/x-www-form-urlencoded", "json": "application/json"}
)


@dataclass(slots=True)
class Call:
    """One request on its way through SolarUser, and what the journal is to know of it.

    Attributes:
        wire: The request as it was sent.
        body: Its body; None where it is longer than the service takes.
        media_type: Of the body, lower case, without parameters.
        parameters: Of the query, then of a form body.
        verified: Who asks; None until that is known.
        variables: The variable parts of the path.
        instruction: The instruction that it is about, for the journal.
        explanation: What the simulator knows beyond the answer, for the journal; no secret.
        afterwards: What is to be done once the exchange stands in the journal.
        headers: What stands on the response, whatever it is.
        client_address: Of whoever asks, as the network has it; empty where that is not known.
    """

    wire: WireRequest
    body: bytes | None
    media_type: str
    parameters: MultiDict[str, str]
    verified: Actor | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    instruction: Instruction | None = None
    explanation: Mapping[str, Any] = field(default_factory=dict)
    afterwards: Callable[[], None] | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    client_address: str = ""

    @property
    def actor(self) -> Actor:
        """Who asks; there is always somebody below `/sec/`."""
        if self.verified is None:
            raise AssertionError("a route below /sec/ was reached without a verified token")
        return self.verified


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


class NoRoute(Exception):
    """Raised for a request that fits no route.

    Attributes:
        status: What the container has inside.
        headers: What it sets besides: `Allow` or `Accept`.
    """

    def __init__(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.headers = headers or {}


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
        routes = _of_method(routes, call.wire.method)
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
        response = Response(status=200, headers={"Allow": ",".join(sorted(methods))})
        del response.headers["Content-Type"]
        return response

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

"""Every route of SolarUser on one page, and how the route of a request is chosen.

As SolarUser's framework chooses: by path, method, content type, and the parameters that a route
needs or must lack, in that order; the first that does not fit decides the status of the refusal
(solaruser.md §1.1, §7.1 and §7.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from oscp_sim.http import Response, RouteDocs, respond
from oscp_sim.instructions import HandOff
from oscp_sim.shared import Shared
from oscp_sim.solaruser import docs
from oscp_sim.solaruser.call import CONTEXT_PATH, FORM, Call, NoRoute, media_type_of
from oscp_sim.solaruser.configuration import Configuration, Entities, Settings
from oscp_sim.solaruser.configuration.store import ASSETS, BASE, GROUPS, KINDS, OPTIMIZERS
from oscp_sim.solaruser.instructions import InstructionApi
from oscp_sim.solaruser.user_events import UserEventApi

_API: Final = "/api/v1/sec"
#: The whole path of the requests that may wait, without their topic.
EXEC_PATH: Final = f"{CONTEXT_PATH}{_API}/instr/exec"

Consumes = Literal["json", "form"]


class Route(NamedTuple):
    """One route of the API.

    Attributes:
        name: Unique; `instr-8` is row 8 of the table in solaruser.md §1.1.
        path: Below the context path, with variables as `<topic>`.
        consumes: The kind of body that it needs; any where not given.
        needs: Parameters that must be there.
        lacks: Parameters that must not be there.
    """

    name: str
    method: str
    path: str
    handler: Callable[[Call], Response]
    docs: RouteDocs
    consumes: Consumes | None = None
    needs: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()


def all_routes(shared: Shared, hand_off: HandOff) -> tuple[Route, ...]:
    """Return all routes, in the order in which they are tried."""
    return (
        *_instruction_routes(InstructionApi(shared, hand_off)),
        *_configuration_routes(shared),
        *_user_event_routes(UserEventApi(shared.events, shared.behaviour)),
    )


def _instruction_routes(api: InstructionApi) -> tuple[Route, ...]:
    base = f"{_API}/instr"
    view, active, pending = f"{base}/view", f"{base}/viewActive", f"{base}/viewPending"
    add, add_topic = f"{base}/add", f"{base}/add/<topic>"
    exec_, exec_topic = f"{base}/exec", f"{base}/exec/<topic>"
    update = f"{base}/updateState"
    one, many, nodes = frozenset({"id"}), frozenset({"ids"}), frozenset({"nodeIds"})
    return (
        Route("instr-1", "GET", base, api.find, docs.FIND),
        Route("instr-2", "GET", view, api.view, docs.VIEW, lacks=many),
        Route("instr-3", "GET", view, api.view_many, docs.VIEW_MANY, needs=many),
        Route("instr-4", "GET", active, api.active, docs.ACTIVE, lacks=nodes),
        Route("instr-5", "GET", active, api.active_many, docs.ACTIVE_MANY, needs=nodes),
        Route("instr-6", "GET", pending, api.pending, docs.PENDING, lacks=nodes),
        Route("instr-7", "GET", pending, api.pending_many, docs.PENDING_MANY, needs=nodes),
        Route("instr-8", "POST", add, api.add_json, docs.ADD_JSON, "json"),
        Route("instr-9", "POST", add_topic, api.add_json, docs.ADD_JSON_TOPIC, "json"),
        Route("instr-10", "POST", add, api.add_form, docs.ADD_FORM, "form", lacks=nodes),
        Route(
            "instr-11", "POST", add_topic, api.add_form, docs.ADD_FORM_TOPIC, "form", lacks=nodes
        ),
        Route("instr-12", "POST", add, api.add_many, docs.ADD_MANY, "form", needs=nodes),
        Route(
            "instr-13", "POST", add_topic, api.add_many, docs.ADD_MANY_TOPIC, "form", needs=nodes
        ),
        Route("instr-14", "POST", exec_, api.exec_json, docs.EXEC_JSON, "json"),
        Route("instr-15", "POST", exec_topic, api.exec_json, docs.EXEC_JSON_TOPIC, "json"),
        Route("instr-16", "POST", exec_, api.exec_form, docs.EXEC_FORM, "form", lacks=nodes),
        Route(
            "instr-17", "POST", exec_topic, api.exec_form, docs.EXEC_FORM_TOPIC, "form", lacks=nodes
        ),
        Route("instr-18", "POST", exec_, api.exec_many, docs.EXEC_MANY, "form", needs=nodes),
        Route(
            "instr-19", "POST", exec_topic, api.exec_many, docs.EXEC_MANY_TOPIC, "form", needs=nodes
        ),
        Route("instr-20", "POST", update, api.update, docs.UPDATE, needs=one, lacks=many),
        Route("instr-21", "POST", update, api.update_many, docs.UPDATE_MANY, needs=many, lacks=one),
        Route("instr-22", "POST", update, api.update_found, docs.UPDATE_FOUND, lacks=one | many),
    )


def _configuration_routes(shared: Shared) -> Iterator[Route]:
    store = Configuration(shared)
    api, base = Settings(shared, store), f"{BASE}/settings"
    yield Route("oscp-view-settings", "GET", base, api.view, docs.view_settings())
    yield Route("oscp-update-settings", "PUT", base, api.update, docs.update_settings(), "json")
    yield Route("oscp-delete-settings", "DELETE", base, api.delete, docs.delete_settings())
    name, base, one = "capacity-group-settings", GROUPS.path, f"{GROUPS.path_of_one}/settings"
    yield Route(f"oscp-list-{name}", "GET", f"{base}/settings", api.list_all, docs.list_settings())
    yield Route(f"oscp-view-{name}", "GET", one, api.view, docs.view_settings(GROUPS))
    yield Route(f"oscp-update-{name}", "PUT", one, api.update, docs.update_settings(GROUPS), "json")
    yield Route(f"oscp-delete-{name}", "DELETE", one, api.delete, docs.delete_settings(GROUPS))
    for kind in KINDS:
        yield from _entity_routes(Entities(shared, store, kind))


def _entity_routes(api: Entities) -> Iterator[Route]:
    kind = api.kind
    name, every, one = kind.plural.removesuffix("s"), kind.path, kind.path_of_one
    lists = Route(f"oscp-list-{name}s", "GET", every, api.list_all, docs.list_entities(kind))
    if kind is ASSETS:
        # There is no list of all of them, only that of each group.
        of_group = f"{GROUPS.path_of_one}/{kind.plural}"
        lists = Route(lists.name, "GET", of_group, api.list_assets, docs.list_assets(kind))
    creates = Route(
        f"oscp-create-{name}", "POST", every, api.create, docs.create_entity(kind), "json"
    )
    views = Route(f"oscp-view-{name}", "GET", one, api.view, docs.view_entity(kind))
    updates = Route(f"oscp-update-{name}", "PUT", one, api.update, docs.update_entity(kind), "json")
    deletes = Route(f"oscp-delete-{name}", "DELETE", one, api.delete, docs.delete_entity(kind))
    # In the order of the header `Allow` (of groups and assets inferred).
    if kind is OPTIMIZERS:
        yield from (lists, creates, views, deletes, updates)
    else:
        yield from (creates, lists, views, updates, deletes)


def _user_event_routes(api: UserEventApi) -> tuple[Route]:
    return (Route("user-events", "GET", f"{_API}/user/events", api.find, docs.USER_EVENTS),)


_MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"form": FORM, "json": "application/json"}
)


class Router:
    """Find the route of a call among routes that are tried in order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_path: dict[str, list[Route]] = {}
        for route in routes:
            self._by_path.setdefault(CONTEXT_PATH + route.path, []).append(route)
        self._match = _matcher(tuple(self._by_path))

    def find(self, path: str, call: Call) -> Route:
        """Return the route of a call, and set the call's path variables."""
        routes, call.variables = self._at(path)
        routes = _of_method(routes, call.request.method)
        for route in _of_content(routes, media_type_of(call.request)):
            if route.needs <= call.parameters.keys() and not route.lacks & call.parameters.keys():
                return route
        raise NoRoute(HTTPStatus.BAD_REQUEST)

    def options(self, path: str) -> Response:
        """Answer an OPTIONS request, without a body."""
        methods = _methods(self._at(path)[0]).replace("GET", "GET, HEAD")
        allowed = f"{methods}, OPTIONS".replace(" ", "")
        return respond(200, headers=[("Allow", allowed), ("Accept-Patch", "")])

    def _at(self, path: str) -> tuple[list[Route], Mapping[str, str]]:
        try:
            endpoint, variables = self._match(path)
        except HTTPException:
            raise NoRoute(HTTPStatus.NOT_FOUND) from None
        return self._by_path[endpoint], variables


def _of_method(routes: list[Route], method: str) -> list[Route]:
    # The framework answers HEAD wherever it answers GET.
    wanted = "GET" if method == "HEAD" else method
    fitting = [route for route in routes if route.method == wanted]
    if not fitting:
        raise NoRoute(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": _methods(routes)})
    return fitting


def _methods(routes: list[Route]) -> str:
    return ", ".join(dict.fromkeys(route.method for route in routes))


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
def _matcher(paths: tuple[str, ...]) -> Callable[[str], tuple[str, Mapping[str, Any]]]:
    """Compile the paths once: it takes longer than everything else in making a simulator."""
    adapter = Map([Rule(path, endpoint=path) for path in paths], merge_slashes=False).bind("")
    # Clients ask for the same few paths all the time.
    return lru_cache(maxsize=256)(adapter.match)

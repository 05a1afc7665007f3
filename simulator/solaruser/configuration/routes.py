"""The routes of the OSCP configuration API (SolarUser dossier §8)."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from simulator.solaruser.configuration import fields as table
from simulator.solaruser.configuration.body import check_columns, read_values
from simulator.solaruser.configuration.documentation import (
    documentation,
    entity_schema,
    publication_schema,
)
from simulator.solaruser.configuration.entities import ASSETS, GROUPS, KINDS, EntityKind
from simulator.solaruser.configuration.presentation import (
    Presentation,
    base_url_of,
)
from simulator.solaruser.configuration.secret import set_apart
from simulator.solaruser.configuration.service import Configuration
from simulator.solaruser.configuration.tables import PUBLICATION, SYSTEM
from simulator.solaruser.conversion import LONG, long_of
from simulator.solaruser.instruction_service import InstructionService
from simulator.solaruser.negotiation import single
from simulator.solaruser.refusal import ApiRefused
from simulator.solaruser.router import Call, Route
from simulator.world import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from simulator.rooms import Rooms
    from simulator.route_docs import RouteDocs
    from simulator.solaruser.configuration.fields import Fields
    from simulator.solaruser.router import Consumes

    Handler = Callable[[Call], Response]

__all__ = ["configuration_routes"]

_CONTEXT: Final = "/solaruser"
_BASE: Final = "/api/v1/sec/user/oscp"


def configuration_routes(rooms: Rooms) -> list[Route]:
    """Answers with the routes, each named after what it does.

    Args:
        rooms: The shared rooms; their world changes.
    """
    api = _ConfigurationApi(rooms)
    routes = [*_routes_of_settings(api)]
    for kind in KINDS:
        routes += _routes_of(api, kind)
    return routes


def _routes_of(api: _ConfigurationApi, kind: EntityKind[Any]) -> list[Route]:
    one, plural = f"{kind.path}/<{kind.variable}>", kind.path.removeprefix("/")
    name, reply = plural.removesuffix("s"), entity_schema(kind)
    docs = partial(documentation, kind=kind)
    made = documentation(request=kind.fields, reply=reply, status=HTTPStatus.CREATED)
    changed = docs(request=kind.fields, reply=reply)
    view, update, delete = (partial(each, kind) for each in (api.view, api.update, api.delete))
    routes = [
        _route(f"create-{name}", "POST", kind.path, partial(api.create, kind), made),
        _route(f"view-{name}", "GET", one, view, docs(reply=reply)),
        _route(f"update-{name}", "PUT", one, update, changed),
        _route(f"delete-{name}", "DELETE", one, delete, docs()),
    ]
    if kind is ASSETS:
        # There is no list of all of them, only that of each group.
        listed = documentation(kind=GROUPS, reply=_list_of(reply))
        path = f"{GROUPS.path}/<{GROUPS.variable}>{ASSETS.path}"
        return [_route("list-assets", "GET", path, api.assets, listed), *routes]
    listed = documentation(reply=_list_of(reply))
    return [_route(f"list-{plural}", "GET", kind.path, partial(api.all, kind), listed), *routes]


def _routes_of_settings(api: _ConfigurationApi) -> list[Route]:
    path, groups = "/settings", f"{GROUPS.path}/settings"
    one = f"{GROUPS.path}/<{GROUPS.variable}>/settings"
    listed = documentation(reply=_list_of(publication_schema(of_group=True)))
    return [
        *_routes_of_publication(api, "settings", path, documentation, of_group=False),
        _route("list-capacity-group-settings", "GET", groups, api.all_settings, listed),
        *_routes_of_publication(
            api, "capacity-group-settings", one, partial(documentation, kind=GROUPS), of_group=True
        ),
    ]


def _routes_of_publication(
    api: _ConfigurationApi,
    name: str,
    path: str,
    docs: Callable[..., RouteDocs],
    *,
    of_group: bool,
) -> list[Route]:
    reply = publication_schema(of_group=of_group)
    changed = docs(request=PUBLICATION, reply=reply)
    return [
        _route(f"view-{name}", "GET", path, api.view_settings, docs(reply=reply, data=False)),
        _route(f"update-{name}", "PUT", path, api.update_settings, changed),
        _route(f"delete-{name}", "DELETE", path, api.delete_settings, docs()),
    ]


def _route(name: str, method: str, path: str, handler: Handler, docs: RouteDocs) -> Route:
    summary = name.replace("-", " ").capitalize().replace("capacity", "Capacity")
    body: Consumes | None = "json" if docs.request_schema is not None else None
    return Route(
        f"oscp-{name}", method, f"{_BASE}{path}", handler, summary, body, documentation=docs
    )


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


class _ConfigurationApi:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._configuration = Configuration(rooms)
        self._nodes = InstructionService(rooms)
        self._began = rooms.clock.now()

    def all(self, kind: EntityKind[Any], call: Call) -> Response:
        shown = self._presentation(call)
        entities = kind.of(self._configuration.user(shown.user_id))
        return single(call, [shown.entity(each) for each in entities])

    def assets(self, call: Call) -> Response:
        """Lists the assets of a group: none for one that there is not (inferred)."""
        group_id, shown = _id(call, GROUPS), self._presentation(call)
        user = self._configuration.user(shown.user_id)
        found = [each for each in user.assets if each.capacity_group == group_id]
        return single(call, [shown.entity(each) for each in found])

    def view(self, kind: EntityKind[Any], call: Call) -> Response:
        entity_id, shown = _id(call, kind), self._presentation(call)
        return single(call, shown.entity(self._configuration.find(shown.user_id, kind, entity_id)))

    def create(self, kind: EntityKind[Any], call: Call) -> Response:
        values = self._values(call, kind.fields)
        shown = self._presentation(call)
        made = self._configuration.create(shown.user_id, kind, values)
        if made.token is not None:
            # Whatever the form of the reply, the journal does not keep it.
            self._rooms.journal.conceal(made.token)
        location = f"{_CONTEXT}{_BASE}{kind.path}/{made.entity.id}"
        return single(
            call,
            shown.entity(made.entity, made.token),
            status=HTTPStatus.CREATED,
            headers=[("Location", location)],
        )

    def update(self, kind: EntityKind[Any], call: Call) -> Response:
        entity_id = _id(call, kind)
        values, shown = self._values(call, kind.fields), self._presentation(call)
        if kind.fields is SYSTEM:
            entity = self._configuration.find(shown.user_id, kind, entity_id)
            url = base_url_of(entity, shown.origin)
            if entity.base_url is SIMULATED and values["base_url"] == url:
                # What was shown and comes back is no change.
                values["base_url"] = SIMULATED
        entity = self._configuration.update(shown.user_id, kind, entity_id, values)
        return single(call, shown.entity(entity))

    def delete(self, kind: EntityKind[Any], call: Call) -> Response:
        self._configuration.delete(call.actor.user.id, kind, _id(call, kind))
        return single(call)

    def all_settings(self, call: Call) -> Response:
        shown = self._presentation(call)
        groups = self._configuration.user(shown.user_id).capacity_groups
        found = ((each.settings, each.id) for each in groups)
        return single(
            call, [shown.publication(settings, group) for settings, group in found if settings]
        )

    def view_settings(self, call: Call) -> Response:
        group_id, shown = _group_id(call), self._presentation(call)
        settings = self._configuration.publication(shown.user_id, group_id)
        return single(call, None if settings is None else shown.publication(settings, group_id))

    def update_settings(self, call: Call) -> Response:
        group_id = _group_id(call)
        values, shown = self._values(call, PUBLICATION), self._presentation(call)
        settings = self._configuration.publish(shown.user_id, group_id, values)
        return single(call, shown.publication(settings, group_id))

    def delete_settings(self, call: Call) -> Response:
        self._configuration.unpublish(call.actor.user.id, _group_id(call))
        return single(call)

    def _values(self, call: Call, fields: Fields) -> dict[str, Any]:
        """Answers with what a body gives, as the world keeps it.

        Validation comes first, then what the program asks for, then who may read the node, and last
        what the database takes (inferred).
        """
        values = set_apart(read_values(fields, call.body), keep=fields is SYSTEM)
        if fields is SYSTEM:
            _check_system(values)
        if "node_id" in values:
            self._nodes.owner(call.actor, values["node_id"])
        check_columns(fields, values)
        return table.made(fields, values)

    def _presentation(self, call: Call) -> Presentation:
        host = call.wire.header("host") or "localhost"
        secure = (call.wire.header("x-forwarded-proto") or "").strip().lower() == "https"
        scheme = "https" if secure else "http"
        return Presentation(call.actor.user.id, f"{scheme}://{host}", self._began)


def _check_system(values: dict[str, Any]) -> None:
    if values["registration_status"] is None:
        raise ApiRefused(422, "Illegal argument: The registrationStatus property is required.")
    if values["base_url"] is not None and not values["base_url"].strip():
        # A blank one is none: nothing is sent to either (inferred; §4.2).
        values["base_url"] = None


def _group_id(call: Call) -> int | None:
    return _id(call, GROUPS) if GROUPS.variable in call.variables else None


def _id(call: Call, kind: EntityKind[Any]) -> int:
    try:
        found = long_of(call.variables[kind.variable])
    except ValueError as error:
        raise _no_id(kind, str(error)) from None
    if found is None:
        raise _no_id(kind, "it is empty")
    return found


def _no_id(kind: EntityKind[Any], why: str) -> ApiRefused:
    return ApiRefused(
        422,
        f"Illegal argument: Method parameter '{kind.variable}': Failed to convert value of type "
        f"'java.lang.String' to required type '{LONG}'; {why}",
    )

"""The routes of the OSCP configuration API (solaruser.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from oscp_sim.http import Response, RouteDocs, RouteParameter
from oscp_sim.shared import Shared
from oscp_sim.solaruser.call import ApiRefused, Call
from oscp_sim.solaruser.configuration.fields import (
    ASSETS,
    GROUPS,
    ID,
    KINDS,
    PUBLICATION,
    SYSTEM,
    EntityKind,
    Fields,
    check_columns,
    properties,
    read_values,
    with_parts,
)
from oscp_sim.solaruser.configuration.store import (
    Configuration,
    Presentation,
    base_url_of,
    set_apart,
)
from oscp_sim.solaruser.instructions import InstructionService
from oscp_sim.solaruser.parameters import LONG, long_of
from oscp_sim.solaruser.replies import single
from oscp_sim.solaruser.router import Consumes, Route
from oscp_sim.world import SIMULATED
from oscp_sim.world.model import MeasurementStyle

__all__ = [
    "configuration_routes",
    "documentation",
    "entity_schema",
    "publication_schema",
    "request_schema",
]


# § What the API's description says of the OSCP configuration's routes, from the tables of fields.

Schema = dict[str, Any]

_TIME: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$",
}
_ALWAYS: Final = ("userId", "configId", "created", "modified")
_SYSTEM: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "token": {"type": "string", "pattern": "^[A-Za-z0-9+/]{64}$"},
        "flexibilityProviderId": dict(ID),
        "settings": {
            "type": "object",
            "required": ["measurementStyles"],
            "additionalProperties": False,
            "properties": {
                "heartbeatSeconds": {"type": "integer"},
                "measurementStyles": {
                    "type": "array",
                    "items": {"type": "string", "enum": list(get_args(MeasurementStyle))},
                },
            },
        },
        "heartbeatDate": _TIME,
        "offlineDate": _TIME,
    }
)
_GROUP: Final[Mapping[str, Any]] = MappingProxyType(
    {"capacityProviderMeasurementDate": _TIME, "capacityOptimizerMeasurementDate": _TIME}
)
_DONE: Final = "Done"
_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: _DONE,
        403: "It is unknown, or a node is unknown, somebody else's or not one of the token's own; "
        "where `container_errors` are masked, in place of 406 and 415",
        406: "Nothing that the client accepts can be written, but what it asked for is done",
        422: "The body cannot be read, a field is missing or too long, there is one already, or a "
        "reference leads nowhere",
    }
)


def documentation(
    *,
    kind: EntityKind[Any] | None = None,
    request: Fields | None = None,
    reply: Schema | None = None,
    data: bool = True,
    status: int = 200,
) -> RouteDocs:
    """Answers with what there is to say of one route.

    Args:
        kind: Of which entity the path holds the id.
        request: The fields of the body.
        reply: JSON Schema of the data.
        data: Whether a success always has some.
        status: Of a success.
    """
    statuses = dict(_STATUSES) if status == 200 else {status: _DONE} | dict(_STATUSES)  # noqa: PLR2004 - HTTP's own
    return RouteDocs(
        parameters=() if kind is None else (_id_of(kind),),
        request_schema=None if request is None else request_schema(request),
        response_schema=_wrapped(reply, data=data),
        statuses=statuses,
    )


def request_schema(fields: Fields) -> Schema:
    """Answers with a JSON Schema of a body."""
    # It must be given in effect, though validation does not ask for it.
    required = [each.name for each in fields if each.required or each.name == "registrationStatus"]
    return {"type": "object", "required": required, "properties": properties(fields)}


def entity_schema(kind: EntityKind[Any]) -> Schema:
    """Answers with a JSON Schema of an entity as it is shown."""
    more: Mapping[str, Any] = _SYSTEM
    if kind is GROUPS or kind is ASSETS:
        more = _GROUP if kind is GROUPS else {}
    required = [each.name for each in kind.fields if each.required or each.name == "enabled"]
    if more is _SYSTEM:
        required += ["registrationStatus", "flexibilityProviderId"]
    return {
        "type": "object",
        "required": [*_ALWAYS, *required],
        "additionalProperties": False,
        "properties": _shown(kind.fields) | dict(more) | {"configId": dict(ID)},
    }


def publication_schema(*, of_group: bool) -> Schema:
    """Answers with a JSON Schema of settings as they are shown."""
    group = {"groupId": dict(ID)} if of_group else {}
    required = ["userId", *group, "created", "modified"]
    return {
        "type": "object",
        "required": [*required, "publishToSolarIn", "publishToSolarFlux", "nodeId"],
        "additionalProperties": False,
        "properties": _shown(PUBLICATION) | group,
    }


def _shown(fields: Fields) -> Schema:
    # What a world's file holds is shown as it stands there, longer than a request could give it.
    named = {name: _unlimited(schema) for name, schema in properties(fields).items()}
    return {"userId": dict(ID), "created": _TIME, "modified": _TIME} | named


def _unlimited(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in {"minLength", "maxLength"}}


def _id_of(kind: EntityKind[Any]) -> RouteParameter:
    return RouteParameter(kind.variable, "path", True, ID, f"The configId of the {kind.words}")


def _wrapped(reply: Schema | None, *, data: bool) -> Schema:
    return {
        "type": "object",
        "required": ["success", "data"] if reply is not None and data else ["success"],
        "additionalProperties": False,
        "properties": {"success": {"const": True}} | ({} if reply is None else {"data": reply}),
    }


if TYPE_CHECKING:
    Handler = Callable[[Call], Response]


_CONTEXT: Final = "/solaruser"
_BASE: Final = "/api/v1/sec/user/oscp"


def configuration_routes(shared: Shared) -> list[Route]:
    """Answers with the routes, each named after what it does.

    Args:
        shared: The shared shared; their world changes.
    """
    api = _ConfigurationApi(shared)
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
    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._configuration = Configuration(shared)
        self._nodes = InstructionService(shared)
        self._began = shared.clock.now()

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
            self._shared.journal.conceal(made.token)
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
        values = set_apart(read_values(fields, call.request.body), keep=fields is SYSTEM)
        if fields is SYSTEM:
            _check_system(values)
        if "node_id" in values:
            self._nodes.owner(call.actor, values["node_id"])
        check_columns(fields, values)
        return with_parts(fields, values)

    def _presentation(self, call: Call) -> Presentation:
        host = call.request.header("host") or "localhost"
        secure = (call.request.header("x-forwarded-proto") or "").strip().lower() == "https"
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

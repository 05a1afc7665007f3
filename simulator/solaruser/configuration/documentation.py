"""What the API's description says of the OSCP configuration's routes, from the tables of fields."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from simulator.route_docs import RouteDocs, RouteParameter
from simulator.solaruser.configuration.entities import ASSETS, GROUPS, EntityKind
from simulator.solaruser.configuration.fields import properties
from simulator.solaruser.configuration.kinds import ID
from simulator.solaruser.configuration.tables import PUBLICATION
from simulator.world.external_system import MeasurementStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.solaruser.configuration.fields import Fields

__all__ = ["documentation", "entity_schema", "publication_schema", "request_schema"]

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

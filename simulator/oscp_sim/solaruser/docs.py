"""What the API's OpenAPI description says about each of SolarUser's routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from oscp_sim.http import RouteDocs, RouteParameter
from oscp_sim.instructions import STATES
from oscp_sim.solaruser.configuration.fields import ID, PUBLICATION, Field, properties
from oscp_sim.solaruser.configuration.store import GROUPS, OPTIMIZERS, PROVIDERS, EntityKind
from oscp_sim.solaruser.parameters import MOST_INDEXED_PARAMETERS
from oscp_sim.solaruser.waiting import LONGEST_WAIT
from oscp_sim.world.model import MeasurementStyle

Schema = Mapping[str, Any]
Where = Literal["query", "path", "header", "form"]

_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$"}


def _required(name: str, where: Where, schema: Schema, description: str) -> RouteParameter:
    return RouteParameter(name, where, True, schema, description)


def _optional(name: str, where: Where, schema: Schema, description: str) -> RouteParameter:
    return RouteParameter(name, where, False, schema, description)


def _success(data: Schema | None = None, *, always: bool = True) -> Schema:
    """Return the schema of a success, with its data where it has some, always or sometimes."""
    return {
        "type": "object",
        "required": ["success", "data"] if data is not None and always else ["success"],
        "additionalProperties": False,
        "properties": {"success": {"const": True}} | ({} if data is None else {"data": data}),
    }


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


# The instruction API (solaruser.md §1).

_IDS: Final = {"type": "string", "pattern": "^[+-]?[0-9]+(,[+-]?[0-9]+)*$"}
_STATE: Final = {"type": "string", "enum": list(STATES)}
_ANY_STATE: Final = "|".join(STATES)
_DATE: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{3})?)?(Z|[+-]\d\d:\d\d)?)?$",
}
_BODY_DATE: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$",
}
_PAIRS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "properties": {"name": _TEXT, "value": _TEXT},
    },
}
_PARAMETERS: Final = {
    "oneOf": [{"type": "object", "additionalProperties": {"type": "string"}}, _PAIRS]
}
_INSTRUCTION: Final[Schema] = {
    "type": "object",
    "required": ["id", "created", "nodeId", "topic", "instructionDate", "state", "statusDate"],
    "additionalProperties": False,
    "properties": {
        "id": dict(ID),
        "created": _TIME,
        "nodeId": dict(ID),
        "topic": _TEXT,
        "instructionDate": _TIME,
        "state": _STATE,
        "statusDate": _TIME,
        "expirationDate": _TIME,
        "parameters": _PAIRS | {"minItems": 1},
        "resultParameters": {"type": "object", "minProperties": 1},
    },
}
_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: "Done; an instruction that is Declined is a success, too",
        400: "A parameter that must be there is missing, or there are too many of them",
        403: "A node is unknown, somebody else's, or not one of the token's own",
        422: "A value cannot be read",
    }
)
_NEGOTIATED: Final[Mapping[int, str]] = MappingProxyType(
    {406: "Nothing that the client accepts can be written, but what it asked for is done"}
)
_LIMITED: Final[Mapping[int, str]] = MappingProxyType({413: "The form is longer than 2 MB"})

_BY_ID: Final = _required("id", "query", ID, "the instruction")
_BY_IDS: Final = _required("ids", "query", _IDS, "the instructions")
_OF_NODE: Final = _required("nodeId", "query", ID, "the node")
_OF_NODES: Final = _required("nodeIds", "query", _IDS, "the nodes")
_NEW_STATE: Final = _required("state", "query", _STATE, "the new state")
_STATE_FILTER: Final = _optional("state", "query", _STATE, "the state")
_FILTER: Final = (
    _optional("nodeId", "query", ID, "the node"),
    _optional("nodeIds", "query", _IDS, "the nodes, in place of nodeId"),
    _optional("instructionIds", "query", _IDS, "the instructions"),
    _STATE_FILTER,
    _optional(
        "states",
        "query",
        {"type": "string", "pattern": f"^({_ANY_STATE})(,({_ANY_STATE}))*$"},
        "any of these states, in place of state",
    ),
    _optional("startDate", "query", _DATE, "the earliest instructionDate"),
    _optional("endDate", "query", _DATE, "what instructionDate is before"),
)


def _listing(summary: str, *parameters: RouteParameter) -> RouteDocs:
    data = {"type": "array", "minItems": 1, "items": _INSTRUCTION}
    return RouteDocs(parameters, None, _success(data, always=False), _STATUSES, summary)


def _updating(summary: str, *parameters: RouteParameter, data: Schema | None = None) -> RouteDocs:
    statuses = {**_STATUSES, **_NEGOTIATED, **_LIMITED}
    return RouteDocs(parameters, None, _success(data), statuses, summary)


FIND: Final = _listing("List instructions", *_FILTER)
VIEW: Final = RouteDocs(
    (_BY_ID,),
    None,
    _success(_INSTRUCTION, always=False),
    {**_STATUSES, **_NEGOTIATED},
    "View an instruction",
)
VIEW_MANY: Final = _listing("View instructions", _BY_IDS)
ACTIVE: Final = _listing("List what a node has queued", _OF_NODE)
ACTIVE_MANY: Final = _listing("List what nodes have queued", _OF_NODES)
PENDING: Final = _listing("List what a node has to do", _OF_NODE)
PENDING_MANY: Final = _listing("List what nodes have to do", _OF_NODES)
UPDATE: Final = _updating("Set a state", _BY_ID, _NEW_STATE)
UPDATE_MANY: Final = _updating("Set states", _BY_IDS, _NEW_STATE)
UPDATE_FOUND: Final = _updating(
    "Set all of a filter",
    _NEW_STATE,
    *(each for each in _FILTER if each is not _STATE_FILTER),
    data=_list_of(ID),
)

_TOPIC: Final = _required("topic", "path", _TEXT, "the topic, as OSCP_v20")
_FIELDS: Final = (
    _optional(
        "parameters[0].name",
        "form",
        _TEXT,
        f"the name of a parameter; the index is below {MOST_INDEXED_PARAMETERS}",
    ),
    _optional(
        "parameters[0].value",
        "form",
        _TEXT,
        f"the value of a parameter; the index is below {MOST_INDEXED_PARAMETERS}",
    ),
    _optional("instructionDate", "form", _DATE, "now by default"),
    _optional("expirationDate", "form", _DATE, "never by default"),
)


def _queue_json(*, on_topic: bool = False, waits: bool = False) -> RouteDocs:
    """Describe a route that queues the instruction of a JSON body; its path may have the topic."""
    body = {
        "type": "object",
        "required": ["nodeId"] if on_topic else ["nodeId", "topic"],
        "additionalProperties": False,
        "properties": {
            "nodeId": {"oneOf": [dict(ID), {"type": "string", "pattern": "^[+-]?[0-9]+$"}]},
            "topic": _TEXT,
            "params": _PARAMETERS,
            "parameters": _PARAMETERS,
            "instructionDate": _BODY_DATE,
            "expirationDate": _BODY_DATE,
        },
    }
    parameters = [*([_TOPIC] if on_topic else []), *([_wait("query")] if waits else [])]
    statuses = {**_STATUSES, **_NEGOTIATED}
    summary = _queueing("an instruction", waits=waits)
    return RouteDocs(tuple(parameters), body, _success(_INSTRUCTION), statuses, summary)


def _queue_form(*, on_topic: bool = False, waits: bool = False, many: bool = False) -> RouteDocs:
    """Describe a route that queues the instruction of a form, for one node or for each of many."""
    if many:
        nodes, data = _required("nodeIds", "form", _IDS, "the nodes"), _list_of(_INSTRUCTION)
    else:
        nodes, data = _required("nodeId", "form", ID, "the node"), _INSTRUCTION
    topic = _required("topic", "form", _TEXT, "the topic")
    parameters = [_TOPIC, nodes] if on_topic else [nodes, topic]
    parameters += [*_FIELDS, *([_wait("form")] if waits else [])]
    statuses = {**_STATUSES, **_NEGOTIATED, **_LIMITED}
    summary = _queueing("an instruction for each node" if many else "an instruction", waits=waits)
    return RouteDocs(tuple(parameters), None, _success(data), statuses, summary)


def _wait(where: Where) -> RouteParameter:
    schema = {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT}
    about = "how many milliseconds to wait for the result, 60000 by default"
    return _optional("resultMaxWait", where, schema, about)


def _queueing(what: str, *, waits: bool) -> str:
    return f"Queue, and wait for the result of, {what}" if waits else f"Queue {what}"


ADD_JSON: Final = _queue_json()
ADD_JSON_TOPIC: Final = _queue_json(on_topic=True)
ADD_FORM: Final = _queue_form()
ADD_FORM_TOPIC: Final = _queue_form(on_topic=True)
ADD_MANY: Final = _queue_form(many=True)
ADD_MANY_TOPIC: Final = _queue_form(on_topic=True, many=True)
EXEC_JSON: Final = _queue_json(waits=True)
EXEC_JSON_TOPIC: Final = _queue_json(on_topic=True, waits=True)
EXEC_FORM: Final = _queue_form(waits=True)
EXEC_FORM_TOPIC: Final = _queue_form(on_topic=True, waits=True)
EXEC_MANY: Final = _queue_form(waits=True, many=True)
EXEC_MANY_TOPIC: Final = _queue_form(on_topic=True, waits=True, many=True)


# The OSCP configuration API (solaruser.md §8).

_CONFIGURED: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: "Done",
        403: "It is unknown, or a node is unknown, somebody else's or not one of the token's own",
        406: "Nothing that the client accepts can be written, but what it asked for is done",
        422: "The body cannot be read, a field is missing or too long, there is one already, or a "
        "reference leads nowhere",
    }
)
_OF_SYSTEM: Final[Schema] = {
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
_OF_GROUP: Final[Schema] = {
    "capacityProviderMeasurementDate": _TIME,
    "capacityOptimizerMeasurementDate": _TIME,
}


@cache
def list_entities(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the list of all of a kind."""
    return _configuring(f"List {kind.words}s", data=_list_of(_entity(kind)))


@cache
def list_assets(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the list of a group's assets; there is none of all of them."""
    return _configuring("List assets", of=GROUPS, data=_list_of(_entity(kind)))


@cache
def create_entity(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the creation of one of a kind."""
    statuses = {201: "Done", **_CONFIGURED}
    summary = f"Create {kind.words}"
    return _configuring(summary, body=kind.fields, data=_entity(kind), statuses=statuses)


@cache
def view_entity(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the view of one of a kind."""
    return _configuring(f"View {kind.words}", of=kind, data=_entity(kind))


@cache
def update_entity(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the change of one of a kind."""
    summary = f"Update {kind.words}"
    return _configuring(summary, of=kind, body=kind.fields, data=_entity(kind))


@cache
def delete_entity(kind: EntityKind[Any]) -> RouteDocs:
    """Describe the deletion of one of a kind."""
    return _configuring(f"Delete {kind.words}", of=kind)


@cache
def list_settings() -> RouteDocs:
    """Describe the list of the settings of all groups."""
    return _configuring("List Capacity Group settings", data=_list_of(_settings(GROUPS)))


@cache
def view_settings(of: EntityKind[Any] | None = None) -> RouteDocs:
    """Describe the view of a user's settings, or of a group's."""
    return _configuring(_words("View", of), of=of, data=_settings(of), always=False)


@cache
def update_settings(of: EntityKind[Any] | None = None) -> RouteDocs:
    """Describe the change of a user's settings, or of a group's."""
    return _configuring(_words("Update", of), of=of, body=PUBLICATION, data=_settings(of))


@cache
def delete_settings(of: EntityKind[Any] | None = None) -> RouteDocs:
    """Describe the deletion of a user's settings, or of a group's."""
    return _configuring(_words("Delete", of), of=of)


def _words(verb: str, of: EntityKind[Any] | None) -> str:
    return f"{verb} settings" if of is None else f"{verb} {of.words} settings"


def _configuring(
    summary: str,
    *,
    of: EntityKind[Any] | None = None,
    body: Iterable[Field] | None = None,
    data: Schema | None = None,
    always: bool = True,
    statuses: Mapping[int, str] = _CONFIGURED,
) -> RouteDocs:
    """Describe a route; `of` is the kind of which the path has an id."""
    parameters = []
    if of is not None:
        parameters.append(_required(of.variable, "path", ID, f"The configId of the {of.words}"))
    request = None if body is None else _body(body)
    return RouteDocs(tuple(parameters), request, _success(data, always=always), statuses, summary)


def _body(fields: Iterable[Field]) -> Schema:
    # The registration status must be given, though validation does not ask for it.
    required = [each.name for each in fields if each.required or each.name == "registrationStatus"]
    return {"type": "object", "required": required, "properties": properties(fields)}


def _entity(kind: EntityKind[Any]) -> Schema:
    required = [each.name for each in kind.fields if each.required or each.name == "enabled"]
    more: Schema = _OF_GROUP if kind is GROUPS else {}
    if kind is PROVIDERS or kind is OPTIMIZERS:
        required += ["registrationStatus", "flexibilityProviderId", "settings"]
        more = _OF_SYSTEM
    else:
        required.append("modified")
    return {
        "type": "object",
        "required": ["userId", "configId", "created", *required],
        "additionalProperties": False,
        "properties": {**_stored(kind.fields), **more, "configId": dict(ID)},
    }


def _settings(of: EntityKind[Any] | None) -> Schema:
    group = {} if of is None else {"groupId": dict(ID)}
    required = ["userId", *group, "created", "modified"]
    return {
        "type": "object",
        "required": [*required, "publishToSolarIn", "publishToSolarFlux", "nodeId"],
        "additionalProperties": False,
        "properties": {**_stored(PUBLICATION), **group},
    }


def _stored(fields: Iterable[Field]) -> dict[str, Any]:
    # A world's file may hold longer texts than a request could give.
    limits = {"minLength", "maxLength"}
    shown = {
        name: {key: value for key, value in schema.items() if key not in limits}
        for name, schema in properties(fields).items()
    }
    return {"userId": dict(ID), "created": _TIME, "modified": _TIME, **shown}


# The user events (solaruser.md §9.2).

_INSTANT: Final = (
    "as 2026-01-02, 2026-01-02 03:04[:05[.678]], with T for the blank, with Z or an offset"
)
_EVENT: Final[Schema] = {
    "type": "object",
    "required": ["userId", "created", "eventId", "tags"],
    "properties": {
        "userId": {"type": "integer"},
        "created": _TEXT,
        "eventId": {"type": "string", "format": "uuid"},
        "tags": _list_of(_TEXT),
        "message": _TEXT,
        "data": {"type": "object"},
    },
}

USER_EVENTS: Final = RouteDocs(
    parameters=(
        _required("Accept", "header", _TEXT, "Required; */* yields CBOR."),
        _required("startDate", "query", _TEXT, f"The first instant, {_INSTANT}."),
        _required("endDate", "query", _TEXT, f"The first instant beyond, {_INSTANT}."),
        _optional("tags", "query", _TEXT, "Tags with commas between; an event carries all."),
        _optional("tag", "query", _TEXT, "The same, where there is no tags."),
        _optional(
            "searchFilter",
            "query",
            _TEXT,
            "A filter of the data, as (&(action=Handshake)(coId>5)).",
        ),
        _optional("offset", "query", {"type": "integer"}, "How many events to skip."),
        _optional("max", "query", {"type": "integer", "minimum": 0}, "How many events at most."),
    ),
    response_schema={
        "type": "object",
        "required": ["success"],
        "properties": {
            "success": {"const": True},
            "data": {
                "description": "By ascending eventId; left out where there are none.",
                "type": "array",
                "minItems": 1,
                "items": _EVENT,
            },
        },
    },
    statuses={
        200: "The events of the user who asks.",
        400: "There is no Accept header.",
        422: "There is no date range; or a parameter cannot be read; or Accept names no type that "
        "can be served.",
    },
    summary="List user events",
)

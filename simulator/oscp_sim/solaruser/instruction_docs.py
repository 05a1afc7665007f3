"""What the API's description says of the instruction routes, by the rows of the dossier's table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from oscp_sim.http import RouteDocs, RouteParameter
from oscp_sim.instructions import STATES
from oscp_sim.solaruser.exec import LONGEST_WAIT
from oscp_sim.solaruser.parameters import MOST_INDEXED_PARAMETERS

__all__ = ["INSTRUCTION_SCHEMA", "documentation"]


if TYPE_CHECKING:
    Schema = Mapping[str, Any]
    Where = Literal["query", "path", "header", "form"]


_TEXT: Final = {"type": "string"}
_ID: Final = {"type": "integer", "format": "int64"}
_IDS: Final = {"type": "string", "pattern": "^[+-]?[0-9]+(,[+-]?[0-9]+)*$"}
_STATE: Final = {"type": "string", "enum": list(STATES)}
_DATE: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{3})?)?(Z|[+-]\d\d:\d\d)?)?$",
}
_TIME: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$",
}
_PAIR: Final = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": _TEXT, "value": _TEXT},
}
_PAIRS: Final = {"type": "array", "items": _PAIR}
_PARAMETERS: Final = {
    "oneOf": [{"type": "object", "additionalProperties": {"type": "string"}}, _PAIRS]
}
_BODY_DATE: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$",
}

#: An instruction as it is shown.
INSTRUCTION_SCHEMA: Final[Schema] = MappingProxyType(
    {
        "type": "object",
        "required": [
            *("id", "created", "nodeId", "topic", "instructionDate", "state", "statusDate")
        ],
        "additionalProperties": False,
        "properties": {
            "id": _ID,
            "created": _TIME,
            "nodeId": _ID,
            "topic": _TEXT,
            "instructionDate": _TIME,
            "state": _STATE,
            "statusDate": _TIME,
            "expirationDate": _TIME,
            "parameters": _PAIRS | {"minItems": 1},
            "resultParameters": {"type": "object", "minProperties": 1},
        },
    }
)

_VIEWS: Final = frozenset(range(1, 8))
_STREAMS: Final = _VIEWS - {2}
_JSON: Final = frozenset({8, 9, 14, 15})
_FOR_ONE: Final = frozenset({10, 11, 16, 17})
_FOR_MANY: Final = frozenset({12, 13, 18, 19})
_ON_TOPIC: Final = frozenset({9, 11, 13, 15, 17, 19})
_EXEC: Final = frozenset(range(14, 20))
_OF_NO_KIND: Final = frozenset({20, 21, 22})

_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        200: "Done; an instruction that is Declined is a success, too",
        400: "A parameter that must be there is missing, or there are too many of them",
        403: "A node is unknown, somebody else's, or not one of the token's own; where "
        "`container_errors` are masked, in place of 400, 406 and 413 for a POST",
        406: "Nothing that the client accepts can be written, but what it asked for is done",
        413: "The form is longer than 2 MB",
        422: "A value cannot be read",
    }
)


def documentation(row: int) -> RouteDocs:
    """Answers with what there is to say of one route.

    Args:
        row: Of the table.
    """
    return RouteDocs(
        parameters=tuple(_parameters(row)),
        request_schema=_body(row) if row in _JSON else None,
        response_schema=_reply(row),
        statuses={
            status: text
            for status, text in _STATUSES.items()
            if not (status == 406 and row in _STREAMS)  # noqa: PLR2004 - a status
            and not (status == 413 and row in _VIEWS | _JSON)  # noqa: PLR2004 - a status
        },
    )


def _parameters(row: int) -> list[RouteParameter]:
    if row in _VIEWS:
        return _of_view(row)
    found = []
    if row in _ON_TOPIC:
        found.append(_required("topic", "path", _TEXT, "the topic, as OSCP_v20"))
    if row in _FOR_ONE:
        found.append(_required("nodeId", "form", _ID, "the node"))
    if row in _FOR_MANY:
        found.append(_required("nodeIds", "form", _IDS, "the nodes"))
    if row in _FOR_ONE | _FOR_MANY:
        found += _of_form(row)
    if row in _EXEC:
        wait = {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT}
        about = "how many milliseconds to wait for the result, 60000 by default"
        found.append(_optional("resultMaxWait", "query" if row in _JSON else "form", wait, about))
    return found + _of_update(row) if row in _OF_NO_KIND else found


def _of_view(row: int) -> list[RouteParameter]:
    if row == 1:
        return _of_filter("query")
    names = {2: "id", 3: "ids", 4: "nodeId", 5: "nodeIds", 6: "nodeId", 7: "nodeIds"}
    name = names[row]
    about = "instructions" if name in {"id", "ids"} else "nodes"
    schema = _IDS if name.endswith("s") else _ID
    return [_required(name, "query", schema, about if name.endswith("s") else about[:-1])]


def _of_form(row: int) -> list[RouteParameter]:
    topic = [] if row in _ON_TOPIC else [_required("topic", "form", _TEXT, "the topic")]
    about = f"a parameter; the index is below {MOST_INDEXED_PARAMETERS}"
    return [
        *topic,
        _optional("parameters[0].name", "form", _TEXT, f"the name of {about}"),
        _optional("parameters[0].value", "form", _TEXT, f"the value of {about}"),
        _optional("instructionDate", "form", _DATE, "now by default"),
        _optional("expirationDate", "form", _DATE, "never by default"),
    ]


def _of_update(row: int) -> list[RouteParameter]:
    state = _required("state", "query", _STATE, "the new state")
    if row == 20:  # noqa: PLR2004 - a row
        return [_required("id", "query", _ID, "the instruction"), state]
    if row == 21:  # noqa: PLR2004 - a row
        return [_required("ids", "query", _IDS, "the instructions"), state]
    return [state, *(each for each in _of_filter("query") if each.name != "state")]


def _of_filter(where: Where) -> list[RouteParameter]:
    states = {"type": "string", "pattern": f"^({'|'.join(STATES)})(,({'|'.join(STATES)}))*$"}
    return [
        _optional("nodeId", where, _ID, "the node"),
        _optional("nodeIds", where, _IDS, "the nodes, in place of nodeId"),
        _optional("instructionIds", where, _IDS, "the instructions"),
        _optional("state", where, _STATE, "the state"),
        _optional("states", where, states, "any of these states, in place of state"),
        _optional("startDate", where, _DATE, "the earliest instructionDate"),
        _optional("endDate", where, _DATE, "what instructionDate is before"),
    ]


def _required(name: str, where: Where, schema: Schema, description: str) -> RouteParameter:
    return RouteParameter(name, where, True, schema, description)


def _optional(name: str, where: Where, schema: Schema, description: str) -> RouteParameter:
    return RouteParameter(name, where, False, schema, description)


def _body(row: int) -> Schema:
    return {
        "type": "object",
        "required": ["nodeId"] if row in _ON_TOPIC else ["nodeId", "topic"],
        "additionalProperties": False,
        "properties": {
            "nodeId": {"oneOf": [_ID, {"type": "string", "pattern": "^[+-]?[0-9]+$"}]},
            "topic": _TEXT,
            "params": _PARAMETERS,
            "parameters": _PARAMETERS,
            "instructionDate": _BODY_DATE,
            "expirationDate": _BODY_DATE,
        },
    }


def _reply(row: int) -> Schema:
    data: dict[str, Any] = {}
    if row in _STREAMS:
        data = {"type": "array", "minItems": 1, "items": dict(INSTRUCTION_SCHEMA)}
    elif row in _FOR_MANY:
        data = {"type": "array", "items": dict(INSTRUCTION_SCHEMA)}
    elif row == 22:  # noqa: PLR2004 - a row
        data = {"type": "array", "items": _ID}
    elif row not in _OF_NO_KIND:
        data = dict(INSTRUCTION_SCHEMA)
    always = ["success"] if row in _VIEWS | {20, 21} else ["success", "data"]
    return {
        "type": "object",
        "required": always,
        "additionalProperties": False,
        "properties": {"success": {"const": True}} | ({"data": data} if data else {}),
    }

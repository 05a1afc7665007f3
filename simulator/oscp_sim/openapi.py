"""The faked routes and `/_sim/` as OpenAPI 3.1, made from the tables that they come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any, Final, TypeAlias

from oscp_sim.http import RouteDocs, RouteParameter
from oscp_sim.solaruser import CONTEXT_PATH, Route

Json: TypeAlias = dict[str, Any]

_JSON: Final = "application/json"
#: A table of forecasted blocks may be the body, or a file of a form, with fields beside it.
_TABLES: Final = {
    "text/csv": {"schema": {"type": "string"}},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
}
_FORM: Final = "application/x-www-form-urlencoded"
_VARIABLE: Final = re.compile(r"<(?:\w+:)?(\w+)>")

# What the checks before the routes may answer to any request (solaruser.md §5.7, §6 and §7). A
# status that only some routes give is in their own docs, or the description would hide a mistake.
_ANY_REQUEST: Final[Mapping[int, str]] = {
    400: "The URL is refused, or a parameter is missing.",
    401: "There is no usable Authorization header, or the token has expired.",
    403: "The token, its signature, its policy or its ownership does not allow it.",
    406: "The reply cannot be had in a representation that is accepted.",
    415: "The path does not take this Content-Type.",
    429: "Too many requests.",
}
_REFUSAL: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "A refusal.",
    "properties": {
        "success": {"const": False},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_MISTAKE: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What was wrong, and what to do.",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def version() -> str:
    """Return the version of this program, or `unknown` where it is not installed."""
    try:
        return version_of("oscp-rehearsal")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the simulator's own endpoints.

    Attributes:
        method: As `GET`.
        path: The whole path.
        summary: One line.
        documentation: Parameters, bodies and statuses.
        handler: Answers it.
    """

    method: str
    path: str
    summary: str
    documentation: RouteDocs
    handler: Callable[..., object]


def openapi(routes: Iterable[Route], operations: Iterable[Operation]) -> Json:
    """Return the OpenAPI 3.1 document of SolarUser's routes and of the simulator's own endpoints.

    Routes that share path and method become one operation.
    """
    paths: dict[str, Json] = {}
    shared: dict[tuple[str, str], list[Route]] = {}
    for route in routes:
        shared.setdefault((_template(CONTEXT_PATH + route.path), route.method), []).append(route)
    for (path, method), group in shared.items():
        paths.setdefault(path, {})[method.lower()] = _operation(group)
    for operation in operations:
        own = paths.setdefault(_template(operation.path), {})
        own[operation.method.lower()] = _own_operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "oscp-rehearsal",
            "version": version(),
            "description": "SolarNetwork's SolarUser API as far as OSCP instructions need it, and "
            "the simulator's own endpoints below /_sim/. The parties' OSCP 2.0 endpoints are the "
            "specification's.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Refusal": _REFUSAL, "Mistake": _MISTAKE},
            "securitySchemes": {
                "snws2": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "SNWS2 Credential=...,SignedHeaders=...,Signature=...",
                }
            },
        },
    }


def _operation(routes: Sequence[Route]) -> Json:
    statuses = {200: "Done."} | dict(_ANY_REQUEST)
    for route in routes:
        statuses |= route.docs.statuses
    success = [each.docs.response_schema for each in routes if each.docs.response_schema]
    described: Json = {
        "operationId": "-".join(route.name for route in routes),
        "summary": "; ".join(dict.fromkeys(route.docs.summary for route in routes)),
        "tags": ["SolarUser"],
        "security": [{"snws2": []}],
        "parameters": _parameters(routes),
        "responses": _responses(statuses, success),
    }
    content = _content(routes)
    if content:
        described["requestBody"] = {"required": True, "content": content}
    return described


def _own_operation(operation: Operation) -> Json:
    docs = operation.documentation
    success = [docs.response_schema] if docs.response_schema else []
    described: Json = {
        "operationId": _own_name(operation),
        "summary": operation.summary,
        "tags": ["Simulator"],
        "parameters": [_parameter(each, required=each.required) for each in docs.parameters],
        "responses": _responses({200: "Done.", **docs.statuses}, success, "Mistake"),
    }
    if docs.request_schema is not None:
        content: Json = {_JSON: {"schema": dict(docs.request_schema)}}
        if "csv" in docs.request_schema.get("properties", {}):
            content |= _TABLES
        described["requestBody"] = {"content": content}
    return described


def _own_name(operation: Operation) -> str:
    """Return a unique name: where one path has several methods, GET has the plain one."""
    _, _, *parts = _VARIABLE.sub("", operation.path).split("/")
    name = "-".join(["sim", *filter(None, parts)])
    takes_body = operation.documentation.request_schema is not None
    is_change = operation.method == "DELETE" or (operation.method != "GET" and takes_body)
    return f"{name}-{operation.method.lower()}" if is_change else name


def _parameters(routes: Sequence[Route]) -> list[Json]:
    """Describe parameters as required only where every route of the operation requires them."""
    found: dict[tuple[str, str], RouteParameter] = {}
    needed: dict[tuple[str, str], int] = {}
    for route in routes:
        for parameter in route.docs.parameters:
            if parameter.where == "form":
                continue
            key = parameter.where, parameter.name
            found.setdefault(key, parameter)
            needed[key] = needed.get(key, 0) + parameter.required
    return [
        _parameter(
            parameter, required=parameter.where == "path" or needed.get(key, 0) == len(routes)
        )
        for key, parameter in found.items()
    ]


def _parameter(parameter: RouteParameter, *, required: bool) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _content(routes: Sequence[Route]) -> Json:
    content: Json = {}
    for route in routes:
        if route.consumes == "form":
            fields = [each for each in route.docs.parameters if each.where == "form"]
            content.setdefault(_FORM, {"schema": {"anyOf": []}})["schema"]["anyOf"].append(
                {
                    "type": "object",
                    "properties": {each.name: dict(each.schema) for each in fields},
                    "required": [each.name for each in fields if each.required],
                }
            )
        elif route.docs.request_schema is not None:
            content[_JSON] = {"schema": dict(route.docs.request_schema)}
    return content


def _responses(
    statuses: Mapping[int, str], success: Sequence[Mapping[str, Any]], failure: str = "Refusal"
) -> Json:
    return {
        str(status): _response(status, text, success, failure)
        for status, text in sorted(statuses.items())
    }


def _response(status: int, text: str, success: Sequence[Mapping[str, Any]], failure: str) -> Json:
    described: Json = {"description": text}
    if status < HTTPStatus.MULTIPLE_CHOICES and success:
        schemas = [dict(each) for each in success]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        described["content"] = {_JSON: {"schema": schema}}
    elif status >= HTTPStatus.BAD_REQUEST:
        described["content"] = {_JSON: {"schema": {"$ref": f"#/components/schemas/{failure}"}}}
    return described


def _template(path: str) -> str:
    return _VARIABLE.sub(r"{\1}", path)

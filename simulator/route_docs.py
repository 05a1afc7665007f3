"""What the API's description says of a route, whoever answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RouteDocs", "RouteParameter"]


class RouteParameter(NamedTuple):
    """A parameter of a route, for the API's description.

    Attributes:
        name: As the client writes it.
        where: `query`, `path`, `header`, or `form` for a field of a form body.
        required: Whether a request without it is refused.
        schema: JSON Schema of its value.
        description: One line.
    """

    name: str
    where: Literal["query", "path", "header", "form"]
    required: bool
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class RouteDocs:
    """What the API's description says of a route beyond its summary.

    Attributes:
        parameters: Of the query, the path, the headers and a form body.
        request_schema: JSON Schema of a JSON body; None where there is none.
        response_schema: JSON Schema of the body of a success; None where it has none.
        statuses: Each status that the handler may answer with, and when. Those that any request
            may get (authentication, policy, rate limit) are added for all routes in one place.
    """

    parameters: tuple[RouteParameter, ...] = ()
    request_schema: Mapping[str, Any] | None = None
    response_schema: Mapping[str, Any] | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)

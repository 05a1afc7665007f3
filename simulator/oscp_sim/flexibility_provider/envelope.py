"""The answers of the Flexibility Provider's endpoints.

As observed in SolarNetwork (oscp20.md §2.4 and §2.5); the bodies of the container's errors are
those that the same framework writes elsewhere (inferred).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from oscp_send.solarnetwork.request_body import timestamp
from oscp_sim.http import Request, Response, respond

__all__ = [
    "ContainerRefused",
    "Refused",
    "accepted",
    "container_error",
    "database_refused",
    "plain",
    "success",
]


class Refused(Exception):
    """Raised for a request that the service refuses in its own words.

    Attributes:
        status: Of HTTP.
        message: The service's text; None where the answer has no body.
        code: The service's code; most refusals have none.
        errors: Each property that is wrong, as `location`, `code`, `rejectedValue` and `message`.
        headers: What stands on the answer besides.
        why: What the simulator knows beyond that, for its journal; holds no secret.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        why: str | None = None,
    ) -> None:
        super().__init__(message or why)
        self.status = status
        self.message = message
        self.code = code
        self.errors = errors
        self.headers = headers or {}
        self.why = why

    def response(self) -> Response:
        """Answers with the answer; what is null stands nowhere in it."""
        if self.message is None:
            return plain(self.status, self.headers)
        members = {"code": self.code, "message": self.message, "errors": list(self.errors) or None}
        given = {name: value for name, value in members.items() if value is not None}
        return _json({"success": False, **given}, self.status).setting(self.headers)


class ContainerRefused(Exception):
    """Raised for a request that does not get as far as the service.

    Attributes:
        status: Of HTTP.
        headers: What the container sets besides, as `Allow`.
        why: What the simulator knows beyond that, for its journal.
    """

    def __init__(
        self, status: HTTPStatus, headers: Mapping[str, str] | None = None, why: str | None = None
    ) -> None:
        super().__init__(why or status.phrase)
        self.status = status
        self.headers = headers or {}
        self.why = why


def database_refused(why: str) -> Refused:
    """Answers with the refusal of what the database does not take (inferred)."""
    return Refused(500, "Internal error", why=f"the database does not take it: {why}")


def accepted() -> Response:
    """Answers with 204 and nothing else."""
    return plain(204)


def plain(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answers without a body."""
    return respond(status, headers=(headers or {}).items())


def success(data: object) -> Response:
    """Answers with data, as the service wraps it."""
    return _json({"success": True, "data": data}, 200)


def container_error(request: Request, refusal: ContainerRefused, at: datetime) -> Response:
    """Answers with an error of the container.

    Args:
        request: The request as it was sent.
        refusal: Its status and headers.
        at: The time; shown to the millisecond.
    """
    content = {
        "timestamp": timestamp(at.replace(microsecond=at.microsecond // 1000 * 1000)),
        "status": refusal.status.value,
        "error": refusal.status.phrase,
        "path": request.path,
        "success": False,
    }
    return _json(content, refusal.status.value).setting(refusal.headers)


def _json(content: object, status: int) -> Response:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair, quoted from a request: Java's encoder writes a question mark.
    return respond(status, text.encode("utf-8", "replace"), "application/json")

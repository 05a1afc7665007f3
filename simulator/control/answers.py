"""How the simulator's own endpoints read bodies and write answers."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request

__all__ = ["BadRequestBody", "json_answer", "json_body", "refusal"]

_LONGEST_BODY = 20_971_520


class BadRequestBody(ValueError):
    """Raised for a body that is not JSON; its text says so."""


def json_body() -> Any:  # noqa: ANN401 - JSON of any kind
    """Answers with the body of the request; an empty one is an empty object.

    Raises:
        BadRequestBody: It is not JSON, or too long.
    """
    if (request.content_length or 0) > _LONGEST_BODY:
        raise BadRequestBody(f"the body is longer than {_LONGEST_BODY} bytes")
    data = request.get_data()
    try:
        return orjson.loads(data) if data.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadRequestBody(f"the body is not JSON: {error}") from None


def json_answer(content: object, status: int = 200) -> Response:
    """Answers with JSON."""
    return Response(
        orjson.dumps(content, default=_plain, option=orjson.OPT_APPEND_NEWLINE),
        status,
        mimetype="application/json",
    )


def refusal(status: int, why: str) -> Response:
    """Answers with what was wrong, and what to do."""
    return json_answer({"error": why}, status)


def _plain(value: Any) -> object:  # noqa: ANN401 - what JSON has no word for
    return list(value) if isinstance(value, set | frozenset) else dict(value)

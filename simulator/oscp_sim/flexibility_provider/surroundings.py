"""What the service's framework puts around every answer: headers, and the accepted type.

As measured (oscp20.md §2.5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any, Final

import cbor2

from oscp_sim.http import (
    VARY_BY_ORIGIN,
    Request,
    Response,
    letting_in,
    respond,
    security_headers,
    streamed,
)

_DESCRIBING: Final = frozenset(
    {"content-disposition", "content-type", "content-language", "content-length"}
)


def surrounded(request: Request, response: Response, session: Random | None) -> Response:
    """Return a response with the headers that the framework adds to it.

    Args:
        request: What it answers.
        response: What the service says.
        session: Where the number of a session comes from; None for who is not known.
    """
    described = [each for each in response.headers if each[0].lower() in _DESCRIBING]
    others = [each for each in response.headers if each[0].lower() not in _DESCRIBING]
    cookie = (
        f"JSESSIONID={session.randbytes(16).hex().upper()}; Path=/; HttpOnly" if session else ""
    )
    return Response(
        response.status,
        (
            *VARY_BY_ORIGIN,
            *letting_in(request, response),
            *([("Set-Cookie", cookie)] if cookie else []),
            *others,
            *security_headers(request),
            *described,
        ),
        response.body,
    )


#: The page at the root of the service's host.
WELCOME: Final = b"""<!DOCTYPE html>
<html lang="en">
<head>
\t<meta charset="utf-8" />
\t<title>SolarOSCP FP</title>
\t<style type="text/css">
\t\tbody {
\t\t\tfont-family: helvetica,sans-serif;
\t\t\tfont-size: 14pt;
\t\t\tcolor: #eeeeee;
\t\t\tbackground-color: #333333;
\t\t}
\t</style>
</head>
<body>
\t<p>\xf0\x9f\x91\x8b there from SolarOSCP FP. How nice to meet you! Unfortunately, \
this is not the page you are looking for. \xe2\x98\x80\xef\xb8\x8f</p>
</body>
</html>
"""
_PAGE: Final = """<!DOCTYPE html>
<html>
<head>
    <title>{title}</title>
\t<style type="text/css">
\t\tbody {{
\t\t\tfont-family: helvetica,sans-serif;
\t\t\tfont-size: 14pt;
\t\t\tcolor: #eeeeee;
\t\t\tbackground-color: #333333;
\t\t}}
\t</style>
</head>
<body>
\t<div class="container">
\t\t<main>
\t<h1>{heading}</h1>
\t<p>{text}</p>
</main>
\t\t<footer>
\t\t\t<p class="text-muted"><small>{status}</small>
\t\t</footer>
\t</div>
</body>
</html>
"""
_FORBIDDEN: Final = (
    "Whoa there!",
    "Are you looking for something? \U0001f47d",
    "There is nothing for you to see here. Perhaps you should go looking somewhere else.",
)
_FAILED: Final = (
    "Oops!",
    "Oops! \U0001f47e",
    "Oh dear, that was not supposed to happen, but here we are. ",
)


def page(status: int) -> Response:
    """Return the container's error as a page for people."""
    title, heading, text = _FORBIDDEN if status == HTTPStatus.FORBIDDEN else _FAILED
    html = _PAGE.format(title=title, heading=heading, text=text, status=status)
    content_type = "text/html;charset=UTF-8"
    return streamed(respond(status, html.encode(), content_type, [("Content-Language", "en")]))


_TYPE: Final = re.compile(r"\s*([\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+)\s*(;.*)?")


def refused(request: Request, status: int, content: Mapping[str, Any]) -> Response:
    """Return what the service says of a refusal, in the type that a request accepts.

    Null members are said in CBOR alone.
    """
    types = accepted(request)
    found = _written(status, content, types)
    if found is not None or not types:
        return found or respond(status)
    # It cannot be written: what the framework makes of its cause (500 is inferred).
    failed = 400 if content["code"] else 500
    return page(failed) if "text/html" in types else respond(failed)


def container_error(request: Request, status: int, content: Mapping[str, Any]) -> Response:
    """Return an error of the container in the type that a request accepts."""
    types = accepted(request) or []
    if types[:1] == ["text/html"]:
        return page(status)
    found = _written(status, content, types)
    found = found and streamed(found)
    _, dot, extension = request.path.rpartition("/")[2].rpartition(".")
    if found is not None and dot and extension not in _HARMLESS:
        return found.adding([("Content-Disposition", "inline;filename=f.txt")])
    # Without a type that can be written it is empty (inferred).
    return found or respond(status)


# What a browser may be told to open (partly inferred).
_HARMLESS: Final = frozenset({"txt", "json", "xml", "csv", "ico", "png", "gif", "jpg", "jpeg"})


def _written(
    status: int, content: Mapping[str, Any], types: Sequence[str] | None
) -> Response | None:
    for each in types or ():
        if each in {"*/*", "application/*", "application/json"}:
            return as_json(content, status)
        if each == "application/cbor":
            return respond(status, _cbor(content), each)
    return None


def as_json(content: Mapping[str, Any], status: int) -> Response:
    """Return a response that says something in JSON, without the members that are null."""
    text = json.dumps(_without_null(content), ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair, quoted from a request: Java's encoder writes a question mark.
    return respond(status, text.encode("utf-8", "replace"), "application/json")


def _without_null(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_null(each) for key, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _cbor(value: object) -> bytes:
    """Return CBOR as the service writes it: maps end with a break, lists have a length."""
    if isinstance(value, Mapping):
        members = (_cbor(name) + _cbor(each) for name, each in value.items())
        return b"\xbf" + b"".join(members) + b"\xff"
    if isinstance(value, list):
        head = len(cbor2.dumps([None] * len(value))) - len(value)
        return cbor2.dumps([None] * len(value))[:head] + b"".join(map(_cbor, value))
    return cbor2.dumps(
        value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    )


def accepted(request: Request) -> list[str] | None:
    """Return the media types that a request accepts, in order, or None where it is malformed."""
    text = ",".join(value for name, value in request.headers if name == "accept")
    found = [_TYPE.fullmatch(each) for each in text.split(",")] if text.strip() else []
    if not found:
        return ["*/*"]
    return [each[1].lower() for each in found if each] if all(found) else None

"""What the service's framework puts around every answer: headers, CORS, and the accepted type.

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

from oscp_sim.http import Headers, Request, Response, respond

_SAFE: Final[Headers] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "0"),
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Frame-Options", "DENY"),
)
_DEPENDS_ON: Final = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
_VARY: Final[Headers] = tuple(("Vary", name) for name in _DEPENDS_ON)
# What may be compressed says so, and the server writes it as one header then.
_VARY_COMPRESSED: Final[Headers] = (
    ("Vary", ",".join(name.lower() for name in (*_DEPENDS_ON, "Accept-Encoding"))),
)
_COMPRESSED_FROM: Final = 2048
_DESCRIBING: Final = frozenset(
    {"content-disposition", "content-type", "content-language", "content-length"}
)


def surrounded(
    request: Request, response: Response, *, session: Random | None, is_of_container: bool
) -> Response:
    """Return a response with the headers that the framework adds to it.

    Args:
        request: What it answers.
        response: What the service says.
        session: Where the number of a session comes from; None for who is not known.
        is_of_container: Whether it is an error of the container, whose length it does not say.
    """
    is_long = len(response.body) >= _COMPRESSED_FROM
    is_page = "html" in (response.header("content-type") or "")
    vary = _VARY_COMPRESSED if is_of_container or is_long or is_page else _VARY
    described = [each for each in response.headers if each[0].lower() in _DESCRIBING]
    others = [each for each in response.headers if each[0].lower() not in _DESCRIBING]
    cookie = (
        f"JSESSIONID={session.randbytes(16).hex().upper()}; Path=/; HttpOnly" if session else ""
    )
    return Response(
        response.status,
        (
            *vary,
            *_letting_in(request),
            *([("Set-Cookie", cookie)] if cookie else []),
            *others,
            *_SAFE,
            *described,
        ),
        response.body,
    )


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
# The last three are inferred.
_HEADERS: Final = frozenset({"authorization", "x-request-id", "content-type", "x-correlation-id"})


def cross_origin(request: Request) -> Response | None:
    """Answer a browser's preflight, or refuse a request from elsewhere; None for all others."""
    if not _is_from_elsewhere(request):
        return None
    asked = request.header("access-control-request-method")
    is_preflight = request.method == "OPTIONS" and asked is not None
    method = asked if is_preflight else request.method
    named = request.header("access-control-request-headers") if is_preflight else None
    wanted = [name.strip() for name in (named or "").split(",") if name.strip()]
    allowed = [name for name in wanted if name.lower() in _HEADERS]
    if method not in _METHODS or (wanted and not allowed) or not request.header("origin"):
        return respond(403, b"Invalid CORS request")
    if not is_preflight:
        return None
    headers = [("Access-Control-Allow-Methods", ",".join(_METHODS))]
    if allowed:
        headers.append(("Access-Control-Allow-Headers", ", ".join(allowed)))
    headers.append(("Access-Control-Max-Age", "86400"))
    return respond(200, b"", headers=headers)


def _is_from_elsewhere(request: Request) -> bool:
    origin = request.header("origin")
    return origin is not None and origin != f"http://{request.header('host')}"


def _letting_in(request: Request) -> Headers:
    origin = request.header("origin")
    if not origin or not _is_from_elsewhere(request):
        return ()
    return (("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"))


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
    return respond(status, html.encode(), content_type, [("Content-Language", "en")])


_BARE_PAGE: Final = (
    '<!doctype html><html lang="en"><head><title>HTTP Status 400 \u2013 Bad Request</title><style '
    'type="text/css">body {font-family:Tahoma,Arial,sans-serif;} h1, h2, h3, b {color:white;'
    "background-color:#525D76;} h1 {font-size:22px;} h2 {font-size:16px;} h3 {font-size:14px;} p "
    "{font-size:12px;} a {color:black;} .line {height:1px;background-color:#525D76;border:none;}"
    "</style></head><body><h1>HTTP Status 400 \u2013 Bad Request</h1></body></html>"
)
_UNREADABLE: Final = re.compile("%(?:2f|5c|00)", re.IGNORECASE)


def unreadable(request: Request) -> Response | None:
    """Refuse a path that the server itself does not read, before anything else looks at it."""
    if _UNREADABLE.search(request.path) is None:
        return None
    content_type = "text/html;charset=utf-8"
    return respond(400, _BARE_PAGE.encode(), content_type, [("Content-Language", "en")])


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

"""A request as it stood on the wire, whatever the server between has made of it.

WSGI decodes the path and joins repeated headers, but a signature covers what was sent. Our servers
put both into the environment of each request, raw; this is where they are named and read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["RAW_HEADERS", "RAW_TARGET", "WireRequest", "environment"]

RAW_HEADERS = "oscp.raw_headers"
RAW_TARGET = "oscp.raw_target"

_UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What was sent, before anything was decoded.

    Attributes:
        method: As `POST`.
        path: As sent, undecoded, without the query.
        query: As sent, without the question mark; empty where there is none.
        headers: Lower-case names and values, in order, repeated ones included.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> WireRequest:
        """Answers with the request of a WSGI environment, as raw as its server left it."""
        target = environ.get(RAW_TARGET)
        if target is None:
            path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
            target = f"{quote(path)}?{environ.get('QUERY_STRING', '')}"
        if not target.startswith("/"):
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        return cls(environ["REQUEST_METHOD"], path, query, _headers(environ))

    @property
    def target(self) -> str:
        """Path and query, as on the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """Answers with the first value of a header, by its lower-case name, or None."""
        return next((value for each, value in self.headers if each == name), None)


def environment(
    method: str, target: str, headers: Iterable[tuple[str, str]], *, path: str, **server: object
) -> dict[str, Any]:
    """Answers with a WSGI environment that also keeps the request as it was sent.

    Args:
        method: As `POST`.
        target: The raw path and query.
        headers: Names and values in order, as sent.
        path: The decoded path.
        **server: What else the environment holds, `wsgi_` standing for `wsgi.`.
    """
    raw = tuple((name.lower(), value) for name, value in headers)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": target.partition("?")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        RAW_TARGET: target,
        RAW_HEADERS: raw,
    }
    environ.update((name.replace("wsgi_", "wsgi."), value) for name, value in server.items())
    for name, value in raw:
        key = _UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _headers(environ: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if RAW_HEADERS in environ:
        raw: tuple[tuple[str, str], ...] = environ[RAW_HEADERS]
        return raw
    named = [
        (key[5:].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    return tuple(named + [(name, environ[k]) for name, k in _UNPREFIXED.items() if environ.get(k)])

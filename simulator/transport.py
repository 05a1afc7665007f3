"""HTTP between the simulated parties: the same requests, through WSGI, without a socket."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from werkzeug.test import run_wsgi_app

from simulator.wire import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIApplication

__all__ = ["WsgiAdapter"]


class WsgiAdapter(BaseAdapter):
    """Lets a `requests` session reach a WSGI application in this process.

    Mount it on a base URL: `session.mount("http://simulator.invalid", WsgiAdapter(app))`.

    Args:
        application: What answers every request that comes this way.
    """

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__()
        self._application = application

    def send(  # noqa: PLR0917 - the signature is requests'
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Response:
        """Answers with the application's response; there is nothing to time out or to verify."""
        chunks, status, headers = run_wsgi_app(self._application, _environ(request), buffered=True)
        response = Response()
        response.request = request
        response.url = request.url or ""
        response.status_code = int(status.partition(" ")[0])
        response.reason = status.partition(" ")[2]
        response.headers = CaseInsensitiveDict(headers.items())
        # Undoes a compression, as for any response that comes over the network.
        response.raw = HTTPResponse(
            io.BytesIO(b"".join(chunks)), response.headers, preload_content=False
        )
        return response

    def close(self) -> None:
        """Does nothing: there is no connection."""


def _environ(request: PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    headers = [(name, _text(value)) for name, value in request.headers.items()]
    if "host" not in {name.lower() for name, _ in headers}:
        headers.insert(0, ("Host", url.netloc))
    return environment(
        request.method or "GET",
        request.path_url,
        headers,
        path=unquote(url.path or "/"),
        SERVER_NAME=url.hostname or "",
        SERVER_PORT=str(url.port or 80),
        REMOTE_ADDR="127.0.0.1",
        wsgi_version=(1, 0),
        wsgi_url_scheme=url.scheme,
        wsgi_input=io.BytesIO(body),
        wsgi_errors=sys.stderr,
        wsgi_multithread=True,
        wsgi_multiprocess=False,
        wsgi_run_once=False,
    )


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value

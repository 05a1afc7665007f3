"""A small server for tests and rehearsals in this process; `serve` has one made for load."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server

from oscp_sim.web import RAW_HEADERS, RAW_TARGET

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["LocalServer"]


class LocalServer:
    """Serves a WSGI application on a free port of the loopback interface until it is closed.

    Attributes:
        url: Its base URL.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=_RawRequestHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            name=f"local-server-{self._server.server_port}",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening and frees the port."""
        stopping = threading.Thread(target=self._server.shutdown)
        stopping.start()
        # The server looks up from its waiting when somebody knocks, else only twice a second.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self._server.server_port)).close()
        stopping.join()
        self._thread.join()
        self._server.server_close()


class _RawRequestHandler(WSGIRequestHandler):
    """Keeps the request as it was sent beside what WSGI makes of it."""

    def make_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().make_environ()
        environ[RAW_TARGET] = self.path
        environ[RAW_HEADERS] = tuple((name.lower(), value) for name, value in self.headers.items())
        return environ

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Writes nothing: the journal knows."""

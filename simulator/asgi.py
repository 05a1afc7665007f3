"""WSGI behind an ASGI server, with the request as it was sent.

The server made for load speaks WSGI, too, but decodes the path and joins repeated headers, and then
no signature over an escaped path can be verified; its ASGI side keeps both.
"""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

from simulator.waiting_threads import Abandoned
from simulator.wire import environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from _typeshed.wsgi import WSGIApplication

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    _Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

__all__ = ["AsgiBridge"]

_STOPPING: _Answer = (503, [], b"")


class AsgiBridge:
    """An ASGI application that answers with a WSGI application.

    Requests are answered one at a time, on the thread of the event loop: they take well under a
    millisecond of Python each, and another thread would only compete for the interpreter. Those
    that may wait go to the executor.

    Args:
        application: What answers.
        executor: Runs the requests that may wait.
        may_wait: Tells such a request by its path and query.
        longest_body: Of a longer body no more than this many bytes, and one, is kept.
    """

    def __init__(
        self,
        application: WSGIApplication,
        executor: Executor,
        may_wait: Callable[[str, str], bool],
        longest_body: int,
    ) -> None:
        self._application = application
        self._executor = executor
        self._may_wait = may_wait
        self._longest_body = longest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        # What declares to be too long is refused for that, and need not be sent at all.
        body = b"" if self._is_too_long(scope) else await self._body(receive)
        environ = self._environ(scope, body)
        if self._may_wait(scope["path"], environ["QUERY_STRING"]):
            status, headers, body = await self._answer_of_waiting(environ)
        else:
            status, headers, body = self._run(environ)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer_of_waiting(self, environ: dict[str, Any]) -> _Answer:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._run, environ)
        except Abandoned:
            return _STOPPING

    def _is_too_long(self, scope: Scope) -> bool:
        declared = dict(scope["headers"]).get(b"content-length", b"")
        return declared.isdigit() and int(declared) > self._longest_body

    async def _body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        length = 0
        while True:
            event = await receive()
            chunk: bytes = event.get("body", b"")
            if length <= self._longest_body:
                chunks.append(chunk[: self._longest_body + 1 - length])
            length += len(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)

    def _environ(self, scope: Scope, body: bytes) -> dict[str, Any]:
        path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        target = (path + b"?" + query if query else path).decode("latin-1")
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        host, port = scope["server"]
        return environment(
            scope["method"],
            target,
            headers,
            path=scope["path"],
            SERVER_NAME=host,
            SERVER_PORT=str(port),
            REMOTE_ADDR=(scope.get("client") or ("",))[0],
            wsgi_version=(1, 0),
            wsgi_url_scheme=scope["scheme"],
            wsgi_input=io.BytesIO(body),
            wsgi_input_terminated=True,
            wsgi_errors=sys.stderr,
            wsgi_multithread=True,
            wsgi_multiprocess=False,
            wsgi_run_once=False,
        )

    def _run(self, environ: dict[str, Any]) -> _Answer:
        answer: list[tuple[int, list[tuple[bytes, bytes]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Callable[[bytes], object]:
            encoded = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
            answer.append((int(status.partition(" ")[0]), encoded))
            return lambda _: None

        chunks = self._application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return (*answer[-1], body)

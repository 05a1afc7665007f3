"""Serving a simulator on a port, until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from granian.constants import Interfaces
from granian.server.embed import Server

from oscp_sim.addresses import CAPACITY_PROVIDER_PATH, ELMO_PATH
from oscp_sim.control import PREFIX
from oscp_sim.http import Request
from oscp_sim.solaruser import EXEC_PATH
from oscp_sim.web import environment
from oscp_sim.world import CapacityProvider

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from oscp_sim.simulator import Simulator

__all__ = ["Abandoned", "AsgiBridge", "PortUnavailable", "WaitingThreads", "serve"]


# § Where requests wait that may take long, out of the way of all others.

P = ParamSpec("P")
R = TypeVar("R")


class Abandoned(Exception):
    """Raised for a result that was waited for until the program ended."""


class WaitingThreads(Executor):
    """Runs each call at once, on a thread of its own that does not keep the process alive.

    The pools of the standard library do: a request that waits for a minute would hold up the end of
    the program as long, and as many of them as there are threads would hold up all that follow.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Starts a call, and answers with what it will come to."""
        future: Future[R] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            # Abandoned meanwhile: nobody asks for the result any more.
            with suppress(InvalidStateError):
                try:
                    future.set_result(fn(*args, **kwargs))
                except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
                    future.set_exception(error)
            with self._lock:
                self._waiting.discard(future)

        with self._lock:
            self._waiting.add(future)
        threading.Thread(target=run, name="waiting", daemon=True).start()
        return future

    def abandon(self) -> None:
        """Ends the waiting of everybody who asked for a result that is not there yet."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(InvalidStateError):
                future.set_exception(Abandoned("the server is stopping"))


# § WSGI behind an ASGI server, with the request as it was sent.
#
# The server made for load speaks WSGI, too, but decodes the path and joins repeated headers, and
# then no signature over an escaped path can be verified; its ASGI side keeps both.

if TYPE_CHECKING:
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    _Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


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
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
        client = (scope.get("client") or ("",))[0]
        request = Request(scope["method"], target, headers, body, client)
        return environment(request, scope["scheme"])

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


_LONGEST_BODY = 20_971_520
# Where another party is asked, or all that is due until then is done.
_COMMANDS = tuple(f"{PREFIX}/{name}" for name in ("clock", "optimizers/", "providers/"))
_PARTIES = (f"{CAPACITY_PROVIDER_PATH}/", f"{ELMO_PATH}/")
_ASK_EVERY_SECONDS = 0.005
_ABANDON_AFTER_SECONDS = 0.05


class PortUnavailable(Exception):
    """Raised when nothing can listen where it should; its text says why and what to do."""


def serve(
    simulator: Simulator,
    host: str,
    port: int,
    *,
    when_ready: Callable[[str], None],
    url_file: Path | None = None,
) -> None:
    """Serves a simulator until SIGINT or SIGTERM comes.

    Args:
        simulator: Not yet started.
        host: Where to listen.
        port: Where to listen; 0 takes a free one.
        when_ready: Called with the base URL once it answers.
        url_file: Written then, in one go, with `url` and `pid` as JSON.

    Raises:
        PortUnavailable: The port is taken, or the host is not this machine's.
        OSError: The URL file cannot be written.
    """
    address, port = _free_address(host, port)
    waiting = WaitingThreads()
    bridge = AsgiBridge(
        simulator.application, waiting, partial(_may_wait, simulator), _LONGEST_BODY
    )
    url = f"http://{_in_url(host)}:{port}"

    def ready() -> None:
        if url_file is not None:
            _write(url_file, {"url": url, "pid": os.getpid()})
        when_ready(url)

    simulator.serve_at(url)
    simulator.start()
    try:
        asyncio.run(_serve(bridge, address, port, ready, waiting.abandon))
    finally:
        simulator.close(timeout=_ABANDON_AFTER_SECONDS)
        if url_file is not None:
            url_file.unlink(missing_ok=True)


async def _serve(
    bridge: AsgiBridge,
    address: str,
    port: int,
    ready: Callable[[], None],
    abandon: Callable[[], None],
) -> None:
    server = Server(
        bridge, address=address, port=port, interface=Interfaces.ASGI, log_enabled=False
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The server finishes what it has begun, and that may wait for a minute.
        abandon()
        loop.call_soon(server.stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)

    def stop_unannounced(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            stop()

    announcing = loop.create_task(_announce(address, port, ready))
    # Nobody would know of a server that cannot be announced.
    announcing.add_done_callback(stop_unannounced)
    try:
        await server.serve()
    finally:
        announcing.cancel()
    if announcing.done():
        announcing.result()


async def _announce(address: str, port: int, ready: Callable[[], None]) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared
    while not await _answers(target, port):
        await asyncio.sleep(_ASK_EVERY_SECONDS)
    ready()


async def _answers(address: str, port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(address, port)
        writer.close()
        return True
    return False


def _free_address(host: str, port: int) -> tuple[str, int]:
    """Answers with the address and port to listen on, having tried them.

    The server itself takes no names, and fails in silence.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # Of a name with both, as localhost, the address that every client tries.
        family, _, _, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            address, free = probe.getsockname()[:2]
            return address, free
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PortUnavailable(
            f"cannot listen on {host}:{port}: {reason}; "
            "choose another with --port, or any free one with --port 0"
        ) from error


def _may_wait(simulator: Simulator, path: str, query: str) -> bool:
    """Tells a request whose answer may take its time: nobody else is to wait for it."""
    if path.startswith(_PARTIES):
        return any(_is_late(p) for user in simulator.world.users for p in user.capacity_providers)
    if path == EXEC_PATH or path.startswith((f"{EXEC_PATH}/", *_COMMANDS)):
        return True
    return path == f"{PREFIX}/journal" and "wait=" in query


def _is_late(provider: CapacityProvider) -> bool:
    return bool(provider.behaviour.delay) or provider.behaviour.adjustments == "silent"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _write(path: Path, content: dict[str, object]) -> None:
    """Writes a file so that whoever reads it sees all of it or none."""
    handle, name = tempfile.mkstemp(dir=path.parent or Path(), prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
    Path(name).replace(path)

"""httpx, synchronous and asynchronous, through httpcore below it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpcore

from oscp_sim.intercept.board import Answerer, Board, Came, Refused


def reach_httpcore(board: Board) -> None:
    """Lead the requests of httpcore, and of httpx above it, to who answers their hosts."""
    board.cover(httpcore.ConnectionPool, "handle_request", partial(_handle_request, board))
    board.cover(
        httpcore.AsyncConnectionPool, "handle_async_request", partial(_handle_async_request, board)
    )


def _handle_request(board: Board, before: Callable[..., Any]) -> Callable[..., Any]:
    def handle_request(pool: httpcore.ConnectionPool, request: httpcore.Request) -> Any:
        answerer = None if isinstance(pool, _Pool) else _answerer(board, request)
        return before(pool if answerer is None else _Pool(answerer), request)

    return handle_request


def _handle_async_request(board: Board, before: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_async_request(
        pool: httpcore.AsyncConnectionPool, request: httpcore.Request
    ) -> Any:
        answerer = None if isinstance(pool, _AsyncPool) else _answerer(board, request)
        return await before(pool if answerer is None else _AsyncPool(answerer), request)

    return handle_async_request


def _answerer(board: Board, request: httpcore.Request) -> Answerer | None:
    url = request.url
    try:
        return board.answerer(url.scheme.decode(), url.host.decode(), url.port)
    except Refused as error:
        raise httpcore.ConnectError(error.strerror) from error


class _Pool(httpcore.ConnectionPool):
    """Leads to the simulator, for one request; then nothing of it is left."""

    def __init__(self, answerer: Answerer) -> None:
        super().__init__(
            _nothing_to_verify(), max_keepalive_connections=0, network_backend=_Backend(answerer)
        )


class _AsyncPool(httpcore.AsyncConnectionPool):
    """Leads to the simulator, for one request; then nothing of it is left."""

    def __init__(self, answerer: Answerer) -> None:
        super().__init__(
            _nothing_to_verify(),
            max_keepalive_connections=0,
            network_backend=_AsyncBackend(answerer),
        )


def _nothing_to_verify() -> ssl.SSLContext:
    # The one that is made where none is given reads all certificates of the machine.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Connecting:
    """What leads to the simulator."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer


class _Backend(_Connecting, httpcore.NetworkBackend):
    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return _Stream(self._answerer)


class _AsyncBackend(_Connecting, httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(self._answerer)


class _Connected(_Connecting):
    """A connection to the simulator, which answers once its answer is read."""

    def __init__(self, answerer: Answerer) -> None:
        super().__init__(answerer)
        self._written = bytearray()
        self._left: memoryview | None = None

    def get_extra_info(self, info: str) -> Any:
        return None

    def _piece(self, most: int) -> bytes:
        left = self._left or memoryview(b"")
        piece, self._left = left[:most], left[most:]
        return bytes(piece)


class _Stream(_Connected, httpcore.NetworkStream):
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left is None:
            with _as_httpcore():
                self._left = memoryview(self._answerer.exchanged(bytes(self._written), timeout))
        return self._piece(max_bytes)

    def start_tls(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return self

    def close(self) -> None:
        pass


class _AsyncStream(_Connected, httpcore.AsyncNetworkStream):
    """The same for a loop, which it does not hold up."""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._left is None:
            self._left = memoryview(await self._exchanged(timeout))
        return self._piece(max_bytes)

    async def start_tls(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return self

    async def aclose(self) -> None:
        pass

    async def _exchanged(self, patience: float | None) -> bytes:
        # Of the loop's own kind, as httpx itself does it: asyncio's, or trio's.
        import anyio
        from anyio.to_thread import run_sync

        in_thread = partial(run_sync, abandon_on_cancel=True)
        answer = await in_thread(self._answerer.asked, bytes(self._written))
        came = Came.of(answer, patience)
        if came.seconds and self._answerer.is_real_time:
            await anyio.sleep(came.seconds)
        elif came.seconds:
            await in_thread(self._answerer.let_pass, came.seconds)
        with _as_httpcore():
            return came.bytes()


@contextmanager
def _as_httpcore() -> Iterator[None]:
    """Raise what a socket does as httpcore does."""
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ReadTimeout(str(error)) from error
    except ConnectionRefusedError as error:
        raise httpcore.ConnectError(str(error)) from error
    except OSError as error:
        raise httpcore.ReadError(str(error)) from error

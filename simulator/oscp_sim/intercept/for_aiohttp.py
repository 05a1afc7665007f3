"""aiohttp."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from oscp_sim.http import Request
from oscp_sim.intercept.board import Answerer, Board, Came, Refused, as_raised
from oscp_sim.server import CONTINUE, NotWhole, read_request

_END_OF_HEAD: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d{1,18})\r\n", re.IGNORECASE)
_WAITS: Final = re.compile(rb"\r\nexpect: *100-continue\r\n", re.IGNORECASE)


def reach_aiohttp(board: Board) -> None:
    """Lead the requests of aiohttp to who answers their hosts."""
    board.cover(aiohttp.BaseConnector, "connect", partial(_connect, board))


def _connect(board: Board, before: Callable[..., Any]) -> Callable[..., Any]:
    async def connect(
        connector: aiohttp.BaseConnector, req: aiohttp.ClientRequest, *args: Any, **kw: Any
    ) -> Any:
        if isinstance(connector, _Connector):
            return await before(connector, req, *args, **kw)
        try:
            answerer = board.answerer(req.url.scheme, req.url.host, req.url.port)
        except Refused as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        if answerer is not None:
            connector = _Connector(answerer)
        return await before(connector, req, *args, **kw)

    return connect


class _Connector(aiohttp.BaseConnector):
    """Connects to the simulator, for one request; then nothing of it is left."""

    def __init__(self, answerer: Answerer) -> None:
        super().__init__()
        self._answerer = answerer

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        protocol = ResponseHandler(asyncio.get_running_loop())
        # It is not to be used again; to say so in a header would be to change the request.
        protocol.force_close()
        protocol.connection_made(_Transport(self._answerer, protocol, req, timeout))
        return protocol


class _Transport(asyncio.Transport):
    """A connection to the simulator, which answers once a request is whole."""

    def __init__(
        self,
        answerer: Answerer,
        protocol: ResponseHandler,
        request: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        super().__init__()
        self._answerer = answerer
        self._protocol = protocol
        self._key = request.connection_key
        self._patience = min(filter(None, (timeout.sock_read, timeout.total)), default=None)
        self._loop = asyncio.get_running_loop()
        self._written = bytearray()
        self._is_told = False
        self._exchange: asyncio.Task[None] | None = None
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a piece of a request, and begin to answer it with the last."""
        self._written += data
        if self._exchange is not None or not self._may_be_whole():
            return
        try:
            request = read_request(bytes(self._written))
        except NotWhole as missing:
            if missing.is_awaited and not self._is_told:
                self._is_told = True
                self._loop.call_soon(self._protocol.data_received, CONTINUE)
        else:
            self._exchange = self._loop.create_task(self._answer(request))

    def _may_be_whole(self) -> bool:
        """Return whether it is worth the time to read what has come so far."""
        end = self._written.find(_END_OF_HEAD)
        head = self._written[: end + 2]
        if end < 0 or (not self._is_told and _WAITS.search(head)):
            return end >= 0
        if _CHUNKED.search(head):
            return self._written.endswith(_LAST_CHUNK)
        length = _LENGTH.search(head)
        return length is None or len(self._written) >= end + len(_END_OF_HEAD) + int(length[1])

    async def _answer(self, request: Request) -> None:
        try:
            answer = await asyncio.to_thread(self._answerer.handle, request)
            came = Came.of(answer, self._patience)
            if came.seconds and self._answerer.is_real_time:
                await asyncio.sleep(came.seconds)
            elif came.seconds:
                await asyncio.to_thread(self._answerer.let_pass, came.seconds)
            self._deliver(came)
        except Exception as error:  # noqa: BLE001 - its client is to see it, not to wait
            self._protocol.set_exception(error)

    def _deliver(self, came: Came) -> None:
        if came.error is ConnectionRefusedError:
            refused = aiohttp.ClientConnectorError(self._key, as_raised(came.error))
            self._protocol.set_exception(refused)
        elif came.error is TimeoutError:
            late = aiohttp.SocketTimeoutError("Timeout on reading data from socket")
            self._protocol.set_exception(late)
        elif came.error is not None:
            self._protocol.connection_lost(as_raised(came.error))
        else:
            self._protocol.data_received(came.data)
            if came.ends or not came.data:
                self._protocol.eof_received()
                self._protocol.connection_lost(None)

    def get_write_buffer_size(self) -> int:
        """Return how much was not taken yet."""
        return 0

    def is_closing(self) -> bool:
        """Return whether nothing more is read."""
        return self._is_closing

    def close(self) -> None:
        """Give up what is under way."""
        if not self._is_closing:
            self._is_closing = True
            if self._exchange is not None:
                self._exchange.cancel()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close it."""
        self.close()

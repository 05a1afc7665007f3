"""The client of SolarUser's instruction API for programs that use `async` and `await`."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from oscp_send.answers import Reply
from oscp_send.core import (
    TIMEOUT,
    Call,
    Core,
    Failure,
    Patience,
    Pause,
    Steps,
    chain,
    in_words,
    is_loopback,
)
from oscp_send.errors import PossiblySent
from oscp_send.findings import Judgement
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from oscp_send.messages import Message
from oscp_send.order import Order
from oscp_send.settings import Secret
from oscp_send.snws2 import Signer, host

try:
    import anyio  # comes with httpx
    import httpx
except ModuleNotFoundError:
    raise ImportError(
        "this needs httpx, which is an extra: pip install 'oscp-rehearsal[async]'", name="httpx"
    ) from None

_Result = TypeVar("_Result")
_LOG: Final = logging.getLogger("oscp_send")
#: What httpx raises before anything is written, whatever sends for it.
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
#: What an address raises that looks like one and is none, such as a host in broken Punycode.
_UNUSABLE: Final = (httpx.InvalidURL, UnicodeError)
#: How an exchange fails; a mistake of TLS while an answer is read is not one of httpx's own.
_FAILURES: Final = (httpx.HTTPError, httpx.StreamError, OSError)
#: What an error is called, the first that is within.
_WORDS: Final = (
    (socket.gaierror, "the host's name is not known"),
    (httpx.ConnectTimeout, "no connection was made in time"),
    (httpx.PoolTimeout, "no connection was free in time"),
    (httpx.TimeoutException, "no answer came in time"),
)


class SNWS2HttpxAuth(Signer, httpx.Auth):
    """Signs what `httpx` sends, in either of its clients, with a SolarNetwork security token.

    Sets `X-SN-Date`, `Host`, `Authorization`, and `Digest` for a body that is not a form, as
    `SNWS2Auth` does for `requests`. A body that is a stream is read whole before it is sent. May be
    shared between threads and tasks.

    Args:
        token: The token's id.
        secret: The token's secret; it is never shown.
        clock: Returns the aware time to sign with; the system's unless given. The service allows
            15 minutes of difference.
    """

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request as httpx sends it."""
        yield self.sign(request)

    def sign(self, request: httpx.Request) -> httpx.Request:
        """Sign a request, whose body was read, in place.

        Raises:
            ValueError: A form has a digest header, which the service would not find to fit.
        """
        url, headers = str(request.url), request.headers
        # httpx has written the host already, without the port that the service may add.
        if headers.get("Host", "") == request.url.netloc.decode():
            headers["Host"] = host(url)
        self.sign_headers(request.method, url, headers, request.content)
        return request

    def _items(self, headers: httpx.Headers) -> Iterable[tuple[str, str | bytes]]:
        return [(name.decode("latin-1"), value) for name, value in headers.raw]


class AsyncSolarUserClient(Core[httpx.Request]):
    """Sends OSCP messages through SolarUser and follows them, as `SolarUserClient` does.

    The client never posts anything twice that may have been accepted. Any number of tasks may share
    it, on one event loop of asyncio or trio; those for which no connection is free wait for one.

    A task that is cancelled during `send` or `submit` may have sent the instruction. The
    cancellation goes on, with a `PossiblySent` as its cause; it has none where certainly nothing
    was sent. Of a task that waits for a free connection that is not certain. `possibly_sent` finds
    the `PossiblySent`, also below the TimeoutError that asyncio makes of a cancellation.

    Args:
        base_url: Scheme, host, and port where it is not the default, such as
            `https://data.solarnetwork.net`.
        token: The id of a security token of type User.
        secret: The token's secret; it appears in no repr, log or error.
        client: A client of httpx to use, for proxies, certificates or transports; it is not closed
            with this one, and keeps proxies that it took of the environment.
        timeout: Seconds to connect and to wait for an answer; one number for both, or a pair.
        clock: Returns the aware time to sign with; the system's unless given.
        sleep: Pauses for some seconds while `wait` waits; `anyio.sleep` unless given.
        checker: Judges a message by its action and text; `oscp_send.check` unless given.

    Raises:
        SettingsError: The base URL, the token or the secret is unusable.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        secret: str | Secret,
        *,
        client: httpx.AsyncClient | None = None,
        timeout: Patience = TIMEOUT,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        checker: Callable[[str, str], Judgement] | None = None,
    ) -> None:
        super().__init__(base_url, token, secret, clock=clock, checker=checker)
        self._sleep = sleep or anyio.sleep
        self._own_client = client is None
        self._client = client or _new_client(self.base_url)
        self._auth = SNWS2HttpxAuth(self.token, self._secret, clock=self._clock)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, unless the client of httpx was given."""
        if self._own_client:
            await self._client.aclose()

    async def send(
        self,
        action: str,
        message: Message | Mapping[str, object] | str,
        *,
        node_id: int | str,
        co_id: int | str,
        cg_identifier: str,
        correlation_id: str | None = None,
        expires: datetime | None = None,
    ) -> InstructionStatus:
        """Judge a message as `build` does, send it as `submit` does, and return its instruction.

        The instruction is then on its way, not yet delivered: `wait` follows it.
        """
        order = Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        return await self.submit(order.instruction(self._checker))

    async def submit(self, instruction: Instruction) -> InstructionStatus:
        """Send an instruction as it is, judging nothing, once, as `SolarUserClient.submit` does."""
        return await self._run(self._submit(instruction))

    async def settle(
        self, error: PossiblySent, *, timeout: float = 0.0, poll: float = 0.25
    ) -> InstructionStatus | None:
        """Find out what became of an instruction, as `SolarUserClient.settle` does."""
        return await self._run(self._settle(error, timeout, poll))

    async def wait(
        self, instruction: InstructionStatus | int, *, timeout: float = 60.0, poll: float = 0.05
    ) -> InstructionStatus:
        """Follow an instruction until it is Completed, as `SolarUserClient.wait` does."""
        return await self._run(self._wait(instruction, timeout, poll))

    async def view(self, instruction_id: int) -> InstructionStatus | None:
        """Return an instruction as it is now, or None if SolarUser does not know it."""
        return await self._run(self._view(instruction_id))

    async def list(
        self,
        *,
        ids: Iterable[int] | None = None,
        node_ids: Iterable[int] | None = None,
        states: Iterable[InstructionState | str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[InstructionStatus, ...]:
        """Return the instructions that match, as `SolarUserClient.list` does."""
        return await self._run(
            self._list(ids=ids, node_ids=node_ids, states=states, start=start, end=end)
        )

    async def _run(self, steps: Steps[_Result]) -> _Result:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                    step = next(steps)
                else:
                    step = steps.send(await self._carry_out(step))
        except StopIteration as end:
            result: _Result = end.value
            return result

    # Over httpx: signed, sent once, and what failures mean.

    def _prepared(self, call: Call) -> httpx.Request | Failure:
        """Return the signed request, or why its address cannot be used."""
        connect, wait = call.patience(self._timeout)
        try:
            request = self._client.build_request(
                call.method,
                call.url,
                headers=call.headers,
                content=call.body,
                params=call.params,
                # Others may be under way, each with a patience of its own.
                timeout=httpx.Timeout(connect=connect, read=wait, write=wait, pool=call.within),
            )
            return self._auth.sign(request)
        except _UNUSABLE as error:
            return Failure(error, _in_words(error), was_never_sent=True)

    async def _carry_out(self, call: Call) -> Reply | Failure:
        """Send a request once, and return its whole answer, or how it failed.

        Whatever else ends it, such as a cancellation, has a PossiblySent as its cause if what is
        posted may have been sent.

        Raises:
            RuntimeError: The client is closed.
        """
        if self._client.is_closed:
            raise RuntimeError("the client is closed")
        request = self._prepared(call)
        if isinstance(request, Failure):
            return request
        progress = _Progress()
        try:
            response = await self._send(request, progress)
        except _FAILURES as error:
            return Failure(error, _in_words(error), progress.rules_out(error))
        except BaseException as interrupt:
            if call.posting is None or progress.rules_out(interrupt):
                raise
            reason = f"it was interrupted ({type(interrupt).__name__})"
            raise interrupt from call.posting.possibly_sent(reason)
        return Reply(
            response.status_code, response.reason_phrase, response.headers, response.content
        )

    async def _send(self, request: httpx.Request, progress: _Progress) -> httpx.Response:
        path = request.url.raw_path.decode()
        request.extensions["trace"] = progress
        try:
            response = await self._client.send(request, auth=None, follow_redirects=False)
        except BaseException as error:
            _LOG.debug("%s %s: %s", request.method, path, type(error).__name__)
            raise
        _LOG.debug("%s %s: HTTP %d", request.method, path, response.status_code)
        return response


class _Progress:
    """What httpx tells of a request on its way: whether any of it may have been written."""

    def __init__(self) -> None:
        self._is_told = False
        self._has_begun = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        self._is_told = True
        # A proxy is first asked to connect, by a request of its own.
        if event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT":
            if self._has_begun:
                raise httpx.RequestError("it would have been sent a second time")
            self._has_begun = True

    def rules_out(self, error: BaseException) -> bool:
        """Return whether a request that ended so can certainly not have arrived."""
        # A transport that is not httpx's own may tell nothing.
        return not self._has_begun and (self._is_told or isinstance(error, _NEVER_SENT))


def _new_client(base_url: str) -> httpx.AsyncClient:
    """Return a client that asks no proxy of the environment for a loopback address."""
    name = urlsplit(base_url).hostname or ""
    bracketed = f"[{name}]" if ":" in name else name
    return httpx.AsyncClient(mounts={f"all://{bracketed}": None} if is_loopback(base_url) else None)


def _in_words(error: BaseException) -> str:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy does not connect: {error}"
    return in_words(list(chain(error)), _WORDS)

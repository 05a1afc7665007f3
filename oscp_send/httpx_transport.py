"""Requests on their way over `httpx`: signed, sent once, and what their failures mean."""

from __future__ import annotations

import logging
import socket
from collections.abc import Generator, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from oscp_send.answers import Reply
from oscp_send.core import Call, Failure, Patience, chain, in_words, is_loopback
from oscp_send.snws2 import Signer, host

try:
    import httpx
except ModuleNotFoundError:
    raise ImportError(
        "this needs httpx, which is an extra: pip install 'oscp-rehearsal[async]'", name="httpx"
    ) from None

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


class AsyncTransport:
    """Signs and sends requests over one client of httpx, with its proxies and certificates.

    Args:
        client: Sends them.
        auth: Signs them.
        timeout: Seconds to connect, and between bytes of the answer.
    """

    def __init__(self, client: httpx.AsyncClient, auth: SNWS2HttpxAuth, timeout: Patience) -> None:
        self._client = client
        self._auth = auth
        self._timeout = timeout

    def prepare(self, call: Call) -> httpx.Request | Failure:
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

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send a request once, and return its whole answer, or how it failed.

        Whatever else ends it, such as a cancellation, has a PossiblySent as its cause if what is
        posted may have been sent.

        Raises:
            RuntimeError: The client is closed.
        """
        if self._client.is_closed:
            raise RuntimeError("the client is closed")
        request = self.prepare(call)
        if isinstance(request, Failure):
            return request
        progress = _Progress()
        try:
            response = await self._sent(request, progress)
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

    async def _sent(self, request: httpx.Request, progress: _Progress) -> httpx.Response:
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


def new_client(base_url: str) -> httpx.AsyncClient:
    """Return a client that asks no proxy of the environment for a loopback address."""
    name = urlsplit(base_url).hostname or ""
    bracketed = f"[{name}]" if ":" in name else name
    return httpx.AsyncClient(mounts={f"all://{bracketed}": None} if is_loopback(base_url) else None)


def _in_words(error: BaseException) -> str:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy does not connect: {error}"
    return in_words(list(chain(error)), _WORDS)

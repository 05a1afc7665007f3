"""Signed requests on their way, and whether one that failed can have arrived."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Final

from requests import Request, exceptions
from urllib3 import exceptions as urllib3_exceptions
from urllib3.util import Retry

from oscp_send.errors import OscpSendError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import PreparedRequest, Response, Session
    from requests.auth import AuthBase

__all__ = ["LostOnTheWay", "Transport", "was_never_sent"]

_LOG: Final = logging.getLogger("oscp_send")
_CHECK: Final = "Nothing was sent. Check the base URL, the network, and proxies on the way."
_NEVER_SENT: Final = (
    exceptions.ConnectTimeout,
    exceptions.ProxyError,  # urllib3 raises it only while it connects to the proxy
    exceptions.InvalidURL,
    exceptions.InvalidSchema,
    exceptions.MissingSchema,
    urllib3_exceptions.NewConnectionError,
    ssl.SSLCertVerificationError,
)
#: How TLS fails while it is negotiated, before anything else is sent.
_HANDSHAKE: Final = frozenset(
    {
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)


class LostOnTheWay(OscpSendError):
    """A POST left, or may have left, and no whole answer came; its sender knows what it was."""


class Transport:
    """Prepares, signs and sends requests over one session.

    Args:
        session: The session; its proxies, certificates and adapters are used.
        auth: Signs each request.
        timeout: Seconds to connect, and seconds between bytes of the answer.
    """

    def __init__(self, session: Session, auth: AuthBase, timeout: tuple[float, float]) -> None:
        self._session = session
        self._auth = auth
        self._timeout = timeout

    def prepare(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> PreparedRequest:
        """Answers with a signed request that asks for JSON.

        Raises:
            Unreachable: The address cannot be used.
        """
        # Without an explicit Accept, list routes answer with CBOR (as observed in SolarNetwork).
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(method, url, headers=headers, data=body, params=params, auth=self._auth)
        try:
            return self._session.prepare_request(request)
        except exceptions.RequestException as error:
            raise Unreachable(_in_words(error), hint=_CHECK) from error

    def exchange(self, request: PreparedRequest, *, within: float | None = None) -> Response:
        """Sends a request once, follows no redirect, and answers with the whole response.

        Args:
            request: A signed request.
            within: At most how many seconds to wait at each step; the usual ones unless given.

        Raises:
            Unreachable: It was never sent, or it was no POST and had no whole answer.
            LostOnTheWay: It was a POST and may have arrived.
            ValueError: It is a POST, and the session would repeat it by itself.
        """
        url = request.url or ""
        settings = self._session.merge_environment_settings(url, {}, None, None, None)
        connect, read = self._timeout
        timeout = (connect, read) if within is None else (min(connect, within), min(read, within))
        try:
            if request.method == "POST":
                self._refuse_repetition(url)
            response = self._session.send(
                request, timeout=timeout, allow_redirects=False, **settings
            )
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            _LOG.debug("%s %s: %s", request.method, request.path_url, type(error).__name__)
            if was_never_sent(error) or request.method != "POST":
                raise Unreachable(_in_words(error), hint=_CHECK) from error
            raise LostOnTheWay(_in_words(error)) from error
        _LOG.debug("%s %s: HTTP %d", request.method, request.path_url, response.status_code)
        return response

    def _refuse_repetition(self, url: str) -> None:
        retries = getattr(self._session.get_adapter(url), "max_retries", None)
        if not isinstance(retries, Retry) or (retries.total is not None and not retries.total):
            return
        # An error that urllib3 cannot assign, such as one of TLS while an answer is read, counts
        # as "other" and is retried whatever the method is.
        if not retries.allowed_methods or "POST" in retries.allowed_methods or retries.other != 0:
            raise ValueError(
                "the session may repeat a POST by itself, which could send an instruction twice: "
                "mount an adapter with max_retries=0, or with a Retry that has other=0 and leaves "
                "POST out of allowed_methods"
            )


def was_never_sent(error: BaseException) -> bool:
    """Tells whether a request that failed can certainly not have arrived."""
    return any(
        isinstance(link, _NEVER_SENT)
        or (isinstance(link, ssl.SSLError) and getattr(link, "reason", None) in _HANDSHAKE)
        for link in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an exception and those within it; requests and urllib3 put them into arguments.

    What was being handled at the time, `__context__`, does not belong to it: it may be how an
    earlier request ended.
    """
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        within = (*link.args, getattr(link, "reason", None), link.__cause__)
        waiting.extend(item for item in within if isinstance(item, BaseException))


def _in_words(error: BaseException) -> str:
    links = list(_chain(error))
    if any(isinstance(link, urllib3_exceptions.NameResolutionError) for link in links):
        return "the host's name is not known"
    if isinstance(error, exceptions.ConnectTimeout):
        return "no connection was made in time"
    if any(isinstance(link, urllib3_exceptions.ReadTimeoutError | TimeoutError) for link in links):
        return "no answer came in time"
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {link.verify_message}"
    for link in reversed(links):
        if isinstance(link, OSError) and link.strerror:
            return link.strerror[:1].lower() + link.strerror[1:]
    return f"the exchange failed ({type(links[-1]).__name__})"

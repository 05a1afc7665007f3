"""Requests on their way over `requests`: signed, sent once, and what their failures mean."""

from __future__ import annotations

import logging
import ssl
from traceback import walk_tb
from typing import Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Request, Response, Session, exceptions
from requests.auth import AuthBase
from urllib3 import exceptions as urllib3_exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Retry

from oscp_send.answers import Reply
from oscp_send.core import Call, Failure, Patience, chain, in_words, is_loopback

_LOG: Final = logging.getLogger("oscp_send")
_NEVER_SENT: Final = (
    exceptions.ConnectTimeout,
    exceptions.InvalidURL,
    exceptions.InvalidSchema,
    exceptions.MissingSchema,
    urllib3_exceptions.NewConnectionError,
    ssl.SSLCertVerificationError,
)
#: What makes a connection, through a proxy and with TLS: a request is written only after it.
_CONNECTING: Final = frozenset(each.connect.__code__ for each in (HTTPConnection, HTTPSConnection))
#: What an error is called, the first that is within.
_WORDS: Final = (
    (urllib3_exceptions.NameResolutionError, "the host's name is not known"),
    (exceptions.ConnectTimeout, "no connection was made in time"),
    (urllib3_exceptions.ReadTimeoutError, "no answer came in time"),
    (TimeoutError, "no answer came in time"),
)


class Transport:
    """Signs and sends requests over one session, with its proxies and certificates.

    Proxies of the environment are not asked for a loopback address.

    Args:
        session: Sends them.
        auth: Signs them.
        timeout: Seconds to connect, and between bytes of the answer.
        base_url: Where all of them go.
    """

    def __init__(self, session: Session, auth: AuthBase, timeout: Patience, base_url: str) -> None:
        self._session = session
        self._auth = auth
        self._timeout = timeout
        host = urlsplit(base_url).hostname or ""
        self._proxies = {"no_proxy": host} if is_loopback(base_url) else {}

    def prepare(self, call: Call) -> PreparedRequest | Failure:
        """Return the signed request, or why its address cannot be used."""
        request = Request(
            call.method,
            call.url,
            headers=call.headers,
            data=call.body,
            params=call.params,
            auth=self._auth,
        )
        try:
            return self._session.prepare_request(request)
        except exceptions.RequestException as error:
            return Failure(error, _in_words(error), was_never_sent=True)

    def exchange(self, call: Call) -> Reply | Failure:
        """Send a request once, and return its whole answer, or how it failed.

        Raises:
            ValueError: The session might repeat what is posted.
        """
        request = self.prepare(call)
        if isinstance(request, Failure):
            return request
        try:
            if call.posting is not None:
                self._refuse_repetition(request.url or "")
            response = self._sent(request, call.patience(self._timeout))
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            return Failure(error, _in_words(error), was_never_sent(error))
        return Reply(response.status_code, response.reason, response.headers, response.content)

    def _sent(self, request: PreparedRequest, timeout: tuple[float, float]) -> Response:
        url, session, proxies = request.url or "", self._session, dict(self._proxies)
        # What the session was told to trust is not overridden by the environment.
        settings = session.merge_environment_settings(url, proxies, None, session.verify, None)
        try:
            response = session.send(request, timeout=timeout, allow_redirects=False, **settings)
        except Exception as error:
            _log(request, type(error).__name__)
            raise
        _log(request, f"HTTP {response.status_code}")
        return response

    def _refuse_repetition(self, url: str) -> None:
        retries = getattr(self._session.get_adapter(url), "max_retries", None)
        if not isinstance(retries, Retry) or (retries.total is not None and not retries.total):
            return
        # An error that urllib3 cannot assign, such as one of TLS while an answer is read, counts
        # as "other" and is retried whatever the method is.
        if not retries.allowed_methods or "POST" in retries.allowed_methods or retries.other != 0:
            raise ValueError(
                "the session may repeat a POST, which could send an instruction twice: "
                "mount an adapter with max_retries=0, or with a Retry that has other=0 and leaves "
                "POST out of allowed_methods"
            )


def _log(request: PreparedRequest, end: str) -> None:
    if _LOG.isEnabledFor(logging.DEBUG):
        _LOG.debug("%s %s: %s", request.method, request.path_url, end)


def was_never_sent(error: BaseException) -> bool:
    """Return whether a request that failed can certainly not have arrived."""
    return any(
        isinstance(link, _NEVER_SENT)
        or any(frame.f_code in _CONNECTING for frame, _ in walk_tb(link.__traceback__))
        for link in chain(error)
    )


def _in_words(error: BaseException) -> str:
    links = list(chain(error))
    if isinstance(error, exceptions.InvalidSchema) and "SOCKS" in str(error):
        return "a SOCKS proxy needs one package more: pip install 'requests[socks]'"
    return in_words(links, _WORDS)

"""The client of SolarUser's instruction API: judge, build, sign, post, and follow to the end."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from traceback import walk_tb
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest, Request, Response, Session, exceptions
from urllib3 import exceptions as urllib3_exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Retry

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
from oscp_send.snws2 import SNWS2Auth

_Result = TypeVar("_Result")
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


class SolarUserClient(Core[PreparedRequest]):
    """Sends OSCP messages through SolarUser and follows them.

    The client never posts anything twice that may have been accepted. Threads may share a client
    as far as they may share its session.

    Args:
        base_url: Scheme, host, and port where it is not the default, such as
            `https://data.solarnetwork.net`.
        token: The id of a security token of type User.
        secret: The token's secret; it appears in no repr, log or error.
        session: A session to use, for proxies, certificates or adapters; it is not closed with the
            client, and must not repeat a POST.
        timeout: Seconds to connect and to wait for an answer; one number for both, or a pair.
        clock: Returns the aware time to sign with; the system's unless given.
        sleep: Pauses for some seconds while `wait` waits; `time.sleep` unless given.
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
        session: Session | None = None,
        timeout: Patience = TIMEOUT,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] | None = None,
        checker: Callable[[str, str], Judgement] | None = None,
    ) -> None:
        super().__init__(base_url, token, secret, clock=clock, checker=checker)
        self._sleep = sleep or time.sleep
        self._own_session = session is None
        self._session = session or requests.Session()
        self._auth = SNWS2Auth(self.token, self._secret, clock=self._clock)
        self._timeout = timeout
        # Proxies of the environment are not asked for a loopback address.
        host = urlsplit(self.base_url).hostname or ""
        self._proxies = {"no_proxy": host} if is_loopback(self.base_url) else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        if self._own_session:
            self._session.close()

    def send(
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
        return self.submit(order.instruction(self._checker))

    def submit(self, instruction: Instruction) -> InstructionStatus:
        """Send an instruction as it is, judging nothing, once.

        Raises:
            Unreachable: It was certainly not sent.
            NotAuthorised, Refused, RateLimited: It was certainly not queued.
            InstructionDeclined: SolarUser declined it, with HTTP 200 and a reason.
            PossiblySent: No answer of SolarUser's own came; it may have been queued.
        """
        return self._run(self._submit(instruction))

    def settle(
        self, error: PossiblySent, *, timeout: float = 0.0, poll: float = 0.25
    ) -> InstructionStatus | None:
        """Find out what became of an instruction; None where it certainly was not queued.

        It is looked for by its node, its time and its parameters. That none is there is certain
        only once the request's date is so old that SolarUser refuses it, should it still be under
        way.

        Args:
            error: As `send` or `submit` raised it.
            timeout: How many seconds to look; once unless given.
            poll: How many seconds to pause before the second look; pauses grow, up to 10 s.

        Raises:
            PossiblySent: It was not there, but may still come; the reason says from when on that
                will be certain. Or what is there cannot be told from an equal message that was
                sent about then (`alike`), or the answer was about one like it but for its message.
            NotAuthorised, Refused, NotUnderstood: It cannot be looked for, and may be queued.
        """
        return self._run(self._settle(error, timeout, poll))

    def wait(
        self, instruction: InstructionStatus | int, *, timeout: float = 60.0, poll: float = 0.05
    ) -> InstructionStatus:
        """Follow an instruction until it is Completed, and return it.

        One that is known to be final is not looked at. A busy service and failing connections are
        tolerated until the deadline.

        Args:
            instruction: What `send` returned, or an instruction's id.
            timeout: How many seconds to wait.
            poll: How many seconds to pause before the second look; pauses grow, up to 10 s. Where
                a look fails, it is a quarter of a second or more, and as long as a 429 asks for.

        Raises:
            InstructionDeclined: It ended as Declined.
            DeadlinePassed: It did not end in time; the error has its last state.
            InvalidValue: The timeout or the pause is unusable.
            NotAuthorised, Refused, NotUnderstood: It cannot be looked at.
        """
        return self._run(self._wait(instruction, timeout, poll))

    def view(self, instruction_id: int) -> InstructionStatus | None:
        """Return an instruction as it is now, or None if SolarUser does not know it.

        Raises:
            Unreachable, NotAuthorised, Refused, RateLimited, NotUnderstood: It cannot be seen.
        """
        return self._run(self._view(instruction_id))

    def list(
        self,
        *,
        ids: Iterable[int] | None = None,
        node_ids: Iterable[int] | None = None,
        states: Iterable[InstructionState | str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[InstructionStatus, ...]:
        """Return the instructions that match, in the order of their ids.

        Args:
            ids: Instruction ids; ones that SolarUser does not know are ignored.
            node_ids: Node ids. Ids or node ids must be given; if empty, so is the result.
            states: The states to look for; any unless given.
            start: The earliest instruction date, aware.
            end: The instruction date to stop before, aware.

        Raises:
            InvalidValue: Neither ids nor nodes are given, or a value is unusable.
            Unreachable, NotAuthorised, Refused, RateLimited, NotUnderstood: They cannot be seen.
        """
        return self._run(
            self._list(ids=ids, node_ids=node_ids, states=states, start=start, end=end)
        )

    def _run(self, steps: Steps[_Result]) -> _Result:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    self._sleep(step.seconds)
                    step = next(steps)
                else:
                    step = steps.send(self._carry_out(step))
        except StopIteration as end:
            result: _Result = end.value
            return result

    # Over requests: signed, sent once, and what failures mean.

    def _prepared(self, call: Call) -> PreparedRequest | Failure:
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

    def _carry_out(self, call: Call) -> Reply | Failure:
        """Send a request once, and return its whole answer, or how it failed.

        Raises:
            ValueError: The session might repeat what is posted.
        """
        request = self._prepared(call)
        if isinstance(request, Failure):
            return request
        try:
            if call.posting is not None:
                self._refuse_repetition(request.url or "")
            response = self._send(request, call.patience(self._timeout))
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            return Failure(error, _in_words(error), was_never_sent(error))
        return Reply(response.status_code, response.reason, response.headers, response.content)

    def _send(self, request: PreparedRequest, timeout: tuple[float, float]) -> Response:
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

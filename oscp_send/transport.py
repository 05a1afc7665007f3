"""Signed requests on their way, and what SolarUser's answers mean.

A request that failed either certainly did not arrive or may have arrived. An answer is the data of
a success, or the exception for everything else (solaruser.md §7). After a POST, only
an answer that rules it out means that nothing was queued; a failure of the server, or of a gateway
before it, leaves that open.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from requests import PreparedRequest, Request, Response, Session, exceptions
from requests.auth import AuthBase
from urllib3 import exceptions as urllib3_exceptions
from urllib3.util import Retry

from oscp_send.errors import (
    InstructionDeclined,
    NotAuthorised,
    NotUnderstood,
    PossiblySent,
    RateLimited,
    Refused,
    Unreachable,
)
from oscp_send.hints import authorisation_hint, decline_hint, refusal_hint
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from oscp_send.times import utc_text
from oscp_send.values import OscpSendError

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
_NEGOTIATION: Final = frozenset(
    {
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
_RETRY_AFTER: Final = "X-SN-Rate-Limit-Retry-After"
_ERROR_MESSAGE: Final = "X-SN-ErrorMessage"
_EXCERPT: Final = 200
_NOT_SOLARUSER: Final = (
    "This does not look like SolarUser: check the base URL, and proxies on the way."
)
_LOOK_FIRST: Final = "The instruction may have been queued: look with list before sending it again."
_NOT_FOLLOWED: Final = (
    "No redirect is followed, since the signature is for one address: correct the base URL."
)
#: Redirects by which a server says that it did not process the request.
_UNTOUCHED_REDIRECTS: Final = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class Posting:
    """What a POST carried, and a moment before it, for the error that it may have arrived."""

    instruction: Instruction
    since: datetime


class Transport:
    """Prepares, signs and sends requests over one session, with its proxies and certificates.

    The timeout is in seconds: to connect, and between bytes of the answer.
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
        """Return a signed request that asks for JSON.

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

    def look(self, request: PreparedRequest, *, within: float | None = None) -> Answer:
        """Send a request that changes nothing, and return the answer.

        No step may take longer than `within` seconds; the usual timeout holds unless it is given.

        Raises:
            Unreachable: It had no whole answer.
        """
        connect, read = self._timeout
        timeout = (connect, read) if within is None else (min(connect, within), min(read, within))
        try:
            return Answer(self._exchange(request, timeout))
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            raise Unreachable(_in_words(error), hint=_CHECK) from error

    def post(self, request: PreparedRequest, posting: Posting) -> Answer:
        """Send a POST once, and return the answer.

        Raises:
            Unreachable: It was certainly not sent.
            PossiblySent: It left, or may have left, and had no whole answer.
            ValueError: The session might repeat it.
        """
        try:
            self._refuse_repetition(request.url or "")
            return Answer(self._exchange(request, self._timeout), posting)
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            if was_never_sent(error):
                raise Unreachable(_in_words(error), hint=_CHECK) from error
            raise PossiblySent(posting.instruction, posting.since, _in_words(error)) from error

    def _exchange(self, request: PreparedRequest, timeout: tuple[float, float]) -> Response:
        settings = self._session.merge_environment_settings(request.url or "", {}, None, None, None)
        try:
            response = self._session.send(
                request, timeout=timeout, allow_redirects=False, **settings
            )
        except Exception as error:
            _LOG.debug("%s %s: %s", request.method, request.path_url, type(error).__name__)
            raise
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
                "the session may repeat a POST, which could send an instruction twice: "
                "mount an adapter with max_retries=0, or with a Retry that has other=0 and leaves "
                "POST out of allowed_methods"
            )


def was_never_sent(error: BaseException) -> bool:
    """Return whether a request that failed can certainly not have arrived."""
    return any(
        isinstance(link, _NEVER_SENT)
        or (isinstance(link, ssl.SSLError) and getattr(link, "reason", None) in _NEGOTIATION)
        for link in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those within it; requests and urllib3 put them into arguments.

    What was being handled at the time, `__context__`, is not part of it: it may be how an earlier
    request ended.
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


class Answer:
    """A whole answer, read as one of SolarUser's.

    Its methods return the data of a success. They raise the `OscpSendError` for everything else:
    a refusal, a failure, or something that is not SolarUser's.
    """

    def __init__(self, response: Response, posting: Posting | None = None) -> None:
        self._response = response
        self._status = response.status_code
        self._posting = posting
        self._envelope = _envelope(response.content)

    def instruction(self) -> InstructionStatus:
        """Return the one instruction of the answer, declined or not."""
        return self._instruction(self._data())

    def instruction_or_none(self) -> InstructionStatus | None:
        """Return the one instruction of the answer, or None if SolarUser does not know it."""
        data = self._data()
        return None if data is None else self._instruction(data)

    def instructions(self) -> tuple[InstructionStatus, ...]:
        """Return the instructions of a list; one that found nothing is not in the answer at all."""
        data = self._data()
        if data is None:
            return ()
        if not isinstance(data, list):
            raise self._not_understood(f"a list is expected, not {type(data).__name__}")
        return tuple(self._instruction(item) for item in data)

    def _instruction(self, data: object) -> InstructionStatus:
        try:
            return InstructionStatus.from_dict(data)
        except ValueError as error:
            raise self._not_understood(str(error)) from None

    def _data(self) -> object:
        if HTTPStatus.OK <= self._status < HTTPStatus.MULTIPLE_CHOICES:
            if self._envelope is None:
                raise self._not_understood("it is not a JSON object with success")
            if self._envelope["success"] is True:
                return self._envelope.get("data")
            raise self._refused()
        raise self._failure()

    def _failure(self) -> OscpSendError:
        if self._status < HTTPStatus.BAD_REQUEST:
            return self._redirected()
        if self._status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self._broken()
        if self._status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._rate_limited()
        if self._envelope is not None or not self._response.content:
            return self._refused()
        return self._not_understood(self._phrase)

    def _refused(self) -> OscpSendError:
        status, code = self._status, self._string("code")
        message = self._message or self._response.headers.get(_ERROR_MESSAGE, "")
        reason, excerpt = message or self._phrase, self._excerpt
        hint = authorisation_hint(message)
        is_forbidden = status == HTTPStatus.FORBIDDEN and hint is not None
        if status == HTTPStatus.UNAUTHORIZED or is_forbidden:
            return NotAuthorised(status, reason, hint=hint or "", code=code, excerpt=excerpt)
        hint = refusal_hint(status, code, message)
        return Refused(status, reason, hint=hint, code=code, excerpt=excerpt)

    def _rate_limited(self) -> RateLimited:
        retry_at = self._retry_at()
        code = self._string("code")
        when = "in some seconds" if retry_at is None else f"at {utc_text(retry_at, 'milliseconds')}"
        # A look that is refused says nothing about what was queued before.
        hint = f"{'Nothing was queued. ' if self._posting else ''}Try again {when}."
        if code.startswith("DAO."):
            hint = f"This is not a rate limit but a database that is busy. {hint}"
        return RateLimited(
            self._status,
            self._message or "too many requests",
            hint=hint,
            code=code,
            excerpt=self._excerpt,
            retry_at=retry_at,
        )

    def _retry_at(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(int(self._response.headers[_RETRY_AFTER]) / 1000, UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            return None

    def _broken(self) -> OscpSendError:
        status, excerpt, posting = self._status, self._excerpt, self._posting
        reason = self._message or self._phrase
        if posting is None:
            return Unreachable(reason, status=status, hint="Try again later.", excerpt=excerpt)
        return PossiblySent(
            posting.instruction,
            posting.since,
            f"HTTP {status}, {reason}",
            status=status,
            excerpt=excerpt,
        )

    def _redirected(self) -> NotUnderstood:
        target = self._response.headers.get("Location", "nowhere")[:_EXCERPT]
        possibly_sent = self._posting is not None and self._status not in _UNTOUCHED_REDIRECTS
        return NotUnderstood(
            self._status,
            f"a redirect to {target}",
            hint=f"{_NOT_FOLLOWED} {_LOOK_FIRST}" if possibly_sent else _NOT_FOLLOWED,
            possibly_sent=possibly_sent,
        )

    def _not_understood(self, reason: str) -> NotUnderstood:
        kind = self._response.headers.get("Content-Type", "no content type")
        possibly_sent = self._posting is not None and self._status < HTTPStatus.BAD_REQUEST
        return NotUnderstood(
            self._status,
            f"{reason} ({kind})",
            hint=f"{_NOT_SOLARUSER} {_LOOK_FIRST}" if possibly_sent else _NOT_SOLARUSER,
            excerpt=self._excerpt,
            possibly_sent=possibly_sent,
        )

    @property
    def _message(self) -> str:
        return self._string("message") or self._string("error")

    def _string(self, key: str) -> str:
        value = (self._envelope or {}).get(key)
        return value if isinstance(value, str) else ""

    @property
    def _phrase(self) -> str:
        return self._response.reason or "no reason given"

    @property
    def _excerpt(self) -> str:
        text = self._response.content[: 4 * _EXCERPT].decode(errors="replace")
        visible = "".join(character if character.isprintable() else " " for character in text)
        return " ".join(visible.split())[:_EXCERPT]


def _envelope(content: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("success"), bool):
        return None
    return value


def raise_if_declined(instruction: InstructionStatus) -> InstructionStatus:
    """Return an instruction unless it was declined.

    Raises:
        InstructionDeclined: It was declined; with the service's own reason.
    """
    if instruction.state is not InstructionState.DECLINED:
        return instruction
    reason = instruction.error
    if reason is None:
        raise InstructionDeclined(instruction, "the service gave no reason")
    raise InstructionDeclined(instruction, reason, decline_hint(reason))

"""Signed requests on their way, and what SolarUser's answers mean.

A request that failed either certainly did not arrive or may have arrived. An answer is the data of
a success, or the exception for everything else (solaruser.md §7). After a POST, only a refusal in
SolarUser's own form means that nothing was queued; whatever something before it may have said
leaves that open.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from traceback import walk_tb
from typing import Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Request, Response, Session, exceptions
from requests.auth import AuthBase
from urllib3 import exceptions as urllib3_exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
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
from oscp_send.times import utc_now, utc_text
from oscp_send.values import OscpSendError

_LOG: Final = logging.getLogger("oscp_send")
_CHECK: Final = "Nothing was sent. Check the base URL, the network, and proxies on the way."
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
_RETRY_AFTER: Final = "X-SN-Rate-Limit-Retry-After"
_ERROR_MESSAGE: Final = "X-SN-ErrorMessage"
_EXCERPT: Final = 200
_NOT_SOLARUSER: Final = (
    "This does not look like SolarUser: check the base URL, and proxies on the way."
)
_NOT_FOLLOWED: Final = (
    "No redirect is followed, since the signature is for one address: correct the base URL."
)
#: The members of SolarUser's refusals, and of its container's (solaruser.md §7.2 and §7.3).
_OF_A_REFUSAL: Final = frozenset(
    {"success", "code", "message", "errors", "data", "timestamp", "status", "error", "path"}
)
#: What only something before SolarUser answers, which may have passed the request on.
_OF_A_GATEWAY: Final = frozenset({408, 425, 499})


@dataclass(frozen=True, slots=True)
class Posting:
    """What a POST carried, and a moment before it, for the error that it may have arrived."""

    instruction: Instruction
    since: datetime


class Transport:
    """Prepares, signs and sends requests over one session, with its proxies and certificates.

    Proxies of the environment are not asked for a loopback address.

    Args:
        session: Sends them.
        auth: Signs them.
        timeout: Seconds to connect, and between bytes of the answer.
        clock: Returns the aware time, from which the seconds of a Retry-After count.
    """

    def __init__(
        self,
        session: Session,
        auth: AuthBase,
        timeout: tuple[float, float],
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._auth = auth
        self._timeout = timeout
        self._clock = clock

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
            return Answer(self._exchange(request, timeout), self._clock)
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            raise Unreachable(_in_words(error), hint=_CHECK) from error

    def post(self, request: PreparedRequest, posting: Posting) -> Answer:
        """Send a POST once, and return the answer.

        Raises:
            Unreachable: It was certainly not sent.
            PossiblySent: It left, or may have left, and had no whole answer; or a method of the
                answer finds that it is not SolarUser's own.
            ValueError: The session might repeat it.
        """
        try:
            self._refuse_repetition(request.url or "")
            return Answer(self._exchange(request, self._timeout), self._clock, posting)
        except (exceptions.RequestException, urllib3_exceptions.HTTPError) as error:
            if was_never_sent(error):
                raise Unreachable(_in_words(error), hint=_CHECK) from error
            raise PossiblySent(posting.instruction, posting.since, _in_words(error)) from error

    def _exchange(self, request: PreparedRequest, timeout: tuple[float, float]) -> Response:
        url, session = request.url or "", self._session
        proxies = {"no_proxy": urlsplit(url).hostname or ""} if _is_loopback(url) else {}
        # What the session was told to trust is not overridden by the environment.
        settings = session.merge_environment_settings(url, proxies, None, session.verify, None)
        try:
            response = session.send(request, timeout=timeout, allow_redirects=False, **settings)
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


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def was_never_sent(error: BaseException) -> bool:
    """Return whether a request that failed can certainly not have arrived."""
    return any(
        isinstance(link, _NEVER_SENT)
        or any(frame.f_code in _CONNECTING for frame, _ in walk_tb(link.__traceback__))
        for link in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes, and those that requests and urllib3 put into arguments.

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
        within = (*link.args, link.__cause__)
        waiting.extend(item for item in within if isinstance(item, BaseException))


def _in_words(error: BaseException) -> str:
    links = list(_chain(error))
    if isinstance(error, exceptions.InvalidSchema) and "SOCKS" in str(error):
        return "a SOCKS proxy needs one package more: pip install 'requests[socks]'"
    for kind, words in _WORDS:
        if any(isinstance(link, kind) for link in links):
            return words
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {link.verify_message}"
    for link in reversed(links):
        if isinstance(link, OSError) and link.strerror:
            return link.strerror[:1].lower() + link.strerror[1:]
    return f"the exchange failed ({type(links[-1]).__name__})"


#: What an error is called, the first that is within.
_WORDS: Final = (
    (urllib3_exceptions.NameResolutionError, "the host's name is not known"),
    (exceptions.ConnectTimeout, "no connection was made in time"),
    (urllib3_exceptions.ReadTimeoutError, "no answer came in time"),
    (TimeoutError, "no answer came in time"),
)


class Answer:
    """A whole answer, read as one of SolarUser's.

    Its methods return the data of a success. They raise the `OscpSendError` for everything else:
    a refusal, a failure, or something that is not SolarUser's.
    """

    def __init__(
        self,
        response: Response,
        clock: Callable[[], datetime] = utc_now,
        posting: Posting | None = None,
    ) -> None:
        self._response = response
        self._status = response.status_code
        self._clock = clock
        self._posting = posting
        self._envelope = _envelope(response.content)

    def instruction(self) -> InstructionStatus:
        """Return the one instruction of the answer, declined or not."""
        found = self._instruction(self._data())
        if self._posting and not self._posting.instruction.is_carried_by(found):
            error = self._not_understood(f"it is about another instruction, {found.id}")
            if isinstance(error, PossiblySent):
                error.other = found.id
            raise error
        return found

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
            raise self._refused() if self._posting is None else self._not_understood(self._said)
        raise self._failure()

    def _failure(self) -> OscpSendError:
        if self._status < HTTPStatus.BAD_REQUEST:
            return self._redirected()
        if self._status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self._broken()
        if self._posting is not None and not self._is_a_refusal:
            return self._not_understood(self._said)
        if self._status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._rate_limited()
        if self._envelope is not None or not self._response.content:
            return self._refused()
        return self._not_understood(self._said)

    @property
    def _is_a_refusal(self) -> bool:
        """Whether SolarUser itself refused: something before it may have passed the request on."""
        if self._status in _OF_A_GATEWAY:
            return False
        envelope = self._envelope
        if envelope is None:
            return _ERROR_MESSAGE in self._response.headers
        return not envelope["success"] and envelope.keys() <= _OF_A_REFUSAL

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
        """Return when to try again, by SolarUser's header or by HTTP's in either form, or None."""
        headers = self._response.headers
        try:
            if _RETRY_AFTER in headers:
                return datetime.fromtimestamp(int(headers[_RETRY_AFTER]) / 1000, UTC)
            given = headers["Retry-After"].strip()
            if given.isdecimal():
                return self._clock().astimezone(UTC) + timedelta(seconds=int(given))
            return parsedate_to_datetime(given).astimezone(UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            return None

    def _broken(self) -> OscpSendError:
        if self._posting is not None:
            return self._possibly_sent(self._said)
        return Unreachable(
            self._said, status=self._status, hint="Try again later.", excerpt=self._excerpt
        )

    def _redirected(self) -> OscpSendError:
        target = self._response.headers.get("Location", "nowhere")[:_EXCERPT]
        if self._posting is not None:
            return self._possibly_sent(f"a redirect to {target}", _NOT_FOLLOWED)
        return NotUnderstood(self._status, f"a redirect to {target}", hint=_NOT_FOLLOWED)

    def _not_understood(self, reason: str) -> OscpSendError:
        kind = self._response.headers.get("Content-Type", "no content type")
        what = f"{reason} ({kind})"
        if self._posting is not None:
            return self._possibly_sent(what, _NOT_SOLARUSER)
        return NotUnderstood(self._status, what, hint=_NOT_SOLARUSER, excerpt=self._excerpt)

    def _possibly_sent(self, reason: str, hint: str = "") -> PossiblySent:
        """Return the error for an answer to a POST that does not rule out that it was taken."""
        posting = self._posting
        assert posting is not None  # noqa: S101 - only of a POST
        return PossiblySent(
            posting.instruction,
            posting.since,
            f"HTTP {self._status}, {reason}",
            status=self._status,
            excerpt=self._excerpt,
            hint=hint,
        )

    @property
    def _said(self) -> str:
        return self._message or self._phrase

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

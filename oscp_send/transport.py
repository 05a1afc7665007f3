"""What SolarUser's answers mean: the data of a success, or the exception for everything else.

As observed in SolarNetwork. Of a POST, only an answer that rules it out says that nothing was
queued; a failure of the server, or of a gateway before it, leaves that open.
"""

from __future__ import annotations

import json
import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn

from requests import PreparedRequest, Request, Response, Session, exceptions
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
from oscp_send.values import OscpSendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests.auth import AuthBase

__all__ = [
    "LostOnTheWay",
    "Posting",
    "Transport",
    "listed_instructions",
    "queued_instruction",
    "raise_if_declined",
    "viewed_instruction",
    "was_never_sent",
]


# § Signed requests on their way, and whether one that failed can have arrived.

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


_RETRY_AFTER: Final = "X-SN-Rate-Limit-Retry-After"
_ERROR_MESSAGE: Final = "X-SN-ErrorMessage"
_EXCERPT: Final = 200
_NOT_SOLARUSER: Final = (
    "This does not look like SolarUser: check the base URL, and proxies on the way."
)
_LOOK_FIRST: Final = "The instruction may have been queued: look with list before sending it again."
_UNTOUCHED_REDIRECTS: Final = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class Posting:
    """What an answer to a POST is about.

    Attributes:
        instruction: What was sent.
        since: A moment before it was sent.
    """

    instruction: Instruction
    since: datetime


def queued_instruction(response: Response, posting: Posting) -> InstructionStatus:
    """Answers with the instruction of the reply to a POST, declined or not.

    Raises:
        OscpSendError: The answer is no success, or no instruction.
    """
    return _instruction(response, _data_of(response, posting), posting)


def viewed_instruction(response: Response) -> InstructionStatus | None:
    """Answers with the instruction of a reply, or None where the service knows none.

    Raises:
        OscpSendError: The answer is no success, or no instruction.
    """
    data = _data_of(response, None)
    return None if data is None else _instruction(response, data, None)


def listed_instructions(response: Response) -> tuple[InstructionStatus, ...]:
    """Answers with the instructions of a list reply; one that found nothing has no list at all.

    Raises:
        OscpSendError: The answer is no success, or no list of instructions.
    """
    data = _data_of(response, None)
    if data is None:
        return ()
    if not isinstance(data, list):
        raise _not_understood(response, None, f"a list is expected, not {type(data).__name__}")
    return tuple(_instruction(response, item, None) for item in data)


def raise_if_declined(instruction: InstructionStatus) -> InstructionStatus:
    """Answers with an instruction unless it was declined.

    Raises:
        InstructionDeclined: It was; with the service's own reason.
    """
    if instruction.state is not InstructionState.DECLINED:
        return instruction
    reason = instruction.error
    if reason is None:
        raise InstructionDeclined(instruction, "the service gave no reason")
    raise InstructionDeclined(instruction, reason, decline_hint(reason))


def _instruction(response: Response, data: object, posting: Posting | None) -> InstructionStatus:
    try:
        return InstructionStatus.from_dict(data)
    except ValueError as error:
        raise _not_understood(response, posting, str(error)) from None


def _data_of(response: Response, posting: Posting | None) -> object:
    status = response.status_code
    envelope = _envelope(response)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if envelope is None:
            raise _not_understood(response, posting, "it is no JSON object with success")
        if envelope["success"] is True:
            return envelope.get("data")
        raise _refused(response, envelope)
    if status < HTTPStatus.BAD_REQUEST:
        raise _redirected(response, posting)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _raise_broken(response, envelope, posting)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _rate_limited(response, envelope or {})
    if envelope is not None or not response.content:
        raise _refused(response, envelope or {})
    raise _not_understood(response, posting, _phrase(response))


def _envelope(response: Response) -> dict[str, object] | None:
    try:
        value = json.loads(response.content.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("success"), bool):
        return None
    return value


def _refused(response: Response, envelope: dict[str, object]) -> OscpSendError:
    status, code, message = response.status_code, _said(envelope, "code"), _message(envelope)
    message = message or response.headers.get(_ERROR_MESSAGE, "")
    excerpt = _excerpt(response)
    hint = authorisation_hint(message)
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and hint is not None):
        reason = message or _phrase(response)
        return NotAuthorised(status, reason, hint=hint or "", code=code, excerpt=excerpt)
    hint = refusal_hint(status, code, message)
    return Refused(status, message or _phrase(response), hint=hint, code=code, excerpt=excerpt)


def _rate_limited(response: Response, envelope: dict[str, object]) -> RateLimited:
    retry_at = _retry_at(response)
    code = _said(envelope, "code")
    hint = "Nothing was queued. " + (
        f"Try again at {retry_at.isoformat(timespec='milliseconds')}."
        if retry_at is not None
        else "Try again in some seconds."
    )
    if code.startswith("DAO."):
        hint = "This is no rate limit but a database that is busy. " + hint
    reason = _message(envelope) or "too many requests"
    return RateLimited(
        response.status_code,
        reason,
        hint=hint,
        code=code,
        excerpt=_excerpt(response),
        retry_at=retry_at,
    )


def _retry_at(response: Response) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(response.headers[_RETRY_AFTER]) / 1000, UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _raise_broken(
    response: Response, envelope: dict[str, object] | None, posting: Posting | None
) -> NoReturn:
    status, excerpt = response.status_code, _excerpt(response)
    reason = _message(envelope or {}) or _phrase(response)
    if posting is None:
        raise Unreachable(reason, status=status, hint="Try again later.", excerpt=excerpt)
    raise PossiblySent(
        posting.instruction,
        posting.since,
        f"HTTP {status}, {reason}",
        status=status,
        excerpt=excerpt,
    )


def _redirected(response: Response, posting: Posting | None) -> NotUnderstood:
    status = response.status_code
    target = response.headers.get("Location", "nowhere")[:_EXCERPT]
    untouched = status in _UNTOUCHED_REDIRECTS
    hint = "No redirect is followed, since the signature is for one address: correct the base URL."
    return NotUnderstood(
        status,
        f"a redirect to {target}",
        hint=hint if untouched or posting is None else f"{hint} {_LOOK_FIRST}",
        possibly_sent=posting is not None and not untouched,
    )


def _not_understood(response: Response, posting: Posting | None, reason: str) -> NotUnderstood:
    status = response.status_code
    kind = response.headers.get("Content-Type", "no content type")
    open_end = posting is not None and status < HTTPStatus.BAD_REQUEST
    return NotUnderstood(
        status,
        f"{reason} ({kind})",
        hint=f"{_NOT_SOLARUSER} {_LOOK_FIRST}" if open_end else _NOT_SOLARUSER,
        excerpt=_excerpt(response),
        possibly_sent=open_end,
    )


def _message(envelope: dict[str, object]) -> str:
    return _said(envelope, "message") or _said(envelope, "error")


def _said(envelope: dict[str, object], key: str) -> str:
    value = envelope.get(key)
    return value if isinstance(value, str) else ""


def _phrase(response: Response) -> str:
    return response.reason or "no reason given"


def _excerpt(response: Response) -> str:
    text = response.content[: 4 * _EXCERPT].decode(errors="replace")
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:_EXCERPT]

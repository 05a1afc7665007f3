"""What SolarUser's answers mean.

An answer is the data of a success, or the exception for everything else (solaruser.md §7). After a
POST, only a refusal in SolarUser's own form means that nothing was queued; whatever something
before it may have said leaves that open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

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
from oscp_send.times import read_instant, utc_now, utc_text
from oscp_send.values import OscpSendError

# Those of http.client, which is slow to import.
_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}
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

    def possibly_sent(
        self, reason: str, *, status: int = 0, excerpt: str = "", hint: str = ""
    ) -> PossiblySent:
        """Return the error that it may have arrived."""
        return PossiblySent(
            self.instruction, self.since, reason, status=status, excerpt=excerpt, hint=hint
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of HTTP, whatever library brought it.

    Attributes:
        status: The status code.
        reason: The phrase beside it; may be empty.
        headers: By name in any case.
        content: The body, decoded where it was compressed.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    def service_time(self) -> tuple[datetime, timedelta] | None:
        """Return the time that the answer to a ping tells, and how wrong it may be.

        SolarUser's own (solaruser.md §7.3) may be of another of its machines. HTTP's has full
        seconds, and may be of something on the way. One without a zone tells nothing.
        """
        with suppress(AttributeError, KeyError, TypeError):
            said: Any = _envelope(self.content)
            told = read_instant(said["data"]["date"].replace(" ", "T"))
            if said["success"] and told is not None:
                return told, timedelta(seconds=1)
        with suppress(KeyError, ValueError, OverflowError):
            date = parsedate_to_datetime(self.headers["Date"])
            return (date.astimezone(UTC), timedelta(minutes=1)) if date.tzinfo else None
        return None


class Answer:
    """A whole answer, read as one of SolarUser's.

    Its methods return the data of a success. They raise the `OscpSendError` for everything else:
    a refusal, a failure, or something that is not SolarUser's.
    """

    def __init__(
        self, reply: Reply, clock: Callable[[], datetime] = utc_now, posting: Posting | None = None
    ) -> None:
        self._reply = reply
        self._status = reply.status
        self._clock = clock
        self._posting = posting
        self._envelope = _envelope(reply.content)

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
        if self._envelope is not None or not self._reply.content:
            return self._refused()
        return self._not_understood(self._said)

    @property
    def _is_a_refusal(self) -> bool:
        """Whether SolarUser itself refused: something before it may have passed the request on."""
        if self._status in _OF_A_GATEWAY:
            return False
        envelope = self._envelope
        if envelope is None:
            return _ERROR_MESSAGE in self._reply.headers
        return not envelope["success"] and envelope.keys() <= _OF_A_REFUSAL

    def _refused(self) -> OscpSendError:
        status, code = self._status, self._string("code")
        message = self._message or self._reply.headers.get(_ERROR_MESSAGE, "")
        reason, excerpt = message or self._phrase, self._excerpt
        hint = authorisation_hint(message)
        is_forbidden = status == HTTPStatus.FORBIDDEN and hint is not None
        if status == HTTPStatus.UNAUTHORIZED or is_forbidden:
            hint = "\n".join(filter(None, (hint, self._told_beside)))
            return NotAuthorised(status, reason, hint=hint, code=code, excerpt=excerpt)
        hint = refusal_hint(status, code, message)
        return Refused(status, reason, hint=hint, code=code, excerpt=excerpt)

    def _rate_limited(self) -> RateLimited:
        code, retry_at = self._string("code"), self._retry_at()
        # A look that is refused says nothing about what was queued before.
        nothing = "Nothing was queued. " if self._posting else ""
        hint = f"{nothing}Try again {_when(retry_at) or 'in some seconds'}."
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
        headers = self._reply.headers
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
        retry_at = self._retry_at()
        return Unreachable(
            self._said,
            status=self._status,
            hint=f"Try again {_when(retry_at) or 'later'}.",
            excerpt=self._excerpt,
            retry_at=retry_at,
        )

    def _redirected(self) -> OscpSendError:
        target = self._reply.headers.get("Location", "nowhere")[:_EXCERPT]
        if self._posting is not None:
            return self._possibly_sent(f"a redirect to {target}", _NOT_FOLLOWED)
        return NotUnderstood(self._status, f"a redirect to {target}", hint=_NOT_FOLLOWED)

    def _not_understood(self, reason: str) -> OscpSendError:
        kind = self._reply.headers.get("Content-Type", "no content type")
        what = f"{reason} ({kind})"
        if self._posting is not None:
            return self._possibly_sent(what, _NOT_SOLARUSER)
        return NotUnderstood(self._status, what, hint=_NOT_SOLARUSER, excerpt=self._excerpt)

    def _possibly_sent(self, reason: str, hint: str = "") -> PossiblySent:
        """Return the error for an answer to a POST that does not rule out that it was taken."""
        posting = self._posting
        assert posting is not None  # noqa: S101 - only of a POST
        return posting.possibly_sent(
            f"HTTP {self._status}, {reason}", status=self._status, excerpt=self._excerpt, hint=hint
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
    def _told_beside(self) -> str:
        """What the phrase beside the status says, where it is not the usual one."""
        usual, phrase = _PHRASES.get(self._status, ""), self._reply.reason
        has_more = self._message and phrase and phrase.lower() != usual.lower()
        return f"Beside the status it says: {phrase}" if has_more else ""

    @property
    def _phrase(self) -> str:
        return self._reply.reason or "no reason given"

    @property
    def _excerpt(self) -> str:
        text = self._reply.content[: 4 * _EXCERPT].decode(errors="replace")
        visible = "".join(character if character.isprintable() else " " for character in text)
        return " ".join(visible.split())[:_EXCERPT]


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"at {utc_text(moment, 'milliseconds')}"


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

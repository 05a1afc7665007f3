"""Every way in which sending can fail; each error says what happened and what to do.

All derive from `OscpSendError`. The questions that a program asks first:

- Was it certainly not sent? `InvalidValue`, `SettingsError`, `InvalidMessage`, `Unreachable`.
- Was it certainly not accepted? `NotAuthorised`, `Refused`, `RateLimited`, `InstructionDeclined`.
- Could it have been accepted? `PossiblySent`. The client never sends such an instruction a second
  time; `settle` finds out what became of it. What a cancellation left open is found by
  `possibly_sent`.
- Was it accepted, and its end is not known? `DeadlinePassed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from oscp_send.findings import Judgement
from oscp_send.instruction import Instruction, InstructionStatus
from oscp_send.times import utc_text
from oscp_send.values import InvalidValue, OscpSendError

__all__ = [
    "DeadlinePassed",
    "InstructionDeclined",
    "InvalidMessage",
    "InvalidValue",
    "NotAuthorised",
    "NotUnderstood",
    "OscpSendError",
    "PossiblySent",
    "RateLimited",
    "Refused",
    "SettingsError",
    "Unreachable",
    "possibly_sent",
]


#: What to do about one that may have been queued.
LOOK: Final = "Look before you send it again: "


def _lines(*said: str) -> str:
    """Return what there is to say, each in a line of its own."""
    return "\n".join(filter(None, said))


def _beginning(excerpt: str) -> str:
    return f"The answer begins: {excerpt}" if excerpt else ""


class SettingsError(OscpSendError, ValueError):
    """A setting is missing, misspelt or unusable.

    Attributes:
        missing: The name of the one that is missing; None where it is something else.
    """

    def __init__(self, problem: str, missing: str | None = None) -> None:
        super().__init__(problem)
        self.missing = missing


class InvalidMessage(OscpSendError):
    """The message would be declined, so it was not sent.

    Attributes:
        reason: Why, in one line.
        judgement: Everything that was found; None where the request and not the message is wrong.
    """

    def __init__(self, action: str, reason: str, judgement: Judgement | None = None) -> None:
        super().__init__(action, reason, judgement)
        self.action = action
        self.reason = reason
        self.judgement = judgement

    def __str__(self) -> str:
        lines = [f"{self.action} was not sent: {self.reason}"]
        findings = self.judgement.of_severity("error") if self.judgement is not None else ()
        for finding in findings:
            hint = f" ({finding.hint})" if finding.hint else ""
            lines.append(f"  {finding}{hint}")
        return "\n".join(lines)


class _Answered(OscpSendError):
    """SolarUser, or something before it, gave an answer that is not a success.

    Attributes:
        reason: The service's own message, or the best substitute for it.
        code: The service's error code, such as `DAO.00101`; empty if there was none.
        excerpt: The beginning of the answer's body.
        hint: What to do.
    """

    _verdict = "SolarUser refused the request"

    def __init__(
        self, status: int, reason: str, *, hint: str = "", code: str = "", excerpt: str = ""
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.hint = hint
        self.code = code
        self.excerpt = excerpt

    def __str__(self) -> str:
        code = f", {self.code}" if self.code else ""
        status = f" (HTTP {self.status}{code})" if self.status else ""
        return _lines(f"{self._verdict}{status}: {self.reason}", self.hint)


class NotAuthorised(_Answered):
    """SolarUser did not accept the token, the signature, or their use for this path."""

    _verdict = "SolarUser did not authorise the request"


class Refused(_Answered):
    """SolarUser read the request and refused it; nothing was queued."""


class RateLimited(_Answered):
    """SolarUser is too busy, for this token or for any; nothing was queued.

    Attributes:
        retry_at: When to try again, as an aware UTC datetime; None if the service did not say.
    """

    _verdict = "SolarUser asks to wait"

    def __init__(
        self, status: int, reason: str, *, retry_at: datetime | None = None, **details: str
    ) -> None:
        super().__init__(status, reason, **details)
        self.retry_at = retry_at


class NotUnderstood(_Answered):
    """The answer to a look is not one of SolarUser's."""

    _verdict = "The answer was not understood"

    def __str__(self) -> str:
        return _lines(super().__str__(), _beginning(self.excerpt))


class Unreachable(_Answered):
    """SolarUser could not be reached; certainly no instruction was sent.

    Attributes:
        status: The HTTP status if a gateway answered in its place, else 0.
        retry_at: When to try again, as an aware UTC datetime; None if nobody said.
    """

    _verdict = "SolarUser could not be reached"

    def __init__(
        self,
        reason: str,
        *,
        status: int = 0,
        retry_at: datetime | None = None,
        **details: str,
    ) -> None:
        super().__init__(status, reason, **details)
        self.retry_at = retry_at


class PossiblySent(OscpSendError):
    """The request left, no usable answer came: the instruction may or may not have been queued.

    `SolarUserClient.settle` finds out which.

    Attributes:
        instruction: What was sent.
        since: A moment before it was sent, as an aware UTC datetime, to look for it from.
        reason: What happened.
        status: The HTTP status if there was an answer, else 0.
        excerpt: The beginning of the answer's body.
        hint: What to correct; may be empty.
        other: The id of the instruction that the answer was about, where it was another one; None
            where there was none.
        alike: The instructions that were found and cannot be told from it.
        advice: How to look for it, but for the command that lists instructions.
    """

    def __init__(
        self,
        instruction: Instruction,
        since: datetime,
        reason: str,
        *,
        status: int = 0,
        excerpt: str = "",
        hint: str = "",
        other: int | None = None,
    ) -> None:
        super().__init__(instruction, since, reason)
        self.instruction = instruction
        self.since = since
        self.reason = reason
        self.status = status
        self.excerpt = excerpt
        self.hint = hint
        self.other = other
        self.alike: tuple[InstructionStatus, ...] = ()
        self.advice = f"{LOOK}client.settle(error), or "
        self._start = since

    def again(
        self, found: str, start: datetime | None = None, alike: Sequence[InstructionStatus] = ()
    ) -> PossiblySent:
        """Return the same error once it was looked for, with those that cannot be told from it."""
        named = " and ".join(
            f"{each.id} of {utc_text(each.created)}" for each in alike if each.created
        )
        reason = f"{self.reason}; {found}{': instruction ' * bool(named)}{named}"
        again = PossiblySent(self.instruction, self.since, reason, other=self.other)
        again.status, again.excerpt, again.alike = self.status, self.excerpt, tuple(alike)
        again._start = min(start or self._start, self._start)
        if alike:
            again.advice = f"One that nobody else sent is this one; if none is, look again. {LOOK}"
        return again

    def __str__(self) -> str:
        node = self.instruction.node_id
        since = utc_text(self._start, "seconds")
        return _lines(
            f"The instruction may have been queued, and was not sent again: {self.reason}",
            self.hint,
            f"{self.advice}oscp-send list --node-id {node} --start {since}",
            _beginning(self.excerpt),
        )


def possibly_sent(error: BaseException) -> PossiblySent | None:
    """Return what an error leaves open; None if it says nothing of an instruction on its way.

    A cancellation of `AsyncSolarUserClient.send` or `submit` has it as its cause; what asyncio
    makes of that, such as a TimeoutError, is followed to it.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, PossiblySent):
        handled = link.__context__
        # What the caller was handling is how something else ended.
        link = link.__cause__ or (None if isinstance(handled, OscpSendError) else handled)
    return link


class InstructionDeclined(OscpSendError):
    """The instruction ended as `Declined`, although HTTP said 200.

    Attributes:
        instruction: It, as SolarUser returned it.
        reason: The service's own reason.
        hint: What to do; may be empty.
    """

    def __init__(self, instruction: InstructionStatus, reason: str, hint: str = "") -> None:
        super().__init__(instruction, reason, hint)
        self.instruction = instruction
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return _lines(f"Instruction {self.instruction.id} was declined: {self.reason}", self.hint)


class DeadlinePassed(OscpSendError):
    """An instruction was not finished when the deadline passed.

    Attributes:
        instruction: How it was last seen; None if it never was.
        timeout: The seconds that were waited.
        trouble: Why the last look failed; None if it succeeded.
        hint: What the last state means, and what to do.
    """

    def __init__(
        self,
        instruction_id: int,
        timeout: float,
        *,
        instruction: InstructionStatus | None = None,
        trouble: OscpSendError | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(instruction_id, timeout)
        self.instruction_id = instruction_id
        self.timeout = timeout
        self.instruction = instruction
        self.trouble = trouble
        self.hint = hint

    def __str__(self) -> str:
        seen = f"last seen as {self.instruction.state}" if self.instruction else "never seen"
        return _lines(
            f"Instruction {self.instruction_id} was awaited for {self.timeout:g} s to be Completed "
            f"or Declined, and was {seen}.",
            self.hint,
            f"The last look failed: {self.trouble}" if self.trouble is not None else "",
        )

"""The client of SolarUser's instruction API: judge, build, sign, post, and follow to the end."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import quote

import requests
from requests import PreparedRequest, Session

from oscp_schemas import Document, JsonError, read
from oscp_send.errors import (
    DeadlinePassed,
    InvalidMessage,
    NotAuthorised,
    NotUnderstood,
    PossiblySent,
    RateLimited,
    Refused,
    Unreachable,
)
from oscp_send.findings import Judgement
from oscp_send.hints import state_hint
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from oscp_send.judgement import accepts, check
from oscp_send.messages import AdjustGroupCapacityForecast, Message, wire_text
from oscp_send.settings import Secret, Settings, checked_secret, checked_token
from oscp_send.settings import base_url as checked_url
from oscp_send.snws2 import SNWS2Auth
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_send.times import utc_now, utc_text, write_instant
from oscp_send.transport import Posting, Transport, raise_if_declined
from oscp_send.values import InvalidValue, OscpSendError, instant, member, text

_PATH: Final = "/solaruser/api/v1/sec/instr"
#: Longer than the 10 s that SolarUser may wait for its message broker (as observed).
_TIMEOUT: Final = (10.0, 30.0)
#: How much this machine's clock may be ahead, when a sent instruction is looked for.
_MARGIN: Final = timedelta(minutes=1)
#: How old a request's date may be (solaruser.md §5.2).
_REQUEST_AGE: Final = timedelta(minutes=15)
#: SolarUser's limit for a request body, in bytes (solaruser.md §7.4).
_LARGEST_BODY: Final = 20_971_520
#: No character takes more bytes in ASCII JSON: two escaped halves of a surrogate pair.
_LARGEST_CHARACTER: Final = 12
#: What a body has around the values of its parameters is shorter.
_LARGEST_REST: Final = 1000
_HEADER_TEXT: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
#: Pauses between two looks at an instruction: how they grow, and up to how many seconds.
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 10.0
_SHORTEST_LOOK: Final = 1.0


class SolarUserClient:
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
        timeout: float | tuple[float, float] = _TIMEOUT,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] | None = None,
        checker: Callable[[str, str], Judgement] | None = None,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.token = checked_token(token)
        self._clock = clock or utc_now
        self._sleep = sleep or time.sleep
        self._checker = checker
        self._own_session = session is None
        self._session = session or requests.Session()
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        auth = SNWS2Auth(self.token, checked_secret(secret), clock=self._clock)
        self._transport = Transport(self._session, auth, pair, self._clock)

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:  # noqa: ANN401 - passed on
        """Make a client from settings; the options are those of the class."""
        return cls(settings.url, settings.token, settings.secret, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, token={self.token!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        if self._own_session:
            self._session.close()

    def build(
        self,
        action: str,
        message: Message | Mapping[str, object] | str,
        *,
        node_id: int | str,
        co_id: int | str,
        cg_identifier: str,
        correlation_id: str | None = None,
        expires: datetime | None = None,
    ) -> Instruction:
        """Judge a message and make the instruction that would carry it.

        Args:
            action: The OSCP message name, such as `AdjustGroupCapacityForecast`.
            message: A typed message, a mapping with its JSON values, or its JSON text, which is
                sent as it is.
            node_id: A node whose owner the Capacity Optimizer and Group belong to.
            co_id: The `configId` of a Capacity Optimizer.
            cg_identifier: The `identifier` of a Capacity Group.
            correlation_id: The request id of the UpdateGroupCapacityForecast that is answered.
            expires: When SolarNetwork is to decline the instruction if it is not finished.

        Raises:
            InvalidValue: An argument is unusable.
            InvalidMessage: SolarUser would decline the message, or its group is not the
                instruction's, or it would not arrive as it is.
        """
        return self._build(
            _Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        )

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
        order = _Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        return self.submit(self._build(order))

    def prepare(
        self,
        action: str,
        message: Message | Mapping[str, object] | str,
        *,
        node_id: int | str,
        co_id: int | str,
        cg_identifier: str,
        correlation_id: str | None = None,
        expires: datetime | None = None,
    ) -> PreparedRequest:
        """Return the signed request that `send` would send; SolarUser takes it for 15 minutes."""
        order = _Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        return self.prepare_instruction(self._build(order))

    def prepare_instruction(self, instruction: Instruction) -> PreparedRequest:
        """Return the signed request that `submit` would send."""
        url = f"{self.base_url}{_PATH}/add/{quote(instruction.topic, safe='')}"
        return self._transport.prepare("POST", url, body=instruction.to_json().encode())

    def submit(self, instruction: Instruction) -> InstructionStatus:
        """Send an instruction as it is, judging nothing, once.

        Raises:
            Unreachable: It was certainly not sent.
            NotAuthorised, Refused, RateLimited: It was certainly not queued.
            InstructionDeclined: SolarUser declined it, with HTTP 200 and a reason.
            PossiblySent: No answer of SolarUser's own came; it may have been queued.
        """
        posting = Posting(instruction, self._clock().astimezone(UTC) - _MARGIN)
        answer = self._transport.post(self.prepare_instruction(instruction), posting)
        return raise_if_declined(answer.instruction())

    def settle(
        self, error: PossiblySent, *, timeout: float = 0.0, poll: float = 0.25
    ) -> InstructionStatus | None:
        """Find out what became of an instruction; None where it certainly was not queued.

        It is looked for by its node, its time and its parameters; of several that are alike the
        newest is returned. That none is there is certain only once the request's date is so old
        that SolarUser refuses it, should it still be under way.

        Args:
            error: As `send` or `submit` raised it.
            timeout: How many seconds to look; once unless given.
            poll: How many seconds to pause before the second look; pauses grow, up to 10 s.

        Raises:
            PossiblySent: It was not there, but may still come; the reason says from when on that
                will be certain. Or the answer was about an instruction that is like it but for its
                message.
            NotAuthorised, Refused, NotUnderstood: It cannot be looked for.
        """
        node, certain = error.instruction.node_id, error.since + 2 * _MARGIN + _REQUEST_AGE
        pace = _Pace(self._sleep, self._clock, timeout, poll)
        while True:
            trouble: RateLimited | Unreachable | None = None
            is_certain = self._clock() > certain
            try:
                rows = self.list(node_ids=[node], start=error.since)
            except (RateLimited, Unreachable) as failed:
                trouble = failed
            else:
                alike = [row for row in rows if error.instruction.is_carried_by(row)]
                if not alike and is_certain:
                    self._refuse_damaged(error)
                if alike or is_certain:
                    return alike[-1] if alike else None
            if not pace.pause(trouble):
                break
        what = f"it cannot be looked for: {trouble}" if trouble else "it is not there yet"
        raise PossiblySent(
            error.instruction,
            error.since,
            f"{error.reason}; {what}; that will be certain from {utc_text(certain, 'seconds')} on",
            status=error.status,
            excerpt=error.excerpt,
        ) from error

    def _refuse_damaged(self, error: PossiblySent) -> None:
        """Raise PossiblySent where the answer was about an instruction that may be this one.

        That is one with another message, which something on the way may have damaged.
        """
        other = None if error.other is None else self._look(error.other)
        if other is None or other.state is InstructionState.DECLINED:
            return
        given, stored = dict(error.instruction.parameters), other.joined_parameters()
        names = given.keys() - {"msg"}
        if other.node_id == error.instruction.node_id and all(
            stored.get(name) == given[name] for name in names
        ):
            raise PossiblySent(
                error.instruction,
                error.since,
                f"instruction {other.id} is {other.state}, and like it but for its message, which "
                "may have been damaged on the way",
                other=other.id,
            ) from error

    def wait(
        self, instruction: InstructionStatus | int, *, timeout: float = 60.0, poll: float = 0.25
    ) -> InstructionStatus:
        """Follow an instruction until it is Completed, and return it.

        One that is known to be final is not looked at. A busy service and failing connections are
        tolerated until the deadline.

        Args:
            instruction: What `send` returned, or an instruction's id.
            timeout: How many seconds to wait.
            poll: How many seconds to pause before the second look; pauses grow, up to 10 s.

        Raises:
            InstructionDeclined: It ended as Declined.
            DeadlinePassed: It did not end in time; the error has its last state.
            InvalidValue: The timeout or the pause is unusable.
            NotAuthorised, Refused, NotUnderstood: It cannot be looked at.
        """
        known: InstructionStatus | None = None
        if isinstance(instruction, InstructionStatus):
            known, number = instruction, instruction.id
        else:
            number = instruction
        pace = _Pace(self._sleep, self._clock, timeout, poll)
        while known is None or not known.state.is_final:
            trouble: RateLimited | Unreachable | None = None
            try:
                known = self._seen(number, max(pace.remaining, _SHORTEST_LOOK))
            except (RateLimited, Unreachable) as error:
                trouble = error
            except (NotAuthorised, NotUnderstood) as error:
                said = f"Instruction {number} was queued before, and goes on without being seen."
                error.hint = f"{error.hint} {said}".strip()
                raise
            if known is not None and known.state.is_final:
                break
            if not pace.pause(trouble):
                hint = state_hint(known.state) if known is not None else ""
                raise DeadlinePassed(number, timeout, instruction=known, trouble=trouble, hint=hint)
        return raise_if_declined(known)

    def view(self, instruction_id: int) -> InstructionStatus | None:
        """Return an instruction as it is now, or None if SolarUser does not know it.

        Raises:
            Unreachable, NotAuthorised, Refused, RateLimited, NotUnderstood: It cannot be seen.
        """
        return self._look(instruction_id)

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
        if ids is None and node_ids is None:
            raise InvalidValue("", "SolarUser lists nothing without instruction ids or node ids")
        named = (
            None if states is None else [member("states", one, InstructionState) for one in states]
        )
        wanted = {
            "instructionIds": _listed(ids),
            "nodeIds": _listed(node_ids),
            "states": _listed(named),
        }
        if "" in wanted.values():
            return ()
        for name, moment in (("start", start), ("end", end)):
            if moment is not None:
                wanted[f"{name}Date"] = write_instant(instant(name, moment))
        params = {name: value for name, value in wanted.items() if value is not None}
        path = ""
        if params.keys() == {"instructionIds"}:
            path, params = "/view", {"ids": params["instructionIds"]}
        request = self._transport.prepare("GET", self.base_url + _PATH + path, params=params)
        return self._transport.look(request).instructions()

    def _look(self, instruction_id: int, within: float | None = None) -> InstructionStatus | None:
        url = f"{self.base_url}{_PATH}/view"
        request = self._transport.prepare("GET", url, params={"id": str(instruction_id)})
        return self._transport.look(request, within=within).instruction_or_none()

    def _seen(self, number: int, within: float) -> InstructionStatus:
        found = self._look(number, within)
        if found is None:
            raise Refused(
                200,
                f"SolarUser knows no instruction {number}",
                hint="Check its id; finished instructions are removed after some weeks.",
            )
        return found

    def _build(self, order: _Order) -> Instruction:
        action, written = order.action, order.text()
        instruction = order.instruction(written)
        document = _read(written)
        if _has_half_a_pair(written, document):
            raise InvalidMessage(
                action,
                "its text has half of a surrogate pair, which is not a character and would arrive "
                "as ?",
            )
        judge, judgement = self._checker or check, None
        # What is all right needs no findings.
        if self._checker is not None or not accepts(action, document or written):
            judgement = judge(action, written)
            _raise_refusal(judgement)
        if document is not None and order.is_for_another_group(document.value):
            raise InvalidMessage(
                action,
                f"its group_id {json.dumps(document.value['group_id'])} is not the cg_identifier "
                f"{json.dumps(order.cg_identifier)}: SolarUser asks for the same group in both",
                judgement or judge(action, written),
            )
        if _is_too_large(instruction):
            raise InvalidMessage(
                action, "the request would be over 20 MB: send fewer blocks at once"
            )
        return instruction


class _Pace:
    """Looks again and again until a deadline, with pauses that grow.

    Pauses count even if `sleep` returns at once, so that any sleep leads to the deadline.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        clock: Callable[[], datetime],
        timeout: float,
        poll: float,
    ) -> None:
        if not (timeout >= 0 and poll > 0):
            raise InvalidValue("", f"timeout {timeout} and poll {poll} must be positive seconds")
        self._sleep, self._clock = sleep, clock
        self._timeout, self._pause = timeout, poll
        self._began, self._slept = time.monotonic(), 0.0

    @property
    def remaining(self) -> float:
        """The seconds until the deadline; negative after it."""
        return self._timeout - max(time.monotonic() - self._began, self._slept)

    def pause(self, trouble: OscpSendError | None) -> bool:
        """Pause, as long as a busy service asks, and return whether another look is due."""
        remaining, wanted = self.remaining, self._pause
        if remaining <= 0:
            return False
        if isinstance(trouble, RateLimited) and trouble.retry_at is not None:
            wanted = max(wanted, (trouble.retry_at - self._clock()).total_seconds())
        nap = min(wanted, remaining)
        self._sleep(nap)
        self._slept += nap
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        return True


@dataclass(frozen=True, slots=True)
class _Order:
    """A message and where it goes, as the caller gives them to `SolarUserClient.build`."""

    action: str
    message: Message | Mapping[str, object] | str
    node_id: int | str
    co_id: int | str
    cg_identifier: str
    correlation_id: str | None
    expires: datetime | None

    def text(self) -> str:
        """Return the message as the text to send."""
        if isinstance(self.message, Message) and self.message.action != self.action:
            article = "an" if self.message.action[0] in "AEIOU" else "a"
            raise InvalidMessage(self.action, f"the message is {article} {self.message.action}")
        return wire_text(self.message)

    def instruction(self, written: str) -> Instruction:
        """Return the instruction that carries the text."""
        _long("co_id", self.co_id)
        return Instruction.of_message(
            self.action,
            written,
            node_id=_long("node_id", self.node_id),
            # As it was given: SolarUser reads a number sent as a number as if it were missing.
            co_id=str(self.co_id),
            cg_identifier=_group(self.cg_identifier),
            correlation_id=_correlation(self.correlation_id),
            expires=None if self.expires is None else instant("expires", self.expires),
        )

    def is_for_another_group(self, message: object) -> bool:
        """Return whether an adjustment is for another group than the instruction."""
        if self.action != AdjustGroupCapacityForecast.action or not isinstance(message, dict):
            return False
        group = message.get("group_id")
        return isinstance(group, str) and group != self.cg_identifier


def _long(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        kind = "None" if value is None else type(value).__name__
        raise InvalidValue(f"/{name}", f"an integer is expected, not {kind}")
    try:
        return parse_long(str(value))
    except ValueError:
        shown = json.dumps(str(value))[:40]
        raise InvalidValue(f"/{name}", f"{shown} is not a 64-bit integer") from None


def _group(cg_identifier: str) -> str:
    known = text("cg_identifier", cg_identifier)
    if not known.strip() or "\0" in known:
        raise InvalidValue("/cg_identifier", "it is blank, or has a NUL character in it")
    return known


def _correlation(correlation_id: str | None) -> str | None:
    if correlation_id is None:
        return None
    # It is another message's X-Request-ID, and becomes a header again.
    if not isinstance(correlation_id, str) or not _HEADER_TEXT.fullmatch(correlation_id):
        raise InvalidValue(
            "/correlation_id",
            "it cannot be sent as a header",
            "give the X-Request-ID of the forecast that is answered, or None",
        )
    return correlation_id


def _read(written: str) -> Document | None:
    try:
        return read(written)
    except JsonError:
        return None


def _has_half_a_pair(written: str, document: Document | None) -> bool:
    try:
        written.encode()
    except UnicodeEncodeError:
        return True
    return document is not None and bool(document.lone_surrogates)


def _is_too_large(instruction: Instruction) -> bool:
    # Nearly no instruction has to be written only to be measured.
    characters = sum(len(value) for _, value in instruction.parameters)
    if characters * _LARGEST_CHARACTER + _LARGEST_REST < _LARGEST_BODY:
        return False
    return len(instruction.to_json()) > _LARGEST_BODY


def _raise_refusal(judgement: Judgement) -> None:
    if not judgement.accepted:
        reason = judgement.error or "no reason given"
        stage = f" ({judgement.stage})" if judgement.stage else ""
        what = f"SolarUser would decline it{stage}: {reason}"
        raise InvalidMessage(judgement.action, what, judgement)


def _listed(values: Iterable[int | str] | None) -> str | None:
    return None if values is None else ",".join(str(value) for value in values)

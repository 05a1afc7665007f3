"""What the clients of SolarUser's instruction API decide, without input or output.

Whatever takes requests is a generator: it yields a `Call`, to be given the `Reply` or the `Failure`
that came of it, or a `Pause`; in the end it returns the result, or raises what the caller is to
know. `SolarUserClient` does these steps with `requests`, `AsyncSolarUserClient` with `httpx`.
"""

from __future__ import annotations

import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Generic, NoReturn, Self, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from oscp_send.answers import Answer, Posting, Reply, raise_if_declined
from oscp_send.errors import (
    DeadlinePassed,
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
from oscp_send.messages import Message
from oscp_send.order import Order
from oscp_send.settings import Secret, Settings, checked_secret, checked_token
from oscp_send.settings import base_url as checked_url
from oscp_send.times import utc_now, utc_text, write_instant
from oscp_send.values import InvalidValue, OscpSendError, instant, member

_PATH: Final = "/solaruser/api/v1/sec/instr"
#: Seconds to connect and to wait for an answer; one number for both, or a pair.
Patience: TypeAlias = float | tuple[float, float]
#: Longer than the 10 s that SolarUser may wait for its message broker (as observed).
TIMEOUT: Final = (10.0, 30.0)
#: How wrong a clock may be of which nothing better is known, when an instruction is looked for.
MARGIN: Final = timedelta(minutes=1)
#: How many instructions a client knows as answers to what it sent.
_REMEMBERED: Final = 10_000
#: How old a request's date may be (solaruser.md §5.2).
_REQUEST_AGE: Final = timedelta(minutes=15)
#: Pauses between two looks at an instruction: how they grow, and up to how many seconds.
_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 10.0
#: A service that is busy or in trouble is not asked again sooner.
_SHORTEST_RESPITE: Final = 0.25
_SHORTEST_LOOK: Final = 1.0
_Result = TypeVar("_Result")
_Request = TypeVar("_Request")
_CHECK: Final = "Check the base URL, the network, and proxies on the way."


@dataclass(frozen=True, slots=True)
class Call:
    """A request to sign and to send once, following no redirect.

    Attributes:
        url: The address, without a query.
        posting: What is posted; None for a look, which changes nothing.
        params: The query.
        within: The seconds that no step of it may exceed; only the client's timeout unless given.
    """

    url: str
    posting: Posting | None = None
    params: Mapping[str, str] | None = None
    within: float | None = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.posting is None else "POST"

    @property
    def body(self) -> bytes | None:
        """What is posted, as JSON."""
        return None if self.posting is None else self.posting.instruction.to_json().encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers beside those that a signature adds."""
        # Without an explicit Accept, list routes answer with CBOR (as observed in SolarNetwork).
        asked = {"Accept": "application/json"}
        return asked if self.posting is None else asked | {"Content-Type": "application/json"}

    def patience(self, usual: Patience) -> tuple[float, float]:
        """Return the seconds to connect and to wait for an answer, of those that are usual."""
        connect, wait = usual if isinstance(usual, tuple) else (usual, usual)
        if self.within is None:
            return connect, wait
        return min(connect, self.within), min(wait, self.within)


@dataclass(frozen=True, slots=True)
class Pause:
    """Some seconds in which nothing is to be done."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that had no whole answer.

    Attributes:
        error: What the library raised.
        words: What happened, for people.
        was_never_sent: Whether the request can certainly not have arrived.
    """

    error: BaseException
    words: str
    was_never_sent: bool

    def raise_for(self, posting: Posting | None) -> NoReturn:
        """Raise what it means for a look, or for what was posted.

        Raises:
            Unreachable: It was a look, or certainly nothing was queued.
            PossiblySent: What was posted may have arrived.
        """
        if posting is None:
            hint = f"A look changes nothing, and may be repeated. {_CHECK}"
            raise Unreachable(self.words, hint=hint) from self.error
        if self.was_never_sent:
            raise Unreachable(self.words, hint=f"Nothing was sent. {_CHECK}") from self.error
        raise posting.possibly_sent(self.words) from self.error


@dataclass(frozen=True, slots=True)
class _Ahead:
    """How far SolarUser's clock is ahead of this one: at least, at most, how wrong both may be."""

    least: timedelta
    most: timedelta
    doubt: timedelta

    @classmethod
    def told(cls, ahead: timedelta, doubt: timedelta) -> Self:
        """Return what an answer told; further off than its doubt, it may be another's clock."""
        if abs(ahead) >= _REQUEST_AGE:  # SolarUser would have refused the request
            return cls.untold()
        if doubt < MARGIN or abs(ahead) <= doubt:
            return cls(ahead, ahead, doubt)
        return cls(min(ahead, timedelta(0)), max(ahead, timedelta(0)), doubt)

    @classmethod
    def untold(cls) -> Self:
        """Return what holds where nothing is told: it may be behind as far as it takes requests."""
        return cls(-_REQUEST_AGE, timedelta(0), MARGIN)


#: What is to be done, until a result: each `Call` is given its outcome, a `Pause` nothing.
Steps: TypeAlias = Generator[Call | Pause, Reply | Failure, _Result]


class Core(Generic[_Request]):
    """What the clients have in common; they carry out its steps, and say what the arguments are."""

    def __init__(
        self,
        base_url: str,
        token: str,
        secret: str | Secret,
        *,
        clock: Callable[[], datetime] | None,
        checker: Callable[[str, str], Judgement] | None,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.token = checked_token(token)
        self._secret = checked_secret(secret)
        self._clock = clock or utc_now
        self._checker = checker
        self._answered: deque[int] = deque(maxlen=_REMEMBERED)
        # What is like what, and since when it is on its way, or lost.
        self._unanswered: deque[tuple[int, datetime]] = deque(maxlen=_REMEMBERED)

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:  # noqa: ANN401 - passed on
        """Make a client from settings; the options are those of the class."""
        return cls(settings.url, settings.token, settings.secret, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, token={self.token!r})"

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
        order = Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        return order.instruction(self._checker)

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
    ) -> _Request:
        """Return the signed request that `send` would send; SolarUser takes it for 15 minutes."""
        order = Order(action, message, node_id, co_id, cg_identifier, correlation_id, expires)
        return self.prepare_instruction(order.instruction(self._checker))

    def prepare_instruction(self, instruction: Instruction) -> _Request:
        """Return the signed request that `submit` would send."""
        call = self._adding(instruction)
        request = self._prepared(call)
        return request.raise_for(call.posting) if isinstance(request, Failure) else request

    def _prepared(self, call: Call) -> _Request | Failure:
        """Return the signed request, or why its address cannot be used."""
        raise NotImplementedError

    def _adding(self, instruction: Instruction) -> Call:
        since = self._clock().astimezone(UTC) - MARGIN
        url = f"{self.base_url}{_PATH}/add/{quote(instruction.topic, safe='')}"
        return Call(url, Posting(instruction, since))

    def _forget(self, instruction: Instruction, since: datetime) -> None:
        with suppress(ValueError):  # so many were sent after it
            self._unanswered.remove((_likeness(instruction), since))

    def _submit(self, instruction: Instruction) -> Steps[InstructionStatus]:
        call = self._adding(instruction)
        since = call.posting.since if call.posting else self._clock()
        self._unanswered.append((_likeness(instruction), since))
        try:
            status = (yield from self._exchange(call)).instruction()
        except PossiblySent:
            raise
        except OscpSendError:
            self._forget(instruction, since)
            raise
        self._answered.append(status.id)
        self._forget(instruction, since)
        return raise_if_declined(status)

    def _settle(
        self, error: PossiblySent, timeout: float, poll: float
    ) -> Steps[InstructionStatus | None]:
        node, certain = error.instruction.node_id, error.since + 2 * MARGIN + _REQUEST_AGE
        pace, ahead = _Pace(self._clock, timeout, poll), _Ahead.untold()
        while True:
            trouble: RateLimited | Unreachable | None = None
            if ahead.doubt == MARGIN:
                ahead = yield from self._service_clock(pace.remaining)
            start = error.since + MARGIN + ahead.least - ahead.doubt
            is_certain = self._clock() + ahead.least > certain
            try:
                rows = yield from self._list(node_ids=[node], start=start, end=certain)
                found = self._found(error, rows, ahead)
                if found is None and is_certain:
                    yield from self._refuse_damaged(error)
                if found is not None or is_certain:
                    return found
            except (RateLimited, Unreachable) as failed:
                trouble = failed
            pause = pace.pause(trouble)
            if pause is None:
                break
            yield pause
        what = f"it cannot be looked for: {trouble}" if trouble else "it is not there yet"
        by_our_clock = utc_text(certain - ahead.least, "seconds")
        said = f"{what}; that will be certain from {by_our_clock} on"
        raise error.again(said, start) from error

    def _service_clock(self, within: float) -> Steps[_Ahead]:
        """Ask how far SolarUser's clock is ahead; the time of the answer counts as on the way."""
        reply = yield Call(f"{self.base_url}/solaruser/ping", within=max(within, _SHORTEST_LOOK))
        told = reply.service_time() if isinstance(reply, Reply) else None
        return _Ahead.told(told[0] - self._clock(), told[1]) if told else _Ahead.untold()

    def _found(
        self, error: PossiblySent, rows: Iterable[InstructionStatus], ahead: _Ahead
    ) -> InstructionStatus | None:
        """Return what was sent then at the earliest, or None.

        Raises:
            PossiblySent: What is like it may be something else.
        """
        given, start = error.instruction, error.since + MARGIN + ahead.least - ahead.doubt
        alike = [row for row in rows if row.id not in self._answered and given.is_carried_by(row)]
        if len(alike) == 1 and self._is_it(error, alike[0], ahead):
            self._forget(given, error.since)
            return alike[0]
        if alike:
            raise error.again("what is like it may be something else", start, alike) from error
        return None

    def _is_it(self, error: PossiblySent, row: InstructionStatus, ahead: _Ahead) -> bool:
        """Return whether no equal one was sent before, nor by this client by then."""
        since, created = error.since, row.created
        if not row.parameters or created is None or created < since + MARGIN + ahead.most:
            return False
        like = _likeness(error.instruction)
        equal = [at for what, at in tuple(self._unanswered) if what == like]
        first, last = since - _REQUEST_AGE - MARGIN, created - ahead.least + ahead.doubt - MARGIN
        return equal.count(since) <= 1 and not any(
            first <= at <= last for at in equal if at != since
        )

    def _refuse_damaged(self, error: PossiblySent) -> Steps[None]:
        """Raise PossiblySent where the answer was about an instruction that may be this one.

        That is one with another message, which something on the way may have damaged.
        """
        other = None if error.other is None else (yield from self._view(error.other))
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

    def _wait(
        self, instruction: InstructionStatus | int, timeout: float, poll: float
    ) -> Steps[InstructionStatus]:
        known = instruction if isinstance(instruction, InstructionStatus) else None
        number = instruction if known is None else known.id
        if not isinstance(number, int):
            raise TypeError(
                f"wait for what send returned, or its id, not for {number}: is send awaited?"
            )
        pace = _Pace(self._clock, timeout, poll)
        while known is None or not known.state.is_final:
            trouble: RateLimited | Unreachable | None = None
            try:
                known = yield from self._see(number, max(pace.remaining, _SHORTEST_LOOK))
            except (RateLimited, Unreachable) as error:
                trouble = error
            except (NotAuthorised, NotUnderstood) as error:
                said = f"Instruction {number} was queued before, and goes on without being seen."
                # What stands beside a status is a line of its own, without a full stop.
                between = "\n" if "\n" in error.hint else " "
                error.hint = f"{error.hint}{between}{said}".strip()
                raise
            if known is not None and known.state.is_final:
                break
            pause = pace.pause(trouble)
            if pause is None:
                hint = state_hint(known.state) if known is not None else ""
                raise DeadlinePassed(number, timeout, instruction=known, trouble=trouble, hint=hint)
            yield pause
        return raise_if_declined(known)

    def _see(self, number: int, within: float) -> Steps[InstructionStatus]:
        found = yield from self._view(number, within)
        if found is None:
            raise Refused(
                200,
                f"SolarUser knows no instruction {number}",
                hint="Check its id; finished instructions are removed after some weeks.",
            )
        return found

    def _view(self, number: int, within: float | None = None) -> Steps[InstructionStatus | None]:
        url = f"{self.base_url}{_PATH}/view"
        answer = yield from self._exchange(Call(url, params={"id": str(number)}, within=within))
        return answer.instruction_or_none()

    def _list(
        self,
        *,
        ids: Iterable[int] | None = None,
        node_ids: Iterable[int] | None = None,
        states: Iterable[InstructionState | str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Steps[tuple[InstructionStatus, ...]]:
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
        answer = yield from self._exchange(Call(self.base_url + _PATH + path, params=params))
        return answer.instructions()

    def _exchange(self, call: Call) -> Steps[Answer]:
        outcome = yield call
        if isinstance(outcome, Failure):
            outcome.raise_for(call.posting)
        return Answer(outcome, self._clock, call.posting)


class _Pace:
    """Plans pauses that grow, until a deadline.

    Pauses count even if they take no time, so that any way to pause leads to the deadline.
    """

    def __init__(self, clock: Callable[[], datetime], timeout: float, poll: float) -> None:
        if not (timeout >= 0 and poll > 0):
            raise InvalidValue("", f"timeout {timeout} and poll {poll} must be positive seconds")
        self._clock = clock
        self._timeout, self._pause = timeout, poll
        self._began, self._paused = time.monotonic(), 0.0

    @property
    def remaining(self) -> float:
        """The seconds until the deadline; negative after it."""
        return self._timeout - max(time.monotonic() - self._began, self._paused)

    def pause(self, trouble: RateLimited | Unreachable | None) -> Pause | None:
        """Return the pause before another look, as a busy service asks; None after the deadline."""
        remaining, wanted = self.remaining, max(self._pause, _SHORTEST_RESPITE if trouble else 0)
        if remaining <= 0:
            return None
        if trouble is not None and trouble.retry_at is not None:
            wanted = max(wanted, (trouble.retry_at - self._clock()).total_seconds())
        nap = min(wanted, remaining)
        self._paused += nap
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        return Pause(nap)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes, and those that libraries put into arguments or groups.

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
        group = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        within = (*link.args, *group, link.__cause__)
        waiting.extend(item for item in within if isinstance(item, BaseException))


def in_words(
    links: Sequence[BaseException], kinds: Iterable[tuple[type[BaseException], str]]
) -> str:
    """Return for people how an exchange failed.

    Args:
        links: The error, and those that led to it.
        kinds: What an error is called, the first that is among them.
    """
    for kind, words in kinds:
        if any(isinstance(link, kind) for link in links):
            return words
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {link.verify_message}"
    for link in reversed(links):
        if isinstance(link, OSError) and link.strerror:
            # asyncio has an address in the place of the system's own words.
            failed = link.strerror.startswith("Connect call failed")
            said = os.strerror(link.errno or 0) if failed else link.strerror
            return said[:1].lower() + said[1:]
    return f"the exchange failed ({type(links[-1]).__name__})"


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine's own, for which no proxy is asked."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _likeness(instruction: Instruction) -> int:
    return hash((instruction.topic, instruction.node_id, instruction.parameters))


def _listed(values: Iterable[int | str] | None) -> str | None:
    return None if values is None else ",".join(str(value) for value in values)

"""The client of SolarUser's instruction API: judge, build, sign, post, and follow to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Self, TypeVar

import requests
from requests import PreparedRequest, Session

from oscp_send.core import TIMEOUT, Core, Patience, Pause, Steps
from oscp_send.errors import PossiblySent
from oscp_send.findings import Judgement
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from oscp_send.messages import Message
from oscp_send.order import Order
from oscp_send.settings import Secret
from oscp_send.snws2 import SNWS2Auth
from oscp_send.transport import Transport

_Result = TypeVar("_Result")


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

    _transport: Transport

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
        auth = SNWS2Auth(self.token, self._secret, clock=self._clock)
        self._transport = Transport(self._session, auth, timeout, self.base_url)

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
        return self._run(self._settle(error, timeout, poll))

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
                    step = steps.send(self._transport.exchange(step))
        except StopIteration as end:
            result: _Result = end.value
            return result

"""The client of SolarUser's instruction API for programs that use `async` and `await`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from oscp_send.core import TIMEOUT, Core, Patience, Pause, Steps
from oscp_send.errors import PossiblySent
from oscp_send.findings import Judgement
from oscp_send.httpx_transport import AsyncTransport, SNWS2HttpxAuth, new_client
from oscp_send.instruction import Instruction, InstructionState, InstructionStatus
from oscp_send.messages import Message
from oscp_send.order import Order
from oscp_send.settings import Secret

if TYPE_CHECKING:
    import httpx

_Result = TypeVar("_Result")


class AsyncSolarUserClient(Core["httpx.Request"]):
    """Sends OSCP messages through SolarUser and follows them, as `SolarUserClient` does.

    The client never posts anything twice that may have been accepted. Any number of tasks may share
    it, on one event loop of asyncio or trio; those for which no connection is free wait for one.

    A task that is cancelled during `send` or `submit` may have sent the instruction. The
    cancellation goes on, with a `PossiblySent` as its cause; it has none where certainly nothing
    was sent. Of a task that waits for a free connection that is not certain. `possibly_sent` finds
    the `PossiblySent`, also below the TimeoutError that asyncio makes of a cancellation.

    Args:
        base_url: Scheme, host, and port where it is not the default, such as
            `https://data.solarnetwork.net`.
        token: The id of a security token of type User.
        secret: The token's secret; it appears in no repr, log or error.
        client: A client of httpx to use, for proxies, certificates or transports; it is not closed
            with this one, and keeps proxies that it took of the environment.
        timeout: Seconds to connect and to wait for an answer; one number for both, or a pair.
        clock: Returns the aware time to sign with; the system's unless given.
        sleep: Pauses for some seconds while `wait` waits; `anyio.sleep` unless given.
        checker: Judges a message by its action and text; `oscp_send.check` unless given.

    Raises:
        SettingsError: The base URL, the token or the secret is unusable.
    """

    _transport: AsyncTransport

    def __init__(
        self,
        base_url: str,
        token: str,
        secret: str | Secret,
        *,
        client: httpx.AsyncClient | None = None,
        timeout: Patience = TIMEOUT,
        clock: Callable[[], datetime] | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        checker: Callable[[str, str], Judgement] | None = None,
    ) -> None:
        super().__init__(base_url, token, secret, clock=clock, checker=checker)
        self._sleep = sleep or _sleep
        self._own_client = client is None
        self._client = client or new_client(self.base_url)
        auth = SNWS2HttpxAuth(self.token, self._secret, clock=self._clock)
        self._transport = AsyncTransport(self._client, auth, timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, unless the client of httpx was given."""
        if self._own_client:
            await self._client.aclose()

    async def send(
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
        return await self.submit(order.instruction(self._checker))

    async def submit(self, instruction: Instruction) -> InstructionStatus:
        """Send an instruction as it is, judging nothing, once, as `SolarUserClient.submit` does."""
        return await self._run(self._submit(instruction))

    async def settle(
        self, error: PossiblySent, *, timeout: float = 0.0, poll: float = 0.25
    ) -> InstructionStatus | None:
        """Find out what became of an instruction, as `SolarUserClient.settle` does."""
        return await self._run(self._settle(error, timeout, poll))

    async def wait(
        self, instruction: InstructionStatus | int, *, timeout: float = 60.0, poll: float = 0.25
    ) -> InstructionStatus:
        """Follow an instruction until it is Completed, as `SolarUserClient.wait` does."""
        return await self._run(self._wait(instruction, timeout, poll))

    async def view(self, instruction_id: int) -> InstructionStatus | None:
        """Return an instruction as it is now, or None if SolarUser does not know it."""
        return await self._run(self._view(instruction_id))

    async def list(
        self,
        *,
        ids: Iterable[int] | None = None,
        node_ids: Iterable[int] | None = None,
        states: Iterable[InstructionState | str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[InstructionStatus, ...]:
        """Return the instructions that match, as `SolarUserClient.list` does."""
        return await self._run(
            self._list(ids=ids, node_ids=node_ids, states=states, start=start, end=end)
        )

    async def _run(self, steps: Steps[_Result]) -> _Result:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await self._sleep(step.seconds)
                    step = next(steps)
                else:
                    step = steps.send(await self._transport.exchange(step))
        except StopIteration as end:
            result: _Result = end.value
            return result


async def _sleep(seconds: float) -> None:
    from anyio import sleep  # noqa: PLC0415 - comes with httpx

    await sleep(seconds)

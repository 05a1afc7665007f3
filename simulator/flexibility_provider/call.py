"""One request on its way through the Flexibility Provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_send.findings import Finding
    from simulator.flexibility_provider.authentication import Caller
    from simulator.flexibility_provider.reading import Message
    from simulator.wire import WireRequest

__all__ = ["Call"]


@dataclass(slots=True)
class Call:
    """What is known of a request so far, and what the journal is to know of it.

    Attributes:
        wire: The request as it was sent.
        body: Its body; None where it is longer than the simulator takes.
        action: The OSCP message that its path stands for.
        caller: Who asks; None until that is known.
        is_read: Whether the body was looked at.
        message: The message; None until it is known.
        findings: What there is to say of it.
        why: What the simulator knows of a refusal beyond its answer.
        afterwards: What is to be done once the exchange stands in the journal.
    """

    wire: WireRequest
    body: bytes | None
    action: str | None = None
    caller: Caller | None = None
    is_read: bool = False
    message: Message | None = None
    findings: list[Finding] = field(default_factory=list)
    why: str | None = None
    afterwards: Callable[[], object] | None = None

    @property
    def known_caller(self) -> Caller:
        """Who asks; there is always somebody behind the check of tokens."""
        if self.caller is None:
            raise AssertionError("an endpoint was reached without a token")
        return self.caller

    @property
    def request_id(self) -> str | None:
        """The X-Request-ID."""
        return self.wire.header("x-request-id")

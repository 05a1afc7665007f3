"""What SolarUser hands to the Flexibility Provider over the message queue between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HandOff", "QueuedMessage"]


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """The body of a message on `instr/OSCP_v20` (SolarUser dossier §3.4).

    Attributes:
        id: The instruction.
        node_id: Its node.
        user_id: The node's owner.
        action: The OSCP message name.
        co_id: The Capacity Optimizer's configId.
        cg_identifier: The Capacity Group's identifier.
        msg: The message, decoded.
        correlation_id: The `correlationId` parameter, where it is passed on.
    """

    id: int
    node_id: int
    user_id: int
    action: str
    co_id: int
    cg_identifier: str
    msg: Mapping[str, Any]
    correlation_id: str | None = None


class HandOff(Protocol):
    """Takes a message from SolarUser and sees to it that the Flexibility Provider gets it."""

    def __call__(self, message: QueuedMessage) -> None:
        """Hands a message over, without waiting for what becomes of it."""
        ...

"""To whom a bare message goes."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from oscp_send.settings import Settings

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """What the command line says of the instruction around a message; None where it is silent.

    Attributes:
        node_id: The node.
        co_id: The `configId` of the Capacity Optimizer.
        cg_identifier: The `identifier` of the Capacity Group.
        correlation_id: The request id of the forecast that is answered.
    """

    node_id: int | None = None
    co_id: str | None = None
    cg_identifier: str | None = None
    correlation_id: str | None = None

    def is_given(self) -> bool:
        """Tells whether the command line says anything."""
        return any(value is not None for value in astuple(self))

    def completed(self, settings: Settings) -> tuple[int, str, str]:
        """Answers with node, Capacity Optimizer and Capacity Group.

        Raises:
            UsageError: One of them is neither on the command line nor in the settings.
        """
        node_id = self.node_id if self.node_id is not None else settings.node_id
        co_id = self.co_id if self.co_id is not None else settings.co_id
        group = self.cg_identifier if self.cg_identifier is not None else settings.cg_identifier
        if node_id is None:
            raise _missing("--node-id", "node_id")
        if co_id is None:
            raise _missing("--co-id", "co_id")
        if group is None:
            raise _missing("--cg-identifier", "cg_identifier")
        return node_id, co_id, group


def _missing(option: str, key: str) -> click.UsageError:
    return click.UsageError(
        f"a bare message does not say where it goes: give {option}, or {key} in the "
        "configuration file"
    )

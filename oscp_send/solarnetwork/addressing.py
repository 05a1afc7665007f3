"""Whom the parameters of an instruction name: checks 2 to 6 of the queue hook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oscp_send.solarnetwork import hook_texts
from oscp_send.solarnetwork.java import parse_long

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "Unaddressed", "read_address"]


@dataclass(frozen=True, slots=True)
class Address:
    """What an instruction is, and for whom: the OSCP message name, `coId` and `cgIdentifier`."""

    action: str
    optimizer: int
    group: str

    def known(self) -> dict[str, Any]:
        """Answers with the parameters as the hook has read them."""
        return {"action": self.action, "coId": self.optimizer, "cgIdentifier": self.group}


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """Parameters that name nobody.

    Attributes:
        error: The service's text.
        known: What was read before the check that failed.
    """

    error: str
    known: Mapping[str, Any] = field(default_factory=dict)


def read_address(parameters: Mapping[str, str]) -> Address | Unaddressed:
    """Answers with whom joined parameters name, or with the first check that fails.

    As observed in SolarNetwork (SolarUser dossier §3.1).
    """
    if not parameters:
        return Unaddressed(hook_texts.MISSING_PARAMETERS)
    action = parameters.get("action", "")
    if not action.strip():
        return Unaddressed(hook_texts.MISSING_ACTION)
    text = parameters.get("coId")
    if text is None:
        return Unaddressed(hook_texts.MISSING_OPTIMIZER, {"action": action})
    try:
        optimizer = parse_long(text)
    except ValueError:
        return Unaddressed(hook_texts.INVALID_OPTIMIZER, {"action": action, "coId": text})
    group = parameters.get("cgIdentifier", "")
    if not group.strip():
        return Unaddressed(hook_texts.MISSING_GROUP, {"action": action, "coId": optimizer})
    return Address(action, optimizer, group)

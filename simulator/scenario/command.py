"""What a scenario has a simulated party do, besides sending instructions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from simulator.yaml_source import YamlDocument

__all__ = ["Command", "PlayedParty", "Wait"]

Role = Literal["capacity_provider", "capacity_optimizer"]


def _source() -> YamlDocument:
    return YamlDocument.of(None, "scenario")


@dataclass(frozen=True, slots=True)
class PlayedParty:
    """A Capacity Provider or Capacity Optimizer that the simulator plays.

    Attributes:
        role: Which of the two.
        id: Its configId.
        user: Whose it is; needed only where several users have one of that id.
    """

    role: Role
    id: int
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A message that a simulated party sends of its own accord.

    Attributes:
        name: As `register`, `handshake`, `heartbeat`, `forecast`, `adjust` or `post`.
        party: Who sends it.
        fields: What the party is told about it, as the file has it.
        source: Where it stands.
    """

    name: str
    party: PlayedParty
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: YamlDocument = field(default_factory=_source, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that passes.

    Attributes:
        duration: How much.
    """

    duration: timedelta

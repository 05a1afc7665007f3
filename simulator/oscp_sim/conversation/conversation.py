"""One party's memory of what it and one other side said to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from oscp_send.findings import Finding
from oscp_sim.conversation.memory import Reading, Said, Side
from oscp_sim.conversation.rules import (
    judge_acknowledged,
    judge_adjusted,
    judge_adjustment,
    judge_blocks_of_forecast,
    judge_complained_of,
    judge_counters,
    judge_duplicate,
    judge_fallback,
    judge_fallbacks_at,
    judge_heartbeat,
    judge_intermittent,
    judge_last_heartbeat,
    judge_optimum,
    judge_order,
)
from oscp_sim.entry import PartyName

__all__ = ["Conversation"]


Rule = Callable[[Reading, Side, Side], Iterator["Finding"]]

_MEASUREMENTS: Final = (judge_intermittent, judge_counters)
_RULES: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {
        "HandshakeAcknowledge": (judge_acknowledged,),
        "Heartbeat": (judge_heartbeat, judge_last_heartbeat),
        "UpdateGroupCapacityForecast": (judge_optimum, judge_fallback),
        "AdjustGroupCapacityForecast": (judge_adjusted, judge_adjustment),
        "GroupCapacityComplianceError": (judge_complained_of, judge_blocks_of_forecast),
        "UpdateGroupMeasurements": _MEASUREMENTS,
        "UpdateAssetMeasurement": _MEASUREMENTS,
    }
)
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "capacity_optimizer": "the Capacity Optimizer",
        "capacity_provider": "the Capacity Provider",
        "flexibility_provider": "the Flexibility Provider",
    }
)


class Conversation:
    """What a party and one other side said to each other, as far as the rules ask for it.

    Judging a message changes nothing: it is remembered apart from that, if at all. What is
    remembered is bounded, however long the conversation goes on. It belongs to one thread at a
    time; who keeps it has the lock.

    Args:
        role: The party that keeps the conversation.
        registered: Whether both sides have registered before it begins.
        handshaken: Whether there was a handshake before it begins.
        peer: The other side; where it is left out, a Flexibility Provider's is called "the other
            side", and everybody else's is the Flexibility Provider.
    """

    def __init__(
        self,
        role: PartyName,
        *,
        registered: bool = False,
        handshaken: bool = False,
        peer: PartyName | None = None,
    ) -> None:
        other = peer or ("" if role == "flexibility_provider" else "flexibility_provider")
        self._here = Side(_NAMES[role], registered, handshaken)
        self._there = Side(_NAMES.get(other, "the other side"), registered, handshaken)
        self._latest: Reading | None = None

    @property
    def registered(self) -> bool:
        """Whether both sides have sent Register."""
        return self._here.registered and self._there.registered

    @property
    def handshaken(self) -> bool:
        """Whether either side has sent Handshake."""
        return self._here.handshaken or self._there.handshaken

    def judge(self, said: Said) -> tuple[Finding, ...]:
        """Answers with what is wrong with a message, given what was said before it.

        The rules that need no history are left to `oscp_send.meaning`.

        Args:
            said: The message, of either side; it is not remembered.
        """
        reading, (sender, receiver) = self._read(said), self._sides(said)
        found = [
            *judge_order(reading, sender, receiver),
            *judge_duplicate(reading, sender, receiver),
        ]
        for rule in _RULES.get(said.action, ()):
            found.extend(rule(reading, sender, receiver))
        return tuple(found)

    def judge_offline(self, at: datetime) -> tuple[Finding, ...]:
        """Answers with what S9 says when one side goes offline: never nothing.

        A group whose fallback forecasts cover the time is an info, any other a warning.

        Args:
            at: From when on it is offline, such as the `offline_mode_at` of its last heartbeat.
        """
        return tuple(judge_fallbacks_at(at, (self._here, self._there)))

    def remember(self, said: Said) -> None:
        """Remembers a message that was said, by either side; one that was refused was not said."""
        self._sides(said)[0].remember(self._read(said))

    def unregister(self) -> None:
        """Forgets the registration and what was agreed since, as after DELETE register."""
        for side in (self._here, self._there):
            side.forget_registration()

    def _sides(self, said: Said) -> tuple[Side, Side]:
        """Answers with the sender and the receiver of a message."""
        return (self._here, self._there) if said.sent else (self._there, self._here)

    def _read(self, said: Said) -> Reading:
        """Answers with what a message says; who judges and then remembers it reads it once."""
        if self._latest is None or self._latest.said.body is not said.body:
            self._latest = Reading(said)
        # Its number may be known only by now.
        self._latest.said = said
        return self._latest

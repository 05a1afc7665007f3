"""What two parties said to each other, and how the next message fits (oscp20.md §3.13, §9.3).

A party keeps one conversation with each other party. Rules that need no history are left to
`oscp_send.meaning`: no finding is made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from oscp_send.findings import Finding, bounded
from oscp_sim.conversation import behaviour, forecasts, sequence
from oscp_sim.conversation.memory import Speaker
from oscp_sim.conversation.message import ExchangedMessage, ParsedMessage
from oscp_sim.entry import PartyName

__all__ = ["Conversation", "ExchangedMessage", "journaled"]

# What a rule finds in a message, given what its sender and its receiver have said before.
_Rule = Callable[[ParsedMessage, Speaker, Speaker], Iterator[Finding]]

_MEASUREMENT_RULES: Final[tuple[_Rule, ...]] = (
    behaviour.judge_intermittent,
    behaviour.judge_counters,
)
_RULES: Final[Mapping[str, tuple[_Rule, ...]]] = MappingProxyType(
    {
        "Register": (sequence.judge_registered_again,),
        "HandshakeAcknowledge": (sequence.judge_acknowledged,),
        "Heartbeat": (behaviour.judge_heartbeat, forecasts.judge_last_heartbeat),
        "UpdateGroupCapacityForecast": (forecasts.judge_optimum, forecasts.judge_fallback),
        "AdjustGroupCapacityForecast": (sequence.judge_adjusted, forecasts.judge_adjustment),
        "GroupCapacityComplianceError": (
            sequence.judge_complained_of,
            forecasts.judge_blocks_of_forecast,
        ),
        "UpdateGroupMeasurements": _MEASUREMENT_RULES,
        "UpdateAssetMeasurement": _MEASUREMENT_RULES,
    }
)
_NAMES: Final[Mapping[str | None, str]] = MappingProxyType(
    {
        "capacity_optimizer": "the Capacity Optimizer",
        "capacity_provider": "the Capacity Provider",
        "flexibility_provider": "the Flexibility Provider",
        None: "the other side",
    }
)


class Conversation:
    """What a party and one other party said to each other, as far as the rules need it.

    Judging a message does not change anything: it is remembered separately, if at all. The memory
    is bounded. A conversation is not locked: its keeper uses it from one thread at a time.

    Args:
        role: The party that keeps the conversation.
        registered: Whether both parties have already registered.
        handshaken: Whether there has already been a handshake.
        peer: The other party; by default the Flexibility Provider. To a Flexibility Provider it
            is "the other side" by default.
    """

    def __init__(
        self,
        role: PartyName,
        *,
        registered: bool = False,
        handshaken: bool = False,
        peer: PartyName | None = None,
    ) -> None:
        if peer is None and role != "flexibility_provider":
            peer = "flexibility_provider"
        self._here = Speaker(_NAMES[role], registered, handshaken)
        self._there = Speaker(_NAMES.get(peer, _NAMES[None]), registered, handshaken)
        self._latest: ParsedMessage | None = None

    @property
    def registered(self) -> bool:
        """Whether both parties have sent Register."""
        return self._here.registered and self._there.registered

    @property
    def handshaken(self) -> bool:
        """Whether either party has sent Handshake."""
        return self._here.handshaken or self._there.handshaken

    def judge(self, message: ExchangedMessage) -> tuple[Finding, ...]:
        """Return what is wrong with a message of either party, given what was said before it."""
        parsed, (sender, receiver) = self._parsed(message), self._sides(message)
        rules = (sequence.judge_order, sequence.judge_duplicate, *_RULES.get(message.action, ()))
        return tuple(bounded(found for rule in rules for found in rule(parsed, sender, receiver)))

    def judge_offline(self, at: datetime) -> tuple[Finding, ...]:
        """Return what rule S9 says once one party is offline: at least one finding.

        A group whose fallback forecasts cover the time is an info, any other a warning.
        """
        return tuple(forecasts.judge_fallbacks_at(at, (self._here, self._there)))

    def remember(self, message: ExchangedMessage) -> None:
        """Remember a message of either party; not for one that was refused."""
        self._sides(message)[0].remember(self._parsed(message))

    def unregister(self) -> None:
        """Forget the registration and what was agreed since, as after DELETE register."""
        self._here.forget_registration()
        self._there.forget_registration()

    def _sides(self, message: ExchangedMessage) -> tuple[Speaker, Speaker]:
        """Return the sender and the receiver of a message."""
        return (self._here, self._there) if message.sent else (self._there, self._here)

    def _parsed(self, message: ExchangedMessage) -> ParsedMessage:
        """Return what a message says; if it is judged and then remembered, it is parsed once."""
        if self._latest is None or self._latest.message.body is not message.body:
            self._latest = ParsedMessage(message)
        # Judged without a number, it may have one by now.
        self._latest.message = message
        return self._latest


def journaled(finding: Finding) -> dict[str, Any]:
    """Return a finding as the journal holds it: with its case, if it has one."""
    return finding.to_dict() | ({"case": finding.case} if finding.case else {})

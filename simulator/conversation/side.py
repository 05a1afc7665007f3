"""What one of the two sides of a conversation has said so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from simulator.conversation.counters import Counters
from simulator.conversation.forecasts import Forecasts
from simulator.conversation.reading import number
from simulator.conversation.request_ids import RequestIds

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.conversation.reading import Reading

__all__ = ["Heartbeat", "RequiredBehaviour", "Side"]


class Heartbeat(NamedTuple):
    """The latest heartbeat: when it was said, and when its sender goes offline without another."""

    offline_at: datetime
    at: datetime
    number: int | None


class RequiredBehaviour(NamedTuple):
    """What a side asked of the other in its latest Handshake or HandshakeAcknowledge."""

    heartbeat_interval: float | None
    measurement_configuration: frozenset[str]
    number: int | None


@dataclass(slots=True)
class Side:
    """One of the two parties, and what it said.

    Attributes:
        name: What findings call it.
        registered: Did it send Register?
        handshaken: Did it send Handshake?
        handshake: The number of its latest Handshake in the journal.
        requires: What it asks of the other side; None where it asked for nothing.
        heartbeat: Its latest heartbeat.
        ids: Its X-Request-IDs.
        forecasts: Its forecasts.
        counters: The readings of counters that it sent.
    """

    name: str
    registered: bool
    handshaken: bool
    handshake: int | None = None
    requires: RequiredBehaviour | None = None
    heartbeat: Heartbeat | None = None
    ids: RequestIds = field(default_factory=RequestIds)
    forecasts: Forecasts = field(default_factory=Forecasts)
    counters: Counters = field(default_factory=Counters)

    def remember(self, reading: Reading) -> None:
        """Remembers a message that this side said."""
        said = reading.said
        if said.request_id is not None:
            self.ids.put(said.request_id, said.action, said.number)
        match said.action:
            case "Register":
                self.registered = True
            case "Handshake":
                self.handshaken, self.handshake = True, said.number
                self._require(reading)
            case "HandshakeAcknowledge":
                self._require(reading)
            case "Heartbeat":
                if reading.offline_at is not None:
                    self.heartbeat = Heartbeat(reading.offline_at, said.at, said.number)
            case "UpdateGroupCapacityForecast":
                self.forecasts.remember(reading)
            case _:
                self.counters.remember(reading)

    def forget_registration(self) -> None:
        """Forgets that it is registered, and what was agreed since."""
        self.registered = self.handshaken = False
        self.handshake = self.requires = self.heartbeat = None

    def _require(self, reading: Reading) -> None:
        behaviour = reading.body.get("required_behaviour")
        if not isinstance(behaviour, Mapping):
            return
        interval = number(behaviour.get("heartbeat_interval"))
        asked = behaviour.get("measurement_configuration")
        self.requires = RequiredBehaviour(
            interval if interval is not None and interval >= 1 else None,
            frozenset(map(str, asked if isinstance(asked, list | tuple) else ())),
            reading.said.number,
        )

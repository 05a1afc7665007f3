"""What goes wrong between SolarUser and the Flexibility Provider, and on the way to a system."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from oscp_sim.clock import Schedule
from oscp_sim.entry import PartyName
from oscp_sim.faults.model import KINDS, Fault
from oscp_sim.faults.strikes import Faults, Occasion

_OF_HAND_OFF: Final = frozenset(fault for fault, kind in KINDS.items() if "hand_off" in kind.places)
_OF_DELIVERY: Final[frozenset[Fault]] = frozenset({"sent_twice"})
# Seconds, where a rule does not say how many.
_LATE: Final = 5.0
_HELD: Final = 30.0


class Message(Protocol):
    """What SolarUser hands to the Flexibility Provider."""

    @property
    def id(self) -> int:
        """The instruction."""
        ...

    @property
    def action(self) -> str:
        """The OSCP message name."""
        ...


_Message = TypeVar("_Message", bound=Message)


class HandOver(Generic[_Message]):
    """The queue between the two, on which messages get lost, late, doubled and overtaken."""

    def __init__(
        self, faults: Faults, schedule: Schedule, take: Callable[[_Message], object]
    ) -> None:
        self._faults = faults
        self._schedule = schedule
        self._take = take
        self._lock = threading.Lock()
        self._held: list[_Message] = []

    def __call__(self, message: _Message) -> None:
        """Hand over a message, or not, as the rules say."""
        occasion = Occasion("hand_off", action=message.action, instruction=message.id)
        armed = self._faults.strike(_OF_HAND_OFF, occasion)
        if armed is None:
            self._take(message)
            self._let_go()
            return
        rule = armed.rule
        seconds = rule.by.total_seconds() if rule.by else None
        self._faults.note(armed, occasion)
        if rule.fault == "doubled":
            self._take(message)
            self._take(message)
        elif rule.fault == "late":
            self._schedule.after(seconds or _LATE, partial(self._take, message))
        elif rule.fault == "reordered":
            with self._lock:
                self._held.append(message)
            self._schedule.after(seconds or _HELD, partial(self._release, message))

    def forget(self) -> None:
        """Forget what is held back."""
        with self._lock:
            self._held.clear()

    def _let_go(self) -> None:
        """Hand over what another message has overtaken now."""
        with self._lock:
            held, self._held = self._held, []
        for message in held:
            self._take(message)

    def _release(self, message: _Message) -> None:
        with self._lock:
            is_held = any(each is message for each in self._held)
            self._held = [each for each in self._held if each is not message]
        if is_held:
            self._take(message)


def is_sent_twice(faults: Faults, to: PartyName, action: str, instruction: int | None) -> bool:
    """Return whether a delivery that was answered is sent once more, and record it."""
    occasion = Occasion(to, action=action, instruction=instruction)
    armed = faults.strike(_OF_DELIVERY, occasion)
    if armed is not None:
        faults.note(armed, occasion)
    return armed is not None

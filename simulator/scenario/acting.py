"""Steps in which a simulated party sends something of its own accord, or time passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import FrozenClock
from simulator.seat_commands import carry_out

if TYPE_CHECKING:
    from simulator.clock import Clock
    from simulator.external_system.records import Sent
    from simulator.scenario.command import Command, PlayedParty, Wait
    from simulator.scenario.seats import Seats
    from simulator.simulator import Simulator

__all__ = ["ImpossibleStep", "act", "finish_what_is_due", "is_moved", "pass_time"]


class ImpossibleStep(Exception):
    """Raised for a step that cannot be done; its text says why and what to do.

    Attributes:
        pointer: The JSON Pointer, below the command, of what is at fault.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


def act(command: Command, simulator: Simulator, seats: Seats) -> Sent:
    """Has a simulated party send a message, and answers with what came of it.

    Raises:
        ImpossibleStep: The party is not there, is real, or cannot make such a message.
    """
    party = command.party
    real = getattr(seats, party.role).get(party.id)
    if real is not None:
        raise ImpossibleStep(
            f"{_name(party)} is real, at {real}: nobody here can make it act; "
            "leave the step out, or take its seat away"
        )
    find = simulator.provider if party.role == "capacity_provider" else simulator.optimizer
    try:
        return carry_out(find(party.id, party.user), command.name, command.fields)
    except (LookupError, ValueError) as error:
        raise ImpossibleStep(str(error.args[0] if error.args else error)) from error


def pass_time(wait: Wait, clock: Clock) -> None:
    """Lets time pass, with all that is due in it."""
    seconds = wait.duration.total_seconds()
    if is_moved(clock):
        clock.advance(seconds)
    else:
        clock.sleep(seconds)


def finish_what_is_due(clock: Clock) -> None:
    """Has done, before anybody looks, what is due at the present instant of a clock that stands."""
    if is_moved(clock):
        clock.advance(0)


def is_moved(clock: Clock) -> bool:
    """Tells whether a clock stands still but for who moves it."""
    return isinstance(clock, FrozenClock) and getattr(clock, "speed", None) is None


def _name(party: PlayedParty) -> str:
    kind = "Provider" if party.role == "capacity_provider" else "Optimizer"
    return f"Capacity {kind} {party.id}"

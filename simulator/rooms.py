"""The few things that all parties of a simulator share; all else between them is HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from oscp_send.fidelity import Behaviour
    from simulator.clock import Clock
    from simulator.instructions import Instructions
    from simulator.journal import Journal
    from simulator.user_events import UserEvents
    from simulator.world import World

__all__ = ["Rooms"]


@dataclass(slots=True)
class Rooms:
    """What a party is given when a simulator is put together.

    Attributes:
        world: Who exists.
        journal: Everything that happened.
        clock: What time it is.
        behaviour: Which side of each difference in fidelity to follow.
        instructions: The database that SolarUser and the Flexibility Provider share, as the real
            ones do; the other parties leave it alone.
        events: What the services tell each user, for the user to read (SolarUser user events).
        world_lock: Held by whoever replaces `world`; to read it, nobody needs it.
        seed: Makes what is invented; the same seed, the same bytes.
    """

    world: World
    journal: Journal
    clock: Clock
    behaviour: Behaviour
    instructions: Instructions
    events: UserEvents
    world_lock: threading.Lock
    seed: int = 1

"""The few things that all parties of a simulator share; all else between them is HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from oscp_send.fidelity import Behaviour
from oscp_sim.access_tokens import AccessTokens
from oscp_sim.addresses import Addresses
from oscp_sim.clock import Clock, Schedule
from oscp_sim.dataclass_values import changed
from oscp_sim.entry import PartyName
from oscp_sim.faults import Faults
from oscp_sim.faults.answers import wrong_by
from oscp_sim.instructions import Instructions
from oscp_sim.journal import Journal
from oscp_sim.outgoing import Outgoing
from oscp_sim.user_events import UserEvents
from oscp_sim.world import Broker, CapacityOptimizer, CapacityProvider, World


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a simulator remembers, the newest; all of it where None.

    Each is a number of things of 4 KB on average: of larger ones there are fewer.

    Attributes:
        journal: Entries of the journal.
        instructions: Instructions; the oldest that is at its end goes first, and none under way.
        events: User events.
        messages: What each system got, and as many that it sent.
    """

    journal: int | None = None
    instructions: int | None = None
    events: int | None = None
    messages: int | None = 10_000


#: Of a simulator that runs for weeks: some 300 MB, whatever comes.
BOUNDED: Final = Limits(25_000, 20_000, 15_000, 1_000)


# The dates of heartbeats. Who watches the world plans by no other than those that it writes itself.
_DATES: Final = frozenset({"heartbeat_date", "offline_date"})


@dataclass(slots=True)
class Shared:
    """What a party is given when a simulator is put together.

    Attributes:
        world: Who exists.
        journal: Everything that happened.
        clock: What time it is.
        behaviour: Which side of each difference in fidelity to follow.
        instructions: The database that SolarUser and the Flexibility Provider share, as the real
            ones do; the other parties leave it alone.
        events: What the services tell each user, for the user to read (SolarUser user events).
        world_lock: Held to replace `world`; not needed to read it.
        schedule: What is to be done later.
        outgoing: Carries what one party sends another.
        addresses: Where they are.
        access_tokens: What the systems that the simulator plays are shown where they want OAuth.
        faults: What shall go wrong.
        watchers: Called after each change of the world, by the thread that changed it; not where
            only a heartbeat is dated.
        limits: How much is remembered.
        seed: Makes what is invented; the same seed, the same bytes.
        clients_clock: By which clients may go besides, where it is another clock.
        first_world: Who existed at the start; None: as now.
    """

    world: World
    journal: Journal
    clock: Clock
    behaviour: Behaviour
    instructions: Instructions
    events: UserEvents
    world_lock: threading.Lock
    schedule: Schedule
    outgoing: Outgoing
    addresses: Addresses
    access_tokens: AccessTokens
    faults: Faults
    limits: Limits = Limits()
    seed: int = 1
    watchers: list[Callable[[], None]] = field(default_factory=list)
    clients_clock: Clock | None = None
    first_world: World | None = None

    def now(self, party: PartyName) -> datetime:
        """Return what time a party takes it for, which is another one where its clock is wrong."""
        now = self.clock.now()
        return now + self.faults.moved(party) if self.faults.rules else now

    def time_to_write(self, party: PartyName, action: str) -> datetime:
        """Return the present as a party writes it into a message that it sends."""
        now = self.clock.now()
        return now + wrong_by(self.faults, party, action) if self.faults.rules else now

    def change_system(
        self, user_id: int, system: CapacityProvider | CapacityOptimizer, **changes: object
    ) -> None:
        """Change single values of a Capacity Provider or Optimizer, if it still exists.

        Args:
            user_id: Whose it is.
            system: Which, by its kind and id; its other values may be out of date.
            **changes: The new values, by the names of the world.
        """
        with self.world_lock:
            current = self.world.current(user_id, system)
            if current is None:
                return
            world = self.world.with_system(user_id, changed(current, **changes))
            if changes.keys() <= _DATES:
                self.world = world
            else:
                self.replace_world(world)

    def change_group(self, user_id: int, group_id: int, **changes: object) -> None:
        """Change single values of a Capacity Group, if it still exists.

        Args:
            user_id: Whose it is.
            group_id: Which.
            **changes: The new values, by the names of the world.
        """
        with self.world_lock:
            user = self.world.user(user_id)
            if user is None or all(each.id != group_id for each in user.capacity_groups):
                return
            groups = tuple(
                changed(each, **changes) if each.id == group_id else each
                for each in user.capacity_groups
            )
            self.replace_world(self.world.with_user(changed(user, capacity_groups=groups)))

    def set_broker(self, state: Broker) -> None:
        """Stop the broker between the services, or start it.

        Raises:
            LookupError: It is that of a SolarUser elsewhere.
        """
        if self.world.solaruser is not None:
            message = f"SolarUser is real, at {self.world.solaruser}: its broker is its own"
            raise LookupError(message)
        with self.world_lock:
            self.replace_world(changed(self.world, broker=state))
        self.journal.append("solaruser", "note", detail={"broker": state})

    def replace_world(self, world: World) -> None:
        """Put another world in the place of this one, and tell who watches; under the lock."""
        self.world = world
        for watcher in self.watchers:
            watcher()

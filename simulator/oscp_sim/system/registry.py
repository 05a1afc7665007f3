"""The seats of all systems of one kind, found by id, or by the token that they are called with."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from oscp_sim.addresses import path_of
from oscp_sim.system.system import Seat
from oscp_sim.world import Simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from oscp_sim.entry import PartyName
    from oscp_sim.shared import Shared
    from oscp_sim.world import CapacityOptimizer, CapacityProvider, User, World

__all__ = ["Seats"]


S = TypeVar("S", bound=Seat)
Remembered = dict[tuple[int, str, int], dict[str, Any]]

# Of how many names of this host the seats are at hand; any client may make one up.
_HOSTS = 16


class Seats(Generic[S]):
    """Makes a seat for each system that the simulator plays, and keeps it.

    Args:
        shared: The shared shared.
        party: What kind of system they are.
        systems: Answers with a user's systems of that kind.
        make: Makes a seat of shared, user id, system, and what to call when its tokens change.
        acts: Tells whether a system does anything by itself from the start.
    """

    def __init__(
        self,
        shared: Shared,
        party: PartyName,
        systems: Callable[[User], Sequence[CapacityProvider | CapacityOptimizer]],
        make: Callable[[Shared, int, Any, Callable[[], None]], S],
        acts: Callable[[Any], bool],
    ) -> None:
        self._shared = shared
        self._party = party
        self._systems = systems
        self._make = make
        self._acts = acts
        self._lock = threading.RLock()
        self._seats: dict[tuple[int, int], S] = {}
        self._callers: dict[str, Mapping[tuple[str, str | None], tuple[S, ...]]] = {}
        self._firsts: dict[str, S | None] = {}
        self._of_world: World | None = None
        self._has_addresses = False

    def seat(self, id: int, user: int | None = None) -> S:  # noqa: A002 - as the world calls it
        """Answers with one seat.

        Args:
            id: Of the system.
            user: Whose it is; need not be given where one user alone has one of that id.

        Raises:
            ValueError: Several users have one of that id.
            LookupError: There is none, or it is played elsewhere.
        """
        found = [
            (owner, system)
            for owner in self._shared.world.users
            for system in self._systems(owner)
            if system.id == id and user in {None, owner.id}
        ]
        kind = self._party.replace("_", " ").title()
        if len(found) > 1:
            users = ", ".join(str(owner.id) for owner, _ in found)
            raise ValueError(f"the users {users} have a {kind} {id} each: name one of them")
        if not found:
            raise LookupError(f"there is no {kind} {id}{_of(user)}; there is {self._all()}")
        owner, system = found[0]
        url = system.base_url
        if isinstance(url, str) and not self._leads_here(owner.id, system):
            raise LookupError(f"{kind} {id} of user {owner.id} is at {url}: it is not played here")
        with self._lock:
            return self._seat(owner.id, system)

    def calling(self, path: str, token: str | None, host: str) -> tuple[S, ...]:
        """Answers with the seats that a token may be for: good, expired, or replaced.

        Args:
            path: Below which they are played.
            token: What was shown; None: nothing.
            host: The name under which the simulator was called.
        """
        world = self._shared.world
        if self._of_world is not world:
            self._follow(world)
        found = self._callers.get(host if self._has_addresses else "")
        if found is None:
            found = self._index(world, host if self._has_addresses else "")
        return found.get((path, token), ())

    def played(self, path: str) -> tuple[S, ...]:
        """Answers with all seats that are played below a path."""
        with self._lock:
            return tuple(self._played(path))

    def first(self, path: str) -> S | None:
        """Answers with the first seat that is played below a path."""
        world = self._shared.world
        if self._of_world is not world:
            self._follow(world)
        if path not in self._firsts:
            with self._lock:
                self._firsts[path] = next(self._played(path), None)
        return self._firsts.get(path)

    def plan(self) -> None:
        """Makes tasks for what the systems do by themselves."""
        for user in self._shared.world.users:
            for system in self._systems(user):
                if isinstance(system.base_url, Simulated) and (
                    self._acts(system) or (user.id, system.id) in self._seats
                ):
                    self.seat(system.id, user.id).plan()

    def reset(self) -> None:
        """Forgets everything; what the systems do by themselves begins anew."""
        with self._lock:
            seats, self._seats = list(self._seats.values()), {}
            self._of_world = None
        for seat in seats:
            seat.end()
        self.plan()

    def remembered(self) -> Remembered:
        """Answers with what must not be forgotten over a restart; with secrets."""
        with self._lock:
            seats = list(self._seats.items())
        return {(user, self._party, id_): seat.remembered() for (user, id_), seat in seats}

    def recall(self, remembered: Mapping[tuple[int, str, int], Mapping[str, Any]]) -> None:
        """Takes up what was remembered before a restart; what the world has no more is left out."""
        for (user, party, system), each in remembered.items():
            if party == self._party:
                # What the world has no more is passed over.
                with suppress(LookupError):
                    seat = self.seat(system, user)
                    seat.recall(each)
                    seat.plan()

    def _follow(self, world: World) -> None:
        """Takes note of another world: systems may have come and gone, and tokens changed.

        Mostly it is another for a heartbeat's sake: then all that was found out still holds.
        """
        with self._lock:
            before = self._of_world
            if before is not None and self._are_alike(before, world):
                self._of_world = world
                return
            there = {(u.id, each.id): each for u in world.users for each in self._systems(u)}
            for key in [key for key in self._seats if key not in there]:
                self._seats.pop(key).end()
            self._has_addresses = any(isinstance(s.base_url, str) for s in there.values())
            self._callers, self._firsts = {}, {}
            self._of_world = world

    def _are_alike(self, before: World, after: World) -> bool:
        """Tells whether two worlds have the same systems, at the same places, with the same tokens.

        Most are the very same objects, so that even many are compared in no time.
        """
        if len(before.users) != len(after.users):
            return False
        for old, new in zip(before.users, after.users, strict=True):
            if old is new:
                continue
            olds, news = self._systems(old), self._systems(new)
            if old.id != new.id or len(olds) != len(news):
                return False
            if any(a is not b and _place(a) != _place(b) for a, b in zip(olds, news, strict=True)):
                return False
        return True

    def _index(self, world: World, host: str) -> Mapping[tuple[str, str | None], tuple[S, ...]]:
        with self._lock:
            callers: dict[tuple[str, str | None], list[S]] = defaultdict(list)
            for user in world.users:
                for system in self._systems(user):
                    path = path_of(system)
                    if _is_played(system, path, host):
                        seat = self._seat(user.id, system)
                        tokens = [each.value for each in seat.registration.issued]
                        for token in (*(tokens or (None,)), *seat.registration.ended):
                            callers[path, token].append(seat)
            found = {key: tuple(seats) for key, seats in callers.items()}
            if len(self._callers) >= _HOSTS:
                self._callers = {}
            if world is self._of_world:
                self._callers[host] = found
            return found

    def _played(self, path: str) -> Iterator[S]:
        for user in self._shared.world.users:
            for system in self._systems(user):
                if path_of(system) == path and isinstance(system.base_url, Simulated):
                    yield self._seat(user.id, system)

    def _seat(self, user_id: int, system: CapacityProvider | CapacityOptimizer) -> S:
        key = user_id, system.id
        seat = self._seats.get(key)
        if seat is None:
            seat = self._make(self._shared, user_id, system, self._tokens_changed)
            self._seats[key] = seat
        return seat

    def _tokens_changed(self) -> None:
        with self._lock:
            self._callers = {}

    def _leads_here(self, user_id: int, system: CapacityProvider | CapacityOptimizer) -> bool:
        if (user_id, system.id) in self._seats:
            return True
        url = system.base_url if isinstance(system.base_url, str) else ""
        return self._shared.addresses.leads_here(url, path_of(system))

    def _all(self) -> str:
        found = [
            f"{system.id} of user {user.id}"
            for user in self._shared.world.users
            for system in self._systems(user)
        ]
        return ", ".join(found) or "none at all"


def _of(user: int | None) -> str:
    return "" if user is None else f" of user {user}"


def _place(system: CapacityProvider | CapacityOptimizer) -> tuple[object, ...]:
    """Answers with all that decides who is called where with which token."""
    return system.id, system.base_url, system.token, path_of(system)


def _is_played(system: CapacityProvider | CapacityOptimizer, path: str, host: str) -> bool:
    """Tells whether the simulator plays a system, or is where its base URL leads."""
    if isinstance(system.base_url, Simulated):
        return True
    try:
        url = urlsplit(system.base_url or "")
        port = {"http": ":80", "https": ":443"}[url.scheme]
    except (KeyError, ValueError):
        return False
    # A client leaves the port out of `Host` where it is the scheme's own.
    here = host.lower().removesuffix(port)
    there = url.netloc.rpartition("@")[2].lower().removesuffix(port)
    return there == here and url.path == path

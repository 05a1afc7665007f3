"""All systems of one kind, found by id, or by the token with which one is called."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

from oscp_sim.addresses import path_of
from oscp_sim.shared import Shared
from oscp_sim.system.profile import profile_of
from oscp_sim.system.system import System
from oscp_sim.world import AnySystem, Simulated, User, World

S_co = TypeVar("S_co", bound=System, covariant=True)

#: What systems remember, by user id, party and id of the system.
Remembered: TypeAlias = Mapping[tuple[int, str, int], Mapping[str, Any]]

# For how many names of this host the systems are at hand; any client may make one up.
_HOSTS: Final = 16


class Registry(Generic[S_co]):
    """Makes each system that the simulator plays when it is first needed, and keeps it."""

    def __init__(self, shared: Shared, kind: type[S_co]) -> None:
        self.party, self.words = kind.party, kind.words
        self._shared = shared
        self._kind = kind
        self._lock = threading.RLock()
        self._systems: dict[tuple[int, int], S_co] = {}
        self._callers: dict[str, Mapping[tuple[str, str | None], tuple[S_co, ...]]] = {}
        self._firsts: dict[str, S_co | None] = {}
        self._mark: object = None
        self._has_addresses = False

    def system(self, id: int, user: int | None = None) -> S_co:  # noqa: A002 - the world's word
        """Return one system; its user may be left out where only one has a system of that id.

        Raises:
            ValueError: Several users have one of that id.
            LookupError: There is none, or it is played elsewhere.
        """
        found = [
            (owner, system)
            for owner, system in self._configured(self._shared.world)
            if system.id == id and user in {None, owner.id}
        ]
        kind = self.words
        if len(found) > 1:
            users = ", ".join(str(owner.id) for owner, _ in found)
            raise ValueError(f"the users {users} have a {kind} {id} each: name one of them")
        if not found:
            of = "" if user is None else f" of user {user}"
            raise LookupError(f"there is no {kind} {id}{of}; there is {self._all()}")
        owner, system = found[0]
        url = system.base_url
        if isinstance(url, str) and not self._leads_here(owner.id, system):
            raise LookupError(f"{kind} {id} of user {owner.id} is at {url}: it is not played here")
        with self._lock:
            return self._made(owner.id, system)

    def called(self, path: str, token: str | None, host: str) -> tuple[S_co, ...]:
        """Return the systems that a shown token, or none, may be for: good, expired, or replaced.

        They are played below a path, and the host is the name under which the simulator was called.
        """
        world = self._followed()
        name = host if self._has_addresses else ""
        found = self._callers.get(name)
        if found is None:
            found = self._index(world, name)
        return found.get((path, token), ())

    def played(self, path: str) -> tuple[S_co, ...]:
        """Return all systems that are played below a path."""
        with self._lock:
            return tuple(self._played(path))

    def first(self, path: str) -> S_co | None:
        """Return the first system that is played below a path, or None."""
        self._followed()
        if path not in self._firsts:
            with self._lock:
                self._firsts[path] = next(self._played(path), None)
        return self._firsts.get(path)

    def plan(self) -> None:
        """Plan what the systems do by themselves."""
        for user, system in self._configured(self._shared.world):
            if isinstance(system.base_url, Simulated) and (
                (user.id, system.id) in self._systems or profile_of(system).acts
            ):
                self.system(system.id, user.id).plan()

    def reset(self) -> None:
        """Forget everything, and plan afresh what the systems do by themselves."""
        with self._lock:
            systems, self._systems = list(self._systems.values()), {}
            self._mark = None
        for system in systems:
            system.end()
        self.plan()

    def remembered(self) -> dict[tuple[int, str, int], dict[str, Any]]:
        """Return what must survive a restart; with secrets."""
        with self._lock:
            systems = list(self._systems.items())
        return {(user, self.party, id_): each.remembered() for (user, id_), each in systems}

    def recall(self, remembered: Remembered) -> None:
        """Take up what was remembered before a restart; systems that are gone are left out."""
        for (user, party, id_), each in remembered.items():
            if party == self.party:
                with suppress(LookupError):
                    system = self.system(id_, user)
                    system.recall(each)
                    system.plan()

    def _followed(self) -> World:
        """Return the world, after what was found out about another one is given up.

        Mostly it is another for the sake of a heartbeat's date: then all that was found out holds.
        """
        world = self._shared.world
        if self._mark is world.mark:
            return world
        with self._lock:
            there = {(user.id, each.id): each for user, each in self._configured(world)}
            for key in [key for key in self._systems if key not in there]:
                self._systems.pop(key).end()
            self._has_addresses = any(isinstance(s.base_url, str) for s in there.values())
            self._callers, self._firsts = {}, {}
            self._mark = world.mark
        return world

    def _index(self, world: World, host: str) -> Mapping[tuple[str, str | None], tuple[S_co, ...]]:
        with self._lock:
            callers: dict[tuple[str, str | None], list[S_co]] = defaultdict(list)
            for user, configured in self._configured(world):
                path = path_of(configured)
                if _is_played(configured, path, host):
                    system = self._made(user.id, configured)
                    tokens = [each.value for each in system.registration.issued]
                    for token in (*(tokens or (None,)), *system.registration.ended):
                        callers[path, token].append(system)
            found = {key: tuple(systems) for key, systems in callers.items()}
            if len(self._callers) >= _HOSTS:
                self._callers = {}
            if world.mark is self._mark:
                self._callers[host] = found
            return found

    def _played(self, path: str) -> Iterator[S_co]:
        for user, system in self._configured(self._shared.world):
            if path_of(system) == path and isinstance(system.base_url, Simulated):
                yield self._made(user.id, system)

    def _configured(self, world: World) -> Iterator[tuple[User, AnySystem]]:
        return ((user, each) for user in world.users for each in self._kind.of_user(user))

    def _made(self, user_id: int, configured: AnySystem) -> S_co:
        key = user_id, configured.id
        system = self._systems.get(key)
        if system is None:
            system = self._kind(self._shared, user_id, configured, self._tokens_changed)
            self._systems[key] = system
        return system

    def _tokens_changed(self) -> None:
        with self._lock:
            self._callers = {}

    def _leads_here(self, user_id: int, system: AnySystem) -> bool:
        if (user_id, system.id) in self._systems:
            return True
        url = system.base_url if isinstance(system.base_url, str) else ""
        return self._shared.addresses.leads_here(url, path_of(system))

    def _all(self) -> str:
        there = self._configured(self._shared.world)
        found = [f"{system.id} of user {user.id}" for user, system in there]
        return ", ".join(found) or "none at all"


def _is_played(system: AnySystem, path: str, host: str) -> bool:
    """Return whether the simulator plays a system, or is where its base URL leads."""
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

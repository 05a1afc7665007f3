"""The user events, in which SolarNetwork records for each user what it has done for them.

As observed in SolarNetwork (docs/protocol/solaruser.md §9).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

from oscp_send.solarnetwork.json_reading import time_text
from oscp_sim.clock import Clock
from oscp_sim.journal import Room, size_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_STEP = 1 << 16
# Bytes of an event without details.
_BARE = 500


@dataclass(frozen=True, slots=True)
class UserEvent:
    """Something that happened on behalf of a user.

    Attributes:
        id: A UUID of version 7; later events have greater ones.
        user_id: Whose it is.
        created: When it happened, UTC.
        tags: What it is about, from the general to the particular.
        message: One line for people; may be empty.
        details: What `data` shows, as it was given; nobody changes it. Never part of the repr: as
            observed, it may hold a new token.
    """

    id: UUID
    user_id: int
    created: datetime
    tags: tuple[str, ...]
    message: str
    details: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    @property
    def data(self) -> Mapping[str, Any] | None:
        """The details as JSON values, without those that are None; None where nothing is left."""
        kept: dict[str, Any] = {
            _storable(name): _json_value(value)
            for name, value in self.details.items()
            if value is not None
        }
        return MappingProxyType(kept) if kept else None


class UserEvents:
    """All events of all users; any thread may add and find them.

    Args:
        clock: Gives their dates.
        seed: Makes the random part of their ids: the same seed and clock, the same ids.
        limit: How many to keep, the newest; fewer where they take more than 4 KB each; all of them
            where not given.
    """

    def __init__(self, clock: Clock, seed: int, *, limit: int | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = _Ids(seed)
        self._events: dict[int, deque[UserEvent]] = {}
        self._room = Room(limit)
        # Whose event is the oldest, whose is the next.
        self._users: deque[int] = deque()

    def add(
        self,
        user_id: int,
        tags: Iterable[str],
        message: str,
        data: Mapping[str, Any] | None = None,
    ) -> UserEvent:
        """Store an event, and return it.

        Args:
            user_id: Whose it is.
            tags: What it is about.
            message: One line for people.
            data: Its details, made into JSON values when they are read: what is inside them may not
                change until then, and a secret in it must be concealed. Members that are None are
                left out, datetimes become strings in UTC with milliseconds (measured).
        """
        with self._lock:
            created = self._clock.now()
            event = UserEvent(
                id=self._ids.next(created),
                user_id=user_id,
                created=created,
                tags=tuple(map(_storable, tags)),
                message=_storable(message),
                details=dict(data or {}),
            )
            self._events.setdefault(user_id, deque()).append(event)
            if self._room.is_limited:
                self._make_room(event)
        return event

    def find(
        self,
        user_id: int,
        start: datetime,
        end: datetime,
        *,
        tags: Iterable[str] = (),
        search_filter: Callable[[Mapping[str, Any]], bool] | None = None,
        offset: int = 0,
        max: int | None = None,  # noqa: A002 - the API's own word
    ) -> list[UserEvent]:
        """Return events of one user, by ascending id.

        Args:
            user_id: Whose events.
            start: The first instant that counts.
            end: The first instant that no longer counts (inferred).
            tags: An event must have all of them.
            search_filter: Returns whether an event's data fits.
            offset: How many of those that fit to skip.
            max: How many to return at most; all of them where not given.
        """
        wanted = frozenset(tags)
        with self._lock:
            events = list(self._events.get(user_id, ()))
        fitting = (
            event
            for event in events
            if start <= event.created < end
            and wanted.issubset(event.tags)
            and (search_filter is None or search_filter(event.data or {}))
        )
        # A number in the API may be greater than any index of a list.
        last = len(events) if max is None else min(offset + max, len(events))
        return list(islice(fitting, min(offset, last), last))

    def _make_room(self, event: UserEvent) -> None:
        """Forget the oldest ones if there is no room for a new one."""
        self._users.append(event.user_id)
        self._room.take(event.id, _BARE + size_of(event.details))
        while self._room.is_short:
            self._room.free(self._events[self._users.popleft()].popleft().id)

    def clear(self) -> None:
        """Forget every event; ids continue."""
        with self._lock:
            self._events.clear()
            self._users.clear()
            self._room.clear()


class _Ids:
    """Makes UUIDs of version 7 that ascend strictly, even while the clock stands still or jumps.

    After RFC 9562 §6.2: microseconds of the clock (method 3), then a random number that is new for
    each of them and grows by random steps within one (method 2).
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(f"user_events {seed}")  # noqa: S311 - ids, not secrets
        self._moment = -1
        self._tail = 0

    def next(self, instant: datetime) -> UUID:
        moment = max((instant - _EPOCH) // _MICROSECOND, 0)
        if moment > self._moment:
            # The first bit stays free, so that the steps below have room to grow into.
            self._moment, self._tail = moment, self._random.getrandbits(61)
        else:
            self._tail += self._random.randint(1, _LARGEST_STEP)
        milliseconds, microseconds = divmod(self._moment, 1000)
        fraction = (microseconds << 12) // 1000
        return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | self._tail)


def _json_value(value: object) -> object:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, datetime):
        return time_text(value.astimezone(UTC))
    if isinstance(value, Mapping):
        return {_storable(str(name)): _json_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    return value


def _storable(text: str) -> str:
    # Half a surrogate pair cannot be stored: the database driver writes a question mark (inferred).
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")

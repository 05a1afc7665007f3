"""Keep everything that happens in a rehearsal, in order, and let anybody wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from traceback import format_exception
from types import NoneType
from typing import Any, Final

from oscp_send.findings import Finding
from oscp_sim.clock import Clock
from oscp_sim.entry import VALUES, Entry, Kind, PartyName, check_value
from oscp_sim.http import LONGEST_BODY, Request, Response
from oscp_sim.matching import JournalCondition
from oscp_sim.redaction import Concealed, Parts, Recorded

# Any other may be anything that a sender has made up.
_ACTIONS: Final = frozenset(VALUES["action"])
# Of things that are kept, on average; a limit of so many makes a limit of their size, too.
_USUAL_SIZE: Final = 4096
# A few large ones have room, however low a limit is.
_LEAST_ROOM: Final = LONGEST_BODY


def size_of(value: object) -> int:
    """Return about how many bytes a text or JSON value takes; the elements of a list are alike."""
    if isinstance(value, (str, bytes)):
        return 50 + len(value)
    if isinstance(value, dict):
        size = 100
        for each in value.values():
            size += 150 + len(each) if isinstance(each, str) else 100 + size_of(each)
        return size
    if isinstance(value, _SCALAR):
        return _SCALAR_SIZE
    if isinstance(value, (list, tuple)):
        return 50 + len(value) * size_of(value[0]) if value else 50
    return 100 + size_of(dict(value)) if isinstance(value, Mapping) else _SCALAR_SIZE


# Most of what is in a mapping: found before anything is asked whether it is one.
_SCALAR: Final = (int, float, NoneType)
_SCALAR_SIZE: Final = 30


class Room:
    """The room of what is kept, the newest: so many, of 4 KB each on average.

    Args:
        most: How many; all of them where None.

    Attributes:
        is_limited: Whether one may ever have to go, so that sizes matter.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.is_limited = most is not None
        self._sizes: dict[Hashable, int] = {}
        self._total = 0

    def take(self, key: Hashable, size: int) -> None:
        """Make a note of one more, or of another size."""
        if self._most is not None:
            self._total += size - self._sizes.get(key, 0)
            self._sizes[key] = size

    def free(self, key: Hashable) -> None:
        """Make a note that one is gone."""
        self._total -= self._sizes.pop(key, 0)

    @property
    def is_short(self) -> bool:
        """Whether one of them has to go; one alone has always room."""
        count = len(self._sizes)
        if self._most is None or count < 2:  # noqa: PLR2004 - one alone
            return False
        return count > self._most or self._total > max(self._most * _USUAL_SIZE, _LEAST_ROOM)

    def clear(self) -> None:
        """Make a note that all are gone."""
        self._sizes.clear()
        self._total = 0


_LOG: Final = logging.getLogger(__name__)
# The newest that are kept: one alone is to be mended.
_MOST_MISTAKES: Final = 20


@dataclass(frozen=True, slots=True)
class Mistake:
    """An error that no party foresaw: the simulator's own, whatever it was asked.

    Attributes:
        what: What could not be done, as `GET /x could not be answered`.
        error: The name of its type.
        traceback: All that Python says of it, secrets replaced.
    """

    what: str
    error: str
    traceback: str


class Journal:
    """The memory that all parties of a simulator share; any thread may write, read and wait.

    Credentials are taken out of what is read here, so that nothing of it needs hiding.

    Args:
        clock: Dates the entries.
        limit: How many entries to keep, the newest; fewer where they take more than 4 KB each; all
            of them where not given.
    """

    def __init__(self, clock: Clock, *, limit: int | None = None) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._room = Room(limit)
        self._last = 0
        self._wakes = 0
        self._exchanges = count(1)
        self._lock = threading.RLock()
        self._grown = threading.Condition(self._lock)
        self._concealed = Concealed()
        self._mistakes: deque[Mistake] = deque(maxlen=_MOST_MISTAKES)

    def conceal(self, token: str) -> None:
        """Replace a token wherever it stands in what is appended from now on.

        For one that stands where its name does not tell that it is a secret, as in a CSV table, in
        a header that somebody has made up, or in an answer that quotes it; one of less than eight
        characters is none.
        """
        with self._lock:
            self._concealed = self._concealed.adding(token)

    def redact(self, text: str) -> str:
        """Return a text with each concealed token replaced by `[redacted]`."""
        return self._concealed.redact(text)

    def without_secrets(
        self, request: Request, response: Response | None
    ) -> tuple[Request, Response | None]:
        """Return a request and its response as an entry would show them."""
        concealed = self._concealed
        return concealed.safe_request(request), response and concealed.safe_response(response)

    @property
    def last(self) -> int:
        """The number of the newest entry that ever was, 0 before the first: a mark for `since`."""
        with self._lock:
            return self._last

    def new_exchange_id(self) -> int:
        """Return a number for an exchange that is about to begin, for both of its sides."""
        return next(self._exchanges)

    def append(
        self,
        party: PartyName,
        kind: Kind,
        *,
        action: str | None = None,
        instruction_id: int | None = None,
        request: Request | None = None,
        response: Response | None = None,
        state: str | None = None,
        reason: str | None = None,
        findings: Iterable[Mapping[str, Any]] = (),
        judge: Callable[[], Iterable[Finding]] = tuple,
        detail: Mapping[str, Any] | None = None,
        peer: PartyName | None = None,
        sent: bool = False,
    ) -> Entry:
        """Return a new entry: numbered, dated, kept, and shown to everybody who waits.

        Args:
            party: Whose entry it is.
            kind: `exchange`, `state` or `note`.
            action: The OSCP message that it is about.
            instruction_id: The instruction that it is about.
            request: Of an exchange; credentials in its headers are replaced.
            response: Of an exchange; leave it out where no answer came.
            state: Of a state change: the new state.
            reason: Of a state change: why, as the service gives it.
            findings: Judgements of the message, as JSON mappings.
            judge: Yields further ones, once somebody reads the entry.
            detail: Whatever else helps, as JSON values; secrets in its texts are replaced.
            peer: Of an exchange: the other party.
            sent: Of an exchange: whether the party sent the request, rather than received it.

        Raises:
            ValueError: An exchange without a request, or a state change without a state.
        """
        if (kind == "exchange" and request is None) or (kind == "state" and state is None):
            needed = "request" if kind == "exchange" else "state"
            message = f'a journal entry of kind "{kind}" needs a {needed}'
            raise ValueError(message)
        exchange_id = (request.exchange_id or self.new_exchange_id()) if request else None
        parts = Parts(request, response, reason, tuple(findings), dict(detail or {}), judge)
        size = _size(parts) if self._room.is_limited else 0
        with self._lock:
            self._last += 1
            if size:
                self._make_room(size)
            entry = Entry(
                self._last,
                self._clock.now(),
                party,
                kind,
                action if not action or action in _ACTIONS else self.redact(action),
                instruction_id,
                state,
                peer,
                sent,
                exchange_id,
                Recorded(parts, self._concealed),
            )
            self._entries.append(entry)
            self._grown.notify_all()
        return entry

    def entries(
        self,
        *,
        party: PartyName | None = None,
        action: str | None = None,
        since: int = 0,
        instruction_id: int | None = None,
        kind: Kind | None = None,
        sent: bool | None = None,
        peer: PartyName | None = None,
        state: str | None = None,
        status: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return the entries with a number above `since` that fit every filter given, in order.

        Raises:
            ValueError: A party, kind or state that does not exist, or an action that is no OSCP
                message and that nothing was about yet; it says which was probably meant.
        """
        asked: dict[str, object] = {
            "party": party,
            "action": action,
            "instruction_id": instruction_id,
            "kind": kind,
            "sent": sent,
            "peer": peer,
            "state": state,
            "status": status,
        }
        wanted = {name: value for name, value in asked.items() if value is not None}
        self.check_values(wanted)
        return tuple(
            entry
            for entry in self._after(since)[0]
            if all(getattr(entry, name) == value for name, value in wanted.items())
        )

    def check_values(self, fields: Mapping[str, object]) -> None:
        """Refuse expected fields of which one has a value that no entry can have.

        Raises:
            ValueError: It is unknown, and no entry has it; the message says what was meant.
        """
        __tracebackhide__ = True  # pytest shows the line that asked
        for name, value in fields.items():
            is_odd = name == "action" and value not in VALUES["action"]
            seen = {each.action for each in self._after(0)[0]} if is_odd else ()
            check_value(name, value, sorted(filter(None, seen)))

    def clear(self) -> None:
        """Forget every entry; numbers go on, so that a mark taken before stays good."""
        with self._lock:
            self._entries.clear()
            self._room.clear()
        self.wake()

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What went wrong in the simulator itself, the newest; `clear` leaves them."""
        with self._lock:
            return tuple(self._mistakes)

    def mistake(self, error: BaseException, what: str) -> str:
        """Remember and log an error that no party foresaw; return how its answer explains it.

        Args:
            error: The error.
            what: What could not be done.
        """
        _LOG.error("%s", what, exc_info=error)
        name = type(error).__name__
        with self._lock:
            text = self.redact("".join(format_exception(error)))
            self._mistakes.append(Mistake(what, name, text))
        return f"a mistake of the simulator's own: {name}"

    @property
    def pulse(self) -> int:
        """A number that grows with every entry and every `wake`: a mark for `wait_beyond`."""
        with self._lock:
            return self._last + self._wakes

    def wake(self) -> None:
        """Let who waits look again: something has changed that is not kept here."""
        with self._lock:
            self._wakes += 1
            self._grown.notify_all()

    def wait_beyond(self, pulse: int, timeout: float) -> None:
        """Wait until the pulse is another one, for so many seconds of real time at most."""
        with self._lock:
            self._grown.wait_for(lambda: self._last + self._wakes != pulse, timeout)

    def wait_for(
        self,
        condition: Mapping[str, Any] | Callable[[Entry], bool] | None = None,
        *,
        timeout: float,
        since: int = 0,
        **fields: Any,  # noqa: ANN401 (any field of an entry, each with its own type)
    ) -> Entry:
        """Return the first entry that fits, as soon as it is there.

        Args:
            condition: Expected fields in the shape of `Entry.to_dict()`, or a function of an entry.
                A mapping may name less than there is; `headers` may be a mapping (None: absent);
                `body` may be a JSON value that the body's JSON must hold.
            timeout: Seconds of real time, whatever the simulator's clock says.
            since: Only entries with a higher number count.
            **fields: More expected fields, as `party="capacity_provider"`.

        Raises:
            NotSeen: The time passed; it says what was awaited and what came nearest.
            ValueError: A field that no entry has.
        """
        awaited = JournalCondition(condition, fields)
        deadline = time.monotonic() + timeout
        seen = since
        while True:
            # Judged outside the lock: a condition may take its time, or read the journal itself.
            new, seen = self._after(seen)
            if (found := next(filter(awaited.fits, new), None)) is not None:
                return found
            left = deadline - time.monotonic()
            with self._lock:
                if left <= 0 or not self._grown.wait_for(partial(self._is_beyond, seen), left):
                    break
        raise awaited.not_seen(timeout, self._after(since)[0])

    def _make_room(self, size: int) -> None:
        """Forget the oldest entries if there is no room for the newest."""
        self._room.take(self._last, size)
        while self._room.is_short:
            self._room.free(self._entries.popleft().number)

    def _after(self, number: int) -> tuple[list[Entry], int]:
        """Return the entries above a number, and the number of the newest that ever was."""
        with self._lock:
            first = self._entries[0].number if self._entries else 0
            # No number, however great, is above the newest.
            passed = max(0, min(number, self._last) + 1 - first)
            return list(islice(self._entries, passed, None)), self._last

    def _is_beyond(self, number: int) -> bool:
        return self._last > number


# Of an entry without bodies.
_BARE: Final = 1500


def _size(parts: Parts) -> int:
    body = (parts.request.body or b"") if parts.request else b""
    response = len((parts.response.body or b"") if parts.response else b"")
    # What is yet to be judged is held by the judge, too, unless it is the body itself.
    is_held = any(each is body for each in getattr(parts.judge, "args", ()))
    to_judge = 0 if parts.judge is tuple or is_held else len(body)
    told = size_of(parts.findings) + size_of(parts.detail)
    return _BARE + len(body) + response + to_judge + told

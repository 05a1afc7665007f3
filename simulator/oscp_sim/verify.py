"""Verify what happened: how often, in which order, within which time, and that nothing else did.

A verification is read from a mapping, which HTTP, Python and scenario files write alike: the fields
of a journal entry that count, and beside them the words of `WORDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from oscp_schemas.show import nearest
from oscp_send.times import utc_text
from oscp_sim.clock import parse_duration
from oscp_sim.entry import FIELDS, Entry
from oscp_sim.matching import SHORTER, Difference, JournalCondition, TextPattern
from oscp_sim.settling import Settling
from oscp_sim.shared import Shared

Asks = Callable[[Entry], bool]

#: How many there are to be; at least one where a verification has none of these.
COUNTS: Final = ("exactly", "at_least", "at_most", "none")
#: Lists of what is expected, each with the fields beside the list.
LISTS: Final = ("order", "all_of")
#: The words of a verification, besides the fields of an entry.
WORDS: Final = (*COUNTS, *LISTS, "nothing_else", "within")
# For what is on its way where nobody says within which time, and for others where time stands.
_PATIENCE: Final = 10.0
# Seconds of a year: a longer time is a mistake.
_LONGEST: Final = 366 * 86_400.0
# Of real time, in seconds, where time is simulated.
_LONGEST_WAIT: Final = 600.0
# "Nothing else" is about all that has these in common with what is expected.
_SCOPE: Final = ("party", "peer", "sent", "kind")
_MOST_SHOWN: Final = 12


class NotVerified(AssertionError):
    """Raised for what does not hold; its text says what was expected, and what there was.

    Attributes:
        about: What exactly was expected, a line each.
        came: What there was, and what came nearest, a line each.
        entries: Those that fit, or that should not be there.
        nearest: The entry that differs least from what is missing, or None.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        about: Iterable[str] = (),
        came: Iterable[str] = (),
        *,
        entries: Sequence[Entry] = (),
        nearest: tuple[Entry, Sequence[Difference]] | None = None,
    ) -> None:
        self.expected, self.about = expected, tuple(about)
        self.got, self.came = got, tuple(came)
        self.entries = tuple(entries)
        self.nearest: Entry | None = nearest[0] if nearest else None
        self.differences: tuple[Difference, ...] = tuple(nearest[1]) if nearest else ()
        super().__init__("\n".join([f"expected {expected}, got {got}", *self.about, *self.came]))


# What is expected, and how far it has come.


@dataclass(slots=True)
class _Count:
    """So many entries that fit: `least` of them, and at most `most`; any number where None."""

    condition: JournalCondition
    least: int
    most: int | None
    found: list[Entry] = field(default_factory=list)

    @property
    def conditions(self) -> tuple[JournalCondition, ...]:
        return (self.condition,)

    @property
    def holds(self) -> bool:
        return len(self.found) >= self.least and not self.is_lost

    @property
    def is_lost(self) -> bool:
        return self.most is not None and len(self.found) > self.most

    @property
    def may_be_lost(self) -> bool:
        return self.most is not None

    def take(self, entry: Entry) -> bool:
        """Look at the next entry, and return whether it is one of those."""
        if not self.condition.fits(entry):
            return False
        self.found.append(entry)
        return True

    def failure(self, entries: Sequence[Entry], within: str, left: str) -> NotVerified:
        """Return the error that says how many there were, and what came nearest."""
        about = [f"  {line}" for line in self.condition.awaited]
        came = ["these fit:", *_listed(self.found)] if self.found else []
        near = None
        if not self.is_lost:
            known = {each.number for each in self.found}
            others = [each for each in entries if each.number not in known]
            near = self.condition.nearest_of(others)
            came += _about_nearest(near, len(others), left)
        got = str(len(self.found) or "none")
        return NotVerified(f"{self}{within}", got, about, came, entries=self.found, nearest=near)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {_many(self.least)}"
        if self.least == self.most:
            return f"exactly {_many(self.most)}" if self.most else "no entry"
        most = f"at most {_many(self.most)}"
        return f"at least {self.least} and {most}" if self.least else most


@dataclass(slots=True)
class _Order:
    """Entries in an order, each for the first time after the one before it.

    Attributes:
        found: The first that fit, in order.
        early: One that came before its turn, and the index of its condition.
    """

    conditions: tuple[JournalCondition, ...]
    found: list[Entry] = field(default_factory=list)
    early: tuple[Entry, int] | None = None

    @property
    def holds(self) -> bool:
        return len(self.found) == len(self.conditions)

    @property
    def is_lost(self) -> bool:
        return self.early is not None

    @property
    def may_be_lost(self) -> bool:
        return False

    def take(self, entry: Entry) -> bool:
        """Look at the next entry, and return whether it is the next of those."""
        turn = len(self.found)
        if self.holds or self.is_lost:
            return False
        fits = [at for at, each in enumerate(self.conditions) if each.fits(entry)]
        if turn in fits:
            self.found.append(entry)
        elif fits and fits[0] > turn:
            self.early = entry, fits[0]
        return turn in fits

    def failure(self, entries: Sequence[Entry], within: str, left: str) -> NotVerified:
        """Return the error that says which came too early, or not at all."""
        turn, near = len(self.found), None
        about = [
            f"  {number}. {_on_a_line(condition)}"
            + (f", entry {self.found[number - 1].number}" if number <= turn else "")
            for number, condition in enumerate(self.conditions, 1)
        ]
        if self.early is not None:
            got = f"{self.early[1] + 1}. before {turn + 1}."
            came = [f"{self.early[1] + 1}. came too early:", *_listed([self.early[0]])]
        else:
            got = f"no {turn + 1}. after {turn}." if turn else "no 1."
            last = self.found[-1].number if self.found else 0
            later = [each for each in entries if each.number > last]
            near = self.conditions[turn].nearest_of(later)
            came = list(_about_nearest(near, len(later), left))
        expected = f"{_many(len(self.conditions))} in this order{within}"
        return NotVerified(expected, got, about, came, entries=self.found, nearest=near)


_Claim = _Count | _Order


@dataclass(slots=True)
class _NothingElse:
    """No other entry of the same party, peer, direction and kind than those that are expected."""

    conditions: tuple[JournalCondition, ...]
    others: list[Entry] = field(default_factory=list)

    def take(self, entry: Entry) -> None:
        """Look at an entry that is not expected."""
        if any(_scope(each).fits(entry) for each in self.conditions):
            self.others.append(entry)

    def failure(self, within: str) -> NotVerified:
        """Return the error that says what else there was, and what of the expected is near it."""
        other = self.others[0]
        compared = [(each, each.nearest_of([other])) for each in self.conditions]
        condition, near = min(compared, key=lambda pair: len(pair[1][1] if pair[1] else ()))
        came = [
            *_listed(self.others),
            f"of what is expected, nearest to the first is {_on_a_line(condition)}:",
            *(f"  {each}" for each in (near[1] if near else ())),
        ]
        if near and not near[1]:
            came[-1:] = ["such an entry is expected, but not once more"]
        got = f"{_many(len(self.others))} more"
        return NotVerified(
            f"nothing else{within}", got, came=came, entries=self.others, nearest=near
        )


def _scope(condition: JournalCondition) -> JournalCondition:
    common = {name: condition.fields[name] for name in _SCOPE if name in condition.fields}
    return JournalCondition(None, common or {"kind": "exchange"})


def _many(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _on_a_line(condition: JournalCondition) -> str:
    return ", ".join(condition.awaited)


def _listed(entries: Sequence[Entry]) -> Iterator[str]:
    yield from (f"  {each}" for each in entries[:_MOST_SHOWN])
    if len(entries) > _MOST_SHOWN:
        yield f"  and {len(entries) - _MOST_SHOWN} more"


def _about_nearest(
    near: tuple[Entry, Sequence[Difference]] | None, count: int, left: str
) -> Iterator[str]:
    """Yield what is known of what is missing: what came nearest, and what is yet to come."""
    if near is None:
        yield "there is no other entry"
    else:
        yield "the only other entry is" if count == 1 else f"of {count} others the nearest is"
        yield f"  {near[0]}"
        yield from (f"  {difference}" for difference in near[1])
        if not near[1]:
            yield "  its fields fit, but the function that was given did not accept it"
    if left:
        yield left


# From what was written to what is expected.


class Verification:
    """What is to be verified; it can be done any number of times.

    Attributes:
        within: In which time it must come about, or None.

    Raises:
        ValueError: It makes no sense; the message says what does.
    """

    def __init__(self, written: Mapping[str, Any], asks: Asks | None = None) -> None:
        self._written, self._asks = written, asks
        self.nothing_else = bool(written.get("nothing_else"))
        within = written.get("within")
        self.within = None if within is None else _duration(within)
        self.claims()

    @classmethod
    def of(
        cls,
        condition: Mapping[str, Any] | Asks | None,
        fields: Mapping[str, Any],
        **words: object,
    ) -> Self:
        """Make one of what a call was given: words that are None or False are left out."""
        if not (condition is None or isinstance(condition, Mapping) or callable(condition)):
            raise ValueError(
                f"give fields as words or a mapping, or a function, not {condition!r}; several "
                "entries in their order are order=[...]"
            )
        given = {
            word: list(each) if word in LISTS and isinstance(each, Iterable) else each
            for word, each in words.items()
            if each is not None and each is not False
        }
        written = {**(condition if isinstance(condition, Mapping) else {}), **fields, **given}
        return cls(written, condition if callable(condition) else None)

    def claims(self) -> tuple[_Claim, ...]:
        """Return what is expected, with nothing seen of it yet."""
        return tuple(_claims(self._written, {}, self._asks))


def _claims(
    written: Mapping[str, Any], common: Mapping[str, Any], asks: Asks | None = None
) -> Iterator[_Claim]:
    _check_names(written, WORDS)
    given = [word for word in WORDS if _is_given(written, word)]
    fields = {**common, **{name: each for name, each in written.items() if name not in WORDS}}
    if not (fields or given or asks):
        raise ValueError('say what is to be verified, such as a party, an action, or "none"')
    lists = [word for word in given if word in LISTS]
    if not lists:
        least, most = _range(written)
        yield _Count(_condition(fields, asks), least, most)
        return
    other = next((word for word in given if word in {*COUNTS, *LISTS} - {lists[0]}), None)
    if other is not None:
        raise ValueError(f'"{other}" cannot stand beside "{lists[0]}": put it in there')
    items = _items(written[lists[0]], lists[0])
    if lists[0] == "all_of":
        for item, function in items:
            _check_within_list(item)
            yield from _claims(item, fields, function)
    else:
        for item, _ in items:
            _check_names(item, ())
        yield _Order(tuple(_condition({**fields, **item}, function) for item, function in items))


def _items(value: object, word: str) -> list[tuple[Mapping[str, Any], Asks | None]]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    items = list(value) if is_list else []  # type: ignore[call-overload]
    if not items or not all(isinstance(each, Mapping) or callable(each) for each in items):
        raise ValueError(f'"{word}" is a list of what is expected, as [{{"action": "Handshake"}}]')
    return [({}, each) if callable(each) else (each, None) for each in items]


def _check_within_list(item: Mapping[str, Any]) -> None:
    for word in ("within", "nothing_else"):
        if word in item:
            raise ValueError(f'"{word}" is said once, for all: put it beside "all_of"')


def _check_names(written: Mapping[str, Any], words: Sequence[str]) -> None:
    known = (*words, *FIELDS, *SHORTER)
    for name in written:
        if name in known:
            continue
        if name in WORDS:
            raise ValueError(f'"{name}" cannot stand in "order": only fields of entries can')
        near = nearest(name, known)
        hint = f'did you mean "{near}"?' if near else f"known: {', '.join(known)}"
        raise ValueError(f'nothing here is called "{name}"; {hint}')


def _condition(fields: Mapping[str, Any], asks: Asks | None) -> JournalCondition:
    """Return a condition; of exchanges, unless it says otherwise or has a function to say so."""
    reason = fields.get("reason")
    if isinstance(reason, Mapping):
        fields = {**fields, "reason": _pattern(reason)}
    if asks is None and not fields.keys() & {"kind", "detail"}:
        is_of_state = fields.keys() & {"state", "reason"}
        fields = {**fields, "kind": "state" if is_of_state else "exchange"}
    return JournalCondition(asks, fields)


def _pattern(reason: Mapping[str, Any]) -> TextPattern:
    """Return what a reason must begin with, or match."""
    name, text = next(iter(reason.items())) if len(reason) == 1 else ("", None)
    if name not in {"starts_with", "matches"} or not isinstance(text, str):
        raise ValueError('"reason" is a text, {"starts_with": "..."} or {"matches": "..."}')
    try:
        re.compile(text if name == "matches" else "")
    except re.error as error:
        raise ValueError(f'"reason": not a regular expression: {error}') from None
    return TextPattern("matches" if name == "matches" else "starts_with", text)


def _is_given(written: Mapping[str, Any], word: str) -> bool:
    value = written.get(word)
    return value is not None and value is not False


def _range(written: Mapping[str, Any]) -> tuple[int, int | None]:
    """Return how many there must be at least, and at most; any number where None."""
    given = [word for word in COUNTS if _is_given(written, word)]
    if len(given) > 1 and given != ["at_least", "at_most"]:
        raise ValueError(f'"{given[0]}" says how many there are to be: leave "{given[1]}" out')
    if given == ["none"]:
        if written["none"] is not True:
            raise ValueError(f'"none" is true, or is left out; not {written["none"]!r}')
        return 0, 0
    numbers = {word: _number(written[word], word) for word in given}
    if "exactly" in numbers:
        return numbers["exactly"], numbers["exactly"]
    most = numbers.get("at_most")
    least = numbers.get("at_least", 0 if given else 1)
    if most is not None and least > most:
        raise ValueError(f'"at_least" is {least}, more than "at_most", which is {most}')
    return least, most


def _number(value: object, word: str) -> int:
    # A file may write it as 2.0.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f'"{word}" is a whole number, 0 or more, not {value!r}')
    return value


def _duration(value: object) -> timedelta:
    if isinstance(value, str):
        value = parse_duration(value)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= _LONGEST:  # type: ignore[operator]
        raise ValueError(
            f'"within" is a number of seconds, or a duration as 15m, 366d at most, not {value!r}'
        )
    return timedelta(seconds=seconds)  # type: ignore[arg-type]


# From what is expected to a verdict.


class _Judgement:
    """Watches the journal until a verification is decided."""

    def __init__(
        self,
        shared: Shared,
        verification: Verification,
        since: int,
        began: datetime,
        *,
        alone: bool,
    ) -> None:
        self._journal, self._since, self._clock = shared.journal, since, shared.clock
        self._is_fast, self._is_cut = shared.clock.is_simulated, False
        self._claims = verification.claims()
        conditions = tuple(each for claim in self._claims for each in claim.conditions)
        self._else = _NothingElse(conditions) if verification.nothing_else else None
        self._within = verification.within
        self._until = None if self._within is None else began + self._within
        self._alone = alone
        self._seen = since

    def wait(self, settling: Settling) -> None:
        """Return when it is decided, or cannot be for longer."""
        until, seconds = self._until, _PATIENCE
        if until is None:
            until = settling.end_after(_PATIENCE)
        else:
            within = (self._within or timedelta()).total_seconds()
            seconds = _PATIENCE if self._alone else min(within, _PATIENCE)
            if settling.runs:
                # However fast a clock runs: nobody waits for days.
                seconds = min(within, _LONGEST_WAIT) if self._is_fast else within
        is_decided = settling.wait(lambda: self._is_decided(settling, until), until, seconds)
        is_over = self._until is None or self._clock.now() >= self._until
        self._is_cut = settling.runs and not (is_decided or is_over)
        # What came of the last that was on its way.
        self._look()

    def _is_decided(self, settling: Settling, until: datetime | None) -> bool:
        self._look()
        holds = all(claim.holds for claim in self._claims)
        if self._is_lost or (holds and not self._may_be_lost):
            return True
        others_may_send = self._until is not None and not self._alone
        if not holds and others_may_send:
            return False
        return not (settling.may_change(self._until) and settling.may_change(until))

    @property
    def _is_lost(self) -> bool:
        has_more = self._else is not None and bool(self._else.others)
        return has_more or any(claim.is_lost for claim in self._claims)

    @property
    def _may_be_lost(self) -> bool:
        return self._else is not None or any(claim.may_be_lost for claim in self._claims)

    def _look(self) -> None:
        """Look at what is new in the journal, as far as it is in time."""
        for entry in self._journal.entries(since=self._seen):
            self._seen = entry.number
            if not self._is_in_time(entry):
                continue
            is_expected = [claim.take(entry) for claim in self._claims]
            if self._else is not None and not any(is_expected):
                self._else.take(entry)

    def _is_in_time(self, entry: Entry) -> bool:
        return self._until is None or entry.at <= self._until

    def verdict(self, settling: Settling) -> tuple[Entry, ...]:
        """Return the entries that fit, in order.

        Raises:
            NotVerified: It does not hold.
            ValueError: An action is unknown, and nothing was about it.
        """
        __tracebackhide__ = True  # pytest shows the line that asked
        for claim in self._claims:
            for condition in () if claim.found else claim.conditions:
                self._journal.check_values({"action": condition.fields.get("action")})
        within = "" if self._within is None else f" within {self._within.total_seconds():g} s"
        # What is lost has ended the waiting; what is short may have come after that.
        for claim in sorted(self._claims, key=lambda each: not each.is_lost):
            if not claim.holds:
                left = "" if claim.is_lost else self._not_reached() or settling.left_over()
                entries = self._journal.entries(since=self._since)
                raise claim.failure(list(filter(self._is_in_time, entries)), within, left)
        if self._else is not None and self._else.others:
            raise self._else.failure(within)
        if self._is_cut and self._may_be_lost:
            raise NotVerified(f"that it is certain{within}", self._not_reached())
        if self._until is None and self._may_be_lost and settling.may_change(None):
            raise NotVerified(
                f"that within {_PATIENCE:g} s nothing is on its way any more",
                settling.left_over() or "more",
                ["until then it may still change: say within which time it is to hold"],
            )
        found = {each.number: each for claim in self._claims for each in claim.found}
        return tuple(found[number] for number in sorted(found))

    def _not_reached(self) -> str:
        if not self._is_cut:
            return ""
        now = utc_text(self._clock.now())
        return f"a wait ends after {_LONGEST_WAIT:g} s of real time, by then the clock is at {now}"


def verify(
    shared: Shared,
    verification: Verification,
    *,
    since: int = 0,
    began: datetime | None = None,
    moves: bool = False,
    alone: bool = False,
) -> tuple[Entry, ...]:
    """Return the entries that fit, as soon as it is decided that a verification holds.

    Where a time is given, what is short may come until then, and what is settled before is not
    awaited; else it is judged as soon as nothing is on its way any more.

    Args:
        shared: What the parties share.
        verification: What is to hold.
        since: Only entries with a higher number count.
        began: When the time begins to count, by the simulator's clock; now where not given.
        moves: Whether waiting moves a clock that stands, as nobody else does.
        alone: Whether nothing can come from outside of the simulator, so that it is not awaited.

    Raises:
        NotVerified: It does not hold; its text says what was expected, and what there was.
        ValueError: An action is unknown, and nothing was about it.
    """
    __tracebackhide__ = True  # pytest shows the line that asked
    settling = Settling(shared, moves=moves)
    begin = shared.clock.now() if began is None else began
    judgement = _Judgement(shared, verification, since, begin, alone=alone)
    judgement.wait(settling)
    return judgement.verdict(settling)

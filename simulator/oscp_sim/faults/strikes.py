"""The faults of one simulator: which rules there are, when they strike, and how often they did."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl

from oscp_schemas import ACTIONS
from oscp_send.solarnetwork.request_body import BodyRefused, read_body
from oscp_sim.clock import Clock
from oscp_sim.faults.model import KINDS, Fault, Place, Rule, load_faults
from oscp_sim.http import Request, Response
from oscp_sim.journal import Journal
from oscp_sim.matching import is_end_of

# Of each path, in words; one is for several messages of the same kind.
_ACTIONS: Final[Mapping[str, str]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower(): action for action in ACTIONS
} | {"update_asset_measurements": "UpdateAssetMeasurement"}
_NUMBERS: Final = re.compile(r"\d{1,18}", re.ASCII)


class Occasion:
    """What a rule may be for: a request, a message that is handed over, or a delivery.

    Args:
        where: The party that is asked, or the hand-off.
        request: What it is asked; None where it is no request.
        action: The OSCP message that it is about, where that is known already.
        instruction: The instruction that it is about, likewise.
        is_real: Whether the party is a real one.
    """

    def __init__(
        self,
        where: Place,
        request: Request | None = None,
        action: str | None = None,
        instruction: int | None = None,
        *,
        is_real: bool = False,
    ) -> None:
        self.where = where
        self.is_real = is_real
        self.request = request
        self._action = action
        self._instruction = instruction

    @cached_property
    def action(self) -> str | None:
        """The OSCP message that it is about, or None."""
        if self._action is not None or self.request is None:
            return self._action
        if self.where == "solaruser":
            return _action_of_instruction(self.request)
        return _ACTIONS.get(self.request.path.rpartition("/")[2])

    @cached_property
    def instructions(self) -> frozenset[int]:
        """The instructions that it is about."""
        if self._instruction is not None:
            return frozenset({self._instruction})
        if self.request is None or self.where != "solaruser":
            return frozenset()
        query = parse_qs(self.request.query)
        named = [*query.get("id", ()), *query.get("ids", ()), *query.get("instructionIds", ())]
        return frozenset(int(each) for each in _NUMBERS.findall(",".join(named)))

    @property
    def instruction(self) -> int | None:
        """The instruction, where it is about a single one."""
        return next(iter(self.instructions)) if len(self.instructions) == 1 else None

    def fits(self, rule: Rule) -> bool:
        """Return whether a rule is for it."""
        if rule.where != self.where:
            return False
        request = self.request
        if rule.method is not None and (request is None or request.method != rule.method):
            return False
        if rule.path is not None and (request is None or not is_end_of(rule.path, request.path)):
            return False
        if rule.action is not None and rule.action != self.action:
            return False
        return rule.instruction is None or rule.instruction in self.instructions


def _action_of_instruction(request: Request) -> str | None:
    """Return the action of an instruction to queue, as JSON or as a form."""
    body = request.body or b""
    if request.method != "POST" or b"action" not in body:
        return None
    if "json" in request.fields.get("content-type", ""):
        with suppress(BodyRefused):
            pairs = read_body(body, None, executes=False, has_topic=True).parameters
            return next((value for name, value in pairs if name == "action"), None)
        return None
    form = dict(parse_qsl(f"{request.query}&{body.decode('utf-8', 'replace')}"))
    named = [key for key, value in form.items() if key.endswith(".name") and value == "action"]
    return form.get(f"{named[0].removesuffix('.name')}.value") if named else None


@dataclass(slots=True)
class Armed:
    """A rule at work.

    Attributes:
        number: From 1, in the order in which the rules were added.
        met: How many occasions came that it is for.
    """

    number: int
    rule: Rule
    met: int = 0
    struck: int = 0
    until: datetime | None = field(default=None, repr=False)
    chance: Random = field(default_factory=Random, repr=False)

    def meets(self, occasion: Occasion) -> bool:
        """Return whether it strikes at an occasion, and count; under the lock of the faults."""
        rule = self.rule
        if not occasion.fits(rule) or self.struck == (rule.times or math.inf):
            return False
        self.met += 1
        beyond = self.met - rule.after - 1
        if beyond < 0 or beyond % rule.every:
            return False
        if rule.probability is not None and self.chance.random() >= rule.probability:
            return False
        self.struck += 1
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: the rule in its own words, its number, and how often it struck."""
        counted = {"number": self.number, "met": self.met, "struck": self.struck}
        return {**self.rule.to_dict(), **counted}

    @property
    def warning(self) -> str:
        """What to say of a rule that never struck."""
        what = f"fault {self.number} never struck: {self.rule}"
        if not self.met:
            return f"{what}; nothing came that it is for"
        return f"{what}; {self.met} came that it is for, see after and probability"


class Faults:
    """The faults of a simulator; any thread may add, ask and clear.

    The first rules are there from the beginning, and again after a reset.

    Attributes:
        rules: Those at work, in the order in which they are tried; empty: nothing goes wrong.
        party_at: Returns the party that a path leads to.
    """

    def __init__(
        self, journal: Journal, clock: Clock, seed: int, first: Iterable[Rule] = ()
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._seed = seed
        self._lock = threading.Lock()
        self._moved = threading.local()
        self._numbers = count(1)
        self._first = tuple(first)
        self.rules: tuple[Armed, ...] = ()
        self.party_at: Callable[[str], str | None] = lambda _: None
        self._ports: list[Callable[[float], object]] = []
        self.restart()

    def add(
        self,
        rule: Rule | Mapping[str, Any] | None = None,
        /,
        **words: Any,  # noqa: ANN401 - each word has a type of its own
    ) -> Armed:
        """Let one thing more go wrong from now on, and return it with its count.

            simulator.faults.add(where="solaruser", fault="status", status=503, times=1)

        Args:
            rule: A rule, or its words as a mapping.
            **words: Its words, as a file has them; a duration is a text as "2s".

        Raises:
            SourceError: The words make no rule; it says which and why.
        """
        if not isinstance(rule, Rule):
            (rule,) = load_faults({"faults": [{**(rule or {}), **words}]})
        with self._lock:
            armed = self._armed(rule)
            self.rules = (*self.rules, armed)
        if armed.until is not None:
            self._set_ports(self._ports)
        return armed

    def remove(self, number: int) -> bool:
        """Take one rule away, by its number; return whether there was one."""
        with self._lock:
            kept = tuple(each for each in self.rules if each.number != number)
            found, self.rules = len(kept) < len(self.rules), kept
        self._set_ports(self._ports)
        return found

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self.rules = ()
        self._set_ports(self._ports)

    def restart(self) -> None:
        """Start afresh with the rules of the beginning; numbers start at 1 again."""
        with self._lock:
            self._numbers = count(1)
            self.rules = tuple(map(self._armed, self._first))
        self._set_ports(self._ports)

    @property
    def never_struck(self) -> tuple[Armed, ...]:
        """The rules that have not struck so far."""
        return tuple(each for each in self.rules if not each.struck)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say of the rules that have not struck so far; no token is in it."""
        return tuple(self._journal.redact(each.warning) for each in self.never_struck)

    def strikes(self, faults: Collection[Fault], occasion: Occasion) -> Iterator[Armed]:
        """Yield the rules of some faults that strike at an occasion, each as it is asked for.

        Who asks for one has to do it: it counts as having struck.
        """
        for armed in self.rules:
            if armed.rule.fault in faults and self.meets(armed, occasion):
                yield armed

    def strike(self, faults: Collection[Fault], occasion: Occasion) -> Armed | None:
        """Return the first rule of some faults that strikes at an occasion, or None."""
        return next(self.strikes(faults, occasion), None)

    def meets(self, armed: Armed, occasion: Occasion) -> bool:
        """Return whether one rule strikes at an occasion; who asks has to do it."""
        with self._lock:
            is_open = armed.until is None or self._clock.now() < armed.until
            return is_open and armed.meets(occasion)

    def note(
        self,
        armed: Armed,
        occasion: Occasion,
        *,
        request: Request | None = None,
        response: Response | None = None,
        more: str = "",
        seen: int | str | None = None,
    ) -> None:
        """Record that a rule struck.

        Args:
            armed: The rule.
            occasion: At what.
            request: Where the party itself never saw it: the entry is then its exchange.
            response: Of that exchange.
            more: What there is to say beside what the rule does.
            seen: The status that the asker sees instead of the party's own, or `unanswered`.
        """
        why = f"fault {armed.number}: {KINDS[armed.rule.fault].does}{more}"
        self._journal.append(
            armed.rule.party,
            "note" if request is None else "exchange",
            action=occasion.action,
            instruction_id=occasion.instruction,
            request=request,
            response=response,
            detail={
                "why": why,
                "fault": armed.rule.fault,
                "rule": armed.number,
                **({} if seen is None else {"seen": seen}),
            },
        )

    def add_port(self, close: Callable[[float], object]) -> None:
        """Have a port closed while a rule says that nobody listens.

        Args:
            close: Called with the seconds for which nobody is to listen, 0 to listen again.
        """
        self._ports.append(close)
        self._set_ports([close])

    def remove_port(self, close: Callable[[float], object]) -> None:
        """Leave a port alone from now on."""
        self._ports.remove(close)

    def now(self) -> datetime:
        """Return what time it is."""
        return self._clock.now()

    @contextmanager
    def moving(self, where: Place, by: timedelta) -> Iterator[None]:
        """Move the clock of a party, for what the calling thread does meanwhile."""
        before = getattr(self._moved, where, timedelta())
        setattr(self._moved, where, by)
        try:
            yield
        finally:
            setattr(self._moved, where, before)

    def moved(self, where: Place) -> timedelta:
        """Return by how much the clock of a party is moved, for the calling thread."""
        by: timedelta = getattr(self._moved, where, timedelta())
        return by

    def _armed(self, rule: Rule) -> Armed:
        number = next(self._numbers)
        chance = Random(f"fault {self._seed} {number}")  # noqa: S311 - of a rehearsal
        until = None if rule.lasts is None else self._clock.now() + rule.lasts
        return Armed(number, rule, until=until, chance=chance)

    def _set_ports(self, ports: Iterable[Callable[[float], object]]) -> None:
        """Close ports for as long as any rule says, or open them; what closes a port strikes."""
        those, longest = tuple(ports), 0.0
        for armed in self.rules if those else ():
            left = 0.0 if armed.until is None else (armed.until - self._clock.now()).total_seconds()
            longest = max(longest, left)
            if left > 0 and not armed.struck:
                armed.met, armed.struck = 1, 1
                self.note(armed, Occasion(armed.rule.where), more=f" for {left:g} s")
        for close in those:
            close(longest)

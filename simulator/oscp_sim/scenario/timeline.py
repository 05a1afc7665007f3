"""What the parties did and sent one another in a step, put together from the journal."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any, Final
from urllib.parse import parse_qsl

from oscp_sim.entry import Entry, PartyName

#: Where SolarUser puts a message for the Flexibility Provider (solaruser.md §3.4).
_QUEUE: Final = "instr/OSCP_v20"
_INSTRUCTIONS: Final = "/sec/instr/"
#: What an answer says beside its status: when to ask again, how to sign, where, by what.
_TELLING: Final = (
    "Retry-After",
    "WWW-Authenticate",
    "X-SN-ErrorMessage",
    "Location",
    "Allow",
    "Accept",
)
_FORM: Final = "application/x-www-form-urlencoded"
_FIELD: Final = re.compile(r"parameters\[(\d{1,9})\]\.(name|value)", re.ASCII)
#: States that the answers of SolarUser show anyway.
SHOWN_BY_ANSWERS: Final = frozenset({"Queuing", "Executing"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request from a party to another, and its answer.

    Attributes:
        number: The journal's number of it; of its two sides, the lower.
        sender: Who sent it; None for a program that is not a party.
        receiver: The party that it was for; None where it is not known.
        method: As `POST`; `MQTT` for what SolarUser hands to the Flexibility Provider.
        system: The id of the Capacity Provider or Optimizer that sent or received it.
        status: Of the answer, as the sender saw it; None where no answer came.
        notes: Further remarks of either side.
        answer_headers: Of the answer, as the sender saw it, without credentials.
    """

    number: int
    at: datetime
    sender: PartyName | None
    receiver: PartyName | None
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    action: str | None = None
    instruction_id: int | None = None
    system: int | None = None
    status: int | None = None
    answer: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    answer_headers: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_handed_over(self) -> bool:
        """Whether it went through the queue between SolarUser and the Flexibility Provider."""
        # Anybody may make up a method; SolarUser itself sends nothing else.
        return self.method == "MQTT" and self.sender == "solaruser"

    @property
    def request_id(self) -> str | None:
        """The X-Request-ID."""
        return self.header("X-Request-ID")

    @property
    def correlation_id(self) -> str | None:
        """The X-Correlation-ID; in the queue, the correlationId."""
        if self.is_handed_over:
            found: str | None = json.loads(self.body).get("correlationId")
            return found
        return self.header("X-Correlation-ID")

    @property
    def content(self) -> str:
        """The body, an instruction's as JSON even where it was sent as a form."""
        is_form = (self.header("Content-Type") or "").lower().startswith(_FORM)
        return _json_of_form(self) if is_form and self.receiver == "solaruser" else self.body

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of an instruction, sent as JSON or as a form, in order; else none."""
        try:
            body = json.loads(self.content)
            given = body.get("params") or body.get("parameters") or ()
            if isinstance(given, Mapping):
                return [(str(name), str(value)) for name, value in given.items()]
            return [(str(each["name"]), str(each["value"])) for each in given]
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return []

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever the case of its name, or None."""
        return next((v for each, v in self.headers if each.lower() == name.lower()), None)

    @property
    def telling_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of the answer that say what its sender may do next, by their usual names."""
        return tuple(
            (usual, value)
            for usual in _TELLING
            for name, value in self.answer_headers
            if name.lower() == usual.lower()
        )


def _json_of_form(exchange: Exchange) -> str:
    query = exchange.target.partition("?")[2]
    fields = dict(parse_qsl(f"{query}&{exchange.body}", keep_blank_values=True))
    elements: dict[int, dict[str, str]] = {}
    for key, value in fields.items():
        if found := _FIELD.fullmatch(key):
            elements.setdefault(int(found[1]), {})[found[2]] = value
    node = fields.get("nodeId", "")
    body = {"nodeId": int(node)} if re.fullmatch("[0-9]{1,18}", node) else {}
    whole = [each for _, each in sorted(elements.items()) if len(each) == len(("name", "value"))]
    return json.dumps(body | {"parameters": whole})


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a party did or noticed without asking another.

    Attributes:
        number: The journal's number of it.
        system: The id of the Capacity Provider or Optimizer that reports it.
        datum: What was published, if anything.
        is_state: Whether it says that an instruction has changed its state.
    """

    number: int
    at: datetime
    party: PartyName
    text: str
    action: str | None = None
    instruction_id: int | None = None
    system: int | None = None
    datum: Mapping[str, Any] | None = None
    findings: tuple[Mapping[str, Any], ...] = ()
    is_state: bool = False


TimelineEntry = Exchange | Note


def timeline(
    entries: Iterable[Entry], looks: Collection[int | None] = ()
) -> tuple[TimelineEntry, ...]:
    """Return what journal entries report, each exchange once though both its sides report it.

    Left out are looks at what SolarUser has, and states that the answers show anyway.

    Args:
        entries: In order.
        looks: The exchanges that are not left out, by their ids.
    """
    items: list[TimelineEntry] = []
    entries = tuple(entries)
    # Their senders tell themselves what they saw.
    told = {each.exchange_id for each in entries if each.sent}
    # The last request of a program to each party, and the list that it is in.
    last: dict[PartyName, tuple[list[Any], int]] = {}
    # The first side of each exchange, and its index in the list.
    begun: dict[int | None, tuple[int, Exchange]] = {}
    asked: list[Exchange] = []
    for entry in entries:
        if entry.kind == "note":
            if "seen" in entry.detail and entry.party in last:
                _tell_seen(*last.pop(entry.party), entry.detail["seen"])
            items.append(_handed_over(entry) if entry.is_handed_over else _note(entry))
        elif entry.kind == "state":
            items += [] if entry.state in SHOWN_BY_ANSWERS else [_state(entry)]
        elif ends_of(entry)[1] == "solaruser":
            if entry.method == "POST" or entry.exchange_id in looks:
                asked.append(exchange_of(entry))
                last[entry.party] = asked, len(asked) - 1
        elif entry.exchange_id in begun:
            at, first = begun[entry.exchange_id]
            items[at] = joined(first, entry)
        else:
            begun[entry.exchange_id] = len(items), (exchange := exchange_of(entry))
            items.append(exchange)
            last |= {} if entry.exchange_id in told else {entry.party: (items, len(items) - 1)}
    return tuple(_in_order(items, asked))


def _in_order(items: Sequence[TimelineEntry], asked: Iterable[Exchange]) -> Iterator[TimelineEntry]:
    """Yield all of it, each request to SolarUser before what it led to, which is reported first.

    The journal has a request when it is answered.
    """
    end = len(items)
    highest = list(accumulate((each.number for each in items), max))
    # The first of each instruction.
    first: dict[int | None, int] = {}
    for at, each in enumerate(items):
        first.setdefault(each.instruction_id, at)
    # By the index of what they stand before.
    before: defaultdict[int, list[Exchange]] = defaultdict(list)
    seen: set[int] = set()
    for exchange in asked:
        place, instruction = bisect_right(highest, exchange.number), exchange.instruction_id
        if instruction is not None:
            place = first[instruction] = min(place, first.get(instruction, end))
        there = before[place]
        at = len(there)
        if instruction in seen:
            at = [each.instruction_id for each in there].index(instruction)
        elif instruction is not None:
            seen.add(instruction)
        after = next(iter((*there[at : at + 1], *items[place : place + 1])), exchange)
        # It was answered later, maybe.
        there.insert(at, replace(exchange, at=min(exchange.at, after.at)))
    for at, each in enumerate(items):
        yield from before.get(at, ())
        yield each
    yield from before.get(end, ())


def _tell_seen(items: list[Any], at: int, seen: object) -> None:
    """Show of an exchange what its sender saw, where a fault took the answer from it."""
    exchange: Exchange = items[at]
    if exchange.status is None or exchange.status == seen:
        return
    status = seen if isinstance(seen, int) else None
    notes = (*exchange.notes, f"answered with {exchange.status}, which its sender did not see")
    items[at] = replace(exchange, status=status, answer="", answer_headers=(), notes=notes)


def ends_of(entry: Entry) -> tuple[PartyName | None, PartyName | None]:
    """Return who sent and who received what an entry is about, where they are known."""
    if entry.is_handed_over:
        return "solaruser", "flexibility_provider"
    other = entry.peer
    if entry.party == "solaruser" and _INSTRUCTIONS in (entry.target or ""):
        # An integrator's program acts as its Capacity Optimizer (oscp20.md §7.1).
        other = "capacity_optimizer"
    return (entry.party, other) if entry.sent else (other, entry.party)


def exchange_of(entry: Entry) -> Exchange:
    """Return what one side of an exchange reports of it."""
    request, response = entry.request, entry.response
    assert request is not None, "the journal takes no exchange without"  # noqa: S101
    sender, receiver = ends_of(entry)
    return Exchange(
        number=entry.number,
        at=entry.at,
        sender=sender,
        receiver=receiver,
        method=request.method,
        target=request.without_host.removesuffix("?"),
        headers=request.headers,
        body=request.text,
        action=entry.action,
        instruction_id=entry.instruction_id,
        system=entry.system,
        status=None if response is None else response.status,
        answer="" if response is None else response.text,
        findings=entry.findings,
        notes=_notes(entry.detail),
        answer_headers=() if response is None else response.headers,
    )


def joined(first: Exchange, other_side: Entry) -> Exchange:
    """Return one exchange of one of its sides and the entry in which the other one reports it."""
    second = exchange_of(other_side)
    received, sent = (first, second) if other_side.sent else (second, first)
    notes = [*received.notes, *(note for note in sent.notes if note not in received.notes)]
    if sent.status is None and received.status is not None:
        notes.append(f"answered with {received.status}, which its sender did not see")
    return replace(
        received,
        number=first.number,
        at=first.at,
        sender=sent.sender,
        action=received.action or sent.action,
        instruction_id=received.instruction_id or sent.instruction_id,
        system=sent.system if received.system is None else received.system,
        status=sent.status,
        findings=(*received.findings, *sent.findings),
        notes=tuple(notes),
        answer_headers=sent.answer_headers,
    )


def _handed_over(entry: Entry) -> Exchange:
    sender, receiver = ends_of(entry)
    return Exchange(
        number=entry.number,
        at=entry.at,
        sender=sender,
        receiver=receiver,
        method="MQTT",
        target=_QUEUE,
        body=json.dumps(entry.detail["handed_over"]),
        action=entry.action,
        instruction_id=entry.instruction_id,
        notes=_notes({k: v for k, v in entry.detail.items() if k != "handed_over"}),
    )


def _note(entry: Entry) -> Note:
    return Note(
        entry.number,
        entry.at,
        entry.party,
        "; ".join(_notes(entry.detail)) or "noted",
        entry.action,
        entry.instruction_id,
        entry.system,
        entry.detail.get("datum"),
        entry.findings,
    )


def _state(entry: Entry) -> Note:
    text = f"instruction {entry.instruction_id} is {entry.state}"
    if entry.reason:
        text += f": {entry.reason}"
    return Note(
        *(entry.number, entry.at, entry.party, text, entry.action, entry.instruction_id),
        is_state=True,
    )


def _notes(detail: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the remarks in a detail of the journal, `why` in its own words."""
    notes = []
    for name, value in detail.items():
        if name == "answered_after":
            notes.append(f"answered after {value:g} s")
        elif name == "why":
            notes.append(str(value))
        elif name not in {"user", "id", "fault", "rule", "told", "seen"}:
            shown = value if isinstance(value, str) else json.dumps(value, default=str)
            notes.append(f"{name.replace('_', ' ')}: {shown}")
    return tuple(notes)

"""What happened in a step, put together from what each party tells the journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from oscp_sim.entry import Entry, PartyName

#: Where SolarUser puts a message for the Flexibility Provider (solaruser.md §3.4).
QUEUE: Final = "instr/OSCP_v20"

_INSTRUCTIONS: Final = "/sec/instr/"
# What a Capacity Provider or Optimizer says of itself with all that it tells.
_WHO: Final = frozenset({"user", "id"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request from a party to another, and its answer.

    Attributes:
        number: The journal's number of it; of two, the lower.
        at: When, by the simulator's clock.
        sender: Who sent it; None for a program that is no party.
        receiver: Whom it was for; None where nobody says.
        method: As `POST`; `MQTT` for what SolarUser hands to the Flexibility Provider.
        target: Path and query.
        headers: Names and values, in order, without credentials.
        body: Its text.
        action: The OSCP message that it carries.
        instruction_id: The instruction that it is about.
        system: The id of the Capacity Provider or Optimizer that tells it.
        status: Of the answer, as its sender saw it; None where no answer came.
        answer: The body of the answer.
        findings: What there is to say of the message, as JSON mappings.
        notes: What else there is to say.
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

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def is_handed_over(self) -> bool:
        """Whether it went through the queue between SolarUser and the Flexibility Provider."""
        return self.method == "MQTT"

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

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever the case of its name."""
        return next((v for each, v in self.headers if each.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a party did or noticed without asking another.

    Attributes:
        number: The journal's number of it.
        at: When, by the simulator's clock.
        party: Who tells it.
        text: What, for people.
        action: The OSCP message that it is about.
        instruction_id: The instruction that it is about.
        system: The id of the Capacity Provider or Optimizer that tells it.
        datum: What was published, where it tells of that.
        findings: What there is to say of it, as JSON mappings.
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


TimelineEntry = Exchange | Note


def timeline(entries: Iterable[Entry]) -> tuple[TimelineEntry, ...]:
    """Return what journal entries say, an exchange once although both its parties record it.

    Left out are looks at an instruction, and states that are told by the answers anyway.
    """
    found: list[TimelineEntry] = []
    received: dict[int | None, int] = {}
    for entry in entries:
        if entry.kind == "note":
            handed_over = "handed_over" in entry.detail
            found.append(_handed_over(entry) if handed_over else _note(entry))
        elif entry.kind == "state":
            if entry.state not in {"Queuing", "Executing"}:
                found.append(_state(entry))
        elif entry.party == "solaruser" and not entry.sent:
            if entry.request is not None and entry.request.method == "POST":
                _insert(found, received, _exchange(entry))
        elif entry.sent and entry.exchange_id in received:
            # The receiver records a message first, before the answer is on its way.
            at = received.pop(entry.exchange_id)
            found[at] = _joined(found[at], _exchange(entry))
        else:
            if not entry.sent:
                received[entry.exchange_id] = len(found)
            found.append(_exchange(entry))
    return tuple(found)


def _insert(
    found: list[TimelineEntry], received: dict[int | None, int], exchange: Exchange
) -> None:
    """Put a request to SolarUser, which records it last, before all that came of it."""
    about = exchange.instruction_id
    places = (at for at, each in enumerate(found) if each.instruction_id == about is not None)
    place = next(places, len(found))
    found.insert(place, exchange)
    for exchange_id, at in received.items():
        received[exchange_id] = at + (at >= place)


def _exchange(entry: Entry) -> Exchange:
    request, response = entry.request, entry.response
    assert request is not None, "the journal takes no exchange without"  # noqa: S101
    other = entry.peer
    if entry.party == "solaruser" and _INSTRUCTIONS in request.target:
        # An integrator's program acts as its Capacity Optimizer (oscp20.md §7.1).
        other = "capacity_optimizer"
    url = urlsplit(request.target)
    return Exchange(
        number=entry.number,
        at=entry.at,
        sender=entry.party if entry.sent else other,
        receiver=other if entry.sent else entry.party,
        method=request.method,
        target=url.path + (f"?{url.query}" if url.query else ""),
        headers=request.headers,
        body=request.text,
        action=entry.action,
        instruction_id=entry.instruction_id,
        system=entry.detail.get("id"),
        status=None if response is None else response.status,
        answer="" if response is None else response.text,
        findings=entry.findings,
        notes=_notes(entry.detail),
    )


def _joined(received: TimelineEntry, sent: Exchange) -> TimelineEntry:
    if isinstance(received, Note):
        return sent
    notes = [*received.notes, *(note for note in sent.notes if note not in received.notes)]
    if sent.status is None and received.status is not None:
        notes.append(f"answered with {received.status}, which its sender did not see")
    return replace(
        received,
        sender=sent.sender,
        action=received.action or sent.action,
        instruction_id=received.instruction_id or sent.instruction_id,
        system=sent.system if received.system is None else received.system,
        status=sent.status,
        findings=(*received.findings, *sent.findings),
        notes=tuple(notes),
    )


def _handed_over(entry: Entry) -> Exchange:
    return Exchange(
        number=entry.number,
        at=entry.at,
        sender="solaruser",
        receiver="flexibility_provider",
        method="MQTT",
        target=QUEUE,
        body=json.dumps(entry.detail["handed_over"]),
        action=entry.action,
        instruction_id=entry.instruction_id,
        notes=_notes({k: v for k, v in entry.detail.items() if k != "handed_over"}),
    )


def _note(entry: Entry) -> Note:
    text = "; ".join(_notes(entry.detail)) or "noted"
    return Note(
        entry.number,
        entry.at,
        entry.party,
        text,
        entry.action,
        entry.instruction_id,
        entry.detail.get("id"),
        entry.detail.get("datum"),
        entry.findings,
    )


def _state(entry: Entry) -> Note:
    text = f"instruction {entry.instruction_id} is {entry.state}"
    if entry.reason:
        text += f": {entry.reason}"
    return Note(entry.number, entry.at, entry.party, text, entry.action, entry.instruction_id)


def _notes(detail: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a detail of the journal says, `why` in its own words."""
    told = []
    for name, value in detail.items():
        if name == "answered_after":
            told.append(f"answered after {value:g} s")
        elif name == "why":
            told.append(str(value))
        elif name not in _WHO:
            said = value if isinstance(value, str) else json.dumps(value, default=str)
            told.append(f"{name.replace('_', ' ')}: {said}")
    return tuple(told)

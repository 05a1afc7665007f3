"""What was done from outside, as a journal tells it: each becomes a step of a scenario.

All else that a journal tells followed from that, and follows again when the step is done again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from oscp_send.client import SolarUserClient
from oscp_send.instruction import TOPIC, join_parameters
from oscp_send.solarnetwork.request_body import BodyRefused, InstructionBody, read_body
from oscp_send.values import OscpSendError
from oscp_sim.entry import Entry
from oscp_sim.http import Request
from oscp_sim.recording.requests import REDACTED, request_of, requested, value_of
from oscp_sim.solaruser.call import ApiRefused, request_parameters
from oscp_sim.solaruser.parameters import long_of, read_form
from oscp_sim.token_endpoint import TOKEN_PATH
from oscp_sim.world import load_world

_ADD: Final = re.compile(r"/instr/(?:add|exec)(?:/([^/]+))?\Z")
_STANDARD: Final = frozenset({"coId", "cgIdentifier", "action", "msg"})
_LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SENDERS: Final = {"capacity_provider": "provider", "capacity_optimizer": "optimizer"}
# The forecast that each sends, and the command for it.
_FORECASTS: Final = {
    "capacity_provider": ("UpdateGroupCapacityForecast", "forecast"),
    "capacity_optimizer": ("AdjustGroupCapacityForecast", "adjust"),
}


@dataclass(slots=True)
class Act:
    """Something that was done from outside.

    Attributes:
        number: The journal's number of the first entry about it.
        step: What a step of a scenario has for it, but for what is expected.
        expect: What is expected of it alone.
        request_id: The X-Request-ID that it sent, where it was invented here.
        instruction_id: Of the instruction that it made.
        asked: Of a request as it stands: what the journal has of it.
    """

    number: int
    at: datetime
    step: dict[str, Any]
    expect: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    instruction_id: int | None = None
    asked: Entry | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was done from outside and cannot be done again; and why not."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        request = self.entry.request
        what = f"{request.method} {request.target}" if request else f"entry {self.entry.number}"
        return f"{what} at {self.entry.at:%H:%M:%S}: {self.why}"


class _NoStep(Exception):
    """Raised for what no step but a request as it stands does."""


@dataclass(frozen=True, slots=True)
class _Context:
    """What the entries of a journal say of one another.

    Attributes:
        shared: The systems, by party and id, that several users have.
        tokens: The security tokens of the world, by id, a good one first.
        ours: The exchanges that were sent by a party that is played.
        sides: The first entry of each exchange.
        begun: The first entry about each instruction.
        ended: The last change of its state.
    """

    shared: frozenset[tuple[str, int]]
    tokens: Mapping[str, Any]
    ours: set[int | None] = field(default_factory=set)
    sides: dict[int | None, Entry] = field(default_factory=dict)
    begun: dict[int | None, Entry] = field(default_factory=dict)
    ended: dict[int | None, Entry] = field(default_factory=dict)

    def read(self, entry: Entry) -> None:
        """Take the next entry."""
        self.begun.setdefault(entry.instruction_id, entry)
        if entry.kind == "exchange":
            self.sides.setdefault(entry.exchange_id, entry)
            if entry.sent:
                self.ours.add(entry.exchange_id)
        elif entry.kind == "state":
            self.ended[entry.instruction_id] = entry


def acts_of(
    entries: Sequence[Entry], world: Mapping[str, Any] | None = None
) -> Iterator[Act | LeftOut]:
    """Yield what was done from outside, in order, in a world (None: the built-in one)."""
    known = load_world().summary() if world is None else world
    context = _Context(_shared_ids(known), _tokens(known))
    for entry in entries:
        context.read(entry)
    found: list[tuple[int, Act | LeftOut]] = []
    for entry in entries:
        is_from_here = entry.kind == "exchange" and entry.exchange_id in context.ours
        act: Act | LeftOut | None
        try:
            act = _told(entry, context) if is_from_here else _asked(entry, context)
        except _NoStep:
            act = _request(entry, context)
        if act is not None:
            found.append((act.number if isinstance(act, Act) else entry.number, act))
    yield from _once((act for _, act in sorted(found, key=lambda each: each[0])))


def _once(acts: Iterable[Act | LeftOut]) -> Iterator[Act | LeftOut]:
    """Yield what was done, of looks at the same that follow one another the last alone."""
    last: Act | LeftOut | None = None
    for act in acts:
        if last is not None and not _is_same_look(last, act):
            yield last
        last = act
    if last is not None:
        yield last


def _is_same_look(one: Act | LeftOut, other: Act | LeftOut) -> bool:
    if not (isinstance(one, Act) and isinstance(other, Act) and one.asked and other.asked):
        return False
    is_look = one.asked.request is not None and one.asked.request.method in _LOOKS
    return is_look and one.step == other.step


def _tokens(world: Mapping[str, Any]) -> Mapping[str, Any]:
    tokens = [each for user in world.get("users", ()) for each in user.get("tokens", ())]
    tokens.sort(key=lambda each: not (each.get("enabled", True) and each.get("type") == "User"))
    return {each["id"]: each for each in tokens}


def _request(entry: Entry, context: _Context) -> Act | LeftOut:
    """Return what a program asked for, as it stands."""
    request = requested(entry)
    if request.path == TOKEN_PATH and _is_served(entry):
        return LeftOut(entry, "the secret of its client is not kept; tokens are shown without it")
    party = entry.party if entry.party in _SENDERS else entry.peer
    is_shared = (party or "", entry.detail.get("id", 0)) in context.shared
    step = {"request": request_of(entry, context.tokens, shared=is_shared)}
    expect = {"status": "unanswered" if entry.status is None else entry.status}
    number, at, made = entry.number, entry.at, None
    if request.method == "POST" and _ADD.search(request.path) and entry.instruction_id is not None:
        first, made = context.begun[entry.instruction_id], entry.instruction_id
        last = context.ended.get(made)
        number, at = first.number, first.at
        expect |= {} if last is None else _ending(last)
    return Act(number, at, step, expect, instruction_id=made, asked=entry)


def _is_served(entry: Entry) -> bool:
    return entry.status is not None and entry.status < 400  # noqa: PLR2004 - of HTTP


def _shared_ids(world: Mapping[str, Any]) -> frozenset[tuple[str, int]]:
    counted = Counter(
        (party, system["id"])
        for user in world.get("users", ())
        for party in _SENDERS
        for system in user.get(f"{party}s", ())
    )
    return frozenset(each for each, count in counted.items() if count > 1)


def _told(entry: Entry, context: _Context) -> Act | None:
    """Return what a party was told to send, of that party's side of the exchange."""
    if not (entry.sent and entry.detail.get("told")):
        return None
    first = context.sides[entry.exchange_id]
    return replace(_message(entry, context, is_told=True), number=first.number, at=first.at)


def _asked(entry: Entry, context: _Context) -> Act | None:
    """Return what a program asked for, or somebody had done to the broker."""
    if entry.kind == "note" and "broker" in entry.detail:
        return Act(entry.number, entry.at, {"broker": entry.detail["broker"]})
    if entry.kind != "exchange":
        return None
    if entry.party == "solaruser":
        return _of_solaruser(entry, context)
    if entry.party != "flexibility_provider":
        raise _NoStep
    return _message(entry, context, is_told=False)


def _of_solaruser(entry: Entry, context: _Context) -> Act:
    request = requested(entry)
    found = _ADD.search(request.path) if request.method == "POST" and _is_served(entry) else None
    if found is None or entry.instruction_id is None:
        raise _NoStep
    try:
        node, topic, body = _instruction(request, found[1])
    except (BodyRefused, ApiRefused, ValueError):
        raise _NoStep from None
    if node is None or topic != TOPIC or body.instruction_date or body.expiration_date:
        raise _NoStep
    first, last = context.begun[entry.instruction_id], context.ended.get(entry.instruction_id)
    expect = {} if last is None else _ending(last)
    step = _send(node, body.parameters)
    return Act(first.number, first.at, step, expect, instruction_id=entry.instruction_id)


def _instruction(request: Request, topic: str | None) -> tuple[int | None, str, InstructionBody]:
    if "json" in request.fields.get("content-type", "").lower():
        body = read_body(request.body or b"", has_topic=topic is not None)
        return body.node_id, topic or body.topic or "", body
    given = MultiDict(request_parameters(request))
    body = read_form(given)
    return long_of(given.get("nodeId", "")), topic or body.topic or "", body


def _send(node: int, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    named = join_parameters(pairs)
    if named.keys() - {"correlationId"} != _STANDARD:
        if len(named) < len(pairs):
            raise _NoStep
        return {"send": {"node": node, "parameters": named}}
    optimizer = named["coId"]
    is_number = optimizer.isascii() and optimizer.isdecimal() and optimizer == str(int(optimizer))
    send: dict[str, Any] = {
        "node": node,
        "optimizer": int(optimizer) if is_number else optimizer,
        "group": named["cgIdentifier"],
        "action": named["action"],
        **written(named["msg"]),
    }
    if "correlationId" in named:
        send["correlation_id"] = named["correlationId"]
    if not _is_sendable(node, named):
        send["checked"] = False
    return {"send": send}


def _is_sendable(node: int, named: Mapping[str, str]) -> bool:
    """Return whether the sender would send it, or find a mistake in it first."""
    client = SolarUserClient("http://localhost", "token", "secret")
    try:
        client.build(
            named["action"],
            named["msg"],
            node_id=node,
            co_id=named["coId"],
            cg_identifier=named["cgIdentifier"],
            correlation_id=named.get("correlationId"),
        )
    except OscpSendError:
        return False
    return True


def _ending(last: Entry) -> dict[str, Any]:
    """Return the state in which an instruction ended, and the reason, if there was one."""
    return {"state": last.state, **({} if last.reason is None else {"reason": last.reason})}


def written(text: str) -> dict[str, Any]:
    """Return the key and value by which a step sends a message: a value, where it says the same."""
    value = value_of(text)
    return {"text": text} if value is None else {"message": value}


# What a Capacity Provider or Optimizer was told to send, or a program sent in its place.


def _message(entry: Entry, context: _Context, *, is_told: bool) -> Act:
    party = entry.party if is_told else entry.peer
    who, action, request = entry.detail.get("id"), entry.action, requested(entry)
    if party not in _SENDERS or who is None or action is None:
        raise _NoStep
    ids = {} if is_told else _given(request, "X-Request-ID", "request_id")
    ids |= _given(request, "X-Correlation-ID", "correlation_id")
    command, fields = _command(party, action, request.text)
    of_user = {"user": entry.detail["user"]} if (party, who) in context.shared else {}
    step = {command: {_SENDERS[party]: who, **of_user, **fields, **ids}}
    expect = {"status": "unanswered" if entry.status is None else entry.status}
    invented = header(request, "X-Request-ID") if is_told else None
    return Act(entry.number, entry.at, step, expect, request_id=invented)


def _given(request: Request, name: str, key: str) -> dict[str, str]:
    value = header(request, name)
    return {key: value} if value else {}


def header(request: Request | None, name: str) -> str | None:
    """Return the first value of a header, by its name in any case, or None."""
    if request is None:
        return None
    return next((value for each, value in request.headers if each.lower() == name.lower()), None)


def _command(party: str, action: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return the command that sends such a message, and its fields."""
    value = value_of(text)
    if action == "Register" and REDACTED in text:
        # Its token is a secret: the party gives one of its own.
        return "register", {}
    fields = value if isinstance(value, Mapping) else {}
    wanted = fields.get("required_behaviour")
    if action == "Handshake" and len(fields) == 1 and isinstance(wanted, Mapping):
        keys = ("heartbeat_interval", "measurement_configuration")
        if not wanted.keys() - set(keys):
            return "handshake", {key: wanted.get(key) for key in keys}
    if action == "Heartbeat" and fields.keys() == {"offline_mode_at"}:
        return "heartbeat", {"offline_mode_at": fields["offline_mode_at"]}
    if action == _FORECASTS[party][0] and value is not None:
        return _FORECASTS[party][1], {"message": value}
    return "post", {"action": action, "message": text if value is None else value}

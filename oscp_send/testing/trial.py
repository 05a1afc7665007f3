"""One message given to somebody's sender, in a rehearsal, and everything that came of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from traceback import FrameSummary, extract_tb
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args
from urllib.parse import parse_qsl

import requests

from oscp_schemas.show import printable, shortened
from oscp_send.client import SolarUserClient
from oscp_send.findings import Judgement
from oscp_send.instruction import Instruction, join_parameters
from oscp_send.judgement import check
from oscp_send.solarnetwork.request_body import BodyRefused, read_body
from oscp_send.testing.cases import Case, Fault
from oscp_send.values import OscpSendError

Outcome = Literal["delivered", "not delivered", "unknown"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
Way = Literal["socket", "session", "intercept"]
Errors: TypeAlias = tuple[type[Exception], ...]

#: Seconds: how long a sender may wait where nothing goes wrong.
_PATIENCE: Final = 10.0
#: The base URL of a session that needs no socket, and production's, which may be intercepted.
_IN_PROCESS: Final = "http://simulator.invalid"
PRODUCTION: Final = "https://data.solarnetwork.net"
_POSTS: Final = re.compile(r"/instr/(?:add|exec)(?:/[^/]*)?")
_FIELD: Final = re.compile(r"[Pp]arameters\[(\d+)\]\.(name|value)")
_LONGEST: Final = 1000
#: Calls of a sender that are shown where it raises something.
_FRAMES: Final = 6


class Journal(Protocol):
    """Everything that happened in a rehearsal."""

    def entries(self) -> Sequence[Any]:
        """Return the entries, in order."""
        ...


class Clock(Protocol):
    """What time it is in a rehearsal."""

    @property
    def is_simulated(self) -> bool:
        """Whether it is another one than the machine's."""
        ...

    def now(self) -> datetime:
        """Return what time it is."""
        ...

    def advance(self, by: float) -> datetime:
        """Move it, where it is simulated."""
        ...


class Faults(Protocol):
    """What shall go wrong in a rehearsal."""

    def add(self, rule: Mapping[str, Any] | None = None, /) -> Any:  # noqa: ANN401 - with `struck`
        """Let one thing go wrong from now on."""
        ...

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        ...


class Rehearsal(Protocol):
    """What is needed of the world that a sender talks to; a `Simulator` that runs has it."""

    @property
    def url(self) -> str:
        """The base URL, on a socket."""
        ...

    @property
    def world(self) -> Any:  # noqa: ANN401 - users with tokens, nodes, groups, as a world file has
        """Who exists."""
        ...

    @property
    def behaviour(self) -> Any:  # noqa: ANN401 - passed on to `check`
        """Which side of each difference in fidelity is followed."""
        ...

    @property
    def journal(self) -> Journal:
        """Everything that happened."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        ...

    def session(self) -> requests.Session:
        """Return a session that reaches it without a socket."""
        ...

    def intercept(self) -> AbstractContextManager[Any]:
        """Have it answer the hosts of production in this process."""
        ...

    def handle(self, request: Any) -> Any:  # noqa: ANN401 - as `telling` had told it
        """Answer a request."""
        ...

    def telling(self, tell: Callable[[Any], object]) -> AbstractContextManager[None]:
        """Call something with each request as it comes."""
        ...

    def reset(self) -> None:
        """Forget everything that happened."""
        ...

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is on its way any more."""
        ...

    def wait_until_settled(self, timeout: float) -> bool:
        """Wait until no instruction is on its way any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a sender is asked to send, and where.

    Attributes:
        url: The base URL of SolarUser, without `/solaruser`.
        token: The id of the security token.
        secret: Its secret.
        node_id: The node.
        co_id: The id of the Capacity Optimizer.
        cg_identifier: The identifier of the Capacity Group.
        action: The OSCP message name.
        message: The message as a JSON value.
        text: The message as JSON text, which may be broken where `message` is None.
        correlation_id: The correlation id; None for none.
        timeout: Seconds that the sender may wait for an answer, and for the instruction's end.
        session: Reaches the URL; a sender may bring its own, unless no socket is to be used.
        now: Returns what time it is there; the machine's time is as good.
        sleep: Pauses for some seconds by the clock there, and no longer than anything is on its
            way; `time.sleep` does as well, and takes longer.
    """

    url: str
    token: str
    secret: str = field(repr=False)
    node_id: int
    co_id: int
    cg_identifier: str
    action: str
    message: Any
    text: str
    correlation_id: str | None = None
    timeout: float = _PATIENCE
    session: requests.Session = field(repr=False, compare=False)
    now: Callable[[], datetime] = field(repr=False, compare=False)
    sleep: Callable[[float], None] = field(repr=False, compare=False)


class Posted:
    """A request that asks SolarUser to queue an instruction.

    Attributes:
        request: As it came.
    """

    def __init__(self, request: Any) -> None:  # noqa: ANN401 - a request as it came
        self.request = request

    @cached_property
    def _read(self) -> tuple[str | None, Sequence[tuple[str, str]]]:
        body = self.request.body or b""
        if "json" in self.request.fields.get("content-type", ""):
            try:
                read = read_body(body, executes=False, has_topic=True)
            except BodyRefused:
                return None, ()
            return None if read.node_id is None else str(read.node_id), read.parameters
        return _of_form(f"{self.request.query}&{body.decode('latin-1')}")

    @property
    def node_id(self) -> str | None:
        """The node; None where none was sent."""
        return self._read[0]

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Its parameters, whose parts are joined."""
        return join_parameters(self._read[1])


def _of_form(text: str) -> tuple[str | None, Sequence[tuple[str, str]]]:
    """Return the node of a form, and its parameters."""
    found: dict[int, dict[str, str]] = {}
    fields = parse_qsl(text, keep_blank_values=True)
    for key, value in fields:
        if named := _FIELD.fullmatch(key):
            found.setdefault(int(named[1]), {})[named[2]] = value
    rows = (found[at] for at in sorted(found))
    pairs = [(row.get("name", ""), row.get("value", "")) for row in rows]
    return dict(fields).get("nodeId"), pairs


@dataclass(frozen=True)
class Trial:
    """What came of one sending.

    Attributes:
        rehearsal: In which it was sent.
        sending: What the sender was asked for.
        said: What it said; None where that was none of the three.
        why: Why it said that, or what it said instead, for people.
        error: What it raised.
        heard: The requests to SolarUser, as they came.
        entries: What happened, by the journal.
        is_late: Whether the sender took longer than it may wait.
        struck: How often something went wrong on purpose.
        fault: What was to go wrong.
    """

    rehearsal: Rehearsal
    sending: Sending
    said: Outcome | None
    why: str
    error: Exception | None
    heard: tuple[Any, ...]
    entries: Sequence[Any]
    is_late: bool = False
    struck: int = 0
    fault: Fault | None = None

    @cached_property
    def posts(self) -> Sequence[Posted]:
        """The requests that ask for an instruction."""
        return [
            Posted(each) for each in self.heard if each.method == "POST" and _is_post(each.path)
        ]

    @cached_property
    def states(self) -> Mapping[int, Sequence[tuple[str, str | None]]]:
        """The states of each instruction, in order, and the reason for each."""
        found: dict[int, list[tuple[str, str | None]]] = {}
        for each in self.entries:
            if each.kind != "state":
                continue
            if each.party == "solaruser":
                found.setdefault(each.instruction_id, [])
            # What is left of an earlier sending is not of this one.
            if each.instruction_id in found:
                found[each.instruction_id].append((each.state, each.reason))
        return found

    @cached_property
    def queued(self) -> Sequence[int]:
        """The instructions that SolarUser took."""
        return [each for each, states in self.states.items() if states[0][0] != "Declined"]

    @property
    def state(self) -> str | None:
        """The last state of the instruction that was queued, or of the last one; None of none."""
        those = self.queued or list(self.states)
        return self.states[those[-1]][-1][0] if those else None

    @property
    def deliveries(self) -> Sequence[Any]:
        """What the Flexibility Provider sent to the Capacity Provider, and had an answer to."""
        return [
            each
            for each in self.entries
            if each.party == "flexibility_provider"
            and each.kind == "exchange"
            and each.sent
            and each.instruction_id in self.states
            and each.status is not None
        ]

    def judgement(self, text: str) -> Judgement:
        """Return what `check` says of a text as this message."""
        rehearsal = self.rehearsal
        limit = rehearsal.world.mqtt_limit
        return check(self.sending.action, text, rehearsal.behaviour, mqtt_limit=limit)

    def unknown_properties(self) -> frozenset[str]:
        """Return the pointers of what SolarNetwork drops of the message."""
        found = self.judgement(self.sending.text).findings
        return frozenset(each.pointer for each in found if each.rule == "unknown-property")

    def story(self) -> str:
        """Return what was sent, what arrived, what was said and what happened, for people."""
        sending = self.sending
        about = f", correlation id {sending.correlation_id!r}" if sending.correlation_id else ""
        lines = [f"sent:     {sending.action}{about}", f"    {_shown(sending.text)}"]
        if self.fault is not None:
            lines.append(f"fault:    {self.fault}{'' if self.struck else ' (never struck)'}")
        for post in self.posts:
            message = post.parameters.get("msg")
            lines.append("to SolarUser came:")
            lines.append(f"    {_shown(post.request.text if message is None else message)}")
        if not self.posts:
            lines.append("to SolarUser came no request that asks for an instruction")
        for each in self.deliveries:
            lines += ["to the Capacity Provider came:", f"    {_shown(each.request.text)}"]
        lines += [f"the sender said: {self.why}", *self._raised(), "what happened:"]
        lines += [f"    {each}" for each in self.entries] or ["    nothing"]
        return "\n".join(lines)

    def _raised(self) -> Iterator[str]:
        """Yield where the sender raised what it said, its own lines first."""
        if self.said is None and self.error is not None:
            # The first frame is ours.
            frames = extract_tb(self.error.__traceback__)[1:]
            yield from map(_line, frames[:_FRAMES])


def _line(frame: FrameSummary) -> str:
    return f"    {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"


def _is_post(path: str) -> bool:
    return _POSTS.search(path) is not None


def _shown(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ... ({len(text)} characters)"
    return printable(text)


class Trials:
    """Gives messages to a sender, each in a rehearsal that starts afresh.

    Args:
        rehearsal: The world that it talks to.
        send: The sender.
        way: How it gets there.
        not_delivered: What it raises where it knows that nothing was delivered.
        unknown: What it raises where it does not know.
        patience: Seconds that it may wait where something goes wrong.

    Raises:
        ValueError: The world has nobody to send as, or no Capacity Group to send to.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        send: Callable[[Sending], Outcome],
        *,
        way: Way,
        not_delivered: Errors,
        unknown: Errors,
        patience: float,
    ) -> None:
        self.rehearsal = rehearsal
        self._send = send
        self._meanings: Mapping[Outcome, Errors] = {
            "not delivered": not_delivered,
            "unknown": unknown,
        }
        self._patience = patience
        self._way = way
        self._common = {
            "url": self._url(way),
            "session": rehearsal.session() if way == "session" else requests.Session(),
            "now": rehearsal.clock.now,
            "sleep": self._sleep,
            **_target(rehearsal.world),
        }
        self.cg_identifier: str = self._common["cg_identifier"]
        self.secret: str = self._common["secret"]

    def run(self, case: Case, fault: Fault | None = None) -> Trial:
        """Send one message, and return what came of it."""
        rehearsal = self.rehearsal
        rehearsal.reset()
        rehearsal.faults.clear()
        armed = None if fault is None else rehearsal.faults.add(fault.words)
        patience = _PATIENCE if fault is None else self._patience
        sending = Sending(
            action=case.action,
            message=_value(case.text),
            text=case.text,
            correlation_id=case.correlation_id,
            timeout=patience,
            **self._common,
        )
        heard: list[Any] = []
        began = time.monotonic()
        with rehearsal.telling(heard.append):
            with self._reaching():
                said, why, error = self._said(sending)
            is_late = time.monotonic() - began >= patience
            # What is not known need not be awaited, unless nothing has gone wrong so far.
            if said != "unknown" or armed is None or not armed.struck:
                self._settle(patience)
        return Trial(
            rehearsal,
            sending,
            said,
            why,
            error,
            tuple(each for each in heard if each.path.startswith("/solaruser/")),
            rehearsal.journal.entries(),
            is_late,
            0 if armed is None else armed.struck,
            fault,
        )

    def directly(self, case: Case) -> Trial:
        """Send a message that the sender refuses, as it is, and return what came of it."""
        other = Trials(
            self.rehearsal,
            _submit,
            way="session",
            not_delivered=(OscpSendError,),
            unknown=(),
            patience=self._patience,
        )
        return other.run(case)

    def ask(self, request: Any) -> tuple[int, Sequence[Any]]:  # noqa: ANN401 - a request as it came
        """Send a request as it is, and return the status of the answer, and what happened."""
        self.rehearsal.reset()
        self.rehearsal.faults.clear()
        status: int = self.rehearsal.handle(request).status
        return status, self.rehearsal.journal.entries()

    def forget(self) -> None:
        """Leave nothing behind."""
        self.rehearsal.reset()
        self.rehearsal.faults.clear()

    def _url(self, way: Way) -> str:
        if way == "socket":
            return self.rehearsal.url
        return _IN_PROCESS if way == "session" else PRODUCTION

    def _reaching(self) -> AbstractContextManager[Any]:
        """Return within what the sender reaches the world."""
        return self.rehearsal.intercept() if self._way == "intercept" else nullcontext()

    def _said(self, sending: Sending) -> tuple[Outcome | None, str, Exception | None]:
        try:
            said = self._send(sending)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it may have said what it means
            meaning, told = self._meaning(error), _told(error)
            return meaning, f"{meaning}, by {told}" if meaning else told, error
        if isinstance(said, Coroutine):
            said.close()
            return None, "a coroutine: give a function that runs it, as by asyncio.run", None
        return (said, said, None) if said in OUTCOMES else (None, repr(said), None)

    def _meaning(self, error: Exception) -> Outcome | None:
        """Return what an exception means, by the nearest class that is named."""
        for kind in type(error).__mro__:
            for meaning, kinds in self._meanings.items():
                if kind in kinds:
                    return meaning
        return None

    def _settle(self, patience: float) -> None:
        # By the machine's clock only instructions are awaited: what answers them takes seconds.
        if self.rehearsal.clock.is_simulated:
            self.rehearsal.settle(patience)
        else:
            self.rehearsal.wait_until_settled(patience)

    def _sleep(self, seconds: float) -> None:
        """Let so many seconds pass, or as many as it takes until nothing is on its way."""
        clock = self.rehearsal.clock
        if clock.is_simulated and getattr(clock, "speed", None) is None:
            clock.advance(seconds)
        self._settle(seconds)


def _submit(sending: Sending) -> Outcome:
    client = SolarUserClient(
        sending.url, sending.token, sending.secret, session=sending.session, clock=sending.now
    )
    client.submit(
        Instruction.of_message(
            sending.action,
            sending.text,
            node_id=sending.node_id,
            co_id=sending.co_id,
            cg_identifier=sending.cg_identifier,
            correlation_id=sending.correlation_id,
        )
    )
    return "delivered"


def _told(error: Exception) -> str:
    return shortened(f"{type(error).__name__}: {error}")


def _value(text: str) -> Any:  # noqa: ANN401 - JSON of any kind
    try:
        return json.loads(text)
    except ValueError:
        return None


def _target(world: Any) -> dict[str, Any]:  # noqa: ANN401 - as a world file has it
    """Return who sends, and to which group, of the first user who can."""
    for user in world.users:
        tokens = [each for each in user.tokens if each.type == "User" and each.enabled]
        on = {each.id for each in user.capacity_providers if each.enabled}
        optimizers = {each.id for each in user.capacity_optimizers if each.enabled}
        groups = [
            each
            for each in user.capacity_groups
            if each.enabled
            and each.capacity_provider in on
            and each.capacity_optimizer in optimizers
        ]
        if tokens and groups and user.nodes:
            return {
                "token": tokens[0].id,
                "secret": tokens[0].secret,
                "node_id": user.nodes[0],
                "co_id": groups[0].capacity_optimizer,
                "cg_identifier": groups[0].identifier,
            }
    raise ValueError(
        "the world has no user with a token of type User, a node and a Capacity Group whose "
        "Capacity Provider and Optimizer are enabled: nothing can be sent in it"
    )


def declined(trial: Trial) -> str | None:
    """Return why SolarUser took no instruction of a sending; None where it took one."""
    if trial.queued:
        return None
    for states in trial.states.values():
        return states[0][1] or "it gave no reason"
    answers = [
        each
        for each in trial.entries
        if each.party == "solaruser" and each.kind == "exchange" and each.request.method == "POST"
    ]
    if not answers or answers[-1].response is None:
        return "no request had an answer"
    return f"HTTP {answers[-1].status}, {shortened(answers[-1].response.text)}"

"""Do what a step says: make a party act, send as an integrator's program would, or let others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from oscp_send.client import SolarUserClient
from oscp_send.errors import DeadlinePassed, InstructionDeclined, PossiblySent
from oscp_send.instruction import TOPIC, Instruction, join_parameters, split
from oscp_send.messages import (
    AdjustGroupCapacityForecast,
    UpdateGroupCapacityForecast,
    forecasted_blocks,
    wire_text,
)
from oscp_send.values import OscpSendError
from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock
from oscp_sim.entry import ALL_PARTIES, Entry
from oscp_sim.journal import Journal
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.program import Ended, NotStarted, credentials, run_program
from oscp_sim.scenario.model import Command, JsonText, Message, Parameters, Run, Send, Wait
from oscp_sim.scenario.real_parties import NAMES, RealParties
from oscp_sim.scenario.timeline import Exchange, timeline
from oscp_sim.settling import Settling
from oscp_sim.simulator import Simulator
from oscp_sim.system.kinds import carry_out
from oscp_sim.system.sending import Sent
from oscp_sim.verify import verify


class ImpossibleStep(Exception):
    """Raised for a step that cannot be done; its text says why and what to do."""


def act(command: Command, simulator: Simulator, real: RealParties) -> Sent:
    """Make a simulated party send a message, and return the result.

    Raises:
        ImpossibleStep: The party is not there, is real, or cannot make such a message.
    """
    party = command.party
    url = real.systems.get((party.role, party.id))
    if url is not None:
        raise ImpossibleStep(
            f"{NAMES[party.role]} {party.id} is real, at {url}: the simulator cannot command a "
            "real party; leave the step out, or take its seat away"
        )
    find = simulator.provider if party.role == "capacity_provider" else simulator.optimizer
    try:
        return carry_out(find(party.id, party.user), command.name, command.fields)
    except (LookupError, ValueError) as error:
        raise ImpossibleStep(str(error.args[0] if error.args else error)) from error


def pass_time(wait: Wait, clock: Clock) -> None:
    """Let time pass, and do what is due in it."""
    seconds = wait.duration.total_seconds()
    if is_moved(clock):
        clock.advance(seconds)
    else:
        clock.sleep(seconds)


def finish_what_is_due(clock: Clock) -> None:
    """Do what is due now by a clock that stands, before anybody looks."""
    if is_moved(clock):
        clock.advance(0)


def is_moved(clock: Clock) -> bool:
    """Return whether a clock stands still unless somebody moves it."""
    runs = isinstance(clock, FastClock) and clock.speed is not None
    return isinstance(clock, FrozenClock) and not runs


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of sending an instruction.

    Attributes:
        state: The last state seen of the instruction; None where there is none.
        reason: Why it was declined, or what the sender's error says.
        error: The sender's error; None for an instruction that was completed.
        message: The message as text, as it was sent or would have been.
        parts: Into how many parts it was split; None where nothing was sent.
        instruction_id: Of the instruction that SolarUser made of it.
        settled: Of an instruction that may have been queued: its state as the sender then found
            it, or `nothing`; None where it did not look.
    """

    state: str | None
    reason: str | None
    error: OscpSendError | None
    message: str | None
    parts: int | None
    instruction_id: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    settled: str | None = None


def send(step: Send, simulator: Simulator, timeout: float, *, settles: bool = False) -> Outcome:
    """Send an instruction, follow it to its end for so many seconds, and return the result.

    Where it settles, the sender finds out what became of one that may have been queued.
    """
    token_id, secret = credentials(simulator.world, step.node)
    session = simulator.session(explains=False)
    elsewhere = simulator.world.solaruser
    # A real SolarUser goes by the machine's clock, whatever time it is in the rehearsal.
    clock = simulator.clock if elsewhere is None else RealClock()

    def pause(seconds: float) -> None:
        if is_moved(clock):
            clock.advance(0)
            if not simulator.wait_until_settled(0):
                clock.advance(seconds)
        elif elsewhere is None:
            # Woken as soon as nothing is on its way any more, rather than after a fixed pause.
            simulator.wait_until_settled(seconds)
        else:
            clock.sleep(seconds)

    client = SolarUserClient(
        elsewhere or IN_PROCESS_URL,
        token_id,
        secret,
        session=session,
        clock=clock.now,
        sleep=pause,
    )
    instruction: Instruction | None = None
    text = None

    def ended(
        state: str | None, reason: str | None, error: OscpSendError | None, number: int | None
    ) -> Outcome:
        named = join_parameters(instruction.parameters) if instruction else {}
        parts = None if number is None else _parts(instruction)
        made = Outcome(state, reason, error, text, parts)
        return replace(made, instruction_id=number, parameters=named)

    with session:
        try:
            text = _text(step)
            instruction = _instruction(step, client, text)
            status = client.wait(client.submit(instruction), timeout=timeout)
        except InstructionDeclined as error:
            return ended("Declined", error.reason, error, error.instruction.id)
        except DeadlinePassed as error:
            state = str(error.instruction.state) if error.instruction else None
            return ended(state, str(error), error, error.instruction_id)
        except PossiblySent as error:
            settled = _settled(client, error, clock) if settles else None
            return replace(ended(None, str(error), error, None), settled=settled)
        except OscpSendError as error:
            return ended(None, str(error), error, None)
    return ended(str(status.state), None, None, status.id)


# Until it is certain that nothing was queued, and a little longer; and how long the sender looks
# where nobody moves the clock, in seconds.
_CERTAIN: Final = 1200.0
_LOOKS: Final = 1.0


def _settled(client: SolarUserClient, error: PossiblySent, clock: Clock) -> str:
    """Return the state in which the sender finds an instruction that may have been queued."""
    patience = 0.0 if is_moved(clock) else _LOOKS
    try:
        try:
            found = client.settle(error, timeout=patience)
        except PossiblySent:
            if not is_moved(clock):
                raise
            clock.advance(_CERTAIN)
            found = client.settle(error)
        if found is not None:
            found = client.wait(found, timeout=_CERTAIN if is_moved(clock) else _LOOKS)
    except OscpSendError as trouble:
        return "Declined" if isinstance(trouble, InstructionDeclined) else type(trouble).__name__
    return "nothing" if found is None else str(found.state)


def _text(step: Send) -> str | None:
    """Return the message of an instruction as text, or None if its parameters have none."""
    content = step.content
    if isinstance(content, Parameters):
        values = [value for name, value in content.pairs if name == "msg"]
        return "".join(values) if values else None
    if isinstance(content, JsonText):
        return content.text
    if isinstance(content, Message):
        return wire_text(content.value)
    blocks = forecasted_blocks(
        content.start, content.step, content.capacities, unit=content.unit, phase=content.phase
    )
    updates = step.action == "UpdateGroupCapacityForecast"
    kind = UpdateGroupCapacityForecast if updates else AdjustGroupCapacityForecast
    return wire_text(kind(content.group_id, content.type, blocks))


def _instruction(step: Send, client: SolarUserClient, text: str | None) -> Instruction:
    if isinstance(step.content, Parameters):
        return Instruction(TOPIC, step.node, step.content.pairs)
    make = client.build if step.checked else Instruction.of_message
    return make(
        step.action or "",
        text or "",
        node_id=step.node,
        co_id=step.optimizer or "",
        cg_identifier=step.group or "",
        correlation_id=step.correlation_id,
    )


def _parts(instruction: Instruction | None) -> int | None:
    if instruction is None:
        return None
    return sum(len(split(value)) for name, value in instruction.parameters if name == "msg")


def look_back(simulator: Simulator) -> Callable[..., object]:
    """Return what verifies: it lets time pass, and waits for others where some are elsewhere."""
    urls = (each.base_url for user in simulator.world.users for each in user.systems)
    are_elsewhere = any(isinstance(url, str) and url.strip() for url in urls)
    alone = simulator.plays == frozenset(ALL_PARTIES) and not are_elsewhere
    return partial(verify, simulator.shared, moves=True, alone=alone)


# Others: a program of the reader's own, and whoever sends something.

# How often a clock that stands is looked at while a program runs, in seconds of real time, and by
# how much it is moved at most.
_TICK: Final = 0.01
_STEP: Final = 1.0
_ON_ITS_WAY: Final = frozenset({"Queuing", "Executing"})


def run_to_its_end(run: Run, simulator: Simulator, timeout: float, settling: float) -> Ended:
    """Run a program, let all that it has sent come to its end, and return what came of it.

    A clock that stands is moved on while anything is on its way: the program could wait for it. It
    is ended once its time is over; what it has sent then has the seconds of `settling`.

    Raises:
        NotStarted: There is no such program, or it cannot be run.
    """
    simulator.serve_at(simulator.url)
    with _intercepted(run, simulator) as variables, _time_passing(simulator):
        ended = run_program(
            run.command, simulator, folder=run.folder, timeout=timeout, variables=variables
        )
    Settling(simulator.shared, moves=True).wait_until_settled(settling)
    return ended


def follow_instructions(simulator: Simulator, mark: int, seconds: float) -> None:
    """Let what became an instruction since a mark of the journal come to its end.

    A clock that stands is moved on for it, by so many seconds at most.
    """
    settling = Settling(simulator.shared, moves=True)
    until = settling.end_after(seconds)

    def is_decided() -> bool:
        sent = instructions_of(simulator.journal.entries(since=mark, kind="state"), simulator)
        is_over = not any(each.state in _ON_ITS_WAY for each in sent)
        return is_over or not settling.may_change(until)

    settling.wait(is_decided, until, seconds)


@contextmanager
def _intercepted(run: Run, simulator: Simulator) -> Iterator[Mapping[str, str]]:
    """Yield what a program finds in its environment to reach the simulator as production."""
    if run.others is None:
        yield {}
        return
    # Few programs want it, and it takes long to load.
    from oscp_sim.authority import TlsUnavailable  # noqa: PLC0415
    from oscp_sim.production import authority_for, surroundings  # noqa: PLC0415

    try:
        authority = authority_for(simulator.world)
    except TlsUnavailable as error:
        raise NotStarted(str(error)) from error
    with surroundings(simulator, authority, os.environ, run.others) as around:
        yield around.variables


@contextmanager
def _time_passing(simulator: Simulator) -> Iterator[None]:
    if not is_moved(simulator.clock):
        yield
        return
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(_TICK):
            _move_on(simulator, _STEP)

    mover = threading.Thread(target=work, name="time for a program", daemon=True)
    mover.start()
    try:
        yield
    finally:
        is_over.set()
        mover.join()


def _move_on(simulator: Simulator, most: float) -> None:
    """Move a clock that stands to what is due next, while anything is on its way."""
    clock = simulator.clock
    clock.advance(0)
    if simulator.wait_until_settled(0) and not simulator.pending:
        return
    due = simulator.shared.schedule.next_due
    left = most if due is None else (due - clock.now()).total_seconds()
    clock.advance(max(0.0, min(most, left)))


def instructions_of(entries: Sequence[Entry], simulator: Simulator) -> list[Outcome]:
    """Return what came of each instruction that entries of the journal are about, in order."""
    ids = dict.fromkeys(each.instruction_id for each in entries if each.kind == "state")
    rows = [simulator.shared.instructions.get(each) for each in ids if each is not None]
    return [
        Outcome(
            row.state,
            None
            if (why := row.result.get("error", row.result.get("message"))) is None
            else str(why),
            None,
            row.parameters.get("msg"),
            sum(name == "msg" for name, _ in row.pieces),
            instruction_id=row.id,
            parameters=row.parameters,
        )
        for row in rows
        if row is not None
    ]


def wait_for(
    fits: Callable[[Sequence[Exchange]], bool],
    simulator: Simulator,
    since: int,
    seconds: float,
    *,
    real: bool,
) -> tuple[Exchange, ...]:
    """Wait until what was sent fits, or time is over, and return what was sent, in order.

    Args:
        fits: Whether what was sent is enough.
        simulator: Where.
        since: Only what is after this number of the journal counts.
        seconds: How long to wait: by a clock that stands, which is moved on, else in reality.
        real: Whether somebody outside may send something, for whom real time must pass, too.
    """
    settling = Settling(simulator.shared, moves=True)
    until = settling.end_after(seconds)

    def is_decided() -> bool:
        if fits(_sent(simulator.journal, since)):
            return True
        return until is not None and not (real or settling.may_change(until))

    settling.wait(is_decided, until, seconds)
    return _sent(simulator.journal, since)


def _sent(journal: Journal, since: int) -> tuple[Exchange, ...]:
    items = timeline(journal.entries(since=since))
    return tuple(each for each in items if isinstance(each, Exchange))

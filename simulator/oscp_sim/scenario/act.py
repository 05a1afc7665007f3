"""Do what a step says: make a party act, wait, or send as an integrator's program would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from oscp_sim.entry import ALL_PARTIES
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.program import credentials
from oscp_sim.scenario.model import Command, JsonText, Message, Parameters, Send, Wait
from oscp_sim.scenario.real_parties import NAMES, RealParties
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
        declined = isinstance(trouble, InstructionDeclined)
        return "Declined" if declined else type(trouble).__name__
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

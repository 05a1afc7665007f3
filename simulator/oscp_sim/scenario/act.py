"""One step's message, sent as an integrator's own program would send it: through `oscp_send`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from oscp_send.client import SolarUserClient
from oscp_send.errors import DeadlinePassed, InstructionDeclined
from oscp_send.instruction import TOPIC, Instruction, split
from oscp_send.messages import (
    AdjustGroupCapacityForecast,
    UpdateGroupCapacityForecast,
    forecasted_blocks,
    wire_text,
)
from oscp_send.messages import Message as OscpMessage
from oscp_send.values import OscpSendError
from oscp_sim.clock import Clock, FrozenClock, RealClock
from oscp_sim.control import carry_out
from oscp_sim.scenario.model import (
    Command,
    Forecast,
    JsonText,
    Message,
    Parameters,
    PlayedParty,
    Send,
    Wait,
)
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.system.sending import Sent
from oscp_sim.world import World

if TYPE_CHECKING:
    from oscp_sim.simulator import Simulator

# § Steps in which a simulated party sends something of its own accord, or time passes.


class ImpossibleStep(Exception):
    """Raised for a step that cannot be done; its text says why and what to do.

    Attributes:
        pointer: The JSON Pointer, below the command, of what is at fault.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


def act(command: Command, simulator: Simulator, seats: RealParties) -> Sent:
    """Has a simulated party send a message, and return the result.

    Raises:
        ImpossibleStep: The party is not there, is real, or cannot make such a message.
    """
    party = command.party
    real = getattr(seats, party.role).get(party.id)
    if real is not None:
        raise ImpossibleStep(
            f"{_name(party)} is real, at {real}: nobody here can make it act; "
            "leave the step out, or take its seat away"
        )
    find = simulator.provider if party.role == "capacity_provider" else simulator.optimizer
    try:
        return carry_out(find(party.id, party.user), command.name, command.fields)
    except (LookupError, ValueError) as error:
        raise ImpossibleStep(str(error.args[0] if error.args else error)) from error


def pass_time(wait: Wait, clock: Clock) -> None:
    """Lets time pass, with all that is due in it."""
    seconds = wait.duration.total_seconds()
    if is_moved(clock):
        clock.advance(seconds)
    else:
        clock.sleep(seconds)


def finish_what_is_due(clock: Clock) -> None:
    """Has done, before anybody looks, what is due at the present instant of a clock that stands."""
    if is_moved(clock):
        clock.advance(0)


def is_moved(clock: Clock) -> bool:
    """Return whether a clock stands still but for who moves it."""
    return isinstance(clock, FrozenClock) and getattr(clock, "speed", None) is None


def _name(party: PlayedParty) -> str:
    kind = "Provider" if party.role == "capacity_provider" else "Optimizer"
    return f"Capacity {kind} {party.id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending.

    Attributes:
        state: The last state seen of the instruction; None where there is none.
        reason: Why it was declined, or what the sender's error says.
        error: The sender's error; None for an instruction that was completed.
        message: The message as text, as it was sent or would have been.
        parts: Into how many parts it was split; None where nothing was sent.
    """

    state: str | None
    reason: str | None
    error: OscpSendError | None
    message: str | None
    parts: int | None


def send(step: Send, simulator: Simulator, timeout: float) -> Outcome:
    """Sends what a step says, follows it to its end, and return the result.

    Args:
        step: What to send.
        simulator: Where to, and with whose token.
        timeout: Seconds to wait for the end.
    """
    token_id, secret = _credentials(simulator.world, step.node)

    session = requests.Session()
    # A proxy that the environment names does not lead to this machine.
    session.trust_env = False

    elsewhere = simulator.world.solaruser
    # A real SolarUser goes by the machine's clock, whatever time it is in the rehearsal.
    clock = simulator.clock if elsewhere is None else RealClock()

    def pause(seconds: float) -> None:
        if not is_moved(clock):
            # Woken as soon as nothing is on its way any more, rather than after a fixed pause.
            _wait(simulator, clock, seconds)
            return
        clock.advance(0)
        if not simulator.wait_until_settled(0):
            clock.advance(seconds)

    client = SolarUserClient(
        elsewhere or simulator.url,
        token_id,
        secret,
        session=session,
        clock=clock.now,
        sleep=pause,
    )
    instruction: Instruction | None = None
    text = None
    with session:
        try:
            text = _text(step)
            instruction = _instruction(step, client, text)
            status = client.wait(client.submit(instruction), timeout=timeout)
        except InstructionDeclined as error:
            return Outcome("Declined", error.reason, error, text, _parts(instruction))
        except DeadlinePassed as error:
            state = str(error.instruction.state) if error.instruction else None
            return Outcome(state, str(error), error, text, _parts(instruction))
        except OscpSendError as error:
            return Outcome(None, str(error), error, text, None)
    return Outcome(str(status.state), None, None, text, _parts(instruction))


def _wait(simulator: Simulator, clock: Clock, seconds: float) -> None:
    if simulator.world.solaruser is None:
        simulator.wait_until_settled(seconds)
    else:
        clock.sleep(seconds)


def _credentials(world: World, node: int) -> tuple[str, str]:
    owner = world.owner_of_node(node) or world.users[0]
    usable = [token for token in owner.tokens if token.enabled and token.type == "User"]
    # Without a usable token the request is sent all the same, and refused as it would be.
    token = next(iter(usable or owner.tokens), None)
    return (token.id, token.secret) if token else ("no-token", "no-secret")


def _text(step: Send) -> str | None:
    content = step.content
    if isinstance(content, Parameters):
        values = [value for name, value in content.pairs if name == "msg"]
        return "".join(values) if values else None
    if isinstance(content, JsonText):
        return content.text
    if isinstance(content, Message):
        return wire_text(content.value)
    return wire_text(_forecast(content, step.action))


def _forecast(content: Forecast, action: str | None) -> OscpMessage:
    blocks = forecasted_blocks(
        content.start, content.step, content.capacities, unit=content.unit, phase=content.phase
    )
    kind = (
        UpdateGroupCapacityForecast
        if action == "UpdateGroupCapacityForecast"
        else AdjustGroupCapacityForecast
    )
    return kind(content.group_id, content.type, blocks)


def _instruction(step: Send, client: SolarUserClient, text: str | None) -> Instruction:
    if isinstance(step.content, Parameters):
        return Instruction(TOPIC, step.node, step.content.pairs)
    if step.checked:
        return client.build(
            step.action or "",
            text or "",
            node_id=step.node,
            co_id=step.optimizer or "",
            cg_identifier=step.group or "",
            correlation_id=step.correlation_id,
        )
    return Instruction.of_message(
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

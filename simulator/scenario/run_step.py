"""Running one step of a scenario, and holding what came of it against what its file expects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.scenario.acting import ImpossibleStep, act, finish_what_is_due, is_moved, pass_time
from simulator.scenario.command import Command, Wait
from simulator.scenario.events import Problem, StepFinished
from simulator.scenario.happened import Exchange, happened
from simulator.scenario.judging import problems_of, problems_of_answer, problems_of_received
from simulator.scenario.judging_exchanges import (
    problems_of_exchanges,
    problems_of_findings,
    problems_of_pending,
)
from simulator.scenario.sending import Outcome, send

if TYPE_CHECKING:
    from simulator.scenario.events import ScenarioId
    from simulator.scenario.model import Send, Step
    from simulator.scenario.seats import Seats
    from simulator.simulator import Simulator

__all__ = ["run_step"]

# How long an instruction may take to end, for a step that expects nothing tighter.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Done:
    """What a step came to.

    Attributes:
        outcome: In a word.
        problems: What it did not come to, of all that only its kind can expect.
        sent: What came of sending an instruction, where it sent one.
    """

    outcome: str
    problems: tuple[Problem, ...] = ()
    sent: Outcome | None = None


def run_step(
    scenario: ScenarioId, number: int, step: Step, simulator: Simulator, seats: Seats
) -> StepFinished:
    """Does what a step says, and answers with what came of it.

    Args:
        scenario: Whose step it is.
        number: Of the step, from 1.
        step: What to do, and what to expect.
        simulator: Who plays the parties that are not real.
        seats: Which are real.
    """
    mark = simulator.journal.last
    began = time.monotonic()
    done = _do(step, simulator, seats)
    finish_what_is_due(simulator.clock)
    duration = time.monotonic() - began
    entries = simulator.journal.entries(since=mark)
    told = happened(entries)
    exchanges = [each for each in told if isinstance(each, Exchange)]
    received = [
        each
        for each in entries
        if each.party == "capacity_provider" and each.kind == "exchange" and not each.sent
    ]
    return StepFinished(
        scenario,
        number,
        step.name,
        step.source.place(),
        done.outcome,
        duration,
        None if done.sent is None else done.sent.parts,
        (
            *done.problems,
            *problems_of_received(step.expect, done.sent, received),
            *problems_of_exchanges(step.expect, exchanges),
            *problems_of_findings(step.expect, told),
            *problems_of_pending(step.expect, simulator.pending),
        ),
        told,
    )


def _do(step: Step, simulator: Simulator, seats: Seats) -> _Done:
    if isinstance(step.does, Wait):
        pass_time(step.does, simulator.clock)
        return _Done("")
    if isinstance(step.does, Command):
        return _act(step, step.does, simulator, seats)
    return _send(step, step.does, simulator)


def _send(step: Step, instruction: Send, simulator: Simulator) -> _Done:
    if "solaruser" in simulator.plays and "flexibility_provider" not in simulator.plays:
        problem = Problem(
            step.source.place(),
            "the Flexibility Provider",
            "one behind the same SolarUser",
            "a real one, and a simulated SolarUser",
            "the queue between the two is theirs alone: give solaruser a seat, too",
        )
        return _Done("not sent", (problem,))
    patience = step.expect.within.total_seconds() if step.expect.within else 0.0
    began = _seconds(simulator)
    outcome = send(instruction, simulator, max(patience, _PATIENCE))
    problems = problems_of(step, outcome, _seconds(simulator) - began)
    name = outcome.state or type(outcome.error).__name__
    return _Done(name, tuple(problems), outcome)


def _act(step: Step, command: Command, simulator: Simulator, seats: Seats) -> _Done:
    began = _seconds(simulator)
    try:
        sent = act(command, simulator, seats)
    except ImpossibleStep as error:
        problem = Problem(command.source.place(), command.name, "a message", str(error))
        return _Done("not sent", (problem,))
    problems = problems_of_answer(step, sent, _seconds(simulator) - began)
    return _Done("unanswered" if sent.status is None else str(sent.status), tuple(problems))


def _seconds(simulator: Simulator) -> float:
    """Answers with seconds by the clock that the step is run by."""
    clock = simulator.clock
    return clock.monotonic() if is_moved(clock) else time.monotonic()

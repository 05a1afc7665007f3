"""Running scenarios, each in a simulator of its own, and telling listeners what happens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from oscp_schemas.date_time import Fidelity
from oscp_send.fidelity import Behaviour
from oscp_sim.scenario.act import (
    ImpossibleStep,
    Outcome,
    act,
    finish_what_is_due,
    is_moved,
    pass_time,
    send,
)
from oscp_sim.scenario.events import (
    Event,
    Listener,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.expect import (
    problems_of,
    problems_of_answer,
    problems_of_exchanges,
    problems_of_findings,
    problems_of_pending,
    problems_of_received,
)
from oscp_sim.scenario.model import Command, Scenario, Send, Step, Wait
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.scenario.timeline import Exchange, timeline
from oscp_sim.simulator import Simulator
from oscp_sim.world import World, load_world

# § Running one step of a scenario, and holding what came of it against what its file expects.

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
    scenario: ScenarioId, number: int, step: Step, simulator: Simulator, seats: RealParties
) -> StepFinished:
    """Does what a step says, and return the result.

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
    told = timeline(entries)
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


def _do(step: Step, simulator: Simulator, seats: RealParties) -> _Done:
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


def _act(step: Step, command: Command, simulator: Simulator, seats: RealParties) -> _Done:
    began = _seconds(simulator)
    try:
        sent = act(command, simulator, seats)
    except ImpossibleStep as error:
        problem = Problem(command.source.place(), command.name, "a message", str(error))
        return _Done("not sent", (problem,))
    problems = problems_of_answer(step, sent, _seconds(simulator) - began)
    return _Done("unanswered" if sent.status is None else str(sent.status), tuple(problems))


def _seconds(simulator: Simulator) -> float:
    """Return seconds by the clock that the step is run by."""
    clock = simulator.clock
    return clock.monotonic() if is_moved(clock) else time.monotonic()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What all scenarios have in common, unless a scenario says otherwise.

    Attributes:
        seed: Makes every identifier; the same seed, the same ones.
        fidelity: Whom to follow where the guide and the service differ.
        world: Who exists; the built-in world where not given.
        seats: Which parties are real, whatever a scenario says.
    """

    seed: int = 1
    fidelity: Fidelity | Behaviour = "documented"
    world: World | None = None
    seats: RealParties = field(default_factory=RealParties)


def run(
    scenarios: Sequence[Scenario], rehearsal: Rehearsal, listeners: Iterable[Listener] = ()
) -> bool:
    """Runs scenarios one after the other, and tells whether all passed.

    Args:
        scenarios: What to run.
        rehearsal: What they have in common.
        listeners: Told of everything that happens, in order.
    """
    told = tuple(listeners)

    def tell(event: Event) -> None:
        for listener in told:
            listener(event)

    began = time.monotonic()
    behaviour = Behaviour.of(rehearsal.fidelity)
    tell(RehearsalStarted(rehearsal.seed, str(behaviour), tuple(map(_id, scenarios))))
    passed = [_run_scenario(scenario, rehearsal, tell) for scenario in scenarios]
    good = sum(passed)
    tell(RehearsalFinished(good, len(passed) - good, time.monotonic() - began))
    return all(passed)


def _run_scenario(scenario: Scenario, rehearsal: Rehearsal, tell: Listener) -> bool:
    began = time.monotonic()
    # What is set by name holds whatever fidelity a scenario asks for.
    behaviour = Behaviour.of(rehearsal.fidelity).under(scenario.fidelity)
    tell(
        ScenarioStarted(
            _id(scenario),
            scenario.source.place(),
            len(scenario.steps),
            str(behaviour),
            scenario.about,
            scenario.sequence,
        )
    )
    seats = scenario.seats.under(rehearsal.seats)
    done, passed = 0, False
    problems: tuple[Problem, ...] = ()
    try:
        world = seats.placed(scenario.world or rehearsal.world or load_world())
    except ValueError as error:
        problems = (_misplaced(scenario, str(error)),)
    else:
        with Simulator(
            world,
            seed=rehearsal.seed,
            clock=scenario.clock.make(),
            fidelity=behaviour,
            plays=seats.plays,
        ) as simulator:
            done, passed = _run_steps(scenario, simulator, seats, tell)
    left = len(scenario.steps) - done
    tell(ScenarioFinished(_id(scenario), passed, time.monotonic() - began, left, problems))
    return passed


def _run_steps(
    scenario: Scenario, simulator: Simulator, seats: RealParties, tell: Listener
) -> tuple[int, bool]:
    """Return how many steps ran, and whether all went well."""
    for number, step in enumerate(scenario.steps, 1):
        finished = run_step(_id(scenario), number, step, simulator, seats)
        tell(finished)
        if finished.problems:
            return number, False
    return len(scenario.steps), True


def _misplaced(scenario: Scenario, why: str) -> Problem:
    where = scenario.source.place("/seats")
    return Problem(where, "seats", "the parties of the world", why)


def _id(scenario: Scenario) -> ScenarioId:
    return ScenarioId(scenario.group, scenario.name)

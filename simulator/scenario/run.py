"""Running scenarios, each in a simulator of its own, and telling listeners what happens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oscp_send.fidelity import Behaviour
from simulator.scenario.events import (
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from simulator.scenario.judging import problems_of
from simulator.scenario.sending import Outcome, send
from simulator.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oscp_send.fidelity import Fidelity
    from simulator.scenario.events import Event, Listener
    from simulator.scenario.model import Scenario, Step
    from simulator.world import World

__all__ = ["Rehearsal", "run"]

# How long an instruction may take to end, for a step that expects nothing tighter.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What all scenarios have in common, unless a scenario says otherwise.

    Attributes:
        seed: Makes every identifier; the same seed, the same ones.
        fidelity: Whom to follow where the guide and the service differ.
        world: Who exists; the built-in world where not given.
    """

    seed: int = 1
    fidelity: Fidelity | Behaviour = "documented"
    world: World | None = None


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
    tell(ScenarioStarted(_id(scenario), scenario.source.place(), len(scenario.steps)))
    done = 0
    passed = True
    simulator = Simulator(
        scenario.world or rehearsal.world,
        seed=rehearsal.seed,
        # What is set by name holds whatever fidelity a scenario asks for.
        fidelity=Behaviour.of(rehearsal.fidelity).under(scenario.fidelity),
    )
    with simulator:
        for number, step in enumerate(scenario.steps, 1):
            finished = _run_step(scenario, number, step, simulator)
            tell(finished)
            done, passed = number, not finished.problems
            if not passed:
                break
    left = len(scenario.steps) - done
    tell(ScenarioFinished(_id(scenario), passed, time.monotonic() - began, left))
    return passed


def _run_step(scenario: Scenario, number: int, step: Step, simulator: Simulator) -> StepFinished:
    mark = simulator.journal.last
    patience = step.expect.within.total_seconds() if step.expect.within else 0.0
    began = time.monotonic()
    outcome = send(step.send, simulator, max(patience, _PATIENCE))
    duration = time.monotonic() - began
    received = simulator.journal.entries(party="capacity_provider", kind="exchange", since=mark)
    return StepFinished(
        _id(scenario),
        number,
        step.name,
        step.source.place(),
        _outcome_name(outcome),
        duration,
        outcome.parts,
        problems_of(step, outcome, received, duration),
    )


def _outcome_name(outcome: Outcome) -> str:
    return outcome.state or type(outcome.error).__name__


def _id(scenario: Scenario) -> ScenarioId:
    return ScenarioId(scenario.group, scenario.name)

"""Running scenarios, each in a simulator of its own, and telling listeners what happens."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oscp_send.fidelity import Behaviour
from simulator.scenario.events import (
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
)
from simulator.scenario.run_step import run_step
from simulator.scenario.seats import Seats
from simulator.simulator import Simulator
from simulator.world import World, load_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oscp_send.fidelity import Fidelity
    from simulator.scenario.events import Event, Listener
    from simulator.scenario.model import Scenario

__all__ = ["Rehearsal", "run"]


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
    seats: Seats = field(default_factory=Seats)


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
    scenario: Scenario, simulator: Simulator, seats: Seats, tell: Listener
) -> tuple[int, bool]:
    """Answers with how many steps ran, and whether all went well."""
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

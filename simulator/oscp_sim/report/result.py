"""What a rehearsal came to, gathered from its events: what the writers of reports are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from oscp_sim.scenario.events import (
    Event,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.timeline import Exchange, TimelineEntry


@dataclass(slots=True)
class ScenarioResult:
    """A scenario, how it began, its steps, and how it ended, so far as events told of it.

    One whose end nobody told of has failed.
    """

    id: ScenarioId
    started: ScenarioStarted
    finished: ScenarioFinished
    steps: list[StepFinished] = field(default_factory=list)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """What went wrong, in its steps and outside."""
        return (*self.finished.problems, *(each for step in self.steps for each in step.problems))

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """What the parties did in all its steps, in order."""
        return tuple(each for step in self.steps for each in step.timeline)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What the parties sent one another in all its steps, in order."""
        return tuple(each for step in self.steps for each in step.exchanges)


@dataclass(slots=True)
class RehearsalResult:
    """A rehearsal, and its scenarios in the order in which they were asked for.

    Attributes:
        not_run: Those that were to run and did not, because it ended before.
    """

    seed: int = 1
    fidelity: str = ""
    scenarios: list[ScenarioResult] = field(default_factory=list)
    not_run: list[ScenarioId] = field(default_factory=list)
    duration: float = 0.0

    @property
    def passed(self) -> int:
        """How many scenarios passed."""
        return sum(each.finished.passed for each in self.scenarios)

    @property
    def failed(self) -> int:
        """How many scenarios did not pass."""
        return len(self.scenarios) - self.passed


class Gathered:
    """A listener that gathers the events of a rehearsal, and writes a report of all at its end."""

    def __init__(self, write: Callable[[RehearsalResult], None]) -> None:
        self._write = write
        self._result = RehearsalResult()
        self._order: list[ScenarioId] = []
        # Of scenarios with the same name, the one that runs.
        self._running: dict[ScenarioId, ScenarioResult] = {}

    def __call__(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case RehearsalStarted():
                self._result = RehearsalResult(event.seed, event.fidelity)
                self._order = list(event.scenarios)
            case ScenarioStarted():
                self._of(event.scenario).started = event
            case StepFinished():
                self._of(event.scenario).steps.append(event)
            case ScenarioFinished():
                self._of(event.scenario).finished = event
                del self._running[event.scenario]
            case RehearsalFinished():
                self._result.duration = event.duration
                ran = [each.id for each in self._result.scenarios]
                self._result.not_run = [each for each in self._order if each not in ran]
                self._result.scenarios.sort(key=self._place)
                self._write(self._result)

    def _of(self, scenario: ScenarioId) -> ScenarioResult:
        if scenario not in self._running:
            begun = ScenarioStarted(scenario, "", 0), ScenarioFinished(scenario, False, 0.0)
            self._running[scenario] = ScenarioResult(scenario, *begun)
            self._result.scenarios.append(self._running[scenario])
        return self._running[scenario]

    def _place(self, result: ScenarioResult) -> tuple[int, str]:
        """Return where a scenario belongs, whichever of several at a time ended first."""
        known = result.id in self._order
        return (self._order.index(result.id) if known else len(self._order)), result.started.where

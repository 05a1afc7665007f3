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
    """A scenario, its steps, and how it ended, so far as events told of it.

    Attributes:
        fidelity: `documented` or `observed`, and what is set otherwise.
    """

    id: ScenarioId
    where: str = ""
    about: str | None = None
    fidelity: str = ""
    steps: list[StepFinished] = field(default_factory=list)
    finished: ScenarioFinished | None = None

    @property
    def passed(self) -> bool:
        """Whether it ended, and well."""
        return self.finished is not None and self.finished.passed

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.finished.duration if self.finished else 0.0

    @property
    def steps_left(self) -> int:
        """How many steps did not run."""
        return self.finished.steps_left if self.finished else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What did not fail it, and should be looked at."""
        return self.finished.warnings if self.finished else ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What went wrong outside of its steps."""
        return self.finished.problems if self.finished else ()

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """What went wrong, in its steps and outside."""
        return (*self.problems, *(each for step in self.steps for each in step.problems))

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
        return sum(each.passed for each in self.scenarios)

    @property
    def failed(self) -> int:
        """How many scenarios did not pass."""
        return len(self.scenarios) - self.passed


class Gathered:
    """A listener that gathers the events of a rehearsal, and writes a report of all at its end.

    Args:
        write: Writes the report.
    """

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
                result = self._of(event.scenario)
                result.where, result.about = event.where, event.about
                result.fidelity = event.fidelity
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
            self._running[scenario] = ScenarioResult(scenario)
            self._result.scenarios.append(self._running[scenario])
        return self._running[scenario]

    def _place(self, result: ScenarioResult) -> tuple[int, str]:
        """Return where a scenario belongs, whichever of several at a time ended first."""
        known = result.id in self._order
        return (self._order.index(result.id) if known else len(self._order)), result.where

"""The events of a rehearsal, from which a report is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from oscp_sim.matching import Difference
from oscp_sim.scenario.timeline import Exchange, TimelineEntry


@dataclass(frozen=True, slots=True)
class ScenarioId:
    """Which scenario an event is about: its name, and the heading under which a report shows it."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One expectation that did not hold.

    Attributes:
        where: `file:line` of the expectation.
        what: What was looked at, as `state` or `message /forecasted_blocks/0/unit`.
        hint: What to do about it, where that is known.
    """

    where: str
    what: str
    expected: str
    got: str
    hint: str | None = None

    @classmethod
    def of(cls, difference: Difference, where: str, what: str, hint: str | None = None) -> Problem:
        """Make a problem of a matcher's difference, which adds its JSON Pointer to `what`."""
        named = f"{what} {difference.pointer}".strip()
        return cls(where, named, difference.expected, difference.got, hint)


@dataclass(frozen=True, slots=True)
class RehearsalStarted:
    """A rehearsal of these scenarios began.

    Its fidelity is `documented` or `observed`, and what is set otherwise.
    """

    seed: int
    fidelity: str
    scenarios: tuple[ScenarioId, ...]


@dataclass(frozen=True, slots=True)
class ScenarioStarted:
    """A scenario with so many steps began.

    Attributes:
        sequence: Whether to show what the parties send one another even if nothing fails.
    """

    scenario: ScenarioId
    where: str
    steps: int
    fidelity: str = ""
    about: str | None = None
    sequence: bool = False


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended, well or not.

    Attributes:
        number: From 1.
        outcome: The state of the instruction, the name of the sender's error, or the status of the
            answer to a simulated party; empty where nothing was sent.
        parts: Into how many parts the message was split; None where nothing was sent.
        told: What the sender's error says, in all its lines; empty where it had none.
        settled: What the sender then found of an instruction that may have been queued; None where
            it did not look.
    """

    scenario: ScenarioId
    number: int
    name: str
    where: str
    outcome: str
    duration: float
    parts: int | None = None
    problems: tuple[Problem, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    output: str = ""
    told: str = ""
    settled: str | None = None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What the parties sent one another, in order."""
        return tuple(each for each in self.timeline if isinstance(each, Exchange))


@dataclass(frozen=True, slots=True)
class ScenarioFinished:
    """A scenario ended, after so many seconds.

    Attributes:
        passed: Whether every step did.
        steps_left: How many steps did not run, because one before them failed.
        problems: What went wrong outside its steps.
        warnings: What is doubtful, but fails nothing: as a fault that never struck.
    """

    scenario: ScenarioId
    passed: bool
    duration: float
    steps_left: int = 0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RehearsalFinished:
    """A rehearsal ended, after so many seconds; so many scenarios passed and failed.

    Attributes:
        not_run: How many did not run, because one failed before them and that was enough.
    """

    passed: int
    failed: int
    duration: float
    not_run: int = 0


Event: TypeAlias = (
    RehearsalStarted | ScenarioStarted | StepFinished | ScenarioFinished | RehearsalFinished
)
Listener: TypeAlias = Callable[[Event], None]


def tell_all(listeners: Iterable[Listener], *events: Event) -> None:
    """Tell each listener of events, one after the other."""
    for listener in listeners:
        for event in events:
            listener(event)


def tell_of_one(
    listeners: Iterable[Listener],
    seed: int,
    started: ScenarioStarted,
    step: StepFinished,
    *,
    duration: float,
    warnings: tuple[str, ...],
) -> bool:
    """Tell listeners of a rehearsal of one scenario with one step; return whether it passed."""
    scenario, passed = started.scenario, not step.problems
    tell_all(
        listeners,
        RehearsalStarted(seed, started.fidelity, (scenario,)),
        started,
        step,
        ScenarioFinished(scenario, passed, duration, warnings=warnings),
        RehearsalFinished(int(passed), int(not passed), duration),
    )
    return passed

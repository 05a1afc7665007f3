"""What a run of pytest holds once a test has a simulator, or a scenario file is collected."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import pytest

from oscp_send.cli.main import printable, printable_lines
from oscp_sim.http import Request, Response, respond
from oscp_sim.journal import Mistake
from oscp_sim.pytest_marker import Marked, Settings, place_of
from oscp_sim.scenario.console import ConsoleReport
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
from oscp_sim.scenario.model import Scenario
from oscp_sim.scenario.objections import problems_of_objections
from oscp_sim.scenario.program_run import nothing_expected
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.scenario.sequence import LEGEND, draw
from oscp_sim.scenario.timeline import timeline
from oscp_sim.server import Server
from oscp_sim.simulator import Simulator
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError

_SENT: Final = "oscp: what the parties sent one another"
_WIDTH: Final = 100
# Of exchanges and notes: a test that sends thousands is read at its end.
_MOST_DRAWN: Final = 200


@dataclass(slots=True)
class _Trial:
    """What a test had, and what became of it.

    Attributes:
        simulators: Those that it had.
        told: Mistakes of the simulator that its report has already.
        problems: Why it failed.
    """

    began: float = field(default_factory=time.monotonic)
    simulators: list[Simulator] = field(default_factory=list)
    told: list[Mistake] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def new_mistakes(self) -> list[Mistake]:
        """Return the mistakes of its simulators that nobody has been told of; it counts as told."""
        found = [each for one in self.simulators for each in one.journal.mistakes]
        new = [each for each in found if each not in self.told]
        self.told += new
        return new


_TRIAL: Final = pytest.StashKey[_Trial]()


def _nobody(_: Request) -> Response:
    return respond(503, b"the simulator is being made afresh for the next test")


class _ServedSimulator(Simulator):
    """A simulator at an address of its own that can be made afresh, as often as is wanted."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(**settings)
        self._settle_at(self.listen())

    def begin(self, settings: Settings) -> None:
        """End what is under way, forget everything, and start as if it were new."""
        server = self._listening
        server.answer_by(_nobody)
        self.close()
        vars(self).clear()
        super().__init__(**settings)
        server.answer_by(self.handle, self.faults, self.shared.schedule.attended)
        self._settle_at(server)
        self.start()

    def _settle_at(self, server: Server) -> None:
        self._listening = server
        self.serve_at(server.url)

    @contextmanager
    def running(self) -> Iterator[Simulator]:
        """Let it run, and listen, for as long as a test run needs it."""
        try:
            with self:
                yield self
        finally:
            self._listening.close()


class Session:
    """Makes the simulators of a test run, and says of each test what its parties did.

    Tests ask for one by the names of the fixtures.

    Raises:
        pytest.UsageError: A report that is asked for cannot be written.
    """

    def __init__(self, config: pytest.Config, fixtures: frozenset[str]) -> None:
        self._config = config
        self._fixtures = fixtures
        seed = config.getoption("oscp_seed")
        self.seed: int = 1 if seed is None else seed
        self._worlds: dict[Path | None, World] = {}
        self._item: pytest.Item | None = None
        self._server: _ServedSimulator | None = None
        # How it is made for the test that is the first to ask for it.
        self._first: Settings = {"seed": self.seed}
        self._reports = _Reports(config, self.seed)

    @contextmanager
    def simulator(self, item: pytest.Item) -> Iterator[Simulator]:
        """Let a simulator of its own run for a test."""
        simulator = Simulator(**self._settings(item))
        _trial(item).simulators.append(simulator)
        with simulator:
            yield simulator

    @contextmanager
    def server(self) -> Iterator[Simulator]:
        """Let the simulator run that all tests find at one address."""
        self._server = _ServedSimulator(self._first)
        if self._item is not None:
            _trial(self._item).simulators.append(self._server)
        try:
            with self._server.running() as simulator:
                yield simulator
        finally:
            self._server = None

    def world(self, path: Path | None = None) -> World:
        """Return the world of a file, or the built-in one; each is read once.

        Raises:
            SourceError: It is not well-formed.
        """
        if path not in self._worlds:
            self._worlds[path] = load_world(path)
        return self._worlds[path]

    def _settings(self, item: pytest.Item) -> Settings:
        """Return how the simulator of a test is to be made; fail the test where that is unclear."""
        return {"seed": self.seed, **Marked(item, self.world).settings()}

    # Around each test.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin afresh, before anything else of the test has begun."""
        self._item = item
        item.stash[_TRIAL] = _Trial()
        if "oscp_server" not in getattr(item, "fixturenames", ()):
            return
        # Here, and not in the fixture, a marker that makes no sense fails its own test alone.
        settings = self._settings(item)
        if self._server is None:
            self._first = settings
        else:
            self._server.begin(settings)
            _trial(item).simulators.append(self._server)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that passed, if a party met a mistake of its own."""
        result = yield
        _fail_for_mistakes(item)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Do the same for what came of it after its end, before all was closed."""
        result = yield
        _fail_for_mistakes(item)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show in the report of a failure what the parties sent one another."""
        report = yield
        trial = item.stash.get(_TRIAL, None)
        # It may have asked for one that could not be made.
        has_asked = not self._fixtures.isdisjoint(getattr(item, "fixturenames", ()))
        if trial is None or not (trial.simulators or has_asked):
            return report
        if report.failed:
            trial.problems.append(_problem(item, call))
            for simulator in trial.simulators:
                lines = _lines(simulator, item.name, report.outcome)
                report.sections.append((_SENT, "\n".join(lines)))
            for mistake in trial.new_mistakes():
                report.sections.append(("oscp: a mistake of the simulator's own", _told(mistake)))
        is_told = trial.simulators or trial.problems
        if report.when == "teardown" and is_told and self._reports.are_wanted:
            self._reports.add(_events_of(item, trial))
        return report

    # At the end.

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - of pytest-xdist
        """Take over what a worker of pytest-xdist has gathered."""
        self._reports.add_from(getattr(node, "workeroutput", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, or hand over what they are made of."""
        if not self._reports.finish(self._config):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the reports are."""
        for line in self._reports.summary:
            terminalreporter.write_line(line)

    def rehearse(self, scenario: Scenario) -> list[Event]:
        """Run a scenario, and return what it told."""
        told: list[Event] = []
        run([scenario], Rehearsal(self.seed, world=self.world()), [told.append])
        if self._reports.are_wanted:
            self._reports.add(told)
        return told


def _trial(item: pytest.Item) -> _Trial:
    return item.stash.setdefault(_TRIAL, _Trial())


# What a report says of a test.


def _fail_for_mistakes(item: pytest.Item) -> None:
    trial = item.stash.get(_TRIAL, None)
    if trial and trial.simulators and (found := trial.new_mistakes()):
        pytest.fail("\n".join(map(_told, found)), pytrace=False)


def _told(mistake: Mistake) -> str:
    return (
        f"a party met a mistake of its own: {mistake.what} ({mistake.error})\n"
        f"{mistake.traceback.rstrip()}\n"
        "neither the test nor the program is to blame: please report it, with the lines above"
    )


def _lines(simulator: Simulator, name: str, outcome: str) -> Iterator[str]:
    """Yield what the parties of a simulator did."""
    entries = simulator.journal.entries()
    items = timeline(entries)
    yield f"seed {simulator.seed}, fidelity {simulator.behaviour}"
    yield LEGEND
    if not entries:
        yield (
            "nothing: no party was asked for anything. A program reaches them at the url of the\n"
            "fixture, or, by requests, urllib3, httpx, aiohttp or http.client, at production's\n"
            "within its intercept()"
        )
    left_out = len(items) - _MOST_DRAWN
    if left_out > 0:
        yield f"the first {left_out} are left out"
    if items:
        scenario = ScenarioId("pytest", name)
        yield from draw(
            [StepFinished(scenario, 1, name, "", outcome, 0.0, timeline=items[-_MOST_DRAWN:])]
        )
    for problem in problems_of_objections(nothing_expected(), entries):
        yield ""
        yield from _objection(problem)
    for warning in simulator.faults.warnings:
        yield f"\nwarning: {printable(warning)}"


def _objection(problem: Problem) -> Iterator[str]:
    yield printable(problem.what)
    for text in (problem.got, problem.hint):
        if text:
            yield fill(
                printable(text),
                _WIDTH,
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )


def _problem(item: pytest.Item, call: pytest.CallInfo[None]) -> Problem:
    error = call.excinfo
    got = "a failure" if error is None else error.exconly(tryshort=True)
    return Problem(place_of(item), f"the test's {call.when}", "no error", got)


def _events_of(item: pytest.Item, trial: _Trial) -> Iterator[Event]:
    """Yield what a report is told of a test: as of a scenario with a step for each simulator."""
    file, _, name = item.nodeid.partition("::")
    scenario, where = ScenarioId(file, name), place_of(item)
    passed, duration = not trial.problems, time.monotonic() - trial.began
    behaviour = str(trial.simulators[0].behaviour) if trial.simulators else "documented"
    # Where none could be made, there is why.
    timelines = [timeline(each.journal.entries()) for each in trial.simulators] or [()]
    count = len(timelines)
    yield ScenarioStarted(scenario, where, count, behaviour)
    for number, happened in enumerate(timelines, 1):
        yield StepFinished(
            scenario,
            number,
            item.name,
            where,
            "passed" if passed else "failed",
            duration / count,
            problems=tuple(trial.problems) if number == 1 else (),
            timeline=happened,
        )
    warnings = [each for one in trial.simulators for each in one.faults.warnings]
    yield ScenarioFinished(scenario, passed, duration, warnings=tuple(warnings))


class _Reports:
    """The reports that a test run is asked for, and the events that they are made of."""

    def __init__(self, config: pytest.Config, seed: int) -> None:
        self._asked: Sequence[str] = config.getoption("oscp_report")
        self._listeners: list[Listener] = []
        self._seed = seed
        self._began = time.monotonic()
        self._events: list[Event] = []
        self._is_of_many = False
        self.summary: list[str] = []
        if not self._asked:
            return
        from oscp_sim.report import listeners  # noqa: PLC0415 - most runs write none

        try:
            self._listeners = listeners(self._asked)
        except ValueError as error:
            message = f"--oscp-report: {error}"
            raise pytest.UsageError(message) from None

    @property
    def are_wanted(self) -> bool:
        """Whether anybody asked for one."""
        return bool(self._asked)

    def add(self, events: Iterable[Event]) -> None:
        """Take what a test told, or a scenario."""
        self._events += (
            each for each in events if not isinstance(each, RehearsalStarted | RehearsalFinished)
        )

    def add_from(self, output: Mapping[str, Any]) -> None:
        """Take what another process has handed over."""
        if gathered := output.get("oscp_events"):
            self._events += pickle.loads(gathered)  # noqa: S301 - of a worker of this very run
            self._is_of_many = True

    def finish(self, config: pytest.Config) -> bool:
        """Write the reports, or hand the events over; return whether all could be written."""
        output = getattr(config, "workeroutput", None)
        if output is not None:
            output["oscp_events"] = pickle.dumps(self._events)
        elif self._asked and not config.getoption("collectonly"):
            return self._write()
        return True

    def _write(self) -> bool:
        from oscp_send.cli.ci import NotWritten  # noqa: PLC0415 - most runs write none

        ended = [each for each in self._events if isinstance(each, ScenarioFinished)]
        passed = sum(each.passed for each in ended)
        names = [each.scenario for each in ended]
        if self._is_of_many:
            names.sort(key=lambda each: (each.group, each.name))
        duration = time.monotonic() - self._began
        try:
            for listener in self._listeners:
                listener(RehearsalStarted(self._seed, "documented", tuple(names)))
                for event in self._events:
                    listener(event)
                listener(RehearsalFinished(passed, len(ended) - passed, duration))
        except NotWritten as error:
            self.summary.append(f"oscp: {error.message}")
            return False
        written = [each for each in self._asked if "=" in each]
        self.summary += [f"oscp: wrote {each}, of {len(ended)} tests" for each in written]
        return True


# Scenario files.


class ScenarioFile(pytest.File):
    """A scenario file: each scenario in it is a test, and each case of a matrix."""

    def __init__(self, *, oscp: Session, **more: Any) -> None:  # noqa: ANN401 - of pytest
        super().__init__(**more)
        self._oscp = oscp

    def collect(self) -> Iterator[ScenarioItem]:
        """Yield its scenarios.

        Raises:
            CollectError: It cannot be read; it says by file, line and column why not.
        """
        try:
            scenarios = load_scenarios([self.path], [self.config.rootpath])
        except SourceError as error:
            raise self.CollectError(printable_lines(str(error))) from None
        for scenario in scenarios:
            rehearse = partial(self._oscp.rehearse, scenario)
            yield ScenarioItem.from_parent(
                self, name=scenario.name, scenario=scenario, rehearse=rehearse
            )


class ScenarioItem(pytest.Item):
    """A scenario as a test, which `-k` finds by its tags, too."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        rehearse: Callable[[], Sequence[Event]],
        **more: Any,  # noqa: ANN401 - of pytest
    ) -> None:
        super().__init__(**more)
        self._scenario = scenario
        self._rehearse = rehearse
        self.extra_keyword_matches.update(scenario.tags)

    def runtest(self) -> None:
        """Rehearse it."""
        told = self._rehearse()
        finished = next(each for each in told if isinstance(each, ScenarioFinished))
        for warning in finished.warnings:
            self.warn(pytest.PytestWarning(warning))
        if not finished.passed:
            steps = [each for each in told if isinstance(each, StepFinished)]
            raise _ScenarioFailed(finished, steps)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:  # noqa: ANN401
        """Return what `oscp-sim rehearse` says of a scenario that fails."""
        if isinstance(excinfo.value, _ScenarioFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where it is."""
        line = self._scenario.source.where("/scenario")[0]
        return self.path, line - 1, self.name


class _ScenarioFailed(Exception):
    """Raised for a scenario that fails; its text is that of a rehearsal's report."""

    def __init__(self, finished: ScenarioFinished, steps: Sequence[StepFinished]) -> None:
        stream = io.StringIO()
        ConsoleReport(stream, colours="never").report_failure(finished, steps)
        super().__init__(stream.getvalue().strip("\n"))

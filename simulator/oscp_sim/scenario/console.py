"""Write a rehearsal's report for a person at a terminal, or in the log of a job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from textwrap import fill
from typing import Final, TextIO

from oscp_send.cli.main import Colours, Palette, count
from oscp_send.fidelity import DIFFERENCES
from oscp_sim.matching import printable
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
from oscp_sim.scenario.sequence import LEGEND, draw, duration_text

# Room for the longest action's name as a step.
_SHORTEST_NAME = 31
_PARTING = frozenset({"schema-lookup", *(each.name for each in DIFFERENCES)})
_WIDTH = 100
# To the beginning of the line, and nothing from there on.
_ERASED: Final = "\r\x1b[K"
# Of what a program wrote.
_LAST_LINES = 20
# What is left of it for the name of a step.
_LONGEST_NAME = 53


class ConsoleReport:
    """A listener that prints one line per scenario as it ends, and at the end what failed and why.

    Args:
        stream: Any text stream.
        colours: Whether to colour, as `Palette` takes it.
        sequence: Whether to draw what the parties sent one another in every scenario, rather than
            only in those that ask for it and those that fail.
    """

    def __init__(
        self, stream: TextIO, *, colours: Colours = "auto", sequence: bool = False
    ) -> None:
        self._stream = stream
        self._sequence = sequence
        self._drawn: set[ScenarioId] = set()
        self._paint = Palette(stream, colours).paint
        self._width = _SHORTEST_NAME
        self._group: str | None = None
        self._steps: dict[ScenarioId, list[StepFinished]] = {}
        self._failed: list[tuple[ScenarioFinished, list[StepFinished]]] = []
        # The rules by which the running service would do otherwise.
        self._parted: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case RehearsalStarted():
                self._begin(event)
            case ScenarioStarted():
                self._steps[event.scenario] = []
                if event.sequence or self._sequence:
                    self._drawn.add(event.scenario)
            case StepFinished():
                self._steps.setdefault(event.scenario, []).append(event)
                self._parted.update(_parted(event))
            case ScenarioFinished():
                self._report_scenario(event, self._steps.pop(event.scenario, []))
            case RehearsalFinished():
                for failed, steps in self._failed:
                    self.report_failure(failed, steps)
                self._report_totals(event)

    def _begin(self, event: RehearsalStarted) -> None:
        names = [len(scenario.name) for scenario in event.scenarios]
        self._width = min(max([*names, _SHORTEST_NAME]), _LONGEST_NAME)
        self._line(f"seed {event.seed}, fidelity {event.fidelity}\n")

    def _report_scenario(self, event: ScenarioFinished, steps: list[StepFinished]) -> None:
        if event.scenario.group != self._group:
            self._group = event.scenario.group
            self._line(self._group)
        verdict = self._paint("ok  ", "green") if event.passed else self._paint("FAIL", "red")
        beginning = f"  {verdict}  {event.scenario.name:<{self._width}}"
        is_drawn = event.scenario in self._drawn
        if len(steps) == 1 and not event.steps_left and not is_drawn:
            self._line(f"{beginning}  {_result(steps[0])}")
        else:
            ran = f"{len(steps)} of " if event.steps_left else ""
            ran += count(len(steps) + event.steps_left, "step")
            self._line(f"{beginning}  {ran:<25}  {duration_text(event.duration):>8}")
            if is_drawn:
                self._draw(steps)
            else:
                self._list(steps)
        for warning in event.warnings:
            self._line(f"        {self._paint(f'warning: {printable(warning)}', 'yellow')}")
        if not event.passed:
            self._failed.append((event, steps))

    def _list(self, steps: list[StepFinished]) -> None:
        longest = max((len(_named(step)) for step in steps), default=0)
        width = min(max(self._width - 2, longest), _LONGEST_NAME)
        for step in steps:
            name = _named(step)
            shown = name if len(name) <= width else f"{name[: width - 3]}..."
            self._line(f"          {shown:<{width}}  {_result(step)}")

    def _draw(self, steps: Sequence[StepFinished]) -> None:
        self._line(f"    {LEGEND}\n")
        for line in draw(steps):
            self._line(line)
        self._line("")

    def report_failure(self, event: ScenarioFinished, steps: Sequence[StepFinished]) -> None:
        """Print why a scenario failed, and what the parties sent if nothing else has."""
        title = f"{event.scenario.group} / {event.scenario.name}"
        self._line(f"\n{self._paint(title, 'red')}")
        for problem in event.problems:
            self._report_problem(problem)
        for step in steps:
            if step.problems:
                self._line(f"  step {_named(step)}  ({step.where})")
                for problem in step.problems:
                    self._report_problem(problem)
                self._report_output(step.output)
        if event.steps_left:
            self._line(f"  {count(event.steps_left, 'step')} after that did not run")
        if event.scenario not in self._drawn and any(step.timeline for step in steps):
            self._line("")
            self._draw(steps)

    def _report_problem(self, problem: Problem) -> None:
        self._line(f"    {problem.where}  {printable(problem.what)}")
        self._line(f"      expected  {printable(problem.expected)}")
        self._line(f"      got       {printable(problem.got)}")
        if problem.hint:
            self._line(f"      {self._paint(printable(problem.hint), 'yellow')}")

    def _report_output(self, output: str) -> None:
        lines = output.rstrip().splitlines()
        if lines:
            left_out = f", its last {_LAST_LINES} lines" if len(lines) > _LAST_LINES else ""
            self._line(f"    the program wrote{left_out}:")
        for line in lines[-_LAST_LINES:]:
            self._line(f"      {printable(line)}".rstrip())

    def _report_totals(self, event: RehearsalFinished) -> None:
        failed = f", {self._paint(f'{event.failed} failed', 'red')}" if event.failed else ""
        total = count(event.passed + event.failed + event.not_run, "scenario")
        if self._parted:
            rules = ", ".join(sorted(self._parted))
            text = f"the running service does otherwise, --sequence shows where: {rules}"
            self._line(f"\n{self._paint(fill(text, _WIDTH, subsequent_indent='  '), 'yellow')}")
        left = f", {event.not_run} not run" if event.not_run else ""
        self._line(
            f"\n{total}, {event.passed} passed{failed}{left} in {duration_text(event.duration)}"
        )

    def _line(self, text: str) -> None:
        write_line(self._stream, text)


class ProgramReport:
    """A listener that draws what a program had the parties send, and then says what is wrong."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._paint = Palette(stream).paint
        self._setting = ""
        self._problems: list[Problem] = []

    def __call__(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case RehearsalStarted():
                self._setting = f"seed {event.seed}, fidelity {event.fidelity}"
            case StepFinished():
                self._problems += event.problems
                self._draw(event)
            case ScenarioFinished():
                self._warn(event)
            case RehearsalFinished():
                self._conclude(event)

    def _draw(self, step: StepFinished) -> None:
        if step.timeline:
            self._line(f"\n    {LEGEND}\n")
            for line in draw([step]):
                self._line(line)

    def _warn(self, scenario: ScenarioFinished) -> None:
        for each in scenario.warnings:
            self._line(f"\n{self._paint(f'warning: {printable(each)}', 'yellow')}")

    def _conclude(self, event: RehearsalFinished) -> None:
        count = len(self._problems)
        for number, problem in enumerate(self._problems, 1):
            self._line("")
            for line in _paragraph(problem, f"{number}. " if count > 1 else ""):
                self._line(line)
        bad = f"FAILED, for {count} reasons" if count > 1 else "FAILED"
        good = self._paint("ok: all is as expected", "green")
        verdict = self._paint(bad, "red") if count else good
        self._line(f"\n{verdict}\n({self._setting}, {event.duration:.1f} s)")

    def _line(self, text: str) -> None:
        write_line(self._stream, text)


class Progress:
    """A line on a terminal that counts what has ended and names what runs, erased at the end."""

    def __init__(self, stream: TextIO, total: int, report: Listener) -> None:
        self._stream = stream
        self._total = total
        self._report = report
        self._ended = self._failed = 0
        self._running: dict[ScenarioId, None] = {}

    @staticmethod
    def is_wanted(stream: TextIO) -> bool:
        """Return whether a stream is a terminal that somebody looks at."""
        is_dumb = os.environ.get("TERM") == "dumb"
        return stream.isatty() and not is_dumb and not os.environ.get("CI")

    def report(self, event: Event) -> None:
        """Let the report take an event."""
        self._write(_ERASED)
        self._report(event)
        if not isinstance(event, RehearsalFinished):
            self._show()

    def watch(self, event: Event) -> None:
        """Take an event as soon as it happens."""
        if isinstance(event, ScenarioStarted):
            self._running[event.scenario] = None
        elif isinstance(event, ScenarioFinished):
            self._running.pop(event.scenario, None)
            self._ended += 1
            self._failed += not event.passed
        self._write(_ERASED)
        self._show()

    def _show(self) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        running = ", ".join(each.name for each in self._running)
        line = f"{self._ended} of {self._total}{failed}  {running}"
        # A line that is broken could not be erased.
        self._write(line[: get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def write_line(stream: TextIO, text: str) -> None:
    """Write a line at once, with escapes for what does not fit the encoding of a terminal."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _parted(step: StepFinished) -> Iterator[str]:
    for finding in (each for entry in step.timeline for each in entry.findings):
        if finding.get("severity") == "warning" and finding["rule"] in _PARTING:
            yield str(finding["rule"])


def _named(step: StepFinished) -> str:
    return f"{step.number} {printable(step.name)}"


def _result(step: StepFinished) -> str:
    many, _, word = ("" if step.parts is None else count(step.parts, "part")).partition(" ")
    return f"{many:>3} {word:<5}  {printable(step.outcome):<14}  {duration_text(step.duration):>8}"


def _paragraph(problem: Problem, beginning: str) -> Iterator[str]:
    indent = " " * max(len(beginning), 2)
    # Without a file, there is no line that expects it.
    place = f"  ({problem.where})" if ":" in problem.where else ""
    yield f"{beginning}{printable(problem.what)}{place}"
    told = ("expected  ", problem.expected), ("got       ", problem.got), ("", problem.hint or "")
    for name, text in told:
        if text:
            yield fill(
                printable(text),
                _WIDTH,
                initial_indent=indent + name,
                subsequent_indent=indent + " " * len(name),
                break_long_words=False,
                break_on_hyphens=False,
            )

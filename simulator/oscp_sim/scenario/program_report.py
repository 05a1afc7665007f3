"""Write what came of a program for a person at a terminal: the sequence, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Final, TextIO

from oscp_send.cli.main import Colours, Palette
from oscp_sim.matching import printable
from oscp_sim.scenario.console import write_line
from oscp_sim.scenario.events import (
    Event,
    Problem,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    StepFinished,
)
from oscp_sim.scenario.sequence import LEGEND, draw

_WIDTH: Final = 100


class ProgramReport:
    """A listener that draws what the parties sent one another, and then says what is wrong.

    Args:
        stream: Any text stream.
        colours: Whether to colour, as `Palette` takes it.
    """

    def __init__(self, stream: TextIO, *, colours: Colours = "auto") -> None:
        self._stream = stream
        self._paint = Palette(stream, colours).paint
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


def _paragraph(problem: Problem, beginning: str) -> Iterator[str]:
    indent = " " * max(len(beginning), 2)
    # Without a file, there is no line that expects it.
    place = f"  ({problem.where})" if ":" in problem.where else ""
    yield f"{beginning}{printable(problem.what)}{place}"
    for name, text in (
        ("expected  ", problem.expected),
        ("got       ", problem.got),
        ("", problem.hint or ""),
    ):
        if text:
            yield fill(
                printable(text),
                _WIDTH,
                initial_indent=indent + name,
                subsequent_indent=indent + " " * len(name),
                break_long_words=False,
                break_on_hyphens=False,
            )

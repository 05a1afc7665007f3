"""Scenario files of tests: how they are written, read and rehearsed, and what is said of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from oscp_sim.cli.main import main
from oscp_sim.scenario.events import Event, Problem, StepFinished
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.yaml_source import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.testing import Result

    from oscp_sim.scenario.model import Scenario


def write(path: Path | str, text: str) -> Path:
    """Write a file, and the folders above it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def sim(*arguments: str) -> Result:
    """Run a command of `oscp-sim`."""
    return CliRunner().invoke(main, list(arguments))


def loaded(folder: Path, text: str) -> tuple[Scenario, ...]:
    """The scenarios of a file in a folder."""
    return load_scenarios([write(folder / "a.yaml", text)])


def complaints(folder: Path, text: str) -> list[str]:
    """What is wrong with such a file, the folder left out."""
    with pytest.raises(SourceError) as caught:
        loaded(folder, text)
    return [str(each).replace(f"{folder}{os.sep}", "") for each in caught.value.problems]


def events_of(folder: Path, text: str, **common: Any) -> list[Event]:  # noqa: ANN401 - of Rehearsal
    """What is told of a rehearsal of such a file."""
    events: list[Event] = []
    run(loaded(folder, text), Rehearsal(**common), [events.append])
    return events


def steps_of(folder: Path, text: str, **common: Any) -> list[StepFinished]:  # noqa: ANN401 - the same
    """The steps of a rehearsal of such a file."""
    return [each for each in events_of(folder, text, **common) if isinstance(each, StepFinished)]


def told(problems: Iterable[Problem]) -> list[tuple[str, str, str]]:
    """What was looked at, what was expected, and what there was."""
    return [(each.what, each.expected, each.got) for each in problems]

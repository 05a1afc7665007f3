"""What the processes of `test_jobs` do; apart, as each of them imports it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from oscp_sim.scenario.events import (
    Listener,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.model import Scenario


def scenarios(*names: str, pipe: Path | None = None) -> list[Scenario]:
    """Make scenarios; of those that are about a named pipe, one waits there for the other."""
    about = None if pipe is None else str(pipe)
    return [Scenario(name=each, group="g", steps=(), about=about) for each in names]


def run_one(scenario: Scenario, tell: Listener) -> bool:
    """Do what the scenario's name says."""
    name = ScenarioId(scenario.group, scenario.name)
    tell(ScenarioStarted(name, "f:1", 1))
    tell(StepFinished(name, 1, f"{scenario.name}'s step", "f:2", "", 0))
    if scenario.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if scenario.name == "exits":
        os._exit(7)
    if scenario.name == "endless":
        _never_end(Path(scenario.about or ""))
    if scenario.name == "bad-once-it-runs":
        Path(scenario.about or "").read_bytes()
    passed = not scenario.name.startswith("bad")
    tell(ScenarioFinished(name, passed, 0))
    return passed


def _never_end(pipe: Path) -> None:
    try:
        pipe.write_bytes(b"begun")
        threading.Event().wait()
    finally:
        pipe.with_suffix(".tidied").touch()

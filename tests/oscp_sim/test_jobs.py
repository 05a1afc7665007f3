"""Scenarios that run in several processes: the same report, in the same order."""

from __future__ import annotations

import os
import pickle
import re
import threading
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from oscp_send.fidelity import Behaviour
from oscp_sim.cli.main import main
from oscp_sim.scenario.events import (
    Event,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.jobs import Processes, side_by_side
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.world import load_world
from tests.oscp_sim.jobs import run_one, scenarios
from tests.oscp_sim.test_selection import file


def told(*names: str, jobs: int = 2) -> tuple[list[bool], list[Event], list[Event]]:
    events: list[Event] = []
    seen: list[Event] = []
    read = partial(scenarios, *names)
    passed = list(side_by_side(read(), run_one, Processes(jobs, read), events.append, seen.append))
    return passed, events, seen


def test_each_is_told_in_order_whoever_is_first() -> None:
    names = [f"{'good' if each % 3 else 'bad'}-{each}" for each in range(12)]
    passed, events, seen = told(*names, jobs=3)
    assert passed == [not each.startswith("bad") for each in names]
    assert [each.scenario.name for each in events if isinstance(each, ScenarioFinished)] == names
    assert [each.name for each in events if isinstance(each, StepFinished)] == [
        f"{name}'s step" for name in names
    ]
    assert len(events) == 3 * len(names)
    ended = [each.scenario.name for each in seen if isinstance(each, ScenarioFinished)]
    assert (sorted(ended), len(seen)) == (sorted(names), 2 * len(names))


def test_a_process_that_dies_is_a_failure_and_the_others_go_on() -> None:
    passed, events, _ = told("a", "killed", "b", "exits", "c")
    assert passed == [True, False, True, False, True]
    lost = [each for each in events if isinstance(each, ScenarioFinished) and each.problems]
    assert [(each.scenario.name, each.problems[0].got) for each in lost] == [
        ("killed", "signal 9 ended it"),
        ("exits", "it ended with 7"),
    ]


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with warnings.catch_warnings(action="error"):
            passed, *_ = told("a", "bad", "c")
    finally:
        done.set()
        other.join()
    assert passed == [True, False, True]


def test_who_takes_no_more_ends_what_still_runs(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    events: list[Event] = []
    read = partial(scenarios, "bad-once-it-runs", "endless", "never", pipe=pipe)
    results = side_by_side(read(), run_one, Processes(2, read), events.append, events.append)
    assert next(results) is False
    results.close()
    ended = {each.scenario.name for each in events if isinstance(each, ScenarioFinished)}
    assert ended == {"bad-once-it-runs"}
    assert pipe.with_suffix(".tidied").exists()


def rehearsed(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["rehearse", *arguments])
    return result.exit_code, re.sub(r" +\d+(\.\d)? m?s$", " T", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("more", [["--fail-fast"], ["--sequence", "-k", "not bb"]])
def test_the_report_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file("s/a.yaml", "aa", "bb", "cc", bad=("bb",))
    file("s/b.yaml", "dd", "ee", bad=("ee",))
    alone = rehearsed("s", *more)
    assert alone[0] == 1
    assert rehearsed("s", "--jobs", "2", *more) == alone


def test_scenarios_with_a_real_party_run_one_after_the_other() -> None:
    """Each would hear of the other, so that neither could be relied on."""
    real = RealParties(solaruser="http://127.0.0.1:9")
    running: list[int] = []
    most = []

    def watch(event: Event) -> None:
        if isinstance(event, ScenarioStarted):
            running.append(1)
            most.append(len(running))
        else:
            running.pop()

    read = partial(scenarios, *"abcd")
    run(read(), Rehearsal(real_parties=real), processes=Processes(4, read), watch=watch)
    assert most == [1, 1, 1, 1]


def test_what_scenarios_have_in_common_can_be_given_to_another_process() -> None:
    common = Rehearsal(fidelity=Behaviour("observed", {"date_times": "documented"}))
    common = replace(common, world=load_world())
    assert pickle.loads(pickle.dumps(common)) == common  # noqa: S301


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", ""])
def test_2_for_what_is_not_a_number_of_processes(jobs: str) -> None:
    result = CliRunner().invoke(main, ["rehearse", f"--jobs={jobs}"])
    assert result.exit_code == 2
    assert f"'{jobs}' is not a number of processes: give 2, or auto" in result.stderr

"""Judge a program of the reader's own by what it led to, and tell listeners as a scenario does."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oscp_sim.entry import Entry
from oscp_sim.program import Ended, run_program, without_secrets
from oscp_sim.scenario.act import (
    instructions_of,
    look_back,
)
from oscp_sim.scenario.events import (
    Listener,
    Problem,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
    tell_of_one,
)
from oscp_sim.scenario.expect import (
    match_exchanges,
    problems_of_ending,
    problems_of_findings,
    problems_of_received,
    problems_of_sent,
    problems_of_verifications,
)
from oscp_sim.scenario.model import Expect
from oscp_sim.scenario.objections import problems_of_mistakes, problems_of_objections
from oscp_sim.scenario.timeline import Exchange, timeline
from oscp_sim.simulator import Simulator
from oscp_sim.yaml_source import YamlDocument

_GROUP: Final = "run"
_PLACE: Final = "oscp-sim run"


def nothing_expected() -> Expect:
    """Return the expectation of a run without a file: that all is well."""
    return Expect(source=YamlDocument.of(None, _PLACE))


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """A program to run, and what is expected of it.

    Attributes:
        folder: Where it runs; here where None.
        timeout: Seconds that it may take; as long as it takes where None.
        settle: Seconds that what it sent may take to come to its end, after the program has.
    """

    command: Sequence[str]
    expect: Expect = field(default_factory=nothing_expected)
    folder: Path | None = None
    timeout: float | None = None
    settle: float = 10.0
    variables: Mapping[str, str] = field(default_factory=dict)


def judge_program(
    run: ProgramRun,
    simulator: Simulator,
    listeners: Iterable[Listener] = (),
    tell: Callable[[str], object] | None = None,
) -> bool:
    """Run a program to its end, wait until all has settled, and return whether all is as expected.

    Args:
        run: The program.
        simulator: It is running, and nothing has happened in it yet.
        listeners: They are told of one scenario with one step.
        tell: Called with each line of the program's output, as soon as there is one.

    Raises:
        NotStarted: There is no such program, or it cannot be run; no listener has been told of it.
    """
    began = time.monotonic()
    ended = run_program(
        run.command,
        simulator,
        folder=run.folder,
        timeout=run.timeout,
        tell=tell,
        variables=run.variables,
    )
    has_settled = simulator.settle(run.settle)
    step = _step(run, simulator, ended, has_settled=has_settled)
    behaviour, duration = str(simulator.behaviour), time.monotonic() - began
    started = ScenarioStarted(step.scenario, step.where, 1, behaviour, sequence=True)
    return tell_of_one(
        listeners,
        simulator.seed,
        started,
        step,
        duration=duration,
        warnings=simulator.faults.warnings,
    )


def _step(
    run: ProgramRun, simulator: Simulator, ended: Ended, *, has_settled: bool
) -> StepFinished:
    entries = simulator.journal.entries()
    items = timeline(entries)
    expect, name = run.expect, without_secrets(simulator, shlex.join(run.command))
    problems = (
        *problems_of_ending(expect, expect.source.place(), ended, run.timeout, longer="--timeout"),
        *problems_of_sent(expect, instructions_of(entries, simulator)),
        *problems_of_objections(expect, entries),
        *problems_of_received(expect, None, entries),
        *match_exchanges(expect, [each for each in items if isinstance(each, Exchange)])[0],
        *problems_of_findings(expect, items),
        *problems_of_verifications(expect.source, "/verify", expect.verify, look_back(simulator)),
        *problems_of_mistakes(expect.source.place(), simulator.journal.mistakes),
        *_of_rest(run, simulator, has_settled=has_settled),
        *(_of_silence(run, entries) if "solaruser" in simulator.plays else ()),
    )
    scenario = ScenarioId(_GROUP, name)
    return StepFinished(
        scenario,
        1,
        name,
        expect.source.place(),
        ended.name,
        ended.seconds,
        problems=problems,
        timeline=items,
        output=ended.output,
    )


def _of_rest(run: ProgramRun, simulator: Simulator, *, has_settled: bool) -> Iterator[Problem]:
    if has_settled:
        return
    where = run.expect.source.place("/pending" if run.expect.pending else "")
    left = max(simulator.pending, 1)
    hint = "something waits for an answer, or for its next try; give it longer with --settle"
    most = f"nothing, {run.settle:g} s after the program's end"
    yield Problem(where, "on its way", most, f"{left}", hint)


def _of_silence(run: ProgramRun, entries: Sequence[Entry]) -> Iterator[Problem]:
    """Yield that nobody asked anything: a program that asks elsewhere would always pass."""
    sent = (each for each in entries if each.kind == "exchange" and not each.sent)
    if run.expect.exchanges == () or any(sent):
        return
    asked = (
        "does the program take the proxy in HTTPS_PROXY, and trust SSL_CERT_FILE? "
        "docs/production-urls.md has what each language needs"
        if "HTTPS_PROXY" in run.variables
        else "does the program send to the address in OSCP_SEND_URL, with the path of SolarUser, "
        "/solaruser/api/v1/sec/instr, behind it? One that has production's URLs in its source "
        "needs --intercept"
    )
    hint = (
        f"{asked}; if it is right to send nothing, expect that with --expect FILE: "
        "exchanges: nothing"
    )
    where = run.expect.source.place()
    yield Problem(where, "the parties", "a request of the program", "none", hint)

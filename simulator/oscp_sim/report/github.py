"""A rehearsal's report for GitHub: annotations of scenario files, and the summary of the step."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from oscp_send.cli.ci import add_to_summary, annotation, fenced, markdown_text
from oscp_sim.report.result import RehearsalResult, ScenarioResult
from oscp_sim.report.text import what_failed
from oscp_sim.report.verdicts import verdicts
from oscp_sim.scenario.events import Problem

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?\Z")


def write(result: RehearsalResult) -> None:
    """Print the annotations, and append to the summary where there is one.

    Raises:
        NotWritten: The summary cannot be written.
    """
    for line in _annotations(result):
        click.echo(line)
    add_to_summary("\n".join(_summary(result)) + "\n")


def _annotations(result: RehearsalResult) -> Iterator[str]:
    for scenario in result.scenarios:
        for problem in scenario.all_problems:
            yield _annotation(scenario, problem)
    for scenario in result.scenarios:
        for warning in scenario.finished.warnings:
            yield annotation("warning", warning, _title(scenario), *_place(scenario.started.where))


def _annotation(scenario: ScenarioResult, problem: Problem) -> str:
    lines = (f"{problem.what}: expected {problem.expected}", f"got {problem.got}", problem.hint)
    text = "\n".join(each for each in lines if each)
    return annotation("error", text, _title(scenario), *_place(problem.where))


def _title(scenario: ScenarioResult) -> str:
    return f"{scenario.id.group} / {scenario.id.name}"


def _place(where: str) -> tuple[str | None, int | None, int | None]:
    found = _PLACE.match(where)
    if found is None:
        return None, None, None
    column = found["column"]
    return found["file"], int(found["line"]), None if column is None else int(column)


def _summary(result: RehearsalResult) -> Iterator[str]:
    """Yield the lines of the summary: what failed first, then the table of all verdicts."""
    count = len(result.scenarios)
    ended = f"{result.failed} failed" if result.failed else "all passed"
    yield f"## OSCP rehearsal: {count} scenario{'s' if count != 1 else ''}, {ended}"
    yield ""
    yield f"seed {result.seed}, fidelity {markdown_text(result.fidelity)}"
    yield ""
    for scenario in result.scenarios:
        if not scenario.finished.passed:
            yield f"### ❌ {markdown_text(_title(scenario))}"
            yield ""
            yield fenced("\n".join(what_failed(scenario)))
            yield ""
    yield "<details><summary>All scenarios</summary>"
    yield ""
    yield "| scenario | | conformance to the documentation | compatibility with the service |"
    yield "|---|---|---|---|"
    yield from map(_row, result.scenarios)
    for each in result.not_run:
        yield f"| {markdown_text(f'{each.group} / {each.name}')} | did not run | | |"
    yield ""
    yield "</details>"


def _row(scenario: ScenarioResult) -> str:
    ended = "✅" if scenario.finished.passed else "❌"
    warned = " ⚠️" if scenario.finished.warnings else ""
    documented, observed = (markdown_text(each.text) for each in verdicts(scenario))
    return f"| {markdown_text(_title(scenario))} | {ended}{warned} | {documented} | {observed} |"

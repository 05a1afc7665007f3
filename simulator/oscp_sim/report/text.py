"""What failed in a scenario, in plain lines: for JUnit, GitHub, and wherever else text is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from oscp_sim.report.result import ScenarioResult
from oscp_sim.scenario.events import Problem, StepFinished
from oscp_sim.scenario.sequence import said_of
from oscp_sim.scenario.timeline import Exchange

NAMES: Final[Mapping[str | None, str]] = {
    "solaruser": "SolarUser",
    "flexibility_provider": "Flexibility Provider",
    "capacity_provider": "Capacity Provider",
    "capacity_optimizer": "Capacity Optimizer",
    None: "a program",
}
#: The command that says more about the rule of a finding.
EXPLAIN: Final = "oscp-send explain"
#: Characters of a body that are shown.
LONGEST_BODY: Final = 20_000
_SHOWN: Final = ("error", "warning")


def failure_of(result: ScenarioResult) -> str:
    """Return in one line why a scenario failed."""
    first = next(iter(result.all_problems), None)
    if first is None:
        return "it did not end"
    return f"{first.what}: expected {first.expected}, got {first.got}"


def what_failed(result: ScenarioResult) -> Iterator[str]:
    """Yield lines on what did not hold, with the requests and responses of the step."""
    for problem in result.finished.problems:
        yield from problem_lines(problem)
    for step in result.steps:
        if step.problems:
            yield f"step {step.number} {step.name}  ({step.where})"
            for problem in step.problems:
                yield from problem_lines(problem)
            yield from _exchanges(step)
    if result.finished.steps_left:
        yield f"steps after that, which did not run: {result.finished.steps_left}"
    if any(shown_findings(each.findings) for each in result.timeline):
        yield f"what a rule in parentheses means: {EXPLAIN} RULE"


def problem_lines(problem: Problem) -> Iterator[str]:
    """Yield lines on one expectation that did not hold."""
    yield f"{problem.where}  {problem.what}"
    yield f"  expected  {problem.expected}"
    yield f"  got       {problem.got}"
    if problem.hint:
        yield f"  {problem.hint}"


def rule_of(finding: Mapping[str, Any]) -> str:
    """Return the name of a finding's rule, which of a schema is a keyword alone."""
    rule = str(finding.get("rule"))
    return f"schema: {rule}" if finding.get("layer") == "schema" else rule


def shown_findings(findings: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    """Return the findings that a person should see."""
    return [each for each in findings if each.get("severity") in _SHOWN]


def _exchanges(step: StepFinished) -> Iterator[str]:
    for exchange in step.exchanges:
        yield ""
        yield from _exchange(exchange)


def _exchange(exchange: Exchange) -> Iterator[str]:
    yield f"{NAMES[exchange.sender]} to {NAMES[exchange.receiver]}"
    yield f"> {exchange.method} {exchange.target}"
    yield from (f"> {name}: {value}" for name, value in exchange.headers)
    yield from _body(exchange.body, ">")
    if not exchange.is_handed_over:
        yield f"< {'no answer' if exchange.status is None else exchange.status}"
    yield from (f"< {name}: {value}" for name, value in exchange.answer_headers)
    yield from _body(exchange.answer, "<")
    yield from (f"  {each}" for each in exchange.notes)
    for each in shown_findings(exchange.findings):
        yield f"  {each.get('severity')}: {said_of(each)} ({each.get('rule')})"


def _body(text: str, sign: str) -> Iterator[str]:
    if text:
        yield from (f"{sign} {line}" for line in text[:LONGEST_BODY].split("\n"))
        if len(text) > LONGEST_BODY:
            yield f"{sign} ... and {len(text) - LONGEST_BODY:,} characters more"

"""A rehearsal's report as JUnit XML: a test case a scenario, a suite a group of them."""

from __future__ import annotations

from collections.abc import Iterator

from oscp_send.cli.ci import Case, junit_xml
from oscp_sim.report.result import RehearsalResult, ScenarioResult
from oscp_sim.report.text import failure_of, what_failed
from oscp_sim.report.verdicts import verdicts


def report(result: RehearsalResult) -> str:
    """Return the report."""
    cases = [_case(each) for each in result.scenarios]
    cases += [Case(each.group, each.name, is_skipped=True) for each in result.not_run]
    cases.sort(key=lambda each: each.suite)
    return junit_xml(cases, f"oscp-sim, seed {result.seed}, fidelity {result.fidelity}")


def _case(result: ScenarioResult) -> Case:
    failed = not result.finished.passed
    return Case(
        result.id.group,
        result.id.name,
        result.finished.duration,
        failure_of(result) if failed else None,
        "expectation",
        "\n".join(what_failed(result)) if failed else "",
        "\n".join(_output(result)),
    )


def _output(result: ScenarioResult) -> Iterator[str]:
    """Yield what may be read of a scenario that passed, too."""
    yield from (f"warning: {each}" for each in result.finished.warnings)
    documented, observed = verdicts(result)
    yield f"conformance to the documentation: {documented.text}"
    yield f"compatibility with the observed service: {observed.text}"
    yield from dict.fromkeys(f"  {each}" for each in (*documented.reasons, *observed.reasons))

"""A rehearsal's report for programs, as JSON (docs/reports.md)."""

from __future__ import annotations

import json
from typing import Any, Final

from oscp_sim.report.result import RehearsalResult, ScenarioResult
from oscp_sim.report.verdicts import Verdict, verdicts
from oscp_sim.scenario.events import Problem, StepFinished
from oscp_sim.scenario.sequence import summary
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry

#: Goes up when a field is taken away or means something else; new fields may come at any time.
VERSION: Final = 1


def report(result: RehearsalResult) -> str:
    """Return the report: the same text for the same seed, but for the values named `duration`."""
    values = {
        "report": "oscp-sim",
        "version": VERSION,
        "seed": result.seed,
        "fidelity": result.fidelity,
        "passed": result.passed,
        "failed": result.failed,
        "duration": _seconds(result.duration),
        "scenarios": [_scenario(each) for each in result.scenarios],
        "not_run": [{"group": each.group, "name": each.name} for each in result.not_run],
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    return {
        "group": result.id.group,
        "name": result.id.name,
        "where": result.started.where,
        "about": result.started.about,
        "fidelity": result.started.fidelity,
        "passed": result.finished.passed,
        "duration": _seconds(result.finished.duration),
        "verdicts": {each.side: _verdict(each) for each in verdicts(result)},
        "warnings": list(result.finished.warnings),
        "problems": [_problem(each) for each in result.finished.problems],
        "steps": [_step(each) for each in result.steps],
        "steps_left": result.finished.steps_left,
    }


def _fields(item: object, *names: str) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {**_fields(verdict, "grade", "ran", "text"), "reasons": list(verdict.reasons)}


def _step(step: StepFinished) -> dict[str, Any]:
    return {
        **_fields(step, "number", "name", "where", "outcome", "parts"),
        "passed": not step.problems,
        "duration": _seconds(step.duration),
        "problems": [_problem(each) for each in step.problems],
        "timeline": [_entry(each) for each in step.timeline],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return _fields(problem, "where", "what", "expected", "got", "hint")


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    shown = _exchange(entry) if isinstance(entry, Exchange) else _note(entry)
    # Numbers of the journal would name entries that a report does not have.
    findings = [
        {name: value for name, value in each.items() if name != "exchange"}
        for each in entry.findings
    ]
    return {**shown, "findings": findings}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "kind": "exchange",
        **_fields(exchange, "sender", "receiver", "system", "method", "path", "action"),
        **_fields(exchange, "instruction_id", "request_id", "correlation_id", "status"),
        "answer_headers": dict(exchange.telling_headers),
        "notes": list(exchange.notes),
        "says": summary(exchange),
    }


def _note(note: Note) -> dict[str, Any]:
    names = ("party", "system", "action", "instruction_id", "text")
    return {"kind": "note", **_fields(note, *names)}


def _seconds(duration: float) -> float:
    return round(duration, 4)

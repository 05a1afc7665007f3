"""Running scenarios and holding what came of them against their files, told as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oscp_sim.scenario.events import (
    Event,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.run import Rehearsal, run
from tests.oscp_sim.rehearsing import loaded, told

if TYPE_CHECKING:
    from pathlib import Path

SEND = "node: 1, optimizer: 1, group: foo-group, action: GroupCapacityComplianceError"
HELLO = f"{{{SEND}, message: {{message: hello, n: 10}}, correlation_id: r1}}"


def rehearsed(tmp_path: Path, text: str) -> list[Event]:
    events: list[Event] = []
    passed = run(loaded(tmp_path, text), Rehearsal(), [events.append])
    last = events[-1]
    assert isinstance(last, RehearsalFinished)
    assert passed is (last.failed == 0)
    return events


def step(tmp_path: Path, send: str, expect: str | None = None) -> StepFinished:
    text = f"scenario: a\nsteps:\n  - send: {send}\n"
    if expect is not None:
        text += f"    expect: {expect}\n"
    (finished,) = (each for each in rehearsed(tmp_path, text) if isinstance(each, StepFinished))
    return finished


def problems(tmp_path: Path, send: str, expect: str | None = None) -> list[tuple[str, str, str]]:
    """What was looked at, what was expected and what there was, each on its line of the file."""
    finished = step(tmp_path, send, expect)
    line = "3" if expect is None else "4"
    for problem in finished.problems:
        assert problem.where.endswith((f"a.yaml:{line}", "a.yaml:3")), problem.where
    return told(finished.problems)


@pytest.mark.parametrize("runs", ["frozen", "fast", "fast, speed: 1000"])
def test_time_does_not_go_on_for_ever(runs: str, tmp_path: Path) -> None:
    clock = f'{{start: "9999-12-29T00:00:00Z", runs: {runs}}}'
    text = f"scenario: a\nclock: {clock}\nsteps: [wait: 5d]\n"
    (last,) = (each for each in rehearsed(tmp_path, text) if isinstance(each, StepFinished))
    ((what, expected, got),) = told(last.problems)
    assert (what, expected.partition(" of")[0]) == ("time", "an earlier start")
    assert got.endswith("no clock goes beyond the year 9999")


def test_events_in_order(tmp_path: Path) -> None:
    text = f"""
scenarios:
  - scenario: good
    steps:
      - send: {HELLO}
      - {{name: again, send: {HELLO}}}
  - scenario: bad
    steps:
      - send: {{node: 1, parameters: {{}}}}
      - send: {HELLO}
      - send: {HELLO}
"""
    events = rehearsed(tmp_path, text)
    group = f"{tmp_path.name}/a"
    good, bad = ScenarioId(group, "good"), ScenarioId(group, "bad")
    assert [type(event) for event in events] == [
        *(RehearsalStarted, ScenarioStarted, StepFinished, StepFinished, ScenarioFinished),
        *(ScenarioStarted, StepFinished, ScenarioFinished, RehearsalFinished),
    ]
    started = events[0]
    assert isinstance(started, RehearsalStarted)
    assert (started.seed, started.fidelity, started.scenarios) == (1, "documented", (good, bad))
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert [(each.number, each.name, each.outcome, each.parts) for each in steps] == [
        (1, "GroupCapacityComplianceError", "Completed", 1),
        (2, "again", "Completed", 1),
        (1, "instruction", "Declined", 0),
    ]
    ended = [event for event in events if isinstance(event, ScenarioFinished)]
    assert [(each.scenario, each.passed, each.steps_left) for each in ended] == [
        (good, True, 0),
        (bad, False, 2),
    ]
    finished = events[-1]
    assert isinstance(finished, RehearsalFinished)
    assert (finished.passed, finished.failed) == (1, 1)
    assert finished.duration >= sum(each.duration for each in ended)


GOOD = [
    None,
    "{state: Completed}",
    "{parts: 1, within: 10s}",
    "{received: {path: /group_capacity_compliance_error}}",
    "{received: {headers: {x-correlation-id: r1, X-Absent: null}}}",
    "{received: {message: {message: hello}}}",
    '{received: {message: \'{"message":"hello"}\'}}',
]


@pytest.mark.parametrize("expect", GOOD)
def test_expectations_that_hold(tmp_path: Path, expect: str | None) -> None:
    assert problems(tmp_path, HELLO, expect) == []


BAD = {
    "{state: Declined}": [("state", "Declined", "Completed")],
    "{state: Queuing}": [("state", "Queuing", "Completed")],
    "{reason: why}": [("state", "Declined", "Completed"), ("reason", '"why"', "nothing")],
    "{parts: 2}": [("parts of msg", "2", "1")],
    "{sender: InvalidMessage}": [("the sender", "InvalidMessage", "Completed")],
    "{received: nothing}": [
        (
            "the Capacity Provider",
            "no request",
            "/oscp/cp/2.0/group_capacity_compliance_error",
        )
    ],
    "{received: {path: /x}}": [("path", "/x", "/group_capacity_compliance_error")],
    "{received: {headers: {X-Correlation-ID: r2}}}": [("header /X-Correlation-ID", '"r2"', '"r1"')],
    "{received: {headers: {X-Correlation-ID: null}}}": [
        ("header /X-Correlation-ID", "nothing", '"r1"')
    ],
    "{received: {message: {message: hullo, m: 1}}}": [
        ("message /message", '"hullo"', '"hello"'),
        ("message /m", "1", "nothing"),
    ],
    # An unknown property is lost on the way.
    "{received: {same_as_sent: true}}": [("message /n", "10", "nothing")],
}


@pytest.mark.parametrize(("expect", "told"), BAD.items(), ids=BAD)
def test_expectations_that_do_not_hold(
    tmp_path: Path, expect: str, told: list[tuple[str, str, str]]
) -> None:
    assert problems(tmp_path, HELLO, expect) == told


def test_a_time_that_is_too_long(tmp_path: Path) -> None:
    ((what, expected, _),) = problems(tmp_path, HELLO, "{within: 0.001ms}")
    assert what == "time"
    assert expected.startswith("at most ")


DECLINED = "{node: 1, parameters: {action: Nonsense}}"
REASON = "Missing capacity optimizer ID"


@pytest.mark.parametrize(
    "expect",
    [
        f"{{reason: {REASON}}}",
        "{state: Declined}",
        "{reason: {starts_with: Missing}}",
        "{reason: {matches: 'optimizer ID$'}}",
        "{sender: InstructionDeclined}",
        f"{{sender: InstructionDeclined, reason: {REASON}}}",
        "{state: Declined, received: nothing}",
    ],
)
def test_a_declined_instruction_that_is_expected(tmp_path: Path, expect: str) -> None:
    assert problems(tmp_path, DECLINED, expect) == []


def test_a_declined_instruction_that_is_not(tmp_path: Path) -> None:
    got = f"Declined: {REASON}"
    assert problems(tmp_path, DECLINED) == [("state", "Completed", got)]
    assert problems(tmp_path, DECLINED, "{state: Completed}") == [("state", "Completed", got)]
    assert problems(tmp_path, DECLINED, "{reason: Missing}") == [
        ("reason", '"Missing"', f'"{REASON}"')
    ]
    assert problems(tmp_path, DECLINED, "{reason: {matches: '^optimizer'}}") == [
        ("reason", 'a text that matches "^optimizer"', f'"{REASON}"')
    ]
    assert problems(tmp_path, DECLINED, "{state: Declined, received: {path: /x}}") == [
        ("the Capacity Provider", "a request", "none")
    ]


def test_the_sender_s_error_is_told_in_one_line_with_what_mends_it(tmp_path: Path) -> None:
    forecast = (
        "{group_id: foo-group, type: CONSUMPTION, forecasted_blocks: [{capacity: 1, unit: kW, "
        "phase: ALL, start_time: 2026-05-04T16:30:00Z, end_time: 2026-05-04T17:00:00Z}]}"
    ).replace("2026-05-04T16:30:00Z", '"2026-05-04T16:30:00Z"')
    forecast = forecast.replace("2026-05-04T17:00:00Z", '"2026-05-04T17:00:00Z"')
    send = f"{SEND.replace('GroupCapacityComplianceError', 'AdjustGroupCapacityForecast')}"
    finished = step(tmp_path, f"{{{send}, message: {forecast}}}")
    assert (finished.outcome, finished.parts) == ("InvalidMessage", None)
    (problem,) = finished.problems
    assert problem.got.startswith("InvalidMessage: AdjustGroupCapacityForecast was not sent: ")
    assert "\n" not in problem.got
    assert (problem.hint or "").startswith("/forecasted_blocks/0/unit: ")
    assert "KW" in (problem.hint or "")


def test_a_refusal_is_told_with_its_hint(tmp_path: Path) -> None:
    finished = step(tmp_path, f"{{{SEND.replace('node: 1', 'node: 9')}, message: {{message: x}}}}")
    (problem,) = finished.problems
    assert problem.got == "Refused: SolarUser refused the request (HTTP 403): UNKNOWN_OBJECT"
    assert (problem.hint or "").startswith("SolarUser does not know this node")


@pytest.mark.parametrize(
    ("send", "outcome"),
    [
        (f"{{{SEND}, message: [1], checked: false}}", "Declined"),
        (f"{{{SEND}, text: '', checked: false}}", "Declined"),
        (f"{{{SEND}, text: '[', checked: false}}", "Declined"),
        (f"{{{SEND.replace('1', str(10**30), 1)}, text: '{{}}', checked: false}}", "Refused"),
        ('{node: 1, parameters: {"a\\0": x}}', "Refused"),
        ('{node: 1, parameters: {"\U0001f50b": "\U0001f50b"}}', "Declined"),
    ],
)
def test_whatever_is_sent_comes_to_an_end(tmp_path: Path, send: str, outcome: str) -> None:
    assert step(tmp_path, send).outcome == outcome


def test_a_mistake_of_the_simulator_fails_whatever_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oscp_sim.flexibility_provider.instructions.PATHS", None)
    text = f"scenario: a\nsteps:\n  - send: {HELLO}\n    expect: {{state: Declined}}\n"
    *_, finished, _ = rehearsed(tmp_path, text)
    assert isinstance(finished, ScenarioFinished)
    assert not finished.passed
    (problem,) = finished.problems
    assert (problem.what, problem.expected) == ("the simulator", "no mistake of its own")
    assert problem.got == "instruction 1 could not be handled (TypeError)"
    assert problem.where.endswith("a.yaml:1")

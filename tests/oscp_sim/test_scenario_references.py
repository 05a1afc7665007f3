"""Values that stand for others in a scenario file: those of a matrix, and what steps capture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from oscp_sim.scenario.events import Event, ScenarioFinished, StepFinished
from oscp_sim.scenario.model import Message, Parameters, Scenario, Send
from oscp_sim.scenario.read import editor_schema
from oscp_sim.scenario.references import literal
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.yaml_source import SourceError, read_yaml
from tests.oscp_sim.rehearsing import loaded

PACK = Path(__file__).parent.parent.parent / "scenarios"
TO = "node: 1, optimizer: 1, group: foo-group"
HELLO = f"send: {{{TO}, action: GroupCapacityComplianceError, message: {{message: hello}}}}"


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file, each with its line and column."""
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, text)
    return [f"{each.line}:{each.column}: {each.message}" for each in caught.value.problems]


def rehearsed(tmp_path: Path, text: str) -> list[StepFinished]:
    """The steps of scenarios that must pass."""
    events: list[Event] = []
    passed = run(loaded(tmp_path, text), Rehearsal(), [events.append])
    steps = [each for each in events if isinstance(each, StepFinished)]
    assert passed, [problem for each in steps for problem in each.problems]
    return steps


def message_of(scenario: Scenario) -> object:
    does = scenario.steps[0].does
    assert isinstance(does, Send)
    assert isinstance(does.content, Message)
    return does.content.value


class TestMatrix:
    TEXT = """
scenario: all
matrix:
  fidelity: [documented, observed]
  clock: [{name: slow, start: 2026-05-04T16:00:00Z}, {start: 2026-05-04T17:00:00Z}]
  capacity: [1, 2.5]
fidelity: ${matrix.fidelity}
clock: {start: "${matrix.clock.start}"}
steps:
  - name: at ${matrix.clock.start}
    send:
      node: 1
      optimizer: 1
      group: foo-group
      action: GroupCapacityComplianceError
      message: {number: "${matrix.capacity}", text: "x${matrix.capacity}-${matrix.fidelity}"}
"""

    def test_each_combination_is_a_scenario(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, self.TEXT)
        assert [each.name for each in found][:3] == [
            "all[fidelity=documented,clock=slow,capacity=1]",
            "all[fidelity=documented,clock=slow,capacity=2.5]",
            "all[fidelity=documented,clock=2,capacity=1]",
        ]
        assert len(found) == 8
        last = found[-1]
        assert last.fidelity == "observed"
        assert last.clock.start is not None
        assert last.clock.start.hour == 17
        assert last.steps[0].name == "at 2026-05-04T17:00:00Z"
        # Whole, a value keeps its type; within a text it is written out.
        assert message_of(last) == {"number": 2.5, "text": "x2.5-observed"}
        clock = {"start": "2026-05-04T17:00:00Z"}
        assert last.matrix == {"fidelity": "observed", "clock": clock, "capacity": 2.5}

    def test_a_world_is_a_value_too(self, tmp_path: Path) -> None:
        for number in (1, 2):
            (tmp_path / f"{number}.yaml").write_text(f"users: [{{id: {number}}}]")
        first, second = loaded(
            tmp_path,
            'scenario: a\nmatrix: {world: [1.yaml, {users: [{id: 7}]}]}\nworld: "${matrix.world}"\n'
            f"steps: [{{{HELLO}}}]",
        )
        assert first.world is not None
        assert second.world is not None
        assert (first.world.users[0].id, second.world.users[0].id) == (1, 7)
        assert second.name == "a[world=2]"

    def test_one_of_the_file_holds_where_it_is_used(self, tmp_path: Path) -> None:
        text = f"""
matrix: {{fidelity: [documented, observed], text: [x, y]}}
fidelity: ${{matrix.fidelity}}
scenarios:
  - {{scenario: a, steps: [{{{HELLO}}}]}}
  - scenario: b
    fidelity: documented
    matrix: {{text: [z]}}
    steps: [{{send: {{{TO}, action: Handshake, message: "${{matrix.text}}"}}}}]
  - scenario: c
    fidelity: documented
    steps: [{{send: {{{TO}, action: Handshake, message: "${{matrix.text}}"}}}}]
"""
        assert [each.name for each in loaded(tmp_path, text)] == [
            "a[fidelity=documented]",
            "a[fidelity=observed]",
            "b[text=z]",
            "c[text=x]",
            "c[text=y]",
        ]

    def test_what_was_read_from_it_has_its_place_there(self, tmp_path: Path) -> None:
        found = loaded(tmp_path, self.TEXT)[0].steps[0]
        assert found.source.place("/send/message/number").endswith("a.yaml:6")
        assert found.source.place("/send/message/text").endswith("a.yaml:16")


WRONG_MATRIX = {
    "unknown name": (
        "matrix: {fidelity: [observed]}\nfidelity: ${matrix.fidelty}\n",
        [
            '2:10: "fidelity" is used nowhere: write ${matrix.fidelity} where its values belong',
            '3:11: the matrix has no "fidelty"; did you mean "fidelity"?',
        ],
    ),
    "no matrix": (
        "fidelity: ${matrix.fidelity}\n",
        ['2:11: the matrix has no "fidelity"; give it values, as matrix: {fidelity: [...]}'],
    ),
    "a value that does not fit": (
        "matrix: {fidelity: [documented, observd]}\nfidelity: ${matrix.fidelity}\n",
        ['2:33: "observd" is not known here; did you mean "observed"?'],
    ),
    "two of one name": (
        'matrix: {fidelity: [observed, {name: observed}]}\nfidelity: "${matrix.fidelity}"\n',
        ['2:31: two of the values are called "observed": leave one out'],
    ),
    "one without a field": (
        "matrix: {case: [{f: observed}, 3]}\nfidelity: ${matrix.case.f}\n",
        ['3:11: "${matrix.case.f}" is nothing in the value at a.yaml:2'],
    ),
    "one that refers to another": (
        'matrix: {a: [observed], b: ["${matrix.a}"]}\nfidelity: ${matrix.b}\n',
        ['2:10: "a" is used nowhere: write ${matrix.a} where its values belong'],
    ),
    "not a list": (
        "matrix: {fidelity: observed}\nfidelity: ${matrix.fidelity}\n",
        ["2:20: expected a list, got a string; write it as [observed]"],
    ),
    "a wrong key": (
        "matrix: {fidelity: [observed]}\nfidelty: ${matrix.fidelity}\n",
        ['3:1: unknown key "fidelty"; did you mean "fidelity"?'],
    ),
}


@pytest.mark.parametrize(("head", "told"), WRONG_MATRIX.values(), ids=WRONG_MATRIX)
def test_a_matrix_that_is_wrong(
    head: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert problems(tmp_path, f"scenario: a\n{head}steps: [{{{HELLO}}}]\n") == told


def test_a_file_with_several_scenarios_uses_its_matrix_somewhere(tmp_path: Path) -> None:
    text = f"matrix: {{x: [1]}}\nscenarios: [{{scenario: a, steps: [{{{HELLO}}}]}}]"
    assert problems(tmp_path, text) == [
        '1:10: "x" is used nowhere: write ${matrix.x} where its values belong'
    ]


CAPTURES = """
scenario: a
clock: {start: 2026-05-04T15:00:00Z}
steps:
  - forecast:
      provider: 3
      type: CONSUMPTION
      start: 2026-05-04T16:00:00Z
      step: 1h
      capacities: [9, 8]
      request_id: r1
    as: first
  - wait: 2s
    expect:
      exchanges:
        - {from: flexibility_provider, to: capacity_optimizer, as: told}
  - send:
      node: 1
      optimizer: 1
      group: foo-group
      action: AdjustGroupCapacityForecast
      correlation_id: ${told.request_id}
      forecast:
        type: ${told.message.type}
        start: ${first.message.forecasted_blocks.1.start_time}
        step: 1h
        capacities: ["${first.message.forecasted_blocks.1.capacity}"]
    as: wish
    expect:
      received: {headers: {X-Correlation-ID: "${told.headers.X-Request-ID}"}}
  - name: instruction ${wish.instruction_id} of $${wish} is ${wish.state}, ${told.status}
    forecast: {provider: 3, message: "${wish.message}", correlation_id: "${wish.request_id}"}
  - await: {from: flexibility_provider, action: UpdateGroupCapacityForecast, within: 3s}
    as: last
  - run: [sh, -c, "echo ${last.message.forecasted_blocks}; exit ${told.status}"]
    as: program
    expect: {exit_code: "${told.status}"}
  - heartbeat: {provider: 3}
    expect: {status: 204, reason: {matches: "^$"}}
  - run: [echo, "${program.output}"]
    expect: {output: {starts_with: "[{capacity"}}
"""


def test_what_was_sent_is_known_to_later_steps(tmp_path: Path) -> None:
    steps = rehearsed(tmp_path, CAPTURES)
    _, _, sent, answered, _, ran, _, again = steps
    assert sent.exchanges[-1].correlation_id == "r1"
    delivered = sent.exchanges[-1]
    assert '"start_time":"2026-05-04T17:00:00' in delivered.body
    assert answered.exchanges[0].correlation_id == delivered.request_id
    assert answered.name == "instruction 1 of ${wish} is Completed, 204"
    assert ran.output == again.output


WRONG = {
    "near": ("${frst.request_id}", 'nothing is captured as "frst"; did you mean "first"?'),
    "far": ("${nobody.request_id}", 'nothing is captured as "nobody"; known here: first'),
    "matrix": ("${matrix.x}", 'the matrix has no "x"; give it values, as matrix: {x: [...]}'),
    "a field": ("${first.requestid}", '"first" has no "requestid"; did you mean "request_id"?'),
    "below a value": (
        "${first.request_id.x}",
        '"request_id" of "first" is a single value: leave .x out',
    ),
    "later": ("${last.status}", '"last" has no value before the step after a.yaml:8'),
    "itself": ("${same.status}", '"same" has no value before the step after a.yaml:7'),
    "alone": (
        "${first}",
        '"${first}" is not a name and what is asked of it: write a reference as '
        "${name.request_id}, a value of a matrix as ${matrix.first}, and $${ for the characters "
        "${ themselves",
    ),
    "open": (
        "x ${first.status",
        '"${first.status" is not closed by a brace: write a reference as '
        "${name.request_id}, and $${ for the characters ${ themselves",
    ),
    "brackets": (
        "${first.message.blocks[0].unit}",
        '"${first.message.blocks[0].unit}" has brackets: write it with dots, as '
        "${first.message.blocks.0.unit}",
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_a_reference_without_a_value_is_refused_before_anything_runs(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = f"""
scenario: a
steps:
  - {{heartbeat: {{provider: 3}}, as: first}}
  - heartbeat: {{provider: 3}}
    expect: {{status: 204}}
  - {{name: "{text}", heartbeat: {{provider: 3}}, as: same}}
  - {{heartbeat: {{provider: 3}}, as: last}}
"""
    assert problems(tmp_path, content) == [f"7:12: {told}"]


def test_what_is_captured_is_for_steps_alone(tmp_path: Path) -> None:
    text = f"scenario: a\nfidelity: ${{first.status}}\nsteps: [{{{HELLO}, as: first}}]"
    assert problems(tmp_path, text) == [
        '2:11: "${first.status}" has no value here: what is captured is for later steps'
    ]


def test_a_name_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        f"scenario: a\nsteps:\n- {{{HELLO}, as: x}}\n- {{{HELLO}, as: x}}\n- {{wait: 1s, as: y}}\n"
    )
    assert problems(tmp_path, text) == ['4:122: "x" stands for something else already, at a.yaml:3']
    assert problems(tmp_path, text.replace("as: x}\n- {wait", "as: z}\n- {wait")) == [
        "5:14: a wait step sends nothing"
    ]


def test_what_else_is_wrong_with_a_step_is_said_all_the_same(tmp_path: Path) -> None:
    text = """
scenario: a
steps:
  - {heartbeat: {provider: 3}, as: first}
  - send: {node: "${first.status}", text: "${first.path}", action: X}
    expect: {within: 0s, stat: "${first.status}", exchanges: [{times: "${first.status}"}]}
  - forecast: {provider: 3, start: "${first.request_id}", file: gone.json}
  - await: ${first.message}
"""
    assert [each.partition(": ")[2] for each in problems(tmp_path, text)] == [
        'unknown key "stat"; did you mean "state"?',
        "expected a mapping, got a string",
    ]
    text = text.replace('stat: "${first.status}", ', "").replace("- await: ${first.message}", "")
    assert [each.partition(": ")[2] for each in problems(tmp_path, text)] == [
        '"optimizer" is missing; or give "parameters" instead',
        '"group" is missing; or give "parameters" instead',
        '"0s" is not a duration above zero: write it as 15m, 2s, 500ms, 1h30m or PT15M',
        'there is no file "gone.json"; the path is relative to this file',
    ]


WITHOUT = {
    "${sent.correlation_id}": '"${sent.correlation_id}" has no value: sent has no "correlation_id"',
    "${sent.message.mesage}": (
        '"${sent.message.mesage}" has no value: sent.message has no "mesage"; '
        'did you mean "message"?'
    ),
    "${sent.message.list.2}": (
        '"${sent.message.list.2}" has no value: sent.message.list has no "2"; '
        "it is a list of 2, counted from 0"
    ),
    "x${sent.message.list}": '"x[1, 2]" does not have the right form: A duration as 15m',
    "${sent.message.list}": "expected a string, got a list",
}


@pytest.mark.parametrize(("text", "told"), WITHOUT.items())
def test_a_value_that_is_not_there_fails_the_step(text: str, told: str, tmp_path: Path) -> None:
    events: list[Event] = []
    content = f"""
scenario: a
steps:
  - send: {{{TO}, action: GroupCapacityComplianceError, message: {{message: x, list: [1, 2]}}}}
    as: sent
  - {{heartbeat: {{provider: 3}}, expect: {{within: "{text}"}}}}
  - heartbeat: {{provider: 3}}
"""
    assert not run(loaded(tmp_path, content), Rehearsal(), [events.append])
    last = [each for each in events if isinstance(each, StepFinished)][-1]
    (problem,) = last.problems
    assert problem.where.endswith("a.yaml:6")
    assert problem.got.startswith(told)
    ended = events[-2]
    assert isinstance(ended, ScenarioFinished)
    assert ended.steps_left == 1


def test_two_braces_are_themselves_where_a_dollar_more_says_so(tmp_path: Path) -> None:
    (found,) = loaded(
        tmp_path, "scenario: a\nsteps: [{send: {node: 1, parameters: {msg: 'a $${b} $c'}}}]"
    )
    does = found.steps[0].does
    assert isinstance(does, Send)
    assert does.content == Parameters((("msg", "a ${b} $c"),))
    assert literal("a ${b} $c") == "a $${b} $c"


def test_a_reference_between_braces_needs_quotes(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, f"scenario: a\nsteps:\n- {HELLO}\n- {{wait: ${{a.b}}}}\n")
    assert re.search(r"put a text with \$\{\.\.\.\} in quotes", told)


EDITED = {
    TestMatrix.TEXT: True,
    CAPTURES: True,
    f"scenario: a\nsteps: [{{{HELLO}}}]": True,
    "scenario: a\nsteps: ${matrix.steps}": True,
    "scenario: a\nfidelity: observd\nsteps: [{wait: 1s}]": False,
    "scenario: a\nsteps: [{wait: 1s, expct: {pending: nothing}}]": False,
    "scenario: a\nsteps: [{wait: 1s, broker: up}]": False,
}


@pytest.mark.parametrize(("text", "is_good"), EDITED.items(), ids=range(len(EDITED)))
def test_an_editor_takes_references_for_any_value(text: str, *, is_good: bool) -> None:
    validator = Draft7Validator(editor_schema())
    assert validator.is_valid(read_yaml(text).value) is is_good


FILES = [path for path in sorted(PACK.rglob("*.yaml")) if "worlds" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_editor_takes_the_pack(path: Path) -> None:
    errors = Draft7Validator(editor_schema()).iter_errors(read_yaml(path).value)
    assert [f"{each.json_path}: {each.message}" for each in errors] == []

"""Verifications in scenario files: as an expectation of a step, and as a step of its own."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from oscp_sim.scenario.events import Problem
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rehearsing import steps_of
from tests.oscp_sim.rig import Provider

if TYPE_CHECKING:
    from pathlib import Path

SEND = "{node: 1, optimizer: 1, group: foo-group, action: Handshake, message: {}}"
BEGINNING = f"""\
scenario: a
clock: {{runs: frozen, start: "2031-03-01T00:00:00Z"}}
steps:
  - send: {SEND}
"""


def expected(tmp_path: Path, *verifications: str) -> tuple[Problem, ...]:
    """What does not hold of a step that sends a Handshake."""
    lines = "".join(f"        - {each}\n" for each in verifications)
    (step,) = steps_of(tmp_path, f"{BEGINNING}    expect:\n      verify:\n{lines}")
    return step.problems


def looked_back(tmp_path: Path, *verifications: str) -> tuple[Problem, ...]:
    """What does not hold in a step of its own, after two that send a Handshake."""
    lines = "".join(f"      - {each}\n" for each in verifications)
    text = f"{BEGINNING}  - send: {SEND}\n  - verify:\n{lines}"
    return steps_of(tmp_path, text)[2].problems


HOLDS = [
    "{party: capacity_provider, action: Handshake, exactly: 1, within: 2s}",
    "{party: capacity_provider, action: Handshake, exactly: 1.0, sent: false}",
    "{party: capacity_provider, action: HandshakeAcknowledge, none: true, within: 0.5}",
    "{party: capacity_provider, action: HandshakeAcknowledge, exactly: 1}",
    "{party: capacity_provider, action: Heartbeat, none: true}",
    "{state: Completed, exactly: 1}",
    "{state: Declined, at_most: 0}",
    "{path: /handshake, status: 204, message: {}, headers: {X-Correlation-ID: null}, at_least: 2}",
    "{party: capacity_provider, nothing_else: true, order: "
    "[{action: Handshake}, {action: HandshakeAcknowledge, sent: true}]}",
    "{all_of: [{party: capacity_provider, exactly: 2}, {state: Completed, exactly: 1}]}",
]


@pytest.mark.parametrize("verification", HOLDS)
def test_what_holds(tmp_path: Path, verification: str) -> None:
    assert expected(tmp_path, verification) == ()


def test_what_does_not_hold_says_what_there_was(tmp_path: Path) -> None:
    first, second = expected(
        tmp_path,
        "{party: capacity_provider, action: Handshake, status: 500, exactly: 1}",
        "{party: capacity_provider, action: Handshake, sent: false, none: true}",
    )
    assert first.where.endswith("a.yaml:7")
    assert (first.what, first.expected) == (
        "verify",
        'exactly 1 entry: party: "capacity_provider", action: "Handshake", status: 500, '
        'kind: "exchange"',
    )
    assert first.got.startswith("none: of 10 others the nearest is 5  2031-03-01 00:00:00.000Z  ")
    assert first.got.endswith("Handshake, answered 204; /status: expected 500, got 204")
    assert second.where.endswith("a.yaml:8")
    assert second.got.startswith("1: these fit: 5  2031-03-01 00:00:00.000Z  capacity_provider got")


def test_a_step_of_its_own_looks_back_at_all_of_the_scenario(tmp_path: Path) -> None:
    both = "{party: capacity_provider, action: Handshake, exactly: 2}"
    assert looked_back(tmp_path, both) == ()
    (problem,) = looked_back(tmp_path, both.replace("2", "1"))
    assert problem.where.endswith("a.yaml:7")
    assert problem.got.startswith("2: these fit: 5  ")


def test_an_expectation_is_of_its_step_alone(tmp_path: Path) -> None:
    verify = "{verify: [{party: capacity_provider, action: Handshake, exactly: 1}]}"
    text = f"{BEGINNING}  - send: {SEND}\n    expect: {verify}\n"
    assert [step.problems for step in steps_of(tmp_path, text)] == [(), ()]


def test_the_time_begins_with_the_step(tmp_path: Path) -> None:
    """By then, what came later has been awaited already."""
    text = BEGINNING + textwrap.dedent("""\
      - wait: 1m
        expect:
          verify:
            - {party: capacity_provider, action: HandshakeAcknowledge, within: 0.9}
    """).replace("- wait", "  - wait").replace("\n  ", "\n    ")
    (problem,) = steps_of(tmp_path, text)[1].problems
    assert problem.expected.startswith("at least 1 entry within 0.9 s: ")
    assert problem.got.startswith("none: there is no other entry")
    later = steps_of(tmp_path, text.replace("0.9", "1"))
    assert later[1].problems == ()


def test_a_party_elsewhere_may_still_send(tmp_path: Path) -> None:
    """Then it is awaited for as long as the file says, and no longer."""
    with Provider() as provider:
        text = f"""\
scenario: a
seats: {{capacity_provider: {{"3": "{provider.url}"}}}}
steps:
  - send: {SEND}
    expect:
      verify:
        - {{party: flexibility_provider, action: HandshakeAcknowledge, within: 50ms}}
        - {{party: flexibility_provider, action: Handshake, sent: true, exactly: 1, within: 30s}}
"""
        (step,) = steps_of(tmp_path, text)
    assert [each.where[-2:] for each in step.problems] == [":7"]


@pytest.mark.parametrize(
    ("verification", "told"),
    [
        (
            "{party: capacity_provder}",
            '6:17: "capacity_provder" is not known here; did you mean "capacity_provider"?',
        ),
        ("{exactli: 1}", '6:10: unknown key "exactli"; did you mean "exactly"?'),
        ("{exactly: 1, none: true}", '6:9: "exactly" says how many there are to be: leave "none"'),
        ("{within: 5 minutes}", '6:9: "5 minutes" is not a duration above zero'),
        ("{order: [{exactly: 1}]}", '6:9: "exactly" cannot stand in "order"'),
        ("{reason: {matches: (}}", '6:9: "reason": not a regular expression'),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, verification: str, told: str) -> None:
    beginning = f"scenario: a\nsteps:\n  - send: {SEND}\n"
    step = f"{beginning}\n  - verify:\n      - {verification}\n"
    expectation = f"{beginning}    expect:\n     verify:\n      - {verification}\n"
    for text in (step, expectation):
        with pytest.raises(SourceError) as caught:
            steps_of(tmp_path, text)
        assert f"a.yaml:{told}" in str(caught.value)


def test_an_action_that_nobody_sent_is_a_mistake(tmp_path: Path) -> None:
    (problem,) = expected(tmp_path, "{action: HandShake, none: true}")
    assert problem.got == "unknown action 'HandShake'; did you mean 'Handshake'?"


def test_a_verify_step_sends_nothing(tmp_path: Path) -> None:
    text = f"{BEGINNING}  - verify: [{{state: Completed}}]\n    expect: {{state: Completed}}\n"
    with pytest.raises(SourceError, match="a verify step sends nothing"):
        steps_of(tmp_path, text)

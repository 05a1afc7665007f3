"""The table of rules: each name is explained, and each example is judged as the table says."""

from __future__ import annotations

import tomllib
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from oscp_send.fidelity import DIFFERENCES
from oscp_send.judgement import check
from oscp_send.request_judgement import check_request
from oscp_send.rules import KINDS, Example, Rule, UnknownRule, find_rules, rules
from tests.cases.table import CASES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oscp_schemas import Fidelity
    from oscp_send.findings import Finding

EXAMPLES = {rule: rule.example for rule in rules().values() if isinstance(rule.example, Example)}
MESSAGES = [(rule, each) for rule, each in EXAMPLES.items() if each.judged_as == "message"]
REQUESTS = [(rule, each) for rule, each in EXAMPLES.items() if each.judged_as == "request"]


def by_name(value: object) -> str:
    return value.name if isinstance(value, Rule) else "example"


def names(findings: Iterable[Finding]) -> set[str]:
    return {name for each in findings for name in each.names}


def judged(example: Example, action: str, text: str) -> set[str]:
    now = None if example.now is None else datetime.fromisoformat(example.now)
    return names(check(action, text, example.fidelity, now=now).findings)


@pytest.mark.parametrize(("rule", "example"), MESSAGES, ids=by_name)
def test_of_two_messages_the_wrong_one_has_the_finding(rule: Rule, example: Example) -> None:
    assert rule.name in judged(example, example.action, example.wrong)
    assert judged(example, example.right_action, example.right) == set()


@pytest.mark.parametrize(("rule", "example"), REQUESTS, ids=by_name)
def test_of_two_requests_the_wrong_one_has_the_finding(rule: Rule, example: Example) -> None:
    now = None if example.now is None else datetime.fromisoformat(example.now)
    wrong = check_request(example.wrong.encode(), now=now)
    right = check_request(example.right.encode(), now=now)
    assert rule.name in names(wrong.of_severity("error", "warning", "info"))
    assert names(right.of_severity("error", "warning", "info")) == set()
    assert right.accepted


def test_what_is_mended_is_named_by_what_is_there_once() -> None:
    table = tomllib.loads(files("oscp_send").joinpath("rules.toml").read_text(encoding="utf-8"))
    for kind in KINDS:
        for name, entry in table[kind].items():
            text = entry.get("wrong", "")
            for old, new in entry.get("mended", ()):
                assert text.count(old) == 1, name
                text = text.replace(old, new)
    mended = {
        (each.wrong, each.action) != (each.right, each.right_action) for each in EXAMPLES.values()
    }
    assert mended == {True}


@pytest.mark.parametrize("rule", rules().values(), ids=by_name)
def test_a_rule_says_all_that_there_is_to_say(rule: Rule) -> None:
    told = [rule.example] if isinstance(rule.example, str) else []
    for text in (rule.what, rule.why, rule.who, rule.mend, *told):
        assert text == " ".join(text.split())
        assert text
    assert len(rule.what) <= 90
    assert not rule.what.endswith(".")
    for text in (rule.why, rule.who, rule.mend, *told):
        assert text.endswith("."), text


def test_names_differ_by_more_than_their_case() -> None:
    assert len({name.casefold() for name in rules()}) == len(rules())


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_whatever_is_found_in_the_judged_payloads_is_a_rule(fidelity: Fidelity) -> None:
    found = {
        name for case in CASES for name in names(check(case.action, case.text, fidelity).findings)
    }
    assert len(found) > 25
    assert found <= set(rules())


def test_every_difference_in_fidelity_is_a_rule() -> None:
    of_fidelity = {each.name: each.difference for each in rules().values() if each.difference}
    assert of_fidelity == {each.name: each for each in DIFFERENCES}
    assert {each.name for each in rules().values() if each.kind == "fidelity"} == set(of_fidelity)


def test_the_kinds_are_listed_one_after_another() -> None:
    kinds = [each.kind for each in rules().values()]
    assert list(dict.fromkeys(kinds)) == list(KINDS)
    assert kinds == sorted(kinds, key=list(KINDS).index)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("S8", ["S8"]),
        (" s8 ", ["S8"]),
        ("coid", ["coId"]),
        ("correlation_id", ["correlation_id"]),
        ("/forecasted_blocks/0/unit: \"kW\" is not one of A, W [enum] (write 'KW')", ["enum"]),
        ("has used X-Request-ID [r1] before   warning [S19, X8]", ["S19", "X8"]),
        ("OSCP meaning, S1", ["S1"]),
        ("S8 /group_id: the Capacity Provider sent no forecast of g", ["S8"]),
        ('schema enum /forecasted_blocks/0/unit: "kW" is not one of A, W', ["enum"]),
        ('Handshake /a: "kW" is not one of A (enum)', ["enum"]),
        ('/a: write "KW" (schema rule enum: oscp-send explain enum)', ["enum"]),
    ],
)
def test_a_rule_is_found(text: str, found: list[str]) -> None:
    assert [each.name for each in find_rules(text)] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unknown-propery", 'did you mean "unknown-property"?'),
        ("correlationid", 'did you mean "correlation_id"?'),
        ("", "--list shows all of them"),
        ("[no-rule]", "--list shows all of them"),
        ("zzzz", "--list shows all of them"),
    ],
)
def test_a_name_that_is_none_is_told_the_nearest(text: str, said: str) -> None:
    with pytest.raises(UnknownRule) as caught:
        find_rules(text)
    assert str(caught.value) == f'"{text}" is not the name of a rule; {said}'

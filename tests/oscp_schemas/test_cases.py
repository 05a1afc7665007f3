"""The judged payloads (docs/protocol/oscp20.md §9.2): each column that schemas can speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

import oscp_schemas
from tests.cases.table import CASES
from tests.oscp_schemas import oracles

if TYPE_CHECKING:
    from tests.cases.case import Case

# Where RFC 3339 itself and Python's rfc3339-validator, which the table quotes, part ways: the
# grammar of RFC 3339 has second 60 at the end of any UTC day, and nothing behind the offset.
RFC3339_DIFFERS = {"C72": True, "C73": True, "C77": False}

# SolarNetwork's parser refuses these two for their size, which is not a matter of JSON.
MOST_DEPTH = 500
LONGEST_NUMBER = 1000

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def parsed(text: str) -> oscp_schemas.Document | None:
    try:
        return oscp_schemas.read(text)
    except oscp_schemas.JsonError:
        return None


def test_there_are_195_cases_in_order() -> None:
    assert [case.id for case in CASES] == [f"C{number}" for number in range(1, 196)]


@by_case
def test_observed_verdict(case: Case) -> None:
    document = parsed(case.text)
    is_refused_for_its_size = document is not None and (
        document.depth > MOST_DEPTH or document.longest_number > LONGEST_NUMBER
    )
    violations = oscp_schemas.judge(case.action, case.text, fidelity="observed")
    assert (not violations and not is_refused_for_its_size) == case.sn


@by_case
def test_documented_verdict(case: Case) -> None:
    expected = RFC3339_DIFFERS.get(case.id, case.python)
    assert (oscp_schemas.judge(case.action, case.text) == []) == expected


@by_case
def test_verdict_of_plain_jsonschema_without_formats(case: Case) -> None:
    document = parsed(case.text)
    accepted = document is not None and oracles.accepts_without_formats(case.action, document.value)
    assert accepted == case.nf


@by_case
def test_json_stage(case: Case) -> None:
    document = parsed(case.text)
    is_refused = (
        document is None or document.depth > MOST_DEPTH or document.longest_number > LONGEST_NUMBER
    )
    assert is_refused == (case.su == "D json")


@by_case
@pytest.mark.parametrize("fidelity", get_args(oscp_schemas.Fidelity))
def test_all_violations_are_those_of_jsonschema(
    case: Case, fidelity: oscp_schemas.Fidelity
) -> None:
    document = parsed(case.text)
    violations = oscp_schemas.judge(case.action, case.text, fidelity=fidelity)
    if document is None:
        assert [each.rule for each in violations] == ["json"]
    else:
        checker = oracles.validator(case.action, fidelity)
        assert violations == oracles.violations(checker, document.value)


@by_case
def test_text_bytes_document_and_value_are_judged_alike(case: Case) -> None:
    violations = oscp_schemas.judge(case.action, case.text)
    assert oscp_schemas.judge(case.action, case.text.encode()) == violations
    document = parsed(case.text)
    if document is not None:
        assert oscp_schemas.judge(case.action, document) == violations
    if document is not None and not isinstance(document.value, str):  # which would be JSON text
        assert oscp_schemas.judge(case.action, document.value) == violations


@by_case
def test_every_violation_can_be_found_in_the_text(case: Case) -> None:
    for violation in oscp_schemas.judge(case.action, case.text, fidelity="observed"):
        if violation.rule != "json":
            line, column = oscp_schemas.read(case.text).locate(violation.pointer)
            assert line == 1
            assert 1 <= column <= len(case.text)

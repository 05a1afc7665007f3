"""`oscp-send schema`: the documents as they are, or as one that is complete."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

import oscp_schemas
from oscp_send.cli.show import bundled
from oscp_send.testing import Sample, damaged, messages
from tests.cases.table import CASES

if TYPE_CHECKING:
    from tests.cases.case import Case
    from tests.oscp_send.cli.given import Cli

by_action = pytest.mark.parametrize("action", oscp_schemas.ACTIONS)


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if "$ref" in value else []
    return own + [found for item in value.values() for found in references(item)]


@cache
def validator_of(action: str) -> Draft7Validator:
    return Draft7Validator(bundled(oscp_schemas.schema(action)))


@by_action
def test_it_is_the_document(cli: Cli, action: str) -> None:
    result = cli("schema", action)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == oscp_schemas.schema(action)


@by_action
def test_a_bundle_is_complete(cli: Cli, action: str) -> None:
    bundle = json.loads(cli("schema", action, "--bundle").stdout)
    Draft7Validator.check_schema(bundle)
    named = {f"#/definitions/{name}" for name in bundle.get("definitions", {})}
    assert set(references(bundle)) == named
    for inner in bundle.get("definitions", {}).values():
        assert "$id" not in inner
    assert bundle["$id"] == oscp_schemas.schema(action)["$id"]
    assert bundle["examples"] == oscp_schemas.schema(action)["examples"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_bundle_judges_the_judged_payloads(case: Case) -> None:
    try:
        value = oscp_schemas.read(case.text).value
    except oscp_schemas.JsonError:
        return
    assert validator_of(case.action).is_valid(value) == case.nf


@given(messages(sound=False), st.data())
def test_a_bundle_judges_as_the_documents_do(sample: Sample, data: st.DataObject) -> None:
    action, message = sample
    validator = validator_of(action)
    assert validator.is_valid(message)
    _, changed = data.draw(damaged(st.just(sample)))
    if not validator.is_valid(changed):
        assert oscp_schemas.judge(action, changed) != []


def test_an_unknown_action_is_2_and_recognised(cli: Cli) -> None:
    result = cli("schema", "handshak")
    assert result.exit_code == 2
    assert "did you mean Handshake?" in result.stderr


def test_the_help_names_every_action(cli: Cli) -> None:
    helped = " ".join(cli("schema", "--help").stdout.split())
    for action in oscp_schemas.ACTIONS:
        assert action in helped

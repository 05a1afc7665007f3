"""The fast verdict and the explanation, held against each other and against plain jsonschema."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oscp_schemas
from oscp_schemas import explain, validate
from tests import strategies
from tests.oscp_schemas.oracles import accepts_as_observed, accepts_without_formats

if TYPE_CHECKING:
    from tests.strategies import Message

EXAMPLES = [
    pytest.param(action, example, id=f"{action}-{index}")
    for action in oscp_schemas.ACTIONS
    for index, example in enumerate(oscp_schemas.schema(action)["examples"])
]
FIDELITIES: tuple[oscp_schemas.Fidelity, ...] = get_args(oscp_schemas.Fidelity)


def assert_agreement(action: str, value: object) -> bool:
    """Answers with the observed verdict, on which all must agree; a text and a value alike."""
    text = json.dumps(value)
    for fidelity in FIDELITIES:
        explained = explain.violations(action, value, fidelity)
        assert validate.accepts(action, value, fidelity) == (explained == [])
        assert validate.accepts_text(action, text, fidelity) in (explained == [], False)
        assert oscp_schemas.judge(action, text, fidelity=fidelity) == explained
    expected = accepts_as_observed(oscp_schemas.schema(action), value)
    assert (oscp_schemas.judge(action, text, fidelity="observed") == []) == expected
    if not accepts_without_formats(oscp_schemas.schema(action), value):
        assert oscp_schemas.judge(action, text) != []
    return expected


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
def test_on_every_example(action: str, example: Message) -> None:
    assert assert_agreement(action, example)


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
@pytest.mark.parametrize("other", oscp_schemas.ACTIONS)
def test_on_every_example_under_another_action(action: str, example: Message, other: str) -> None:
    assert_agreement(other, example)


@given(strategies.any_messages())
def test_on_any_valid_message(pair: tuple[str, Message]) -> None:
    assert assert_agreement(*pair)


@given(strategies.any_messages(), st.data())
def test_on_any_broken_message(pair: tuple[str, Message], data: st.DataObject) -> None:
    action, message = pair
    assert_agreement(action, data.draw(strategies.broken(message)))


@given(strategies.actions(), strategies.json_values())
def test_on_any_json(action: str, value: object) -> None:
    if not isinstance(value, str):  # which would be taken as JSON text
        assert_agreement(action, value)


@given(
    st.sampled_from(oscp_schemas.ACTIONS),
    st.dictionaries(st.sampled_from("ab"), st.text(), min_size=1),
)
def test_properties_that_the_schema_does_not_know_change_nothing(
    action: str, extras: dict[str, str]
) -> None:
    example = oscp_schemas.schema(action)["examples"][0]
    assert oscp_schemas.judge(action, {**example, **extras}) == []


def test_many_threads_may_judge_at_once_from_the_start() -> None:
    for cached in (validate._validator, validate._registry, explain._explaining_validator):
        cached.cache_clear()
    texts = ['{"offline_mode_at":"never"}', '{"offline_mode_at":"2031-03-01T00:00:00Z"}'] * 40
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda text: len(oscp_schemas.judge("Heartbeat", text)), texts)
    assert list(found) == [1, 0] * 40

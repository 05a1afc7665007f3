"""Messages that are broken in one way, held against what `check` says of them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oscp_schemas import Fidelity
from oscp_send import check
from oscp_send.rules import Example, rules
from oscp_send.testing import Broken, Sample, broken, damaged, forecasts, messages
from oscp_send.testing.breaking import BREAKABLE
from tests.effort import examples, simplest

if TYPE_CHECKING:
    from collections.abc import Mapping

FIDELITIES: tuple[Fidelity, ...] = ("documented", "observed")
#: What comes of size alone: a message of a day is near the limit.
SIZE = "mqtt_limit"

# Made once: to make one for each example takes longer than to draw from it.
BROKEN = {
    (rule, fidelity): broken(messages(), rules=[rule], fidelity=fidelity)
    for rule in BREAKABLE
    for fidelity in FIDELITIES
}
BROKEN_FORECASTS = {fidelity: broken(forecasts(), fidelity=fidelity) for fidelity in FIDELITIES}
BY_THE_SCHEMA = ("required", "type", "enum", "format", "minItems", "uniqueItems", "json")
ODD = {
    fidelity: broken(messages(sound=False), rules=BY_THE_SCHEMA, fidelity=fidelity)
    for fidelity in FIDELITIES
}


def findings(
    action: str, text: str, fidelity: Fidelity, now: datetime | None = None
) -> Mapping[tuple[str, str], str]:
    """The severity of each finding, by its rule and its place."""
    found = check(action, text, fidelity, now=now).findings
    return {(each.rule, each.pointer): each.severity for each in found}


def assert_one_mistake(drawn: Broken, fidelity: Fidelity) -> None:
    judged = check(drawn.action, drawn.text, fidelity, now=drawn.now)
    assert drawn.is_answered_by(accepted=judged.accepted, error=judged.error)
    before = findings(drawn.sample.action, drawn.sample.text, fidelity)
    after = findings(drawn.action, drawn.text, fidelity, drawn.now)
    assert (drawn.rule, drawn.pointer) in after
    new = {key for key in after if key not in before and after[key] != "info"}
    others = {rule for rule, _ in new - {(drawn.rule, drawn.pointer)}} - {SIZE}
    assert others <= set(drawn.also)
    assert set(drawn.also) <= {rule for rule, _ in after}


@pytest.mark.parametrize("rule", BREAKABLE)
@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_broken_message_has_its_mistake_and_no_other(rule: str, data: st.DataObject) -> None:
    fidelity = data.draw(st.sampled_from(FIDELITIES))
    drawn = data.draw(BROKEN[rule, fidelity])
    assert drawn.rule == rule
    assert_one_mistake(drawn, fidelity)


@settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FIDELITIES), st.data())
def test_so_has_a_forecast_of_any_shape(fidelity: Fidelity, data: st.DataObject) -> None:
    assert_one_mistake(data.draw(BROKEN_FORECASTS[fidelity]), fidelity)


@settings(max_examples=examples(15))
@given(st.sampled_from(FIDELITIES), st.data())
def test_the_answer_is_known_of_messages_that_are_odd_otherwise(
    fidelity: Fidelity, data: st.DataObject
) -> None:
    drawn = data.draw(ODD[fidelity])
    judged = check(drawn.action, drawn.text, fidelity)
    assert drawn.is_answered_by(accepted=judged.accepted, error=judged.error)


def test_there_is_a_way_for_each_rule_that_a_message_shows() -> None:
    shown = {
        name
        for name, rule in rules().items()
        if isinstance(rule.example, Example) and rule.example.judged_as == "message"
    }
    # Of UpdateAssetMeasurement, schema-lookup is the finding, and asset_measurements the setting.
    assert shown - set(BREAKABLE) == {"asset_measurements"}
    assert set(BREAKABLE) - shown == {SIZE, "S12", "action"}, "shown otherwise"


SMALLEST = {
    "required": ("HandshakeAcknowledge", '{"required_behaviour":{}}', "/required_behaviour"),
    "enum": (
        "AdjustGroupCapacityForecast",
        '{"group_id":"depot-7","type":"consumption","forecasted_blocks":[{"capacity":0,'
        '"phase":"ALL","unit":"KW","start_time":"2031-03-01T00:00:00Z",'
        '"end_time":"2031-03-01T01:00:00Z"}]}',
        "/type",
    ),
    "S11": (
        "Handshake",
        '{"required_behaviour":{"measurement_configuration":[],"heartbeat_interval":0}}',
        "/required_behaviour/heartbeat_interval",
    ),
    "duplicate-key": (
        "Handshake",
        '{"required_behaviour":{"measurement_configuration":[]},'
        '"required_behaviour":{"measurement_configuration":[]}}',
        "/required_behaviour",
    ),
}


@pytest.mark.parametrize("rule", SMALLEST)
def test_it_shrinks_to_what_can_be_read_at_a_glance(rule: str) -> None:
    action, text, pointer = SMALLEST[rule]
    found = simplest(broken(messages(action), rules=[rule]))
    assert (found.action, found.text, found.pointer) == (action, text, pointer)


def test_an_answer_is_compared_by_verdict_and_text() -> None:
    found = simplest(broken(messages("Handshake"), rules=["json"]))
    said = "Invalid JSON for [Handshake] OSCP action: Unexpected end-of-input"
    assert (found.what, found.error, found.status) == ("is cut before its end", said, 200)
    assert found.is_answered_by(accepted=False, error=f"{said}: expected close marker")
    assert not found.is_answered_by(accepted=False, error="Unexpected end-of-input")
    assert not found.is_answered_by(accepted=True, error=None)
    assert not found.is_answered_by(accepted=False, error=None)
    odd = simplest(broken(messages("Handshake"), rules=["S11"]))
    assert odd.is_answered_by(accepted=True, error=None)
    assert not odd.is_answered_by(accepted=False, error="because of its interval")


def test_the_running_service_answers_422_to_what_is_too_large() -> None:
    found = simplest(broken(forecasts("short"), rules=[SIZE], fidelity="observed"))
    assert (found.accepted, found.status) == (False, 422)
    assert len(json.loads(found.text)["forecasted_blocks"]) == 200


@pytest.mark.parametrize(
    ("name", "hint"), [("enumm", "did you mean 'enum'?"), ("S8", "there are required, type")]
)
def test_a_rule_that_a_message_cannot_break_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match="one message alone cannot break") as raised:
        broken(messages(), rules=[name])
    assert hint in str(raised.value)


def test_a_rule_may_be_given_by_its_name_alone() -> None:
    assert simplest(broken(messages("Handshake"), rules="S11")).rule == "S11"


def test_other_nonsense_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="no rule is left to break; there are required, type"):
        broken(messages(), rules=())
    with pytest.raises(ValueError, match="fidelity is 'documented' or 'observed'"):
        broken(messages(), fidelity="observe")  # type: ignore[arg-type]


@given(st.sampled_from(["Handshake", "Register"]), st.data())
def test_damage_leaves_the_message_before_it_as_it_was(action: str, data: st.DataObject) -> None:
    sample = data.draw(messages(action))
    before = sample.text
    data.draw(damaged(st.just(sample), most_places=3))
    data.draw(broken(st.just(sample)))
    assert sample.text == before


def test_damage_may_be_anywhere_and_of_any_kind() -> None:
    one = Sample("UpdateGroupMeasurements", {"group_id": "g", "measurements": [{"value": 1}]})
    changes: tuple[dict[str, object], ...] = (
        {"group_id": "g"},
        {"group_id": "g", "MEASUREMENTS_": [{"value": 1}]},
        {"group_id": "g", "measurements": [{"value": 1}, {"value": 1}]},
        {"group_id": "g", "measurements": [{"value": None}]},
        {"group_id": "g", "measurements": [{}]},
    )
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=150, database=None, derandomize=True)
    @given(damaged(st.just(one)))
    def collect(sample: Sample) -> None:
        drawn.append(sample.message)

    collect()
    assert all(each in drawn for each in changes)

"""What would silently become another message on its way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from oscp_schemas import ACTIONS, read, schema
from oscp_send.judgement import judge_properties
from oscp_send.testing import actions, json_values
from tests.cases.payloads import block, forecast, forecast_value, handshake, one_asset, one_block

ADJUST = "AdjustGroupCapacityForecast"


def found(action: str, text: str) -> list[tuple[str, str, str]]:
    return [(each.rule, each.pointer, each.hint) for each in judge_properties(action, read(text))]


FOUND = {
    "unknown-at-root": (ADJUST, forecast(comment="x"), "unknown-property", "/comment", ""),
    "unknown-in-a-block": (
        ADJUST,
        one_block(note=1),
        "unknown-property",
        "/forecasted_blocks/0/note",
        "",
    ),
    "unknown-below-two": (
        "UpdateAssetMeasurement",
        one_asset(energy_measurement={"colour": 1}),
        "unknown-property",
        "/measurements/0/energy_measurement/colour",
        "",
    ),
    "unknown-name-is-escaped": (
        ADJUST,
        forecast(**{"a/b~c": 1}),
        "unknown-property",
        "/a~1b~0c",
        "",
    ),
    "camel-case": (
        ADJUST,
        forecast(groupId="x"),
        "unknown-property",
        "/groupId",
        'did you mean "group_id"?',
    ),
    "misspelt": (
        ADJUST,
        one_block(capacty=1),
        "unknown-property",
        "/forecasted_blocks/0/capacty",
        'did you mean "capacity"?',
    ),
    "one-level-too-high": (
        "Handshake",
        '{"measurement_configuration":["CONTINUOUS"]}',
        "unknown-property",
        "/measurement_configuration",
        '"measurement_configuration" belongs inside "required_behaviour"',
    ),
    "given-twice": (
        ADJUST,
        forecast().replace("{", '{"type":"OPTIMUM",', 1),
        "duplicate-key",
        "/type",
        "",
    ),
    "lone-surrogate": (
        ADJUST,
        forecast(group_id="@").replace("@", "\\ud83d"),
        "surrogate",
        "/group_id",
        "write the character itself, or both halves of its \\u escapes",
    ),
    "empty-handshake": (
        "Handshake",
        "{}",
        "empty-handshake",
        "",
        "give required_behaviour with its measurement_configuration",
    ),
}


@pytest.mark.parametrize(("action", "text", "rule", "pointer", "hint"), FOUND.values(), ids=FOUND)
def test_it_is_found_where_it_is(
    action: str, text: str, rule: str, pointer: str, hint: str
) -> None:
    assert found(action, text) == [(rule, pointer, hint)]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        *(
            pytest.param(action, json.dumps(example), id=f"{action}-{index}")
            for action in ACTIONS
            for index, example in enumerate(schema(action)["examples"])
            if (action, example) != ("Handshake", {})
        ),
        pytest.param("Handshake", handshake(), id="handshake"),
        pytest.param(ADJUST, forecast(group_id="\U0001f600"), id="whole-surrogate-pair"),
    ],
)
def test_nothing_is_found_in_what_is_right(action: str, text: str) -> None:
    assert found(action, text) == []


def test_each_unknown_property_is_reported() -> None:
    value = forecast_value(forecasted_blocks=[block(a=1), block(b=2, c=3)])
    assert [pointer for _, pointer, _ in found(ADJUST, json.dumps(value))] == [
        "/forecasted_blocks/0/a",
        "/forecasted_blocks/1/b",
        "/forecasted_blocks/1/c",
    ]


def test_an_unknown_action_has_no_known_properties() -> None:
    assert found("X", '{"a":1}') == []


@given(actions(), json_values())
def test_any_json_is_judged(action: str, value: object) -> None:
    found(action, json.dumps(value))
    found(action, json.dumps({"forecasted_blocks": value, "measurements": [value]}))

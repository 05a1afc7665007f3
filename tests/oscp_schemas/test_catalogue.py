"""The schema documents themselves: complete, consistent, described and with valid examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

import oscp_schemas
from oscp_schemas import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = catalogue.document_names()
KEY_ORDER = (
    *("$schema", "$id", "title", "description", "type", "minItems", "uniqueItems", "enum"),
    *("format", "minimum", "items", "properties", "required", "examples"),
)
JSON_TYPES = {"array", "integer", "number", "object", "string"}  # none takes null, or a boolean
DATA_TYPES = {
    *("asset-category.json", "asset-measurement.json", "capacity-forecast-type.json"),
    *("energy-measurement.json", "error.json", "forecasted-block.json"),
    *("forecasted-block-unit.json", "instantaneous-measurement.json"),
    *("measurement-configuration.json", "paginated-request.json", "phase-indicator.json"),
    *("required-behaviour.json", "version-url.json"),
}
ENUMS = {
    "asset-category.json": ["CHARGING", "CONSUMPTION", "GENERATION", "STORAGE"],
    "capacity-forecast-type.json": [
        *("CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM")
    ],
    "forecasted-block-unit.json": ["A", "W", "KW", "WH", "KWH"],
    "measurement-configuration.json": ["CONTINUOUS", "INTERMITTENT"],
    "phase-indicator.json": ["UNKNOWN", "ONE", "TWO", "THREE", "ALL"],
}
REQUIRED = {
    "adjust-group-capacity-forecast.json": ["group_id", "type", "forecasted_blocks"],
    "asset-measurement.json": ["asset_id", "asset_category"],
    "energy-measurement.json": ["value", "phase", "unit", "direction", "measure_time"],
    "error.json": [],
    "forecasted-block.json": ["capacity", "phase", "unit", "start_time", "end_time"],
    "group-capacity-compliance-error.json": ["message"],
    "handshake-acknowledge.json": [],
    "handshake.json": [],
    "heartbeat.json": ["offline_mode_at"],
    "instantaneous-measurement.json": ["value", "phase", "unit", "measure_time"],
    "paginated-request.json": ["segment_index", "segment_count"],
    "register.json": ["token", "version_url"],
    "required-behaviour.json": ["measurement_configuration"],
    "update-asset-measurements.json": ["group_id", "measurements"],
    "update-group-capacity-forecast.json": ["group_id", "type", "forecasted_blocks"],
    "update-group-measurements.json": ["group_id", "measurements"],
    "version-url.json": ["version", "base_url"],
}


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from subschemas(child)
    if "items" in schema:
        yield from subschemas(schema["items"])


def test_there_is_one_document_for_every_message_and_data_type() -> None:
    messages = {catalogue.document_name(action) for action in oscp_schemas.ACTIONS}
    assert set(NAMES) == messages | DATA_TYPES
    assert len(messages) == len(oscp_schemas.ACTIONS) == 9


def test_actions_are_in_alphabetical_order() -> None:
    assert list(oscp_schemas.ACTIONS) == sorted(oscp_schemas.ACTIONS)


@pytest.mark.parametrize("name", NAMES)
class TestDocument:
    def test_its_id_is_its_file_name(self, name: str) -> None:
        assert (
            catalogue.document(name)["$id"]
            == f"http://www.openchargealliance.org/schemas/oscp/2.0/{name}"
        )

    def test_is_draft_7(self, name: str) -> None:
        document = catalogue.document(name)
        assert document["$schema"] == "http://json-schema.org/draft-07/schema#"
        Draft7Validator.check_schema(document)

    def test_every_reference_leads_to_a_document(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            assert each.get("$ref", name) in NAMES

    def test_every_property_says_what_it_means(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            for prop in each.get("properties", {}).values():
                assert re.fullmatch(r"[A-Z].{15,}\.", prop["description"])

    def test_every_property_has_a_type_or_a_reference(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            assert "type" in each or "$ref" in each

    def test_keys_stand_in_the_order_that_reports_follow(self, name: str) -> None:
        document = catalogue.document(name)
        assert list(document) == sorted(document, key=KEY_ORDER.index)
        for each in subschemas(document):
            checks = [key for key in each if key in KEY_ORDER[4:]]
            assert checks == sorted(checks, key=KEY_ORDER.index)

    def test_has_only_rules_that_a_judgement_can_explain(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            assert set(each) <= {"$ref", *KEY_ORDER}
            assert each.get("type", "string") in JSON_TYPES
            assert each.get("format", "date-time") == "date-time"
            assert each.get("minimum", 0) == 0

    def test_unknown_properties_are_allowed(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            assert "additionalProperties" not in each

    def test_every_example_is_valid(self, name: str) -> None:
        document = catalogue.document(name)
        validator = oscp_schemas.validator("Heartbeat").evolve(schema=document)
        for example in document.get("examples", []):
            validator.validate(example)

    def test_every_time_is_asserted_as_one(self, name: str) -> None:
        for each in subschemas(catalogue.document(name)):
            for key, prop in each.get("properties", {}).items():
                is_time = key.endswith(("_time", "_at"))
                assert (prop.get("format") == "date-time") == is_time


@pytest.mark.parametrize(("name", "values"), ENUMS.items())
def test_enumerations_keep_the_order_of_the_specification(name: str, values: list[str]) -> None:
    assert catalogue.document(name)["enum"] == values


@pytest.mark.parametrize(("name", "properties"), REQUIRED.items())
def test_required_properties_are_those_of_the_specification(
    name: str, properties: list[str]
) -> None:
    document = catalogue.document(name)
    assert document.get("required", []) == properties
    assert set(properties) <= set(document["properties"])


@pytest.mark.parametrize("action", oscp_schemas.ACTIONS)
def test_a_message_schema_bears_its_action_as_title_and_has_examples(action: str) -> None:
    schema = oscp_schemas.schema(action)
    assert schema["title"] == action
    assert schema["examples"]


def test_each_schema_that_is_handed_out_is_a_fresh_copy() -> None:
    oscp_schemas.schema("Heartbeat")["properties"].clear()
    assert oscp_schemas.schema("Heartbeat")["properties"]
    assert oscp_schemas.judge("Heartbeat", {}) != []


@pytest.mark.parametrize(
    ("action", "hint"),
    [
        ("UpdateAssetMeasurements", "did you mean UpdateAssetMeasurement?"),
        ("handshake", "did you mean Handshake?"),
        ("Frobnicate", "there are AdjustGroupCapacityForecast, GroupCapacityComplianceError,"),
        ("", "there are AdjustGroupCapacityForecast, "),
    ],
)
def test_the_refusal_of_an_unknown_action_names_the_known_ones(action: str, hint: str) -> None:
    with pytest.raises(oscp_schemas.UnknownAction, match=re.escape(hint)) as raised:
        oscp_schemas.schema(action)
    assert raised.value.action == action
    with pytest.raises(LookupError):
        oscp_schemas.judge(action, "not even JSON")

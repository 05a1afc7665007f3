from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from oscp_send import errors
from oscp_sim.scenario.read import scenario_schema
from oscp_sim.world import world_schema

SCHEMAS = {"world": world_schema(), "scenario": scenario_schema()}


def members(schema: object) -> Iterator[tuple[str, Any]]:
    """Give each property of a schema and of all that is in it."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in {"properties", "definitions"} and isinstance(value, dict):
                yield from value.items()
            yield from members(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from members(item)


def resolved(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    for token in schema["$ref"].removeprefix("#/").split("/"):
        root = root[token]
    return root


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
class TestShippedSchemas:
    def test_it_is_one(self, schema: dict[str, Any]) -> None:
        Draft7Validator.check_schema(schema)

    def test_each_key_is_described(self, schema: dict[str, Any]) -> None:
        told = {
            name: resolved(schema, member).get("description", "").rstrip(")")
            for name, member in members(schema)
            if member != {"not": {}}
        }
        assert told
        assert [name for name, text in told.items() if not text.endswith(".")] == []

    def test_each_mapping_with_known_keys_is_strict(self, schema: dict[str, Any]) -> None:
        shapes = [schema, *(member for _, member in members(schema))]
        with_keys = [shape for shape in shapes if "properties" in shape]
        assert with_keys
        assert all("additionalProperties" in shape for shape in with_keys)


@pytest.mark.parametrize("load", [world_schema, scenario_schema])
def test_a_caller_gets_a_copy_of_its_own(load: Any) -> None:  # noqa: ANN401
    load()["properties"].clear()
    assert load()["properties"]


def test_the_sender_s_errors_are_those_that_a_scenario_may_expect() -> None:
    listed = scenario_schema()["definitions"]["expect"]["properties"]["sender"]["enum"]
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert sorted(listed) == sorted(classes - {"OscpSendError"})

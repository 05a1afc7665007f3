"""What a judgement says: every violation, in order, each with where, what and why."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from decimal import Decimal
from enum import StrEnum
from typing import cast

import pytest

import oscp_schemas
from oscp_schemas import Violation

ADJUST = "AdjustGroupCapacityForecast"
BLOCK = {
    "capacity": 10,
    "phase": "ALL",
    "unit": "KW",
    "start_time": "2031-03-01T00:00:00Z",
    "end_time": "2031-03-01T00:15:00Z",
}
MESSAGE = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
UNITS = ["A", "W", "KW", "WH", "KWH"]


def with_block(**changes: object) -> dict[str, object]:
    return {**MESSAGE, "forecasted_blocks": [BLOCK, {**BLOCK, **changes}]}


def with_capacity(written: str) -> str:
    return json.dumps(with_block(capacity="@")).replace('"@"', written)


class TestViolation:
    def test_of_a_unit(self) -> None:
        assert oscp_schemas.judge(ADJUST, with_block(unit="kW")) == [
            Violation(
                pointer="/forecasted_blocks/1/unit",
                rule="enum",
                message='"kW" is not one of A, W, KW, WH, KWH',
                expected=UNITS,
                got="kW",
            )
        ]

    def test_of_a_wrong_type_in_an_enumeration_names_the_type_first(self) -> None:
        assert oscp_schemas.judge(ADJUST, with_block(unit=None)) == [
            Violation("/forecasted_blocks/1/unit", "type", "null is not a string", "string", None),
            Violation(
                "/forecasted_blocks/1/unit",
                "enum",
                "null is not one of A, W, KW, WH, KWH",
                UNITS,
                None,
            ),
        ]

    def test_of_a_missing_property_is_at_the_object_and_names_it(self) -> None:
        assert oscp_schemas.judge("Heartbeat", "{}") == [
            Violation(
                "", "required", 'the property "offline_mode_at" is missing', "offline_mode_at", None
            )
        ]

    def test_of_a_minimum(self) -> None:
        assert oscp_schemas.judge(ADJUST, with_block(capacity=-0.5)) == [
            Violation("/forecasted_blocks/1/capacity", "minimum", "-0.5 is less than 0", 0, -0.5)
        ]

    def test_of_an_empty_list(self) -> None:
        assert oscp_schemas.judge(ADJUST, {**MESSAGE, "forecasted_blocks": []}) == [
            Violation(
                "/forecasted_blocks", "minItems", "an empty array has fewer items than 1", 1, []
            )
        ]

    def test_of_a_repeated_item(self) -> None:
        repeated = ["CONTINUOUS", "CONTINUOUS"]
        message = {"required_behaviour": {"measurement_configuration": repeated}}
        assert oscp_schemas.judge("Handshake", message) == [
            Violation(
                "/required_behaviour/measurement_configuration",
                "uniqueItems",
                '"CONTINUOUS" occurs more than once',
                True,
                repeated,
            )
        ]

    def test_of_a_text_that_is_no_json(self) -> None:
        assert oscp_schemas.judge(ADJUST, '{\n "group_id" "foo"}') == [
            Violation(
                pointer="",
                rule="json",
                message="not JSON: line 2, column 13: expected a colon after the property name, "
                "found a double quote",
                expected="colon",
                got='"',
            )
        ]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "null is not a number"),
            (True, "true is not a number"),
            ("12", '"12" is not a number'),
            ([], "an empty array is not a number"),
            ([1, 2], "an array of 2 is not a number"),
            ({}, "an empty object is not a number"),
            ({"a": 1}, "an object is not a number"),
            ("x" * 60, f'"{"x" * 40}…" (60 characters) is not a number'),
            ("bell\a", '"bell\\u0007" is not a number'),
            ("c1 \x9b", '"c1 \\u009b" is not a number'),
            ("half \ud83d", '"half \\ud83d" is not a number'),
            ("\u00e9 \U0001f50c", '"\u00e9 \U0001f50c" is not a number'),
        ],
    )
    def test_shows_a_value_short_and_printable(self, value: object, message: str) -> None:
        violation, *_ = oscp_schemas.judge(ADJUST, with_block(capacity=value))
        assert violation.message == message
        assert violation.message.encode()


class TestOrder:
    def test_type_then_properties_then_what_is_missing(self) -> None:
        message = {
            "measurements": [{"unit": "kWh", "value": "7", "direction": 1}],
            "comment": "first in the text, unknown to the schema",
        }
        found = oscp_schemas.judge("UpdateGroupMeasurements", message)
        assert [(each.pointer, each.rule, each.expected) for each in found] == [
            ("/measurements/0/value", "type", "number"),
            ("/measurements/0/unit", "enum", ["WH", "KWH"]),
            ("/measurements/0/direction", "type", "string"),
            ("/measurements/0/direction", "enum", ["NET", "IMPORT", "EXPORT"]),
            ("/measurements/0", "required", "phase"),
            ("/measurements/0", "required", "measure_time"),
            ("", "required", "group_id"),
        ]

    def test_a_list_before_its_items(self) -> None:
        message = {"required_behaviour": {"measurement_configuration": ["x", "x"]}}
        found = oscp_schemas.judge("Handshake", message)
        assert [each.rule for each in found] == ["uniqueItems", "enum", "enum"]

    @pytest.mark.parametrize("value", [None, [], 7, True])
    def test_what_is_no_object_is_only_that(self, value: object) -> None:
        (violation,) = oscp_schemas.judge(ADJUST, value)
        assert (violation.rule, violation.expected, violation.got) == ("type", "object", value)

    def test_all_violations_are_reported(self) -> None:
        blocks = [{**BLOCK, "capacity": -1, "unit": "kW"} for _ in range(96)]
        found = oscp_schemas.judge(ADJUST, {**MESSAGE, "forecasted_blocks": blocks})
        assert len(found) == 192
        assert found[-1].pointer == "/forecasted_blocks/95/unit"

    @pytest.mark.parametrize(("count", "more"), [(500, 0), (501, 2), (1001, 1001), (5000, 5000)])
    def test_after_a_thousand_the_others_are_counted(self, count: int, more: int) -> None:
        blocks = [*[BLOCK] * 3000, *[{**BLOCK, "capacity": -1, "unit": "kW"}] * count]
        found = oscp_schemas.judge(ADJUST, {"type": "x", **MESSAGE, "forecasted_blocks": blocks})
        assert found[0].pointer == "/forecasted_blocks/3000/capacity"
        assert len(found) == min(2 * count, 1000) + bool(more)
        assert not more or found[-1].message.startswith(f"at least {more:,} more violations")

    def test_a_list_of_wrong_texts_ends_too(self) -> None:
        wanted = {"required_behaviour": {"measurement_configuration": ["x"] * 50_000}}
        found = oscp_schemas.judge("Handshake", wanted)
        assert (len(found), found[-1].rule) == (1001, "more")


class TestNumbers:
    @pytest.mark.parametrize(
        "written",
        [
            *("0", "-0", "-0.0", "0e-400", "-0e-400", "-0.000e-999", "5e-324", "1e-400"),
            *("1e400", "1E+400", "1" * 400, "1" * 1100, "1" * 5000, "0." + "0" * 400 + "1"),
            *("1e99999999999999999999", "1e-99999999999999999999", "18446744073709551616"),
        ],
        ids=lambda written: written[:24],
    )
    def test_that_are_not_negative_pass(self, written: str) -> None:
        assert oscp_schemas.judge(ADJUST, with_capacity(written)) == []
        assert oscp_schemas.judge(ADJUST, oscp_schemas.read(with_capacity(written))) == []

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("-1", "-1"),
            ("-5e-324", "-5e-324"),
            ("-1e-400", "-1E-400"),
            ("-1E-400", "-1E-400"),
            ("-1e400", "-1E+400"),
            ("-0." + "0" * 400 + "1", "-1E-401"),
            ("-" + "1" * 400, "-1.111111e+399"),
            ("-" + "1" * 5000, "-1.111111e+4999"),
            ("-1e99999999999999999999", "-1E+999999"),
            ("-1e-99999999999999999999", "-1E-999999"),
            ("-18446744073709551616", "-18446744073709551616"),
        ],
        ids=lambda written: written[:24],
    )
    def test_that_are_negative_fall_below_the_minimum(self, written: str, shown: str) -> None:
        for message in (with_capacity(written), oscp_schemas.read(with_capacity(written))):
            (violation,) = oscp_schemas.judge(ADJUST, message)
            assert (violation.rule, violation.expected) == ("minimum", 0)
            assert violation.message == f"{shown} is less than 0"

    @pytest.mark.parametrize("digits", [4299, 5000])
    def test_of_more_digits_than_python_writes_are_judged(self, digits: int) -> None:
        assert oscp_schemas.judge(ADJUST, with_block(capacity=10**digits)) == []
        (violation,) = oscp_schemas.judge(ADJUST, with_block(capacity=-(10**digits)))
        assert violation.message == f"-1.000000e+{digits} is less than 0"
        assert violation.got == -(10**digits)

    @pytest.mark.parametrize("value", [True, False])
    def test_are_never_booleans(self, value: bool) -> None:
        (violation,) = oscp_schemas.judge(ADJUST, with_block(capacity=value))
        assert (violation.rule, violation.got) == ("type", value)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN"), 1j])
    def test_are_those_of_json_only(self, value: object) -> None:
        (violation,) = oscp_schemas.judge(ADJUST, with_block(capacity=value))
        assert (violation.rule, violation.expected) == ("type", "number")


class TestParsedValues:
    def test_of_python_types_that_json_writes_alike_pass(self) -> None:
        class Unit(StrEnum):
            KW = "KW"

        class Kilowatt(float):
            pass

        class Name(str):
            __slots__ = ()

        block = {**BLOCK, "unit": Unit.KW, "capacity": Kilowatt(3), "phase": Name("ALL")}
        message = {**MESSAGE, "group_id": Name("foo-group"), "forecasted_blocks": (block,)}
        assert oscp_schemas.judge(ADJUST, message) == []
        block["capacity"] = Kilowatt(-3)
        assert [each.rule for each in oscp_schemas.judge(ADJUST, message)] == ["minimum"]

    def test_of_no_json_type_are_refused_where_the_schema_looks(self) -> None:
        (violation,) = oscp_schemas.judge(ADJUST, {**MESSAGE, "group_id": b"foo-group"})
        assert violation.message == "a Python bytes is not a string"

    @pytest.mark.parametrize("depth", [300, 5000])
    def test_of_great_depth_are_judged(self, depth: int) -> None:
        value: object = 1
        for _ in range(depth):
            value = [value]
        assert oscp_schemas.judge(ADJUST, {**MESSAGE, "extra": value}) == []
        (violation,) = oscp_schemas.judge(ADJUST, {**MESSAGE, "group_id": value})
        assert violation.message == "an array of 1 is not a string"
        behaviour = {"measurement_configuration": [value, value]}
        found = oscp_schemas.judge("Handshake", {"required_behaviour": behaviour})
        assert {"type", "enum"} <= {each.rule for each in found}

    def test_repeat_only_what_json_calls_equal(self) -> None:
        def rules(*items: object) -> set[str]:
            behaviour = {"measurement_configuration": list(items)}
            found = oscp_schemas.judge("Handshake", {"required_behaviour": behaviour})
            return {each.rule for each in found}

        assert "uniqueItems" in rules(1, 1.0)
        assert "uniqueItems" in rules({"a": [1], "b": 2}, {"b": 2, "a": [1.0]})
        assert "uniqueItems" not in rules(1, True, "1", [1], {"1": 1}, None, False, 0)

    def test_that_cannot_be_compared_are_refused_by_their_type(self) -> None:
        message = {"required_behaviour": {"measurement_configuration": [Decimal("sNaN")] * 2}}
        found = oscp_schemas.judge("Handshake", message)
        assert [each.rule for each in found] == ["type", "enum"] * 2

    def test_are_left_as_they_were(self) -> None:
        message = with_block(unit="kW", extra={"a": [1]})
        before = json.dumps(message)
        oscp_schemas.judge(ADJUST, message)
        assert json.dumps(message) == before


class TestText:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_may_be_bytes(self, kind: type) -> None:
        assert oscp_schemas.judge(ADJUST, kind(json.dumps(MESSAGE).encode())) == []
        assert (
            len(oscp_schemas.judge(ADJUST, kind(json.dumps(with_block(unit="kW")).encode()))) == 1
        )

    def test_of_bytes_that_are_not_utf_8(self) -> None:
        text = json.dumps({**MESSAGE, "group_id": "caf\u00e9"}, ensure_ascii=False)
        assert oscp_schemas.judge(ADJUST, text.encode()) == []
        (violation,) = oscp_schemas.judge(ADJUST, text.encode("latin-1"))
        assert violation.rule == "json"
        assert "expected UTF-8, found the byte 0xE9" in violation.message

    @pytest.mark.parametrize("group_id", ["site-1", "phase-e-3", "1e-9", "\\ud83d", "0" * 400])
    def test_that_the_fast_way_may_not_trust_is_valid_all_the_same(self, group_id: str) -> None:
        text = json.dumps({**MESSAGE, "group_id": "@"}).replace("@", group_id)
        assert oscp_schemas.judge(ADJUST, text) == []
        assert oscp_schemas.judge(ADJUST, text.replace("ALL", "all")) != []

    def test_nested_deeper_than_python_follows_is_no_json_that_can_be_judged(self) -> None:
        text = json.dumps({**MESSAGE, "extra": 0}).replace(
            '"extra": 0', f'"extra": {"[" * 100_000}{"]" * 100_000}'
        )
        (violation,) = oscp_schemas.judge(ADJUST, text)
        assert violation.rule == "json"
        assert violation.message.endswith("nested too deeply")


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(ValueError, match="'documented' or 'observed', not 'exact'"):
        oscp_schemas.judge(ADJUST, MESSAGE, fidelity=cast("oscp_schemas.Fidelity", "exact"))


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = """
import sys
import oscp_schemas
heavy = {"jsonschema", "jsonschema_rs", "orjson", "referencing"}
assert not heavy & set(sys.modules), "on import"
oscp_schemas.schema("Heartbeat")
oscp_schemas.read("{}").locate("")
assert not heavy & set(sys.modules), "on reading"
assert oscp_schemas.judge("Handshake", "{}") == []
assert oscp_schemas.judge("Heartbeat", "{}") != []
assert oscp_schemas.judge("Heartbeat", {"offline_mode_at": ["\\ud83d", 1j]}) != []
assert oscp_schemas.judge("Heartbeat", "no JSON") != []
assert not {"jsonschema", "referencing"} & set(sys.modules), "on a judgement"
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program

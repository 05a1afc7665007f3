"""The texts by which SolarUser declines a message.

See docs/protocol/oscp20.md §5.8 and docs/protocol/solaruser.md §3.3.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from oscp_schemas import Fidelity, read
from oscp_send.fidelity import Behaviour
from oscp_send.findings import Finding, Source
from oscp_send.judgement import accepts, check, judge_accepted
from tests.cases.payloads import (
    DROP,
    asset_measurements,
    block,
    capacity,
    compliance,
    forecast,
    handshake,
    heartbeat,
    one_block,
)

ADJUST = "AdjustGroupCapacityForecast"
ERROR = "GroupCapacityComplianceError"
TYPES = '["CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION", "FALLBACK_GENERATION", "OPTIMUM"]'
OBJECT = "OSCP msg parameter must be a JSON object."

# Everything behind "...: ", without the closing full stop.
SCHEMA = {
    "missing": (
        ADJUST,
        one_block(unit=DROP),
        "/forecasted_blocks/0: required property 'unit' not found",
    ),
    "missing-at-root": (
        ADJUST,
        forecast(group_id=DROP),
        ": required property 'group_id' not found",
    ),
    "missing-message": (
        ERROR,
        '{"forecasted_blocks":null}',
        "/forecasted_blocks: null found, array expected, : required property 'message' not found",
    ),
    "type": (ERROR, compliance(message=5), "/message: integer found, string expected"),
    "type-null": (ADJUST, forecast(group_id=None), "/group_id: null found, string expected"),
    "type-boolean": (ADJUST, forecast(group_id=True), "/group_id: boolean found, string expected"),
    "type-number": (ADJUST, forecast(group_id=1.5), "/group_id: number found, string expected"),
    "type-array": (ADJUST, forecast(group_id=[]), "/group_id: array found, string expected"),
    "type-object": (
        ADJUST,
        forecast(forecasted_blocks={}),
        "/forecasted_blocks: object found, array expected",
    ),
    "type-string": (
        ADJUST,
        one_block(capacity="1"),
        "/forecasted_blocks/0/capacity: string found, number expected",
    ),
    "enum": (
        ADJUST,
        forecast(type="consumption"),
        f"/type: does not have a value in the enumeration {TYPES}",
    ),
    "wrong-type-on-an-enum-field": (
        ADJUST,
        forecast(type=None),
        "/type: null found, string expected, "
        f"/type: does not have a value in the enumeration {TYPES}",
    ),
    "minimum": (
        ADJUST,
        one_block(capacity=-1),
        "/forecasted_blocks/0/capacity: must have a minimum value of 0",
    ),
    "list-empty": (
        ADJUST,
        forecast(forecasted_blocks=[]),
        "/forecasted_blocks: must have at least 1 items but found 0",
    ),
    "format": (
        ADJUST,
        one_block(start_time="tomorrow"),
        "/forecasted_blocks/0/start_time: does not match the date-time pattern must be a valid "
        "RFC 3339 date-time",
    ),
    "duplicates": (
        "Handshake",
        handshake(measurement_configuration=["CONTINUOUS", "CONTINUOUS"]),
        "/required_behaviour/measurement_configuration: must have only unique items in the array",
    ),
}

# The whole text, or its certain beginning where the rest is the parser's own.
JSON = {
    "blank": (" ", OBJECT),
    "array": ("[]", OBJECT),
    "string": ('"{}"', OBJECT),
    "number": ("1", OBJECT),
    "boolean": ("true", OBJECT),
    "single-quotes": (
        "{'a':1}",
        "Unexpected character (''' (code 39)): was expecting double-quote to start property name",
    ),
    "name-without-quotes": (
        "{bad:1}",
        "Unexpected character ('b' (code 98)): was expecting double-quote to start property name",
    ),
    "no-json": (
        "not json",
        "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token "
        "'null', 'true' or 'false')",
    ),
    "cut-off": ('{"a":1', "Unexpected end-of-input"),
}


@pytest.mark.parametrize(("action", "text", "entries"), SCHEMA.values(), ids=SCHEMA)
def test_schema_refusal(action: str, text: str, entries: str) -> None:
    for fidelity in ("documented", "observed"):
        judgement = check(action, text, fidelity)
        assert judgement.stage == "schema"
        assert judgement.error == (
            f"JSON schema validation error on [{action}] OSCP action: {entries}."
        )


@pytest.mark.parametrize(("text", "reason"), JSON.values(), ids=JSON)
def test_unusable_text_by_the_guide(text: str, reason: str) -> None:
    judgement = check(ADJUST, text)
    assert judgement.stage == ("document" if reason == OBJECT else "json")
    error = judgement.error or ""
    assert error.startswith(f"Invalid JSON for [{ADJUST}] OSCP action: {reason}")


@pytest.mark.parametrize(("text", "reason"), JSON.values(), ids=JSON)
def test_unusable_text_as_observed(text: str, reason: str) -> None:
    error = check(ADJUST, text, "observed").error or ""
    if reason == OBJECT:
        assert error == f"Invalid JSON for [{ADJUST}] OSCP action: {OBJECT}"
    else:
        assert error.startswith(reason)
        assert "\n at [Source: REDACTED" in error


def test_two_values_are_not_json() -> None:
    judgement = check(ADJUST, "{} {}", "observed")
    assert judgement.stage == "json"
    assert not (judgement.error or "").startswith("Invalid JSON")


def test_a_json_null_is_an_exception_of_its_own() -> None:
    judgement = check(ADJUST, "null")
    assert judgement.stage == "document"
    assert OBJECT not in (judgement.error or OBJECT)


def test_no_message_at_all() -> None:
    judgement = check(ADJUST, "")
    assert judgement.stage == "document"
    assert judgement.error == f"Missing [msg] parameter for OSCP 2.0 action [{ADJUST}]"


@pytest.mark.parametrize(
    "action", ["Heartbeat", "Register", "HandshakeAcknowledge", "handshake", "X", ""]
)
def test_unsupported_action(action: str) -> None:
    judgement = check(action, "{}")
    assert judgement.stage == "action"
    assert judgement.error == f"Unsupported OSCP 2.0 action [{action}]"


def test_asset_measurements_find_no_schema_as_observed() -> None:
    judgement = check("UpdateAssetMeasurement", asset_measurements(), "observed")
    assert judgement.error == (
        "java.io.FileNotFoundException: "
        "http://www.openchargealliance.org/schemas/oscp/2.0/update-asset-measurement.json"
    )


def test_a_time_that_only_the_decoder_refuses() -> None:
    text = one_block(start_time="2031-03-01T00:00:00.123456Z")
    judgement = check(ADJUST, text, "observed")
    assert judgement.stage == "decode"
    assert (judgement.error or "").startswith("Cannot deserialize value of type")


def test_group_forecasts_are_queued_with_a_warning() -> None:
    judgement = check("UpdateGroupCapacityForecast", forecast())
    assert judgement.accepted
    (warning,) = judgement.of_severity("warning")
    assert warning.rule == "group_forecasts"
    assert warning.source == "observed"


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        ("adjustgroupcapacityforecast", ADJUST),
        ("adjust_group_capacity_forecast", ADJUST),
        ("UpdateAssetMeasurements", "UpdateAssetMeasurement"),
        ("Hanshake", "Handshake"),
    ],
)
def test_a_misspelt_action_is_recognised(action: str, meant: str) -> None:
    finding = check(action, "{}").of_severity("error")[0]
    assert finding.hint == f'did you mean "{meant}"?'


def test_an_action_like_no_other_lists_the_known_ones() -> None:
    assert ADJUST in check("Zzz", "{}").of_severity("error")[0].hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[]", "is JSON, but not an object", "a message is a JSON object"),
        ('"{\\"a\\":1}"', "is JSON, but not an object", "encode the message only once"),
        ("{", "not JSON: line 1, column 2", ""),
        ("\ufeff{}", "byte-order mark", ""),
        ('{"a":' + "[" * 501 + "]" * 501 + "}", "parser refuses this", ""),
        ('{"a":' + "1" * 1001 + "}", "parser refuses this", ""),
    ],
    ids=["array", "encoded-twice", "cut-off", "byte-order-mark", "too-deep", "too-long-a-number"],
)
def test_what_is_reported_about_an_unusable_text(text: str, message: str, hint: str) -> None:
    finding = check(ADJUST, text, "observed").of_severity("error")[0]
    assert message in finding.message
    assert "\n" not in finding.message
    assert hint in finding.hint


AT_START = "/forecasted_blocks/0/start_time"
NO_DATE_TIME = "is not an RFC 3339 date-time such as 2031-03-01T00:15:00Z"
WRITE_DATE_TIME = 'write it as "2026-03-01T00:15:00Z"'


def told(
    kind: str, message: str, hint: str = "", source: Source = "documented", at: str = ""
) -> Finding:
    words: Any = kind.split()
    layer, rule, severity = words
    return Finding(layer, rule, severity, at, message, hint, source)


def unread(severity: str) -> Finding:
    remedy = "write an upper-case T, then Z or +hh:mm, with no or exactly three fraction digits"
    what = "SolarNetwork cannot read this time"
    return told(f"schema date_times {severity}", what, remedy, "observed", AT_START)


def no_schema(severity: str) -> Finding:
    what = "SolarNetwork cannot find its schema for UpdateAssetMeasurement and declines every one"
    remedy = "send UpdateGroupMeasurements instead"
    return told(f"schema schema-lookup {severity}", what, remedy, "observed")


def missing(name: str) -> Finding:
    return told("schema required error", f'the property "{name}" is missing', f'add "{name}"')


def beyond(error: str) -> Finding:
    what = f"SolarNetwork's parser refuses this: {error}"
    return told("transport json error", what, source="observed")


TOO_LONG = (
    "Number value length (1001) exceeds the maximum allowed (1000, from "
    "`StreamReadConstraints.getMaxNumberLength()`)"
)
NO_MESSAGE = told("transport document error", "there is no message")
NO_OBJECT = told(
    "transport document error", "is JSON, but not an object", "a message is a JSON object"
)
NO_INSTRUCTION = told(
    "transport action error",
    '"Heartbeat" cannot be sent as an instruction',
    "an instruction's action is one of AdjustGroupCapacityForecast, GroupCapacityComplianceError, "
    "Handshake, UpdateAssetMeasurement, UpdateGroupCapacityForecast, UpdateGroupMeasurements",
)
ACCEPTED_BY_THE_GUIDE = told("schema date_times info", "the guide accepts this")
OF_AN_ASSET = (
    missing("group_id"),
    missing("measurements"),
    told(
        "schema unknown-property warning",
        '"x" is not an OSCP 2.0 property; SolarNetwork drops it',
        source="observed",
        at="/x",
    ),
)
GROUP_FORECASTS = told(
    "transport group_forecasts warning",
    "SolarNetwork queues this and declines it on delivery: a Capacity Provider has no path for it",
    "ask for other values with AdjustGroupCapacityForecast",
    "observed",
)
# What is told by the guide, and as observed where that is something else.
TOLD: dict[str, tuple[str, str, list[Finding], list[Finding] | None]] = {
    "nothing": (ADJUST, "", [NO_MESSAGE], None),
    "blank": (ADJUST, " ", [NO_MESSAGE], None),
    "null": (ADJUST, "null", [NO_OBJECT], None),
    "text": (ADJUST, '"x"', [NO_OBJECT], None),
    "number": (ADJUST, "1", [NO_OBJECT], None),
    "encoded-twice": (
        ADJUST,
        '" {}"',
        [replace(NO_OBJECT, hint="it is JSON inside a JSON string: encode the message only once")],
        None,
    ),
    "cut-off": (
        ADJUST,
        "{",
        [
            told(
                "transport json error",
                "not JSON: line 1, column 2: expected a property name in double quotes, but the "
                "text ends here",
            )
        ],
        None,
    ),
    "too-long-a-number": (
        ADJUST,
        capacity("1" * 1001),
        [beyond(f"Invalid JSON for [{ADJUST}] OSCP action: {TOO_LONG}")],
        [beyond(TOO_LONG)],
    ),
    "misspelt": (
        "Hanshake",
        "{}",
        [
            told(
                "transport action error",
                '"Hanshake" cannot be sent as an instruction',
                'did you mean "Handshake"?',
            )
        ],
        None,
    ),
    "no-instruction": ("Heartbeat", "{}", [NO_INSTRUCTION, missing("offline_mode_at")], None),
    "no-instruction-and-no-json": ("Heartbeat", "{", [NO_INSTRUCTION], None),
    "assets": (
        "UpdateAssetMeasurement",
        asset_measurements(),
        [no_schema("warning")],
        [no_schema("error"), replace(ACCEPTED_BY_THE_GUIDE, rule="asset_measurements")],
    ),
    "assets-with-a-mistake": (
        "UpdateAssetMeasurement",
        '{"x":1}',
        [*OF_AN_ASSET],
        [no_schema("error"), *OF_AN_ASSET],
    ),
    "number-too-large": (
        ADJUST,
        capacity("1e999"),
        [
            told(
                "schema number error",
                "is more than a 64-bit float can hold",
                "give a number below 1.8e308",
                "observed",
                "/forecasted_blocks/0/capacity",
            )
        ],
        None,
    ),
    "fraction-of-one-digit": (
        ADJUST,
        one_block(start_time="2031-03-01T00:00:00.1Z"),
        [unread("warning")],
        [unread("error"), ACCEPTED_BY_THE_GUIDE],
    ),
    "no-known-offset": (
        ADJUST,
        one_block(start_time="2031-03-01T00:00:00-00:00"),
        [replace(unread("warning"), rule="format", hint=WRITE_DATE_TIME)],
        [
            told(
                "schema format error",
                f'"2031-03-01T00:00:00-00:00" {NO_DATE_TIME}',
                WRITE_DATE_TIME,
                at=AT_START,
            ),
            ACCEPTED_BY_THE_GUIDE,
        ],
    ),
    "blank-behind": (
        ADJUST,
        one_block(start_time="2031-03-01T00:00:00Z "),
        [
            told(
                "schema format error",
                f'"2031-03-01T00:00:00Z " {NO_DATE_TIME}',
                WRITE_DATE_TIME,
                at=AT_START,
            ),
            told("schema date_times info", "the running service accepts this", source="observed"),
        ],
        [
            told(
                "schema format warning",
                f'the guide does not allow this: "2031-03-01T00:00:00Z " {NO_DATE_TIME}',
                WRITE_DATE_TIME,
                at=AT_START,
            )
        ],
    ),
    "year-0": (ADJUST, one_block(start_time="0000-03-01T00:00:00Z"), [unread("error")], None),
    "empty-handshake": (
        "Handshake",
        "{}",
        [
            told(
                "schema empty-handshake warning",
                "asks for nothing: a Flexibility Provider's own endpoint answers it with 422",
                "give required_behaviour with its measurement_configuration",
                "observed",
            )
        ],
        None,
    ),
    "half-a-character": (
        ADJUST,
        forecast(group_id="@").replace("@", "\\ud83d"),
        [
            told(
                "schema surrogate warning",
                "holds half a surrogate pair, which is not a character and cannot be delivered "
                "whole",
                "write the character itself, or both halves of its \\u escapes",
                "observed",
                "/group_id",
            )
        ],
        None,
    ),
    "given-twice": (
        ADJUST,
        one_block(unit="@").replace('"@"', '"KW","unit":"KW"'),
        [
            told(
                "schema duplicate-key warning",
                '"unit" is given twice; the last one counts',
                source="observed",
                at="/forecasted_blocks/0/unit",
            )
        ],
        None,
    ),
    "group-forecast": ("UpdateGroupCapacityForecast", forecast(), [GROUP_FORECASTS], None),
}


@pytest.mark.parametrize(("action", "text", "documented", "observed"), TOLD.values(), ids=TOLD)
def test_what_is_told_in_full(
    action: str, text: str, documented: list[Finding], observed: list[Finding] | None
) -> None:
    sides: tuple[tuple[Fidelity, list[Finding]], ...] = (
        ("documented", documented),
        ("observed", documented if observed is None else observed),
    )
    for fidelity, findings in sides:
        judgement = check(action, text, fidelity)
        assert judgement.action == action
        assert list(judgement.findings) == findings


def test_what_is_accepted_is_told_of_alike() -> None:
    text = forecast(forecasted_blocks=[block(start_time="2031-03-01T00:00:00.1Z")])
    found = judge_accepted("UpdateGroupCapacityForecast", read(text), Behaviour())
    assert list(found) == [unread("warning"), GROUP_FORECASTS]


def test_what_is_accepted_is_so_by_the_guide() -> None:
    assert accepts("UpdateAssetMeasurement", asset_measurements())
    assert not accepts("UpdateAssetMeasurement", "{}")
    assert not accepts("X", asset_measurements())


@pytest.mark.parametrize("year", [2020, 2031])
def test_a_time_is_compared_with_now(year: int) -> None:
    text, ahead = heartbeat(f"{year}-01-01T00:00:00Z"), datetime(2032, 1, 1, tzinfo=UTC)
    assert [each.rule for each in check("Heartbeat", text).findings] == (
        ["action", "S12"] if year < 2026 else ["action"]
    )
    assert [each.rule for each in check("Heartbeat", text, now=ahead).findings] == ["action", "S12"]


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("2031-03-01T16:00:00.1Z", " at index 19"),
        ("2031-03-01T16:00:00.123456Z", " at index 23"),
        ("2031-03-01t16:00:00z", " at index 10"),
        (
            "0000-01-01T00:00:00Z",
            ": Invalid value for YearOfEra (valid values 1 - 999999999/1000000000): 0",
        ),
    ],
)
def test_a_time_that_the_classes_refuse(start: str, why: str) -> None:
    assert check(ADJUST, one_block(start_time=start), "observed").error == (
        f'Cannot deserialize value of type `java.time.Instant` from String "{start}": Failed to '
        "deserialize `java.time.Instant` (with format 'Value(YearOfEra,4,19,EXCEEDS_PAD)'-'"
        "Value(MonthOfYear,2)'-'Value(DayOfMonth,2)'T'Value(HourOfDay,2)':'Value(MinuteOfHour,2)':'"
        "Value(SecondOfMinute,2)['.'Fraction(NanoOfSecond,3,3)]Offset(+HH:MM,'Z')'): "
        f"(java.time.format.DateTimeParseException) Text '{start}' could not be parsed{why}\n"
        f' at [No location information] (through reference chain: oscp.v20.{ADJUST}["forecasted_'
        'blocks"]->java.util.ArrayList[0]->oscp.v20.ForecastedBlock["start_time"])'
    )

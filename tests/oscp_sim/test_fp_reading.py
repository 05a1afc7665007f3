"""How the Flexibility Provider's endpoints read messages: oscp20.md §2.5, §3.2, §3.3, §5.1."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.fidelity import Behaviour
from oscp_send.solarnetwork.decoding import decode
from oscp_send.testing import Sample, damaged, messages
from oscp_sim.flexibility_provider.call import RequestRefused, ServiceRefused
from oscp_sim.flexibility_provider.reading import read_json, read_message
from tests.oscp_sim.fp_callers import (
    ACKNOWLEDGE,
    HANDSHAKE,
    HEARTBEAT,
    PATHS,
    REGISTER,
    UPDATE,
    forecast,
    registration,
)

OBSERVED = Behaviour.of("observed")


def read_bytes(action: str, body: bytes) -> Mapping[str, Any]:
    return read_message(action, read_json(body, action))


def read(action: str, message: object) -> Mapping[str, Any]:
    return read_bytes(action, json.dumps(message).encode())


def block(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any kind
    """The one block of a forecast in which something is different, as it is read."""
    found: dict[str, Any] = read(UPDATE, forecast(**changes))["forecasted_blocks"][0]
    return found


def refused(action: str, body: bytes | object) -> tuple[str | None, str]:
    """The code and the message of a refusal with 422."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ServiceRefused) as raised:
        read_bytes(action, data)
    assert raised.value.status == 422
    return raised.value.code, raised.value.message


def offline_at(value: object) -> datetime:
    found: datetime = read(HEARTBEAT, {"offline_mode_at": value})["offline_mode_at"]
    return found


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        pytest.param("2026-03-01T00:15:00Z", "2026-03-01T00:15:00+00:00", id="no fraction"),
        pytest.param("2026-03-01T00:15:00.123Z", "2026-03-01T00:15:00.123+00:00", id="three"),
        pytest.param("2026-03-01T08:15:00+08:00", "2026-03-01T00:15:00+00:00", id="an offset"),
        pytest.param("2026-02-28T19:15:00-05:00", "2026-03-01T00:15:00+00:00", id="one back"),
        pytest.param("2026-03-01T00:15:00-00:00", "2026-03-01T00:15:00+00:00", id="-00:00"),
        pytest.param("2026-03-01T00:15:00+18:00", "2026-02-28T06:15:00+00:00", id="18 hours"),
        pytest.param(" \t2026-03-01T00:15:00Z\n\x00", "2026-03-01T00:15:00+00:00", id="blanks"),
        pytest.param("2026-02-30T10:00:00Z", "2026-02-28T10:00:00+00:00", id="30 February"),
        pytest.param("2028-02-31T10:00:00Z", "2028-02-29T10:00:00+00:00", id="leap year"),
        pytest.param("2026-04-31T10:00:00Z", "2026-04-30T10:00:00+00:00", id="31 April"),
        pytest.param("2026-02-28T24:00:00Z", "2026-03-01T00:00:00+00:00", id="hour 24"),
        pytest.param("2026-12-31T24:00:00.000Z", "2027-01-01T00:00:00+00:00", id="24, new year"),
        pytest.param(1_930_089_600, "1970-01-23T08:08:09.600+00:00", id="epoch seconds"),
        pytest.param(1_930_089_600_000, "2031-03-01T00:00:00+00:00", id="milliseconds"),
        pytest.param(-1, "1969-12-31T23:59:59.999+00:00", id="before 1970"),
        pytest.param(1.9, "1970-01-01T00:00:00.001+00:00", id="a fraction is cut"),
    ],
)
def test_a_time_that_is_taken(written: object, instant: str) -> None:
    assert offline_at(written) == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    "written",
    [
        *(f"2026-03-01T00:15:00.{'123456789'[:digits]}Z" for digits in (1, 2, 4, 6, 9)),
        "2026-03-01t00:15:00Z",
        "2026-03-01T00:15:00z",
        "2026-03-01 00:15:00Z",
        "2026-03-01T00:15:00+01:60",
        "2026-03-01T00:15:00+0100",
        "2026-03-01T00:15:00",
        "2026-03-01T00:15Z",
        "2026-03-01",
        "\u0662026-03-01T00:15:00Z",
        "noon",
    ],
)
def test_a_text_that_is_no_time(written: str) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message.partition(":")[0]) == ("VAL.00006", "Malformed date string")


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("2031-03-01T16:00:00", " at index 19"),
        ("2031-03-01T16:00:00.1Z", " at index 19"),
        ("2031-03-01T16:00:00.123456Z", " at index 23"),
        ("2031-03-01 16:00:00Z", " at index 10"),
        ("2031-03-01T16:00:00+1300", " at index 19"),
        ("10000-01-01T00:00:00Z", " at index 0"),
        ("2031-03-01T16:00:00Zx", ", unparsed text found at index 20"),
    ],
)
def test_where_a_text_stops_to_be_a_time(written: str, where: str) -> None:
    _, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert message == f"Malformed date string: Text '{written}' could not be parsed{where}"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-03-01T00:15:60Z", "SecondOfMinute (valid values 0 - 59): 60"),
        ("2026-03-01T00:60:00Z", "MinuteOfHour (valid values 0 - 59): 60"),
        ("2026-03-01T24:00:01Z", "HourOfDay (valid values 0 - 23): 24"),
        ("2026-03-01T24:00:00.001Z", "HourOfDay (valid values 0 - 23): 24"),
        ("2026-03-32T25:00:00Z", "DayOfMonth (valid values 1 - 28/31): 32"),
        ("2026-03-00T00:00:00Z", "DayOfMonth (valid values 1 - 28/31): 0"),
        ("2026-13-01T00:00:00Z", "MonthOfYear (valid values 1 - 12): 13"),
        ("0000-03-01T00:00:00Z", "YearOfEra (valid values 1 - 999999999/1000000000): 0"),
        ("2026-03-01T00:15:00+18:01", "Zone offset not in valid range: -18:00 to +18:00"),
    ],
)
def test_a_time_out_of_range(written: str, why: str) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message.partition(": ")[0]) == ("VAL.00007", "Malformed request")
    assert f"Text '{written}' could not be parsed: " in message
    assert message.endswith(why)


@pytest.mark.parametrize(
    ("written", "year"),
    [
        ("0001-01-01T00:00:00+01:00", 1),
        ("9999-12-31T23:00:00-05:00", 9999),
        ("9999-12-31T24:00:00Z", 9999),
        ("+99999-01-01T00:00:00Z", 9999),
        (2**63 - 1, 9999),
    ],
)
def test_a_time_beyond_the_calendar_is_its_end(written: object, year: int) -> None:
    assert offline_at(written).year == year


@pytest.mark.parametrize("written", ["", "  ", "\n"])
def test_a_blank_time_is_null(written: str) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message) == ("VAL.00004", "The offline_mode_at property is required.")


@pytest.mark.parametrize("written", [True, {}, [], 10**30, 10**400])
def test_a_time_of_another_type(written: object) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message.partition(":")[0]) == ("VAL.00005", "Malformed JSON")


@pytest.mark.parametrize(
    ("written", "capacity"),
    [
        pytest.param(10, 10.0, id="integer"),
        pytest.param(-10.5, -10.5, id="negative"),
        pytest.param("10.5", 10.5, id="text"),
        pytest.param(" 1e3 ", 1000.0, id="text with blanks"),
        pytest.param("+.5", 0.5, id="text as Java writes none"),
        pytest.param(2**63, float(2**63), id="beyond a long"),
    ],
)
def test_a_number_is_a_double(written: object, capacity: float) -> None:
    found = block(capacity=written)["capacity"]
    assert (found, type(found)) == (capacity, float)


@pytest.mark.parametrize("written", ["NaN", "INF", "-INF", "Infinity", "-Infinity", "1e400"])
def test_a_number_that_no_double_holds(written: str) -> None:
    code, message = refused(UPDATE, forecast(capacity=written))
    assert (code, message.partition(":")[0]) == (None, "Illegal argument")


def test_an_underflow_is_nothing() -> None:
    body = json.dumps(forecast(capacity="@")).replace('"@"', "-1e-400").encode()
    assert read_bytes(UPDATE, body)["forecasted_blocks"][0]["capacity"] == 0


@pytest.mark.parametrize("written", [True, {}, [], "ten", "1_0", "0x10", "1d", "\u0661", "1.e"])
def test_a_value_that_is_no_number(written: object) -> None:
    code, message = refused(UPDATE, forecast(capacity=written))
    assert (code, message.partition(":")[0]) == ("VAL.00005", "Malformed JSON")


@pytest.mark.parametrize("written", ["", " "])
def test_a_blank_number_is_null(written: str) -> None:
    code, message = refused(UPDATE, forecast(capacity=written))
    assert (code, message) == ("VAL.00004", "must not be null")


@pytest.mark.parametrize(
    ("written", "group"),
    [
        ("7", "7"),
        ("7.50", "7.50"),
        ("-0", "-0"),
        ("1E2", "1E2"),
        ("true", "true"),
        ("false", "false"),
        ('"a"', "a"),
        ('""', ""),
    ],
)
def test_a_text_is_taken_as_it_is_written(written: str, group: str) -> None:
    body = json.dumps(forecast("@")).replace('"@"', written).encode()
    assert read_bytes(UPDATE, body)["group_id"] == group


def test_a_number_is_taken_as_it_is_written_wherever_it_stands() -> None:
    message = registration(shown="one", version="two")
    body = json.dumps({**message, "more": [1.0]}).replace('"two"', "2.00").encode()
    found = read_bytes(REGISTER, body)
    assert found["version_url"][0]["version"] == "2.00"


@pytest.mark.parametrize("written", [{}, [], ["a"]])
def test_a_text_of_another_type(written: object) -> None:
    code, message = refused(UPDATE, {**forecast(), "group_id": written})
    assert (code, message.partition(":")[0]) == ("VAL.00005", "Malformed JSON")


@pytest.mark.parametrize("written", ["all", "ALL ", "", "L1", 0, True])
def test_a_value_that_is_none_of_its_list(written: object) -> None:
    code, message = refused(UPDATE, forecast(phase=written))
    assert (code, message.partition(":")[0]) == ("VAL.00007", "Malformed request")


@pytest.mark.parametrize("written", [{}, []])
def test_a_value_of_a_list_is_a_text(written: object) -> None:
    code, _ = refused(UPDATE, forecast(phase=written))
    assert code == "VAL.00005"


def test_what_is_missing_is_told_all_at_once() -> None:
    with pytest.raises(ServiceRefused) as raised:
        read_bytes(UPDATE, b'{"forecasted_blocks":[{"phase":null,"capacity":1}]}')
    missing = (
        "groupId",
        "type",
        *(f"forecastedBlocks[0].{name}" for name in ("phase", "unit", "startTime", "endTime")),
    )
    assert raised.value.errors == [
        {
            "location": name,
            "code": "NotNull",
            "rejectedValue": None,
            "message": "must not be null",
        }
        for name in missing
    ]
    assert raised.value.message == " ".join("must not be null" for _ in missing)


def test_a_list_that_is_empty() -> None:
    with pytest.raises(ServiceRefused) as raised:
        read_bytes(REGISTER, b'{"token":"t","version_url":[]}')
    assert raised.value.code == "VAL.00004"
    assert raised.value.errors == [
        {
            "location": "versionUrl",
            "code": "Size",
            "rejectedValue": "[]",
            "message": "size must be between 1 and 2147483647",
        }
    ]


def test_a_null_in_a_list_is_kept() -> None:
    message = {**forecast(), "forecasted_blocks": [None, *forecast()["forecasted_blocks"]]}
    first, second = read(UPDATE, message)["forecasted_blocks"]
    assert first is None
    assert second["capacity"] == 50.0


@pytest.mark.parametrize(
    ("action", "message", "kept"),
    [
        pytest.param(HANDSHAKE, {}, {}, id="a handshake without behaviour"),
        pytest.param(ACKNOWLEDGE, {"required_behaviour": None}, {}, id="null"),
        pytest.param(HEARTBEAT, {"offline_mode_at": 0, "x": 1}, None, id="extra"),
    ],
)
def test_what_is_kept(action: str, message: dict[str, Any], kept: dict[str, Any] | None) -> None:
    epoch = {"offline_mode_at": datetime(1970, 1, 1, tzinfo=UTC)}
    assert read(action, message) == (epoch if kept is None else kept)


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize("body", [b"", b"null", b"\xef\xbb\xbfnull"])
def test_no_body(action: str, body: bytes) -> None:
    code, message = refused(action, body)
    assert code == "VAL.00007"
    assert message.startswith("Malformed request: Required request body is missing: public ")
    assert f"(oscp.v20.{action},java.security.Principal" in message


def test_a_blank_body() -> None:
    told = "Malformed JSON: No content to map due to end-of-input"
    assert refused(HEARTBEAT, b" \n") == ("VAL.00005", told)


@pytest.mark.parametrize(
    ("action", "message", "told"),
    [
        (
            HEARTBEAT,
            [],
            "Cannot deserialize value of type `oscp.v20.Heartbeat` from Array value "
            "(token `JsonToken.START_ARRAY`)",
        ),
        (
            HANDSHAKE,
            {"required_behaviour": 5},
            "Cannot construct instance of `oscp.v20.RequiredBehaviour` (although at least one "
            "Creator exists): no int/Int-argument constructor/factory method to deserialize from "
            "Number value (5)",
        ),
        (
            HANDSHAKE,
            {"required_behaviour": ""},
            'Cannot coerce empty String ("") to '
            "`oscp.v20.RequiredBehaviour` value (but could if coercion was enabled using "
            "`CoercionConfig`)",
        ),
        (
            HANDSHAKE,
            {"required_behaviour": {"measurement_configuration": [None]}},
            "Invalid `null` value encountered for property <UNKNOWN>",
        ),
        (
            HANDSHAKE,
            {"required_behaviour": {"measurement_configuration": "x"}},
            "Cannot deserialize "
            "value of type `java.util.EnumSet<java.lang.Enum>` from String value "
            "(token `JsonToken.VALUE_STRING`)",
        ),
        (
            UPDATE,
            {"forecasted_blocks": {}},
            "Cannot deserialize value of type "
            "`java.util.ArrayList<oscp.v20.ForecastedBlock>` from Object value "
            "(token `JsonToken.START_OBJECT`)",
        ),
        (
            HEARTBEAT,
            {"offline_mode_at": True},
            "Unexpected token (VALUE_TRUE), expected one of "
            "[VALUE_STRING, VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT] for `java.time.Instant` value",
        ),
        (
            HEARTBEAT,
            {"offline_mode_at": 10**30},
            f"Numeric value ({10**30}) out of range of `long` "
            "(-9223372036854775808 - 9223372036854775807)",
        ),
    ],
)
def test_the_texts_of_a_wrong_type(action: str, message: object, told: str) -> None:
    assert refused(action, message) == ("VAL.00005", f"Malformed JSON: {told}")


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_any_encoding_of_unicode(encoding: str) -> None:
    body = json.dumps({**forecast(), "group_id": "é"}, ensure_ascii=False).encode(encoding)
    assert read_bytes(UPDATE, body)["group_id"] == "é"


@pytest.mark.parametrize("body", [b"[]", b'""', b'"{}"', b"1", b"true", b"1.5"])
def test_a_body_that_is_no_object(body: bytes) -> None:
    code, message = refused(HEARTBEAT, body)
    assert (code, message.partition(":")[0]) == ("VAL.00005", "Malformed JSON")


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        (b"{", "Malformed JSON: Unexpected end-of-input"),
        (b"{} {}", "Malformed JSON: "),
        (b"{'a':1}", "Malformed JSON: Unexpected character"),
        (b'{"a":NaN}', "Malformed JSON: Non-standard token 'NaN'"),
        (b"{} x", "Malformed JSON: Unrecognized token 'x': was expecting (JSON String, "),
        (b"{}{}", "Malformed JSON: Trailing token (`JsonToken.START_OBJECT`) found after value "),
        (b"{} 1", "Malformed JSON: Trailing token (`JsonToken.VALUE_NUMBER_INT`) found after "),
        (b"{}}", "Malformed JSON: Unexpected close marker '}': no open Object to close"),
        (b'{"a":', "Malformed JSON: Unexpected end-of-input within/between Object entries"),
        (b"[1,", "Malformed JSON: Unexpected end-of-input within/between Array entries"),
        (
            b'{"a":1',
            "Malformed JSON: Unexpected end-of-input: expected close marker for Object (st",
        ),
        (b'{"a', "Malformed JSON: Unexpected end-of-input in property name"),
        (b'{"a":"b', "Malformed JSON: Unexpected end-of-input in VALUE_STRING"),
        (
            b"{/*x*/}",
            "Malformed JSON: Unexpected character ('/' (code 47)): maybe a (non-standard)",
        ),
        (b'{"a":and}', "Malformed JSON: Unrecognized token 'and'"),
        (b'"\xff"', "Malformed JSON: Invalid UTF-8 start byte 0xff"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "Malformed JSON: Document nesting depth"),
        (b'{"a":' + b"1" * 1001 + b"}", "Malformed JSON: Number value length"),
    ],
)
def test_no_json(body: bytes, begins: str) -> None:
    code, message = refused(HEARTBEAT, body)
    assert code == "VAL.00005"
    assert message.startswith(begins)
    assert "secret" not in message


def test_the_limits_are_within() -> None:
    deep = (
        b'{"offline_mode_at":0,"a":'
        + b"[" * 499
        + b"]" * 499
        + b',"b":[],"c":'
        + b"1" * 1000
        + b"}"
    )
    assert read_bytes(HEARTBEAT, deep).keys() == {"offline_mode_at"}


def test_of_equal_names_the_last_counts() -> None:
    found = read_bytes(HEARTBEAT, b'{"offline_mode_at":"never","offline_mode_at":1000}')
    assert found["offline_mode_at"] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


READ = st.one_of([messages(action, sound=False) for action in PATHS])


@given(READ)
def test_what_the_instruction_path_keeps_is_kept_here(sample: Sample) -> None:
    action, message = sample
    found = read(action, message)
    assert found == decode(action, message, OBSERVED)
    assert list(found) == list(decode(action, message, OBSERVED))


@given(damaged(READ))
def test_a_damaged_message_is_read_or_refused(sample: Sample) -> None:
    try:
        found = read(*sample)
    except RequestRefused:
        return
    assert_plain(found)


def assert_plain(value: object) -> None:
    """What is kept can be written again: floats, texts, aware datetimes."""
    if isinstance(value, dict):
        for each in value.values():
            assert each is not None
            assert_plain(each)
    elif isinstance(value, list):
        for each in value:
            assert_plain(each)
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, datetime):
        assert value.utcoffset() == timedelta()
    else:
        assert value is None or isinstance(value, str)

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
from oscp_sim.flexibility_provider.call import ContainerRefused, RequestRefused, ServiceRefused
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
from tests.strategies import broken, messages

OBSERVED = Behaviour.of("observed")


def read_bytes(action: str, body: bytes) -> Mapping[str, Any]:
    return read_message(action, read_json(body))


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
        "2026-03-01T00:15:60Z",
        "2026-03-01T00:60:00Z",
        "2026-03-01T24:00:01Z",
        "2026-03-01T24:00:00.001Z",
        "2026-03-01T25:00:00Z",
        "2026-03-32T00:00:00Z",
        "2026-03-00T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-03-01T00:00:00Z",
        "2026-03-01T00:15:00+18:01",
        "2026-03-01T00:15:00+01:60",
        "2026-03-01T00:15:00+0100",
        "2026-03-01T00:15:00",
        "2026-03-01T00:15Z",
        "2026-03-01",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:00:00-05:00",
        "9999-12-31T24:00:00Z",
        "\u0662026-03-01T00:15:00Z",
        "noon",
    ],
)
def test_a_text_that_is_no_time(written: str) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message.partition(":")[0]) == ("VAL.00006", "Malformed date string")


@pytest.mark.parametrize("written", ["", "  ", "\n"])
def test_a_blank_time_is_null(written: str) -> None:
    code, message = refused(HEARTBEAT, {"offline_mode_at": written})
    assert (code, message) == ("VAL.00004", "offlineModeAt must not be null.")


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
    assert (code, message) == ("VAL.00004", "forecastedBlocks[0].capacity must not be null.")


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


@pytest.mark.parametrize("written", ["all", "ALL ", "", "L1"])
def test_a_value_that_is_none_of_its_list(written: str) -> None:
    code, message = refused(UPDATE, forecast(phase=written))
    assert (code, message.partition(":")[0]) == ("VAL.00007", "Malformed request")


@pytest.mark.parametrize("written", [0, True, {}, []])
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
        {"location": name, "code": "NotNull", "message": "must not be null"} for name in missing
    ]
    assert raised.value.message == " ".join(f"{name} must not be null." for name in missing)


def test_a_list_that_is_empty() -> None:
    with pytest.raises(ServiceRefused) as raised:
        read_bytes(REGISTER, b'{"token":"t","version_url":[]}')
    assert raised.value.code == "VAL.00004"
    assert raised.value.errors == [
        {
            "location": "versionUrl",
            "code": "Size",
            "rejectedValue": [],
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
        pytest.param(
            HANDSHAKE,
            {"required_behaviour": {"measurement_configuration": [None, "CONTINUOUS"]}},
            {"required_behaviour": {"measurement_configuration": [None, "CONTINUOUS"]}},
            id="null among styles",
        ),
        pytest.param(HEARTBEAT, {"offline_mode_at": 0, "x": 1}, None, id="extra"),
    ],
)
def test_what_is_kept(action: str, message: dict[str, Any], kept: dict[str, Any] | None) -> None:
    epoch = {"offline_mode_at": datetime(1970, 1, 1, tzinfo=UTC)}
    assert read(action, message) == (epoch if kept is None else kept)


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"\xef\xbb\xbfnull"])
def test_no_body(action: str, body: bytes) -> None:
    with pytest.raises(ContainerRefused) as raised:
        read_bytes(action, body)
    assert raised.value.status == 400


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
        (b'{"a":NaN}', "Malformed JSON: Unrecognized token"),
        (b'{"token":secret}', "Malformed JSON: Unrecognized token"),
        (b"\xff{}", "Malformed JSON: Invalid UTF-8"),
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


@given(st.sampled_from(tuple(PATHS)).flatmap(lambda a: st.tuples(st.just(a), messages(a))))
def test_what_the_instruction_path_keeps_is_kept_here(drawn: tuple[str, dict[str, Any]]) -> None:
    action, message = drawn
    found = read(action, message)
    assert found == decode(action, message, OBSERVED)
    assert list(found) == list(decode(action, message, OBSERVED))


@given(
    st.sampled_from(tuple(PATHS))
    .flatmap(lambda a: st.tuples(st.just(a), messages(a)))
    .flatmap(lambda pair: st.tuples(st.just(pair[0]), broken(pair[1])))
)
def test_a_broken_message_is_read_or_refused(drawn: tuple[str, dict[str, Any]]) -> None:
    action, message = drawn
    try:
        found = read(action, message)
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

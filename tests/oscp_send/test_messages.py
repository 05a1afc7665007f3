"""Messages: made from Python values, refused with a reason, written and read again."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import judge
from oscp_send.messages import (
    MESSAGES,
    AdjustGroupCapacityForecast,
    AssetMeasurement,
    CapacityForecastType,
    EnergyMeasurement,
    ForecastedBlock,
    ForecastedBlockUnit,
    GroupCapacityComplianceError,
    Handshake,
    Message,
    PhaseIndicator,
    RequiredBehaviour,
    UpdateAssetMeasurement,
    UpdateGroupCapacityForecast,
    UpdateGroupMeasurements,
    read_message,
    wire_text,
)
from oscp_send.testing import typed_messages
from oscp_send.values import InvalidValue, OscpSendError

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2022, 10, 8, 18, tzinfo=UTC)
END = datetime(2022, 10, 8, 18, 15, tzinfo=UTC)


def block(**changes: object) -> ForecastedBlock:
    values: dict[str, Any] = {
        "capacity": 123.456,
        "unit": "KW",
        "phase": "ALL",
        "start_time": START,
        "end_time": END,
    }
    return ForecastedBlock(**(values | changes))


def energy(**changes: object) -> EnergyMeasurement:
    values: dict[str, Any] = {
        "value": 1.5,
        "unit": "KWH",
        "phase": "ALL",
        "direction": "IMPORT",
        "measure_time": END,
    }
    return EnergyMeasurement(**(values | changes))


def adjust(**changes: object) -> AdjustGroupCapacityForecast:
    values: dict[str, Any] = {
        "group_id": "foo-group",
        "type": "CONSUMPTION",
        "forecasted_blocks": [block()],
    }
    return AdjustGroupCapacityForecast(**(values | changes))


GUIDE = {
    "adjust": (
        adjust(),
        '{"group_id":"foo-group","type":"CONSUMPTION","forecasted_blocks":[{"capacity":123.456,'
        '"unit":"KW","phase":"ALL","start_time":"2022-10-08T18:00:00Z",'
        '"end_time":"2022-10-08T18:15:00Z"}]}',
    ),
    "compliance-error": (
        GroupCapacityComplianceError("Whoops!", [block()]),
        '{"message":"Whoops!","forecasted_blocks":[{"capacity":123.456,"unit":"KW","phase":"ALL",'
        '"start_time":"2022-10-08T18:00:00Z","end_time":"2022-10-08T18:15:00Z"}]}',
    ),
}


@pytest.mark.parametrize(("message", "text"), GUIDE.values(), ids=GUIDE)
def test_the_examples_of_the_guide_are_written_to_the_letter(message: Message, text: str) -> None:
    assert message.to_json() == text
    assert wire_text(message) == text


def test_the_handshake_of_the_guide_is_written_with_its_values() -> None:
    message = Handshake(RequiredBehaviour(["CONTINUOUS"], heartbeat_interval=60))
    assert message.to_dict() == {
        "required_behaviour": {
            "heartbeat_interval": 60,
            "measurement_configuration": ["CONTINUOUS"],
        }
    }


def test_lists_are_kept_as_tuples_and_texts_as_members() -> None:
    message = adjust(forecasted_blocks=iter([block()]))
    assert message.forecasted_blocks == (block(),)
    assert message.type is CapacityForecastType.CONSUMPTION
    assert message.forecasted_blocks[0].unit is ForecastedBlockUnit.KW
    assert message.forecasted_blocks[0].phase is PhaseIndicator.ALL


def test_members_and_their_texts_make_equal_messages() -> None:
    assert adjust(type=CapacityForecastType.CONSUMPTION) == adjust(type="CONSUMPTION")
    assert hash(adjust()) == hash(adjust())


def test_two_actions_with_the_same_fields_are_not_one_message() -> None:
    update = UpdateGroupCapacityForecast("foo-group", "CONSUMPTION", [block()])
    assert update.to_dict() == adjust().to_dict()
    assert Message.__eq__(update, adjust()) is not True
    assert len({update, adjust()}) == 2


def test_a_message_cannot_be_changed_but_replaced_and_pickled() -> None:
    message = adjust()
    with pytest.raises(FrozenInstanceError):
        message.group_id = "other"  # type: ignore[misc]
    assert replace(message, group_id="other").group_id == "other"
    assert pickle.loads(pickle.dumps(message)) == message  # noqa: S301 - our own bytes


def test_a_mapping_is_read_where_a_data_type_is_expected() -> None:
    assert adjust(forecasted_blocks=[block().to_dict()]) == adjust()


def test_absent_values_are_left_out() -> None:
    assert GroupCapacityComplianceError("late").to_dict() == {"message": "late"}
    assert Handshake().to_json() == "{}"
    assert set(energy().to_dict()) == {"value", "unit", "phase", "direction", "measure_time"}


TIMES = {
    "whole-second": (START, "2022-10-08T18:00:00Z"),
    "milliseconds": (START.replace(microsecond=250_000), "2022-10-08T18:00:00.250Z"),
    "cut-not-rounded": (START.replace(microsecond=250_999), "2022-10-08T18:00:00.250Z"),
    "below-a-millisecond": (START.replace(microsecond=999), "2022-10-08T18:00:00Z"),
    "offset": (START.astimezone(timezone(timedelta(hours=13))), "2022-10-08T18:00:00Z"),
    "zone": (START.astimezone(ZoneInfo("Europe/Berlin")), "2022-10-08T18:00:00Z"),
    "early-year": (datetime(33, 4, 3, tzinfo=UTC), "0033-04-03T00:00:00Z"),
}


@pytest.mark.parametrize(("moment", "text"), TIMES.values(), ids=TIMES)
def test_times_are_written_in_utc_with_none_or_three_fraction_digits(
    moment: datetime, text: str
) -> None:
    made = block(start_time=moment)
    assert made.to_dict()["start_time"] == text
    assert made.start_time.tzinfo is UTC
    assert wire_text({"at": moment}) == f'{{"at":"{text}"}}'


class Level(IntEnum):
    LOW = 3


class Reading(float):
    __slots__ = ()


@pytest.mark.parametrize(
    ("capacity", "text"),
    [
        (10, "10"),
        (10.0, "10.0"),
        (0, "0"),
        (2**53, str(2**53)),
        (Level.LOW, "3"),
        (Reading(2.5), "2.5"),
    ],
)
def test_numbers_are_written_as_they_are(capacity: float, text: str) -> None:
    assert f'"capacity":{text},' in adjust(forecasted_blocks=[block(capacity=capacity)]).to_json()


REFUSED: dict[str, tuple[Callable[[], object], str, str]] = {
    "naive-datetime": (
        lambda: block(start_time=datetime(2022, 10, 8, 18)),  # noqa: DTZ001 - what is refused
        "/start_time",
        "no time zone",
    ),
    "text-for-a-time": (
        lambda: block(start_time="2022-10-08T18:00:00Z"),
        "/start_time",
        "datetime",
    ),
    "date-for-a-time": (lambda: block(end_time=START.date()), "/end_time", "datetime"),
    "out-of-range-in-utc": (
        lambda: block(start_time=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        "/start_time",
        "out of range",
    ),
    "boolean-number": (lambda: block(capacity=True), "/capacity", "not bool"),
    "text-number": (lambda: block(capacity="10"), "/capacity", "not str"),
    "decimal-number": (lambda: block(capacity=Decimal(10)), "/capacity", "int or a float"),
    "nan": (lambda: block(capacity=float("nan")), "/capacity", "finite"),
    "infinity": (lambda: block(capacity=float("inf")), "/capacity", "finite"),
    "inexact-whole-number": (lambda: block(capacity=2**53 + 1), "/capacity", "64-bit"),
    "enormous-whole-number": (lambda: block(capacity=10**5000), "/capacity", "64-bit"),
    "negative-capacity": (lambda: block(capacity=-0.001), "/capacity", "never by the sign"),
    "lower-case-unit": (
        lambda: block(unit="kW"),
        "/unit",
        'units are upper case on the wire: "KW"',
    ),
    "unknown-unit": (lambda: block(unit="V"), "/unit", "A, W, KW, WH, KWH"),
    "none-unit": (lambda: block(unit=None), "/unit", "not None"),
    "lower-case-phase": (lambda: block(phase="all"), "/phase", 'upper case on the wire: "ALL"'),
    "misspelt-type": (lambda: adjust(type="CONSUMTION"), "/type", 'did you mean "CONSUMPTION"?'),
    "no-blocks": (lambda: adjust(forecasted_blocks=[]), "/forecasted_blocks", "at least 1"),
    "text-for-blocks": (lambda: adjust(forecasted_blocks="x"), "/forecasted_blocks", "list"),
    "none-for-blocks": (lambda: adjust(forecasted_blocks=None), "/forecasted_blocks", "list"),
    "mapping-for-blocks": (lambda: adjust(forecasted_blocks={}), "/forecasted_blocks", "list"),
    "none-block": (lambda: adjust(forecasted_blocks=[None]), "/forecasted_blocks/0", "not None"),
    "group-a-number": (lambda: adjust(group_id=7), "/group_id", "not int"),
    "lone-surrogate": (lambda: adjust(group_id="a\ud83d"), "/group_id", "U+D83D"),
    "message-lone-surrogate": (
        lambda: GroupCapacityComplianceError("\udc00"),
        "/message",
        "at character 0",
    ),
    "compliance-no-blocks": (
        lambda: GroupCapacityComplianceError("x", []),
        "/forecasted_blocks",
        "at least 1",
    ),
    "repeated-configuration": (
        lambda: RequiredBehaviour(["CONTINUOUS", "CONTINUOUS"]),
        "/measurement_configuration",
        "twice",
    ),
    "text-configuration": (
        lambda: RequiredBehaviour("CONTINUOUS"),
        "/measurement_configuration",
        "list",
    ),
    "unknown-configuration": (
        lambda: RequiredBehaviour(["INTERMITENT"]),
        "/measurement_configuration/0",
        'did you mean "INTERMITTENT"?',
    ),
    "text-heartbeat": (
        lambda: RequiredBehaviour([], "60"),  # type: ignore[arg-type]
        "/heartbeat_interval",
        "number",
    ),
    "power-unit-of-energy": (lambda: energy(unit="KW"), "/unit", "WH, KWH"),
    "no-measurements": (lambda: UpdateGroupMeasurements("g", []), "/measurements", "at least 1"),
    "wrong-measurement": (
        lambda: UpdateGroupMeasurements("g", [block()]),  # type: ignore[list-item]
        "/measurements/0",
        "EnergyMeasurement",
    ),
    "no-assets": (lambda: UpdateAssetMeasurement("g", []), "/measurements", "at least 1"),
    "category": (lambda: AssetMeasurement("a", "charging"), "/asset_category", '"CHARGING"'),
}


@pytest.mark.parametrize(("make", "pointer", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_is_refused_with_field_and_remedy(
    make: Callable[[], object], pointer: str, words: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        make()
    assert caught.value.pointer == pointer
    assert words in str(caught.value)
    assert str(caught.value).startswith(pointer.lstrip("/"))
    assert isinstance(caught.value, OscpSendError)
    str(caught.value).encode()


def test_a_value_deep_in_a_message_is_named_by_its_pointer() -> None:
    blocks = [block().to_dict() for _ in range(4)]
    blocks[3]["unit"] = "kW"
    with pytest.raises(InvalidValue) as caught:
        AdjustGroupCapacityForecast.from_dict(
            {"group_id": "g", "type": "CONSUMPTION", "forecasted_blocks": blocks}
        )
    assert caught.value.pointer == "/forecasted_blocks/3/unit"
    assert str(caught.value) == (
        'forecasted_blocks/3/unit: "kW" is not one of A, W, KW, WH, KWH: '
        'units are upper case on the wire: "KW"'
    )


UNREADABLE = {
    "missing": ('{"type":"CONSUMPTION","forecasted_blocks":[]}', "/group_id", "is missing"),
    "null": ('{"group_id":null,"type":"x","forecasted_blocks":[]}', "/group_id", "null"),
    "bad-time": (
        '{"group_id":"g","type":"CONSUMPTION","forecasted_blocks":[{"capacity":1,"unit":"KW",'
        '"phase":"ALL","start_time":"2022-10-08 18:00:00Z","end_time":"2022-10-08T18:00:00Z"}]}',
        "/forecasted_blocks/0/start_time",
        "RFC 3339",
    ),
    "time-a-number": (
        '{"group_id":"g","type":"CONSUMPTION","forecasted_blocks":[{"capacity":1,"unit":"KW",'
        '"phase":"ALL","start_time":1,"end_time":"2022-10-08T18:00:00Z"}]}',
        "/forecasted_blocks/0/start_time",
        "RFC 3339",
    ),
    "array": ("[]", "", "object"),
    "not-json": ('{"group_id":\n x}', "", "line 2, column 2"),
    "nan": ('{"group_id":NaN}', "", "NaN"),
    "deep": ("[" * 100_000, "", "deep"),
    "digits": ('{"group_id":' + "1" * 5000 + "}", "", "digits"),
}


@pytest.mark.parametrize(("text", "pointer", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_text_that_is_not_such_a_message_is_refused(text: str, pointer: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as caught:
        AdjustGroupCapacityForecast.from_json(text)
    assert caught.value.pointer == pointer


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(InvalidValue, match="byte 1"):
        Handshake.from_json(b"{\xff}")


def test_unknown_properties_are_ignored() -> None:
    assert Handshake.from_dict({"vendor": 1}) == Handshake()


def test_finer_times_than_milliseconds_are_cut_on_reading() -> None:
    text = adjust().to_json().replace("18:00:00Z", "20:00:00.1239+02:00")
    made = AdjustGroupCapacityForecast.from_json(text)
    assert made.forecasted_blocks[0].start_time == START.replace(microsecond=123_000)


def test_the_message_of_an_action_is_read() -> None:
    assert read_message("AdjustGroupCapacityForecast", adjust().to_json()) == adjust()
    assert read_message("AdjustGroupCapacityForecast", adjust().to_dict()) == adjust()
    with pytest.raises(InvalidValue, match="Heartbeat"):
        read_message("Heartbeat", "{}")


def test_each_action_has_the_class_of_its_name() -> None:
    assert {action: kind.__name__ for action, kind in MESSAGES.items()} == {
        action: action for action in MESSAGES
    }
    assert len(MESSAGES) == 6


@given(typed_messages())
def test_what_is_written_is_read_as_the_same_message(message: Message) -> None:
    text = message.to_json()
    assert text.isascii()
    assert json.loads(text) == message.to_dict()
    assert type(message).from_json(text) == message
    assert type(message).from_json(text.encode()) == message
    assert read_message(message.action, message.to_dict()) == message


@given(typed_messages())
def test_what_can_be_made_satisfies_the_schema(message: Message) -> None:
    assert judge(message.action, message.to_json()) == []


@given(typed_messages())
def test_text_is_compact(message: Message) -> None:
    assert message.to_json() == json.dumps(json.loads(message.to_json()), separators=(",", ":"))


# Mappings as messages: written compactly, and nothing changed in silence.


def test_text_is_sent_as_it_is() -> None:
    text = '{ "message" : "caf\u00e9" }\n'
    assert wire_text(text) is text


def test_a_mapping_is_compact_ascii_with_members_times_and_data_types() -> None:
    one = ForecastedBlock(1, "KW", "ALL", START, END)
    text = wire_text(
        {"type": CapacityForecastType.OPTIMUM, "note": "\u00e9\U0001f600", "b": (one,)}
    )
    assert text == (
        '{"type":"OPTIMUM","note":"\\u00e9\\ud83d\\ude00","b":[{"capacity":1,"unit":"KW",'
        '"phase":"ALL","start_time":"2022-10-08T18:00:00Z","end_time":"2022-10-08T18:15:00Z"}]}'
    )


circle: dict[str, Any] = {}
circle["itself"] = circle

UNWRITABLE: dict[str, tuple[dict[Any, Any], str, str]] = {
    "nan": ({"a": [1, {"b/c": float("nan")}]}, "/a/1/b~1c", "finite"),
    "naive": ({"a": datetime(2026, 1, 1)}, "/a", "time zone"),  # noqa: DTZ001 - what is refused
    "bytes": ({"a": b"x"}, "/a", "bytes"),
    "set": ({"a": {1}}, "/a", "set"),
    "inexact": ({"a": 2**53 + 1}, "/a", "64-bit"),
    "key": ({"a": {1: 2}}, "/a", "key 1"),
    "surrogate": ({"a": ["\ud800"]}, "/a/0", "surrogate"),
    "surrogate-key": ({"\ud800": 1}, "/\ud800", "surrogate"),
    "circle": (circle, "", "itself"),
}


@pytest.mark.parametrize(("value", "pointer", "words"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_json_cannot_hold_is_refused(value: dict[Any, Any], pointer: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words) as caught:
        wire_text(value)
    assert caught.value.pointer == pointer


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_a_mapping_is_read_again_as_it_was(value: dict[str, Any]) -> None:
    assert json.loads(wire_text(value)) == value

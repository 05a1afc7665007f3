"""Mappings as messages: written compactly, and nothing changed in silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.messages import CapacityForecastType, ForecastedBlock, wire_text
from oscp_send.values import InvalidValue

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_text_is_sent_as_it_is() -> None:
    text = '{ "message" : "caf\u00e9" }\n'
    assert wire_text(text) is text


def test_a_mapping_is_compact_ascii_with_members_times_and_data_types() -> None:
    block = ForecastedBlock(1, "KW", "ALL", START, START.replace(minute=15))
    text = wire_text(
        {"type": CapacityForecastType.OPTIMUM, "note": "\u00e9\U0001f600", "b": (block,)}
    )
    assert text == (
        '{"type":"OPTIMUM","note":"\\u00e9\\ud83d\\ude00","b":[{"capacity":1,"unit":"KW",'
        '"phase":"ALL","start_time":"2026-03-01T00:00:00Z","end_time":"2026-03-01T00:15:00Z"}]}'
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

"""How Java reads a whole number and writes a double."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oscp_send.solarnetwork.json_reading import double_text, parse_long, write
from oscp_send.times import read_instant

PLAIN = re.compile(r"-?(0|[1-9][0-9]*)\.([0-9]*[1-9]|0)")
SCIENTIFIC = re.compile(r"-?[1-9]\.([0-9]*[1-9]|0)E-?[1-9][0-9]*")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10, "10.0"),
        (10_000_000, "1.0E7"),
        (0.0001, "1.0E-4"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (123.456, "123.456"),
        (-12.5, "-12.5"),
        (0.001, "0.001"),
        (0.0009999, "9.999E-4"),
        (9_999_999.999, "9999999.999"),
        (12_345_678.9, "1.23456789E7"),
        (1e23, "1.0E23"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (2.2250738585072014e-308, "2.2250738585072014E-308"),
        (5e-324, "4.9E-324"),
    ],
)
def test_doubles(value: float, text: str) -> None:
    assert double_text(float(value)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(2.0**-24)
def test_a_double_is_written_with_the_fewest_digits_that_name_it(value: float) -> None:
    text = double_text(value)
    assert float(text) == value
    is_plain = value == 0 or 1e-3 <= abs(value) < 1e7
    assert (PLAIN if is_plain else SCIENTIFIC).fullmatch(text)
    digits = re.sub(r"E.*|[-.]", "", text).strip("0")
    shortest = re.sub(r"e.*|[-.]", "", repr(value)).strip("0")
    assert len(digits) <= max(len(shortest), 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7", 7), ("+7", 7), ("-7", -7), ("007", 7), ("-0", 0)),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("+" + "0" * 5000 + "1", 1),
        ("\uff11\u0661", 11),
    ],
)
def test_longs(text: str, value: int) -> None:
    assert parse_long(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 7",
        "7 ",
        "7.0",
        "1e3",
        "0x7",
        "+",
        "--7",
        "7_0",
        "9223372036854775808",
        "9" * 5000,
        "\U0001d7cf",
    ],
)
def test_texts_that_are_no_long(text: str) -> None:
    with pytest.raises(ValueError, match=r"^For input string: "):
        parse_long(text)


class Frozen(datetime):
    """As libraries make them that stop the time."""


class Word(StrEnum):
    EACH = "é"


class Pair(NamedTuple):
    large: float
    rest: Mapping[str, float]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Frozen(2031, 3, 1, tzinfo=UTC), '"2031-03-01T00:00:00.000Z"'),
        (Word.EACH, '"é"'),
        (Pair(1e22, MappingProxyType({"a": 1e7})), '[1.0E22,{"a":1.0E7}]'),
        ({"a": [True, None, 1]}, '{"a":[true,null,1]}'),
    ],
)
def test_values_of_derived_classes_are_written_as_those_of_theirs(value: object, text: str) -> None:
    assert write(value) == text.encode()


def test_what_looks_like_a_place_for_a_value_is_written_as_it_is() -> None:
    value = {"%": {"%s": 1.0}, 'é"%%': "%d", Word.EACH: [{}, {"%s": "%s"}]}
    assert write(value) == r'{"%":{"%s":1.0},"é\"%%":"%d","é":[{},{"%s":"%s"}]}'.encode()


TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["".join(map(chr, range(256)))]
)
USUAL = (
    TEXTS | st.datetimes(timezones=st.just(UTC)) | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.recursive(USUAL, lambda each: st.lists(each) | st.dictionaries(TEXTS, each)))
@example([-0.0, 0.001, 9_999_999.999, 1e7, 0.0009999, "\ud800", {"\udc00": 1.0}])
def test_what_is_written_at_a_glance_is_what_is_written_closely(value: object) -> None:
    # A tuple is never written at a glance, nor is what is in it.
    assert write([value]) == write((value,))


def test_of_times_of_thousands_of_digits_no_more_than_one_is_remembered() -> None:
    text, other = (f"2031-03-01T00:00:00.{digit * 4000}Z" for digit in "12")
    before = sys.getrefcount(text)
    assert read_instant(text) == datetime(2031, 3, 1, microsecond=111_111, tzinfo=UTC)
    assert read_instant(other) == datetime(2031, 3, 1, microsecond=222_222, tzinfo=UTC)
    assert sys.getrefcount(text) == before

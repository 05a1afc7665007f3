"""Texts as values: dates, numbers and states, each alone (solaruser.md §1.2, §1.5, §7.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.solarnetwork.dates import read_epoch, read_form_date, read_json_date, timestamp
from oscp_sim.instructions import STATES
from oscp_sim.solaruser.parameters import all_longs, long_of, state_of

OFFSETS = st.integers(-18 * 60, 18 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes)) if minutes else UTC
)
MOMENTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001 - made aware by the strategy
    datetime(9998, 12, 31),  # noqa: DTZ001 - likewise
    timezones=OFFSETS,
)


@given(MOMENTS)
def test_a_timestamp_is_read_back(moment: datetime) -> None:
    written = timestamp(moment)
    assert written.endswith("Z")
    assert read_json_date(written) == moment
    assert read_json_date(written.replace(" ", "T")) == moment


@given(MOMENTS, st.sampled_from(" T"), st.sampled_from(["minutes", "seconds", "milliseconds"]))
def test_a_form_date_is_read(moment: datetime, between: str, precision: str) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    if precision != "milliseconds":
        moment = moment.replace(microsecond=0)
    if precision == "minutes":
        moment = moment.replace(second=0)
    written = moment.isoformat(between, precision)
    assert read_form_date(written) == moment
    if moment.utcoffset() == timedelta():
        assert read_form_date(written.replace("+00:00", "Z")) == moment
        assert read_form_date(written.removesuffix("+00:00")) == moment


@given(st.dates())
def test_a_day_begins_in_utc(day: datetime) -> None:
    assert (
        read_form_date(f"{day:%Y-%m-%d}".zfill(10)).isoformat()
        == f"{day.isoformat()}T00:00:00+00:00"
    )


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_are_read(number: int) -> None:
    moment = read_epoch(str(number))
    assert moment - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(milliseconds=number)


@pytest.mark.parametrize("read", [read_json_date, read_form_date, read_epoch])
@given(st.text(st.sampled_from("0123456789-:.TZ+e \u0661"), max_size=30))
def test_no_text_breaks_a_reader_of_dates(read: Callable[[str], datetime], text: str) -> None:
    try:
        moment = read(text)
    except ValueError as error:
        assert text.strip() in str(error)  # noqa: PT017 - or it is read
    else:
        assert moment.utcoffset() == timedelta()


LONGS: dict[str, int | None] = {
    "": None,
    "1": 1,
    "+1": 1,
    "-1": -1,
    "007": 7,
    " 1 2\t": 12,
    "0x1F": 31,
    "0X1f": 31,
    "#1f": 31,
    "-0x1f": -31,
    "9223372036854775807": 2**63 - 1,
    "-9223372036854775808": -(2**63),
    "0x7fffffffffffffff": 2**63 - 1,
    "-0x8000000000000000": -(2**63),
    "\u0661": 1,
}


@pytest.mark.parametrize("text", LONGS)
def test_a_number(text: str) -> None:
    assert long_of(text) == LONGS[text]


@pytest.mark.parametrize(
    "text",
    [
        *("abc", "1.0", "1e3", "0x", "#", "--1", "1_0", "9223372036854775808"),
        *("0x8000000000000000", "0x" + "f" * 10_000, "9" * 10_000, "\U0001d7cf"),
    ],
)
def test_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="For input string: "):
        long_of(text)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_numbers_come_with_commas_or_repeated(numbers: list[int]) -> None:
    texts = [str(number) for number in numbers]
    once = tuple(dict.fromkeys(numbers))
    assert all_longs([",".join(texts)]) == once
    assert all_longs(texts) == once


@pytest.mark.parametrize("name", STATES)
def test_a_state(name: str) -> None:
    assert state_of(name) == name
    assert state_of(f" {name} ") == name
    with pytest.raises(ValueError, match="Failed to convert from type "):
        state_of(name.lower())


def test_no_state_at_all() -> None:
    assert state_of("") is None

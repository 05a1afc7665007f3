"""What to do about a refusal, by what was given instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.hints import near
from oscp_send.judgement import check
from oscp_send.testing import Sample, damaged, messages
from tests.cases.payloads import DROP, energy, forecast, handshake, one_asset, one_block, one_energy

ADJUST = "AdjustGroupCapacityForecast"
MEASUREMENTS = "UpdateGroupMeasurements"

HINTS = {
    "unit": (ADJUST, one_block(unit="kW"), 'units are upper case on the wire: "KW"'),
    "unit-of-energy": (
        MEASUREMENTS,
        one_energy(unit="kWh"),
        'units are upper case on the wire: "KWH"',
    ),
    "unit-unlike-any": (ADJUST, one_block(unit="EUR"), ""),
    "word": (
        ADJUST,
        forecast(type="consumption"),
        'write "CONSUMPTION"; these words are upper case on the wire',
    ),
    "word-with-hyphen": (
        ADJUST,
        forecast(type="FALLBACK-CONSUMPTION"),
        'write "FALLBACK_CONSUMPTION"; these words are upper case on the wire',
    ),
    "word-unlike-any": (ADJUST, forecast(type="X"), ""),
    "null": (
        ADJUST,
        forecast(group_id=None),
        "leave the property out, or give it a value: null is neither",
    ),
    "number-in-quotes": (ADJUST, one_block(capacity="10.5"), "write a number without quotes: 10.5"),
    "no-number": (ADJUST, one_block(capacity="much"), "write a number without quotes"),
    "not-a-number": (ADJUST, one_block(capacity="NaN"), "write a number without quotes"),
    "text-without-quotes": (ADJUST, forecast(group_id=7), 'write a text in quotes: "7"'),
    "boolean": (ADJUST, forecast(group_id=True), ""),
    "epoch": (
        ADJUST,
        one_block(start_time=1700000000),
        'a time is a text such as "2026-03-01T00:15:00Z", not seconds since 1970',
    ),
    "missing": (ADJUST, one_block(unit=DROP), 'add "unit"'),
    "missing-but-in-camel-case": (
        ADJUST,
        one_block(start_time=DROP, startTime="2031-03-01T00:00:00Z"),
        '"startTime" is not read: write "start_time"',
    ),
    "missing-beside-one-that-is-alike": (
        MEASUREMENTS,
        one_energy(measure_time=DROP),
        'add "measure_time"',
    ),
    "missing-beside-one-that-is-alike-and-one-that-is-misspelt": (
        MEASUREMENTS,
        one_energy(measure_time=DROP, measureTime="2031-03-01T00:00:00Z"),
        '"measureTime" is not read: write "measure_time"',
    ),
    "missing-of-an-asset": (
        "UpdateAssetMeasurement",
        one_asset(energy_measurement=energy(measure_time=DROP)),
        'add "measure_time"',
    ),
    "no-offset": (
        ADJUST,
        one_block(start_time="2031-03-01T00:00:00"),
        "give the whole time and end it in Z, or in an offset such as +02:00",
    ),
    "offset-without-colon": (
        ADJUST,
        one_block(start_time="2031-03-01T00:00:00+0200"),
        "the offset takes a colon: 2031-03-01T00:00:00+02:00",
    ),
    "blank-for-T": (
        ADJUST,
        one_block(start_time="2031-03-01 00:00:00Z"),
        "put a T between date and time",
    ),
    "word-for-a-time": (ADJUST, one_block(start_time="noon"), 'write it as "2026-03-01T00:15:00Z"'),
    "negative": (
        ADJUST,
        one_block(capacity=-1),
        "the direction is given by type (CONSUMPTION, GENERATION), never by the sign",
    ),
    "empty-list": (
        ADJUST,
        forecast(forecasted_blocks=[]),
        "leave the property out, or give at least one",
    ),
    "twice": (
        "Handshake",
        handshake(measurement_configuration=["CONTINUOUS", "CONTINUOUS"]),
        "name each value once",
    ),
}


@pytest.mark.parametrize(("action", "text", "hint"), HINTS.values(), ids=HINTS)
def test_hint(action: str, text: str, hint: str) -> None:
    first = check(action, text).of_severity("error")[0]
    assert first.layer == "schema"
    assert first.hint == hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("kw", "KW"),
        ("K W", "KW"),
        ("start-time", "start_time"),
        ("startTime", "start_time"),
        ("strat_time", "start_time"),
        ("zzz", None),
        ("", None),
    ],
)
def test_near(name: str, meant: str | None) -> None:
    assert near(name, ["KW", "start_time", "end_time"]) == meant


@given(st.text(), st.lists(st.text(), max_size=5))
def test_near_returns_one_of_the_names(name: str, names: list[str]) -> None:
    assert near(name, names) in {*names, None}
    assert near(name, [name, *names]) is not None


@given(damaged(messages(sound=False)))
def test_there_is_a_hint_or_none_for_any_mistake(sample: Sample) -> None:
    for finding in check(sample.action, sample.text).findings:
        assert isinstance(finding.hint, str)
        assert "\n" not in finding.hint

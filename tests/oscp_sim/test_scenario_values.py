from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import parse_duration
from oscp_sim.scenario.model import parse_expression, parse_instant


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("15m", timedelta(minutes=15)),
        ("2s", timedelta(seconds=2)),
        ("500ms", timedelta(milliseconds=500)),
        ("1.5s", timedelta(milliseconds=1500)),
        ("1h30m", timedelta(minutes=90)),
        ("1d", timedelta(days=1)),
        ("PT15M", timedelta(minutes=15)),
        ("PT0.25S", timedelta(milliseconds=250)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P2D", timedelta(days=2)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@given(st.integers(1, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]))
def test_a_number_and_a_unit(number: int, unit: tuple[str, float]) -> None:
    assert parse_duration(f"{number}{unit[0]}") == timedelta(seconds=number * unit[1])


NO_DURATIONS = ["", "2", "s", "2 s", "-2s", "2sec", "0s", "0ms", "1,5s", "2s!", f"{'9' * 400}d"]
NO_DURATIONS += ["P", "PT", "P1M", "P1DT", "PT1", "PT0S", "p1D"]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 15m, 2s, 500ms, 1h30m or PT15M"):
        parse_duration(text)


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["auto", "minutes", "milliseconds"]))
def test_instants(when: datetime, spec: str) -> None:
    text = when.isoformat(timespec=spec)
    assert parse_instant(text) == datetime.fromisoformat(text)
    assert parse_instant(text.replace("+00:00", "Z")) == datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-01T00:00:00", "has no offset: add Z"),
        ("2026-03-01T00:00", "has no offset: add Z"),
        ("2026-03-01", "is not a date-time: write it as"),
        ("2026-03-01 00:00:00Z", "is not a date-time: write it as"),
        ("20260301T000000Z", "is not a date-time: write it as"),
        ("2026-W09-7T00:00:00Z", "is not a date-time: write it as"),
        ("2026-02-30T00:00:00Z", "is not a date-time: day is out of range"),
        ("2026-03-01T25:00:00Z", "is not a date-time: hour must be"),
        ("tomorrow", "is not a date-time"),
    ],
)
def test_what_is_no_instant_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_instant(text)


def test_expressions() -> None:
    assert parse_expression(r"\d+") == r"\d+"
    with pytest.raises(ValueError, match="not a regular expression: unterminated"):
        parse_expression("[a")

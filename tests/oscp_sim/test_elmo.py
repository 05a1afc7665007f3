"""ELMO's timetable and what it assigns (oscp20.md §4)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import judge
from oscp_send.meaning import judge_meaning
from oscp_sim.system import elmo
from oscp_sim.system.elmo import TAIPEI
from tests.oscp_sim.rig import block

DAYS = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - the bounds of aware times
    datetime(2090, 1, 1),  # noqa: DTZ001 - the bounds of aware times
    timezones=st.just(UTC),
)
POWERS = st.floats(0, 1e9) | st.integers(0, 10**9)


def at(text: str) -> datetime:
    """Return a time in Taipei, in May 2026."""
    return datetime.fromisoformat(f"2026-05-{text}+08:00")


def adjustment(*starts: str) -> dict[str, Any]:
    return {
        "group_id": "g",
        "type": "CONSUMPTION",
        "forecasted_blocks": [{"capacity": 1, "start_time": start} for start in starts],
    }


def span(block: dict[str, Any]) -> tuple[datetime, datetime]:
    return tuple(datetime.fromisoformat(block[name]) for name in ("start_time", "end_time"))  # type: ignore[return-value]


# --- what is assigned ---------------------------------------------------------------------------


def test_the_day_ahead_forecast_is_24_one_hour_blocks_of_tomorrow() -> None:
    body = elmo.day_ahead("g", 50, at("04T09:30:00"))
    assert (body["group_id"], body["type"]) == ("g", "CONSUMPTION")
    blocks = body["forecasted_blocks"]
    assert len(blocks) == 24
    times = "2026-05-05T00:00:00.000+08:00", "2026-05-05T01:00:00.000+08:00"
    assert blocks[0] == block(*times, 50)
    assert blocks[23]["end_time"] == "2026-05-06T00:00:00.000+08:00"


def test_the_emergency_forecast_is_one_block_from_now_to_the_next_midnight() -> None:
    blocks = elmo.emergency("g", 12.5, at("04T15:02:03.456789"))["forecasted_blocks"]
    times = "2026-05-04T15:02:03.456+08:00", "2026-05-05T00:00:00.000+08:00"
    assert blocks == [block(*times, 12.5)]


def test_days_are_those_of_taipei() -> None:
    # Still the 4th in Greenwich.
    body = elmo.day_ahead("g", 1, datetime(2026, 5, 4, 16, 30, tzinfo=UTC))
    assert body["forecasted_blocks"][0]["start_time"] == "2026-05-06T00:00:00.000+08:00"


@given(DAYS, POWERS)
def test_both_are_valid_and_make_sense(now: datetime, power: float) -> None:
    tomorrow = elmo.day_ahead("g", power, now)
    today = elmo.emergency("g", power, now)
    for body in (tomorrow, today):
        assert judge("UpdateGroupCapacityForecast", body) == []
        assert list(judge_meaning(body, now)) == []
        assert all(block["capacity"] == power for block in body["forecasted_blocks"])
    (left,) = map(span, today["forecasted_blocks"])
    hours = [span(block) for block in tomorrow["forecasted_blocks"]]
    assert left[0] <= now < left[0] + timedelta(milliseconds=1)
    assert left[1] == hours[0][0]
    assert all(end - start == timedelta(hours=1) for start, end in hours)
    assert [start for start, _ in hours[1:]] == [end for _, end in hours[:-1]]


# --- the timetable ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("04T00:00:00", "04T10:00:00"),
        ("04T09:59:59.999", "04T10:00:00"),
        ("04T10:00:00", "05T10:00:00"),
        ("04T23:59:59", "05T10:00:00"),
    ],
)
def test_assign_by_ten(now: str, expected: str) -> None:
    assert elmo.next_assignment(at(now)) == at(expected)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("04T10:00:00", "04T16:00:00"),
        ("04T14:00:00", "04T16:00:00"),
        ("04T14:00:00.001", "05T16:00:00"),
        ("04T23:00:00", "05T16:00:00"),
    ],
)
def test_answer_by_four(now: str, expected: str) -> None:
    assert elmo.answer_by(at(now)) == at(expected)


@given(DAYS)
def test_the_timetable_is_kept_every_day(now: datetime) -> None:
    assigned, answered = elmo.next_assignment(now), elmo.answer_by(now)
    assert timedelta() < assigned - now <= timedelta(days=1)
    assert timedelta(hours=2) <= answered - now < timedelta(hours=26)
    assert assigned.utcoffset() == answered.utcoffset() == timedelta()
    assert assigned.astimezone(TAIPEI).time().isoformat() == "10:00:00"
    assert answered.astimezone(TAIPEI).time().isoformat() == "16:00:00"
    assert elmo.next_assignment(assigned) == assigned + timedelta(days=1)


@pytest.mark.parametrize(
    ("starts", "now", "pointer"),
    [
        (["2026-05-05T00:00:00+08:00"], "04T14:00:00", None),
        (["2026-05-05T00:00:00+08:00"], "04T14:00:01", "/forecasted_blocks/0/start_time"),
        (["2026-05-06T00:00:00+08:00"], "04T23:00:00", None),
        (["2026-05-05T23:59:00+08:00"], "04T15:00:00", "/forecasted_blocks/0/start_time"),
        # Today is too late at any time of it.
        (["2026-05-04T20:00:00+08:00"], "04T08:00:00", "/forecasted_blocks/0/start_time"),
        # Still the 4th in Greenwich, the 5th in Taipei.
        (["2026-05-04T17:00:00Z"], "04T13:00:00", None),
        (["2026-05-04T15:00:00Z"], "04T13:00:00", "/forecasted_blocks/0/start_time"),
        # The earliest day counts.
        (
            ["2026-05-07T00:00:00+08:00", "2026-05-05T00:00:00+08:00"],
            "04T14:30:00",
            "/forecasted_blocks/1/start_time",
        ),
    ],
)
def test_extra_requests_by_two(starts: list[str], now: str, pointer: str | None) -> None:
    finding = elmo.late_request(adjustment(*starts), at(now))
    assert (finding.pointer if finding else None) == pointer
    if finding is not None:
        assert (finding.layer, finding.severity) == ("meaning", "warning")


def test_a_late_request_is_told_when_it_should_have_come() -> None:
    finding = elmo.late_request(adjustment("2026-05-05T09:00:00+08:00"), at("04T15:10:00"))
    assert finding is not None
    assert finding.message == (
        "asks for a change of 2026-05-05 at 2026-05-04 15:10 (+08:00): "
        "requests were taken until 2026-05-04 14:00 (+08:00)"
    )
    assert "14:00" in finding.hint


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"forecasted_blocks": None},
        {"forecasted_blocks": [None, {}, {"start_time": "soon"}]},
        adjustment("0001-01-01T00:00:00Z"),
        adjustment("9999-12-31T23:00:00Z"),
    ],
)
def test_what_cannot_be_read_is_not_late(message: dict[str, Any]) -> None:
    assert elmo.late_request(message, at("04T15:00:00")) is None


def day(count: int, minutes: int, start: str = "2026-05-05T00:00:00+08:00") -> dict[str, Any]:
    first = datetime.fromisoformat(start)
    step = timedelta(minutes=minutes)
    ends = [(first + step * each).isoformat() for each in range(count + 1)]
    return {
        "forecasted_blocks": [{"start_time": a, "end_time": b} for a, b in itertools.pairwise(ends)]
    }


@pytest.mark.parametrize(
    ("message", "is_whole"),
    [
        (day(24, 60), True),
        (day(24, 60, "2026-05-04T16:00:00Z"), True),
        (day(1, 60), False),
        (day(23, 60), False),
        (day(24, 30), False),
        (day(96, 15), False),
        (day(24, 60, "2026-05-05T01:00:00+08:00"), False),
        (day(24, 60, "2026-05-05T00:00:00Z"), False),
        ({}, False),
    ],
    ids=[
        "24 h",
        "24 h in UTC",
        "1 h",
        "23 h",
        "24 x 30 min",
        "96 x 15 min",
        "01:00",
        "UTC",
        "none",
    ],
)
def test_elmo_takes_whole_days_by_the_hour(message: dict[str, Any], is_whole: bool) -> None:
    finding = elmo.broken_day(message)
    assert (finding is None) == is_whole
    assert finding is None or finding.rule == "elmo-day"


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("04T10:00:00", "04T10:00:00", None),
        ("04T10:00:00", "04T10:01:00", None),
        ("04T10:00:00", "04T10:01:00.5", "no measurements for 60 s, since 2026-05-04 10:00"),
        ("04T10:00:00", "04T12:00:00", "no measurements for 7200 s, since 2026-05-04 10:00"),
    ],
)
def test_usage_every_minute(last: str, now: str, expected: str | None) -> None:
    finding = elmo.missed_measurements(at(last), at(now))
    if expected is None:
        assert finding is None
    else:
        assert finding is not None
        assert finding.message == f"{expected} (+08:00)"

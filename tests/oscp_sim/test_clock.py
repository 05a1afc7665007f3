import logging
import math
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock, Schedule

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_real_clock_is_in_utc_and_goes_on() -> None:
    clock: Clock = RealClock()
    before, first = clock.now(), clock.monotonic()
    assert before.tzinfo is UTC
    assert clock.now() >= before
    assert clock.monotonic() >= first


def test_frozen_clock_stands_still() -> None:
    clock: Clock = FrozenClock(START)
    assert clock.now() == clock.now() == START
    assert clock.monotonic() == 0


def test_frozen_clock_keeps_its_start_in_utc() -> None:
    clock = FrozenClock(datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=13))))
    assert clock.now() == START
    assert clock.now().tzinfo is UTC


def test_frozen_clock_is_in_utc_whatever_offset_has_what_is_due() -> None:
    clock, seen = FrozenClock(START), list[datetime]()
    schedule = Schedule(clock)
    clock.attach(schedule)
    west = timezone(timedelta(hours=-11))
    schedule.at(datetime(2026, 2, 28, 15, tzinfo=west), lambda: seen.append(clock.now()))
    clock.advance("3h")
    assert [each.isoformat() for each in seen] == ["2026-03-01T02:00:00+00:00"]


def test_frozen_clock_refuses_a_start_without_offset() -> None:
    with pytest.raises(ValueError, match="2026-03-01T00:00:00: add an offset"):
        FrozenClock(START.replace(tzinfo=None))


def test_frozen_clock_never_goes_back() -> None:
    clock = FrozenClock(START)
    with pytest.raises(ValueError, match="by -1 s"):
        clock.advance(-1)
    assert clock.now() == START


@given(st.lists(st.integers(0, 10**6)))
def test_advances_add_up(seconds: list[int]) -> None:
    by_number, by_delta = FrozenClock(START), FrozenClock(START)
    for each in seconds:
        by_number.advance(each)
        assert by_delta.advance(timedelta(seconds=each)) == by_delta.now()
    assert by_number.now() == by_delta.now() == START + timedelta(seconds=sum(seconds))
    assert by_number.monotonic() == sum(seconds)


def test_nobody_moves_the_machines_clock() -> None:
    with pytest.raises(RuntimeError, match="give the simulator a FrozenClock"):
        RealClock().advance(1)


@pytest.mark.parametrize("by", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_of_seconds(by: float) -> None:
    clock = FrozenClock(START)
    with pytest.raises(ValueError, match="give a number of seconds, or a text as 15m"):
        clock.advance(by)
    assert clock.now() == START


@pytest.mark.parametrize("by", [1e15, 10**300, 3e11, timedelta.max, "300000000h"])
def test_no_clock_goes_beyond_the_year_9999(by: float | timedelta | str) -> None:
    clock = FrozenClock(START)
    with pytest.raises(ValueError, match="no clock goes beyond the year 9999"):
        clock.advance(by)
    assert clock.now() == START


def test_at_the_end_of_time_nothing_is_left() -> None:
    clock = FrozenClock(datetime.max.replace(tzinfo=UTC))
    assert clock.advance(0) == clock.now()
    with pytest.raises(ValueError, match="beyond the year 9999"):
        clock.advance(1e-6)


def test_a_duration_as_people_write_it() -> None:
    clock = FrozenClock(START)
    assert clock.advance("1h30m") == START + timedelta(minutes=90)
    assert clock.advance("PT15M") == START + timedelta(minutes=105)
    with pytest.raises(ValueError, match='"90" is not a duration above zero: write it as 15m'):
        clock.advance("90")


@pytest.mark.parametrize("speed", [math.nan, math.inf, 0, -1])
def test_a_speed_that_is_none(speed: float) -> None:
    with pytest.raises(ValueError, match="give one above 0, and finite"):
        FastClock(START, speed)


def test_a_fast_clock_stops_at_the_end_of_time(caplog: pytest.LogCaptureFixture) -> None:
    died: list[threading.ExceptHookArgs] = []
    before, threading.excepthook = threading.excepthook, died.append
    clock = FastClock(START, 1e300)
    try:
        with caplog.at_level(logging.WARNING):
            clock.attach(Schedule(clock))
            deadline = time.monotonic() + 20
            while "stops there" not in caplog.text:
                assert not died
                assert time.monotonic() < deadline
                time.sleep(0.002)
    finally:
        threading.excepthook = before
    assert clock.now() == datetime(9999, 12, 31, tzinfo=UTC)
    assert not died

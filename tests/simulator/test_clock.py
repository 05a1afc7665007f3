from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.clock import Clock, FrozenClock, RealClock

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

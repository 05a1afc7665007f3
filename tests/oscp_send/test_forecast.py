"""Blocks from a start, a step and capacities: right on every day of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.messages import (
    AdjustGroupCapacityForecast,
    UpdateGroupCapacityForecast,
    forecasted_blocks,
)
from oscp_send.values import InvalidValue

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
QUARTER = timedelta(minutes=15)
START = datetime(2026, 3, 1, tzinfo=UTC)

DAYS = {
    "berlin-23h": (datetime(2026, 3, 29, tzinfo=BERLIN), 92, "2026-03-28T23:00:00Z"),
    "berlin-25h": (datetime(2026, 10, 25, tzinfo=BERLIN), 100, "2026-10-24T22:00:00Z"),
    "berlin-24h": (datetime(2026, 6, 1, tzinfo=BERLIN), 96, "2026-05-31T22:00:00Z"),
    "new-york-23h": (datetime(2026, 3, 8, tzinfo=NEW_YORK), 92, "2026-03-08T05:00:00Z"),
    "new-york-25h": (datetime(2026, 11, 1, tzinfo=NEW_YORK), 100, "2026-11-01T04:00:00Z"),
}


@pytest.mark.parametrize(("midnight", "count", "begins"), DAYS.values(), ids=DAYS)
def test_a_local_day_is_filled_without_gap_or_overlap(
    midnight: datetime, count: int, begins: str
) -> None:
    # Adding a day to a local time moves the date and keeps the clock on the wall.
    blocks = forecasted_blocks(midnight, QUARTER, [10.5] * count, end=midnight + timedelta(days=1))
    assert len(blocks) == count
    assert blocks[0].to_dict()["start_time"] == begins
    assert blocks[-1].end_time == midnight + timedelta(days=1)
    assert all(block.end_time - block.start_time == QUARTER for block in blocks)
    assert all(before.end_time == after.start_time for before, after in pairwise(blocks))


@pytest.mark.parametrize(("midnight", "count", "begins"), DAYS.values(), ids=DAYS)
def test_a_day_with_other_steps_than_capacities_is_refused(
    midnight: datetime, count: int, begins: str
) -> None:
    with pytest.raises(InvalidValue, match=f"but {count} steps"):
        forecasted_blocks(midnight, QUARTER, [1.0] * (count + 1), end=midnight + timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "day", "fold", "begins"),
    [
        (BERLIN, datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), 0, "2026-10-25T00:30:00Z"),
        (BERLIN, datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), 1, "2026-10-25T01:30:00Z"),
        (NEW_YORK, datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK), 0, "2026-11-01T05:30:00Z"),
        (NEW_YORK, datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK), 1, "2026-11-01T06:30:00Z"),
    ],
    ids=["berlin-first", "berlin-second", "new-york-first", "new-york-second"],
)
def test_fold_chooses_between_the_two_instants_of_a_repeated_hour(
    zone: ZoneInfo, day: datetime, fold: int, begins: str
) -> None:
    blocks = forecasted_blocks(day.replace(fold=fold), timedelta(minutes=30), [1, 2, 3])
    assert blocks[0].to_dict()["start_time"] == begins
    assert blocks[2].start_time - blocks[0].start_time == timedelta(hours=1)


def test_units_and_phases_are_kilowatts_of_all_unless_given() -> None:
    plain = forecasted_blocks(START, QUARTER, [1])[0]
    other = forecasted_blocks(START, QUARTER, [1], unit="A", phase="ONE")[0]
    assert (plain.unit, plain.phase) == ("KW", "ALL")
    assert (other.unit, other.phase) == ("A", "ONE")


@pytest.mark.parametrize("kind", [AdjustGroupCapacityForecast, UpdateGroupCapacityForecast])
def test_a_whole_forecast_is_made_in_one_call(
    kind: type[AdjustGroupCapacityForecast | UpdateGroupCapacityForecast],
) -> None:
    made = kind.from_capacities("depot-7", "GENERATION", START, QUARTER, [1, 2], unit="W")
    assert isinstance(made, kind)
    assert made == kind(
        "depot-7", "GENERATION", forecasted_blocks(START, QUARTER, [1, 2], unit="W")
    )


def test_a_start_finer_than_milliseconds_leaves_no_gap() -> None:
    blocks = forecasted_blocks(
        START.replace(microsecond=1999), timedelta(milliseconds=7), [1, 2, 3]
    )
    assert blocks[0].to_dict()["start_time"] == "2026-03-01T00:00:00.001Z"
    assert all(before.end_time == after.start_time for before, after in pairwise(blocks))


REFUSED: dict[str, tuple[tuple[Any, Any, Any], dict[str, Any], str]] = {
    "naive-start": ((datetime(2026, 3, 1), QUARTER, [1]), {}, "/start"),  # noqa: DTZ001 - refused
    "no-step": ((START, timedelta(0), [1]), {}, "/step"),
    "backwards": ((START, -QUARTER, [1]), {}, "/step"),
    "fine-step": ((START, timedelta(microseconds=1500), [1]), {}, "/step"),
    "number-step": ((START, 900, [1]), {}, "/step"),
    "no-capacities": ((START, QUARTER, []), {}, "/capacities"),
    "one-number": ((START, QUARTER, 5), {}, "/capacities"),
    "negative": ((START, QUARTER, [1, 2, -3]), {}, "/capacities/2"),
    "nan": ((START, QUARTER, [1, float("nan")]), {}, "/capacities/1"),
    "unit": ((START, QUARTER, [1]), {"unit": "kW"}, "/unit"),
    "after-9999": ((datetime(9999, 12, 31, tzinfo=UTC), timedelta(days=1), [1]), {}, "/capacities"),
    "end-before-start": ((START, QUARTER, [1]), {"end": START - QUARTER}, "/end"),
    "end-between-steps": ((START, QUARTER, [1]), {"end": START + QUARTER * 1.5}, "/end"),
}


@pytest.mark.parametrize(("given_values", "more", "pointer"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_make_a_forecast_is_refused(
    given_values: tuple[Any, Any, Any], more: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        forecasted_blocks(*given_values, **more)
    assert caught.value.pointer == pointer


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2035, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.sampled_from([BERLIN, NEW_YORK, UTC]),
    ),
    st.integers(1, 90_000_000),
    st.lists(st.integers(0, 500), min_size=1, max_size=120),
)
def test_every_block_has_the_length_of_the_step(
    start: datetime, milliseconds: int, capacities: list[float]
) -> None:
    step = timedelta(milliseconds=milliseconds)
    blocks = forecasted_blocks(start, step, capacities)
    assert [block.capacity for block in blocks] == capacities
    assert blocks[-1].end_time - blocks[0].start_time == step * len(capacities)
    assert all(block.end_time - block.start_time == step for block in blocks)

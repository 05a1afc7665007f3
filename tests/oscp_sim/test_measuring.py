"""What a world's datum streams measure in a span of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.flexibility_provider.measurements import Window, measured
from oscp_sim.world import Asset, DatumStream
from oscp_sim.world.model import AssetMeasurement, Repeat, StatisticType

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
ASSET = Asset(
    id=1,
    name="Meter",
    capacity_group=19,
    identifier="meter",
    audience="CapacityProvider",
    node_id=1,
    source_id="/meter",
    category="Consumption",
    phase="All",
)


def stream(*values: float, repeat: Repeat = "nothing", **more: tuple[float, ...]) -> DatumStream:
    return DatumStream(1, "/meter", START, FIVE, {"a": values, **more}, repeat)


def value(of: DatumStream, kind: StatisticType, start: float, end: float) -> float:
    """From and to so many minutes after the start."""
    window = Window(START + timedelta(minutes=start), START + timedelta(minutes=end))
    return measured([of], ASSET, AssetMeasurement(("a",), "kWh", kind), window)


METER = stream(10.0, 12.0, 11.0, 15.0, 20.0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    {
        "Average": 11.0,
        "Count": 3.0,
        "Minimum": 10.0,
        "Maximum": 12.0,
        "Start": 10.0,
        "End": 15.0,
        "Difference": 5.0,
    }.items(),
)
def test_each_statistic(kind: StatisticType, expected: float) -> None:
    """Of 12:00, 12:05 and 12:10; a meter is also read at the end, at 12:15."""
    assert value(METER, kind, 0, 15) == expected


@pytest.mark.parametrize(
    ("kind", "start", "end", "expected"),
    [
        # Between two readings of a meter, the one before counts.
        ("Start", 7, 12, 12.0),
        ("End", 7, 12, 11.0),
        ("Difference", 7, 12, -1.0),
        ("Average", 7, 12, 11.0),
        # Nothing was measured in between.
        ("Average", 6, 9, 0.0),
        ("Count", 6, 9, 0.0),
        ("Minimum", 6, 9, 0.0),
        ("Maximum", 6, 9, 0.0),
        ("Start", 6, 9, 12.0),
        ("Difference", 6, 9, 0.0),
        # Before the first, and around it.
        ("Average", -20, 0, 0.0),
        ("Start", -20, -10, 0.0),
        ("End", -20, -10, 0.0),
        ("Difference", -20, -10, 0.0),
        ("Start", -20, 5, 10.0),
        ("Difference", -20, 5, 2.0),
        # After the last.
        ("Average", 25, 40, 0.0),
        ("Count", 15, 60, 2.0),
        ("End", 25, 40, 20.0),
        ("Difference", 25, 40, 0.0),
        # The end is not part of the span.
        ("Maximum", 10, 15, 11.0),
        ("Maximum", 10, 15.001, 15.0),
    ],
)
def test_at_the_edges(kind: StatisticType, start: float, end: float, expected: float) -> None:
    assert value(METER, kind, start, end) == expected


def test_values_that_are_repeated() -> None:
    of = stream(1.0, 2.0, 6.0, repeat="values")
    assert value(of, "Average", 15, 30) == 3.0
    assert value(of, "Start", 75, 90) == 1.0
    assert value(of, "Difference", 0, 20) == 1.0


def test_increments_that_are_repeated() -> None:
    of = stream(100.0, 101.0, 104.0, repeat="increments")
    # 100, 101, 104, 105, 108, 109, 112 ...
    assert [value(of, "End", 0, 5 * each) for each in range(7)] == [
        *(100.0, 101.0, 104.0, 105.0, 108.0, 109.0, 112.0)
    ]
    assert value(of, "Difference", 5000, 5010) == 4.0


@pytest.mark.parametrize("repeat", ["values", "increments"])
def test_a_single_value_stays_what_it_is(repeat: Repeat) -> None:
    assert value(stream(7.0, repeat=repeat), "End", 0, 500) == 7.0
    assert value(stream(7.0, repeat=repeat), "Average", 100, 500) == 7.0


def test_a_multiplier_and_several_properties() -> None:
    of = stream(1000.0, 3000.0, b=(500.0, 1500.0))
    window = Window(START, START + FIVE)
    both = AssetMeasurement(("a", "b"), "kWh", "Difference", multiplier=0.001)
    assert measured([of], ASSET, both, window) == 3.0
    nothing = AssetMeasurement(("a",), "kWh", "Difference", multiplier=0)
    assert measured([of], ASSET, nothing, window) == 0.0


def test_only_the_assets_own_stream_counts() -> None:
    window, kind = Window(START, START + FIVE), AssetMeasurement(("a",), "kWh", "Average")
    others = [replace(METER, node_id=2), replace(METER, source_id="/other")]
    assert measured(others, ASSET, kind, window) == 0.0
    assert measured([*others, METER], ASSET, kind, window) == 10.0
    # Properties of one source may be spread over several streams.
    spread = [replace(METER, values={"b": (1.0,)}), METER]
    assert measured(spread, ASSET, kind, window) == 10.0
    missing = AssetMeasurement(("a", "none"), "kWh", "Average")
    assert measured([METER], ASSET, missing, window) == 10.0


VALUES = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=6)
MINUTES = st.integers(-60, 300)


@given(VALUES, st.sampled_from(["nothing", "values", "increments"]), MINUTES, st.integers(1, 60))
def test_it_is_as_if_all_values_were_listed(
    values: list[float], repeat: Repeat, start: int, length: int
) -> None:
    listed = list(values)
    steps = [b - a for a, b in pairwise(values)] or [0.0]
    for index in range(80):
        if repeat == "values":
            listed.append(values[index % len(values)])
        elif repeat == "increments":
            listed.append(listed[-1] + steps[index % len(steps)])
    short, long = stream(*values, repeat=repeat), stream(*listed)
    for kind in ("Average", "Count", "Minimum", "Maximum", "Start", "End", "Difference"):
        assert value(short, kind, start, start + length) == pytest.approx(
            value(long, kind, start, start + length)
        )


@given(MINUTES, st.integers(1, 60), st.integers(1, 60))
def test_differences_add_up(start: int, first: int, second: int) -> None:
    of = stream(3.0, 5.0, 9.0, repeat="increments")
    whole = value(of, "Difference", start, start + first + second)
    halves = value(of, "Difference", start, start + first) + value(
        of, "Difference", start + first, start + first + second
    )
    assert whole == pytest.approx(halves)

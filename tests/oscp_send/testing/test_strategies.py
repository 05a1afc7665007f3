"""What the strategies draw: sound messages, days as they are, texts about as long as a part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from oscp_schemas import ACTIONS, UnknownAction, judge
from oscp_send import check
from oscp_send.instruction import split, utf16_length
from oscp_send.testing import (
    Sample,
    broken,
    correlation_ids,
    damaged,
    date_times,
    forecasts,
    group_ids,
    messages,
    texts_near_part_boundaries,
)
from oscp_send.testing.shapes import Shape
from tests.effort import examples, simplest

#: What no message can help: how the running service treats its action, and its size.
UNAVOIDABLE = {"action", "schema-lookup", "group_forecasts", "mqtt_limit"}
T = TypeVar("T")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def assert_sound(sample: Sample) -> None:
    judged = check(sample.action, sample.text)
    wrong = {each.rule for each in judged.of_severity("error", "warning")}
    assert wrong <= UNAVOIDABLE


def exists(strategy: st.SearchStrategy[T], condition: Callable[[T], bool]) -> T:
    """One that fulfils a condition, as it was found: to make it small takes long."""
    once = settings(max_examples=1000, phases=[Phase.generate], database=None)
    return find(strategy, condition, settings=once, random=Random(7))


SOUND = {action: messages(action) for action in ACTIONS}


def listed(sample: Sample) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = sample.message["forecasted_blocks"]
    return blocks


def times(sample: Sample) -> list[tuple[datetime, datetime]]:
    """When each interval begins and ends; phases of the same one are one."""
    spans = [(each["start_time"], each["end_time"]) for each in listed(sample)]
    moments = [tuple(map(datetime.fromisoformat, span)) for span in dict.fromkeys(spans)]
    return [(start, end) for start, end in moments]


@pytest.mark.parametrize("action", ACTIONS)
@settings(max_examples=examples(12))
@given(data=st.data())
def test_a_sound_message_has_nothing_that_is_wrong_or_odd(action: str, data: st.DataObject) -> None:
    sample = data.draw(SOUND[action])
    assert sample.action == action
    assert_sound(sample)


@given(messages(sound=False))
def test_any_other_message_is_at_least_valid(sample: Sample) -> None:
    assert judge(sample.action, sample.text) == []


@pytest.mark.parametrize("rule", ["S2", "unknown-property"])
def test_the_schema_lets_more_through_than_is_sound(rule: str) -> None:
    def has_it(sample: Sample) -> bool:
        return rule in {each.rule for each in check(sample.action, sample.text).findings}

    assert exists(messages("AdjustGroupCapacityForecast", sound=False), has_it)


@given(messages(group_ids=st.just("a")))
def test_the_group_is_drawn_from_what_is_given(sample: Sample) -> None:
    assert sample.group_id == ("a" if "group_id" in sample.message else None)


def test_an_unknown_action_is_an_error_at_once() -> None:
    with pytest.raises(UnknownAction, match="did you mean Handshake"):
        messages("HandShake")


SHAPES: tuple[Shape, ...] = ("short", "day-ahead", "intraday", "per-phase", "clock-change")
OF_SHAPE = {shape: forecasts(shape) for shape in (None, *SHAPES)}


@pytest.mark.parametrize("shape", [None, *SHAPES])
@settings(max_examples=examples(15))
@given(data=st.data())
def test_a_forecast_of_any_shape_is_sound_and_has_no_gap(
    shape: Shape | None, data: st.DataObject
) -> None:
    sample = data.draw(OF_SHAPE[shape])
    assert_sound(sample)
    assert all(before[1] == after[0] for before, after in pairwise(times(sample)))
    assert len(listed(sample)) <= 100


@given(forecasts("day-ahead"))
def test_a_day_ahead_is_a_local_day_in_quarter_hours(sample: Sample) -> None:
    (start, first_end), (_, end) = times(sample)[0], times(sample)[-1]
    local = start.astimezone(AMSTERDAM)
    assert (local.hour, local.minute) == (0, 0)
    assert end.astimezone(AMSTERDAM).date() == local.date() + timedelta(days=1)
    assert first_end - start == timedelta(minutes=15)
    assert len(listed(sample)) in {92, 96, 100}


@pytest.mark.parametrize("count", [92, 100])
def test_clocks_change_twice_a_year(count: int) -> None:
    found = exists(forecasts("clock-change"), lambda each: len(listed(each)) == count)
    months = {start.astimezone(AMSTERDAM).month for start, _ in times(found)}
    assert months == {3 if count == 92 else 10}
    written = exists(
        forecasts("clock-change"),
        lambda each: len(listed(each)) == count and listed(each)[0]["start_time"][-1] != "Z",
    )
    assert {each["start_time"][-6:] for each in listed(written)} == {"+01:00", "+02:00"}


DAYS = {
    "half an hour less": ("Australia/Lord_Howe", date(2031, 10, 5), 94),
    "no midnight": ("America/Asuncion", date(2020, 10, 4), 92),
    "midnight twice": ("America/Havana", date(2031, 11, 2), 100),
    "quarter hours of an offset": ("Asia/Kathmandu", date(2031, 3, 1), 96),
    "a zone without a change": (UTC, date(2031, 3, 30), 96),
}


@pytest.mark.parametrize(("zone", "day", "count"), DAYS.values(), ids=DAYS)
def test_a_day_has_as_many_quarter_hours_as_its_clocks_say(
    zone: str, day: date, count: int
) -> None:
    found = simplest(forecasts("day-ahead", time_zone=zone, days=st.just(day)))
    assert len(listed(found)) == count


def test_a_day_that_was_left_out_is_none() -> None:
    days = st.sampled_from((date(2011, 12, 30), date(2011, 12, 31)))
    found = simplest(forecasts("day-ahead", time_zone="Pacific/Apia", days=days))
    assert times(found)[0][0].astimezone(ZoneInfo("Pacific/Apia")).date() == date(2011, 12, 31)


@given(forecasts("intraday", time_zone="Europe/Berlin"))
def test_what_is_left_of_a_day_ends_with_it(sample: Sample) -> None:
    end = times(sample)[-1][1].astimezone(ZoneInfo("Europe/Berlin"))
    assert (end.hour, end.minute) == (0, 0)


@given(forecasts("per-phase"))
def test_each_interval_has_its_three_phases(sample: Sample) -> None:
    blocks = listed(sample)
    assert len(blocks) <= 96
    for at in range(0, len(blocks), 3):
        assert [each["phase"] for each in blocks[at : at + 3]] == ["ONE", "TWO", "THREE"]
        assert len({each["start_time"] for each in blocks[at : at + 3]}) == 1


def test_the_same_seed_draws_the_same_days() -> None:
    def drawn() -> list[Sample]:
        found: list[Sample] = []

        @settings(max_examples=8, derandomize=True, database=None)
        @given(forecasts())
        def collect(sample: Sample) -> None:
            found.append(sample)

        collect()
        return found

    first = drawn()
    assert first == drawn()
    assert len({sample.text for sample in first}) > 4


@pytest.mark.parametrize("curve", ["night without sun", "evening limit", "no two alike"])
def test_curves_are_those_of_a_day(curve: str) -> None:
    def has_it(sample: Sample) -> bool:
        values = [each["capacity"] for each in listed(sample)]
        if curve == "night without sun":
            return bool(values[0] == values[-1] == 0 < values[50])
        if curve == "evening limit":
            return bool(0 < values[70] < values[30] and values[70] < values[90])
        return all(before != after for before, after in pairwise(values[30:60]))

    assert exists(forecasts("day-ahead"), has_it)


@pytest.mark.parametrize("count", [92, 100])
def test_a_day_ahead_is_often_one_when_the_clocks_change(count: int) -> None:
    def has_it(sample: Sample) -> bool:
        return len(sample.message["forecasted_blocks"]) == count

    few = settings(max_examples=200, phases=[Phase.generate], database=None)
    assert find(forecasts("day-ahead"), has_it, settings=few, random=Random(7))


@settings(max_examples=examples(10))
@given(forecasts(time_zone="Asia/Kolkata"))
def test_where_the_clocks_never_change_the_other_shapes_are_drawn(sample: Sample) -> None:
    assert len(sample.message["forecasted_blocks"]) <= 96


WRONG = {
    "shape": ({"shape": "weekly"}, "shape is one of short, day-ahead"),
    "action": ({"action": "Handshake"}, "'Handshake' is not a forecast"),
    "zone": ({"time_zone": "Europe/Utrecht"}, "there is no time zone 'Europe/Utrecht': give a"),
    "path": ({"time_zone": "../etc"}, "there is no time zone '../etc'"),
    "clocks": ({"shape": "clock-change", "time_zone": "UTC"}, "the clocks of UTC do not change"),
}


NOT_A_STRATEGY: list[tuple[Callable[..., object], dict[str, object], str]] = [
    (messages, {"group_ids": "depot"}, r"group_ids is a strategy, such as st.just\('depot'\)"),
    (forecasts, {"group_ids": "depot"}, "group_ids is a strategy"),
    (forecasts, {"days": date(2031, 3, 1)}, "days is a strategy, such as st.just"),
    (broken, {"samples": messages}, r"samples is a strategy, such as messages\(\), not <function"),
    (damaged, {"samples": []}, r"samples is a strategy, such as st.just\(\[\]\)"),
]


@pytest.mark.parametrize(("make", "words", "said"), NOT_A_STRATEGY)
def test_what_is_not_a_strategy_is_an_error_at_once(
    make: Callable[..., object], words: dict[str, object], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        make(**words)


@pytest.mark.parametrize("strategy", [texts_near_part_boundaries(), date_times()])
def test_a_failing_text_is_shown_as_it_is(strategy: st.SearchStrategy[str]) -> None:
    @settings(database=None)
    @given(drawn=strategy)
    def fails(drawn: str) -> None:
        raise LookupError(drawn)

    with pytest.raises(LookupError) as failed:
        fails()
    assert f"drawn={failed.value.args[0]!r}" in "".join(failed.value.__notes__)


@pytest.mark.parametrize(("given_words", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_a_forecast_is_an_error_at_once(
    given_words: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        forecasts(**given_words)


@given(correlation_ids())
def test_a_correlation_id_can_be_the_value_of_a_header(text: str) -> None:
    assert text.isascii()
    assert text.isprintable()
    assert text
    assert " " not in text


def test_correlation_ids_are_short_uuids_or_longer_than_a_part() -> None:
    assert simplest(correlation_ids()) == "0"
    assert exists(correlation_ids(), lambda each: each.count("-") == 4 and len(each) == 36)
    assert find(correlation_ids(), lambda each: len(each) > 256) == "0" * 257


@given(group_ids())
def test_a_group_has_a_name(text: str) -> None:
    assert text.strip() == text != ""


@given(st.integers(1, 5), st.data())
def test_a_text_ends_near_the_boundary_of_a_part(most: int, data: st.DataObject) -> None:
    length = utf16_length(data.draw(texts_near_part_boundaries(most)))
    assert -2 <= (length + 2) % 256 - 2 <= 2
    assert 254 <= length <= most * 256 + 2


def is_cut(text: str) -> bool:
    return any("\ud800" <= part[-1] <= "\udbff" for part in split(text))


@pytest.mark.parametrize("beyond", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("has_pair_across", [True, False])
def test_a_character_may_be_cut_in_two(beyond: int, has_pair_across: bool) -> None:
    def fits(text: str) -> bool:
        return utf16_length(text) == 512 + beyond and is_cut(text) == has_pair_across

    assert exists(texts_near_part_boundaries(2), fits)


def test_a_text_near_a_boundary_is_plain_where_it_can_be() -> None:
    assert simplest(texts_near_part_boundaries()) == "0" * 256
    assert find(texts_near_part_boundaries(), is_cut) == "0" * 255 + "\U0001f50b"


BLOCK = {
    "capacity": 0,
    "phase": "ALL",
    "unit": "KW",
    "start_time": "2031-03-01T00:00:00Z",
    "end_time": "2031-03-01T01:00:00Z",
}
READING = {
    "value": 0,
    "unit": "KWH",
    "phase": "ALL",
    "direction": "NET",
    "measure_time": "2031-03-01T01:00:00Z",
}
FORECAST = {"group_id": "depot-7", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
SMALLEST = {
    "AdjustGroupCapacityForecast": FORECAST,
    "GroupCapacityComplianceError": {"message": ""},
    "Handshake": {"required_behaviour": {"measurement_configuration": []}},
    "HandshakeAcknowledge": {},
    "Heartbeat": {"offline_mode_at": "2091-01-01T00:00:00Z"},
    "Register": {
        "token": "0",
        "version_url": [{"version": "2.0", "base_url": "https://grid.example/oscp/cp/2.0"}],
    },
    "UpdateAssetMeasurement": {
        "group_id": "depot-7",
        "measurements": [{"asset_id": "depot-7", "asset_category": "CHARGING"}],
    },
    "UpdateGroupCapacityForecast": FORECAST,
    "UpdateGroupMeasurements": {"group_id": "depot-7", "measurements": [READING]},
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_message_shrinks_to_what_can_be_read_at_a_glance(action: str) -> None:
    assert simplest(SOUND[action]) == (action, SMALLEST[action])


def test_a_failure_shrinks_to_the_one_thing_that_matters() -> None:
    found = find(
        messages("AdjustGroupCapacityForecast"),
        lambda each: any(block["capacity"] > 40 for block in listed(each)),
    )
    capacity = listed(found)[0]["capacity"]
    assert found.message == {**FORECAST, "forecasted_blocks": [{**BLOCK, "capacity": capacity}]}
    # The least, or now and then the least of a greater scale.
    assert capacity in {41, 50, 1000}
    late = find(
        messages("AdjustGroupCapacityForecast"), lambda each: listed(each)[0]["unit"] == "A"
    )
    assert late.message == {
        **FORECAST,
        "forecasted_blocks": [{**BLOCK, "unit": "A", "phase": "ONE"}],
    }


def test_a_day_shrinks_to_a_flat_one_of_zeros() -> None:
    found = simplest(forecasts("day-ahead"))
    assert {each["capacity"] for each in listed(found)} == {0}
    assert (found.group_id, listed(found)[4]["start_time"]) == ("depot-7", "2031-03-01T00:00:00Z")

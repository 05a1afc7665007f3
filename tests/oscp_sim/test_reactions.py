"""The forecast that answers an adjustment: granted, trimmed or denied, and always a sound one."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oscp_schemas import judge, read
from oscp_send.meaning import judge_meaning
from oscp_send.testing import Sample, messages
from oscp_sim.system.answer import answer_to, asks_for_anything
from oscp_sim.system.profile import PROFILES
from oscp_sim.world import ProviderBehaviour
from oscp_sim.world.model import Answer

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SLACK = Fraction(1, 10**9)
WATTS = {"W": 1, "KW": 1000, "WH": 1, "KWH": 1000, "A": 1}


def block(start: str, end: str, capacity: float, unit: str = "KW", phase: str = "ALL") -> Any:  # noqa: ANN401 - JSON
    """A block from one time of the day to another."""
    return {
        "capacity": capacity,
        "phase": phase,
        "unit": unit,
        "start_time": f"2026-05-04T{start}:00Z",
        "end_time": f"2026-05-04T{end}:00Z",
    }


def steps(*times_and_capacities: Any) -> list[Any]:  # noqa: ANN401 - texts and numbers
    """Blocks one after the other: a time, the capacity from then on, the next time, and so on."""
    spans = zip(pairwise(times_and_capacities[::2]), times_and_capacities[1::2], strict=True)
    return [block(*span, capacity) for span, capacity in spans]


def message(*blocks: Any, group: str = "depot-7", kind: str = "CONSUMPTION") -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"group_id": group, "type": kind, "forecasted_blocks": list(blocks)}


def answered(
    asked: dict[str, Any],
    *forecasts: dict[str, Any],
    answer: Answer = "grant",
    limit: float | None = None,
    profile: str = "specification",
) -> Any:  # noqa: ANN401 - JSON
    answering = PROFILES[profile].with_behaviour(ProviderBehaviour(answer=answer, limit=limit))
    made = answer_to(asked, forecasts, answering)
    assert (made["group_id"], made["type"]) == (asked["group_id"], asked["type"])
    return made["forecasted_blocks"]


FORECAST = message(*steps("16:00", 50, "16:30", 35.5, "17:00"))

# What is asked, granted, trimmed to what was forecast, and trimmed to 40.
EXAMPLES: dict[str, tuple[list[Any], list[Any], list[Any], list[Any]]] = {
    "less, of a whole block": (
        [block("16:30", "17:00", 20)],
        steps("16:00", 50, "16:30", 20, "17:00"),
        steps("16:00", 50, "16:30", 20, "17:00"),
        steps("16:00", 50, "16:30", 20, "17:00"),
    ),
    "more, of a whole block": (
        [block("16:30", "17:00", 42)],
        steps("16:00", 50, "16:30", 42, "17:00"),
        steps("16:00", 50, "16:30", 35.5, "17:00"),
        steps("16:00", 50, "16:30", 40, "17:00"),
    ),
    "part of a block": (
        [block("16:10", "16:20", 42)],
        steps("16:00", 50, "16:10", 42, "16:20", 50, "16:30", 35.5, "17:00"),
        steps("16:00", 50, "16:10", 42, "16:20", 50, "16:30", 35.5, "17:00"),
        steps("16:00", 50, "16:10", 40, "16:20", 50, "16:30", 35.5, "17:00"),
    ),
    "across blocks": (
        [block("16:15", "16:45", 42)],
        steps("16:00", 50, "16:15", 42, "16:45", 35.5, "17:00"),
        steps("16:00", 50, "16:15", 42, "16:30", 35.5, "16:45", 35.5, "17:00"),
        steps("16:00", 50, "16:15", 40, "16:45", 35.5, "17:00"),
    ),
    "beyond the forecast": (
        [block("16:30", "17:30", 42)],
        steps("16:00", 50, "16:30", 42, "17:30"),
        steps("16:00", 50, "16:30", 35.5, "17:00", 0, "17:30"),
        steps("16:00", 50, "16:30", 40, "17:30"),
    ),
    "where nothing was forecast": (
        [block("20:00", "21:00", 42)],
        [block("20:00", "21:00", 42)],
        [block("20:00", "21:00", 0)],
        [block("20:00", "21:00", 40)],
    ),
    "in another unit": (
        [block("16:30", "17:00", 42_000, "W")],
        [block("16:00", "16:30", 50), block("16:30", "17:00", 42_000, "W")],
        [block("16:00", "16:30", 50), block("16:30", "17:00", 35_500, "W")],
        # The limit is in the unit that was asked for.
        [block("16:00", "16:30", 50), block("16:30", "17:00", 40, "W")],
    ),
    "as an energy": (
        [block("16:30", "17:00", 21, "KWH")],
        [block("16:00", "16:30", 50), block("16:30", "17:00", 21, "KWH")],
        [block("16:00", "16:30", 50), block("16:30", "17:00", 17.75, "KWH")],
        [block("16:00", "16:30", 50), block("16:30", "17:00", 21, "KWH")],
    ),
    "of one phase beside the sum": (
        [block("16:30", "17:00", 42, phase="ONE")],
        [*FORECAST["forecasted_blocks"], block("16:30", "17:00", 42, phase="ONE")],
        [*FORECAST["forecasted_blocks"], block("16:30", "17:00", 0, phase="ONE")],
        [*FORECAST["forecasted_blocks"], block("16:30", "17:00", 40, phase="ONE")],
    ),
    "a block twice, of which the later counts": (
        [block("16:00", "17:00", 60), block("16:30", "17:00", 30)],
        steps("16:00", 60, "16:30", 30, "17:00"),
        steps("16:00", 50, "16:30", 30, "17:00"),
        steps("16:00", 40, "16:30", 30, "17:00"),
    ),
    "a block that does not end after it starts": (
        [block("16:45", "16:15", 1), block("16:45", "16:45", 1), block("16:30", "17:00", 20)],
        steps("16:00", 50, "16:30", 20, "17:00"),
        steps("16:00", 50, "16:30", 20, "17:00"),
        steps("16:00", 50, "16:30", 20, "17:00"),
    ),
}


@pytest.mark.parametrize(
    ("asked", "granted", "trimmed", "limited"), EXAMPLES.values(), ids=EXAMPLES
)
def test_example(
    asked: list[Any], granted: list[Any], trimmed: list[Any], limited: list[Any]
) -> None:
    def in_order(blocks: list[Any]) -> list[Any]:
        return sorted(blocks, key=lambda each: (each["start_time"], each["phase"], each["unit"]))

    wish = message(*asked)
    assert in_order(answered(wish, FORECAST)) == in_order(granted)
    assert in_order(answered(wish, FORECAST, answer="trim")) == in_order(trimmed)
    assert in_order(answered(wish, FORECAST, answer="trim", limit=40)) == in_order(limited)


def test_the_example_of_the_loop() -> None:
    """§7.2: 42 kW are asked for the second half hour, as the provider receives it."""
    asked = message(
        {
            **block("16:30", "17:00", 42.0),
            "start_time": "2026-05-04T16:30:00.000Z",
            "end_time": "2026-05-04T17:00:00.000Z",
        }
    )
    assert answered(asked, FORECAST) == [block("16:00", "16:30", 50), block("16:30", "17:00", 42)]
    assert answered(asked, FORECAST, answer="deny") == FORECAST["forecasted_blocks"]


def test_what_is_denied_without_a_forecast_is_nothing() -> None:
    asked = message(block("16:30", "17:00", 42), block("17:00", "18:00", 10, "A", "ONE"))
    assert answered(asked, answer="deny") == [
        block("16:30", "17:00", 0),
        block("17:00", "18:00", 0, "A", "ONE"),
    ]


def test_a_current_is_another_matter_than_a_power() -> None:
    asked = message(block("16:00", "17:00", 16, "A"))
    made = answered(asked, FORECAST, answer="trim")
    assert made == [
        block("16:00", "16:30", 50),
        block("16:00", "17:00", 0, "A"),
        block("16:30", "17:00", 35.5),
    ]


def test_an_energy_that_is_cut_keeps_its_share() -> None:
    """S7: a capacity in WH or KWH is that of its block."""
    forecast = message(block("16:00", "17:00", 40, "KWH"))
    asked = message(block("16:45", "17:00", 30))
    assert answered(asked, forecast) == [
        block("16:00", "16:45", 30, "KWH"),
        block("16:45", "17:00", 30),
    ]
    # 40 KWH in the hour are 40 KW.
    more = message(block("16:45", "17:00", 55))
    assert answered(more, forecast, answer="trim")[1] == block("16:45", "17:00", 40)


def test_where_a_power_and_an_energy_were_forecast_the_lower_binds() -> None:
    forecast = message(block("16:00", "17:00", 40, "KWH"), block("16:00", "17:00", 30, "KW"))
    asked = message(block("16:00", "17:00", 50))
    assert answered(asked, forecast, answer="trim") == [block("16:00", "17:00", 30)]


def test_a_power_and_an_energy_of_one_interval_both_stay() -> None:
    forecast = message(block("16:00", "17:00", 30, "KW"), block("16:00", "17:00", 40, "KWH"))
    asked = message(block("16:00", "17:00", 9, phase="ONE"))
    assert answered(asked, forecast) == [
        *forecast["forecasted_blocks"],
        block("16:00", "17:00", 9, phase="ONE"),
    ]


def test_a_wish_that_is_granted_whole_stays_in_one_piece() -> None:
    asked = message(block("16:00", "17:00", 30))
    assert answered(asked, FORECAST, answer="trim") == [block("16:00", "17:00", 30)]
    three = message(*FORECAST["forecasted_blocks"], block("17:00", "18:00", 20))
    asked = message(block("16:00", "18:00", 30))
    assert answered(asked, three, answer="trim") == steps("16:00", 30, "17:00", 20, "18:00")


# --- which forecast -----------------------------------------------------------------------------

EARLY = message(block("08:00", "12:00", 1))
DAY = message(block("08:00", "20:00", 2))
OTHERS: tuple[dict[str, Any], ...] = (
    message(block("08:00", "20:00", 3), group="depot-8"),
    message(block("08:00", "20:00", 4), kind="GENERATION"),
    {"group_id": "depot-7", "type": "CONSUMPTION"},
    {"group_id": "depot-7", "type": "CONSUMPTION", "forecasted_blocks": []},
    message({**block("08:00", "20:00", 5), "unit": "kW"}),
    message(block("20:00", "08:00", 6)),
    {},
)


@pytest.mark.parametrize(
    ("asked", "forecasts", "expected"),
    [
        (("09:00", "10:00"), (DAY, EARLY), EARLY),
        (("09:00", "10:00"), (EARLY, DAY), DAY),
        (("13:00", "14:00"), (DAY, EARLY), DAY),
        # Covered by the earlier one alone.
        (("11:00", "13:00"), (DAY, EARLY), DAY),
        # Covered by none, touched by both.
        (("07:00", "09:00"), (EARLY, DAY), DAY),
        (("07:00", "09:00"), (DAY, EARLY), EARLY),
        (("07:00", "13:00"), (DAY, EARLY, *OTHERS), EARLY),
        (("09:00", "10:00"), (DAY, *OTHERS), DAY),
    ],
)
def test_the_last_forecast_that_covers_it_counts(
    asked: tuple[str, str], forecasts: tuple[dict[str, Any], ...], expected: dict[str, Any]
) -> None:
    wish = message(block(*asked, 9))
    assert answered(wish, *forecasts, answer="deny") == expected["forecasted_blocks"]


@pytest.mark.parametrize("asked", [("20:00", "21:00"), ("06:00", "08:00")])
def test_a_forecast_that_only_adjoins_says_nothing(asked: tuple[str, str]) -> None:
    wish = message(block(*asked, 9))
    assert answered(wish, DAY, *OTHERS) == wish["forecasted_blocks"]


def test_nothing_to_answer() -> None:
    wish = message(block("17:00", "16:00", 9), block("16:00", "16:00", 9))
    assert not asks_for_anything(wish)
    assert asks_for_anything(FORECAST)
    answers: tuple[Answer, ...] = ("grant", "trim", "deny")
    for answer in answers:
        with pytest.raises(ValueError, match="asks for nothing"):
            answered(wish, FORECAST, answer=answer)


# --- how it is written --------------------------------------------------------------------------


def test_what_was_not_asked_about_is_repeated_as_it_was_written() -> None:
    odd = {
        **block("16:00", "16:30", 50),
        "start_time": "2026-05-04T18:00:00+02:00",
        "comment": "as it was",
    }
    forecast = message(odd, block("16:30", "17:00", 35.5))
    made = answered(message(block("16:30", "17:00", 20)), forecast)
    assert made == [odd, block("16:30", "17:00", 20)]
    assert made[0] is not odd


def test_new_times_are_written_as_the_profile_does() -> None:
    asked = message(block("16:10", "16:20", 42))
    texts = [each["start_time"] for each in answered(asked, FORECAST, profile="elmo")]
    assert texts == [
        "2026-05-05T00:00:00.000+08:00",
        "2026-05-05T00:10:00.000+08:00",
        "2026-05-05T00:20:00.000+08:00",
        "2026-05-04T16:30:00Z",
    ]


def test_times_are_cut_to_milliseconds() -> None:
    fine = {**block("16:00", "16:30", 50), "end_time": "2026-05-04T16:30:00.000900Z"}
    made = answered(
        message({**block("16:45", "17:00", 9), "start_time": "2026-05-04T16:45:00.000400Z"}),
        message(fine, block("16:30", "17:00", 40)),
    )
    assert made == [
        block("16:00", "16:30", 50),
        block("16:30", "16:45", 40),
        block("16:45", "17:00", 9),
    ]
    blink = {**block("16:30", "16:30", 9), "end_time": "2026-05-04T16:30:00.000400Z"}
    with pytest.raises(ValueError, match="asks for nothing"):
        answered(message(blink), FORECAST)


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [("1e400", 1.7976931348623157e308), ("1e-400", 0.0), ("7", 7), ("1" + "0" * 400, 10**400)],
)
def test_numbers_beyond_doubles_become_numbers_that_json_can_hold(
    capacity: str, expected: float
) -> None:
    text = read(f'{{"capacity":{capacity}}}').value["capacity"]
    wish = message({**block("16:30", "17:00", 0), "capacity": text})
    assert answered(wish)[0]["capacity"] == expected
    assert answered(wish, FORECAST, answer="trim")[1]["capacity"] == min(expected, 35.5)
    # Energies are reckoned with.
    energy = message({**block("16:00", "17:00", 0, "KWH"), "capacity": text})
    assert answered(message(block("16:30", "17:00", 1)), energy)[0]["capacity"] >= 0


# --- properties ---------------------------------------------------------------------------------

MINUTES = st.integers(0, 24 * 4).map(lambda quarter: quarter * 15) | st.integers(0, 1440)


@st.composite
def forward_blocks(draw: st.DrawFn) -> dict[str, Any]:
    """Blocks of one day that end after they start, on or off the quarter hour."""
    begin, finish = draw(MINUTES), draw(MINUTES)
    assume(begin != finish)
    begin, finish = sorted((begin, finish))
    start = datetime(2026, 5, 4, tzinfo=UTC)
    return {
        # Nothing smaller: below the smallest normal double, no rate is exact.
        "capacity": draw(st.integers(0, 1000) | st.floats(1e-3, 1e6)),
        "phase": draw(st.sampled_from(["ALL", "ALL", "ONE"])),
        "unit": draw(st.sampled_from(["KW", "KW", "W", "KWH", "WH", "A"])),
        "start_time": (start + timedelta(minutes=begin)).isoformat(),
        "end_time": (start + timedelta(minutes=finish)).isoformat(),
    }


def overlapping() -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(forward_blocks(), min_size=1, max_size=5)


def queue(each: dict[str, Any]) -> tuple[str, bool]:
    return each["phase"], each["unit"] == "A"


def bounds(each: dict[str, Any]) -> tuple[datetime, datetime]:
    start, end = (datetime.fromisoformat(each[name]) for name in ("start_time", "end_time"))
    return start, end


def rate(each: dict[str, Any]) -> Fraction:
    """Return the watts or amperes that a block means, computed apart from the code."""
    start, end = bounds(each)
    amount = Fraction(each["capacity"]) * WATTS[each["unit"]]
    hours = Fraction(int((end - start) / timedelta(milliseconds=1)), 3_600_000)
    return amount / hours if each["unit"] in {"WH", "KWH"} else amount


def at(blocks: list[dict[str, Any]], where: tuple[str, bool], moment: datetime) -> list[Any]:
    """Return the blocks that cover a moment."""
    return [
        each
        for each in blocks
        if queue(each) == where and bounds(each)[0] <= moment < bounds(each)[1]
    ]


def moments(*lists: list[dict[str, Any]]) -> list[datetime]:
    """Return a moment of every stretch in which nothing changes."""
    return sorted({moment for blocks in lists for each in blocks for moment in bounds(each)})


def is_free_of_overlaps(body: dict[str, Any]) -> bool:
    return not [each for each in judge_meaning(body, NOW) if each.rule in {"S1", "S2"}]


def near(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= SLACK * max(Fraction(1), abs(one), abs(other))


def sole(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return blocks of which none overlaps another of its phase and power or current."""
    kept: list[dict[str, Any]] = []
    for each in blocks:
        start, end = bounds(each)
        if not any(
            queue(each) == queue(other) and bounds(other)[0] < end and start < bounds(other)[1]
            for other in kept
        ):
            kept.append(each)
    return kept


@given(overlapping(), overlapping())
def test_grant_gives_what_was_asked_and_keeps_the_rest(
    asked: list[dict[str, Any]], forecast: list[dict[str, Any]]
) -> None:
    forecast = sole(forecast)
    made = answered(message(*asked), message(*forecast))
    assert judge("UpdateGroupCapacityForecast", message(*made)) == []
    assert is_free_of_overlaps(message(*made))
    based = any(
        bounds(one)[0] < bounds(two)[1] and bounds(two)[0] < bounds(one)[1]
        for one in asked
        for two in forecast
    )
    for moment in moments(asked, forecast, made):
        for where in {queue(each) for each in [*asked, *forecast, *made]}:
            wanted = at(asked, where, moment)[-1:] or (at(forecast, where, moment) if based else [])
            found = at(made, where, moment)
            assert len(found) == len(wanted)
            assert all(near(rate(one), rate(two)) for one, two in zip(found, wanted, strict=True))


@given(overlapping(), overlapping(), st.none() | st.floats(0, 2000))
def test_trim_exceeds_neither_the_wish_nor_the_limit(
    asked: list[dict[str, Any]], forecast: list[dict[str, Any]], limit: float | None
) -> None:
    forecast = sole(forecast)
    made = answered(message(*asked), message(*forecast), answer="trim", limit=limit)
    granted = answered(message(*asked), message(*forecast))
    assert judge("UpdateGroupCapacityForecast", message(*made)) == []
    assert is_free_of_overlaps(message(*made))
    for moment in moments(asked, forecast, made):
        for where in {queue(each) for each in [*asked, *forecast, *made]}:
            found = at(made, where, moment)
            # It covers the same.
            assert len(found) == len(at(granted, where, moment))
            for wish in at(asked, where, moment)[-1:]:
                assert rate(found[0]) <= rate(wish) * (1 + SLACK)
                if limit is not None:
                    assert found[0]["unit"] == wish["unit"]
                    assert found[0]["capacity"] <= limit * (1 + 1e-9)
                else:
                    known = max(map(rate, at(forecast, where, moment)), default=Fraction(0))
                    assert rate(found[0]) <= known * (1 + SLACK)
                    assert near(rate(found[0]), min(rate(wish), known))


@given(overlapping(), overlapping())
def test_deny_repeats_the_forecast(
    asked: list[dict[str, Any]], forecast: list[dict[str, Any]]
) -> None:
    before = message(*forecast)
    kept = deepcopy(before)
    made = answered(message(*asked), before, answer="deny")
    if made != forecast:
        # It says nothing of what was asked about.
        assert made == answered(message(*asked), answer="deny")
        assert all(each["capacity"] == 0 for each in made)
        assert is_free_of_overlaps(message(*made))
    assert before == kept


@given(
    messages("AdjustGroupCapacityForecast", sound=False),
    messages("UpdateGroupCapacityForecast", sound=False),
    st.sampled_from(["grant", "trim", "deny"]),
    st.none() | st.floats(0, 1e12),
    st.sampled_from(["specification", "solarnetwork", "elmo"]),
)
def test_any_two_valid_messages_have_a_valid_answer(
    asking: Sample,
    forecasting: Sample,
    answer: Answer,
    limit: float | None,
    profile: str,
) -> None:
    asked, forecast = asking.message, forecasting.message
    assert asks_for_anything(asked)
    alike = {**forecast, "group_id": asked["group_id"], "type": asked["type"]}
    answering = PROFILES[profile].with_behaviour(ProviderBehaviour(answer=answer, limit=limit))
    made = answer_to(asked, [forecast, alike], answering)
    assert judge("UpdateGroupCapacityForecast", made) == []
    assert answer == "deny" or is_free_of_overlaps(made)
    assert answer_to(asked, [forecast, alike], answering) == made

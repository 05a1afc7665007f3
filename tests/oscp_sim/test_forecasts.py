"""Forecasts from what a person writes: fields, tables, purposes; and what is said of mistakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import judge
from oscp_send.meaning import judge_meaning
from oscp_send.messages import UpdateGroupCapacityForecast
from oscp_send.testing import json_values, numbers
from oscp_send.values import InvalidValue
from oscp_sim.system.forecasts import FORMS, forecast_message
from oscp_sim.system.profile import PROFILES
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rig import ask, block, encoded

if TYPE_CHECKING:
    from pathlib import Path

    from oscp_sim import Simulator

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)


def made(
    profile: str = "specification",
    groups: tuple[str, ...] = ("depot-7",),
    now: datetime = NOW,
    **fields: object,
) -> dict[str, Any]:
    return forecast_message(fields, groups=groups, profile=PROFILES[profile], now=now)


def refused(**fields: Any) -> str:  # noqa: ANN401 - whatever a test gives
    with pytest.raises(ValueError, match=r".") as caught:
        made(**fields)
    return str(caught.value)


# --- capacities ---------------------------------------------------------------------------------


def test_the_example_of_the_loop() -> None:
    """§7.2: the forecast of step 6."""
    body = made(start="2026-05-04T16:00:00Z", step="30m", capacities=[50, 35.5])
    assert body == {
        "group_id": "depot-7",
        "type": "CONSUMPTION",
        "forecasted_blocks": [
            block("2026-05-04T16:00:00Z", "2026-05-04T16:30:00Z", 50),
            block("2026-05-04T16:30:00Z", "2026-05-04T17:00:00Z", 35.5),
        ],
    }


@pytest.mark.parametrize(
    ("profile", "start", "end"),
    [
        ("specification", "2026-05-05T00:00:00Z", "2026-05-05T00:15:00Z"),
        ("solarnetwork", "2026-05-05T00:00:00.000Z", "2026-05-05T00:15:00.000Z"),
        ("elmo", "2026-05-05T00:00:00.000+08:00", "2026-05-05T00:15:00.000+08:00"),
    ],
)
def test_left_out_it_starts_at_the_next_midnight_in_quarter_hours(
    profile: str, start: str, end: str
) -> None:
    (block,) = made(profile, capacities=[1])["forecasted_blocks"]
    assert (block["start_time"], block["end_time"]) == (start, end)


def test_all_that_describes_a_forecast_can_be_given() -> None:
    body = made(
        capacities=[1],
        group="another",
        type="GENERATION",
        unit="A",
        phase="TWO",
        step=timedelta(hours=1),
        start=datetime(2026, 5, 4, 18, tzinfo=timezone(timedelta(hours=2))),
    )
    (block,) = body["forecasted_blocks"]
    assert (body["group_id"], body["type"]) == ("another", "GENERATION")
    assert (block["unit"], block["phase"]) == ("A", "TWO")
    assert block["start_time"] == "2026-05-04T16:00:00Z"
    assert block["end_time"] == "2026-05-04T17:00:00Z"


def test_none_counts_as_left_out() -> None:
    bare = made(capacities=[1])
    assert made(capacities=[1], start=None, step=None, unit=None, csv=None, message=None) == bare


@given(
    st.sampled_from(list(PROFILES)),
    st.lists(numbers(least=0), min_size=1, max_size=100),
    st.sampled_from(["1m", "15m", "1h", "500ms", "PT30M", "1d"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds of aware times
)
def test_what_is_made_is_valid_and_without_gap_or_overlap(
    profile: str, capacities: list[float], step: str, start: datetime
) -> None:
    body = made(profile, capacities=capacities, step=step, start=start)
    assert judge("UpdateGroupCapacityForecast", body) == []
    # Any capacities are here, also a thousand times one another.
    found = {each.rule for each in judge_meaning(body, NOW, past_blocks=False)}
    assert found <= {"capacity-scale"}
    blocks = body["forecasted_blocks"]
    assert [block["capacity"] for block in blocks] == capacities
    assert all(before["end_time"] == after["start_time"] for before, after in pairwise(blocks))
    begins = datetime.fromisoformat(blocks[0]["start_time"])
    assert begins == start.replace(microsecond=start.microsecond // 1000 * 1000)


# --- mistakes -----------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "nothing says what to send: give capacities, csv, message, or a purpose"),
    "capacity alone": ({"capacity": 5}, "capacity: nothing says what to send"),
    "two forms": (
        {"capacities": [1], "csv": "a\nb"},
        "csv: cannot go with capacities: each says what to send: give one",
    ),
    "misspelt": (
        {"capacites": [1]},
        'capacites: is not a field of a forecast: did you mean "capac',
    ),
    "group_id": (
        {"group_id": "g"},
        'group_id: is not a field of a forecast: did you mean "group"?',
    ),
    "unknown": (
        {"zzz": 1},
        "zzz: is not a field of a forecast: known are capacities, capacity, columns, csv, "
        "date_format, decimal_comma, group, message, phase, purpose, start, step, time_zone, "
        "type, unit",
    ),
    "start with csv": (
        {"csv": "a\nb", "start": "x"},
        "start: does not go with csv, only columns, date_format, decimal_comma, group, phase, "
        "step, time_zone, type, unit do",
    ),
    "unit with message": (
        {"message": {}, "unit": "KW"},
        "unit: does not go with message: nothing else does",
    ),
    "no group": (
        {"capacities": [1], "groups": ()},
        "not exactly one Capacity Group: it has none in this world",
    ),
    "two groups": ({"capacities": [1], "groups": ("a", "b")}, "it has a, b: name it"),
    "group of a kind": ({"capacities": [1], "group": 7}, "group_id: text is expected, not int"),
    "naive start": (
        {"capacities": [1], "start": datetime(2026, 1, 1)},  # noqa: DTZ001 - what is wrong with it
        "start: 2026-01-01T00:00:00 has no time zone",
    ),
    "start text": (
        {"capacities": [1], "start": "tomorrow"},
        'start: "tomorrow" is not an RFC 3339 date-time: write it as 2026-03-01T18:00:00Z',
    ),
    "step text": ({"capacities": [1], "step": "quarter"}, 'step: "quarter" is not a duration'),
    "step number": (
        {"capacities": [1], "step": 900},
        "step: 900 is not a duration: write it as 15m",
    ),
    "no capacities": ({"capacities": []}, "capacities: 0 items, at least 1 expected"),
    "negative": ({"capacities": [1, -1]}, "capacities/1: -1 is less than 0"),
    "capacity text": ({"capacities": ["1"]}, "capacities/0: a number is expected, not str"),
    "unit": ({"capacities": [1], "unit": "kW"}, 'unit: "kW" is not one of A, W, KW, WH, KWH'),
    "phase": ({"capacities": [1], "phase": "all"}, 'phase: "all" is not one of UNKNOWN, ONE'),
    "type": ({"capacities": [1], "type": "IMPORT"}, 'type: "IMPORT" is not one of CONSUMPTION'),
    "unit of elmo": (
        {"capacities": [1], "unit": "W", "profile": "elmo"},
        'unit: the profile "elmo" has no unit "W", only KW: send it as a message',
    ),
    "csv of a kind": ({"csv": 7}, "csv: text or a path is expected, not int"),
    "message of a kind": ({"message": [1]}, "message: an object is expected, not list"),
    "purpose elsewhere": (
        {"purpose": "emergency_assign_capacity", "capacity": 1},
        'purpose: the profile "specification" has no purposes: give capacities, or the Capacity',
    ),
    "purpose misspelt": (
        {"purpose": "emergency_assign", "capacity": 1, "profile": "elmo"},
        'did you mean "emergency_assign_capacity"?',
    ),
    "purpose without": (
        {"purpose": "emergency_assign_capacity", "profile": "elmo"},
        "capacity: is missing: give the KW for emergency_assign_capacity",
    ),
    "capacity of a purpose": (
        {"purpose": "emergency_assign_capacity", "capacity": -1, "profile": "elmo"},
        "capacity: -1 is less than 0",
    ),
    "start of a purpose": (
        {"purpose": "emergency_assign_capacity", "start": 1, "profile": "elmo"},
        "start: does not go with purpose, only capacity, group do",
    ),
}


@pytest.mark.parametrize(("fields", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_explained(fields: dict[str, Any], expected: str) -> None:
    assert expected in refused(**fields)


def test_every_field_goes_with_something() -> None:
    assert set().union(*FORMS.values()) | set(FORMS) == {
        *("capacities", "capacity", "csv", "group", "message", "phase"),
        *("purpose", "start", "step", "type", "unit"),
        *("columns", "date_format", "decimal_comma", "time_zone"),
    }


# --- raw messages -------------------------------------------------------------------------------


@given(json_values().filter(lambda value: isinstance(value, dict)))
def test_a_message_is_taken_as_it_is(message: dict[str, Any]) -> None:
    assert made(message=message) == message


def test_a_message_is_a_copy() -> None:
    message = {"forecasted_blocks": [{"capacity": -1}]}
    body = made(message=message)
    body["forecasted_blocks"][0]["capacity"] = 1
    assert message == {"forecasted_blocks": [{"capacity": -1}]}


def test_a_message_may_be_typed_or_hold_typed_parts() -> None:
    typed = UpdateGroupCapacityForecast.from_capacities(
        "g", "OPTIMUM", NOW, timedelta(hours=1), [1]
    )
    assert made(message=typed) == typed.to_dict()
    parts = {"forecasted_blocks": typed.forecasted_blocks, "at": NOW}
    assert made(message=parts) == {
        "forecasted_blocks": typed.to_dict()["forecasted_blocks"],
        "at": "2026-05-04T15:30:00Z",
    }


def test_a_message_that_holds_itself_is_refused() -> None:
    message: dict[str, Any] = {}
    message["more"] = message
    assert "holds itself" in refused(message=message)
    with pytest.raises(InvalidValue, match="object cannot be written as JSON"):
        made(message={"a": object()})


# --- purposes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "count", "start"),
    [
        ("negotiation_assign_capacity", 24, "2026-05-05T00:00:00.000+08:00"),
        ("negotiation_reply_request_additional_capacity", 24, "2026-05-05T00:00:00.000+08:00"),
        ("emergency_assign_capacity", 1, "2026-05-04T23:30:00.000+08:00"),
    ],
)
def test_the_purposes_of_elmo(purpose: str, count: int, start: str) -> None:
    blocks = made("elmo", purpose=purpose, capacity=80)["forecasted_blocks"]
    assert len(blocks) == count
    assert blocks[0]["start_time"] == start
    assert {block["capacity"] for block in blocks} == {80}
    assert made("elmo", purpose=purpose, capacity=80, group="g")["group_id"] == "g"


# --- tables -------------------------------------------------------------------------------------

TABLE = """start_time,end_time,capacity
2026-05-04T16:00:00Z,2026-05-04T16:30:00Z,50
2026-05-04T16:30:00Z,2026-05-04T17:00:00Z,35.5
"""
EXPECTED = made(start="2026-05-04T16:00:00Z", step="30m", capacities=[50, 35.5])

TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "ends": (TABLE, {}),
    "carriage returns": (TABLE.replace("\n", "\r\n"), {}),
    "old line ends": (TABLE.replace("\n", "\r"), {}),
    "semicolons": (TABLE.replace(",", ";"), {}),
    "tabs": (TABLE.replace(",", "\t"), {}),
    "blanks": (TABLE.replace(",", " ,  "), {}),
    "empty rows": ("\n" + TABLE.replace("\n", "\n  \n"), {}),
    "quotes": ('"' + TABLE.strip().replace(",", '","').replace("\n", '"\n"') + '"\n', {}),
    "quotes with blanks": ('"start_time" , "end_time","capacity"\n' + TABLE.partition("\n")[2], {}),
    "a byte-order mark": ("\ufeff" + TABLE, {}),
    "upper case": (TABLE.replace("start_time,end_time", "Start_Time,END"), {}),
    "offsets": (TABLE.replace("T16:00:00Z", "T18:00:00+02:00"), {}),
    "steps": (
        "start,capacity\n2026-05-04T16:00:00Z,50\n2026-05-04T16:30:00Z,35.5\n",
        {"step": "30m"},
    ),
    "another order": (
        "capacity,unit,end_time,start_time,phase\n"
        "50,KW,2026-05-04T16:30:00Z,2026-05-04T16:00:00Z,ALL\n"
        "35.5,,2026-05-04T17:00:00Z,2026-05-04T16:30:00Z,\n",
        {},
    ),
}


@pytest.mark.parametrize(("table", "fields"), TABLES.values(), ids=TABLES)
def test_a_table(table: str, fields: dict[str, Any]) -> None:
    assert made(csv=table, **fields) == EXPECTED


def test_a_table_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    path.write_bytes(b"\xef\xbb\xbf" + TABLE.encode())
    assert made(csv=path) == made(csv=str(path)) == EXPECTED


def test_rows_may_differ_in_phase_and_unit() -> None:
    table = (
        "start,capacity,phase,unit\n"
        "2026-05-04T16:00:00Z,16,ONE,\n"
        "2026-05-04T16:00:00Z,10,,A\n"
        "2026-05-04T16:00:00Z,1,TWO,A\n"
    )
    blocks = made(csv=table, step="1h", unit="A", phase="THREE")["forecasted_blocks"]
    assert [(block["capacity"], block["phase"], block["unit"]) for block in blocks] == [
        (16, "ONE", "A"),
        (10, "THREE", "A"),
        (1, "TWO", "A"),
    ]


HEAD = "start_time,end_time,capacity,unit\n"
FIRST = "2026-05-04T16:00:00Z,2026-05-04T16:30:00Z,50,KW\n"
ARABIC_FIVE = "\u0665"
WRONG: dict[str, tuple[str, str]] = {
    "no column": ("start_time,end_time,kw\n", '1:21: "kw" is not a column: write start_time'),
    "a misspelt column": (
        "start_time,end_tim,capacity\n",
        '1:12: "end_tim" is not a column: did you mean "end_time"?',
    ),
    "a column twice": ("start,capacity,start_time\n", '1:16: duplicate column "start_time"'),
    "no capacity": ("start_time,end_time\n", '1:1: the column "capacity" is missing'),
    "no start": ("end_time,capacity\n", '1:1: the column "start_time" is missing'),
    "no end and no step": (
        "start,capacity\n2026-05-04T16:00:00Z,1\n",
        '1:1: the column "end_time" is missing: add it, or give a step',
    ),
    "no rows": (HEAD, ": there is no row below the first"),
    "nothing": ("\n \n", ": is empty: name the columns start_time,end_time,capacity"),
    "too few cells": (f"{HEAD}a,b\n", "2:1: 2 cells, 4 expected: start_time, end_time, capacity"),
    "a decimal comma": (
        f"{HEAD}\n{FIRST.replace('50', '50,5')}",
        "3:48: 5 cells, 4 expected: start_time, end_time, capacity, unit (a decimal comma is w",
    ),
    "no number": (f"{HEAD}{FIRST.replace('50', 'lots')}", '2:43: "lots" is not a number: write it'),
    "underscores": (f"{HEAD}{FIRST.replace('50', '5_0')}", '2:43: "5_0" is not a number'),
    "other digits": (
        f"{HEAD}{FIRST.replace('50', ARABIC_FIVE)}",
        f'2:43: "{ARABIC_FIVE}" is not a number',
    ),
    "infinite": (f"{HEAD}{FIRST.replace('50', 'inf')}", "2:43: inf is not a number that JSON"),
    "negative": (f"{HEAD}{FIRST.replace('50', '-1')}", "2:43: -1 is less than 0: the direction"),
    "no time": (
        f"{HEAD}{FIRST.replace('2026-05-04T16:30:00Z', 'x')}",
        '2:22: "x" is not a date-time',
    ),
    "no offset": (
        f"{HEAD}{FIRST.replace('16:30:00Z', '16:30:00')}",
        '2:22: "2026-05-04T16:30:00" has no offset: write it as 2026-03-01T18:00:00+01:00',
    ),
    "backwards": (
        f"{HEAD}{FIRST.replace('T16:30', 'T15:30')}",
        "2:22: the block does not end after it starts",
    ),
    "no length": (
        f"{HEAD}{FIRST.replace('T16:30', 'T16:00')}",
        "2:22: the block does not end after it starts",
    ),
    "a unit": (f"{HEAD}{FIRST.replace('KW', 'kW')}", '2:46: "kW" is not one of A, W, KW, WH, KWH'),
    "an open quote": (f'{HEAD}"{FIRST}', "2:1: a quote does not belong here: a cell is one line"),
    "text after a quote": (f'{HEAD}"a"b,c\n', "2:4: a quote does not belong here"),
    "a quote inside": (f'{HEAD}aa"b,c\n', "2:3: a quote does not belong here"),
    "an overlap": (
        f"{HEAD}{FIRST}\n{FIRST.replace('T16:00', 'T16:15')}",
        "4:1: overlaps the block of line 2: end one where the other starts",
    ),
}


@pytest.mark.parametrize(("table", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_in_a_table_is_shown_where_it_is(
    table: str, expected: str, tmp_path: Path
) -> None:
    text = refused(csv=table)
    assert text.startswith(f"csv:{expected}" if expected[0] != ":" else f"csv{expected}")
    path = tmp_path / "forecast.csv"
    path.write_text(table, encoding="utf-8")
    assert refused(csv=path) == text.replace("csv:", f"{path}:", 1)


def test_a_step_beside_end_times_is_refused() -> None:
    assert "the table has end_time and a step is given" in refused(csv=TABLE, step="15m")


def test_a_block_beyond_all_years_is_refused() -> None:
    table = "start,capacity\n9999-12-31T23:30:00Z,1\n"
    assert "2:1: the block ends after year 9999" in refused(csv=table, step="1h")


def test_all_mistakes_are_told_up_to_ten() -> None:
    rows = "".join(f"x,2026-05-04T16:30:00Z,{number},KW\n" for number in range(12))
    with pytest.raises(SourceError) as caught:
        made(csv=HEAD + rows)
    assert [each.line for each in caught.value.problems] == list(range(2, 12))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    assert refused(csv=str(missing)) == f"{missing}: cannot be read: No such file or directory"
    assert "cannot be read" in refused(csv=tmp_path)
    assert "cannot be read" in refused(csv="a\0b")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"start,capacity\n1,\xe4\n")
    assert refused(csv=latin) == f"{latin}:2:3: not UTF-8: save the table as UTF-8"


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_table_or_a_mistake_with_a_place(text: str) -> None:
    with pytest.raises(SourceError):
        made(csv=f"start_time,end_time,capacity\n{text}")


@given(st.lists(numbers(least=0), min_size=1, max_size=30))
def test_a_table_says_the_same_as_a_list(capacities: list[float]) -> None:
    listed = made(capacities=capacities, start=NOW, step="15m")
    rows = [
        f"{block['start_time']},{block['end_time']},{block['capacity']!r}"
        for block in listed["forecasted_blocks"]
    ]
    assert made(csv="\n".join(["start_time,end_time,capacity", *rows])) == listed


def test_no_file_is_read_for_who_only_controls_the_simulator(
    simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "private.csv"
    path.write_text("do-not-show,me\n")
    (provider,) = simulator.world.users[0].capacity_providers
    for table in (str(path), TABLE):
        answer = ask(
            simulator,
            "POST",
            f"/_sim/providers/{provider.id}/forecast",
            [("Content-Type", "application/json")],
            encoded({"csv": table}),
        )
        assert b"do-not-show" not in answer.body
        assert answer.status == (200 if table == TABLE else 400)

"""The rules that no schema can express: each finds its mistake and no other.

They are those of docs/protocol/oscp20.md §3.13.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.judgement import check
from oscp_send.meaning import judge_meaning
from oscp_send.testing import Sample, damaged, json_values, messages
from tests.cases.payloads import asset, block, energy, instantaneous
from tests.oscp_send.sender_world import in_short

NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)


def at(minute: int) -> str:
    return f"2031-03-01T{minute // 60:02}:{minute % 60:02}:00Z"


def span(start: int, end: int, **changes: object) -> dict[str, Any]:
    """Return a block from one minute of the day to another."""
    return block(start_time=at(start), end_time=at(end), **changes)


def blocks(*listed: object) -> dict[str, Any]:
    return {"forecasted_blocks": list(listed)}


def row(*minutes: int) -> dict[str, Any]:
    """Return blocks of these lengths, one after another, from midnight on."""
    ends = list(accumulate(minutes, initial=0))
    return blocks(*(span(*each) for each in pairwise(ends)))


def quarters(*capacities: float, **changes: object) -> dict[str, Any]:
    """Return quarter hours of these capacities, one after another, from midnight on."""
    starts = range(0, 15 * len(capacities), 15)
    return blocks(
        *(
            span(start, start + 15, capacity=amount, **changes)
            for start, amount in zip(starts, capacities, strict=True)
        )
    )


def readings(*listed: object) -> dict[str, Any]:
    return {"measurements": list(listed)}


def counted(value: object, minute: int, **changes: object) -> dict[str, Any]:
    """Return a reading of a counter that is never restarted."""
    entry = energy(value=value, measure_time=at(minute), direction="IMPORT", **changes)
    if "initial_measure_time" not in changes:
        del entry["initial_measure_time"]
    return entry


def behaviour(interval: object) -> dict[str, Any]:
    return {"required_behaviour": {"heartbeat_interval": interval}}


BLOCK = "/forecasted_blocks"
INTERVAL = "/required_behaviour/heartbeat_interval"

FOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "S1-no-length": (f"S1 error {BLOCK}/0/end_time", blocks(span(60, 60))),
    "S1-backwards": (f"S1 error {BLOCK}/1/end_time", blocks(span(0, 15), span(60, 45))),
    "S1-across-offsets": (
        f"S1 error {BLOCK}/0/end_time",
        blocks(block(start_time="2031-03-01T01:00:00Z", end_time="2031-03-01T01:30:00+01:00")),
    ),
    "S1-in-a-compliance-error": (
        f"S1 error {BLOCK}/0/end_time",
        {"message": "m", **blocks(span(60, 45))},
    ),
    "S2-overlap": (f"S2 error {BLOCK}/1", blocks(span(0, 30), span(15, 45))),
    "S2-same-twice": (f"S2 error {BLOCK}/1", blocks(span(0, 30), span(0, 30))),
    "S2-within": (f"S2 error {BLOCK}/2", blocks(span(0, 60), span(60, 90), span(15, 30))),
    "S2-behind-a-short-one": (
        f"S2 error {BLOCK}/2",
        blocks(span(0, 60), span(60, 61), span(50, 55)),
    ),
    "S3-gap": (f"S3 info {BLOCK}/1/start_time", blocks(span(0, 15), span(30, 45))),
    "S3-order": (f"S3 info {BLOCK}/1/start_time", blocks(span(15, 30), span(0, 15))),
    "S4-block": (f"S4 error {BLOCK}/0/start_time", blocks(block(start_time="2031-03-01T00:00:00"))),
    "S4-date-only": (
        "S4 error /measurements/0/measure_time",
        readings(energy(measure_time="2031-03-01")),
    ),
    "S4-heartbeat": ("S4 error /offline_mode_at", {"offline_mode_at": "2031-03-01 00:00:00"}),
    "S5-ampere-of-all": (f"S5 warning {BLOCK}/0/phase", blocks(span(0, 15, unit="A"))),
    "S6-phases-above-total": (
        f"S6 warning {BLOCK}/0/capacity",
        blocks(
            span(0, 15, capacity=10),
            span(0, 15, capacity=6, phase="ONE"),
            span(0, 15, capacity=6, phase="TWO"),
        ),
    ),
    "S6-all-phases-below-total": (
        f"S6 warning {BLOCK}/3/capacity",
        blocks(
            span(0, 15, capacity=3, phase="ONE"),
            span(0, 15, capacity=3, phase="TWO"),
            span(0, 15, capacity=3, phase="THREE"),
            span(0, 15, capacity=10),
        ),
    ),
    "S7-energy": (f"S7 info {BLOCK}/0/unit", blocks(span(0, 15, unit="KWH", capacity=10))),
    "S11-zero": (f"S11 error {INTERVAL}", behaviour(0)),
    "S11-negative": (f"S11 error {INTERVAL}", behaviour(-5)),
    "S11-half": (f"S11 error {INTERVAL}", behaviour(0.5)),
    "S11-fraction": (f"S11 warning {INTERVAL}", behaviour(1.5)),
    "S11-more-than-stored": (f"S11 warning {INTERVAL}", behaviour(32768)),
    "S11-more-than-a-double": (f"S11 warning {INTERVAL}", behaviour(10**400)),
    "S11-less-than-a-double": (f"S11 error {INTERVAL}", behaviour(-(10**400))),
    "S12-past": ("S12 warning /offline_mode_at", {"offline_mode_at": at(719)}),
    "S12-now": ("S12 warning /offline_mode_at", {"offline_mode_at": at(720)}),
    "S13-group": (
        "S13 error /measurements/0/initial_measure_time",
        readings(energy(initial_measure_time=at(30), measure_time=at(15))),
    ),
    "S13-asset": (
        "S13 error /measurements/0/energy_measurement/initial_measure_time",
        readings(
            asset(energy_measurement=energy(initial_measure_time=at(30), measure_time=at(15)))
        ),
    ),
    "S14-falling": ("S14 warning /measurements/1/value", readings(counted(10, 0), counted(9, 15))),
    "S14-not-in-order": (
        "S14 warning /measurements/0/value",
        readings(counted(9, 15), counted(10, 0)),
    ),
    "S14-asset-called-NET": (
        "S14 warning /measurements/1/energy_measurement/value",
        readings(
            {"asset_id": "NET", "energy_measurement": counted(10, 0)},
            {"asset_id": "NET", "energy_measurement": counted(9, 15)},
        ),
    ),
    "S14-total-left-out": (
        "S14 warning /measurements/1/value",
        readings(
            counted(10, 0, energy_type="TOTAL"),
            {k: v for k, v in counted(9, 15).items() if k != "energy_type"},
        ),
    ),
    "block-length-an-hour-too-long": (
        f"block-length warning {BLOCK}/1/end_time",
        row(15, 75, 15, 15),
    ),
    "block-length-an-hour-too-long-of-hours": (
        f"block-length warning {BLOCK}/2/end_time",
        row(60, 60, 120, 60, 60),
    ),
    "block-length-shorter": (f"block-length info {BLOCK}/2/end_time", row(15, 15, 10, 15)),
    "block-length-of-long-blocks": (
        f"block-length info {BLOCK}/1/end_time",
        row(120, 180, 120, 120),
    ),
    "block-length-not-in-order": (
        f"block-length warning {BLOCK}/0/end_time",
        blocks(span(15, 90), span(0, 15), span(105, 120), span(90, 105)),
    ),
    "block-length-of-one-phase": (
        f"block-length warning {BLOCK}/2/end_time",
        blocks(
            span(0, 15, phase="ONE"),
            span(0, 60),
            span(15, 90, phase="ONE"),
            span(90, 105, phase="ONE"),
            span(105, 120, phase="ONE"),
        ),
    ),
    "long-block": (
        f"long-block warning {BLOCK}/0/end_time",
        blocks(block(start_time="2031-03-01T00:00:00Z", end_time="2031-03-03T00:00:01Z")),
    ),
    "long-block-backwards-listed": (
        f"long-block warning {BLOCK}/1/end_time",
        blocks(
            span(15, 30), block(start_time="2031-03-02T00:00:00Z", end_time="2031-03-12T00:00:00Z")
        ),
    ),
    "capacity-scale-between": (
        f"capacity-scale warning {BLOCK}/1/capacity",
        quarters(42, 40_000, 38),
    ),
    "capacity-scale-a-thousandth": (
        f"capacity-scale warning {BLOCK}/1/capacity",
        quarters(42, 0.04, 38),
    ),
    "capacity-scale-first": (
        f"capacity-scale warning {BLOCK}/0/capacity",
        quarters(42_000, 42, 38),
    ),
    "capacity-scale-last": (f"capacity-scale warning {BLOCK}/2/capacity", quarters(40, 42, 42_000)),
    "capacity-scale-unit": (
        f"capacity-scale warning {BLOCK}/1/capacity",
        blocks(span(0, 15), span(15, 30, unit="W"), span(30, 45)),
    ),
    "capacity-scale-beside-zeros": (
        f"capacity-scale warning {BLOCK}/2/capacity",
        quarters(42, 0, 42_000, 0, 42),
    ),
    "capacity-scale-of-energy": (
        f"capacity-scale warning {BLOCK}/1/capacity",
        quarters(42, 40_000, 38, unit="WH"),
    ),
    "past-blocks-all": (
        f"past-blocks warning {BLOCK}/0/end_time",
        {"type": "CONSUMPTION", **blocks(span(690, 705), span(705, 720))},
    ),
    "past-blocks-some": (
        f"past-blocks info {BLOCK}/1/end_time",
        {"type": "CONSUMPTION", **blocks(span(720, 735), span(705, 720))},
    ),
}

# What comes close to a rule and is right.
NOT_FOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "S1-one-second": ("S1", blocks(block(start_time=at(0), end_time="2031-03-01T00:00:01Z"))),
    "S1-across-offsets": (
        "S1",
        blocks(block(start_time="2031-03-01T01:30:00+01:00", end_time="2031-03-01T01:00:00Z")),
    ),
    "S2-one-after-another": ("S2", blocks(span(0, 15), span(15, 30))),
    "S2-other-phase": ("S2", blocks(span(0, 15, phase="ONE"), span(0, 15, phase="TWO"))),
    "S2-other-unit": ("S2", blocks(span(0, 15), span(0, 15, unit="KWH"))),
    "S2-left-to-S1": ("S2", blocks(span(0, 15), span(10, 10))),
    "S3-without-gap": ("S3", blocks(span(0, 15), span(15, 30), span(30, 31))),
    "S3-covered-by-a-long-one": ("S3", blocks(span(0, 60), span(0, 15), span(60, 75))),
    "S4-zulu": ("S4", blocks(span(0, 15))),
    "S4-offset": ("S4", {"offline_mode_at": "2031-03-01T00:00:00+02:00"}),
    "S4-no-time-at-all": ("S4", {"offline_mode_at": "later"}),
    "S4-not-a-time-field": ("S4", {"comment": "2031-03-01"}),
    "S5-one-phase": ("S5", blocks(span(0, 15, unit="A", phase="ONE"))),
    "S5-unknown-phase": ("S5", blocks(span(0, 15, unit="A", phase="UNKNOWN"))),
    "S5-power-of-all": ("S5", blocks(span(0, 15))),
    "S6-adds-up": (
        "S6",
        blocks(
            span(0, 15, capacity=0.3),
            span(0, 15, capacity=0.1, phase="ONE"),
            span(0, 15, capacity=0.1, phase="TWO"),
            span(0, 15, capacity=0.1, phase="THREE"),
        ),
    ),
    "S6-some-phases-below": (
        "S6",
        blocks(span(0, 15, capacity=10), span(0, 15, capacity=3, phase="ONE")),
    ),
    "S6-other-interval": (
        "S6",
        blocks(span(0, 15, capacity=1), span(15, 30, capacity=6, phase="ONE")),
    ),
    "S6-currents-do-not-add": (
        "S6",
        blocks(span(0, 15, unit="A", capacity=1), span(0, 15, unit="A", capacity=6, phase="ONE")),
    ),
    "S7-power": ("S7", blocks(span(0, 15), span(15, 30, unit="W"))),
    "S11-one": ("S11", behaviour(1)),
    "S11-largest": ("S11", behaviour(32767)),
    "S11-whole-float": ("S11", behaviour(60.0)),
    "S11-left-out": ("S11", {"required_behaviour": {}}),
    "S11-refused-by-the-schema": ("S11", behaviour("0")),
    "S11-boolean": ("S11", behaviour(False)),
    "S12-ahead": ("S12", {"offline_mode_at": at(721)}),
    "S12-ahead-by-its-offset": ("S12", {"offline_mode_at": "2031-03-01T11:30:00-01:00"}),
    "S13-at-once": ("S13", readings(energy(initial_measure_time=at(15), measure_time=at(15)))),
    "S13-left-out": ("S13", readings(counted(1, 0))),
    "S14-rising": ("S14", readings(counted(10, 0), counted(10, 15), counted(11, 30))),
    "S14-more-than-a-double": ("S14", readings(counted(10**400, 0), counted(9, 15))),
    "S14-restarted": (
        "S14",
        readings(
            counted(10, 15, initial_measure_time=at(0)), counted(1, 30, initial_measure_time=at(15))
        ),
    ),
    "S14-net-may-fall": (
        "S14",
        readings({**counted(10, 0), "direction": "NET"}, {**counted(9, 15), "direction": "NET"}),
    ),
    "S14-other-phase": ("S14", readings(counted(10, 0, phase="ONE"), counted(9, 15, phase="TWO"))),
    "S14-other-asset": (
        "S14",
        readings(
            {"asset_id": "a", "energy_measurement": counted(10, 0)},
            {"asset_id": "b", "energy_measurement": counted(9, 15)},
        ),
    ),
    "S14-power-is-no-counter": (
        "S14",
        readings(
            {"asset_id": "a", "instantaneous_measurement": instantaneous(value=10)},
            {"asset_id": "a", "instantaneous_measurement": instantaneous(value=9)},
        ),
    ),
    "block-length-first-is-cut": ("block-length", row(10, 15, 15, 15)),
    "block-length-last-is-cut": ("block-length", row(15, 15, 15, 5)),
    "block-length-of-three": ("block-length", row(60, 15, 60)),
    "block-length-two-of-another": ("block-length", row(15, 15, 60, 60, 15, 15, 15)),
    "block-length-as-often": ("block-length", row(15, 60, 15, 60, 15, 60)),
    "block-length-other-phase": (
        "block-length",
        blocks(*row(15, 15, 15, 15)["forecasted_blocks"], span(15, 90, phase="ONE")),
    ),
    "long-block-two-days": (
        "long-block",
        blocks(block(start_time="2031-03-01T00:00:00Z", end_time="2031-03-03T00:00:00Z")),
    ),
    "capacity-scale-below-500": ("capacity-scale", quarters(42, 20_000, 42)),
    "capacity-scale-rising-sun": ("capacity-scale", quarters(0.002, 1.5, 4, 5, 4.5)),
    "capacity-scale-one-neighbour": ("capacity-scale", quarters(42, 42_000)),
    "capacity-scale-unlike-neighbours": ("capacity-scale", quarters(42_000, 42, 1)),
    "capacity-scale-zeros": ("capacity-scale", quarters(0, 42_000, 0)),
    "capacity-scale-units-agree": (
        "capacity-scale",
        blocks(span(0, 15), span(15, 30, unit="W", capacity=10_500), span(30, 45)),
    ),
    "capacity-scale-other-phase": (
        "capacity-scale",
        blocks(span(0, 15), span(0, 15, phase="ONE", capacity=10_500), span(15, 30)),
    ),
    "capacity-scale-other-quantity": (
        "capacity-scale",
        blocks(
            span(0, 15, unit="A", phase="ONE"),
            span(15, 30, phase="ONE", capacity=10_500),
            span(30, 45, unit="A", phase="ONE"),
        ),
    ),
    "past-blocks-not-yet": ("past-blocks", {"type": "GENERATION", **blocks(span(705, 721))}),
    "past-blocks-of-a-compliance-error": ("past-blocks", {"message": "m", **blocks(span(0, 15))}),
}


def found(message: object) -> list[str]:
    return in_short(judge_meaning(message, NOW))


def rules(message: object) -> list[str]:
    return [each.rule for each in judge_meaning(message, NOW)]


@pytest.mark.parametrize(("finding", "message"), FOUND.values(), ids=FOUND)
def test_it_is_found_where_it_is(finding: str, message: dict[str, Any]) -> None:
    rule, _, _ = finding.partition(" ")
    assert [each for each in found(message) if each.startswith(f"{rule} ")] == [finding]


@pytest.mark.parametrize(("rule", "message"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_comes_close_is_not_found(rule: str, message: dict[str, Any]) -> None:
    assert rule not in rules(message)


def test_every_finding_of_meaning_says_what_to_do() -> None:
    for _, message in FOUND.values():
        for finding in judge_meaning(message, NOW):
            assert finding.layer == "meaning"
            assert finding.message
            assert finding.hint


def test_the_feel_of_it() -> None:
    finding = next(iter(judge_meaning(blocks(span(1080, 1065)), NOW)))
    assert finding.message == "ends before it starts (18:00 to 17:45)"
    assert finding.hint == "SolarNetwork would let this through; a grid operator will not"


def test_days_are_shown_where_they_differ() -> None:
    day_before = block(start_time="2031-03-01T00:00:00Z", end_time="2031-02-28T23:45:00Z")
    (finding,) = judge_meaning(blocks(day_before), NOW)
    assert finding.message == "ends before it starts (2031-03-01 00:00 to 2031-02-28 23:45)"


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "length": (
        row(15, 75, 15, 15),
        "00:15 to 01:30 is 75 min long, the blocks before and after it 15 min",
    ),
    "long": (
        blocks(block(start_time="2031-03-01T00:00:00Z", end_time="2031-03-11T12:00:00Z")),
        "is 10.5 days long (2031-03-01 00:00 to 2031-03-11 12:00)",
    ),
    "times": (
        quarters(42, 42_000, 38),
        "42000 KW is 1,000 times the 42 KW of /forecasted_blocks/0",
    ),
    "of": (quarters(42, 0.042, 38), "0.042 KW is 1/1,000 of the 42 KW of /forecasted_blocks/0"),
    "all": (
        {"type": "OPTIMUM", **blocks(span(0, 15))},
        "every block has ended, the last at 2031-03-01 00:15 UTC",
    ),
    "some": (
        {"type": "OPTIMUM", **blocks(span(0, 15), span(15, 30), span(30, 721))},
        "2 of 3 blocks have ended, the last at 2031-03-01 00:30 UTC",
    ),
}


@pytest.mark.parametrize(("message", "text"), ODD.values(), ids=ODD)
def test_what_is_odd_is_shown(message: dict[str, Any], text: str) -> None:
    assert [each.message for each in judge_meaning(message, NOW)] == [text]


def test_blocks_are_past_only_for_who_says_what_time_it_is() -> None:
    text = json.dumps({"group_id": "g", "type": "CONSUMPTION", **blocks(span(0, 15))})
    plain = check("AdjustGroupCapacityForecast", text.replace("2031", "2021"))
    later = check("AdjustGroupCapacityForecast", text, now=NOW)
    assert [each.rule for each in plain.findings] == []
    assert [each.rule for each in later.findings] == ["past-blocks"]
    assert later.accepted
    past = {"group_id": "g", "type": "CONSUMPTION", **blocks(span(0, 15))}
    assert list(judge_meaning(past, NOW, past_blocks=False)) == []


def test_energy_is_shown_as_power() -> None:
    (finding,) = judge_meaning(blocks(span(0, 15, unit="KWH", capacity=10)), NOW)
    assert "10 KWH in this block is 40 kW" in finding.message


@pytest.mark.parametrize(("step", "count"), [(15, 96), (15, 92), (15, 100), (60, 23)], ids=str)
def test_a_day_without_mistakes_has_no_findings(step: int, count: int) -> None:
    def moment(index: int) -> str:
        day, minute = divmod(index * step, 24 * 60)
        return f"2031-03-{day + 1:02}T{minute // 60:02}:{minute % 60:02}:00Z"

    day = [block(start_time=moment(index), end_time=moment(index + 1)) for index in range(count)]
    assert found(blocks(*day)) == []


def test_a_mistake_in_one_block_does_not_hide_one_in_another() -> None:
    message = blocks(span(60, 45), "no block", {"start_time": None}, span(0, 30), span(15, 45))
    assert rules(message) == ["S1", "S2", "S3"]


def test_after_a_thousand_findings_only_new_rules_are_listed() -> None:
    wrong = [span(30, 15)] * 2000
    listed = [each.rule for each in judge_meaning(blocks(*wrong, span(0, 30), span(15, 45)), NOW)]
    assert listed == ["S1"] * 1000 + ["S2", "S3", "more"]
    *_, last = judge_meaning(blocks(*wrong), NOW)
    assert (last.severity, last.layer) == ("info", "meaning")
    assert last.message == "1,000 more findings are not listed: correct these first"


@pytest.mark.parametrize("message", [None, [], "text", 1, {}, blocks(), {"measurements": {}}])
def test_what_has_no_meaning_has_no_findings(message: object) -> None:
    assert found(message) == []


@given(json_values())
def test_any_json_is_judged(value: object) -> None:
    for key in ("forecasted_blocks", "measurements", "required_behaviour", "offline_mode_at"):
        list(judge_meaning({key: value}, NOW))
        list(judge_meaning({key: [value, {"energy_measurement": value}]}, NOW))


@given(messages(sound=False), st.data())
def test_any_message_damaged_or_not_is_judged(sample: Sample, data: st.DataObject) -> None:
    list(judge_meaning(sample.message, NOW))
    list(judge_meaning(data.draw(damaged(st.just(sample))).message, NOW))


def test_meaning_never_decides_the_verdict() -> None:
    text = '{"message":"m","forecasted_blocks":[' + str(span(60, 45)).replace("'", '"') + "]}"
    judgement = check("GroupCapacityComplianceError", text)
    assert judgement.accepted
    assert [each.rule for each in judgement.of_severity("error")] == ["S1"]


def test_a_heartbeat_is_held_against_the_time_that_is_given() -> None:
    text = '{"offline_mode_at":"2031-03-01T12:00:00Z"}'
    late = check("Heartbeat", text, now=datetime(2031, 3, 2, tzinfo=UTC))
    early = check("Heartbeat", text, now=datetime(2031, 2, 28, tzinfo=UTC))
    assert "S12" in [each.rule for each in late.findings]
    assert "S12" not in [each.rule for each in early.findings]

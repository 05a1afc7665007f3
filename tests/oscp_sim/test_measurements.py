"""The measurements that the Flexibility Provider sends: oscp20.md §5.7."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_schemas import judge, read
from oscp_schemas.date_time import Fidelity
from oscp_sim.http import Response
from tests.oscp_sim.peers import (
    CO_URL,
    CP_URL,
    ERROR,
    SILENT,
    START,
    Peers,
    group,
    optimizer,
    peers,
    provider,
    world,
)
from tests.oscp_sim.rig import shared_of

HOUR = START.replace(minute=0, second=0)
NOON = "2026-03-01T12:00:00Z"
METER = {
    "node_id": 1,
    "source_id": "/meter",
    "start": "2026-03-01T11:00:00Z",
    "step": "1m",
    "values": {"wattHours": [0, 1000], "watts": [60_000]},
    "repeat": "increments",
}
ENERGY = {
    "property_names": ["wattHours"],
    "unit": "kWh",
    "statistic_type": "Difference",
    "multiplier": 0.001,
    "type": "Total",
    "direction": "Net",
}
POWER = {
    "property_names": ["watts"],
    "unit": "kW",
    "statistic_type": "Average",
    "multiplier": 0.001,
}
BY_ASSET = {"group-asset-measurement": True}


def asset(number: int = 1, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    return {
        "id": number,
        "name": f"Charger {number}",
        "capacity_group": 19,
        "identifier": f"charger-{number}",
        "audience": "CapacityProvider",
        "node_id": 1,
        "source_id": "/meter",
        "category": "Charging",
        "phase": "All",
        "energy": ENERGY,
        **more,
    }


def metered(
    assets: Sequence[dict[str, Any]] | None = None,
    *,
    of_group: dict[str, Any] | None = None,
    of_provider: dict[str, Any] | None = None,
    of_optimizer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A world with a group whose windows begin at noon, and with assets in it."""
    date = {
        "capacity_provider_measurement_date": NOON,
        "capacity_optimizer_measurement_date": NOON,
    }
    return world(
        [provider(**(of_provider or {}))],
        [optimizer(**(of_optimizer or {}))],
        [group(**{**date, **(of_group or {})})],
        assets=[asset()] if assets is None else list(assets),
        datum_streams=[METER],
    )


def times(there: Peers, url: str = CP_URL) -> list[str]:
    return [f"{each.at:%H:%M:%S}" for each in there.to(url)]


def ends(there: Peers) -> list[str]:
    """The last measured moment of each message."""
    return [each.json["measurements"][-1]["measure_time"][11:16] for each in there.sent]


def date(there: Peers) -> datetime | None:
    (of,) = there.simulator.world.users[0].capacity_groups
    return of.capacity_provider_measurement_date


def of_period(period: str) -> dict[str, Any]:
    return {
        "capacity_provider_measurement_period": period,
        "capacity_optimizer_measurement_period": period,
    }


# --- when --------------------------------------------------------------------------------------

PERIODS = {
    "Minute": 1,
    "FiveMinute": 5,
    "TenMinute": 10,
    "FifteenMinute": 15,
    "TwentyMinute": 20,
    "ThirtyMinute": 30,
    "Hour": 60,
}


@pytest.mark.parametrize(("period", "minutes"), PERIODS.items())
def test_each_period_is_told_at_the_next_odd_minute(period: str, minutes: int) -> None:
    with peers(metered(of_group=of_period(period))) as there:
        there.clock.advance(timedelta(minutes=122))
        assert len(there.sent) == 121 // minutes
        for number, sent in enumerate(there.sent, start=1):
            end = HOUR + timedelta(minutes=number * minutes)
            tick = end.replace(second=50)
            assert sent.at == tick + timedelta(minutes=(end.minute + 1) % 2)


def test_providers_at_second_50_and_optimizers_at_second_20() -> None:
    assets = [asset(1), asset(2, audience="CapacityOptimizer")]
    with peers(metered(assets, of_group=of_period("FiveMinute"))) as there:
        there.clock.advance(timedelta(minutes=13))
        assert times(there, CP_URL) == ["12:05:50", "12:11:50"]
        assert times(there, CO_URL) == ["12:05:20", "12:11:20"]
        assert {each.url.rpartition("/")[2] for each in there.sent} == {"update_group_measurements"}


def test_missed_windows_are_caught_up_with_one_by_one() -> None:
    past = {"capacity_provider_measurement_date": "2026-03-01T11:00:00Z"}
    with peers(metered(of_group=past)) as there:
        there.clock.advance(timedelta(minutes=2))
        assert times(there) == ["12:01:50"] * 4
        assert ends(there) == ["11:15", "11:30", "11:45", "12:00"]
        assert date(there) == HOUR
        assert there.simulator.pending == 0


def test_a_group_that_was_never_told_begins_with_the_last_whole_window() -> None:
    of = metered(of_group={"capacity_provider_measurement_date": None})
    del of["users"][0]["capacity_groups"][0]["capacity_provider_measurement_date"]
    with peers(of, start=START.replace(minute=7)) as there:
        there.clock.advance(timedelta(minutes=3))
        assert times(there) == ["12:07:50"]
        assert ends(there) == ["12:00"]
        assert date(there) == HOUR


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (metered(), True),
        (metered([]), False),
        (metered([asset(enabled=False)]), False),
        (metered([asset(enabled=False), asset(2)]), True),
        (metered([asset(audience="CapacityOptimizer")]), False),
        (metered(of_group={"enabled": False}), False),
        (metered(of_provider={"enabled": False}), False),
        (metered(of_provider={"registration_status": "Pending"}), False),
        (metered(of_provider={"registration_status": "Failed"}), False),
        (metered(of_group={"capacity_provider_measurement_date": "9999-12-31T23:59:00Z"}), False),
    ],
)
def test_which_groups_are_told(of: dict[str, Any], *, told: bool) -> None:
    with peers(of) as there:
        schedule = shared_of(there.simulator).schedule
        there.clock.advance(timedelta(minutes=16))
        assert bool(there.to(CP_URL)) == told
        may_be_told = of["users"][0]["assets"] and not there.notes
        if not told and may_be_told and not there.to(CO_URL):
            assert schedule.next_due is None


@given(st.sampled_from(sorted(PERIODS)), st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_windows_follow_each_other_without_gap_or_overlap(period: str, steps: list[int]) -> None:
    with peers(metered(of_group=of_period(period))) as there:
        for step in steps:
            there.clock.advance(step)
        spans = [each.json["measurements"][0] for each in there.sent]
        expected = HOUR
        for span in spans:
            assert datetime.fromisoformat(span["initial_measure_time"]) == expected
            expected += timedelta(minutes=PERIODS[period])
            assert datetime.fromisoformat(span["measure_time"]) == expected
        assert date(there) == expected
        for sent, span in zip(there.sent, spans, strict=True):
            assert datetime.fromisoformat(span["measure_time"]) <= sent.at


# --- what --------------------------------------------------------------------------------------


def test_the_request_to_the_letter() -> None:
    with peers(metered()) as there:
        there.clock.advance(timedelta(minutes=16))
        (entry,) = there.exchanges
    (sent,) = there.sent
    assert sent.url == f"{CP_URL}/3/update_group_measurements"
    assert sent.headers["Authorization"] == "Token cp-token-3"
    assert uuid.UUID(sent.headers["X-Request-ID"]).version == 4
    assert sent.body.decode() == (
        '{"group_id":"depot-7","measurements":[{"value":15.0,"phase":"ALL","unit":"KWH",'
        '"direction":"NET","energy_type":"TOTAL","measure_time":"2026-03-01T12:15:00.000Z",'
        '"initial_measure_time":"2026-03-01T12:00:00.000Z"}]}'
    )
    assert (entry.action, entry.peer) == ("UpdateGroupMeasurements", "capacity_provider")
    assert judge("UpdateGroupMeasurements", read(sent.body)) == []


def group_measurement(of: dict[str, Any]) -> list[dict[str, Any]]:
    with peers(of) as there:
        there.clock.advance(timedelta(minutes=16))
        (sent,) = there.sent
    found: list[dict[str, Any]] = sent.json["measurements"]
    return found


@pytest.mark.parametrize(
    ("phase", "shown"),
    {"Unknown": "UNKNOWN", "A": "ONE", "B": "TWO", "C": "THREE", "All": "ALL"}.items(),
)
def test_the_phases(phase: str, shown: str) -> None:
    assert group_measurement(metered([asset(phase=phase)]))[0]["phase"] == shown


@pytest.mark.parametrize("direction", ["Net", "Import", "Export"])
@pytest.mark.parametrize("kind", ["Flexible", "NonFlexible", "Total"])
def test_direction_and_type_of_energy(direction: str, kind: str) -> None:
    energy = {**ENERGY, "direction": direction, "type": kind, "unit": "Wh"}
    (found,) = group_measurement(metered([asset(energy=energy)]))
    assert (found["direction"], found["energy_type"]) == (direction.upper(), kind.upper())
    assert found["unit"] == "WH"


@pytest.mark.parametrize(
    ("styles", "statistic", "there"),
    [
        (["Intermittent"], "End", True),
        (["Continuous", "Intermittent"], "End", True),
        (["Continuous"], "End", False),
        ([], "End", False),
        ([], "Difference", True),
        (["Continuous"], "Difference", True),
    ],
)
def test_since_when_it_counts(styles: list[str], statistic: str, *, there: bool) -> None:
    energy = {**ENERGY, "statistic_type": statistic}
    settings = {"settings": {"measurement_styles": styles}}
    (found,) = group_measurement(metered([asset(energy=energy)], of_provider=settings))
    assert ("initial_measure_time" in found) == there
    assert found["measure_time"] == "2026-03-01T12:15:00.000Z"


def test_what_was_not_measured_is_zero() -> None:
    (found,) = group_measurement(metered([asset(source_id="/nothing")]))
    assert found["value"] == 0.0


def test_each_asset_is_one_measurement() -> None:
    other = {**ENERGY, "multiplier": 0.002}
    found = group_measurement(metered([asset(1), asset(2, energy=other)]))
    assert [each["value"] for each in found] == [15.0, 30.0]


def test_a_list_may_be_empty_though_the_schema_forbids_it() -> None:
    power = asset(instantaneous=POWER)
    del power["energy"]
    with peers(metered([power])) as there:
        there.clock.advance(timedelta(minutes=16))
        (sent,) = there.sent
        assert sent.json == {"group_id": "depot-7", "measurements": []}
        assert judge("UpdateGroupMeasurements", read(sent.body)) != []
        assert date(there) == HOUR + timedelta(minutes=15)


@pytest.mark.parametrize("value", [True, "true", "True", "yes", "1", 1])
def test_a_system_may_want_each_asset(value: object) -> None:
    props = {"service_props": {"group-asset-measurement": value}}
    # The world's schema knows booleans only; the configuration API takes what it is given.
    of = metered([asset(instantaneous=POWER), asset(2, category="Storage")])
    with peers(of) as there:
        shared = shared_of(there.simulator)
        (system,) = shared.world.users[0].capacity_providers
        shared.change_system(42, system, **props)
        there.clock.advance(timedelta(minutes=16))
        (sent,) = there.sent
    assert sent.url == f"{CP_URL}/3/update_asset_measurements"
    energy = {
        "value": 15.0,
        "phase": "ALL",
        "unit": "KWH",
        "direction": "NET",
        "energy_type": "TOTAL",
        "measure_time": "2026-03-01T12:15:00.000Z",
        "initial_measure_time": "2026-03-01T12:00:00.000Z",
    }
    power = {
        "value": 60.0,
        "phase": "ALL",
        "unit": "KW",
        "measure_time": "2026-03-01T12:15:00.000Z",
    }
    assert sent.json["measurements"] == [
        {
            "asset_id": "charger-1",
            "asset_category": "CHARGING",
            "energy_measurement": energy,
            "instantaneous_measurement": power,
        },
        {"asset_id": "charger-2", "asset_category": "STORAGE", "energy_measurement": energy},
    ]
    assert judge("UpdateAssetMeasurement", read(sent.body)) == []


@pytest.mark.parametrize("value", [False, "false", "no", "0", 0, None, "", [], {}])
def test_what_is_no_yes_is_no(value: object) -> None:
    with peers(metered()) as there:
        shared = shared_of(there.simulator)
        (system,) = shared.world.users[0].capacity_providers
        shared.change_system(42, system, service_props={"group-asset-measurement": value})
        there.clock.advance(timedelta(minutes=16))
        assert there.sent[0].url.endswith("/update_group_measurements")


def test_an_optimizer_may_want_each_asset_too() -> None:
    of = metered([asset(audience="CapacityOptimizer")], of_optimizer={"service_props": BY_ASSET})
    with peers(of) as there:
        there.clock.advance(timedelta(minutes=16))
        assert [each.url for each in there.sent] == [f"{CO_URL}/1/update_asset_measurements"]
        (entry,) = there.exchanges
        assert (entry.action, entry.peer) == ("UpdateAssetMeasurement", "capacity_optimizer")


@pytest.mark.parametrize(
    ("key", "props", "path"),
    [
        ("UpdateGroupMeasurements", {}, "/update_group_measurements"),
        ("UpdateAssetMeasurements", BY_ASSET, "/update_asset_measurements"),
    ],
)
def test_url_paths_say_where(key: str, props: dict[str, Any], path: str) -> None:
    for paths, expected in (({key: "/alt/m"}, "/alt/m"), ({"UpdateAssetMeasurement": "/x"}, path)):
        service_props = {**props, "url-paths": paths}
        with peers(metered(of_provider={"service_props": service_props})) as there:
            there.clock.advance(timedelta(minutes=16))
            assert there.sent[0].url == f"{CP_URL}/3{expected}"


# --- combined ----------------------------------------------------------------------------------

WH = {**ENERGY, "unit": "Wh", "multiplier": 1}


@pytest.mark.parametrize(
    ("of_group", "of_provider"),
    [
        ({"group-combined-asset-id": "depot"}, {}),
        ({}, {"group-combined-asset-id": "depot"}),
        ({"group-combined-asset-id": "depot"}, {"group-combined-asset-id": "other"}),
    ],
)
def test_assets_may_be_one(of_group: dict[str, Any], of_provider: dict[str, Any]) -> None:
    assets = [asset(1, instantaneous=POWER), asset(2, energy=WH, instantaneous=POWER), asset(3)]
    props = {"service_props": of_provider | BY_ASSET}
    with peers(metered(assets, of_group={"service_props": of_group}, of_provider=props)) as there:
        there.clock.advance(timedelta(minutes=16))
        (found,) = there.sent[0].json["measurements"]
    assert (found["asset_id"], found["asset_category"]) == ("depot", "CHARGING")
    assert found["energy_measurement"]["value"] == 45.0
    assert found["energy_measurement"]["unit"] == "KWH"
    assert found["instantaneous_measurement"]["value"] == 120.0


def test_a_groups_measurements_may_be_one() -> None:
    props = {"service_props": {"group-combined-asset-id": "depot"}}
    (found,) = group_measurement(metered([asset(1, energy=WH), asset(2)], of_group=props))
    assert (found["value"], found["unit"]) == (30_000.0, "WH")


def test_amperes_and_watts_are_not_added_up() -> None:
    amperes = {**POWER, "unit": "A"}
    assets = [asset(1, instantaneous=POWER), asset(2, instantaneous=amperes)]
    props = {"service_props": {**BY_ASSET, "group-combined-asset-id": "depot"}}
    with peers(metered(assets, of_provider=props)) as there:
        there.clock.advance(timedelta(minutes=18))
        assert there.sent == []
        assert "cannot be combined into one" in there.notes[0]


# --- failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ERROR, SILENT])
def test_a_failure_is_tried_again_and_nothing_is_lost(failure: Any) -> None:  # noqa: ANN401
    with peers(metered(of_group=of_period("FiveMinute"))) as there:
        there.answers = [failure] * 3
        there.clock.advance(timedelta(minutes=11, seconds=30))
        assert times(there) == ["12:05:50", "12:07:50", "12:09:50"]
        assert ends(there) == ["12:05"] * 3
        assert date(there) == HOUR
        assert len(there.notes) == 3
        there.clock.advance(timedelta(minutes=1))
        assert times(there)[3:] == ["12:11:50", "12:11:50"]
        assert ends(there)[3:] == ["12:05", "12:10"]
        assert date(there) == HOUR + timedelta(minutes=10)
        assert len({each.headers["X-Request-ID"] for each in there.sent}) == 5


@pytest.mark.parametrize(
    ("period", "works"),
    [
        ("Minute", False),
        ("FiveMinute", True),
        ("TenMinute", True),
        ("FifteenMinute", True),
        ("TwentyMinute", False),
        ("ThirtyMinute", True),
        ("Hour", True),
    ],
)
def test_instantaneous_properties_work_with_some_periods_only(period: str, *, works: bool) -> None:
    of = metered(
        [asset(instantaneous=POWER)],
        of_group=of_period(period),
        of_provider={"service_props": BY_ASSET},
    )
    with peers(of) as there:
        there.clock.advance(timedelta(minutes=62))
        assert bool(there.sent) == works
        assert (date(there) == HOUR) != works
        if not works:
            assert "cannot be measured every" in there.notes[0]
            # At the end of the first window, and at every odd minute from then on.
            assert len(there.notes) == {"Minute": 31, "TwentyMinute": 21}[period]


def two_groups(first: dict[str, Any]) -> dict[str, Any]:
    """A world with an asset in one group, and a usual one in the group behind it."""
    of = metered([first, asset(2, capacity_group=20)], of_group=of_period("Minute"))
    user = of["users"][0]
    second = {**user["capacity_groups"][0], "id": 20, "identifier": "depot-8"}
    user["capacity_groups"].append(second)
    return of


@pytest.mark.parametrize(("fidelity", "told"), [("documented", {"depot-8"}), ("observed", set())])
def test_a_group_that_cannot_be_measured(fidelity: Fidelity, told: set[str]) -> None:
    of = two_groups(asset(1, energy={**ENERGY, "unit": "kW"}))
    with peers(of, fidelity=fidelity) as there:
        there.clock.advance(timedelta(minutes=6))
        assert {each.json["group_id"] for each in there.sent} == told
        assert there.notes[0].startswith(
            "Grid 3 did not get its measurements: asset charger-1: kW is not a unit of energy; "
        )
        assert "no group behind it is served" in there.notes[0]


@pytest.mark.parametrize(("fidelity", "told"), [("documented", {"depot-8"}), ("observed", set())])
def test_a_group_whose_measurements_cannot_be_sent(fidelity: Fidelity, told: set[str]) -> None:
    with peers(two_groups(asset(1)), fidelity=fidelity) as there:
        there.decide = lambda sent: ERROR if b"depot-7" in sent.body else None
        there.clock.advance(timedelta(minutes=6))
        assert {each.json["group_id"] for each in there.sent} == {"depot-7", *told}


@pytest.mark.parametrize(
    ("fidelity", "told"), [("documented", ["depot-7", "depot-8"]), ("observed", [])]
)
def test_a_period_without_instantaneous_values(fidelity: Fidelity, told: list[str]) -> None:
    of = two_groups(asset(1, instantaneous=POWER))
    with peers(of, fidelity=fidelity) as there:
        there.clock.advance(timedelta(minutes=2))
        assert [each.json["group_id"] for each in there.sent] == told
        assert "cannot be measured every 1 minutes" in there.notes[0]


INCOMPLETE = [
    {**ENERGY, "type": None, "direction": "Import"},
    {**ENERGY, "direction": None, "type": "Total"},
]


@pytest.mark.parametrize("energy", INCOMPLETE)
@pytest.mark.parametrize(("fidelity", "count"), [("documented", 1), ("observed", 0)])
def test_energy_without_type_or_direction(
    fidelity: Fidelity, count: int, energy: dict[str, Any]
) -> None:
    of = metered([asset(energy={name: each for name, each in energy.items() if each})])
    with peers(of, fidelity=fidelity) as there:
        there.clock.advance(timedelta(minutes=16))
        assert len(there.sent[0].json["measurements"]) == count
        (note,) = there.notes
        assert note.startswith("asset charger-1: its energy has no type or no direction")


@pytest.mark.parametrize(
    ("of", "documented"),
    [
        (metered([asset(enabled=False)]), None),
        (metered(of_group={"enabled": False}), None),
        (metered([asset(enabled=False), asset(2)]), 1),
    ],
)
def test_what_is_disabled_is_measured_as_observed(
    of: dict[str, Any], documented: int | None
) -> None:
    for fidelity, count in {
        "documented": documented,
        "observed": len(of["users"][0]["assets"]),
    }.items():
        with peers(of, fidelity=cast("Fidelity", fidelity)) as there:
            there.clock.advance(timedelta(minutes=16))
            assert [len(each.json["measurements"]) for each in there.sent] == (
                [count] if count else []
            )
            assert there.notes[0].startswith("asset charger-1: it, or its group, is disabled")
            assert date(there) == HOUR + timedelta(minutes=15)


def test_another_version_is_a_failure() -> None:
    with peers(metered(of_provider={"oscp_version": "1.0"})) as there:
        there.clock.advance(timedelta(minutes=16))
        assert there.sent == []
        assert date(there) == HOUR
        assert "OSCP version 1.0 is not supported" in there.notes[0]


def test_without_a_base_url_nothing_is_sent_and_it_counts() -> None:
    with peers(metered(of_provider={"base_url": None})) as there:
        there.clock.advance(timedelta(minutes=31))
        assert there.sent == []
        assert date(there) == HOUR + timedelta(minutes=15)
        assert len(there.notes) == 1


def test_a_late_answer_is_waited_for() -> None:
    with peers(metered(of_group=of_period("FiveMinute"))) as there:
        there.answers = [Response(204, reason="", after=10.0)]
        there.clock.advance(timedelta(minutes=5, seconds=50))
        assert date(there) == HOUR
        there.clock.advance(timedelta(seconds=10))
        assert date(there) == HOUR + timedelta(minutes=5)


def test_a_clock_that_runs_for_long_keeps_up() -> None:
    with peers(metered(of_group=of_period("Hour"))) as there:
        there.clock.advance(timedelta(days=7, minutes=2))
        assert len(there.sent) == 168

"""Passing forecasts on: oscp20.md §5.6, with the rules of §5.9 and §5.10."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oscp_sim.fp_callers import ADJUST, HEARTBEAT, UPDATE, say
from tests.oscp_sim.peers import (
    CO_URL,
    CP_URL,
    ERROR,
    NO_CONTENT,
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

Way = Literal["update", "adjust"]
WAYS: tuple[Way, ...] = ("update", "adjust")
ACTIONS = {"update": UPDATE, "adjust": ADJUST}
SETTINGS = {"node_id": 1}
T0 = datetime(2026, 5, 4, 16, 0, tzinfo=UTC)


def block(capacity: float = 50.0, minutes: int = 0, **more: object) -> dict[str, Any]:
    start = T0 + timedelta(minutes=minutes)
    end = start + timedelta(minutes=30)
    times = {"start_time": start.isoformat(), "end_time": end.isoformat()}
    return {"capacity": capacity, "phase": "ALL", "unit": "KW", **times, **more}


def forecast(blocks: Iterable[object] = (), kind: str = "CONSUMPTION") -> dict[str, Any]:
    listed = list(blocks) or [block(), block(35.5, 30)]
    return {"group_id": "depot-7", "type": kind, "forecasted_blocks": listed}


def pass_on(
    there: Peers, way: Way, message: dict[str, Any] | None = None, request_id: str = "r1"
) -> None:
    """Sends a forecast, or an adjustment of one, that is passed on."""
    sent = forecast() if message is None else message
    answer = say(there.simulator, ACTIONS[way], sent, request_id=request_id)
    assert answer.status == 204


def data(there: Peers) -> list[dict[str, Any]]:
    """What was published."""
    notes = there.simulator.journal.entries(party="flexibility_provider", kind="note")
    return [entry.detail["datum"] for entry in notes if "datum" in entry.detail]


def recipient(way: Way, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    """A world in which whoever it is passed on to is as said."""
    if way == "update":
        return world(optimizers=[optimizer(**more)])
    return world(providers=[provider(**more)])


# --- the request -------------------------------------------------------------------------------

PATHS = {
    "update": f"{CO_URL}/1/update_group_capacity_forecast",
    "adjust": f"{CP_URL}/3/adjust_group_capacity_forecast",
}
TOKENS = {"update": "co-token-1", "adjust": "cp-token-3"}


@pytest.mark.parametrize("way", WAYS)
def test_to_whom_and_with_which_headers(way: Way) -> None:
    with peers(world()) as there:
        pass_on(there, way, request_id="the-id/of-the sender")
        there.clock.advance(2)
    (sent,) = there.sent
    assert sent.url == PATHS[way]
    assert sent.pairs == (
        ("Authorization", f"Token {TOKENS[way]}"),
        ("Content-Type", "application/json"),
        ("X-Request-ID", "the-id/of-the sender"),
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_body_is_rebuilt(way: Way) -> None:
    """oscp20.md §7.2: doubles, UTC, three fraction digits."""
    with peers(world()) as there:
        pass_on(there, way)
        there.clock.advance(2)
    assert there.sent[0].body.decode() == (
        '{"group_id":"depot-7","type":"CONSUMPTION","forecasted_blocks":['
        '{"capacity":50.0,"phase":"ALL","unit":"KW","start_time":"2026-05-04T16:00:00.000Z",'
        '"end_time":"2026-05-04T16:30:00.000Z"},'
        '{"capacity":35.5,"phase":"ALL","unit":"KW","start_time":"2026-05-04T16:30:00.000Z",'
        '"end_time":"2026-05-04T17:00:00.000Z"}]}'
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_negative_zero_is_a_zero(way: Way) -> None:
    with peers(world()) as there:
        pass_on(there, way, forecast([block(-0.0)]))
        there.clock.advance(2)
    assert b'"capacity":0.0,' in there.sent[0].body


@pytest.mark.parametrize("way", WAYS)
def test_what_is_passed_on_is_in_the_journal(way: Way) -> None:
    with peers(world()) as there:
        pass_on(there, way)
        there.clock.advance(2)
        (entry,) = there.exchanges
    assert entry.peer == ("capacity_optimizer" if way == "update" else "capacity_provider")
    assert (entry.action, entry.instruction_id) == (ACTIONS[way], None)
    assert entry.response is not None
    assert entry.response.status == 204


@given(st.integers(0, 1000))
def test_it_takes_half_a_second_to_one_and_a_half(seed: int) -> None:
    with peers(world(), seed=seed) as there:
        pass_on(there, "update")
        there.clock.advance(0.499)
        assert there.sent == []
        there.clock.advance(1.0)
    delay = there.sent[0].at - START
    assert timedelta(milliseconds=500) <= delay <= timedelta(milliseconds=1499)
    assert delay.microseconds % 1000 == 0


@pytest.mark.parametrize("way", WAYS)
def test_url_paths_say_where(way: Way) -> None:
    elsewhere = {"url-paths": {ACTIONS[way]: "/alt/x", "Heartbeat": "/alt/h"}}
    with peers(recipient(way, service_props=elsewhere)) as there:
        pass_on(there, way)
        there.clock.advance(2)
    assert there.sent[0].url == PATHS[way].rpartition("/")[0] + "/alt/x"


def test_http_headers_are_added() -> None:
    props = {"http-headers": {"X-Api-Key": "k", "Content-Type": "text/x"}}
    with peers(recipient("update", service_props=props)) as there:
        pass_on(there, "update")
        there.clock.advance(2)
    assert there.sent[0].pairs[-2:] == (("X-Api-Key", "k"), ("Content-Type", "text/x"))
    assert ("Content-Type", "application/json") in there.sent[0].pairs


@pytest.mark.parametrize("way", WAYS)
def test_a_system_that_has_told_no_token_is_shown_none(way: Way) -> None:
    with peers(recipient(way, token=None)) as there:
        pass_on(there, way)
        there.clock.advance(2)
    assert "Authorization" not in there.sent[0].headers


# --- what is published -------------------------------------------------------------------------

TYPES = {
    "CONSUMPTION": "c",
    "GENERATION": "g",
    "FALLBACK_CONSUMPTION": "C",
    "FALLBACK_GENERATION": "G",
    "OPTIMUM": "o",
}


@pytest.mark.parametrize(("kind", "letter"), TYPES.items())
def test_a_published_update_names_its_datum_stream(kind: str, letter: str) -> None:
    with peers(world(settings=SETTINGS)) as there:
        pass_on(there, "update", forecast(kind=kind))
        there.clock.advance(2)
        source_id = f"/oscp/cp/UpdateGroupCapacityForecast/3/1/depot-7/{letter}"
        assert there.sent[0].headers["X-SN-Source-ID"] == source_id
        assert {each["sourceId"] for each in data(there)} == {source_id}


def test_an_adjustment_is_not_published() -> None:
    with peers(world(settings=SETTINGS)) as there:
        pass_on(there, "adjust")
        there.clock.advance(2)
        assert "X-SN-Source-ID" not in there.sent[0].headers
        assert data(there) == []


def test_the_values_of_a_datum() -> None:
    with peers(world(settings={"node_id": 1, "publish_to_solar_flux": False})) as there:
        pass_on(there, "update")
        there.clock.advance(2)
        assert data(there) == [
            {
                "nodeId": 1,
                "sourceId": "/oscp/cp/UpdateGroupCapacityForecast/3/1/depot-7/c",
                "created": f"2026-05-04 16:{minute}:00Z",
                "i": {"amount": capacity, "duration": 1800},
                "s": {"unit": "kW", "forecastIdentifier": "r1"},
            }
            for minute, capacity in (("00", 50.0), ("30", 35.5))
        ]
        note = there.simulator.journal.entries(kind="note")[0]
        assert (note.action, note.detail["user"]) == ("UpdateGroupCapacityForecast", 42)
        assert (note.detail["solarin"], note.detail["solarflux"]) == (True, False)


@pytest.mark.parametrize(
    ("phase", "suffix"), {"ONE": "_a", "TWO": "_b", "THREE": "_c", "UNKNOWN": "_u"}.items()
)
def test_a_single_or_unknown_phase_has_a_suffix(phase: str, suffix: str) -> None:
    blocks = [block(7.0, phase=phase, unit="A"), block(8.0)]
    with peers(world(settings=SETTINGS)) as there:
        pass_on(there, "update", forecast(blocks))
        there.clock.advance(2)
        (datum,) = data(there)
    assert datum["i"] == {f"amount{suffix}": 7.0, "amount": 8.0, "duration": 1800}
    assert datum["s"] == {f"unit{suffix}": "A", "unit": "kW", "forecastIdentifier": "r1"}


def test_blocks_that_start_together_are_one_datum() -> None:
    longer = block(2.0, end_time="2026-05-04T17:00:00Z")
    blocks = [block(1.0), longer, block(2.5, phase="TWO"), block(3.0, 30, phase="ONE")]
    with peers(world(settings=SETTINGS)) as there:
        pass_on(there, "update", forecast(blocks))
        there.clock.advance(2)
        values = [each["i"] for each in data(there)]
    # The duration of the first, the amount of the last.
    assert values == [
        {"amount": 2.0, "amount_b": 2.5, "duration": 1800},
        {"amount_a": 3.0, "duration": 1800},
    ]


def test_a_template_loses_the_part_that_is_not_known() -> None:
    settings = {"node_id": 1, "source_id_template": "/mine/{co}/{cgIdentifier}/{cp}"}
    with peers(world(settings=settings)) as there:
        say(there.simulator, HEARTBEAT)
        assert data(there)[0]["sourceId"] == "/mine/depot-7/3"


@pytest.mark.parametrize(
    ("unit", "shown"), {"A": "A", "W": "W", "KW": "kW", "WH": "Wh", "KWH": "kWh"}.items()
)
def test_a_datum_has_solarnetworks_units(unit: str, shown: str) -> None:
    with peers(world(settings=SETTINGS)) as there:
        pass_on(there, "update", forecast([block(unit=unit)]))
        there.clock.advance(2)
        assert data(there)[0]["s"]["unit"] == shown


OFF = {"publish_to_solar_in": False, "publish_to_solar_flux": False}
NAMED = {"node_id": 1, "source_id_template": "/mine/{cgIdentifier}/{role}/{co}-{cp}/{action}"}


@pytest.mark.parametrize(
    ("of_user", "of_group", "source_id"),
    [
        (None, None, None),
        ({"node_id": 1, **OFF}, None, None),
        (SETTINGS, {"node_id": 1, **OFF}, None),
        (None, NAMED, "/mine/depot-7/cp/1-3/UpdateGroupCapacityForecast/c"),
        (SETTINGS, NAMED, "/mine/depot-7/cp/1-3/UpdateGroupCapacityForecast/c"),
        (NAMED, None, "/mine/depot-7/cp/1-3/UpdateGroupCapacityForecast/c"),
    ],
)
def test_a_groups_settings_stand_in_for_its_users(
    of_user: dict[str, Any] | None, of_group: dict[str, Any] | None, source_id: str | None
) -> None:
    settings: dict[str, Any] = {} if of_group is None else {"settings": of_group}
    more: dict[str, Any] = {} if of_user is None else {"settings": of_user}
    with peers(world(groups=[group(**settings)], **more)) as there:
        pass_on(there, "update")
        there.clock.advance(2)
        assert there.sent[0].headers.get("X-SN-Source-ID") == source_id
        assert bool(data(there)) == (source_id is not None)


# --- when it is not sent -----------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"registration_status": "Pending"}, "registration status is Pending, not Registered"),
        ({"registration_status": "Failed"}, "registration status is Failed, not Registered"),
        ({"oscp_version": "1.0"}, "OSCP version 1.0 is not supported"),
        ({"oscp_version": ""}, "OSCP version null is not supported"),
    ],
)
def test_another_status_or_version_ends_it_at_once(
    way: Way, more: dict[str, Any], why: str
) -> None:
    of = recipient(way, **more)
    of["users"][0]["settings"] = SETTINGS
    with peers(of) as there:
        pass_on(there, way)
        there.clock.advance(60)
        assert there.sent == []
        assert data(there) == []
        (note,) = there.notes
        assert why in note
        assert there.simulator.pending == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("base_url", [None, "", "  "])
def test_without_a_base_url_it_is_published_and_not_sent(way: Way, base_url: str | None) -> None:
    of = recipient(way, base_url=base_url)
    of["users"][0]["settings"] = SETTINGS
    with peers(of) as there:
        pass_on(there, way)
        there.clock.advance(60)
        assert there.sent == []
        assert len(data(there)) == (2 if way == "update" else 0)
        assert "has no base URL: nothing is sent" in there.notes[0]


def test_without_an_optimizer_there_is_nothing_more() -> None:
    with peers(world(settings=SETTINGS)) as there:
        shared = shared_of(there.simulator)
        user = replace(shared.world.users[0], capacity_optimizers=())
        shared.world = shared.world.with_user(user)
        pass_on(there, "update")
        assert there.simulator.pending == 0
        assert there.notes == ["there is nobody to pass on what Grid 3 sent"]


@pytest.mark.parametrize("way", WAYS)
def test_the_world_is_looked_at_when_it_is_sent(way: Way) -> None:
    with peers(world()) as there:
        shared = shared_of(there.simulator)
        user = shared.world.users[0]
        pass_on(there, way)
        system = user.capacity_optimizers[0] if way == "update" else user.capacity_providers[0]
        shared.change_system(user.id, system, base_url="http://moved.test", token="another")
        there.clock.advance(2)
    assert there.sent[0].url.startswith("http://moved.test/")
    assert there.sent[0].headers["Authorization"] == "Token another"


def test_what_is_gone_before_it_is_sent_is_not_sent() -> None:
    with peers(world()) as there:
        shared = shared_of(there.simulator)
        pass_on(there, "update")
        shared.world = shared.world.with_user(
            replace(shared.world.users[0], capacity_optimizers=())
        )
        there.clock.advance(60)
        assert there.sent == []
        assert there.notes == ["there is nobody left to pass on what Grid 3 sent"]


@pytest.mark.parametrize("way", WAYS)
def test_5_1_a_null_block_fails_in_the_background(way: Way) -> None:
    of = world(settings=SETTINGS)
    with peers(of) as there:
        pass_on(there, way, forecast([block(), None]))
        there.clock.advance(60)
        assert there.sent == []
        assert data(there) == []
        (note,) = there.notes
        assert "/forecasted_blocks/1 is null" in note


@pytest.mark.parametrize("way", WAYS)
def test_a_disabled_recipient_is_sent_it_all_the_same(way: Way) -> None:
    with peers(recipient(way, enabled=False)) as there:
        pass_on(there, way)
        there.clock.advance(2)
    assert len(there.sent) == 1


# --- tries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failure", [ERROR, SILENT])
def test_three_tries_with_the_same_request_id(way: Way, failure: Any) -> None:  # noqa: ANN401
    with peers(world(settings=SETTINGS)) as there:
        there.answers = [failure, failure, NO_CONTENT]
        pass_on(there, way)
        there.clock.advance(120)
        assert [each.headers["X-Request-ID"] for each in there.sent] == ["r1"] * 3
        assert len({each.body for each in there.sent}) == 1
        first, second, third = (each.at for each in there.sent)
        known = timedelta(seconds=failure.after)
        assert 5.5 <= (second - first - known).total_seconds() < 6.5
        assert 10.5 <= (third - second - known).total_seconds() < 11.5
        # Published with the last, and named by each.
        assert len(data(there)) == (2 if way == "update" else 0)
        named = {each.headers.get("X-SN-Source-ID") for each in there.sent}
        assert len(named) == 1
        assert (None in named) == (way == "adjust")


@pytest.mark.parametrize("way", WAYS)
def test_after_three_tries_it_is_given_up_and_not_published(way: Way) -> None:
    with peers(world(settings=SETTINGS)) as there:
        there.decide = lambda _: ERROR
        pass_on(there, way)
        there.clock.advance(600)
        assert len(there.sent) == 3
        (note,) = there.notes
        assert note == (
            f"{ACTIONS[way]} failed, try 3 of 3: 500 Internal Server Error on POST request for "
            f'"{there.sent[0].url}": [no body]'
        )
        assert there.simulator.pending == 0


def test_a_request_id_that_is_no_uuid_stays_what_it_is() -> None:
    with peers(world()) as there:
        for name in ("a", str(uuid.uuid4()), "x" * 200):
            pass_on(there, "update", request_id=name)
            there.clock.advance(2)
            assert there.sent[-1].headers["X-Request-ID"] == name

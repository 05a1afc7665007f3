"""The heartbeats that the Flexibility Provider sends: oscp20.md §5.5."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.http import Response
from tests.oscp_sim.peers import (
    CO_URL,
    CP_URL,
    ERROR,
    SILENT,
    START,
    Peers,
    optimizer,
    peers,
    provider,
    world,
)
from tests.oscp_sim.rig import shared_of

MINUTE = timedelta(minutes=1)


def every(seconds: int | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a world file
    settings = {} if seconds is None else {"heartbeat_seconds": seconds}
    return {"settings": settings, **more}


def minutes(there: Peers, url: str = CP_URL) -> list[float]:
    """When heartbeats were sent, in minutes after the full hour."""
    hour = START.replace(minute=0, second=0)
    return [(each.at - hour) / MINUTE for each in there.to(url)]


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "ticks"),
    [
        (1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (30, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (59, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        # Exactly a minute is served every second one, which is as long as is announced.
        (60, [1, 3, 5, 7, 9]),
        (61, [1, 3, 5, 7, 9]),
        (119, [1, 3, 5, 7, 9]),
        (120, [1, 4, 7, 10]),
        (900, [1]),
    ],
)
def test_the_grid_of_minutes(interval: int, ticks: list[int]) -> None:
    with peers(world([provider(**every(interval))])) as there:
        there.clock.advance(600)
        assert minutes(there) == ticks


def test_a_capacity_optimizer_is_served_at_second_30() -> None:
    with peers(world([provider(**every(30))], [optimizer(**every(30))])) as there:
        there.clock.advance(150)
        assert minutes(there) == [1, 2]
        assert minutes(there, CO_URL) == [0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("more", "served"),
    [
        (every(60), True),
        (every(None), False),
        (every(0), False),
        ({}, False),
        (every(60, enabled=False), False),
        (every(60, registration_status="Pending"), False),
        (every(60, registration_status="Failed"), False),
        (every(600, heartbeat_date="2026-03-01T11:00:00Z"), True),
        (every(600, heartbeat_date="2026-03-01T11:51:00Z"), False),
        (every(600, heartbeat_date="2026-03-01T11:50:59.999999Z"), True),
        (every(600, heartbeat_date="9999-12-31T23:59:59Z"), False),
    ],
)
def test_who_is_chosen(more: dict[str, Any], *, served: bool) -> None:
    with peers(world([provider(**more)])) as there:
        there.clock.advance(55)
        assert bool(there.sent) == served


def test_the_instant_of_the_timetable_itself_counts() -> None:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with peers(world([provider(**every(30))]), start=start) as there:
        there.clock.advance(0)
        assert minutes(there) == [0]


@given(st.integers(1, 400), st.integers(1, 120))
def test_between_two_there_is_more_than_the_interval_and_less_than_a_minute_more(
    interval: int, length: int
) -> None:
    with peers(world([provider(**every(interval))])) as there:
        there.clock.advance(length * MINUTE)
        sent = [each.at for each in there.sent]
    for first, second in pairwise(sent):
        assert timedelta() < second - first - timedelta(seconds=interval) <= MINUTE


# --- what --------------------------------------------------------------------------------------


def test_the_request() -> None:
    with peers(world([provider(**every(60))])) as there:
        there.clock.advance(60)
    (sent,) = there.sent
    assert sent.url == f"{CP_URL}/3/heartbeat"
    assert sent.body == b'{"offline_mode_at":"2026-03-01T12:03:00.000Z"}'
    assert list(sent.headers) == ["Authorization", "Content-Type", "X-Request-ID"]
    assert sent.headers["Authorization"] == "Token cp-token-3"
    assert uuid.UUID(sent.headers["X-Request-ID"]).version == 4


def test_each_has_an_id_of_its_own() -> None:
    with peers(world([provider(**every(30))])) as there:
        there.clock.advance(600)
    assert len({each.headers["X-Request-ID"] for each in there.sent}) == 10


def test_url_paths_say_where() -> None:
    props = {"url-paths": {"Heartbeat": "/alt/oscp-heartbeat"}}
    with peers(world([provider(service_props=props, **every(60))])) as there:
        there.clock.advance(60)
    assert there.sent[0].url == f"{CP_URL}/3/alt/oscp-heartbeat"


def test_the_world_and_the_journal_know_of_it() -> None:
    with peers(world(optimizers=[optimizer(**every(60))])) as there:
        there.clock.advance(60)
        (entry,) = there.exchanges
        (system,) = there.simulator.world.users[0].capacity_optimizers
    assert (entry.action, entry.peer) == ("Heartbeat", "capacity_optimizer")
    assert system.heartbeat_date == START.replace(second=30)


# --- failures ----------------------------------------------------------------------------------


def dates(there: Peers) -> list[datetime | None]:
    return [each.heartbeat_date for each in there.simulator.world.users[0].capacity_providers]


def failing(*urls: str) -> Callable[[Any], Response | None]:
    return lambda sent: ERROR if sent.url.startswith(urls) else None


def test_a_failure_stops_the_run_and_advances_nothing() -> None:
    three = [provider(number, **every(50)) for number in (3, 4, 5)]
    with peers(world(three)) as there:
        there.decide = failing(f"{CP_URL}/4/")
        there.clock.advance(60)
        assert [each.url[-11] for each in there.sent] == ["3", "4"]
        tick = START.replace(minute=1, second=0)
        assert dates(there) == [tick, None, None]
        assert there.notes == [
            "Grid 4 has not been sent a heartbeat: 500 Internal Server Error on POST request for "
            f'"{CP_URL}/4/heartbeat": [no body]'
        ]
        there.decide = lambda _: None
        there.clock.advance(60)
        assert dates(there) == [tick + MINUTE] * 3


def test_a_failure_of_optimizers_does_not_touch_providers() -> None:
    of = world([provider(**every(50))], [optimizer(**every(50))])
    with peers(of) as there:
        there.decide = failing(CO_URL)
        there.clock.advance(180)
        assert minutes(there) == [1, 2, 3]
        assert minutes(there, CO_URL) == [0.5, 1.5, 2.5]


def test_silence_is_known_after_twenty_seconds() -> None:
    of = world([provider(3, **every(50)), provider(4, **every(50))])
    with peers(of) as there:
        there.decide = lambda sent: SILENT if "/3/" in sent.url else None
        there.clock.advance(74)
        assert there.notes == []
        there.clock.advance(1)
        assert len(there.notes) == 1
        there.clock.advance(30)
        assert [each.url[-11] for each in there.sent] == ["3"]
        assert dates(there) == [None, None]


def test_a_late_answer_is_waited_for() -> None:
    of = world([provider(3, **every(50)), provider(4, **every(50))])
    tick = START.replace(minute=1, second=0)
    with peers(of) as there:
        there.decide = lambda sent: (
            Response(204, reason="", after=19.0) if "/3/" in sent.url else None
        )
        there.clock.advance(60)
        assert dates(there) == [None, None]
        assert there.simulator.pending == 1
        there.clock.advance(14)
        # When it was sent, not when it was answered.
        assert dates(there) == [tick, tick + timedelta(seconds=19)]
        assert [each.json["offline_mode_at"] for each in there.sent] == [
            "2026-03-01T12:02:40.000Z",
            "2026-03-01T12:02:59.000Z",
        ]


def test_who_does_not_want_it_any_more_is_not_sent_it() -> None:
    of = world([provider(3, **every(50)), provider(4, **every(50))])
    with peers(of) as there:
        there.decide = lambda sent: (
            Response(204, reason="", after=5.0) if "/3/" in sent.url else None
        )
        there.clock.advance(57)
        other = there.simulator.world.users[0].capacity_providers[1]
        shared_of(there.simulator).change_system(42, other, enabled=False)
        there.clock.advance(10)
        assert [each.url[-11] for each in there.sent] == ["3"]


@pytest.mark.parametrize("version", ["1.0", ""])
def test_another_version_is_a_failure(version: str) -> None:
    with peers(world([provider(oscp_version=version, **every(60))])) as there:
        there.clock.advance(180)
        assert there.sent == []
        assert len(there.notes) == 3
        assert "is not supported" in there.notes[0]
        assert dates(there) == [None]


def test_without_a_base_url_nothing_is_sent_and_it_counts() -> None:
    with peers(world([provider(base_url=None, **every(60))])) as there:
        there.clock.advance(120)
        assert there.sent == []
        assert dates(there) == [START.replace(minute=1, second=0)]
        assert len(there.notes) == 1

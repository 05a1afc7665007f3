"""Which parties are real: how that is said, and what it does to the world."""

from __future__ import annotations

import pytest

from oscp_sim.entry import ALL_PARTIES
from oscp_sim.scenario.real_parties import RealParties, parse_seat
from oscp_sim.world import load_world

URL = "http://127.0.0.1:9930/oscp/cp/2.0"
TWO = {
    "users": [
        {"id": 1, "capacity_providers": [{"id": 3, "name": "A", "token": "a"}]},
        {"id": 2, "capacity_providers": [{"id": 3, "name": "B", "token": "b"}]},
    ]
}


@pytest.mark.parametrize(
    ("text", "seats"),
    [
        (f"solaruser={URL}", RealParties(solaruser=URL)),
        (f"flexibility_provider={URL}", RealParties(flexibility_provider=URL)),
        (f"capacity_provider:3={URL}", RealParties(capacity_provider={3: URL})),
        (f"capacity_optimizer:12={URL}", RealParties(capacity_optimizer={12: URL})),
        ("solaruser=https://[::1]:8443/a=b", RealParties(solaruser="https://[::1]:8443/a=b")),
    ],
)
def test_a_seat_on_the_command_line(text: str, seats: RealParties) -> None:
    assert parse_seat(text) == seats


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("solaruser", "does not name a party"),
        ("grid=http://a", "does not name a party"),
        (f"solaruser:3={URL}", "there is one solaruser only: leave :3 out"),
        (f"capacity_provider={URL}", "which Capacity Provider?"),
        (f"capacity_provider:x={URL}", "which Capacity Provider?"),
        (f"capacity_optimizer:\u0663={URL}", "which Capacity Optimizer?"),
        ("solaruser=", "is not a base URL"),
        ("solaruser=127.0.0.1:9930", "is not a base URL"),
        ("solaruser=ftp://a", "is not a base URL"),
        ("solaruser=http://", "is not a base URL"),
        ("solaruser=http://a:x", "is not a base URL"),
        ("solaruser=http://a:0", "is not a base URL"),
        ("solaruser=http://a?b", "is not a base URL"),
        ("solaruser=http://me:hush@a", "must not hold a user name or password"),
    ],
)
def test_what_is_no_seat(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_seat(text)
    assert told in str(caught.value)


def test_the_simulator_plays_the_others() -> None:
    assert RealParties().plays == ALL_PARTIES
    assert RealParties(capacity_provider={3: URL}).plays == ALL_PARTIES
    assert RealParties("http://a", "http://b").plays == ("capacity_provider", "capacity_optimizer")


def test_others_come_before_these() -> None:
    these = RealParties("http://a", None, {3: "http://b", 4: "http://c"})
    others = RealParties(None, "http://d", {3: "http://e"})
    together = RealParties("http://a", "http://d", {3: "http://e", 4: "http://c"})
    assert these.under(others) == together
    assert RealParties("http://a", "http://b").under(
        RealParties("http://c", "http://d")
    ) == RealParties("http://c", "http://d")


def test_a_world_with_real_parties() -> None:
    seats = RealParties("http://a", "http://b", {3: URL}, {1: "http://c"})
    world = seats.placed(load_world())
    assert (world.solaruser, world.flexibility_provider) == ("http://a", "http://b")
    assert [system.base_url for system in world.users[0].systems] == [URL, "http://c"]


def test_what_a_world_says_itself_stays() -> None:
    given = {**TWO, "solaruser": {"base_url": "http://a"}}
    assert RealParties().placed(load_world(given)).solaruser == "http://a"


@pytest.mark.parametrize(
    ("seats", "told"),
    [
        (
            RealParties(capacity_provider={4: URL}),
            "there is no Capacity Provider 4 in the world; there",
        ),
        (
            RealParties(capacity_optimizer={1: URL}),
            "there is no Capacity Optimizer 1 in the world; ",
        ),
        (RealParties(capacity_provider={3: URL}), "users 1, 2 each have a Capacity Provider 3"),
    ],
)
def test_a_seat_that_has_no_place(seats: RealParties, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        seats.placed(load_world(TWO))

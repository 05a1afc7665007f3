"""What `oscp-sim serve` says of the parties: where they are, and what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import oscp_sim
from oscp_sim import FastClock, FrozenClock, RealClock, Simulator, load_world
from oscp_sim.cli.serve import announcement, played_parties
from oscp_sim.scenario.real_parties import RealParties
from tests.oscp_sim.rig import ask
from tests.oscp_sim.worlds import GRID, user, world

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oscp_sim.entry import PartyName

URL = "http://127.0.0.1:8920"
REAL = "http://grid.test/oscp/cp/2.0"
PENDING = {"registration_status": "Pending"}


def said(
    *systems: dict[str, Any],
    plays: tuple[PartyName, ...] = (),
    optimizers: Sequence[dict[str, Any]] = (),
    **world: object,
) -> list[str]:
    providers = [{"name": "Grid", "token": "t", **each} for each in systems]
    user = {"id": 1, "capacity_providers": providers, "capacity_optimizers": list(optimizers)}
    given = load_world({"users": [user], **world})
    with Simulator(given, plays=played_parties(given, plays)) as made:
        made.serve_at(URL)
        lines = list(announcement(made, URL, given, is_built_in=False))
        for system in made.world.users[0].systems:
            assert str(system.flexibility_provider_token) not in "\n".join(lines)
    # What happened has a line of its own, in every case.
    return [line for line in lines if not line.startswith("what happened")]


def row(name: str, value: str) -> str:
    return f"{name:<20}  {value}"


SOLARUSER = row("SolarUser", f"{URL}/solaruser/api/v1/sec/instr/add/OSCP_v20")
FP = row("Flexibility Provider", f"{URL}/oscp/fp/2.0")
CP = row("Capacity Provider", f"{URL}/oscp/cp/2.0")
CO = row("Capacity Optimizer", f"{URL}/oscp/co/2.0")


class TestWhereTheyAre:
    def test_all_are_simulated(self) -> None:
        assert said({"id": 3}, optimizers=[{"id": 1, "name": "D"}]) == [SOLARUSER, FP, CP, CO]

    def test_nobody_to_play(self) -> None:
        assert said() == [SOLARUSER, FP]
        assert said({"id": 3, "base_url": None}) == [SOLARUSER, FP]

    def test_a_real_one_alone(self) -> None:
        assert said({"id": 3, "base_url": REAL}) == [
            SOLARUSER,
            FP,
            row("Capacity Provider 3", f"{REAL} (real)"),
        ]

    def test_a_real_one_beside_a_simulated_one(self) -> None:
        optimizer = {"id": 1000, "name": "D", "base_url": "http://depot.test/co"}
        assert said({"id": 3, "base_url": REAL}, {"id": 4}, optimizers=[optimizer]) == [
            SOLARUSER,
            FP,
            CP,
            row("Capacity Provider 3", f"{REAL} (real)"),
            "Capacity Optimizer 1000  http://depot.test/co (real)",
        ]

    def test_one_whose_url_leads_here_is_simulated(self) -> None:
        assert said({"id": 3, "base_url": f"{URL}/oscp/cp/2.0"}) == [SOLARUSER, FP, CP]

    def test_a_base_url_that_is_none(self) -> None:
        *_, last = said({"id": 3, "base_url": "localhost"})
        assert last == row("Capacity Provider 3", "localhost (no http URL: nothing arrives there)")

    def test_what_could_move_a_cursor_is_escaped(self) -> None:
        *_, last = said({"id": 3, "base_url": "http://grid.test/\x1b[2J"})
        assert last == row("Capacity Provider 3", r"http://grid.test/\x1b[2J (real)")

    def test_elmo(self) -> None:
        elmo = {"id": 3, "profile": "elmo"}
        at = f"{URL}/oscp/2.0"
        assert said(elmo) == [SOLARUSER, FP, row("Capacity Provider", at)]
        assert said(elmo, {"id": 4}) == [SOLARUSER, FP, CP, row("  as ELMO", at)]

    def test_the_services_themselves(self) -> None:
        away = {"base_url": "http://fp.test/oscp/fp/2.0"}
        real = row("Flexibility Provider", "http://fp.test/oscp/fp/2.0 (real)")
        assert said({"id": 3}, flexibility_provider=away) == [SOLARUSER, CP, real]
        assert said({"id": 3}, plays=("capacity_provider",), flexibility_provider=away) == [
            CP,
            real,
        ]
        assert said({"id": 3}, solaruser={"base_url": "http://su.test"}) == [
            FP,
            CP,
            row("SolarUser", "http://su.test (real)"),
        ]

    def test_of_whom_where_there_are_several(self) -> None:
        providers = [{"id": 3, "name": "Grid", "token": "t", "base_url": REAL}]
        given = load_world({"users": [{"id": 1}, {"id": 2, "capacity_providers": providers}]})
        with Simulator(given) as made:
            lines = list(announcement(made, URL, given, is_built_in=False))
        assert f"Capacity Provider 3 of user 2  {REAL} (real)" in lines


class TestWhatTheyNeed:
    def test_a_pending_one_without_a_token(self) -> None:
        *_, last = said({"id": 3, "base_url": REAL, **PENDING})
        assert last.startswith("Capacity Provider 3 is Pending")
        assert "flexibility_provider_token; give it one in the world file" in last
        assert len(last) <= 120

    @pytest.mark.parametrize(
        ("system", "rest"),
        [
            ({"base_url": REAL, **PENDING, "flexibility_provider_token": "hush"}, {}),
            ({"base_url": REAL}, {}),
            (PENDING, {}),
            ({"base_url": REAL, **PENDING}, {"flexibility_provider": {"base_url": "http://a/fp"}}),
        ],
    )
    def test_nothing(self, system: dict[str, Any], rest: dict[str, Any]) -> None:
        assert "Pending" not in "".join(said({"id": 3, **system}, **rest))


# --- which are played --------------------------------------------------------------------------


def test_some_systems_are_real_and_some_are_not() -> None:
    given = load_world(world(user(capacity_providers=[GRID, {**GRID, "id": 4}])))
    real = RealParties(capacity_provider={3: REAL}, flexibility_provider="http://a/fp")
    placed = real.placed(given)
    assert played_parties(placed, ("capacity_provider",)) == ("capacity_provider",)
    assert played_parties(given, ("solaruser",)) == ("solaruser",)


class TestWithoutAFlexibilityProvider:
    """The program refuses it; whoever writes Python may want no more than who answers."""

    def test_a_command_fails(self) -> None:
        with Simulator(clock=FrozenClock(_now()), plays=["capacity_provider"]) as alone:
            provider = alone.provider(3)
            for command in (provider.register, provider.handshake, provider.heartbeat):
                with pytest.raises(LookupError, match="--seat flexibility_provider=URL"):
                    command()
            assert not provider.to_dict()["sent"]
            assert not alone.journal.entries()
            body = b"{}"
            answer = ask(alone, "POST", "/_sim/providers/3/heartbeat", [], body)
            assert answer.status == 409
            assert "there is no Flexibility Provider to send to" in answer.json["error"]
            assert ask(alone, "GET", "/_sim/providers/3", []).status == 200

    def test_what_it_sends_by_itself_is_no_failure(self, caplog: pytest.LogCaptureFixture) -> None:
        behaviour = {"heartbeat_every": "1h", "timetable": 100}
        elmo = {**GRID, "profile": "elmo", "behaviour": behaviour}
        owner, clock = user(capacity_providers=[elmo]), FrozenClock(_now())
        with Simulator(world(owner), clock=clock, plays=["capacity_provider"]) as alone:
            clock.advance("24h")
            (note,) = alone.journal.entries()
        assert note.detail["why"].startswith("nothing is sent: there is no Flexibility Provider")
        assert not caplog.records

    def test_one_elsewhere_is_one(self) -> None:
        world = {
            "users": [{"id": 1, "capacity_providers": [{"id": 3, "name": "G", "token": "t"}]}],
            "flexibility_provider": {"base_url": "http://127.0.0.1:9/fp"},
        }
        with Simulator(world, plays=["capacity_provider"]) as alone:
            assert alone.provider(3).heartbeat().status is None


# --- what is exported --------------------------------------------------------------------------


def test_what_a_test_needs_stands_beside_the_simulator() -> None:
    assert sorted(oscp_sim.__all__) == [
        "FastClock",
        "FrozenClock",
        "RealClock",
        "Simulator",
        "create_app",
        "load_world",
    ]
    assert RealClock().now() < FastClock(_now()).advance("1h")
    with pytest.raises(AttributeError, match="no attribute 'FrozenClok'"):
        _ = oscp_sim.FrozenClok


def _now() -> datetime:
    return RealClock().now()

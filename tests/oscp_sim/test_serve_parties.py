"""Serving some of the parties, with another clock, guarded, and over a restart."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from oscp_send import SolarUserClient
from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.clock import FastClock
from oscp_sim.keep import StateFile, StateFileError
from tests.oscp_sim.rig import ADJUSTMENT, SECRET, TOKEN, ask_over_network, block
from tests.oscp_sim.test_serve import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oscp_sim.entry import PartyName
    from tests.oscp_sim.rig import Answer

SPEED = 10
_KILLS = int(os.environ.get("OSCP_KILLS", "3"))
HOST = [("Host", "localhost")]
SHARED = "a-token-that-both-sides-were-given"
WORLD = f"""
users:
  - id: 42
    tokens: [{{id: {TOKEN}, secret: {SECRET}}}]
    nodes: [1]
    capacity_providers:
      - {{id: 3, name: Grid, token: cp-token, registration_status: Pending,
         flexibility_provider_token: {SHARED}, behaviour: answer}}
    capacity_optimizers: [{{id: 1, name: Depot}}]
    capacity_groups:
      - {{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}}
"""
FORECAST = {
    "group": "foo-group",
    "type": "CONSUMPTION",
    "start": "2031-05-04T16:00:00Z",
    "step": "30m",
    "capacities": [60, 50],
    "request_id": "r1",
}
LATER = block("2031-05-04T16:30:00Z", "2031-05-04T17:00:00Z")
ADJUST = {**ADJUSTMENT, "forecasted_blocks": [LATER]}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(WORLD)
    return path


def tell(url: str, path: str, fields: object) -> Answer:
    headers = [*HOST, ("Content-Type", "application/json")]
    return ask_over_network(url, "POST", f"/_sim/{path}", headers, json.dumps(fields).encode())


def journal(url: str, query: str = "") -> list[dict[str, Any]]:
    answer = ask_over_network(url, "GET", f"/_sim/journal?{query}", HOST)
    found: list[dict[str, Any]] = answer.json["entries"]
    return found


def until(what: Callable[[], bool]) -> None:
    """Asks a process that cannot be waited for in any other way."""
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not come to be within 30 s"
        time.sleep(0.02)


def adjust(url: str) -> None:
    """Sends an instruction as an integrator's program does, and follows it to its end."""
    with SolarUserClient(url, TOKEN, SECRET) as client:
        queued = client.send(
            "AdjustGroupCapacityForecast",
            ADJUST,
            node_id=1,
            co_id=1,
            cg_identifier="foo-group",
            correlation_id="r1",
        )
        assert client.wait(queued, timeout=20, poll=0.05).state == "Completed"


def received(url: str, party: str, action: str) -> list[dict[str, Any]]:
    found = journal(url, f"party={party}&action={action}")
    return [each for each in found if each["kind"] == "exchange" and not each["sent"]]


def loop(grid: str, rest: str) -> None:
    """The loop between a simulator that is the Capacity Provider and one that is all others."""
    assert tell(grid, "providers/3/register", {}).json["status"] == 204
    until(lambda: received(grid, "capacity_provider", "Register") != [])
    until(lambda: _registered(rest))
    assert tell(grid, "providers/3/handshake", {"request_id": "h1"}).json["status"] == 204
    until(lambda: received(grid, "capacity_provider", "HandshakeAcknowledge") != [])
    assert tell(grid, "providers/3/forecast", FORECAST).json["status"] == 204
    until(lambda: received(rest, "capacity_optimizer", "UpdateGroupCapacityForecast") != [])
    adjust(rest)
    (asked,) = received(grid, "capacity_provider", "AdjustGroupCapacityForecast")
    headers = dict(asked["request"]["headers"])
    assert headers["x-correlation-id"] == "r1"
    until(lambda: len(received(rest, "capacity_optimizer", "UpdateGroupCapacityForecast")) > 1)
    *_, answered = received(rest, "flexibility_provider", "UpdateGroupCapacityForecast")
    assert dict(answered["request"]["headers"])["x-correlation-id"] == headers["x-request-id"]
    blocks = json.loads(answered["request"]["body"])["forecasted_blocks"]
    assert [block["capacity"] for block in blocks] == [60, 42]
    # Each has its own part to tell, and none of the other's.
    assert {each["party"] for each in journal(grid)} == {"capacity_provider"}
    assert "capacity_provider" not in {each["party"] for each in journal(rest)}


def _registered(url: str) -> bool:
    world = ask_over_network(url, "GET", "/_sim/world", HOST).json
    status: str = world["users"][0]["capacity_providers"][0].get("registration_status")
    return status in {None, "Registered"}


def _quick() -> FastClock:
    """Return a clock that runs so fast that nobody waits seconds for an answering Register."""
    return FastClock(datetime.now(UTC), SPEED)


class TestTwoSimulators:
    def test_in_one_process(self, world: Path) -> None:
        others: tuple[PartyName, ...] = ("solaruser", "flexibility_provider", "capacity_optimizer")
        with Simulator(world, plays=others, clock=_quick()) as rest:
            away = WORLD + f"flexibility_provider: {{base_url: {rest.url}/oscp/fp/2.0}}\n"
            world.write_text(away)
            grid_alone = Simulator(world, seed=2, plays=["capacity_provider"], clock=_quick())
            with grid_alone as grid:
                loop(grid.url, rest.url)

    def test_as_two_programs(self, world: Path) -> None:
        rest_plays = [
            f"--play={party}"
            for party in ("solaruser", "flexibility_provider", "capacity_optimizer")
        ]
        quick = ("--clock=fast", f"--speed={SPEED}", "--world", str(world))
        with serving(*quick, *rest_plays) as rest:
            seat = f"--seat=flexibility_provider={rest.url}/oscp/fp/2.0"
            with serving(*quick, "--play=capacity_provider", seat) as grid:
                loop(grid.url, rest.url)
                assert [line.split("  ")[0] for line in grid.said[:3]] == [
                    "Capacity Provider",
                    "Flexibility Provider",
                    "what happened",
                ]
                assert grid.end(signal.SIGTERM) == 0

    def test_what_is_not_played_is_not_there(self, world: Path) -> None:
        with Simulator(world, plays=["capacity_provider"]) as grid:
            for path in (
                "/oscp/fp/2.0/heartbeat",
                "/oscp/co/2.0/heartbeat",
                "/solaruser/api/v1/sec/instr/add/OSCP_v20",
            ):
                assert ask_over_network(grid.url, "POST", path, HOST).status == 404
            answer = tell(grid.url, "optimizers/1/heartbeat", {})
            assert answer.status == 404
            assert "does not play" in answer.json["error"]

    def test_without_a_flexibility_provider_instructions_stay_in_the_queue(
        self, world: Path
    ) -> None:
        with Simulator(world, plays=["solaruser", "capacity_provider"]) as some:
            with SolarUserClient(some.url, TOKEN, SECRET) as client:
                queued = client.send(
                    "Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group"
                )
                found = client.view(queued.id)
            assert found is not None
            assert found.state == "Queuing"
            *_, note = some.journal.entries(party="solaruser", kind="note")
            assert "it stays in the queue" in note.detail["why"]


class TestClocks:
    def test_a_frozen_one(self) -> None:
        options = ("--clock=frozen", "--start=2026-05-04T15:58:00Z")
        with serving(*options) as served:
            assert any("stands at 2026-05-04T15:58:00Z" in line for line in served.said)
            assert max(map(len, served.said)) <= 100
            assert served.get("/_sim/clock").json["now"] == "2026-05-04T15:58:00Z"
            assert tell(served.url, "providers/3/register", {}).json["status"] == 204
            assert served.get("/_sim/clock").json["pending"] == 1
            moved = tell(served.url, "clock", {"advance": "2s"}).json
            assert (moved["now"], moved["pending"]) == ("2026-05-04T15:58:02Z", 0)
            assert received(served.url, "capacity_provider", "Register")
            # A client dates its requests by the machine's clock.
            with SolarUserClient(served.url, TOKEN, SECRET) as client:
                queued = client.send(
                    "Handshake", "{}", node_id=1, co_id=1, cg_identifier="foo-group"
                )
                assert client.wait(queued, timeout=20, poll=0.05).state == "Completed"

    def test_a_fast_one_runs(self) -> None:
        options = ("--clock=fast", "--start=2026-05-04T15:58:00Z", "--speed=3600")
        with serving(*options) as served:
            assert max(map(len, served.said)) <= 100
            until(lambda: served.get("/_sim/clock").json["now"] > "2026-05-04T16:00:00Z")

    def test_who_is_late_holds_up_nobody(self, tmp_path: Path) -> None:
        path = tmp_path / "late.yaml"
        path.write_text(WORLD.replace("behaviour: answer", "behaviour: {delay: 30s}"))
        with serving("--world", str(path)) as served:
            answers: list[int] = []

            def ask() -> None:
                headers = [*HOST, ("Authorization", "Token cp-token"), ("X-Request-ID", "1")]
                target = "/oscp/cp/2.0/heartbeat"
                answers.append(ask_over_network(served.url, "POST", target, headers, b"{}").status)

            waiting = threading.Thread(target=ask, daemon=True)
            began = time.monotonic()
            waiting.start()
            until(lambda: journal(served.url, "party=capacity_provider") != [])
            assert time.monotonic() - began < 20
            assert served.end(signal.SIGTERM) == 0


def test_the_control_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSCP_SIM_CONTROL_TOKEN", "sesame")
    with serving() as served:
        assert served.get("/_sim/health").status == 200
        assert served.get("/_sim/journal").status == 401
        shown = [*HOST, ("Authorization", "Bearer sesame")]
        assert served.ask("GET", "/_sim/journal", shown).status == 200
        assert "sesame" not in "".join(served.said)


# --- over a restart ----------------------------------------------------------------------------


def _kept_tokens(kept: Path) -> tuple[str, set[str]]:
    """Return the token that the Flexibility Provider was given, and those that were given out."""
    known = {each["kind"]: each["remembered"] for each in json.loads(kept.read_text())["seats"]}
    issued = known.get("capacity_provider", {}).get("tokens", ())
    given = known.get("capacity_provider_known", {}).get("token", "cp-token")
    return given, {each["token"] for each in issued}


class TestKeeping:
    def test_a_registration_outlives_the_program(self, world: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        options = ("--world", str(world), "--keep", str(kept), "--clock=frozen")
        with serving(*options) as served:
            assert tell(served.url, "providers/3/register", {"new_token": True}).status == 200
            tell(served.url, "clock", {"advance": 3})
            handshake = {"heartbeat_interval": 90}
            assert tell(served.url, "providers/3/handshake", handshake).json["status"] == 204
            tell(served.url, "clock", {"advance": 3})
            assert served.end(signal.SIGTERM) == 0
        assert kept.stat().st_mode & 0o777 == 0o600
        with serving(*options, "--start=2031-01-01T00:00:00Z") as again:
            provider = ask_over_network(again.url, "GET", "/_sim/providers/3", HOST).json
            assert (provider["registered"], provider["handshaken"]) == (True, True)
            assert _registered(again.url)
            # Both sides know the tokens that they gave each other.
            assert tell(again.url, "providers/3/heartbeat", {}).json["status"] == 204
            tell(again.url, "clock", {"advance": "2m"})
            (heartbeat, *_) = received(again.url, "capacity_provider", "Heartbeat")
            assert heartbeat["response"]["status"] == 204

    def test_without_it_the_token_is_lost(self, world: Path) -> None:
        options = ("--world", str(world), "--clock=frozen")
        with serving(*options) as served:
            tell(served.url, "providers/3/register", {})
            tell(served.url, "clock", {"advance": 3})
            assert _registered(served.url)
        with serving(*options) as again:
            assert not _registered(again.url)

    def test_it_is_written_as_soon_as_it_changes(self, world: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        with serving("--world", str(world), "--keep", str(kept), "--clock=frozen") as served:
            before = kept.read_bytes()
            tell(served.url, "providers/3/register", {"new_token": True})
            tell(served.url, "clock", {"advance": 3})
            until(lambda: kept.read_bytes() != before)
            served.process.kill()
            served.process.wait(10)
        assert json.loads(kept.read_text())["seats"]

    def test_a_register_that_was_still_to_come_outlives_a_kill(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        options = ("--keep", str(kept), "--clock=frozen")
        with serving(*options) as served:
            assert tell(served.url, "providers/3/register", {"new_token": True}).status == 200
            served.process.kill()
            served.process.wait(10)
        with serving(*options) as again:
            assert not _registered(again.url)
            tell(again.url, "clock", {"advance": 3})
            assert _registered(again.url)
            assert tell(again.url, "providers/3/heartbeat", {}).json["status"] == 204
            assert again.end(signal.SIGTERM) == 0
        assert "awaiting" not in kept.read_text()

    def test_what_was_confirmed_survives_a_kill(self, tmp_path: Path) -> None:
        """`make soak` kills it more often."""
        kept = tmp_path / "kept.json"
        half = tmp_path / f".kept.json.{'0' * 32}"
        for number in range(_KILLS):
            half.write_text("{")
            with serving("--keep", str(kept), "--clock=frozen") as served:
                assert not half.exists()
                tell(served.url, "clock", {"advance": 3})
                assert _registered(served.url)
                assert tell(served.url, "providers/3/heartbeat", {}).json["status"] == 204
                # Where the last one was killed in between, the two may have agreed on another.
                confirmed = tried = _kept_tokens(kept)[0]
                threading.Timer(Random(number).random() / 4, served.process.kill).start()
                with suppress(OSError, HTTPException):
                    for count in itertools.count():
                        tried = f"token-{number}-{count}"
                        told = tell(served.url, "providers/3/register", {"token": tried})
                        assert told.json["status"] == 204
                        confirmed = tried
                        tell(served.url, "clock", {"advance": 3})
            given, issued = _kept_tokens(kept)
            assert given in {confirmed, tried}
            assert issued & {confirmed, tried}

    @pytest.mark.parametrize("content", ["{", "[]", '{"version": 99}', '{"version": 1}'])
    def test_a_file_that_is_not_one_of_ours(self, tmp_path: Path, content: str) -> None:
        kept = tmp_path / "kept.json"
        kept.write_text(content)
        ended = CliRunner().invoke(main, ["serve", "--port=0", f"--keep={kept}"])
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"oscp-sim serve: {kept}")
        assert ended.stderr.count("\n") == 1
        assert kept.read_text() == content

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        kept = tmp_path / "nowhere" / "kept.json"
        ended = CliRunner().invoke(main, ["serve", "--port=0", f"--keep={kept}"])
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"oscp-sim serve: {kept}: cannot be written")

    def test_what_is_kept_but_cannot_be_used(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        known = {"user": 42, "kind": "capacity_provider_known", "id": 3}
        kept.write_text(
            json.dumps({"version": 1, "seats": [{**known, "remembered": {"token": "secret!"}}]})
        )
        ended = CliRunner().invoke(main, ["serve", "--port=0", f"--keep={kept}"])
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert "secret!" not in ended.stderr
        assert "register again" in ended.stderr

    def test_nothing_is_written_where_nothing_changed(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.json"
        state = StateFile(path)
        state.write({})
        path.unlink()
        state.update({})
        assert not path.exists()
        state.update({(1, "capacity_provider", 3): {"a": 1}})
        assert path.exists()

    def test_what_was_kept_is_recalled(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.json"
        remembered = {(1, "capacity_provider", 3): {"a": 1}}
        with StateFile(path).kept(lambda: remembered, lambda _: None):
            assert path.exists()
        recalled: list[Any] = []
        with StateFile(path).kept(lambda: remembered, recalled.append):
            assert recalled == [remembered]
        path.write_text("[")
        with (
            pytest.raises(StateFileError),
            StateFile(path).kept(lambda: remembered, recalled.append),
        ):
            pass


# --- wrong usage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--start=2026-05-04T15:58:00Z"], "add --clock frozen or fast"),
        (["--clock=frozen", "--start=tomorrow"], '"tomorrow" is not a date-time'),
        (["--clock=frozen", "--start=2026-05-04T15:58:00"], "has no offset"),
        (["--clock=frozen", "--speed=2"], "a frozen clock has none; add --clock fast"),
        (["--speed=2"], "a real clock has none"),
        (["--clock=fast", "--speed=0"], "--speed"),
        (["--clock=slow"], "--clock"),
        (["--play=grid"], "--play"),
        (["--seat=grid=http://a"], "does not name a party"),
        (["--seat=capacity_provider:7=http://a"], "there is no Capacity Provider 7 in the world"),
        (["--control-token="], "it is empty"),
        (["--control-token=s\u00e9same"], "letters, digits and signs of ASCII"),
        (["--control-token=se\x07same"], "letters, digits and signs of ASCII"),
        (["--clock=fast", "--speed=nan"], "nan is not a number"),
        (["--clock=fast", "--speed=inf"], "is not in the range"),
        (["--clock=fast", "--speed=1000001"], "is not in the range"),
        (["--play=capacity_provider"], "--seat flexibility_provider=URL"),
        (["--play=capacity_optimizer"], "--seat flexibility_provider=URL"),
        (["--play=solaruser", "--play=capacity_provider"], "--seat flexibility_provider=URL"),
        (["--play=solaruser", "--seat=solaruser=http://a"], "nothing of it is left to play"),
        (
            ["--play=flexibility_provider", "--seat=flexibility_provider=http://a/fp"],
            "nothing of it is left to play",
        ),
        (
            [
                "--play=capacity_provider",
                "--seat=capacity_provider:3=http://a",
                "--seat=flexibility_provider=http://a/fp",
            ],
            "nothing of it is left to play",
        ),
    ],
)
def test_wrong_usage(options: list[str], told: str) -> None:
    ended = CliRunner().invoke(main, ["serve", "--port=0", *options])
    assert ended.exit_code == 2
    assert "Usage: " in ended.stderr
    assert "same" not in ended.stderr
    assert told in " ".join(ended.stderr.split())


def a_scenario(folder: Path, expected: str = "") -> Path:
    """A scenario that sends a Handshake."""
    path = folder / "a.yaml"
    step = 'send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}'
    path.write_text(f"scenario: a\nsteps:\n  - {step}\n{expected}")
    return path


def test_a_seat_for_rehearse(tmp_path: Path) -> None:
    path = a_scenario(tmp_path)
    runner = CliRunner()
    nowhere = "--seat=capacity_provider:3=http://127.0.0.1:9"
    ended = runner.invoke(main, ["rehearse", str(path), nowhere])
    assert ended.exit_code == 1
    assert "Connection refused" in ended.stdout
    ended = runner.invoke(main, ["rehearse", str(path), "--seat=capacity_provider=http://a"])
    assert ended.exit_code == 2
    assert "which Capacity Provider?" in ended.stderr


def test_rehearse_with_a_sequence(tmp_path: Path) -> None:
    path = a_scenario(tmp_path)
    ended = CliRunner().invoke(main, ["rehearse", str(path), "--sequence"])
    assert ended.exit_code == 0
    assert "FP -> CP 3 " in ended.stdout
    assert "FP -> CP 3 " not in CliRunner().invoke(main, ["rehearse", str(path)]).stdout


def test_a_scenario_against_a_real_solaruser(tmp_path: Path) -> None:
    """Which here is another simulator: it takes the instruction, and this one plays nothing."""
    path = a_scenario(tmp_path, "    expect: {state: Completed, within: 20s}\n")
    with Simulator() as real:
        seats = [
            f"--seat=solaruser={real.url}",
            f"--seat=flexibility_provider={real.url}/oscp/fp/2.0",
        ]
        ended = CliRunner().invoke(main, ["rehearse", str(path), *seats])
        assert ended.exit_code == 0, ended.stdout
        assert real.journal.entries(party="capacity_provider", action="Handshake")

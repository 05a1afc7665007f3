"""What a scenario file says of parties, time and exchanges, and what it may not say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim.clock import FastClock, FrozenClock, RealClock
from oscp_sim.matching import TextPattern
from oscp_sim.scenario.act import is_moved
from oscp_sim.scenario.model import (
    ClockSetting,
    Command,
    Expect,
    ExpectedExchange,
    Message,
    PlayedParty,
    Scenario,
    Wait,
)
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.real_parties import RealParties
from tests.oscp_sim.rehearsing import complaints, loaded

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = """\
scenario: everything
clock: {start: 2026-05-04T16:00:00+01:00, runs: fast, speed: 60}
seats:
  solaruser: http://a.test
  flexibility_provider: http://b.test/oscp/fp/2.0
  capacity_provider: {"4": http://c.test/cp}
  capacity_optimizer: {"5": http://d.test/co}
sequence: true
steps:
  - register: {provider: 3, user: 42, token: t, new_token: true, request_id: a1}
  - handshake: {optimizer: 1, heartbeat_interval: 60, measurement_configuration: [CONTINUOUS]}
  - handshake: {provider: 3, heartbeat_interval: null, measurement_configuration: null}
  - handshake_acknowledge: {provider: 3, correlation_id: h1}
  - heartbeat: {provider: 3, offline_mode_at: 2026-05-04T16:00:00Z}
  - forecast:
      provider: 3
      group: g
      type: CONSUMPTION
      start: 2026-05-04T16:00Z
      step: 15m
      capacities: [1, 2.5]
      unit: KW
      phase: ALL
      request_id: r1
      correlation_id: u4
  - forecast: {provider: 3, message: {wrong: true}}
  - forecast: {provider: 3, file: payloads/a.json}
  - forecast: {provider: 3, csv: payloads/a.csv}
  - forecast: {provider: 3, csv: "start,capacity\\n2026-05-04T16:00Z,1\\n"}
  - forecast: {provider: 3, purpose: emergency_assign_capacity, capacity: 100}
  - adjust: {optimizer: 1, message: null}
  - post: {provider: 3, action: Heartbeat, message: {}, headers: {X-Segment-Index: "1"}}
  - wait: 1h30m
  - name: named
    wait: PT2S
    expect:
      pending: nothing
      findings: nothing
      exchanges: nothing
  - heartbeat: {optimizer: 1}
    expect:
      status: unanswered
      reason: {matches: refused}
      within: 2s
      findings: [S9, X10]
      exchanges:
        - from: capacity_optimizer
          to: flexibility_provider
          action: Heartbeat
          path: /heartbeat
          method: POST
          status: 403
          headers: {X-Request-ID: null}
          message: {a: 1}
  - wait: 1s
    expect: {exchanges_among_others: [{status: unanswered}]}
"""
PROVIDER = PlayedParty("capacity_provider", 3)
OPTIMIZER = PlayedParty("capacity_optimizer", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "payloads").mkdir()
    (tmp_path / "payloads" / "a.json").write_text('{"a": [1]}')
    (tmp_path / "payloads" / "a.csv").write_text("start,capacity\n")
    return tmp_path


def load(folder: Path, text: str) -> Scenario:
    (scenario,) = loaded(folder, text)
    return scenario


def of_step(step: str, more: str = "") -> str:
    return f"scenario: a\n{more}steps:\n  - {step}\n"


class TestWhatAFileSays:
    def test_each_step(self, folder: Path) -> None:
        steps = load(folder, EVERYTHING).steps
        instant = datetime(2026, 5, 4, 16, tzinfo=UTC)
        of_42 = PlayedParty("capacity_provider", 3, 42)
        assert [step.does for step in steps] == [
            Command("register", of_42, {"token": "t", "new_token": True, "request_id": "a1"}),
            Command(
                "handshake",
                OPTIMIZER,
                {"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]},
            ),
            Command(
                "handshake",
                PROVIDER,
                {"heartbeat_interval": None, "measurement_configuration": None},
            ),
            Command("handshake_acknowledge", PROVIDER, {"correlation_id": "h1"}),
            Command("heartbeat", PROVIDER, {"offline_mode_at": instant}),
            Command(
                "forecast",
                PROVIDER,
                {
                    "group": "g",
                    "type": "CONSUMPTION",
                    "start": instant,
                    "step": "15m",
                    "capacities": [1, 2.5],
                    "unit": "KW",
                    "phase": "ALL",
                    "request_id": "r1",
                    "correlation_id": "u4",
                },
            ),
            Command("forecast", PROVIDER, {"message": {"wrong": True}}),
            Command("forecast", PROVIDER, {"message": {"a": [1]}}),
            Command("forecast", PROVIDER, {"csv": folder / "payloads" / "a.csv"}),
            Command("forecast", PROVIDER, {"csv": "start,capacity\n2026-05-04T16:00Z,1\n"}),
            Command(
                "forecast", PROVIDER, {"purpose": "emergency_assign_capacity", "capacity": 100}
            ),
            Command("adjust", OPTIMIZER, {"message": None}),
            Command(
                "post",
                PROVIDER,
                {"action": "Heartbeat", "message": {}, "headers": {"X-Segment-Index": "1"}},
            ),
            Wait(timedelta(hours=1.5)),
            Wait(timedelta(seconds=2)),
            Command("heartbeat", OPTIMIZER, {}),
            Wait(timedelta(seconds=1)),
        ]

    def test_the_name_of_each_step(self, folder: Path) -> None:
        names = [step.name for step in load(folder, EVERYTHING).steps]
        assert names == [
            "register",
            *("handshake", "handshake", "handshake acknowledge", "heartbeat"),
            *["forecast"] * 6,
            *("adjust", "Heartbeat", "wait 90m", "named", "heartbeat", "wait 1s"),
        ]

    def test_expectations(self, folder: Path) -> None:
        *_, nothing, all_of_it, some = [step.expect for step in load(folder, EVERYTHING).steps]
        assert nothing == Expect(exchanges=(), findings=(), pending="nothing")
        assert all_of_it == Expect(
            status="unanswered",
            reason=TextPattern("matches", "refused"),
            within=timedelta(seconds=2),
            findings=("S9", "X10"),
            exchanges=(
                ExpectedExchange(
                    "capacity_optimizer",
                    "flexibility_provider",
                    "Heartbeat",
                    "/heartbeat",
                    "POST",
                    403,
                    {"X-Request-ID": None},
                    Message({"a": 1}),
                ),
            ),
        )
        wanted = (ExpectedExchange(status="unanswered"),)
        assert some == Expect(exchanges_among_others=wanted)

    def test_clock_seats_and_sequence(self, folder: Path) -> None:
        loaded = load(folder, EVERYTHING)
        start = datetime(2026, 5, 4, 15, tzinfo=UTC)
        assert loaded.clock == ClockSetting("fast", start, 60)
        assert loaded.real_parties == RealParties(
            "http://a.test",
            "http://b.test/oscp/fp/2.0",
            {4: "http://c.test/cp"},
            {5: "http://d.test/co"},
        )
        assert loaded.sequence

    def test_what_is_left_out(self, folder: Path) -> None:
        loaded = load(folder, of_step("wait: 1s"))
        assert (loaded.clock, loaded.real_parties, loaded.sequence) == (
            ClockSetting(),
            RealParties(),
            False,
        )

    def test_what_stands_beside_the_scenarios_holds_for_each(self, folder: Path) -> None:
        path = folder / "a.yaml"
        path.write_text(
            "clock: {start: 2026-05-04T16:00:00Z}\nseats: {solaruser: http://a.test}\n"
            "sequence: true\nscenarios:\n"
            "  - {scenario: a, steps: [wait: 1s]}\n"
            "  - {scenario: b, sequence: false, clock: {runs: real}, steps: [wait: 1s]}\n"
        )
        one, other = load_scenarios([path])
        assert one.clock == ClockSetting("frozen", datetime(2026, 5, 4, 16, tzinfo=UTC))
        assert (one.real_parties, one.sequence) == (RealParties("http://a.test"), True)
        assert (other.clock, other.real_parties, other.sequence) == (
            ClockSetting(),
            one.real_parties,
            False,
        )


MISTAKES = [
    ("wait: 2", "3:11: ", ""),
    ("heartbeat: {}", "one of provider, optimizer is required here", ""),
    ("heartbeat: {provider: 3, optimizer: 1}", "only one of provider, optimizer", ""),
    ("forecast: {optimizer: 1, capacities: [1]}", '"provider" is missing', ""),
    ("adjust: {provider: 1, capacities: [1]}", '"optimizer" is missing', ""),
    ("forecast: {provider: 3, start: 2026-05-04T16:00:00Z}", "capacities", ""),
    (
        "forecast: {provider: 3, capacities: [1], start: tomorrow}",
        '"tomorrow" is not a date-time',
        "",
    ),
    ("forecast: {provider: 3, capacities: [1], unit: kW}", 'did you mean "KW"?', ""),
    ("forecast: {provider: 3, file: payloads/a.csv}", "payloads/a.csv is not JSON", ""),
    ("forecast: {provider: 3, csv: payloads/b.csv}", 'there is no file "payloads/b.csv"', ""),
    ("heartbeat: {provider: 3, offline_mode: x}", 'did you mean "offline_mode_at"?', ""),
    ("post: {provider: 3, action: HeartBeat, message: 1}", 'did you mean "Heartbeat"?', ""),
    ("broker: dwon", 'did you mean "down"?', ""),
    ("heartbeet: {provider: 3}", 'did you mean "heartbeat"?', ""),
    ("wait: 1s", "has no offset", "clock: {start: 2026-05-04T16:00:00}\n"),
    ("wait: 1s", "starts nowhere", "clock: {runs: real, start: 2026-05-04T16:00:00Z}\n"),
    ("wait: 1s", "a frozen clock has no speed", "clock: {runs: frozen, speed: 2}\n"),
    ("wait: 1s", '"a.test" is not a base URL', "seats: {solaruser: a.test}\n"),
    ("wait: 1s", '"x" is not a base URL', "seats: {capacity_provider: {'3': x}}\n"),
    ("wait: 1s", "put it in quotes", "seats: {capacity_provider: {3: http://a.test}}\n"),
    (
        "wait: 1s",
        '"three" does not have the right form',
        "seats: {capacity_provider: {three: http://a.test}}\n",
    ),
    ("wait: 1s", 'did you mean "solaruser"?', "seats: {solar_user: http://a.test}\n"),
]


@pytest.mark.parametrize(("step", "told", "more"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_mistakes(folder: Path, step: str, told: str, more: str) -> None:
    found = complaints(folder, of_step(step, more))
    assert any(told in each for each in found), found
    assert all(each.startswith("a.yaml:") for each in found)


EXPECTED = [
    ("wait: 1s", "{status: 204}", "a wait step sends nothing"),
    ("wait: 1s", "{state: Completed}", "a wait step sends nothing"),
    ("wait: 1s", "{within: 2s}", "a wait step sends nothing"),
    ("broker: down", "{status: 204}", "a broker step sends nothing"),
    ("heartbeat: {provider: 3}", "{parts: 1}", "it is for instructions"),
    ("heartbeat: {provider: 3}", "{received: {same_as_sent: true}}", "no instruction is sent"),
    ("send: {node: 1, parameters: {}}", "{status: 204}", "ends in a state"),
    ("wait: 1s", "{exchanges: []}", ""),
    ("wait: 1s", "{exchanges: none}", "nothing"),
    ("wait: 1s", "{exchanges: [{form: solaruser}]}", 'did you mean "from"?'),
    ("wait: 1s", "{exchanges: [{from: solar_user}]}", 'did you mean "solaruser"?'),
    ("wait: 1s", "{exchanges: nothing, exchanges_among_others: [{status: 204}]}", ""),
    ("wait: 1s", "{exchanges: [{status: 20}]}", ""),
    ("wait: 1s", "{pending: 0}", ""),
    ("heartbeat: {provider: 3}", "{status: none}", "unanswered"),
]


@pytest.mark.parametrize(("step", "expect", "told"), EXPECTED, ids=[each[1] for each in EXPECTED])
def test_what_cannot_be_expected(folder: Path, step: str, expect: str, told: str) -> None:
    found = complaints(folder, of_step(step) + f"    expect: {expect}\n")
    assert any(told in each and "a.yaml:4:" in each for each in found), found


@pytest.mark.parametrize(
    ("setting", "kind", "speed"),
    [
        (ClockSetting(), RealClock, None),
        (ClockSetting("frozen", datetime(2026, 1, 1, tzinfo=UTC)), FrozenClock, None),
        (ClockSetting("fast", datetime(2026, 1, 1, tzinfo=UTC)), FastClock, None),
        (ClockSetting("fast", datetime(2026, 1, 1, tzinfo=UTC), 60), FastClock, 60),
    ],
)
def test_a_clock_is_made(setting: ClockSetting, kind: type[Any], speed: float | None) -> None:
    clock = setting.make()
    assert type(clock) is kind
    assert getattr(clock, "speed", None) == speed
    assert setting.start is None or clock.now() == setting.start
    assert is_moved(clock) is (kind is not RealClock and speed is None)


def test_a_clock_without_a_start_begins_now() -> None:
    made = ClockSetting("frozen").make()
    assert abs(made.now() - datetime.now(UTC)) < timedelta(minutes=1)

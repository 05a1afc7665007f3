"""Steps in which parties act and time passes, and what of their expectations does not hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oscp_sim.clock import Clock, FastClock, FrozenClock, RealClock, Schedule
from oscp_sim.scenario.act import finish_what_is_due, is_moved
from oscp_sim.scenario.events import Event, ScenarioFinished, StepFinished
from oscp_sim.scenario.expect import (
    match_exchanges,
    problems_of_findings,
    problems_of_pending,
)
from oscp_sim.scenario.model import Expect, ExpectedExchange, Message
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.real_parties import RealParties
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.scenario.timeline import Exchange
from tests.oscp_sim.journals import START
from tests.oscp_sim.rehearsing import events_of, told

REGISTER = Exchange(
    1,
    START,
    "capacity_provider",
    "flexibility_provider",
    "POST",
    "/oscp/fp/2.0/register",
    (("x-request-id", "a1"),),
    '{"a": 1}',
    "Register",
    status=204,
)
ANSWER = replace(
    REGISTER,
    number=2,
    sender="flexibility_provider",
    receiver="capacity_provider",
    target="/oscp/cp/2.0/register",
)


def compared(expect: Expect, *got: Exchange) -> list[tuple[str, str, str]]:
    return told(match_exchanges(expect, got)[0])


def all_of(*wanted: ExpectedExchange) -> Expect:
    return Expect(exchanges=wanted)


def some_of(*wanted: ExpectedExchange) -> Expect:
    return Expect(exchanges_among_others=wanted)


GOOD = [
    ExpectedExchange("capacity_provider", "flexibility_provider", "Register", "/register", "POST"),
    ExpectedExchange(path="/oscp/fp/2.0/register"),
    ExpectedExchange(path="register"),
    ExpectedExchange(status=204),
    ExpectedExchange(headers={"X-Request-ID": "a1", "X-Correlation-ID": None}),
    ExpectedExchange(message=Message({"a": 1.0})),
]
BAD = [
    (
        ExpectedExchange("capacity_optimizer"),
        (
            "exchange 1",
            "from capacity_optimizer",
            "from capacity_provider to flexibility_provider POST /oscp/fp/2.0/register 204",
        ),
    ),
    (
        ExpectedExchange(path="/fp/2.0/regist"),
        (
            "exchange 1",
            "/fp/2.0/regist",
            "from capacity_provider to flexibility_provider POST /oscp/fp/2.0/register 204",
        ),
    ),
    (ExpectedExchange(status=403), ("exchange 1 status", "403", "204")),
    (ExpectedExchange(status="unanswered"), ("exchange 1 status", "unanswered", "204")),
    (
        ExpectedExchange(headers={"X-Request-ID": None}),
        ("exchange 1 header /X-Request-ID", "nothing", '"a1"'),
    ),
    (ExpectedExchange(message=Message({"a": 2})), ("exchange 1 message /a", "2", "1")),
]


class TestExchanges:
    @pytest.mark.parametrize("wanted", GOOD)
    def test_what_holds(self, wanted: ExpectedExchange) -> None:
        assert compared(all_of(wanted), REGISTER) == []
        assert compared(some_of(wanted), ANSWER, REGISTER, ANSWER) == []

    @pytest.mark.parametrize(("wanted", "problem"), BAD)
    def test_what_does_not(self, wanted: ExpectedExchange, problem: tuple[str, str, str]) -> None:
        assert compared(all_of(wanted), REGISTER) == [problem]
        assert compared(some_of(wanted), REGISTER) == [problem]

    def test_one_too_few_and_one_too_many(self) -> None:
        both = (ExpectedExchange(path="/register"), ExpectedExchange(path="/handshake"))
        assert compared(all_of(*both), REGISTER) == [("exchange 2", "/handshake", "none")]
        assert compared(all_of(both[0]), REGISTER, ANSWER) == [
            (
                "exchanges",
                "nothing more",
                "from flexibility_provider to capacity_provider POST /oscp/cp/2.0/register 204",
            )
        ]

    def test_nothing(self) -> None:
        assert compared(all_of()) == []
        ((what, expected, _),) = compared(all_of(), REGISTER)
        assert (what, expected) == ("the parties", "nothing")

    def test_after_one_that_is_another_nothing_is_compared(self) -> None:
        wanted = [ExpectedExchange(path="/handshake"), ExpectedExchange(path="/heartbeat")]
        assert len(compared(all_of(*wanted), REGISTER, ANSWER)) == 1

    def test_the_order_counts(self) -> None:
        one = ExpectedExchange(sender="capacity_provider")
        other = ExpectedExchange(sender="flexibility_provider")
        assert compared(some_of(one, other), REGISTER, ANSWER) == []
        assert compared(some_of(other, one), REGISTER, ANSWER) == [
            ("exchange 2", "from capacity_provider", "none")
        ]

    def test_a_header_that_is_absent_is_told_with_why(self) -> None:
        noted = replace(REGISTER, notes=("it stays behind",))
        wanted = all_of(ExpectedExchange(headers={"X-Correlation-ID": "r1"}))
        (problem,), _ = match_exchanges(wanted, [noted])
        assert (problem.got, problem.hint) == ("nothing", "it stays behind")


FINDING = {"rule": "S15", "severity": "error", "message": "names no forecast", "hint": ""}


class TestFindings:
    def told(self, *wanted: str, found: bool = True) -> list[tuple[str, str]]:
        happened = [replace(REGISTER, findings=(FINDING,) if found else ())]
        problems = problems_of_findings(Expect(findings=wanted), happened)
        return [(each.expected, each.got) for each in problems]

    def test_a_rule(self) -> None:
        assert self.told("S15") == []
        assert self.told("S8") == [("S8", "S15")]
        assert self.told("S8", found=False) == [("S8", "none")]

    def test_nothing(self) -> None:
        assert self.told(found=False) == []
        assert self.told() == [("none", "S15: names no forecast")]

    def test_mere_information_is_none(self) -> None:
        happened = [replace(REGISTER, findings=({**FINDING, "severity": "info"},))]
        assert not list(problems_of_findings(Expect(findings=()), happened))
        assert not list(problems_of_findings(Expect(findings=("S15",)), happened))

    def test_a_case(self) -> None:
        happened = [replace(REGISTER, findings=({**FINDING, "case": "X9"},))]
        assert not list(problems_of_findings(Expect(findings=("X9", "S15")), happened))

    @pytest.mark.parametrize(
        ("wanted", "hint"),
        [
            ((), "oscp-send explain S15 says when it is found"),
            (("S8",), "oscp-send explain S8 says when it is found"),
            (("S88",), '"S88" is not the name of a rule; did you mean "S8"?'),
            (
                ("zzz",),
                '"zzz" is not the name of a rule; oscp-send explain --list shows all of them',
            ),
        ],
    )
    def test_who_expects_another_is_told_what_there_is(
        self, wanted: tuple[str, ...], hint: str
    ) -> None:
        happened = [replace(REGISTER, findings=(FINDING,))]
        (problem,) = problems_of_findings(Expect(findings=wanted), happened)
        assert problem.hint == hint


def test_pending() -> None:
    assert not list(problems_of_pending(Expect(pending="nothing"), 0))
    assert not list(problems_of_pending(Expect(), 3))
    (problem,) = problems_of_pending(Expect(pending="nothing"), 3)
    assert (problem.expected, problem.got) == ("nothing", "3")


# --- from the file to the end ------------------------------------------------------------------


def rehearsed(
    tmp_path: Path, text: str, seats: RealParties | None = None
) -> tuple[list[StepFinished], ScenarioFinished]:
    events = events_of(tmp_path, text, real_parties=seats or RealParties())
    steps = [each for each in events if isinstance(each, StepFinished)]
    (finished,) = (each for each in events if isinstance(each, ScenarioFinished))
    return steps, finished


def one_step(
    tmp_path: Path, step: str, expect: str = "", seats: RealParties | None = None
) -> StepFinished:
    text = f"scenario: a\nclock: {{start: 2026-05-04T15:58:00Z}}\nsteps:\n  - {step}\n"
    if expect:
        text += f"    expect: {expect}\n"
    (finished,), _ = rehearsed(tmp_path, text, seats)
    return finished


HEARTBEAT = "heartbeat: {provider: 3}"
UNANSWERED = RealParties(flexibility_provider="http://127.0.0.1:9/oscp/fp/2.0")


def test_a_party_s_own_message(tmp_path: Path) -> None:
    finished = one_step(tmp_path, HEARTBEAT, "{status: 204}")
    assert told(finished.problems) == []
    assert (finished.outcome, finished.parts, finished.name) == ("204", None, "heartbeat")
    (exchange,) = finished.exchanges
    assert (exchange.sender, exchange.receiver) == ("capacity_provider", "flexibility_provider")
    assert exchange.path == "/oscp/fp/2.0/heartbeat"
    assert '"offline_mode_at":"2026-05-04T' in exchange.body


def test_an_answer_that_is_no_success(tmp_path: Path) -> None:
    post = "post: {provider: 3, action: Heartbeat, message: {}}"
    assert told(one_step(tmp_path, post, "{status: 422}").problems) == []
    (problem,) = told(one_step(tmp_path, post).problems)
    assert problem[:2] == ("status", "2xx")
    assert problem[2].startswith("422 ")
    assert told(one_step(tmp_path, post, "{reason: {matches: offlineModeAt}}").problems) == []
    (problem,) = told(one_step(tmp_path, HEARTBEAT, "{status: 422}").problems)
    assert problem[:2] == ("status", "422")


def test_no_answer(tmp_path: Path) -> None:
    good = "{status: unanswered, reason: {matches: refused}}"
    assert told(one_step(tmp_path, HEARTBEAT, good, UNANSWERED).problems) == []
    finished = one_step(tmp_path, HEARTBEAT, "", UNANSWERED)
    assert finished.outcome == "unanswered"
    why = "unanswered: Connect to http://127.0.0.1:9 failed: Connection refused"
    assert told(finished.problems) == [("status", "2xx", why)]


def test_time_passes_with_what_is_due(tmp_path: Path) -> None:
    text = """
scenario: a
clock: {start: 2026-05-04T15:58:00Z}
steps:
  - register: {provider: 3}
    expect: {exchanges: [{path: /oscp/fp/2.0/register}]}
  - wait: 400ms
    expect: {exchanges: nothing}
  - wait: 2s
    expect: {exchanges: [{path: /oscp/cp/2.0/register}], pending: nothing}
"""
    steps, finished = rehearsed(tmp_path, text)
    assert [told(each.problems) for each in steps] == [[], [], []]
    assert finished.passed


def test_what_is_due_is_done_before_anybody_looks() -> None:
    clock = FrozenClock(START)
    schedule = Schedule(clock)
    done: list[int] = []
    # Attached by hand: its own thread is not there to be quicker.
    clock.attach(schedule)
    schedule.soon(lambda: done.append(1))
    schedule.after(0.001, lambda: done.append(2))
    finish_what_is_due(clock)
    assert (done, clock.now()) == ([1], START)


@pytest.mark.parametrize(
    ("clock", "moved"),
    [
        (RealClock(), False),
        (FrozenClock(START), True),
        (FastClock(START), True),
        (FastClock(START, 60), False),
    ],
)
def test_which_clocks_stand_until_they_are_moved(clock: Clock, moved: bool) -> None:
    assert is_moved(clock) is moved


def test_what_is_still_on_its_way(tmp_path: Path) -> None:
    finished = one_step(tmp_path, "register: {provider: 3}", "{pending: nothing}")
    assert told(finished.problems) == [("on its way", "nothing", "1")]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("heartbeat: {provider: 77}", "there is no Capacity Provider 77; there is 3 of user 42"),
        ("heartbeat: {provider: 3, user: 1}", "there is no Capacity Provider 3 of user 1"),
        ("forecast: {provider: 3, capacities: [-1]}", "capacit"),
        ("post: {provider: 3, action: Heartbeat, message: {}, headers: {A: b}}", ""),
    ],
)
def test_what_cannot_be_done_is_told_with_why(tmp_path: Path, step: str, why: str) -> None:
    finished = one_step(tmp_path, step, "{status: 422}" if not why else "")
    if not why:
        assert told(finished.problems) == []
        return
    (problem,) = finished.problems
    assert finished.outcome == "not sent"
    assert problem.where.endswith("a.yaml:4")
    assert why in problem.got


def test_nobody_makes_a_real_party_act(tmp_path: Path) -> None:
    seats = RealParties(capacity_provider={3: "http://127.0.0.1:9/cp"})
    (problem,) = one_step(tmp_path, HEARTBEAT, "", seats).problems
    assert problem.got.startswith("Capacity Provider 3 is real, at http://127.0.0.1:9/cp: ")


def test_nobody_stops_a_real_broker(tmp_path: Path) -> None:
    seats = RealParties(solaruser="http://127.0.0.1:9")
    (problem,) = one_step(tmp_path, "broker: down", "", seats).problems
    assert problem.got == "SolarUser is real, at http://127.0.0.1:9: its broker is its own"


def test_instructions_need_both_ends_of_the_queue(tmp_path: Path) -> None:
    send = "send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: '{}'}"
    (problem,) = one_step(tmp_path, send, "", UNANSWERED).problems
    assert problem.hint is not None
    assert "give solaruser a seat, too" in problem.hint


def test_seats_that_are_not_in_the_world(tmp_path: Path) -> None:
    steps, finished = rehearsed(
        tmp_path,
        f"scenario: a\nsteps:\n  - {HEARTBEAT}\n",
        RealParties(capacity_provider={7: "http://a"}),
    )
    assert steps == []
    assert (finished.passed, finished.steps_left) == (False, 1)
    (problem,) = finished.problems
    assert problem.got == "there is no Capacity Provider 7 in the world; there is 3"


def test_the_same_happens_every_time(tmp_path: Path) -> None:
    """Under a clock that stands, with the same seed; what is told but for how long it took."""
    loop = Path(__file__).parents[2] / "scenarios" / "parties" / "loop.yaml"

    def told() -> list[object]:
        events: list[Event] = []
        assert run(load_scenarios([loop]), Rehearsal(), [events.append])
        return [
            # But for the port of this machine that the instruction was sent to.
            replace(each, headers=())
            if isinstance(each, Exchange) and each.receiver == "solaruser"
            else each
            for step in events
            if isinstance(step, StepFinished)
            for each in step.timeline
        ]

    assert told() == told()


def test_an_instruction_is_followed_by_the_scenario_s_clock(tmp_path: Path) -> None:
    """A provider that takes 19 s costs no time, and one that takes 21 s has not answered."""
    world = """
world:
  users:
    - id: 42
      tokens: [{id: t, secret: s}]
      nodes: [1]
      capacity_providers: [{id: 3, name: P, token: p, behaviour: {delay: DELAY}}]
      capacity_optimizers: [{id: 1, name: O}]
      capacity_groups: [{id: 1, identifier: g, capacity_provider: 3, capacity_optimizer: 1}]
"""
    send = "send: {node: 1, optimizer: 1, group: g, action: Handshake, text: '{}'}"
    text = f"{world}scenario: a\nclock: {{start: 2026-05-04T15:58:00Z}}\nsteps:\n  - {send}\n"

    def ended(delay: str, expect: str) -> list[tuple[str, str, str]]:
        (step,), _ = rehearsed(tmp_path, text.replace("DELAY", delay) + f"    expect: {expect}\n")
        return told(step.problems)

    assert ended("19s", "{state: Completed, within: 40s}") == []
    assert ended("21s", "{state: Declined, within: 40s}") == []
    ((what, expected, got),) = ended("19s", "{state: Completed, within: 15s}")
    assert (what, expected) == ("state", "Completed")
    assert got.startswith("Executing")

"""`POST /_sim/verify` and `POST /_sim/settle`: the same as in Python, over HTTP."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import FastClock, Simulator
from tests.oscp_sim.rig import NOW, Answer, ask, ask_over_network, instruction, post

if TYPE_CHECKING:
    from oscp_sim.clock import FrozenClock

HOST = [("Host", "localhost")]
JSON = [*HOST, ("Content-Type", "application/json")]
CP = "capacity_provider"


def verify(simulator: Simulator, asked: object) -> Answer:
    return ask(simulator, "POST", "/_sim/verify", JSON, json.dumps(asked).encode())


def settle(simulator: Simulator, query: str = "") -> Answer:
    return ask(simulator, "POST", f"/_sim/settle{query}", HOST)


@pytest.fixture
def busy(simulator: Simulator) -> Simulator:
    """One Handshake is delivered; it is acknowledged when the frozen clock is moved."""
    post(simulator, instruction())
    assert simulator.verify(state="Completed")
    return simulator


def test_what_holds_is_answered_with_the_entries(busy: Simulator) -> None:
    asked = {"party": CP, "action": "Handshake", "exactly": 1, "within": 2}
    answer = verify(busy, asked)
    assert answer.status == 200
    assert answer.json == {
        "verified": True,
        "entries": [entry.to_dict() for entry in busy.verify(asked)],
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"party": CP, "none": True, "action": "Heartbeat"},
        {"party": CP, "at_least": 1, "at_most": 2},
        {"order": [{"party": CP, "status": 204}, {"state": "Completed"}]},
        {"party": CP, "nothing_else": True, "all_of": [{"action": "Handshake", "exactly": 1}]},
        {"state": "Completed", "since": 1},
        {"status": 204, "path": "/handshake", "message": {}, "sent": False},
    ],
)
def test_each_word_is_understood(busy: Simulator, asked: dict[str, Any]) -> None:
    assert verify(busy, asked).json["verified"] is True


def test_what_does_not_hold_says_what_there_was(busy: Simulator) -> None:
    answer = verify(busy, {"party": CP, "action": "Register", "exactly": 1})
    assert answer.status == 409
    told = answer.json
    assert told["error"].splitlines()[0] == "expected exactly 1 entry, got none"
    assert (told["verified"], told["expected"], told["got"]) == (False, "exactly 1 entry", "none")
    assert told["nearest"]["request"]["target"] == "/oscp/cp/2.0/handshake"
    assert told["differences"] == [
        {"pointer": "/action", "expected": '"Register"', "got": '"Handshake"'}
    ]
    assert verify(busy, {"party": CP, "none": True}).json["entries"] == [5]


@pytest.mark.parametrize("accepted", ["text/plain", "text/plain, application/json;q=0.9"])
def test_who_wants_text_gets_the_text_alone(busy: Simulator, accepted: str) -> None:
    body = json.dumps({"party": CP, "none": True}).encode()
    answer = ask(busy, "POST", "/_sim/verify", [*JSON, ("Accept", accepted)], body)
    assert (answer.status, answer.header("Content-Type")) == (409, "text/plain; charset=utf-8")
    assert answer.body.decode() == f"{verify(busy, {'party': CP, 'none': True}).json['error']}\n"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], 'the body is a JSON object, as {"action": "Handshake", "exactly": 1}'),
        ({}, "say what is to be verified"),
        ({"party": "capacity_provder"}, "unknown party 'capacity_provder'; did you mean"),
        ({"action": "HandShake", "none": True}, "unknown action 'HandShake'; did you mean"),
        ({"kind": "exchanges"}, "unknown kind 'exchanges'; did you mean 'exchange'?"),
        ({"exact": 1}, 'nothing here is called "exact"; did you mean "exactly"?'),
        ({"exactly": "1"}, "\"exactly\" is a whole number, 0 or more, not '1'"),
        ({"party": CP, "since": -1}, "since is the number of an entry, 0 or more, not -1"),
        ({"party": 7}, "party: 7 is not of type"),
        ({"sent": "yes"}, 'sent: "yes" is not of type'),
        ({"reason": {"matches": "("}}, '"reason": not a regular expression: missing )'),
        ({"reason": {"is": "x"}}, '"reason" is a text, {"starts_with": "..."}'),
    ],
)
def test_what_makes_no_sense(busy: Simulator, asked: object, told: str) -> None:
    answer = verify(busy, asked)
    assert answer.status == 400
    assert answer.json["error"].startswith(told)


def test_no_server_waits_for_hours() -> None:
    with Simulator() as simulator:
        answer = verify(simulator, {"party": CP, "within": "1h"})
        assert (answer.status, answer.json["error"]) == (
            400,
            "within is at most 600 seconds of real time",
        )
    with Simulator(clock=FastClock(NOW, 1e6)) as simulator:
        assert verify(simulator, {"party": CP, "none": True, "within": "1h"}).status == 200


def test_it_answers_as_soon_as_it_is_decided() -> None:
    """From another thread, while other requests are answered."""
    with Simulator() as simulator:
        answers: list[Answer] = []
        asked = json.dumps({"party": CP, "action": "Handshake", "sent": False, "within": 60})

        def wait() -> None:
            url = simulator.url
            answers.append(ask_over_network(url, "POST", "/_sim/verify", JSON, asked.encode()))

        waiting = threading.Thread(target=wait)
        waiting.start()
        post(simulator, instruction(), when=simulator.clock.now())
        waiting.join(30)
        assert [answer.json["verified"] for answer in answers] == [True]


class TestSettle:
    def test_it_answers_when_nothing_is_on_its_way(
        self, busy: Simulator, clock: FrozenClock
    ) -> None:
        clock.advance(1)
        answer = settle(busy, "?timeout=10")
        assert (answer.status, answer.json) == (
            200,
            {"settled": True, "now": "2026-01-02T03:04:06.123456Z"},
        )

    def test_it_says_what_is_left(self, busy: Simulator) -> None:
        answer = settle(busy)
        assert answer.status == 409
        assert answer.json["error"] == (
            "not settled: 1 thing is still on the way, the next is due at "
            "2026-01-02T03:04:06.123456Z, and the clock stands: advance it"
        )
        assert (answer.json["settled"], answer.json["clock"]["pending"]) == (False, 1)

    def test_it_moves_a_clock_that_runs_for_who_waits(self) -> None:
        clock = FastClock(NOW)
        with Simulator(clock=clock) as simulator:
            post(simulator, instruction())
            assert settle(simulator, "?timeout=0.5").status == 409
            assert settle(simulator).json["settled"] is True
            assert clock.monotonic() == 1

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("?timeout=soon", "timeout is a number, 0 or more, not 'soon'"),
            ("?timeout=601", "timeout is at most 600 seconds"),
            ("?time=1", "unknown parameter 'time'; did you mean 'timeout'?"),
            ("?x=1", "unknown parameter 'x'; known: timeout"),
        ],
    )
    def test_what_makes_no_sense(self, simulator: Simulator, query: str, told: str) -> None:
        answer = settle(simulator, query)
        assert (answer.status, answer.json["error"]) == (400, told)

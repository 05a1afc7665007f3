"""Verifications in Python: counts, order, nothing else, time, and what is said where one fails."""

from __future__ import annotations

import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import FastClock, RealClock, Simulator
from oscp_sim.http import Request, Response
from oscp_sim.verify import NotVerified
from tests.oscp_sim.rig import NOW, instruction, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_sim.clock import FrozenClock
    from oscp_sim.entry import Entry, PartyName

CP: PartyName = "capacity_provider"
FP: PartyName = "flexibility_provider"
# Long enough for any machine where a test passes.
LONG = 30.0


def got(simulator: Simulator, action: str, party: PartyName = CP, status: int = 204) -> Entry:
    """Let a party tell that it was asked something."""
    asked = Request("POST", f"/oscp/cp/2.0/{action.lower()}?x=1", (("X-Request-ID", "r1"),), b"{}")
    answer = Response(status)
    return simulator.journal.append(
        party, "exchange", action=action, request=asked, response=answer
    )


@pytest.fixture
def busy(simulator: Simulator) -> Simulator:
    """Four exchanges of the Capacity Provider, and other entries between them."""
    got(simulator, "Register")
    simulator.journal.append(CP, "note", action="Heartbeat", detail={"why": "soon"})
    for action in ("Handshake", "Heartbeat", "Heartbeat"):
        got(simulator, action)
        got(simulator, action, party=FP, status=500)
    simulator.journal.append(
        "solaruser", "state", action="Handshake", instruction_id=7, state="Declined", reason="no"
    )
    return simulator


HOLDS: list[tuple[dict[str, Any], list[int]]] = [
    ({"party": CP, "action": "Heartbeat"}, [5, 7]),
    ({"party": CP, "action": "Heartbeat", "exactly": 2}, [5, 7]),
    ({"party": CP, "action": "Heartbeat", "at_least": 2}, [5, 7]),
    ({"party": CP, "action": "Heartbeat", "at_most": 2}, [5, 7]),
    ({"party": CP, "action": "Heartbeat", "at_least": 1, "at_most": 3}, [5, 7]),
    ({"party": CP, "action": "UpdateAssetMeasurement", "none": True}, []),
    ({"party": CP, "action": "UpdateAssetMeasurement", "exactly": 0}, []),
    ({"party": CP, "action": "Heartbeat", "kind": "note", "exactly": 1}, [2]),
    ({"detail": {"why": "soon"}}, [2]),
    ({"state": "Declined", "instruction_id": 7, "exactly": 1}, [9]),
    ({"reason": "no"}, [9]),
    ({"status": 500, "exactly": 3}, [4, 6, 8]),
    ({"path": "/handshake", "party": CP, "exactly": 1}, [3]),
    ({"path": "handshake", "party": CP, "exactly": 1}, [3]),
    ({"path": "/oscp/cp/2.0/handshake", "party": CP, "exactly": 1}, [3]),
    (
        {"method": "POST", "message": {}, "headers": {"x-request-id": "r1"}, "exactly": 7},
        [1, *range(3, 9)],
    ),
    ({"headers": {"X-Request-ID": None}, "none": True}, []),
    ({"since": 5, "party": CP, "action": "Heartbeat", "exactly": 1}, [7]),
    ({"order": [{"action": "Register"}, {"action": "Heartbeat"}]}, [1, 5]),
    (
        {
            "party": CP,
            "order": [{"action": each} for each in ("Register", "Heartbeat", "Heartbeat")],
        },
        [1, 5, 7],
    ),
    ({"order": [{"party": FP, "action": "Handshake"}, {"state": "Declined"}]}, [4, 9]),
    (
        {
            "party": CP,
            "all_of": [
                {"action": "Handshake", "exactly": 1},
                {"action": "Heartbeat", "exactly": 2},
            ],
        },
        [3, 5, 7],
    ),
    (
        {
            "all_of": [
                {"order": [{"action": "Register"}, {"action": "Handshake"}]},
                {"reason": "no"},
            ]
        },
        [1, 3, 9],
    ),
    (
        {
            "party": CP,
            "nothing_else": True,
            "order": [
                {"action": each} for each in ("Register", "Handshake", "Heartbeat", "Heartbeat")
            ],
        },
        [1, 3, 5, 7],
    ),
    (
        {"party": CP, "nothing_else": True, "all_of": [{"action": "Heartbeat"}, {"status": 204}]},
        [1, 3, 5, 7],
    ),
    ({"kind": "state", "nothing_else": True}, [9]),
]


@pytest.mark.parametrize(("asked", "numbers"), HOLDS)
def test_what_holds(busy: Simulator, asked: dict[str, Any], numbers: list[int]) -> None:
    assert [entry.number for entry in busy.verify(**asked)] == numbers


FAILS: list[tuple[dict[str, Any], str]] = [
    ({"action": "UpdateAssetMeasurement"}, "expected at least 1 entry, got none"),
    ({"party": CP, "action": "Heartbeat", "exactly": 1}, "expected exactly 1 entry, got 2"),
    ({"party": CP, "action": "Heartbeat", "exactly": 3}, "expected exactly 3 entries, got 2"),
    ({"party": CP, "action": "Heartbeat", "at_least": 3}, "expected at least 3 entries, got 2"),
    ({"party": CP, "action": "Heartbeat", "at_most": 1}, "expected at most 1 entry, got 2"),
    (
        {"party": CP, "at_least": 5, "at_most": 6},
        "expected at least 5 and at most 6 entries, got 4",
    ),
    ({"party": CP, "none": True}, "expected no entry, got 4"),
    ({"since": 9, "party": CP}, "expected at least 1 entry, got none"),
    (
        {"order": [{"action": "Handshake"}, {"action": "Register"}]},
        "expected 2 entries in this order, got 2. before 1.",
    ),
    (
        {"party": CP, "order": [{"action": "Handshake"}] * 2},
        "expected 2 entries in this order, got no 2. after 1.",
    ),
    (
        {"order": [{"action": "UpdateAssetMeasurement"}]},
        "expected 1 entry in this order, got no 1.",
    ),
    (
        {
            "party": CP,
            "order": [{"action": "Register"}, {"action": "Heartbeat"}, {"action": "Handshake"}],
        },
        "expected 3 entries in this order, got 3. before 2.",
    ),
    (
        {"party": CP, "action": "Heartbeat", "nothing_else": True},
        "expected nothing else, got 2 entries more",
    ),
    (
        {
            "party": CP,
            "nothing_else": True,
            "order": [{"action": each} for each in ("Register", "Handshake", "Heartbeat")],
        },
        "expected nothing else, got 1 entry more",
    ),
    (
        {"all_of": [{"action": "Register"}, {"action": "Handshake", "exactly": 1}]},
        "expected exactly 1 entry, got 2",
    ),
    (
        {"party": CP, "action": "Handshake", "exactly": 2, "within": 0},
        "expected exactly 2 entries within 0 s, got 1",
    ),
]


@pytest.mark.parametrize(("asked", "told"), FAILS)
def test_what_does_not_hold(busy: Simulator, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(NotVerified) as caught:
        busy.verify(**asked)
    assert str(caught.value).splitlines()[0] == told


class TestAFailure:
    def test_names_the_nearest_and_where_it_differs(self, busy: Simulator) -> None:
        with pytest.raises(NotVerified) as caught:
            busy.verify(party=CP, action="Handshake", status=500, exactly=1)
        assert str(caught.value).splitlines() == [
            "expected exactly 1 entry, got none",
            '  party: "capacity_provider"',
            '  action: "Handshake"',
            "  status: 500",
            '  kind: "exchange"',
            "of 9 others the nearest is",
            "  3  2026-01-02 03:04:05.123Z  capacity_provider got POST /oscp/cp/2.0/handshake, "
            "Handshake, answered 204",
            "  /status: expected 500, got 204",
        ]
        assert caught.value.nearest == busy.journal.entries()[2]
        assert [str(each) for each in caught.value.differences] == [
            "/status: expected 500, got 204"
        ]

    def test_lists_those_of_which_there_are_too_many(self, busy: Simulator) -> None:
        with pytest.raises(NotVerified) as caught:
            busy.verify(party=CP, action="Heartbeat", exactly=1)
        assert [each.number for each in caught.value.entries] == [5, 7]
        lines = str(caught.value).splitlines()
        assert lines[4] == "these fit:"
        assert [line.split()[0] for line in lines[5:]] == ["5", "7"]

    def test_shows_twelve_of_very_many(self, simulator: Simulator) -> None:
        for _ in range(20):
            got(simulator, "Heartbeat")
        with pytest.raises(NotVerified, match=r"(?m)^  12  .*\n  and 8 more\Z"):
            simulator.verify(none=True)

    def test_of_an_order_says_which_came_too_early(self, busy: Simulator) -> None:
        with pytest.raises(NotVerified) as caught:
            busy.verify(party=CP, order=[{"action": "Handshake"}, {"action": "Register"}])
        assert str(caught.value).splitlines()[1:] == [
            '  1. party: "capacity_provider", action: "Handshake", kind: "exchange"',
            '  2. party: "capacity_provider", action: "Register", kind: "exchange"',
            "2. came too early:",
            "  1  2026-01-02 03:04:05.123Z  capacity_provider got POST /oscp/cp/2.0/register, "
            "Register, answered 204",
        ]

    def test_of_an_order_says_how_far_it_came(self, busy: Simulator) -> None:
        with pytest.raises(NotVerified) as caught:
            busy.verify(
                party=CP, order=[{"action": "Heartbeat"}, {"action": "Handshake", "status": 5}]
            )
        lines = str(caught.value).splitlines()
        assert lines[1].endswith(", entry 5")
        assert lines[3:] == [
            "of 4 others the nearest is",
            "  7  2026-01-02 03:04:05.123Z  capacity_provider got POST /oscp/cp/2.0/heartbeat, "
            "Heartbeat, answered 204",
            '  /action: expected "Handshake", got "Heartbeat"',
            "  /status: expected 5, got 204",
        ]

    def test_of_nothing_else_says_what_else_and_what_is_near_it(self, busy: Simulator) -> None:
        with pytest.raises(NotVerified) as caught:
            busy.verify(
                party=CP,
                nothing_else=True,
                all_of=[{"action": "Register"}, {"status": 5, "none": True}],
            )
        lines = str(caught.value).splitlines()
        assert [line.split()[0] for line in lines[1:4]] == ["3", "5", "7"]
        assert lines[4:] == [
            'of what is expected, nearest to the first is party: "capacity_provider", '
            'action: "Register", kind: "exchange":',
            '  /action: expected "Register", got "Handshake"',
        ]

    def test_of_several_says_first_which_is_lost(self, busy: Simulator) -> None:
        """It ended the waiting; what is short might have come."""
        asked: list[dict[str, object]] = [
            {"party": FP, "exactly": 9},
            {"party": CP, "none": True},
        ]
        with pytest.raises(NotVerified, match="expected no entry within 30 s, got 4"):
            busy.verify(all_of=asked, within=30)

    def test_where_there_is_nothing_at_all(self, simulator: Simulator) -> None:
        with pytest.raises(NotVerified, match=r"(?s)got none.*\nthere is no other entry\Z"):
            simulator.verify(party=CP)

    def test_of_a_function(self, busy: Simulator) -> None:
        def is_odd(entry: Entry) -> bool:
            return entry.number == 7

        assert [each.number for each in busy.verify(is_odd, exactly=1, party=CP)] == [7]
        assert busy.verify(order=[lambda each: each.number == 1, is_odd], party=CP)
        told = r"(?s)an entry that is_odd accepts\n.*\n  its fields fit, but the function"
        with pytest.raises(NotVerified, match=told):
            busy.verify(is_odd, party=CP, at_least=2)


def test_a_list_alone_says_nothing_of_order(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match=r"several entries in their order are order=\[...\]"):
        simulator.verify([{"action": "Handshake"}])  # type: ignore[arg-type]


SENSELESS: list[tuple[dict[str, Any], str]] = [
    ({}, "say what is to be verified"),
    (
        {"party": "capacity_provder"},
        "unknown party 'capacity_provder'; did you mean 'capacity_provider'?",
    ),
    ({"peer": "grid"}, "unknown peer 'grid'; known: solaruser, flexibility_provider"),
    ({"kind": "exchanges"}, "unknown kind 'exchanges'; did you mean 'exchange'?"),
    ({"state": "complete"}, "unknown state 'complete'; did you mean 'Completed'?"),
    (
        {"action": "HandShake", "none": True},
        "unknown action 'HandShake'; did you mean 'Handshake'?",
    ),
    ({"action": "Nonsense"}, "unknown action 'Nonsense'; known: AdjustGroupCapacityForecast"),
    ({"order": [{"action": "handshake"}]}, "unknown action 'handshake'; did you mean 'Handshake'?"),
    ({"exact": 1}, 'nothing here is called "exact"; did you mean "exactly"?'),
    ({"stat": 1}, 'nothing here is called "stat"; did you mean "state"?'),
    (
        {"exactly": 1, "at_least": 1},
        '"exactly" says how many there are to be: leave "at_least" out',
    ),
    (
        {"exactly": 0, "at_least": 1},
        '"exactly" says how many there are to be: leave "at_least" out',
    ),
    ({"at_least": 1, "none": True}, '"at_least" says how many there are to be: leave "none" out'),
    ({"at_least": 3, "at_most": 2}, '"at_least" is 3, more than "at_most", which is 2'),
    ({"exactly": -1}, '"exactly" is a whole number, 0 or more, not -1'),
    ({"exactly": 1.5}, '"exactly" is a whole number, 0 or more, not 1.5'),
    ({"exactly": True}, '"exactly" is a whole number, 0 or more, not True'),
    ({"none": "yes"}, "\"none\" is true, or is left out; not 'yes'"),
    ({"party": CP, "within": -1}, '"within" is a number of seconds, or a duration as 15m'),
    ({"party": CP, "within": float("nan")}, '"within" is a number of seconds'),
    ({"party": CP, "within": "soon"}, '"soon" is not a duration above zero'),
    (
        {"party": CP, "within": "367d"},
        '"within" is a number of seconds, or a duration as 15m, 366d at most',
    ),
    ({"order": []}, '"order" is a list of what is expected'),
    ({"order": ["Handshake"]}, '"order" is a list of what is expected'),
    ({"order": [{"action": "Handshake", "exactly": 1}]}, '"exactly" cannot stand in "order"'),
    (
        {"order": [{"party": CP}], "exactly": 1},
        '"exactly" cannot stand beside "order": put it in there',
    ),
    ({"order": [{"party": CP}], "all_of": [{"party": CP}]}, '"all_of" cannot stand beside "order"'),
    (
        {"all_of": [{"party": CP, "within": 1}]},
        '"within" is said once, for all: put it beside "all_of"',
    ),
]


@pytest.mark.parametrize(("asked", "told"), SENSELESS)
def test_what_makes_no_sense(simulator: Simulator, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        simulator.verify(**asked)
    assert str(caught.value).startswith(told)


def test_an_action_that_somebody_has_made_up_is_known(simulator: Simulator) -> None:
    post(simulator, instruction(action="Nonsense"))
    assert len(simulator.verify(party="solaruser", action="Nonsense", exactly=1)) == 1
    assert simulator.verify(action="Nonsense", state="Declined")


class TestTime:
    """What is awaited, and what is not."""

    @pytest.fixture
    def real(self) -> Iterator[Simulator]:
        with Simulator(clock=RealClock()) as simulator:
            yield simulator

    def begun(self, simulator: Simulator, **asked: object) -> tuple[threading.Thread, list[object]]:
        results: list[object] = []

        def verify() -> None:
            try:
                results.append(len(simulator.verify(asked)))
            except NotVerified as error:
                results.append(error)

        thread = threading.Thread(target=verify)
        thread.start()
        return thread, results

    def test_what_comes_in_time_ends_the_waiting(self, real: Simulator) -> None:
        thread, results = self.begun(real, action="Handshake", at_least=2, within=LONG)
        got(real, "Handshake")
        assert not results
        got(real, "Handshake")
        thread.join(LONG / 2)
        assert results == [2]

    def test_what_is_one_too_many_ends_it(self, real: Simulator) -> None:
        with real.shared.schedule.asked():
            thread, results = self.begun(real, action="Handshake", at_most=1, within=LONG)
            got(real, "Handshake")
            got(real, "Handshake")
            thread.join(LONG / 2)
        assert str(results[0]).startswith("expected at most 1 entry within 30 s, got 2")

    def test_what_is_settled_ends_it(self, real: Simulator) -> None:
        """None of these can be certain as long as a request is being answered."""
        with real.shared.schedule.asked():
            begun = [
                self.begun(real, action="Handshake", exactly=1, within=9 * LONG),
                self.begun(real, action="Handshake", at_most=1, within=9 * LONG),
                self.begun(real, action="Handshake", nothing_else=True, within=9 * LONG),
            ]
            got(real, "Handshake")
            assert not any(results for _, results in begun)
        for thread, _ in begun:
            thread.join(LONG / 2)
        assert [results for _, results in begun] == [[1], [1], [1]]

    def test_without_a_time_nobody_waits_for_what_may_be_sent(self, real: Simulator) -> None:
        """It ends at once; what is on its way is awaited."""
        with pytest.raises(NotVerified, match="expected at least 1 entry, got none"):
            real.verify(party=CP)
        post(real, instruction(), when=real.clock.now())
        real.verify(party=CP, action="Handshake", sent=False, at_least=1)

    def test_a_message_that_is_due_later_is_counted(self) -> None:
        clock = FastClock(NOW)
        with Simulator(clock=clock) as simulator:
            post(simulator, instruction())
            asked: dict[str, Any] = {"party": CP, "action": "HandshakeAcknowledge"}
            with pytest.raises(NotVerified, match="expected no entry within 1 s, got 1"):
                simulator.verify(none=True, within=1, **asked)
            assert clock.monotonic() == 1

    def test_within_goes_by_the_simulated_clock(self) -> None:
        clock = FastClock(NOW)
        with Simulator(clock=clock) as simulator:
            post(simulator, instruction())
            asked: dict[str, Any] = {"party": CP, "action": "HandshakeAcknowledge"}
            simulator.verify(none=True, within=0.9, **asked)
            assert clock.monotonic() == 0
            simulator.verify(exactly=1, within="1h", **asked)
            assert clock.monotonic() == 1

    def test_within_goes_by_a_clock_that_runs(self) -> None:
        """A day of its own is over in no time, or this test takes a day."""
        with (
            Simulator(clock=FastClock(NOW, 1e7)) as simulator,
            pytest.raises(NotVerified, match="expected at least 1 entry within 86400 s, got none"),
        ):
            simulator.verify(action="Register", within="24h")

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"action": "Register"}, "expected at least 1 entry within 3.16224e+07 s, got none"),
            (
                {"action": "Register", "none": True},
                "expected that it is certain within 3.16224e+07 s",
            ),
        ],
    )
    def test_a_fast_clock_is_waited_for_ten_minutes_at_most(
        self, asked: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seconds = itertools.count(0, 700)
        with Simulator(clock=FastClock(NOW, 1000)) as simulator:
            # Its heartbeats always come again.
            simulator.provider(3).handshake(heartbeat_interval=3600)
            simulator.settle(5)
            monkeypatch.setattr("oscp_sim.settling.time.monotonic", lambda: next(seconds))
            with pytest.raises(NotVerified) as caught:
                simulator.verify(within="366d", **asked)
            monkeypatch.undo()
        text = " ".join(str(caught.value).split())
        assert said in text
        assert (
            "a wait ends after 600 s of real time, by then the clock is at 2026-01-02T03:0" in text
        )

    def test_what_always_comes_again_counts_in_the_time(self) -> None:
        """A heartbeat is not on its way, but it is due before the time is over."""
        with Simulator(clock=FastClock(NOW)) as simulator:
            wanted = {"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]}
            post(simulator, instruction(msg=json.dumps({"required_behaviour": wanted})))
            asked: dict[str, Any] = {"party": CP, "action": "Heartbeat", "sent": True}
            simulator.verify(none=True, **asked)
            with pytest.raises(NotVerified, match="expected no entry within 3600 s, got 1"):
                simulator.verify(none=True, within="1h", **asked)

    def test_a_frozen_clock_is_not_waited_for(
        self, simulator: Simulator, clock: FrozenClock
    ) -> None:
        post(simulator, instruction())
        asked: dict[str, Any] = {"party": CP, "action": "HandshakeAcknowledge"}
        assert simulator.verify(party=CP, action="Handshake", exactly=1, within="1h")
        assert simulator.verify(none=True, **asked) == ()
        due = "the next is due at 2026-01-02T03:04:06.123456Z, and the clock stands: advance it"
        with pytest.raises(NotVerified, match=f"1 thing is still on the way, {due}"):
            simulator.verify(**asked)
        clock.advance(1)
        assert simulator.verify(exactly=1, **asked)

    def test_who_moves_a_frozen_clock_ends_the_waiting(
        self, simulator: Simulator, clock: FrozenClock
    ) -> None:
        post(simulator, instruction())
        thread, results = self.begun(simulator, party=CP, action="HandshakeAcknowledge", within=5)
        clock.advance(1)
        thread.join(LONG)
        assert results == [1]

    def test_where_too_much_is_on_its_way_it_cannot_be_told(self) -> None:
        clock = FastClock(NOW)
        with Simulator(clock=clock) as simulator:
            simulator.shared.schedule.after(60, lambda: None)
            with pytest.raises(NotVerified) as caught:
                simulator.verify(party=CP, none=True)
            assert str(caught.value).splitlines() == [
                "expected that within 10 s nothing is on its way any more, got 1 thing is still on "
                "the way, the next is due at 2026-01-02T03:05:05.123456Z",
                "until then it may still change: say within which time it is to hold",
            ]
            assert simulator.verify(party=CP, none=True, within=59) == ()
            assert simulator.verify(party=CP, none=True, within=60) == ()
            assert clock.monotonic() == 60


class TestNothingSent:
    def test_by_nobody(self, simulator: Simulator) -> None:
        simulator.assert_nothing_sent()

    def test_but_by_the_parties_themselves(self, simulator: Simulator) -> None:
        post(simulator, instruction())
        asked = simulator.journal.entries(kind="exchange", party="solaruser")
        simulator.verify(party=CP, sent=False, exactly=1)
        simulator.assert_nothing_sent(since=asked[0].number)

    @pytest.mark.parametrize("body", [instruction(), {"nodeId": "x"}])
    def test_by_a_program(self, simulator: Simulator, body: dict[str, Any]) -> None:
        post(simulator, body)
        with pytest.raises(NotVerified) as failed:
            simulator.assert_nothing_sent()
        told = str(failed.value).splitlines()
        assert told[0] == "expected nothing sent by a program, got 1"
        assert "solaruser got POST /solaruser/api/v1/sec/instr/add" in told[1]
        assert len(told) == 1 + len(failed.value.entries)

"""What any sender must do: senders in good order have the properties, each mutant is caught."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

from oscp_send.testing import SenderMistake, forecasts, sender_properties
from oscp_send.testing.cases import FAULTS
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.faults import load_faults
from oscp_sim.faults.model import KINDS
from tests.examples import try_our_sender, try_own_sender
from tests.oscp_send import senders
from tests.oscp_send.sender_world import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.testing import Outcome, Sending

#: The same examples every time, and no looking for smaller ones.
QUICK = settings(
    max_examples=10, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)
FEW = settings(QUICK, max_examples=3)
by_a_session = partial(sender_properties, through="session", settings=FEW)


@pytest.fixture(scope="module")
def oscp() -> Iterator[Simulator]:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        yield simulator


def fallen(oscp: Simulator, send: senders.Plain, only: str) -> str:
    """What is said of a sender that does not have a property."""
    with pytest.raises(SenderMistake) as raised:
        by_a_session(send, only=only, settings=QUICK)(oscp)
    return str(raised.value)


test_ours_has_all_of_them = pytest.mark.hypothesis(
    sender_properties(try_our_sender.send, through="session")
)
test_a_plain_one_has_them = by_a_session(senders.Plain(), only="fault")


@pytest.mark.parametrize(
    "send", [senders.SplitsItself(), senders.Form(), senders.EscapesThePath()], ids=type
)
def test_who_writes_the_request_otherwise_has_them(oscp: Simulator, send: senders.Plain) -> None:
    by_a_session(send, only=("arrives", "parts", "signature"))(oscp)


def test_who_writes_the_message_otherwise_has_them(oscp: Simulator) -> None:
    only = ("arrives", "parts", "verdict")
    by_a_session(senders.SortsNames(), takes="message", only=only)(oscp)


def test_over_a_socket_and_by_the_machines_clock_it_is_the_same() -> None:
    with Simulator() as simulator:
        test = sender_properties(try_own_sender.send, only=("arrives", "signature"), settings=FEW)
        test(simulator)


def test_what_the_running_service_refuses_is_not_the_senders_mistake() -> None:
    days = forecasts("day-ahead", group_ids=st.just("foo-group"))
    test = by_a_session(try_our_sender.send, samples=days, only=("arrives", "verdict"))
    with Simulator(clock=FrozenClock(NOW), fidelity="observed") as simulator:
        test(simulator)


def test_one_with_productions_url_in_its_source_has_them(oscp: Simulator) -> None:
    def send(sending: Sending) -> Outcome:
        return try_own_sender.send(replace(sending, url="https://data.solarnetwork.net"))

    by_a_session(send, through="intercept", only=("arrives", "signature"))(oscp)


MUTANTS: tuple[tuple[type[senders.Plain], str, str], ...] = (
    (senders.CutsByBytes, "parts", "/message was"),
    (senders.LosesTheLastPart, "arrives", "is not JSON: it ends after 256 of "),
    (senders.DropsARepeatedParameter, "arrives", "what came as msg is not JSON"),
    (senders.DropsARepeatedName, "arrives", "/group_id was there 2 times and came 1 times"),
    (senders.RoundsNumbers, "arrives", "capacity was 0.1234567890123 and came as 0.123"),
    (senders.Reencodes, "arrives", r'/message was "\u00e9\u20ac'),
    (senders.SortsBlocks, "arrives", "/forecasted_blocks/0/capacity was 2.0 and came as 1.0"),
    (senders.SendsFromAnotherNode, "arrives", 'the parameter nodeId was to be "1" and came as "2"'),
    (
        senders.DropsTheCorrelationId,
        "arrives",
        'the parameter correlationId was to be "aB-1" and did not come',
    ),
    (
        senders.LowersTheCorrelationId,
        "arrives",
        'the parameter correlationId was to be "aB-1" and came as "ab-1"',
    ),
    (senders.ComposesLetters, "arrives", "/message was"),
    (senders.SignsTheDecodedPath, "signature", "/instr/add/OSCP%5Fv20\n"),
    (senders.SignsNoBody, "signature", "not that of the request as it was sent"),
    (senders.SignsAnotherDate, "signature", "not that of the request as it was sent"),
    (senders.SignsFieldsAsTheyAre, "parts", "Bad credentials"),
    (senders.LeavesTheDigestUnsigned, "signature", "the header digest, which is not signed"),
    (senders.PostsAgain, "fault", "the message was sent again"),
    (senders.PostsAgainAt5xx, "fault", "the message was sent again"),
    (senders.IsCertain, "fault", "said that it was not delivered, but the instruction is Comp"),
    (senders.SwallowsADeclined, "verdict", "said that it was delivered, but the instruction is De"),
    (senders.DeliveredOn200, "verdict", "said that it was delivered, but the instruction is Decl"),
    (senders.DeliveredWhenQueued, "fault", "said that it was delivered, but the instruction is"),
    (senders.LetsErrorsOut, "fault", 'has to say "delivered", "not delivered" or "unknown", not'),
    (senders.KnowsNothing, "arrives", "does not know, but nothing had gone wrong"),
)


@pytest.mark.parametrize(
    ("mutant", "only", "words"), MUTANTS, ids=[each[0].__name__ for each in MUTANTS]
)
def test_a_mutant_is_caught(
    oscp: Simulator, mutant: type[senders.Plain], only: str, words: str
) -> None:
    said = fallen(oscp, mutant(), only)
    assert said.startswith(f"{only} (")
    assert words in said


def test_it_says_what_was_sent_what_arrived_and_what_happened(oscp: Simulator) -> None:
    said = fallen(oscp, senders.RoundsNumbers(), "arrives").splitlines()
    assert said[0] == (
        "arrives (what arrives means what was sent): to SolarUser came something else: "
        "/forecasted_blocks/0/capacity was 0.1234567890123 and came as 0.123"
    )
    assert said[1] == "sent:     AdjustGroupCapacityForecast"
    assert '"capacity":0.1234567890123' in said[2]
    assert said[3] == "to SolarUser came:"
    assert '"capacity": 0.123,' in said[4]
    assert said[5] == "to the Capacity Provider came:"
    assert '"capacity":0.123,' in said[6]
    assert said[7:9] == ["the sender said: delivered", "what happened:"]
    told = "\n".join(said[9:])
    assert "solaruser got POST /solaruser/api/v1/sec/instr/add/OSCP_v20" in told
    assert "is Completed" in told


def test_it_says_where_a_sender_raised_something(oscp: Simulator) -> None:
    said = fallen(oscp, senders.LetsErrorsOut(), "fault")
    assert "senders.py:" in said
    assert "in __call__: return self.judged(sending, self.post(sending))" in said


def test_it_says_what_had_gone_wrong(oscp: Simulator) -> None:
    said = fallen(oscp, senders.PostsAgain(), "fault")
    assert "fault:    {where: solaruser, fault: no_answer, times: 1, method: POST" in said


class Truncates(senders.Plain):
    """Loses what is behind the second block."""

    def message(self, sending: Sending) -> str:
        blocks = sending.message.get("forecasted_blocks", [])
        return json.dumps({**sending.message, "forecasted_blocks": blocks[:2]})


def test_a_small_message_is_found_and_shown(oscp: Simulator) -> None:
    thorough = settings(QUICK, max_examples=40, phases=(Phase.generate, Phase.shrink))
    test = by_a_session(
        Truncates(),
        takes="message",
        actions=["AdjustGroupCapacityForecast"],
        only="arrives",
        settings=thorough,
    )
    with pytest.raises(SenderMistake, match="had 3 elements and came with 2") as raised:
        test(oscp)
    shown = "\n".join(raised.value.__notes__)
    assert "Truncates_arrives(\n    case=Case(action='AdjustGroupCapacityForecast'" in shown


class Lost(Exception):
    """Nothing is known."""


class Refused(Lost):
    """A refusal, which is known."""


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (Refused, "the sender said: not delivered, by Refused: no"),
        (Lost, "the sender said: unknown, by Lost: no"),
        (KeyError, "or \"unknown\", not KeyError: 'no'"),
    ],
)
def test_an_exception_says_what_its_nearest_class_does(
    oscp: Simulator, raised: type[Exception], words: str
) -> None:
    def send(sending: Sending) -> Outcome:
        raise raised("no")

    test = sender_properties(
        send, through="session", not_delivered=Refused, unknown=(Lost, ValueError), only="arrives"
    )
    with pytest.raises(SenderMistake) as caught:
        test(oscp)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"only": "signatures"}, "unknown property 'signatures'; did you mean 'signature'"),
        ({"actions": ["Handshakes"]}, "unknown action 'Handshakes'; did you mean 'Handshake'"),
        ({"actions": "Handshakes"}, "unknown action 'Handshakes'; did you mean 'Handshake'"),
        ({"through": "sockets"}, "unknown through 'sockets'; did you mean 'socket'"),
        ({"takes": "json"}, "unknown takes 'json'; there are text, message"),
    ],
)
def test_what_it_cannot_try_is_said_at_once(words: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sender_properties(try_our_sender.send, **words)  # type: ignore[arg-type]


def test_a_world_in_which_nothing_can_be_sent_is_said() -> None:
    with Simulator({"users": [{"id": 1}]}) as simulator:
        test = sender_properties(try_our_sender.send, only="arrives")
        with pytest.raises(ValueError, match="nothing can be sent in it"):
            test(simulator)


async def send_later(_: Sending) -> Outcome:
    return "delivered"


@pytest.mark.parametrize(
    ("send", "why"),
    [
        (send_later, "not a coroutine: give a function that runs it"),
        (lambda _: "delivered", r'was not sent to Sending\.url, http.* says through="intercept"'),
    ],
)
def test_a_sender_that_reaches_nobody_is_told_how_it_would(
    oscp: Simulator,
    send: Any,  # noqa: ANN401 - a coroutine function is no sender
    why: str,
) -> None:
    with pytest.raises(SenderMistake, match=why):
        sender_properties(send, only="arrives", settings=FEW)(oscp)


@pytest.mark.parametrize("place", ["solaruser", "hand_off", "capacity_provider"])
def test_every_kind_of_fault_is_tried(place: str) -> None:
    rules = load_faults({"faults": [dict(each.words) for each in FAULTS]})
    tried = {each.fault for each in rules if each.where == place}
    assert tried == {name for name, kind in KINDS.items() if place in kind.places}


def test_nothing_is_left_behind(oscp: Simulator) -> None:
    by_a_session(try_our_sender.send, only="parts")(oscp)
    assert (oscp.journal.entries(), oscp.faults.rules) == ((), ())

"""What happened in a step: each exchange once, though both of its parties tell it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim.entry import PartyName
from oscp_sim.http import Request, Response
from oscp_sim.scenario.timeline import Exchange, Note, TimelineEntry, timeline
from tests.oscp_sim.journals import CP, FP, START, Telling


@pytest.fixture
def telling() -> Telling:
    return Telling()


def told(telling: Telling) -> tuple[TimelineEntry, ...]:
    return timeline(telling.journal.entries())


def exchange(telling: Telling) -> Exchange:
    (each,) = told(telling)
    assert isinstance(each, Exchange)
    return each


FORM = "application/x-www-form-urlencoded; charset=UTF-8"


@pytest.mark.parametrize(
    ("target", "body", "content"),
    [
        (
            "/add?nodeId=1",
            "parameters%5B10%5D.name=msg&parameters%5B10%5D.value=%7B%7D"
            "&parameters[2].value=7&parameters[2].name=coId",
            {
                "nodeId": 1,
                "parameters": [{"name": "coId", "value": "7"}, {"name": "msg", "value": "{}"}],
            },
        ),
        ("/add", "nodeId=x&parameters[0].name=coId", {"parameters": []}),
        ("/add", "%", {"parameters": []}),
    ],
)
def test_a_form_is_read_as_the_json_of_the_same_instruction(
    target: str, body: str, content: dict[str, Any]
) -> None:
    one = Exchange(
        1,
        START,
        "capacity_optimizer",
        "solaruser",
        "POST",
        target,
        headers=(("content-type", FORM),),
        body=body,
    )
    assert json.loads(one.content) == content
    assert replace(one, headers=()).content == body
    assert replace(one, receiver="flexibility_provider").content == body


class TestPairing:
    def test_both_sides_are_one_exchange(self, telling: Telling) -> None:
        telling.received("flexibility_provider", "/oscp/fp/2.0/heartbeat", peer="capacity_provider")
        telling.sent("capacity_provider", f"{FP}/heartbeat", "flexibility_provider", id=3, user=42)
        one = exchange(telling)
        assert (one.sender, one.receiver) == ("capacity_provider", "flexibility_provider")
        assert (one.number, one.system, one.status) == (1, 3, 204)
        assert (one.path, one.request_id, one.notes) == ("/oscp/fp/2.0/heartbeat", "r1", ())

    def test_of_one_whose_token_was_unknown_the_sender_tells_who_it_was(
        self, telling: Telling
    ) -> None:
        telling.received("flexibility_provider", "/oscp/fp/2.0/heartbeat", status=403)
        telling.sent("capacity_provider", f"{FP}/heartbeat", "flexibility_provider", status=403)
        assert exchange(telling).sender == "capacity_provider"

    def test_a_real_party_tells_nothing(self, telling: Telling) -> None:
        telling.sent("flexibility_provider", "http://real.test/x/heartbeat", "capacity_provider")
        one = exchange(telling)
        assert (one.sender, one.path) == ("flexibility_provider", "/x/heartbeat")

    def test_a_repetition_is_another(self, telling: Telling) -> None:
        for _ in range(3):
            telling.received("capacity_optimizer", "/oscp/co/2.0/heartbeat")
            telling.sent(
                "flexibility_provider", "http://a/oscp/co/2.0/heartbeat", "capacity_optimizer"
            )
        assert [each.number for each in told(telling)] == [1, 3, 5]

    def test_another_of_the_same_content_is_another(self, telling: Telling) -> None:
        telling.received("flexibility_provider", "/oscp/fp/2.0/heartbeat")
        telling.sent("capacity_provider", f"{FP}/heartbeat", "flexibility_provider", alone=True)
        assert len(told(telling)) == 2

    def test_an_answer_that_came_too_late_is_none(self, telling: Telling) -> None:
        telling.received("capacity_provider", "/oscp/cp/2.0/heartbeat", peer="flexibility_provider")
        telling.sent("flexibility_provider", f"{CP}/heartbeat", "capacity_provider", status=None)
        one = exchange(telling)
        assert one.status is None
        assert one.notes == ("answered with 204, which its sender did not see",)

    def test_findings_and_notes_of_both_sides(self, telling: Telling) -> None:
        finding = {"rule": "S15", "severity": "error", "message": "m"}
        telling.received("capacity_provider", "/oscp/cp/2.0/heartbeat", findings=[finding], why="a")
        telling.sent(
            "flexibility_provider", f"{CP}/heartbeat", "capacity_provider", answered_after=2.5
        )
        one = exchange(telling)
        assert one.findings == (finding,)
        assert one.notes == ("a", "answered after 2.5 s")

    @given(st.lists(st.sampled_from(["both", "only sent", "only received"]), max_size=12))
    def test_however_many_there_are_each_is_told_once_and_in_order(self, kinds: list[str]) -> None:
        telling = Telling()
        for number, kind in enumerate(kinds):
            # Two of each id: a repetition after another message.
            request_id = f"r{number // 2}"
            if kind != "only sent":
                telling.received(
                    "flexibility_provider",
                    "/oscp/fp/2.0/heartbeat",
                    peer="capacity_provider",
                    request_id=request_id,
                    message=number,
                )
            if kind != "only received":
                telling.sent(
                    "capacity_provider",
                    f"{FP}/heartbeat",
                    "flexibility_provider",
                    request_id=request_id,
                    message=number,
                    alone=kind == "only sent",
                )
        found = told(telling)
        assert [each.body for each in found if isinstance(each, Exchange)] == [
            str(number) for number in range(len(kinds))
        ]
        numbers = [each.number for each in found]
        assert numbers == sorted(set(numbers))


class TestInstructions:
    def test_the_request_comes_before_what_comes_of_it(self, telling: Telling) -> None:
        journal = telling.journal
        queued = {"action": "Handshake", "coId": 1, "cgIdentifier": "g", "correlationId": "r1"}
        of_it: Any = {"instruction_id": 1, "action": "Handshake"}
        asked = Request("POST", "/solaruser/api/v1/sec/instr/exec/OSCP_v20")
        journal.append("solaruser", "state", state="Queuing", **of_it)
        journal.append("solaruser", "note", detail={"handed_over": queued}, **of_it)
        journal.append("flexibility_provider", "state", state="Executing", **of_it)
        journal.append("flexibility_provider", "state", state="Declined", reason="no", **of_it)
        journal.append("solaruser", "exchange", request=asked, **of_it)
        request, handed_over, declined = told(telling)
        assert isinstance(request, Exchange)
        assert isinstance(handed_over, Exchange)
        assert isinstance(declined, Note)
        assert (request.sender, request.receiver) == ("capacity_optimizer", "solaruser")
        assert (handed_over.sender, handed_over.receiver) == ("solaruser", "flexibility_provider")
        assert (handed_over.method, handed_over.path) == ("MQTT", "instr/OSCP_v20")
        assert handed_over.is_handed_over
        assert handed_over.correlation_id == "r1"
        assert declined.text == "instruction 1 is Declined: no"

    def test_looks_at_it_are_left_out_unless_they_are_asked_for(self, telling: Telling) -> None:
        view = Request("GET", "/solaruser/api/v1/sec/instr/view?id=1")
        entry = telling.journal.append("solaruser", "exchange", request=view, instruction_id=1)
        assert told(telling) == ()
        (look,) = timeline(telling.journal.entries(), [entry.exchange_id])
        assert isinstance(look, Exchange)
        assert (look.method, look.target) == ("GET", view.target)

    def test_it_has_no_later_time_than_what_comes_of_it(self, telling: Telling) -> None:
        """The journal has a request when it is answered, which may be long after the delivery."""
        of_it: Any = {"instruction_id": 1, "action": "Handshake"}
        journal = telling.journal
        journal.append("solaruser", "note", detail={"handed_over": {}}, **of_it)
        telling.clock.advance(1)
        asked = Request("POST", "/solaruser/api/v1/sec/instr/exec/OSCP_v20")
        journal.append("solaruser", "exchange", request=asked, **of_it)
        request, handed_over = told(telling)
        assert isinstance(request, Exchange)
        assert request.at == handed_over.at == START

    def test_thousands_take_no_more_time_each(self, telling: Telling) -> None:
        """A page asks for what happened again and again, and holds up the parties meanwhile."""
        asked = Request("POST", "/solaruser/api/v1/sec/instr/exec/OSCP_v20")
        for number in range(6000):
            telling.journal.append("solaruser", "note", detail={"told": ""}, instruction_id=number)
            telling.journal.append("solaruser", "exchange", request=asked, instruction_id=number)
        began = time.process_time()
        found = told(telling)
        assert time.process_time() - began < 3.0
        assert [type(each) for each in found] == [Exchange, Note] * 6000


# What a fault lets the asker see, and what is shown of the exchange.
SEEN = [("unanswered", None), (503, 503), (200, 200)]


@pytest.mark.parametrize(("seen", "status"), SEEN)
@pytest.mark.parametrize("party", ["solaruser", CP])
def test_an_answer_that_its_sender_did_not_see_is_not_shown(
    party: PartyName, seen: object, status: int | None, telling: Telling
) -> None:
    answer = Response(200, (), b"hello")
    telling.journal.append(party, "exchange", request=Request("POST", "/a"), response=answer)
    telling.journal.append(party, "note", detail={"why": "fault 1", "seen": seen})
    shown = next(each for each in told(telling) if isinstance(each, Exchange))
    assert shown.status == status
    assert shown.answer == ("hello" if seen == 200 else "")
    assert shown.notes == (
        () if seen == 200 else ("answered with 200, which its sender did not see",)
    )


class TestNotes:
    def test_why_in_its_own_words_and_the_rest_as_json(self, telling: Telling) -> None:
        detail = {"why": "it is offline", "user": 42, "id": 3, "since_when": [1]}
        telling.journal.append("capacity_provider", "note", detail=detail)
        (note,) = told(telling)
        assert isinstance(note, Note)
        assert (note.text, note.system) == ("it is offline; since when: [1]", 3)

    def test_a_note_without_a_word(self, telling: Telling) -> None:
        telling.journal.append("capacity_provider", "note")
        (note,) = told(telling)
        assert isinstance(note, Note)
        assert note.text == "noted"

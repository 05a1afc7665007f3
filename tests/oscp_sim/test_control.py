"""The simulator's own endpoints below `/_sim/`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from tests.oscp_sim.rig import (
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    VIEW,
    Answer,
    ask,
    ask_over_network,
    get,
    instruction,
    post,
    settled,
)

if TYPE_CHECKING:
    from oscp_sim.clock import FrozenClock
    from oscp_sim.entry import PartyName

HOST = [("Host", "localhost")]


def look(simulator: Simulator, path: str) -> Answer:
    return ask(simulator, "GET", f"/_sim/{path}", HOST)


def entries(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200
    found: list[dict[str, Any]] = answer.json["entries"]
    return found


@pytest.fixture
def busy(simulator: Simulator) -> Simulator:
    """One message delivered, one declined."""
    post(simulator, instruction())
    settled(simulator)
    post(simulator, instruction(action="Nonsense"))
    return simulator


def pages(simulator: Simulator, query: str = "") -> list[list[int]]:
    found, since, more = [], 0, True
    while more:
        answer = look(simulator, f"journal?since={since}{query}")
        found.append([entry["number"] for entry in entries(answer)])
        since, more = answer.json["last"], answer.json["more"]
    assert since == simulator.journal.last
    return found


def test_the_journal_is_read_in_pages(simulator: Simulator) -> None:
    for number in range(2500):
        party: PartyName = "solaruser" if number % 2 else "capacity_provider"
        simulator.journal.append(party, "note", detail={"number": number})
    assert [len(page) for page in pages(simulator)] == [1000, 1000, 500]
    assert [number for page in pages(simulator) for number in page] == [*range(1, 2501)]
    assert [len(page) for page in pages(simulator, "&party=solaruser")] == [1000, 250]


def test_a_page_of_the_journal_ends_after_5_mb(simulator: Simulator) -> None:
    for _ in range(7):
        simulator.journal.append("solaruser", "note", detail={"why": "x " * 500_000})
    assert pages(simulator) == [[1, 2, 3, 4, 5], [6, 7]]


def test_a_page_of_characters_in_two_halves_takes_no_longer_than_it_is(
    simulator: Simulator,
) -> None:
    """It is written in good time, or this test never ends."""
    detail = {"why": "\U0001f600" * 100_000, "large": 2**70}
    simulator.journal.append("solaruser", "note", detail=detail)
    assert entries(look(simulator, "journal"))[0]["detail"] == detail


def test_health(simulator: Simulator, clock: FrozenClock) -> None:
    health = look(simulator, "health").json
    assert health["status"] == "ok"
    assert (health["seed"], health["fidelity"]) == (1, "documented")
    assert health["version"]
    assert health["now"] == "2026-01-02T03:04:05.123456Z"
    clock.advance(1)
    assert look(simulator, "health").json["now"] == "2026-01-02T03:04:06.123456Z"


def test_health_tells_the_seed_and_the_fidelity() -> None:
    health = look(Simulator(seed=7, fidelity="observed"), "health").json
    assert (health["seed"], health["fidelity"]) == (7, "observed")


def test_the_journal_in_order(busy: Simulator) -> None:
    answer = look(busy, "journal")
    assert answer.header("Content-Type") == "application/json"
    found = entries(answer)
    assert [entry["number"] for entry in found] == list(range(1, len(found) + 1))
    assert answer.json["last"] == len(found)
    assert found == [entry.to_dict() for entry in busy.journal.entries()]


def test_the_delivered_message_is_seen_there(busy: Simulator) -> None:
    (entry,) = entries(look(busy, "journal?party=capacity_provider"))
    assert entry["request"]["target"] == "/oscp/cp/2.0/handshake"
    assert entry["request"]["body"] == "{}"
    assert entry["response"]["status"] == 204


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("party=solaruser", {"party": "solaruser"}),
        ("party=flexibility_provider", {"party": "flexibility_provider"}),
        ("action=Handshake", {"action": "Handshake"}),
        ("party=solaruser&action=Nonsense", {"party": "solaruser", "action": "Nonsense"}),
        ("party=capacity_optimizer", {"party": "capacity_optimizer"}),
        ("peer=capacity_provider", {"peer": "capacity_provider"}),
        ("kind=state", {"kind": "state"}),
        ("kind=exchange&sent=true", {"kind": "exchange", "sent": True}),
        ("kind=exchange&sent=false", {"kind": "exchange", "sent": False}),
        ("instruction_id=1", {"instruction_id": 1}),
        ("instruction_id=0", {"instruction_id": 0}),
        ("state=Completed", {"state": "Completed"}),
        ("status=204", {"status": 204}),
    ],
)
def test_filters(busy: Simulator, query: str, fields: dict[str, str]) -> None:
    expected = [
        entry.to_dict()
        for entry in busy.journal.entries()
        if all(getattr(entry, name) == value for name, value in fields.items())
    ]
    assert entries(look(busy, f"journal?{query}")) == expected


def test_since_leaves_out_what_is_known(busy: Simulator) -> None:
    last = busy.journal.last
    assert [entry["number"] for entry in entries(look(busy, f"journal?since={last - 1}"))] == [last]
    assert entries(look(busy, f"journal?since={last}")) == []
    assert entries(look(busy, f"journal?since={last + 99}")) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("part=solaruser", "unknown filter 'part'; did you mean 'party'?"),
        ("party=grid", "unknown party 'grid'; known: solaruser, flexibility_provider"),
        ("party=Capacity_Provder", "unknown party 'Capacity_Provder'; did you mean"),
        ("peer=grid", "unknown peer 'grid'; known: solaruser"),
        ("kind=exchanges", "unknown kind 'exchanges'; did you mean 'exchange'?"),
        ("state=completed", "unknown state 'completed'; did you mean 'Completed'?"),
        ("action=HandShake", "unknown action 'HandShake'; did you mean 'Handshake'?"),
        ("action=HandShake&wait=0.01", "unknown action 'HandShake'; did you mean 'Handshake'?"),
        ("action=", "unknown action ''; known: AdjustGroupCapacityForecast"),
        ("sent=yes", "sent is true or false, not 'yes'"),
        ("instruction_id=one", "instruction_id is a whole number, not 'one'"),
        ("status=-1", "status is a whole number, not '-1'"),
        ("limit=0", "limit is a number, 1 or more"),
        ("limit=ten", "limit is a number, 0 or more, not 'ten'"),
        ("since=yesterday", "since is a number, 0 or more, not 'yesterday'"),
        ("since=-1", "since is a number, 0 or more, not '-1'"),
        ("since=nan", "since is a number"),
        ("wait=inf", "wait is a number"),
        ("wait=soon", "wait is a number, 0 or more, not 'soon'"),
        ("wait=", "wait is a number"),
    ],
)
def test_a_query_that_makes_no_sense(simulator: Simulator, query: str, told: str) -> None:
    answer = look(simulator, f"journal?{query}")
    assert answer.status == 400
    assert answer.json["error"].startswith(told)


def test_a_limit_makes_smaller_pages(busy: Simulator) -> None:
    sizes = [len(page) for page in pages(busy, "&limit=2&party=solaruser")]
    count = len(busy.journal.entries(party="solaruser"))
    assert sizes == [2] * (count // 2) + [1] * (count % 2)


def test_who_wants_text_gets_a_line_for_each_entry(busy: Simulator) -> None:
    wanted = [*HOST, ("Accept", "text/plain")]
    lines = [str(entry) for entry in busy.journal.entries()]
    answer = ask(busy, "GET", "/_sim/journal", wanted)
    assert answer.body.decode().splitlines() == lines
    answer = ask(busy, "GET", "/_sim/journal?limit=2", wanted)
    more = f"and {len(lines) - 2} more: ask again with since=2"
    assert answer.body.decode().splitlines() == [*lines[:2], more]


def test_an_action_that_somebody_has_made_up_is_awaited(simulator: Simulator) -> None:
    answers: list[Answer] = []
    waiting = threading.Thread(
        target=lambda: answers.append(look(simulator, "journal?action=Nonsense&wait=30"))
    )
    waiting.start()
    post(simulator, instruction(action="Nonsense"))
    waiting.join(30)
    assert [entry["action"] for entry in entries(answers[0])][:1] == ["Nonsense"]


def test_wait_answers_at_once_with_what_is_there(busy: Simulator) -> None:
    began = time.monotonic()
    assert entries(look(busy, "journal?party=capacity_provider&wait=60"))
    assert time.monotonic() - began < 30


def test_wait_answers_as_soon_as_something_fits(simulator: Simulator) -> None:
    """From another thread, while other requests are answered."""
    answers: list[Answer] = []

    def wait() -> None:
        target = "/_sim/journal?party=capacity_provider&action=Handshake&wait=60"
        answers.append(ask_over_network(simulator.url, "GET", target, HOST))

    began = time.monotonic()
    waiting = threading.Thread(target=wait)
    waiting.start()
    # What does not fit does not wake it.
    assert post(simulator, instruction(action="Nonsense")).data["state"] == "Declined"
    post(simulator, instruction())
    waiting.join(30)
    assert not waiting.is_alive()
    (entry,) = entries(answers[0])
    assert entry["party"] == "capacity_provider"
    assert time.monotonic() - began < 30


def test_wait_ends_when_its_time_is_over(simulator: Simulator) -> None:
    answer = look(simulator, "journal?party=capacity_provider&wait=0.01")
    assert answer.json == {"last": 0, "more": False, "entries": []}


def test_reset_forgets_and_numbers_go_on(busy: Simulator) -> None:
    last = busy.journal.last
    answer = ask(busy, "POST", "/_sim/reset", HOST)
    assert answer.json == {"reset": True, "last": last}
    assert entries(look(busy, "journal")) == []
    assert get(busy, f"{VIEW}?id=1").body == b'{"success":true}'
    assert post(busy, instruction()).data["id"] == 3
    settled(busy)
    found = entries(look(busy, f"journal?since={last}&party=capacity_provider"))
    assert [entry["instruction_id"] for entry in found] == [None]
    assert found[0]["number"] > last


def test_reset_wakes_whoever_waits_for_what_it_forgets() -> None:
    simulator = Simulator()
    assert post(simulator, instruction(), when=simulator.clock.now()).data["state"] == "Queuing"
    settled_in_time: list[bool] = []
    waiting = threading.Thread(
        target=lambda: settled_in_time.append(simulator.wait_until_settled(30))
    )
    waiting.start()
    began = time.monotonic()
    ask(simulator, "POST", "/_sim/reset", HOST)
    waiting.join(30)
    assert settled_in_time == [True]
    assert time.monotonic() - began < 15


def test_the_world_without_secrets(simulator: Simulator) -> None:
    answer = look(simulator, "world")
    (user,) = answer.json["users"]
    assert user["tokens"][0]["id"] == TOKEN
    assert user["capacity_groups"][0]["identifier"] == "foo-group"
    for secret in (SECRET, PROVIDER_TOKEN):
        assert secret.encode() not in answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "health"), ("POST", "journal"), ("GET", "reset"), ("DELETE", "world")],
)
def test_another_method(simulator: Simulator, method: str, path: str) -> None:
    answer = ask(simulator, method, f"/_sim/{path}", HOST)
    assert answer.status == 405
    allowed = answer.header("Allow")
    assert allowed
    assert answer.json["hint"].startswith("it is asked with ")
    assert set(answer.json["hint"].split()[4::2]) <= set(allowed.split(", "))
    assert method not in answer.json["hint"]


def test_it_writes_nothing_into_the_journal_itself(simulator: Simulator) -> None:
    for path in ("health", "journal", "world"):
        look(simulator, path)
    assert simulator.journal.last == 0


class TestWebPages:
    @pytest.mark.parametrize(
        "host",
        ["localhost", "LOCALHOST:8920", "127.0.0.1:80", "127.9.9.9", "[::1]:8920", "[::1]"],
    )
    def test_a_program_of_this_machine_is_let_in(self, simulator: Simulator, host: str) -> None:
        assert ask(simulator, "GET", "/_sim/journal", [("Host", host)]).status == 200

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[", ""],
    )
    @pytest.mark.parametrize("target", ["GET health", "GET journal", "POST reset"])
    def test_a_name_that_leads_here_is_not(self, busy: Simulator, host: str, target: str) -> None:
        method, path = target.split()
        answer = ask(busy, method, f"/_sim/{path}", [("Host", host)])
        assert answer.status == 403
        assert "--public-url" in answer.json["error"]
        assert busy.journal.last

    def test_but_the_one_that_is_announced(self, simulator: Simulator) -> None:
        simulator.serve_at("https://sim.example:89")
        for host in ("sim.example:89", "sim.example", "localhost"):
            assert ask(simulator, "GET", "/_sim/journal", [("Host", host)]).status == 200

    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "null", "", "http://localhost:3000", "http://[", "localhost:1"],
    )
    @pytest.mark.parametrize("target", ["GET journal", "POST reset", "OPTIONS reset"])
    def test_a_page_from_elsewhere_is_not(self, busy: Simulator, origin: str, target: str) -> None:
        method, path = target.split()
        headers = [("Host", "localhost:1"), ("Origin", origin)]
        asked = [*headers, ("Access-Control-Request-Method", "POST")]
        answer = ask(busy, method, f"/_sim/{path}", asked)
        assert answer.status == 403
        assert not any(name.lower().startswith("access-control-") for name, _ in answer.headers)
        assert entries(look(busy, "journal"))

    def test_a_page_from_here_is(self, simulator: Simulator) -> None:
        headers = [("Host", "localhost:1"), ("Origin", "http://localhost:1")]
        answer = ask(simulator, "GET", "/_sim/journal", headers)
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") is None

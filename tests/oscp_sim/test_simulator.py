"""The one object that tests, the commands and the scenario runner hold."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from oscp_send import SolarUserClient
from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Flaw, Request
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.shared import Limits
from oscp_sim.user_events import UserEvents
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    NOW,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    VIEW,
    ask,
    ask_over_network,
    delivered,
    encoded,
    get,
    instruction,
    post,
    settled,
    signed_headers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from oscp_send import InstructionStatus
    from oscp_sim.entry import PartyName

SIGNATURE = "Signature="


def client_of(simulator: Simulator, *, in_process: bool) -> SolarUserClient:
    if in_process:
        return SolarUserClient(
            IN_PROCESS_URL, TOKEN, SECRET, session=simulator.session(), clock=simulator.clock.now
        )
    return SolarUserClient(simulator.url, TOKEN, SECRET, clock=simulator.clock.now)


def sent(client: SolarUserClient, text: str = "{}") -> InstructionStatus:
    return client.send("Handshake", text, node_id=1, co_id=1, cg_identifier="foo-group")


@pytest.mark.parametrize("in_process", [True, False], ids=["in-process", "over-a-socket"])
def test_an_integrator_s_program_is_served(simulator: Simulator, in_process: bool) -> None:
    with client_of(simulator, in_process=in_process) as client:
        queued = sent(client)
        assert queued.state == "Queuing"
        settled(simulator)
        assert client.wait(queued, timeout=10).state == "Completed"
    (exchange,) = delivered(simulator)
    assert exchange.response is not None
    assert exchange.response.status == 204


def test_the_in_process_session_opens_no_socket(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket is opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    sent(client_of(simulator, in_process=True))
    settled(simulator)
    assert len(delivered(simulator)) == 1


def test_proxies_of_the_environment_are_passed_by(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sent(client_of(simulator, in_process=True))
    settled(simulator)
    assert get(simulator, f"{VIEW}?id=1").data["state"] == "Completed"


# --- any number, side by side ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "party"), [(VIEW, "solaruser"), ("/oscp/fp/2.0/heartbeat", "flexibility_provider")]
)
def test_what_no_server_can_read_is_refused_and_explained(
    method: str, path: str, party: PartyName
) -> None:
    simulator = Simulator()
    asked = Request(method, path, flaw=Flaw(505, "HTTP/1.1 is spoken here"))
    answer = simulator.handle(asked)
    assert (answer.status, bool(answer.body)) == (505, method == "GET")
    (entry,) = simulator.journal.entries(party=party)
    assert entry.detail["why"] == "HTTP/1.1 is spoken here"


def test_whoever_is_played_tells_what_no_server_can_read() -> None:
    with Simulator(plays=["capacity_provider"]) as simulator:
        headers = [("Host", "h"), ("Content-Length", "9" * 5000)]
        answer = ask_over_network(simulator.url, "POST", "/oscp/cp/2.0/heartbeat", headers)
        (entry,) = simulator.journal.entries(party="capacity_provider")
    assert answer.status == 400
    assert entry.detail["why"].startswith("Content-Length is not one whole number")


def test_simulators_share_nothing() -> None:
    with (
        Simulator(clock=FrozenClock(NOW)) as one,
        Simulator(clock=FrozenClock(NOW), fidelity="observed", seed=2) as two,
    ):
        assert one.url != two.url
        post(one, instruction())
        post(one, instruction())
        settled(one)
        assert two.journal.entries() == ()
        assert post(two, instruction()).data["id"] == 1
        settled(two)
        assert get(two, f"{VIEW}?id=2").body == b'{"success":true}'
        assert len(delivered(one)) == 2
        assert len(delivered(two)) == 1


def test_each_has_its_own_time() -> None:
    late = FrozenClock(NOW + timedelta(days=1))
    with Simulator(clock=FrozenClock(NOW)) as now, Simulator(clock=late) as later:
        body = encoded(instruction())
        headers = signed_headers("POST", ADD, body)
        assert ask(now, "POST", ADD, headers, body).status == 200
        assert ask(later, "POST", ADD, headers, body).refusal == (401, "Date skew too large")


def test_many_threads_are_served_at_once(simulator: Simulator) -> None:
    url = simulator.url
    body = encoded(instruction())
    headers = signed_headers("POST", ADD, body)
    gate = threading.Barrier(8)
    ids: list[int] = []

    def send() -> None:
        gate.wait()
        ids.extend(ask_over_network(url, "POST", ADD, headers, body).data["id"] for _ in range(5))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(1, 41))
    settled(simulator)
    assert len(delivered(simulator)) == 40


# --- reproducible ------------------------------------------------------------------------------


def rehearsed(seed: int) -> str:
    with Simulator(clock=FrozenClock(NOW), seed=seed) as simulator:
        for body in (instruction(), instruction(action="Nonsense"), instruction(coId="x")):
            post(simulator, body)
            settled(simulator)
        get(simulator, f"{VIEW}?ids=1,2,3")
        return json.dumps([entry.to_dict() for entry in simulator.journal.entries()])


def test_the_same_seed_and_clock_give_the_same_journal_to_the_letter() -> None:
    before = sys.getswitchinterval()
    # Threads change places as often as they can: the order may not depend on it.
    sys.setswitchinterval(1e-6)
    try:
        journals = {rehearsed(1) for _ in range(15)}
    finally:
        sys.setswitchinterval(before)
    assert len(journals) == 1
    assert rehearsed(2) not in journals


# --- arguments ---------------------------------------------------------------------------------

WORLD = """
users:
  - id: 7
    tokens: [{id: t, secret: s}]
    nodes: [8]
"""


def test_a_world_from_a_file_a_mapping_a_text_or_ready_made(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(WORLD)
    mapping = {"users": [{"id": 7, "tokens": [{"id": "t", "secret": "s"}], "nodes": [8]}]}
    worlds = [Simulator(world).world for world in (path, mapping, WORLD, load_world(mapping))]
    assert all(isinstance(world, World) for world in worlds)
    assert all(world == worlds[0] for world in worlds)
    assert worlds[0].owner_of_node(8) is not None


def test_a_world_that_is_wrong_says_where() -> None:
    with pytest.raises(SourceError, match="tokenz"):
        Simulator({"users": [{"id": 7, "tokenz": []}]})


def test_a_fidelity_that_is_unknown() -> None:
    with pytest.raises(ValueError, match="'documented' or 'observed', not 'both'"):
        Simulator(fidelity="both")  # type: ignore[arg-type]


def test_a_single_difference_is_set() -> None:
    behaviour = Behaviour("observed", {"correlation_id": "documented"})
    with Simulator(clock=FrozenClock(NOW), fidelity=behaviour) as simulator:
        assert simulator.behaviour is behaviour
        post(simulator, instruction(correlationId="r1"))
        settled(simulator)
        request = delivered(simulator)[0].request
        assert request is not None
        assert dict(request.headers)["x-correlation-id"] == "r1"
        assert ask(simulator, "POST", ADD, [("Host", "localhost")]).status == 401
        # All else is observed, as the lists that break off in CBOR.
        target = "/solaruser/api/v1/sec/instr?nodeId=1"
        headers = [*signed_headers("GET", target), ("Accept", "application/cbor")]
        assert len(ask(simulator, "GET", target, headers).body) == 15


# --- its end -----------------------------------------------------------------------------------


def test_close_is_quick_and_may_be_said_again() -> None:
    simulator = Simulator()
    with simulator:
        url = simulator.url
        assert requests.get(f"{url}/_sim/health", timeout=10).ok
        began = time.monotonic()
    simulator.close()
    simulator.close()
    assert time.monotonic() - began < 5
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/_sim/health", timeout=10)


def test_close_without_a_start() -> None:
    Simulator().close()


def test_nothing_is_left_running() -> None:
    before = set(threading.enumerate())
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        assert requests.get(f"{simulator.url}/_sim/health", timeout=10).ok
        post(simulator, instruction())
    left = [thread for thread in set(threading.enumerate()) - before if "local" in thread.name]
    left += [thread for thread in threading.enumerate() if thread.name == "flexibility-provider"]
    assert left == []


def test_close_delivers_what_was_queued() -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        for _ in range(10):
            post(simulator, instruction())
    assert len(delivered(simulator)) == 10


# --- no secret ---------------------------------------------------------------------------------


@pytest.mark.parametrize("in_process", [True, False], ids=["in-process", "over-a-socket"])
def test_no_secret_is_written_anywhere(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, in_process: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    with client_of(simulator, in_process=in_process) as client:
        sent(client)
        settled(simulator)
        client.view(1)
    body = encoded(instruction())
    wrong = signed_headers("POST", ADD, body, secret="wrong-secret")
    assert ask(simulator, "POST", ADD, wrong, body).status == 403
    good = dict(signed_headers("POST", ADD, body))["Authorization"].partition(SIGNATURE)[2]
    bad = dict(wrong)["Authorization"].partition(SIGNATURE)[2]
    told = [
        json.dumps([entry.to_dict() for entry in simulator.journal.entries()]),
        repr(simulator.journal.entries()),
        repr(simulator),
        repr(simulator.world),
        json.dumps(simulator.world.summary()),
        *(
            ask(simulator, "GET", f"/_sim/{path}", [("Host", "localhost")]).body.decode()
            for path in ("journal", "world", "health")
        ),
        caplog.text,
    ]
    assert TOKEN in told[0]
    for secret in (SECRET, PROVIDER_TOKEN, "wrong-secret", good, bad):
        assert not [text for text in told if secret in text], secret


def test_help_is_not_slowed_down_by_an_import() -> None:
    program = "import sys, oscp_sim; sys.exit('flask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603


def test_a_simulator_that_is_closed_starts_no_server() -> None:
    with Simulator() as simulator:
        assert simulator.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="with statement"):
        _ = simulator.url


def test_a_journal_with_a_limit_keeps_the_newest() -> None:
    with Simulator(clock=FrozenClock(NOW), limits=Limits(journal=3)) as simulator:
        for _ in range(3):
            simulator.provider(3).heartbeat()
        assert [entry.number for entry in simulator.journal.entries()] == [4, 5, 6]


def test_of_large_things_fewer_are_kept() -> None:
    # 4 KB each on average, but 20 MB at least: of 5 MB, five in the journal's two sides.
    with Simulator(clock=FrozenClock(NOW), limits=Limits(journal=1000, messages=1000)) as simulator:
        for number in range(8):
            simulator.provider(3).post("Heartbeat", " " * 5_000_000, request_id=str(number))
        assert len(simulator.journal.entries()) == 4
        assert simulator.journal.last == 16
        assert len(simulator.provider(3).sent) == 8


def test_systems_remember_the_newest_messages() -> None:
    with Simulator(clock=FrozenClock(NOW), limits=Limits(messages=3)) as simulator:
        for number in range(5):
            simulator.provider(3).heartbeat(request_id=str(number))
            post(simulator, instruction())
            settled(simulator)
        shown = ask(simulator, "GET", "/_sim/providers/3", [("host", "localhost")]).json
    assert [each["action"] for each in shown["received"]] == ["Handshake"] * 3
    assert len(shown["sent"]) == 3
    assert "4" in [each["request_id"] for each in shown["sent"]]


def test_user_events_keep_the_newest_of_all_users() -> None:
    events = UserEvents(FrozenClock(NOW), 1, limit=3)
    for number in range(5):
        events.add(42 + number % 2, ["oscp"], str(number))
    until = NOW + timedelta(seconds=1)
    left = [[each.message for each in events.find(user, NOW, until)] for user in (42, 43)]
    assert left == [["2", "4"], ["3"]]


def test_instructions_that_are_at_their_end_are_forgotten_first() -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock, limits=Limits(instructions=4), plays=["solaruser"]) as simulator:
        # Nobody claims them: 1 to 5 are under way. Whoever is declined is at its end.
        ids = [post(simulator, instruction()).data["id"] for _ in range(5)]
        declined = [post(simulator, instruction(action="Nope")).data["id"] for _ in range(3)]
        assert _kept(simulator, [*ids, *declined]) == ids
        clock.advance(31)
        # By now time has given up the first five, unless somebody looks: the oldest goes.
        newest = post(simulator, instruction()).data["id"]
        assert _kept(simulator, [*ids, *declined, newest]) == [*ids[2:], newest]


def _kept(simulator: Simulator, ids: list[int]) -> list[int]:
    asked = ",".join(map(str, ids))
    return [each["id"] for each in get(simulator, f"{BASE}/view?ids={asked}").data]


def test_each_request_is_told_as_it_came_until_the_end_of_the_block() -> None:
    heard: list[Request] = []
    with Simulator() as simulator:
        session = simulator.session()
        with simulator.telling(heard.append):
            session.get(f"{IN_PROCESS_URL}/a?b=%20", headers={"Authorization": "Token secret-text"})
            assert [(each.method, each.target) for each in heard] == [("GET", "/a?b=%20")]
        session.get(f"{IN_PROCESS_URL}/later")
    assert [each.fields["authorization"] for each in heard] == ["Token secret-text"]

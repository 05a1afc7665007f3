"""Registering with the Flexibility Provider: oscp20.md §3.4, §5.3 and §9.3."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock, Task
from oscp_sim.http import Response
from oscp_sim.world import SIMULATED
from tests.oscp_sim.fp_callers import (
    FP_URL,
    GOOD,
    HANDSHAKE,
    HEARTBEAT,
    REGISTER,
    Role,
    behaviour,
    heard,
    registration,
    say,
    system,
    token_of,
    why,
)
from tests.oscp_sim.peers import (
    CP_URL,
    ERROR,
    SILENT,
    Peers,
    Sent,
    group,
    optimizer,
    peers,
    provider,
    provider_of,
    world,
)
from tests.oscp_sim.rig import NOW, Answer, Provider, body_of, shared_of

URL = "http://cp.test/new"
PENDING = provider(registration_status="Pending", base_url=None)


@pytest.fixture
def there() -> Iterator[Peers]:
    with peers(world([PENDING])) as found:
        yield found


def register(there: Peers, body: object = None, role: Role = "provider") -> Answer:
    return say(there.simulator, REGISTER, registration() if body is None else body, role=role)


def refused(answer: Answer) -> tuple[int, str]:
    return answer.refusal


@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_what_is_stored_at_once(there: Peers, role: Role) -> None:
    old = token_of(there.simulator, role)
    assert register(there, role=role).status == 204
    found = system(there.simulator, role)
    assert (found.base_url, found.oscp_version, found.token) == (URL, "2.0", "cp-token-new")
    assert found.registration_status == "Pending"
    assert found.flexibility_provider_token not in {None, old}
    assert there.sent == []


def test_whoever_registers_speaks_oscp_2_0_from_then_on() -> None:
    with peers(world([provider(oscp_version="1.0")])) as there:
        register(there)
        assert system(there.simulator).oscp_version == "2.0"


def test_the_new_token_is_made_as_the_first_one(there: Peers) -> None:
    register(there)
    token = token_of(there.simulator)
    assert len(token) == 64
    assert len(base64.b64decode(token, validate=True)) == 48


def test_the_same_seed_makes_the_same_tokens() -> None:
    def token(seed: int) -> str:
        with peers(world([PENDING]), seed=seed) as there:
            register(there)
            return token_of(there.simulator)

    assert token(1) == token(1) != token(2)


@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_the_register_that_answers(there: Peers, role: Role) -> None:
    register(there, role=role)
    there.clock.advance(1.5)
    (sent,) = there.sent
    assert 0.5 <= (sent.at - there.clock.now()).total_seconds() + 1.5 <= 1.499
    assert sent.url == f"{URL}/register"
    assert sent.headers.keys() == {"Authorization", "Content-Type", "X-Request-ID"}
    assert sent.headers["Authorization"] == "Token cp-token-new"
    assert sent.json["token"] == token_of(there.simulator, role)
    (offered,) = sent.json["version_url"]
    assert offered["version"] == "2.0"
    assert offered["base_url"] == f"{there.simulator.url}/oscp/fp/2.0"
    assert system(there.simulator, role).registration_status == "Registered"
    (entry,) = there.exchanges
    assert (entry.action, entry.peer) == (REGISTER, f"capacity_{role}")


def test_x6_the_gap_without_any_token(there: Peers) -> None:
    old = token_of(there.simulator)
    register(there)
    assert say(there.simulator, HEARTBEAT, token=old).status == 403
    there.clock.advance(0.4)
    assert say(there.simulator, HEARTBEAT, token=old).status == 403
    there.clock.advance(1.1)
    told = there.sent[0].json["token"]
    assert say(there.simulator, HEARTBEAT, token=told).status == 204
    assert say(there.simulator, HEARTBEAT, token=old).status == 403


def test_one_that_registers_again_is_pending_again(there: Peers) -> None:
    register(there)
    there.clock.advance(2)
    first = token_of(there.simulator)
    assert register(there, registration("http://cp.test/newer", "cp-token-newer")).status == 204
    found = system(there.simulator)
    assert (found.registration_status, found.token) == ("Pending", "cp-token-newer")
    assert say(there.simulator, HEARTBEAT, token=first).status == 403
    there.clock.advance(2)
    assert [each.url for each in there.sent] == [f"{URL}/register", "http://cp.test/newer/register"]
    assert there.sent[1].json["token"] == token_of(there.simulator) != first
    assert system(there.simulator).registration_status == "Registered"


def test_of_two_registrations_in_a_row_the_last_token_is_told(there: Peers) -> None:
    register(there)
    register(there)
    there.clock.advance(2)
    (sent,) = there.sent
    assert sent.json["token"] == token_of(there.simulator)
    assert "not worth telling" in there.notes[0]
    assert system(there.simulator).registration_status == "Registered"


LOCKED_OUT = (
    "is locked out: the token with which it registered is dead since then, and the new one could "
    "not be told to it. Its status stays Pending; as in SolarNetwork, somebody has to make a new "
    "token in SolarUser (configuration of this capacity"
)


@pytest.mark.parametrize(("role", "name"), [("provider", "Grid 3"), ("optimizer", "Depot 1")])
@pytest.mark.parametrize("answer", [ERROR, SILENT])
def test_three_tries_and_then_locked_out(
    there: Peers,
    answer: Any,  # noqa: ANN401 - a response, or that there was none
    role: Role,
    name: str,
) -> None:
    there.decide = lambda _: answer
    old = token_of(there.simulator, role)
    register(there, role=role)
    there.clock.advance(timedelta(hours=1))
    tokens = {sent.json["token"] for sent in there.sent}
    ids = {sent.headers["X-Request-ID"] for sent in there.sent}
    assert (len(there.sent), len(tokens), len(ids)) == (3, 1, 3)
    failed, locked_out = there.notes
    assert "Register failed, try 3 of 3" in failed
    assert locked_out == f"{name} {LOCKED_OUT} {role})."
    notes = there.simulator.journal.entries(party="flexibility_provider", kind="note")
    assert {entry.action for entry in notes} == {REGISTER}
    assert system(there.simulator, role).registration_status == "Pending"
    assert say(there.simulator, HEARTBEAT, token=old).status == 403


def test_the_pauses_between_the_tries(there: Peers) -> None:
    there.answers += [ERROR, ERROR]
    register(there)
    there.clock.advance(timedelta(hours=1))
    first, second, third = (sent.at for sent in there.sent)
    assert timedelta(seconds=5.5) <= second - first < timedelta(seconds=6.5)
    assert timedelta(seconds=10.5) <= third - second < timedelta(seconds=11.5)
    assert system(there.simulator).registration_status == "Registered"
    assert there.notes == []


def test_who_was_locked_out_is_let_in_by_its_new_registration(there: Peers) -> None:
    there.answers += [ERROR] * 3
    register(there)
    there.clock.advance(60)
    # As if somebody had told the token out of band.
    assert register(there).status == 204
    there.clock.advance(60)
    assert system(there.simulator).registration_status == "Registered"


@pytest.mark.parametrize("base_url", ["", "  "])
def test_without_a_base_url_nothing_is_sent_and_that_counts(there: Peers, base_url: str) -> None:
    assert register(there, registration(base_url)).status == 204
    there.clock.advance(60)
    assert there.sent == []
    assert system(there.simulator).registration_status == "Registered"


def test_a_slash_at_the_end_stays(there: Peers) -> None:
    register(there, registration("http://cp.test/new/"))
    there.clock.advance(2)
    assert there.sent[0].url == "http://cp.test/new//register"


def test_another_path_for_register() -> None:
    props = {"url-paths": {"Register": "/hello"}, "http-headers": {"X-Key": "k"}}
    with peers(world([{**PENDING, "service_props": props}])) as there:
        register(there)
        there.clock.advance(2)
        assert there.sent[0].url == f"{URL}/hello"
        assert there.sent[0].headers["X-Key"] == "k"


def test_an_empty_token_is_none_to_show(there: Peers) -> None:
    assert register(there, registration(shown="")).status == 204
    there.clock.advance(2)
    assert "Authorization" not in there.sent[0].headers


@pytest.mark.parametrize("good", [[], [{"version": "2.0", "base_url": URL}]])
def test_500_for_a_null_before_a_good_version(there: Peers, good: list[object]) -> None:
    answer = register(there, {"token": "t", "version_url": [None, *good]})
    assert answer.refusal == (500, "Internal error")
    assert why(there.simulator) == "the service fails at a null there"


@pytest.mark.parametrize("versions", [["1.0"], ["2"], ["2.0.1"], [" 2.0"], ["1.0", "3.0"]])
def test_501_without_version_2_0(there: Peers, versions: list[str]) -> None:
    offered = [{"version": each, "base_url": URL} for each in versions]
    before = system(there.simulator)
    answer = register(there, {"token": "t", "version_url": offered})
    assert (answer.status, answer.body) == (501, b"")
    assert answer.header("X-Error-Message") == "URL version '2.0' required but not provided."
    assert why(there.simulator) == answer.header("X-Error-Message")
    assert system(there.simulator) == before
    there.clock.advance(60)
    assert there.sent == []


def test_the_first_of_several_versions_that_is_2_0(there: Peers) -> None:
    urls = [("1.0", "http://one"), ("2.0", "http://two"), ("2.0", "http://three")]
    offered = [{"version": version, "base_url": url} for version, url in urls]
    register(there, {"token": "t", "version_url": offered})
    assert system(there.simulator).base_url == "http://two"


NO_NUL = "a text there holds no NUL"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(registration(shown="t" * 65), "a token has at most 64 characters", id="token"),
        pytest.param(
            registration("http://cp.test/" + "u" * 242),
            "a base URL has at most 256 characters",
            id="url",
        ),
        pytest.param(registration(shown="t\0"), NO_NUL, id="NUL in the token"),
        pytest.param(registration("http://cp.test/\0"), NO_NUL, id="NUL in the url"),
    ],
)
def test_500_for_what_the_database_does_not_take(
    there: Peers, body: dict[str, Any], told: str
) -> None:
    before = system(there.simulator)
    assert refused(register(there, body)) == (500, "Internal error")
    assert why(there.simulator) == f"the database does not take it: {told}"
    assert system(there.simulator) == before
    there.clock.advance(60)
    assert there.sent == []


@pytest.mark.parametrize(
    "body",
    [
        registration(shown="t" * 64),
        registration("http://cp.test/" + "u" * 241),
        registration(shown="\U0001f512" * 64),
    ],
)
def test_the_longest_that_it_takes(there: Peers, body: dict[str, Any]) -> None:
    assert register(there, body).status == 204


def test_500_for_a_url_that_another_system_of_the_kind_has() -> None:
    of = world([provider(3, registration_status="Pending"), provider(4)])
    with peers(of) as there:
        taken = registration(f"{CP_URL}/4")
        assert refused(register(there, taken)) == (500, "Internal error")
        assert "has the same base URL" in why(there.simulator)
        # Its own, again, is no other one's; and the two kinds have tables of their own.
        assert register(there, registration(f"{CP_URL}/3")).status == 204
        assert register(there, taken, role="optimizer").status == 204


def test_several_that_the_simulator_plays_share_an_address() -> None:
    played = [{"id": number, "name": "Grid", "token": f"cp-token-{number}"} for number in (3, 4)]
    clock = FrozenClock(NOW)
    of = world(played, [{"id": 1, "name": "Depot"}], [group()])
    with Simulator(of, clock=clock) as simulator:
        body = registration("http://simulator.invalid/oscp/cp/2.0", "cp-token-3")
        assert say(simulator, REGISTER, body).status == 204
        assert system(simulator).base_url is SIMULATED
        clock.advance(2)
        assert system(simulator).registration_status == "Registered"


def test_one_that_reaches_the_simulator_over_a_socket_is_played_here() -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        body = registration(f"{simulator.url}/oscp/co/2.0", "co-token")
        assert say(simulator, REGISTER, body, role="optimizer").status == 204
        assert system(simulator, "optimizer").base_url is SIMULATED
        body = registration(f"{simulator.url}/oscp/co/2.0", "co-token")
        assert say(simulator, REGISTER, body).status == 204
        assert system(simulator).base_url == f"{simulator.url}/oscp/co/2.0"


def test_over_real_sockets() -> None:
    with Provider() as grid, Simulator(clock=FrozenClock(NOW)) as simulator:
        assert say(simulator, REGISTER, registration(grid.url)).status == 204
        shared = shared_of(simulator)
        assert isinstance(shared.clock, FrozenClock)
        shared.clock.advance(2)
        ((target, headers, body),) = grid.asked
        assert target == "/cp/register"
        assert dict(headers)["Authorization"] == "Token cp-token-new"
        assert token_of(simulator).encode() in body
        assert f"{simulator.url}/oscp/fp/2.0".encode() in body
        assert system(simulator).registration_status == "Registered"


def test_a_call_back_before_the_answer_waits_for_the_register_to_time_out() -> None:
    """It waits in the service, too: the Register holds what the call has to change."""
    asked: list[str] = []
    called: list[int] = []

    class CallsBack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(body_of(self))
            token, first = message.get("token"), not asked
            asked.append(self.path)
            if first:
                called.append(say(simulator, HANDSHAKE, behaviour(), token=token).status)
            with suppress(OSError):
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), CallsBack) as grid,
        Simulator(clock=FrozenClock(NOW)) as simulator,
    ):
        threading.Thread(target=grid.serve_forever, args=(0.005,), daemon=True).start()
        provider_of(simulator).outbox.timeout = (5.0, 0.4)
        url = f"http://127.0.0.1:{grid.server_address[1]}/cp"
        assert say(simulator, REGISTER, registration(url)).status == 204
        simulator.clock.advance(2)
        assert system(simulator).registration_status == "Pending"
        simulator.clock.advance(10)
        assert system(simulator).registration_status == "Registered"
        grid.shutdown()
        (register, *_) = simulator.journal.entries(action="Register", sent=True)
        call_back = simulator.journal.wait_for(action=HANDSHAKE, sent=False, timeout=20)
    assert called == [204]
    assert (register.status, register.number < call_back.number) == (None, True)
    assert call_back.findings[0]["rule"] == "too-early"


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_a_call_back_before_the_answer_is_a_finding_within_a_process(fidelity: Fidelity) -> None:
    with peers(world([PENDING]), fidelity=fidelity) as there:

        def call_back(sent: Sent) -> None:
            say(there.simulator, HEARTBEAT, GOOD[HEARTBEAT], token=sent.json["token"])

        there.decide = call_back
        register(there)
        there.clock.advance(2)
        (entry,) = there.simulator.journal.entries(party="flexibility_provider", action=HEARTBEAT)
    assert "answer the Register first" in entry.findings[0]["hint"]
    assert entry.response is not None
    assert entry.response.status == 204


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_who_takes_each_answer_for_an_opening_is_told_of_the_loop(fidelity: Fidelity) -> None:
    with peers(world([PENDING]), fidelity=fidelity) as there:
        for _ in range(4):
            register(there)
            there.clock.advance(1.5)
        found = [
            [each["rule"] for each in entry.findings if each["rule"] == "register-loop"]
            for entry in there.simulator.journal.entries(
                party="flexibility_provider", action=REGISTER, sent=False
            )
        ]
    assert found == [[], [], ["register-loop"], ["register-loop"]]


def test_to_register_again_now_and_then_is_no_loop(there: Peers) -> None:
    for _ in range(4):
        register(there)
        there.clock.advance(31)
    entries = there.simulator.journal.entries(party="flexibility_provider", action=REGISTER)
    assert "register-loop" not in {each["rule"] for entry in entries for each in entry.findings}


def test_the_base_url_that_is_told_within_the_process() -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        body = registration("http://simulator.invalid/oscp/cp/2.0", "cp-token")
        say(simulator, REGISTER, body)
        clock.advance(1.5)
        entries = simulator.journal.entries(party="flexibility_provider", sent=True)
        assert entries[0].request is not None
        assert FP_URL in entries[0].request.text


def test_one_whose_configuration_is_gone(there: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = shared_of(there.simulator)
    (user,) = shared.world.users
    token = token_of(there.simulator)
    found = shared.world.caller(token)
    empty = shared.world.with_user(type(user)(id=user.id))
    with shared.world_lock:
        shared.replace_world(empty)
    monkeypatch.setattr(type(empty), "caller", lambda *_: found)
    answer = say(there.simulator, REGISTER, registration(), token=token)
    assert refused(answer) == (403, "REGISTRATION_NOT_CONFIRMED")
    assert why(there.simulator) == "its configuration is gone"


def test_one_that_is_gone_before_the_task_begins(there: Peers) -> None:
    register(there)
    shared = shared_of(there.simulator)
    (user,) = shared.world.users
    with shared.world_lock:
        shared.replace_world(shared.world.with_user(type(user)(id=user.id)))
    there.clock.advance(60)
    assert there.sent == []
    assert "does not exist any more" in there.notes[0]


OTHERS = {"id": 43, "tokens": [{"id": "rehearsal-token-0002", "secret": "s"}], "nodes": [2]}
TWO_USERS = {
    "users": [
        *world([provider(4), provider(3)])["users"],
        world([provider(3)], [], [])["users"][0] | OTHERS,
    ]
}


def test_the_old_token_of_each_user_s_system_is_known() -> None:
    with peers(TWO_USERS) as there:
        systems = [user.provider(3) for user in there.simulator.world.users]
        tokens = [each.flexibility_provider_token for each in systems if each is not None]
        for token in tokens:
            assert say(there.simulator, REGISTER, token=token).status == 204
        for token in tokens:
            say(there.simulator, HEARTBEAT, token=token)
            assert "was replaced when its system registered" in why(there.simulator)
    assert len(tokens) == 2


@pytest.mark.parametrize("action", [REGISTER, HANDSHAKE])
def test_what_is_sent_to_a_system_waits_for_no_other(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the machine's clock, what is in no queue holds up everybody."""
    with peers(TWO_USERS) as there:
        schedule, queues = shared_of(there.simulator).schedule, list[Hashable]()
        after = schedule.after

        def spy(seconds: float, do: Callable[[], object], *, queue: Hashable = None) -> Task:
            queues.append(queue)
            return after(seconds, do, queue=queue)

        monkeypatch.setattr(schedule, "after", spy)
        for user in there.simulator.world.users:
            for each in user.capacity_providers:
                body = registration(f"{URL}/{each.id}") if action == REGISTER else None
                say(there.simulator, action, body, token=each.flexibility_provider_token)
    assert len(set(queues)) == len(queues) == 3
    assert None not in queues


@pytest.mark.parametrize(("answers", "status"), [([], "Registered"), ([ERROR] * 3, "Pending")])
@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_a_register_that_was_still_to_come_is_sent_after_a_restart(
    role: Role, answers: list[Response], status: str
) -> None:
    of = world([PENDING])
    with peers(of) as before:
        unowed = before.simulator.remembered().keys()
        register(before, role=role)
        kept = before.simulator.remembered()
        before.clock.advance(2)
        known = before.simulator.remembered().keys()
    with peers(of) as after:
        after.answers += answers
        after.simulator.recall(kept)
        assert after.simulator.remembered() == kept
        assert after.sent == []
        after.clock.advance(60)
        assert {sent.url for sent in after.sent} == {f"{URL}/register"}
        assert after.sent[0].json["token"] == token_of(after.simulator, role)
        assert system(after.simulator, role).registration_status == status
        assert after.simulator.remembered().keys() == known
    assert kept.keys() > known > unowed


def test_a_register_that_was_still_to_come_is_a_flexibility_providers() -> None:
    of = world([PENDING])
    with peers(of) as before:
        register(before)
        kept = before.simulator.remembered()
    with Simulator(of, clock=FrozenClock(NOW), plays=["capacity_provider"]) as alone:
        alone.recall(kept)
        alone.clock.advance(60)
        assert not alone.journal.entries(action=REGISTER)


def test_an_answer_that_takes_its_time_registers_when_it_comes(there: Peers) -> None:
    there.answers.append(type(ERROR)(204, after=10.0))
    register(there)
    there.clock.advance(2)
    assert system(there.simulator).registration_status == "Pending"
    there.clock.advance(10)
    assert system(there.simulator).registration_status == "Registered"


def test_the_handshake_of_who_has_not_been_registered_yet(there: Peers) -> None:
    register(there)
    token = token_of(there.simulator)
    assert say(there.simulator, HANDSHAKE, token=token, request_id="h1").status == 204
    found = heard(there.simulator).findings
    assert [finding["rule"] for finding in found] == ["S17"]


def test_all_at_once_leave_one_token() -> None:
    many = [provider(number, registration_status="Pending") for number in range(3, 11)]
    with peers(world(many, [optimizer()], [group()])) as there:
        tokens = {number: token_of(there.simulator, number=number) for number in range(3, 11)}

        def one(number: int) -> None:
            body = registration(f"http://cp.test/new/{number}")
            say(there.simulator, REGISTER, body, token=tokens[number])

        threads = [threading.Thread(target=one, args=(number,)) for number in tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        there.clock.advance(2)
        (user,) = there.simulator.world.users
        assert {each.registration_status for each in user.capacity_providers} == {"Registered"}
        told = {sent.url: sent.json["token"] for sent in there.sent}
        assert told == {
            f"{each.base_url}/register": each.flexibility_provider_token
            for each in user.capacity_providers
        }


def test_a_late_answer_to_an_outdated_register_changes_nothing(there: Peers) -> None:
    there.answers.append(type(ERROR)(204, after=10.0))
    register(there)
    there.clock.advance(2)
    there.answers += [ERROR] * 3
    register(there)
    there.clock.advance(60)
    assert len(there.sent) == 4
    assert system(there.simulator).registration_status == "Pending"


@pytest.mark.parametrize("shown", ["S" * 64, "one-of-theirs", "a/b+c=d=="])
def test_the_new_tokens_are_told_nowhere_from_now_on(there: Peers, shown: str) -> None:
    register(there, registration(shown=shown))
    token = token_of(there.simulator)
    for secret in (token, shown):
        say(there.simulator, HEARTBEAT, {"offline_mode_at": secret}, token=token)
        assert secret not in repr(there.simulator.journal.entries())

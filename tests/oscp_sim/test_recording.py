"""Record a session of any client, and play it again: by the command, over HTTP, in Python."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from click.testing import CliRunner

from oscp_send.fidelity import Behaviour
from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.recording import Recording, Unrecordable, record
from oscp_sim.recording.har import har
from oscp_sim.saved_journal import SavedJournal, open_journal
from oscp_sim.scenario.read import load_scenarios
from tests.oscp_sim.forked import Forked
from tests.oscp_sim.peers import provider, world
from tests.oscp_sim.rig import (
    ADD,
    FORM,
    NOW,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    VIEW,
    Provider,
    ask,
    block,
    instruction,
    signed_headers,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result

OPTIMIZERS = "/solaruser/api/v1/sec/user/oscp/capacity-optimizers"
OPTIMIZER = b'{"name": "New", "registrationStatus": "Pending"}'
BLOCK = block("2026-01-03T00:00:00Z", "2026-01-03T00:15:00Z")
ROOT = Path(__file__).parents[2]
HOST_ALONE = [("host", "localhost")]
# Of a Capacity Provider that answers an adjustment with a new forecast, and two users.
ANSWERS = """
users:
  - id: 42
    tokens: [{id: rehearsal-token-0001, secret: rehearsal-secret}]
    nodes: [1]
    capacity_providers: [{id: 1, name: Grants, token: cp-token-1, behaviour: answer}]
    capacity_optimizers: [{id: 12, name: Depot}]
    capacity_groups:
      - {id: 1, identifier: granted, capacity_provider: 1, capacity_optimizer: 12}
  - id: 43
    tokens: [{id: token-of-the-other, secret: secret-of-another}]
    nodes: [2]
    capacity_providers: [{id: 1, name: Grid, token: cp-token-2}]
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups:
      - {id: 1, identifier: other, capacity_provider: 1, capacity_optimizer: 1}
"""


def message(unit: str = "KW", group: str = "foo-group") -> str:
    block = {**BLOCK, "unit": unit}
    forecast = {"group_id": group, "type": "CONSUMPTION", "forecasted_blocks": [block]}
    return json.dumps(forecast)


def adjust(unit: str = "KW", **more: str) -> bytes:
    return json.dumps(
        instruction(action="AdjustGroupCapacityForecast", msg=message(unit), **more)
    ).encode()


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments], catch_exceptions=False)


def send(simulator: Simulator, body: bytes, target: str = ADD) -> None:
    assert ask(simulator, "POST", target, signed_headers("POST", target, body), body).status == 200
    simulator.clock.advance(0)


def recorded(simulator: Simulator) -> Recording:
    return record(SavedJournal.of(simulator.shared), "session")


def replayed(text: str, folder: Path) -> Result:
    file = folder / "session.yaml"
    file.write_text(text)
    return command("replay", str(file))


# --- a session of curl ---------------------------------------------------------------------------


def curl(
    url: str,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    secret: str = SECRET,
    shows: Sequence[str] = (),
) -> str:
    """Answer of the command, by which a request is signed, unless it shows something else."""
    host = url.removeprefix("http://")
    form = {"content_type": FORM} if "=" in body.decode()[:10] else {}
    headers = signed_headers(
        method,
        target,
        body,
        host=host,
        when=datetime.now(UTC),
        secret=secret,
        **form,  # type: ignore[arg-type] # a header
    )
    given = shows and [*shows, "Content-Type: application/json"]
    given = given or [f"{name}: {value}" for name, value in headers]
    shown = [word for each in given for word in ("--header", each)]
    sent = ["--data-binary", body.decode()] if body else []
    done = subprocess.run(  # noqa: S603
        ["curl", "--silent", "--request", method, *shown, *sent, url + target],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of some commands of curl.

    An instruction that is declined, then mended and looked at; a wrong signature; a change of the
    configuration; and a request straight to a Capacity Provider.
    """
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    file = tmp_path_factory.mktemp("session") / "session.jsonl"
    # No second passes: how quick the machine is does not matter.
    with Simulator(clock=FrozenClock(datetime.now(UTC))) as simulator:
        assert '"Declined"' in curl(simulator.url, "POST", ADD, adjust("kW"))
        form = (
            "nodeId=1&parameters%5B0%5D.name=coId&parameters%5B0%5D.value=1"
            "&parameters%5B1%5D.name=cgIdentifier&parameters%5B1%5D.value=foo-group"
            "&parameters%5B2%5D.name=action&parameters%5B2%5D.value=Handshake"
            "&parameters%5B3%5D.name=msg&parameters%5B3%5D.value=%7B%7D"
        )
        assert '"Queuing"' in curl(simulator.url, "POST", ADD, form.encode())
        curl(simulator.url, "POST", ADD, adjust())
        assert '"Completed"' in curl(simulator.url, "GET", f"{VIEW}?id=3")
        assert "Bad credentials" in curl(simulator.url, "POST", ADD, adjust(), secret="wrong")
        assert '"configId":2' in curl(simulator.url, "POST", OPTIMIZERS, OPTIMIZER)
        straight = (f"Authorization: Token {PROVIDER_TOKEN}", "X-Request-ID: r1")
        assert not curl(simulator.url, "POST", "/oscp/cp/2.0/handshake", b"{}", shows=straight)
        told = requests.post(
            f"{simulator.url}/_sim/providers/3/heartbeat",
            json={"offline_mode_at": "2031-01-01T00:00:00Z"},
            timeout=5,
        )
        assert told.json()["status"] == 204
        saved = requests.get(f"{simulator.url}/_sim/journal.jsonl", timeout=5)
        file.write_bytes(saved.content)
    return file


@pytest.fixture(scope="module")
def session_text(session: Path) -> str:
    """The scenario that the journal becomes."""
    return record(open_journal(session), session.stem).text


def test_a_session_of_curl_is_recorded_and_replayed(session: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.yaml"
    made = command("record", str(session), "-o", str(file))
    assert (made.exit_code, made.stdout) == (0, "")
    assert made.stderr == f"8 steps in {file}, 0 left out\n"
    assert "#" not in file.read_text().partition("\n")[2]
    (scenario,) = load_scenarios([file])
    assert [step.name for step in scenario.steps] == [
        "AdjustGroupCapacityForecast",
        "Handshake",
        "AdjustGroupCapacityForecast",
        f"GET {VIEW}?id=${{instruction1.instruction_id}}",
        f"POST {ADD}",
        f"POST {OPTIMIZERS}",
        "POST /handshake",
        "heartbeat",
    ]
    assert [step.expect.state for step in scenario.steps][:3] == [
        "Declined",
        "Completed",
        "Completed",
    ]
    again = command("replay", str(file))
    assert again.exit_code == 0, again.stdout
    # A scenario as any other.
    assert command("rehearse", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("recorded_as", "changed_to", "said"),
    [
        (
            "capacity: 42.0",
            "capacity: 43.0",
            "message /forecasted_blocks/0/capacity expected 43.0 got 42.0",
        ),
        ("state: Completed", "state: Declined", "state expected Declined got Completed"),
        ("unit: kW", "unit: KW", "state expected Declined got Completed"),
        ("status: 204", "status: 400", "exchange 3 status expected 400 got 204"),
        ("status: 403", "status: 200", "status expected 200 got 403 Forbidden: "),
        ("configId: 2", "configId: 3", "body /data/configId expected 3 got 2"),
    ],
)
def test_one_value_changed_is_red_and_says_where(
    session_text: str, tmp_path: Path, recorded_as: str, changed_to: str, said: str
) -> None:
    text = session_text
    lines = text.splitlines()
    assert recorded_as in text
    result = replayed(text.replace(recorded_as, changed_to, 1), tmp_path)
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    assert said in shown
    at = next(n for n, line in enumerate(lines, 1) if recorded_as in line)
    assert f"session.yaml:{at}" in shown or recorded_as == "unit: kW"


def test_a_journal_is_replayed_itself(session: Path) -> None:
    result = command("replay", str(session))
    assert (result.exit_code, result.stderr) == (0, "")
    # Not the folder in which its scenario is made for the while.
    assert result.stdout.splitlines()[2] == session.parent.name
    assert "ok    session" in result.stdout


def test_a_scenario_is_replayed_in_whichever_style_it_is_written(tmp_path: Path) -> None:
    text = '{"scenario": "quiet", "steps": [{"wait": "1s"}], "clock": {"runs": "frozen"}}'
    assert replayed(text, tmp_path).exit_code == 0
    result = replayed("{scenario: quiet}", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "session.yaml:1:1: " in result.stderr


def test_there_are_no_secrets_in_what_is_kept(session: Path, session_text: str) -> None:
    for text in (session.read_text(), session_text):
        assert SECRET not in text
        assert PROVIDER_TOKEN not in text


# --- what becomes of what ------------------------------------------------------------------------


def steps(simulator: Simulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(recorded(simulator).text)["steps"]
    return [{key: each for key, each in step.items() if key != "expect"} for step in found]


def test_what_a_party_is_told_is_a_step_and_what_it_does_itself_is_not(tmp_path: Path) -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        simulator.provider(3).handshake(heartbeat_interval=60)
        clock.advance("5m")
        assert len(simulator.journal.entries(action="Heartbeat", sent=True)) > 1
        made = recorded(simulator)
    assert made.steps == 2
    assert made.problems == ()
    assert "handshake:" in made.text
    assert replayed(made.text, tmp_path).exit_code == 0


def test_a_message_that_is_refused_is_expected_to_be(simulator: Simulator, tmp_path: Path) -> None:
    provider = simulator.provider(3)
    provider.register(token="a-token-of-eight-or-more")
    # Its token was replaced, and the new one has not come yet.
    assert provider.heartbeat().status == 403
    made = recorded(simulator)
    (expected,) = [
        step["expect"]["status"]
        for step in yaml.safe_load(made.text)["steps"]
        if "heartbeat" in step
    ]
    assert expected == 403
    assert replayed(made.text, tmp_path).exit_code == 0


def test_the_broker_goes_down_and_up_again(simulator: Simulator, clock: FrozenClock) -> None:
    simulator.set_broker("down")
    clock.advance(5)
    simulator.set_broker("up")
    assert steps(simulator) == [{"broker": "down"}, {"wait": "5s"}, {"broker": "up"}]


def test_a_program_in_the_place_of_a_party_is_played_by_it(simulator: Simulator) -> None:
    token = next(
        each.flexibility_provider_token for each in simulator.world.users[0].capacity_providers
    )
    sent = [
        ("host", "localhost"),
        ("authorization", f"Token {token}"),
        ("content-type", "application/json"),
        ("x-request-id", "mine-1"),
    ]
    body = b'{"offline_mode_at":"2031-01-01T00:00:00Z"}'
    assert ask(simulator, "POST", "/oscp/fp/2.0/heartbeat", sent, body).status == 204
    assert steps(simulator) == [
        {
            "heartbeat": {
                "provider": 3,
                "offline_mode_at": "2031-01-01T00:00:00Z",
                "request_id": "mine-1",
            }
        }
    ]


def test_an_invented_id_that_is_named_later_is_captured(
    simulator: Simulator, tmp_path: Path
) -> None:
    told = simulator.provider(3).forecast(capacities=[50])
    simulator.clock.advance(0)
    send(simulator, adjust(correlationId=told.request_id))
    forecast, adjustment = steps(simulator)
    assert forecast["as"] == "message1"
    assert adjustment["send"]["correlation_id"] == "${message1.request_id}"
    text = recorded(simulator).text
    assert told.request_id not in text
    # Of another seed, the id is another, too.
    other = text.replace("seed: 1\n", "seed: 2\n")
    assert replayed(other, tmp_path).exit_code == 0, other


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": [1, 2.50], "a": 1}', "text"),
        ('{"a": 1e3}', "text"),
        ('{ "a" : 10.0 }', "message"),
        ('{"a":"b c"}', "message"),
        ("not JSON", "text"),
        ("", "text"),
    ],
)
def test_a_message_is_written_as_a_value_only_where_that_says_the_same(
    simulator: Simulator, text: str, key: str
) -> None:
    send(simulator, json.dumps(instruction(msg=text)).encode())
    (step,) = steps(simulator)
    assert key in step["send"]


@pytest.mark.parametrize(
    "value", ["yes", "1e3", "0o7", "${a.b}", "$${", "null", "~", "a: b", "2026-01-01", "#", ""]
)
def test_every_text_comes_back_as_it_was(simulator: Simulator, value: str, tmp_path: Path) -> None:
    body = json.dumps(instruction(msg=json.dumps({"x": value, value or "-": "x"})))
    send(simulator, body.encode())
    text = recorded(simulator).text
    assert replayed(text, tmp_path).exit_code == 0, text


DATED = {**instruction(), "expirationDate": "2031-01-01 00:00:00Z"}
TWICE = [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]
ASKED: dict[str, tuple[str, str, dict[str, Any], bytes, dict[str, Any]]] = {
    "a look, signed": ("GET", f"{VIEW}?id=1", {}, b"", {"sign": TOKEN}),
    "not signed": ("GET", VIEW, {"headers": HOST_ALONE}, b"", {}),
    "no such token": (
        "GET",
        VIEW,
        {"token": "nobody"},
        b"",
        {
            "headers": {
                "X-SN-Date": "Fri, 02 Jan 2026 03:04:05 GMT",
                "Authorization": "SNWS2 Credential=nobody,SignedHeaders=host;x-sn-date,"
                f"Signature={'0' * 64}",
            }
        },
    ),
    "dated too early": (
        "GET",
        VIEW,
        {"when": NOW - timedelta(hours=1)},
        b"",
        {"sign": TOKEN, "headers": {"X-SN-Date": "Fri, 02 Jan 2026 02:04:05 GMT"}},
    ),
    "no JSON": (
        "POST",
        ADD,
        {},
        b'{"nodeId": 1',
        {
            "sign": TOKEN,
            "headers": {"Content-Type": "application/json"},
            "text": '{"nodeId": 1',
        },
    ),
    "another topic": (
        "POST",
        ADD.replace("/OSCP_v20", ""),
        {},
        json.dumps({**instruction(), "topic": "Other"}).encode(),
        {"sign": TOKEN, "message": {**instruction(), "topic": "Other"}},
    ),
    "a date": ("POST", ADD, {}, json.dumps(DATED).encode(), {"sign": TOKEN, "message": DATED}),
    "a parameter twice": (
        "POST",
        ADD,
        {},
        json.dumps({"nodeId": 1, "parameters": TWICE}).encode(),
        {"sign": TOKEN, "message": {"nodeId": 1, "parameters": TWICE}},
    ),
    "a change": (
        "DELETE",
        f"{OPTIMIZERS}/1",
        {},
        b"",
        {"method": "DELETE", "sign": TOKEN},
    ),
    "no such method": (
        "PATCH",
        VIEW,
        {"more": [("Accept", "text/html")]},
        b"",
        {"method": "PATCH", "sign": TOKEN, "headers": {"Accept": "text/html"}},
    ),
    "two hosts": (
        "GET",
        "/solaruser/a",
        {"headers": [("host", "a b")]},
        b"",
        {"headers": {"Host": "a b"}},
    ),
}


@pytest.mark.parametrize(("method", "target", "how", "body", "fields"), ASKED.values(), ids=ASKED)
def test_what_no_other_step_does_is_asked_again(  # noqa: PLR0917 - a row of the table
    method: str,
    target: str,
    how: dict[str, Any],
    body: bytes,
    fields: dict[str, Any],
    simulator: Simulator,
) -> None:
    headers = how.get("headers") or signed_headers(method, target, body, **how)
    answer = ask(simulator, method, target, headers, body)
    simulator.clock.advance(0)
    made = recorded(simulator)
    assert (made.left_out, made.problems) == ((), ())
    (step,) = yaml.safe_load(made.text)["steps"]
    assert step["request"] == {"to": "solaruser", "path": target, **fields}
    assert step["expect"]["status"] == answer.status


@pytest.mark.parametrize("token", [PROVIDER_TOKEN, "guessed"])
def test_a_request_straight_to_a_party_shows_its_token_by_name(
    token: str, simulator: Simulator, tmp_path: Path
) -> None:
    headers = [*HOST_ALONE, ("authorization", f"Token {token}"), ("x-request-id", "r1")]
    headers.append(("content-type", "application/json"))
    path = "/oscp/cp/2.0/handshake"
    status = ask(simulator, "POST", path, headers, b"{}").status
    made = recorded(simulator)
    (step,) = yaml.safe_load(made.text)["steps"]
    assert token not in made.text
    if token == PROVIDER_TOKEN:
        fields = {"to": "capacity_provider:3", "path": "/handshake"}
        assert step["request"].items() >= fields.items()
        assert step["request"]["token_of"] == "capacity_provider:3"
    else:
        assert step["request"]["path"] == path
        assert step["expect"]["body"] == {"message": "the token is unknown"}
    assert step["expect"]["status"] == status
    assert replayed(made.text, tmp_path).exit_code == 0, made.text


@pytest.mark.parametrize(
    "sent",
    [
        b"what is this?\r\n\r\n",
        b"GET /solaruser HTTP/1.1\r\n\r\n",
        b"POST /solaruser HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n",
        b"POST /solaruser HTTP/1.1\r\nHost: a\r\nContent-Length: no\r\n\r\n",
        b"GET /solaruser HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /solaruser HTTP/1.0\r\nAccept: text/html\r\n\r\n",
        b"GET /solaruser HTTP/1.0\r\n\r\n",
        b"GET http://b/solaruser HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /solaruser HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /solaruser HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n",
        b"POST /solaruser/a HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n",
    ],
)
def test_what_is_hardly_a_request_is_sent_again(sent: bytes, simulator: Simulator) -> None:
    url = urlsplit(simulator.url)
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(sent)
        status = int(connection.makefile("rb").readline().split()[1])
    made = recorded(simulator)
    assert (made.left_out, made.problems) == ((), ())
    (step,) = yaml.safe_load(made.text)["steps"]
    assert step["expect"]["status"] == status


def test_of_looks_at_the_same_the_last_is_kept(simulator: Simulator) -> None:
    for target in (VIEW, VIEW, f"{VIEW}?id=1", VIEW):
        ask(simulator, "GET", target, HOST_ALONE)
    assert [each["request"]["path"] for each in steps(simulator)] == [VIEW, f"{VIEW}?id=1", VIEW]


def test_ids_that_a_request_names_are_captures(simulator: Simulator, tmp_path: Path) -> None:
    told = simulator.provider(3).forecast(capacities=[50])
    send(simulator, adjust())
    target = f"/solaruser/api/v1/sec/user/events?a=${{b}}{told.request_id}"
    ask(simulator, "GET", target, HOST_ALONE)
    ask(simulator, "GET", f"{VIEW}?id=1", HOST_ALONE)
    made = recorded(simulator)
    _, _, first, second = yaml.safe_load(made.text)["steps"]
    path = "/solaruser/api/v1/sec/user/events?a=$${b}${message1.request_id}"
    assert first["request"]["path"] == path
    assert second["request"]["path"] == f"{VIEW}?id=${{instruction1.instruction_id}}"
    for seed in (1, 2):
        text = made.text.replace("seed: 1\n", f"seed: {seed}\n")
        assert replayed(text, tmp_path).exit_code == 0, text


def test_an_id_that_a_client_made_up_stays_as_it_is(simulator: Simulator, tmp_path: Path) -> None:
    name = "an-id-of-a-client-0001"
    ask(simulator, "GET", "/oscp/fp/2.0/a", [*HOST_ALONE, ("x-request-id", name)])
    ask(simulator, "GET", f"{VIEW}?a={name}", HOST_ALONE)
    made = recorded(simulator)
    assert made.text.count(name) == 2
    assert "as: " not in made.text
    assert replayed(made.text, tmp_path).exit_code == 0, made.text


def test_times_of_the_session_are_not_expected(simulator: Simulator) -> None:
    send(simulator, adjust(expirationDate="2031-01-01 00:00:00Z"))
    ask(simulator, "GET", f"{VIEW}?id=1", signed_headers("GET", f"{VIEW}?id=1"))
    *_, look = yaml.safe_load(recorded(simulator).text)["steps"]
    data = look["expect"]["body"]["data"]
    assert data["state"] == "Completed"
    assert not data.keys() & {"created", "instructionDate", "statusDate"}


def test_a_secret_is_sent_by_a_name(simulator: Simulator, tmp_path: Path) -> None:
    body = b'{"token": "a-token-of-eight-or-more"}'
    ask(simulator, "POST", "/oscp/fp/2.0/register", [*HOST_ALONE, ("x-api-key", "k" * 20)], body)
    made = recorded(simulator)
    assert "[redacted]" not in made.text
    assert "a-token-of" not in made.text
    assert "secret-that-is-not-kept" in made.text
    assert replayed(made.text, tmp_path).exit_code == 0, made.text


def test_a_fault_that_struck_is_named(simulator: Simulator) -> None:
    simulator.faults.add(where="capacity_provider", fault="status", status=403, times=1)
    simulator.faults.add(where="capacity_provider", fault="garbage")
    send(simulator, adjust())
    fault, *_ = recorded(simulator).left_out
    assert fault == (
        "fault 1: another answer goes out, at capacity_provider from 03:04:05: "
        "add its rule to faults"
    )


def test_a_journal_in_which_nobody_did_anything(simulator: Simulator) -> None:
    with pytest.raises(Unrecordable, match="the journal has no message from outside"):
        recorded(simulator)


@pytest.mark.parametrize("depth", [100, 400])
def test_what_is_nested_too_deeply_for_a_scenario(simulator: Simulator, depth: int) -> None:
    body = f'{{"a": {"[" * depth + "]" * depth}}}'.encode()
    target = "/oscp/cp/2.0/handshake"
    headers = (("host", "localhost"), ("content-type", "application/json"))
    simulator.handle(Request("POST", target, headers, body))
    with pytest.raises(Unrecordable):
        recorded(simulator)


def test_a_journal_with_what_no_scenario_can_have(tmp_path: Path) -> None:
    headers = [["X: y", "z"]]
    request = {"method": "POST", "target": ADD, "headers": headers, "body": ""}
    asked = {**WHOLE, "kind": "exchange", "exchange_id": 1, "request": request}
    file = tmp_path / "j.jsonl"
    first = {"format": "oscp-sim journal", "version": 1, "seed": 1}
    file.write_text("\n".join(map(json.dumps, [first, {**asked, "response": RESPONSE}])))
    result = command("record", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'what was done makes no scenario: "X: y" does not have the right form' in result.stderr


def test_seed_and_settings_are_kept(tmp_path: Path) -> None:
    behaviour = Behaviour("observed", {"correlation_id": "documented"})
    with Simulator(clock=FrozenClock(NOW), seed=77, fidelity=behaviour) as simulator:
        send(simulator, adjust(correlationId="abc"))
        text = recorded(simulator).text
    first = "# Recorded with seed 77, fidelity observed, --set correlation_id=documented.\n"
    assert text.startswith(first)
    # So that all that is drawn comes again, whoever plays it.
    assert yaml.safe_load(text)["seed"] == 77
    result = replayed(text, tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith("seed 77, fidelity observed")


def test_a_world_is_in_the_file_with_names_for_its_secrets(tmp_path: Path) -> None:
    with Simulator(ANSWERS, clock=FrozenClock(NOW)) as simulator:
        secrets = {token.secret for user in simulator.world.users for token in user.tokens}
        user = simulator.world.users[1]
        token, group = user.tokens[0], user.capacity_groups[0]
        body = json.dumps(
            instruction(user.nodes[0], cgIdentifier=group.identifier, coId="1")
        ).encode()
        headers = signed_headers("POST", ADD, body, token=token.id, secret=token.secret)
        assert ask(simulator, "POST", ADD, headers, body).status == 200
        simulator.clock.advance(0)
        made = recorded(simulator)
    assert f"secret: secret-of-{token.id}" in made.text
    assert not any(secret in made.text for secret in secrets)
    assert made.problems == ()
    assert replayed(made.text, tmp_path).exit_code == 0


def test_a_client_of_the_flexibility_provider_has_a_named_secret_too(tmp_path: Path) -> None:
    client = {"id": "grid", "secret": "a-long-secret"}
    wanted = world([provider(base_url=None, flexibility_provider_client=client)])
    with Simulator(wanted, clock=FrozenClock(NOW)) as simulator:
        send(simulator, adjust(cgIdentifier="depot-7"))
        made = recorded(simulator)
    assert "secret: secret-of-grid" in made.text
    assert "a-long-secret" not in made.text
    assert replayed(made.text, tmp_path).exit_code == 0


def test_what_ends_otherwise_when_played_is_said(tmp_path: Path) -> None:
    clock = FrozenClock(NOW)
    with Simulator(clock=clock) as simulator:
        send(simulator, adjust())
        lines = list(SavedJournal.of(simulator.shared).lines())
    file = tmp_path / "session.jsonl"
    file.write_text("".join(line.replace('"Completed"', '"Executing"') for line in lines))
    result = command("record", str(file))
    assert result.exit_code == 1
    assert "otherwise when played: step 1 AdjustGroupCapacityForecast: state: recorded Exec" in (
        result.stderr
    )


def test_what_comes_of_a_step_by_itself_is_none(tmp_path: Path) -> None:
    with Simulator(ANSWERS, clock=FrozenClock(NOW)) as simulator:
        told = simulator.provider(1, user=42).forecast(group="granted", capacities=[50, 50])
        simulator.clock.advance("2s")
        simulator.optimizer(12).adjust(
            group="granted", capacities=[60, 60], correlation_id=told.request_id
        )
        simulator.clock.advance("10s")
        forecasts = simulator.journal.entries(
            party="capacity_provider", action="UpdateGroupCapacityForecast", sent=True
        )
        assert len(forecasts) == 2
        made = recorded(simulator)
    found = yaml.safe_load(made.text)["steps"]
    assert [next(iter(each)) for each in found] == ["forecast", "wait", "adjust", "wait"]
    assert made.left_out == ()
    # The message is in the step already.
    assert "message" not in found[0]["expect"]["exchanges"][0]
    for seed in (1, 2):
        text = made.text.replace("seed: 1\n", f"seed: {seed}\n")
        assert replayed(text, tmp_path).exit_code == 0, text


def test_an_id_that_nobody_names_is_not_expected(simulator: Simulator, tmp_path: Path) -> None:
    # The answer to a handshake names the id of its delivery.
    send(simulator, json.dumps(instruction()).encode())
    simulator.clock.advance("2s")
    text = recorded(simulator).text
    assert "HandshakeAcknowledge" in text
    assert "X-Correlation-ID" not in text
    assert replayed(text.replace("seed: 1\n", "seed: 2\n"), tmp_path).exit_code == 0


def test_a_token_is_not_kept_and_a_party_registers_with_its_own(
    simulator: Simulator, tmp_path: Path
) -> None:
    simulator.provider(3).register(token="a-token-of-eight-or-more")
    made = recorded(simulator)
    assert "- register: {provider: 3}" in made.text or "register:\n    provider: 3\n" in made.text
    assert "a-token" not in made.text
    assert "[redacted]" not in made.text
    assert replayed(made.text, tmp_path).exit_code == 0


def test_what_was_forgotten_is_said(simulator: Simulator) -> None:
    send(simulator, adjust())
    simulator.reset()
    simulator.set_broker("down")
    assert recorded(simulator).left_out[0].startswith("what was before entry ")


def test_a_real_party_is_played_when_it_is_replayed(tmp_path: Path) -> None:
    with Provider() as provider:
        url = f"{provider.url}/oscp/cp/2.0"
        world = yaml.safe_load(ANSWERS)
        world["users"][0]["capacity_providers"][0]["base_url"] = url
        with Simulator(world, clock=FrozenClock(NOW)) as simulator:
            send(
                simulator,
                json.dumps(instruction(coId="12", cgIdentifier="granted")).encode(),
            )
            made = recorded(simulator)
        assert provider.asked
    assert url not in made.text
    result = replayed(made.text, tmp_path)
    assert result.exit_code == 0, result.stdout


def test_a_message_that_is_another_when_played_is_said(session: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    # As it was delivered: numbers have become doubles.
    file.write_text(session.read_text().replace("42.0", "43.0"))
    made = command("record", str(file))
    assert made.exit_code == 0
    assert "capacity: 43.0" not in made.stdout
    assert (
        "left out: the message of AdjustGroupCapacityForecast from flexibility_provider to "
        "capacity_provider at " in made.stderr
    )


# --- JSON Lines ----------------------------------------------------------------------------------


def test_a_journal_is_saved_and_opened_again(session: Path, tmp_path: Path) -> None:
    opened = open_journal(session)
    assert opened.entries
    file = tmp_path / "again.jsonl"
    opened.save(file)
    assert file.read_bytes() == session.read_bytes()
    first = json.loads(session.read_text().split("\n")[0])
    assert first == {
        "format": "oscp-sim journal",
        "version": 1,
        "seed": 1,
        "fidelity": "documented",
        "settings": {},
        "world": None,
    }


ENTRY = {"number": 1, "at": "2026-01-01T00:00:00Z", "party": "solaruser", "kind": "note"}
WHOLE = {
    **ENTRY,
    **dict.fromkeys(("action", "instruction_id", "request", "response", "reason", "state", "peer")),
    "sent": False,
    "exchange_id": None,
    "findings": [],
    "detail": {},
}
NO_REQUEST = {"method": {}, "target": "/", "headers": [], "body": ""}
RESPONSE = {"status": 204, "headers": [], "body": ""}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], ": it is empty; save a journal with oscp-sim serve --save-journal"),
        (["{"], ":1:1: not JSON: "),
        (["[]"], ":1:1: not a saved journal: its first line has no "),
        (['{"format": "oscp-sim journal", "version": 2}'], ":1:1: it has version 2; this program"),
        (
            ['{"format": "oscp-sim journal", "version": 1, "fidelity": "x"}'],
            ":1:1: fidelity is 'documented' or 'observed', not 'x'",
        ),
        *(
            (
                [f'{{"format": "oscp-sim journal", "version": 1, "world": {world}}}'],
                f":1:1: /world{place} is not as it was saved: ",
            )
            for world, place in (
                ("[1]", ""),
                ('{"users": 3}', "/users"),
                ('{"users": [5]}', "/users/0"),
                ('{"users": [{"tokens": [{}]}]}', "/users/0/tokens/0"),
            )
        ),
        (
            ['{"format": "oscp-sim journal", "version": 1, "seed": 1e999}'],
            ":1:1: its seed is inf, which is no whole number",
        ),
        *(
            (
                [None, json.dumps({**WHOLE, "detail": detail})],
                f":2:1: not an entry of a journal: {why}",
            )
            for detail, why in (
                (
                    {"answered_after": []},
                    '"answered_after" of its detail is [], which is of another',
                ),
                ({"fault": "lost", "why": "x", "rule": []}, '"rule" of its detail is []'),
                ({"fault": "lost"}, "the detail of a fault needs its rule, and why"),
            )
        ),
        ([None, "nope"], ":2:1: not JSON: "),
        ([None, json.dumps(ENTRY)], ":2:1: not an entry of a journal: 'request' is missing"),
        ([None, json.dumps({**ENTRY, "party": "me"})], ":2:1: not an entry of a journal: there is"),
        ([None, "[]"], ":2:1: not an entry of a journal: "),
        ([None, "", json.dumps({**WHOLE, "at": "2026-01-01T00:00:00"})], ":3:1: not an entry of "),
        ([None, json.dumps({**WHOLE, "kind": "exchange"})], ":2:1: not an entry of a journal: "),
        ([None, json.dumps({**WHOLE, "state": {}})], ':2:1: not an entry of a journal: "state"'),
        (
            [None, json.dumps({**WHOLE, "state": "Queued!"})],
            ":2:1: not an entry of a journal: unknown state 'Queued!'; did you mean 'Queued'?",
        ),
        *(
            (
                [None, json.dumps({**WHOLE, "response": {**RESPONSE, "status": status}})],
                f':2:1: not an entry of a journal: "status" is {status!r}, which it cannot be',
            )
            for status in (-1, 99, 1000, "204", None)
        ),
        ([None, json.dumps({**WHOLE, "request": NO_REQUEST})], ":2:1: not an entry of a journal"),
    ],
)
def test_a_file_that_is_not_a_journal_is_2_and_says_where(
    tmp_path: Path, lines: list[str | None], complaint: str
) -> None:
    file = tmp_path / "j.jsonl"
    header = '{"format": "oscp-sim journal", "version": 1, "seed": 1}'
    file.write_text("".join(f"{header if line is None else line}\n" for line in lines))
    for name in ("record", "export"):
        result = command(name, str(file))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{file}{complaint}")


def test_the_whole_journal_takes_no_filters(simulator: Simulator) -> None:
    answer = ask(simulator, "GET", "/_sim/journal.jsonl?party=solaruser", [("host", "localhost")])
    assert answer.status == 400


# --- HAR -----------------------------------------------------------------------------------------


def test_whatever_a_client_calls_the_host_is_exported(simulator: Simulator) -> None:
    for host in ("[:", "['a']"):
        simulator.handle(Request("GET", f"{VIEW}?x=[", (("host", host),)))
    exported = json.loads(har(simulator.journal.entries(), "1"))
    urls = [each["request"]["url"] for each in exported["log"]["entries"]]
    assert urls == [f"http://[:{VIEW}?x=[", f"http://['a']{VIEW}?x=["]


def test_a_journal_is_exported_as_har(session: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.har"
    assert command("export", str(session), "-o", str(file)).exit_code == 0
    log = json.loads(file.read_text())["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "oscp-sim")
    for entry in log["entries"]:
        # What HAR 1.2 asks for, and browsers look at.
        keys = {"startedDateTime", "time", "request", "response", "cache", "timings"}
        assert keys <= entry.keys()
        asked, answered = entry["request"], entry["response"]
        assert datetime.fromisoformat(entry["startedDateTime"]).utcoffset() == timedelta()
        assert asked["url"].startswith("http://")
        for message_, named in (
            (asked, {"method", "httpVersion", "queryString"}),
            (answered, {"status", "statusText", "httpVersion", "content", "redirectURL"}),
        ):
            assert {"cookies", "headers", "headersSize", "bodySize", *named} <= message_.keys()
        assert {"send", "wait", "receive"} <= entry["timings"].keys()
    first, *others, heartbeat = log["entries"]
    view = next(each for each in others if each["request"]["method"] == "GET")
    assert first["request"]["postData"]["text"].startswith('{"nodeId": 1')
    assert first["response"]["content"]["mimeType"] == "application/json"
    assert view["request"]["queryString"] == [{"name": "id", "value": "3"}]
    # Each once, though both of its sides are in the journal.
    assert heartbeat["request"]["url"].endswith("/oscp/fp/2.0/heartbeat")
    assert len(log["entries"]) == 10
    assert "Signature=[redacted]" in json.dumps(first)


# --- by serve and run ----------------------------------------------------------------------------


def test_serve_records_until_it_is_ended(tmp_path: Path) -> None:
    at, file, journal = tmp_path / "url", tmp_path / "session.yaml", tmp_path / "session.jsonl"
    options = ["--port", "0", "--url-file", str(at), "--record", str(file)]
    with Forked("serve", *options, "--save-journal", str(journal)) as process:
        while "Ctrl-C stops" not in (line := process.stdout.readline()):
            assert line
        url = json.loads(at.read_text())["url"]
        requests.post(f"{url}/_sim/providers/3/heartbeat", timeout=5).raise_for_status()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr.read() == f"1 step in {file}, 0 left out\n"
    assert "heartbeat:" in file.read_text()
    assert open_journal(journal).entries


@pytest.mark.parametrize("option", ["--record", "--save-journal"])
@pytest.mark.parametrize("name", [["serve"], ["run", "--", "true"]])
def test_a_folder_that_is_a_file_is_2(name: list[str], option: str, tmp_path: Path) -> None:
    first, *rest = name
    (tmp_path / "no").write_text("")
    result = command(first, option, str(tmp_path / "no" / "file"), *rest)
    assert result.exit_code == 2
    assert f"{tmp_path}/no is not a folder" in " ".join(result.stderr.split())


@pytest.mark.parametrize("option", ["--record", "--save-journal"])
@pytest.mark.parametrize("path", ["/proc/none/file", "x" * 300])
def test_a_file_that_cannot_be_made_is_2_before_anything_is_served(option: str, path: str) -> None:
    result = command("serve", "--port", "0", option, path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for {option}: {path} cannot be written: " in result.stderr


def test_a_folder_that_is_not_there_is_made(session: Path, tmp_path: Path) -> None:
    files = [str(tmp_path / each / "b" / "file.yaml") for each in ("r", "j", "o", "e")]
    program = "curl -s -X POST $OSCP_SIM_URL/_sim/providers/3/heartbeat"
    kept = ("--record", files[0], "--save-journal", files[1])
    assert command("run", *kept, "--", "sh", "-c", program).exit_code == 0
    assert command("record", str(session), "-o", files[2]).exit_code == 0
    assert command("export", str(session), "-o", files[3]).exit_code == 0
    assert all(Path(each).is_file() for each in files)


@pytest.mark.parametrize("name", ["record", "export"])
def test_a_scenario_in_the_place_of_a_journal_is_2_and_says_so(name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("scenario: a\nsteps: [{wait: 1s}]\n")
    result = command(name, str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"{file}:1:1: a scenario file, not a saved journal: oscp-sim replay plays it; save a "
        "journal with oscp-sim serve --save-journal\n"
    )


def test_run_records_what_a_program_did(tmp_path: Path) -> None:
    file, journal = tmp_path / "session.yaml", tmp_path / "session.jsonl"
    program = "curl -s -X POST $OSCP_SIM_URL/_sim/providers/3/heartbeat"
    result = command(
        "run", "--record", str(file), "--save-journal", str(journal), "--", "sh", "-c", program
    )
    assert result.exit_code == 0, result.stdout
    assert command("replay", str(file)).exit_code == 0
    assert command("replay", str(journal)).exit_code == 0


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scenarios").rglob("worlds/*.yaml")), ids=lambda each: each.stem
)
def test_every_world_can_be_written_into_a_recording(path: Path, tmp_path: Path) -> None:
    with Simulator(path, clock=FrozenClock(NOW)) as simulator:
        simulator.set_broker("down")
        made = recorded(simulator)
    assert replayed(made.text, tmp_path).exit_code == 0, made.text


def test_reports_are_written_of_a_replay(session: Path, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    assert command("replay", str(session), "--report", f"junit={junit}").exit_code == 0
    assert 'name="session"' in junit.read_text()

"""`oscp-send send`: judged, posted once, followed to the end; each end has its exit code."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from oscp_send.instruction import split
from tests.cases.payloads import compliance, forecast, one_block
from tests.oscp_send.cli.given import ACTION, TO, pretty, reply, request_body
from tests.oscp_send.sender_world import ADD, BASE, VIEW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from oscp_sim import Simulator
    from tests.oscp_send.cli.given import Cli, Write
    from tests.oscp_send.sender_world import Service

SECRET = "hunter2-hunter2"


@pytest.fixture
def send(cli: Cli) -> Cli:
    """Send a message, which comes by the standard input, with more options."""
    return lambda message, *options: cli("send", "-", *TO, *options, stdin=message)


def posted(service: Service) -> dict[str, Any]:
    """Return the body of the one request that was posted."""
    bodies = [call.request.body for call in service.calls if call.request.method == "POST"]
    assert len(bodies) == 1
    assert isinstance(bodies[0], bytes)
    body: dict[str, Any] = json.loads(bodies[0])
    return body


# Against the simulator.


def test_a_message_is_followed_to_its_end(send: Cli, simulator: Simulator) -> None:
    result = send(pretty(), "--correlation-id", "r1")
    assert result.exit_code == 0, result.stderr
    number, state, *_ = result.stdout.split()
    assert state == "Completed"
    assert result.stdout.endswith(f"  {ACTION} to foo-group\n")
    assert f"instruction {number} is Queuing, waiting for its end\n" in result.stderr
    delivered = simulator.journal.wait_for(party="capacity_provider", timeout=2)
    assert delivered.request is not None
    headers = {name.lower(): value for name, value in delivered.request.headers}
    assert headers["x-correlation-id"] == "r1"


def test_a_whole_request_body_is_sent(cli: Cli, write: Write, simulator: Simulator) -> None:
    file = write("request.json", request_body(correlationId="r2"))
    result = cli("send", file, "--format", "json")
    assert result.exit_code == 0, result.stderr
    sent = json.loads(result.stdout)
    assert sent["state"] == "Completed"
    assert sent["parameters"]["msg"] == forecast()
    assert sent["parameters"]["correlationId"] == "r2"
    assert sent["error"] is None


def test_a_message_from_the_standard_input(send: Cli, simulator: Simulator) -> None:
    assert send(forecast()).exit_code == 0


def test_without_waiting_it_says_how_to_look(send: Cli, simulator: Simulator) -> None:
    result = send(forecast(), "--no-wait")
    number, state, *_ = result.stdout.split()
    assert (result.exit_code, state) == (0, "Queuing")
    assert result.stderr == f"follow it: oscp-send view {number}\n"


def test_a_declined_instruction_is_1_with_the_services_reason(
    cli: Cli, write: Write, simulator: Simulator
) -> None:
    file = write("f.json", forecast())
    result = cli("send", file, "--action", ACTION, *TO[2:4], "--co-id", "7", *TO[6:])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "was declined: Unknown capacity optimizer\n" in result.stderr
    as_json = cli("send", file, *TO[:4], "--co-id", "7", *TO[6:], "--format", "json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["error"] == "Unknown capacity optimizer"


def test_a_wrong_secret_is_1(
    send: Cli, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSCP_SEND_SECRET", SECRET)
    result = send(forecast())
    assert result.exit_code == 1
    assert "Bad credentials" in result.stderr
    assert SECRET not in result.output


def test_someone_elses_node_is_1(send: Cli, simulator: Simulator) -> None:
    result = send(forecast(), "--node-id", "99")
    assert result.exit_code == 1
    assert "check node_id" in result.stderr


# What is judged before.


def test_a_refusal_is_reported_with_its_place_and_nothing_is_sent(
    cli: Cli, write: Write, service: Service
) -> None:
    result = cli("send", write("f.json", pretty(unit="kW")), *TO)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("f.json: SolarUser would decline this (schema)\n")
    assert "f.json:8:15" in result.stderr
    assert result.stderr.endswith("\nNothing was sent.\n")
    assert len(service.calls) == 0


def test_warnings_are_reported_and_the_message_is_sent(send: Cli, service: Service) -> None:
    service.post(ADD, json=reply("Completed", parameters=[]))
    text = one_block(end_time="2031-02-28T23:00:00Z")
    result = send(text)
    assert result.exit_code == 0
    assert "meaning [S1]" in result.stderr
    assert "Nothing was sent" not in result.stderr


def test_a_compliance_error_without_correlation_id_is_warned_of(
    cli: Cli, write: Write, service: Service
) -> None:
    service.post(ADD, json=reply("Completed", parameters=[]))
    file = write("f.json", compliance())
    to = ("--action", "GroupCapacityComplianceError", *TO[2:])
    result = cli("send", file, *to)
    assert result.exit_code == 0
    assert "warning: correlationId is missing" in result.stderr
    assert "[S15]" in result.stderr
    assert "S15" not in cli("send", file, *to, "--correlation-id", "r1").stderr


# What is posted.


def test_the_message_is_posted_as_it_is_written(send: Cli, service: Service) -> None:
    service.post(ADD, json=reply("Completed"))
    send(pretty())
    assert posted(service) == {
        "nodeId": 1,
        "params": {
            "coId": "1",
            "cgIdentifier": "foo-group",
            "action": ACTION,
            "msg": pretty().removesuffix("\n"),
        },
    }


def test_a_request_body_keeps_its_expiration_and_names_what_is_left_out(
    cli: Cli, write: Write, service: Service
) -> None:
    service.post(ADD, json=reply("Completed"))
    body = json.loads(request_body(note="x"))
    body |= {
        "nodeId": "1",
        "expirationDate": "2099-01-01 00:00:00Z",
        "instructionDate": "2099-01-01 00:00:00Z",
    }
    result = cli("send", write("r.json", json.dumps(body)))
    assert "r.json: not sent along: note, instructionDate\n" in result.stderr
    assert posted(service)["expirationDate"] == "2099-01-01T00:00:00Z"
    assert posted(service)["nodeId"] == 1


def test_where_it_goes_may_be_in_the_configuration(
    cli: Cli, write: Write, service: Service
) -> None:
    service.post(ADD, json=reply("Completed", nodeId=5, parameters=[]))
    write("oscp-send.toml", 'node_id = 5\nco_id = "7"\ncg_identifier = "foo-group"\n')
    file = write("f.json", forecast())
    result = cli("send", file, "--action", ACTION, "--co-id", "8")
    assert result.exit_code == 0
    assert posted(service)["nodeId"] == 5
    assert posted(service)["params"]["coId"] == "8"


PLACES = (
    "give --node-id, --co-id and --cg-identifier, or node_id, co_id and cg_identifier in the "
    "configuration file"
)
#: What is given, and its file; how the command ends, and what it says.
NOT_SENT: dict[str, tuple[tuple[str, ...], str, tuple[int, str]]] = {
    "wrong": ((), request_body(coId=1), (1, 'write "1"')),
    "group": (TO, forecast(group_id="x"), (1, 'group_id "x" is not the cg_identifier "foo-group"')),
    "node": (TO[:2] + TO[4:], forecast(), (2, "give --node-id, or")),
    "optimizer": (TO[:4] + TO[6:], forecast(), (2, "give --co-id, or")),
    "no group": (TO[:6], forecast(), (2, "give --cg-identifier, or")),
    "nothing": (TO[:2], forecast(), (2, PLACES)),
    "another address": (("--co-id", "1"), request_body(), (2, "says itself where it goes")),
}


@pytest.mark.parametrize(("options", "file", "end"), NOT_SENT.values(), ids=NOT_SENT)
def test_what_is_not_sent(
    cli: Cli, service: Service, options: tuple[str, ...], file: str, end: tuple[int, str]
) -> None:
    result = cli("send", "-", *options, stdin=file)
    assert result.exit_code == end[0]
    assert end[1] in " ".join(result.stderr.split())
    assert len(service.calls) == 0


def test_a_missing_file_is_2(cli: Cli, service: Service) -> None:
    result = cli("send", "missing.json", *TO)
    assert (result.exit_code, result.stderr) == (2, "missing.json: there is no such file\n")


# How it ends.


def test_a_deadline_that_passes_is_1_and_a_program_is_given_the_last_state(
    send: Cli, service: Service
) -> None:
    service.post(ADD, json=reply("Queuing"))
    service.get(VIEW, json=reply("Executing"))
    result = send(forecast(), "--timeout", "0", "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "Executing"
    assert "was awaited for 0 s" in result.stderr
    assert "do not send it again" in result.stderr


def failing(send: Cli) -> Result:
    result = send(forecast())
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert SECRET not in result.output
    return result


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ({"status": 422, "json": {"success": False, "message": "Illegal argument: x"}}, 1, "x"),
        ({"status": 429, "json": {"success": False, "code": "WEB.10000"}}, 1, "asks to wait"),
        ({"status": 415, "json": {"success": False, "error": "x"}}, 1, "no route"),
        ({"status": 200, "body": "<html>"}, 4, "may have been queued"),
        ({"status": 502, "body": ""}, 4, "may have been queued"),
        ({"status": 404, "body": "<html>"}, 4, "does not look like SolarUser"),
        ({"body": requests.exceptions.ReadTimeout()}, 4, "was not sent again"),
        ({"body": requests.exceptions.ConnectTimeout()}, 3, "could not be reached"),
    ],
    ids=[
        "refused",
        "rate-limited",
        "no-route",
        "not-understood",
        "gateway",
        "other-server",
        "possibly-sent",
        "unreachable",
    ],
)
def test_each_end_has_its_code(
    send: Cli, service: Service, answer: dict[str, Any], code: int, words: str
) -> None:
    service.post(ADD, **answer)
    result = failing(send)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(service.calls) == 1


def interrupted(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
    raise KeyboardInterrupt


@pytest.mark.parametrize("settle", [(), ("--settle",)])
def test_interrupted_without_an_answer_it_may_have_been_queued(
    send: Cli, service: Service, settle: tuple[str, ...]
) -> None:
    service.add_callback("POST", ADD, interrupted)
    result = send(forecast(), *settle)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "may have been queued, and was not sent again: it was interrupted\n" in result.stderr
    assert "oscp-send list --node-id 1 --start 20" in result.stderr
    assert len(service.calls) == 1


def test_interrupted_while_it_is_looked_for_it_may_have_been_queued(
    send: Cli, service: Service
) -> None:
    service.post(ADD, **LOST)
    service.add_callback("GET", ADD.removesuffix("/add/OSCP_v20"), interrupted)
    result = send(forecast(), "--settle")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "may have been queued, and was not sent again: HTTP 504" in result.stderr


@pytest.fixture
def interrupt_handler() -> Iterator[None]:
    """A command that was interrupted leaves another one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("interrupt_handler")
def test_interrupted_while_it_is_followed_it_goes_on(send: Cli, service: Service) -> None:
    service.post(ADD, json=reply("Queuing"))
    service.add_callback("GET", VIEW, interrupted)
    result = send(forecast())
    assert (result.exit_code, result.stdout) == (130, "")
    said = "interrupted, but it goes on; follow it: oscp-send view 5012345\n"
    assert result.stderr.endswith(f"instruction 5012345 is Queuing, waiting for its end\n{said}")


@pytest.mark.usefixtures("interrupt_handler", "simulator")
def test_interrupted_before_it_is_sent_it_ends_without_a_word(
    send: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    result = send(forecast())
    assert (result.exit_code, result.output) == (130, "")


ADDRESS = {"coId": "1", "cgIdentifier": "foo-group", "action": ACTION}
LOST: dict[str, Any] = {"status": 504, "body": "<html>late"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"state": "Completed"}, (0, "looking for it: HTTP 504")),
        ({"state": "Declined"}, (1, "was declined")),
        (None, (4, "it is not there yet; that will be certain from 20")),
        ({"nodeId": 2}, (4, "it is not there yet")),
    ],
    ids=["completed", "declined", "nowhere", "another"],
)
def test_what_may_have_been_queued_is_looked_for(
    cli: Cli, write: Write, service: Service, row: dict[str, Any] | None, told: tuple[int, str]
) -> None:
    file = write("f.json", forecast())
    message = Path(file).read_text()
    sent = [{"name": "msg", "value": part} for part in split(message.strip())]
    sent += [{"name": name, "value": value} for name, value in ADDRESS.items()]
    soon = datetime.now(UTC) + timedelta(minutes=1)
    stored = {"parameters": sent, "created": f"{soon:%Y-%m-%d %H:%M:%SZ}"}
    rows = [] if row is None else [reply(**stored | row)["data"]]
    service.post(ADD, **LOST)
    service.get(ADD.removesuffix("/add/OSCP_v20"), json={"success": True, "data": rows})
    result = cli("send", file, *TO, "--settle", "--timeout", "0")
    assert result.exit_code == told[0]
    assert told[1] in result.stderr
    assert "client.settle" not in result.stderr
    assert "is Completed, waiting for its end" not in result.stderr
    if told[0] == 1:
        assert cli("send", file, *TO, "--settle", "--no-wait").exit_code == 1


@pytest.mark.parametrize("answer", [{"status": 401}, {"body": "<html>"}, {"status": 404}])
def test_where_it_cannot_be_looked_for_it_may_still_have_been_queued(
    send: Cli, service: Service, answer: dict[str, Any]
) -> None:
    service.post(ADD, **LOST)
    service.get(ADD.removesuffix("/add/OSCP_v20"), **answer)
    result = send(forecast(), "--settle")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "may have been queued, and was not sent again: HTTP 504" in result.stderr
    assert "; it cannot be looked for: " in result.stderr


def test_without_being_told_nothing_is_looked_for(send: Cli, service: Service) -> None:
    service.post(ADD, **LOST)
    result = failing(send)
    assert result.exit_code == 4
    advice = "Another time, oscp-send send --settle looks for it itself. Look before you send it "
    assert f"\n{advice}again: oscp-send list --node-id 1 --start 20" in result.stderr
    assert len(service.calls) == 1


def test_what_a_service_says_cannot_paint_the_terminal(send: Cli, service: Service) -> None:
    service.post(ADD, status=422, json={"success": False, "message": "a\x1b[2Jb"})
    assert r"a\x1b[2Jb" in failing(send).stderr


# Settings.


@pytest.mark.parametrize(
    ("name", "option"), [("URL", "--url"), ("TOKEN", "--token"), ("SECRET", "--secret-file")]
)
def test_a_missing_setting_is_2_and_named_with_its_option(
    send: Cli, service: Service, monkeypatch: pytest.MonkeyPatch, name: str, option: str
) -> None:
    monkeypatch.delenv(f"OSCP_SEND_{name}")
    result = failing(send)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"no {name.lower()}: give it with {option}, as OSCP_SEND_{name}"
    )


def test_options_win_over_the_environment(send: Cli, service: Service) -> None:
    other = "https://other.example"
    service.post(ADD.replace(BASE, other), json=reply("Completed"))
    result = send(forecast(), "--url", other, "--token", "another-token")
    assert result.exit_code == 0
    authorization = service.calls[0].request.headers["Authorization"]
    assert "Credential=another-token," in authorization


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file_signs_the_same(
    send: Cli, write: Write, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.delenv("OSCP_SEND_SECRET")
    secret = write("secret.txt", f"rehearsal-secret{end}")
    result = send(forecast(), "--secret-file", secret)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("content", [None, b"\xff", b"", b" x"])
def test_an_unusable_secret_file_is_2(
    send: Cli, write: Write, service: Service, content: bytes | None
) -> None:
    if content is not None:
        write("secret.txt", content)
    result = send(forecast(), "--secret-file", "secret.txt")
    assert result.exit_code == 2
    assert "secret" in result.stderr
    assert len(service.calls) == 0


def test_a_configuration_file_that_is_named_must_be_there(send: Cli, service: Service) -> None:
    result = send(forecast(), "--config", "mine.toml")
    assert (result.exit_code, result.stderr) == (2, "mine.toml: there is no such file\n")


def test_there_is_no_option_for_the_secret(cli: Cli) -> None:
    result = cli("send", "f.json", "--secret", SECRET)
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    helped = " ".join(cli("send", "--help").stdout.split())
    assert "never an argument" in helped
    assert "OSCP_SEND_SECRET" in helped


def test_an_argument_that_is_no_value_of_its_kind_is_2(
    cli: Cli, write: Write, service: Service
) -> None:
    file = write("f.json", forecast())
    result = cli("send", file, *TO[:4], "--co-id", "depot", *TO[6:])
    assert result.exit_code == 2
    assert 'co_id: "depot" is not a 64-bit integer' in result.stderr


@pytest.mark.parametrize("timeout", ["nan", "-1", "soon"])
def test_a_timeout_that_is_none_is_2_before_anything_is_sent(
    send: Cli, service: Service, timeout: str
) -> None:
    result = send(forecast(), "--timeout", timeout)
    assert result.exit_code == 2
    assert len(service.calls) == 0


def test_a_secret_that_is_no_utf8_is_2(
    send: Cli, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSCP_SEND_SECRET", "hunter2\udcff")
    result = failing(send)
    assert (result.exit_code, result.stderr) == (2, "secret: it is not text in UTF-8\n")

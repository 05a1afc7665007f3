"""`oscp-send curl`: the request that `send` would post, for any shell."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from requests import Request

from oscp_send.cli.send import command_line
from oscp_send.snws2 import SNWS2Auth
from tests.cases.payloads import block, compliance, forecast, one_block
from tests.oscp_send.cli.given import ACTION, TO, request_body

if TYPE_CHECKING:
    from oscp_sim import Simulator
    from tests.oscp_send.cli.given import Cli, Write

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")

# What a shell, printf, or curl itself could take for something else.
AWKWARD = 'it\'s "100%" \\n $HOME `id` !! * @file \n\u00e9 \U0001f600'


def run(command: str) -> dict[str, object]:
    reply: dict[str, object] = json.loads(shell(command))
    return reply


def shell(command: str) -> bytes:
    """Runs a command as if it were piped into a shell, and answers with what it prints."""
    done = subprocess.run(
        ["/bin/sh"], input=command.encode(), capture_output=True, check=True, timeout=30
    )
    assert done.stderr == b""
    return done.stdout


def arguments(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


def test_the_standard_output_is_the_command_alone(
    cli: Cli, write: Write, simulator: Simulator
) -> None:
    result = cli("curl", write("f.json", forecast()), *TO)
    assert result.exit_code == 0
    words = arguments(result.stdout)
    assert words[:4] == [
        "curl",
        "--silent",
        "--show-error",
        f"{simulator.url}/solaruser/api/v1/sec/instr/add/OSCP_v20",
    ]
    headers = [words[place + 1] for place, word in enumerate(words) if word == "--header"]
    assert [header.partition(":")[0] for header in headers] == [
        "Accept",
        "Content-Type",
        "Host",
        "X-SN-Date",
        "Digest",
        "Authorization",
    ]
    assert words[-2] == "--data-binary"
    assert json.loads(words[-1])["params"]["msg"] == forecast()
    assert simulator.journal.entries() == ()


def test_how_long_it_is_valid_is_shown_separately(
    cli: Cli, write: Write, simulator: Simulator
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    result = cli("curl", write("f.json", forecast()), *TO)
    until = result.stderr.removeprefix("valid until ").split(",")[0]
    remaining = datetime.fromisoformat(until) - before
    assert 15 * 60 <= remaining.total_seconds() <= 15 * 60 + 30
    assert "15 minutes" in result.stderr


def test_the_secret_is_not_in_it(cli: Cli, write: Write, simulator: Simulator) -> None:
    result = cli("curl", write("f.json", forecast()), *TO)
    assert "rehearsal-secret" not in result.output
    assert "rehearsal-token-0001" in result.stdout


@needs_curl
def test_it_gives_the_services_reply(cli: Cli, write: Write, simulator: Simulator) -> None:
    reply = run(cli("curl", write("r.json", request_body(correlationId="r1"))).stdout)
    assert reply["success"] is True
    data = reply["data"]
    assert isinstance(data, dict)
    assert data["state"] == "Queuing"
    assert {"name": "correlationId", "value": "r1"} in data["parameters"]


@needs_curl
def test_it_can_be_run_again(cli: Cli, write: Write, simulator: Simulator) -> None:
    command = cli("curl", write("f.json", forecast()), *TO).stdout
    first, second = run(command)["data"], run(command)["data"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["id"] != second["id"]


@needs_curl
def test_awkward_characters_arrive_as_they_are(
    cli: Cli, write: Write, simulator: Simulator
) -> None:
    file = write("m.json", compliance(message=AWKWARD))
    to = ("--action", "GroupCapacityComplianceError", *TO[2:], "--correlation-id", "r1")
    data = run(cli("curl", file, *to).stdout)["data"]
    assert isinstance(data, dict)
    text = "".join(each["value"] for each in data["parameters"] if each["name"] == "msg")
    assert json.loads(text)["message"] == AWKWARD


@needs_curl
def test_a_long_message_is_not_too_long_for_an_argument(
    cli: Cli, write: Write, simulator: Simulator
) -> None:
    text = forecast(forecasted_blocks=[block()] * 1200)
    assert len(text) > 128 * 1024
    command = cli("curl", write("f.json", text), *TO).stdout
    assert command.startswith("printf %s ")
    data = run(command)["data"]
    assert isinstance(data, dict)
    assert data["state"] == "Queuing"


def test_a_refusal_prints_no_command(cli: Cli, write: Write, simulator: Simulator) -> None:
    result = cli("curl", write("f.json", one_block(unit="kW")), *TO)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert 'units are upper case on the wire: "KW"' in result.stderr


def test_without_settings_it_is_2(cli: Cli, write: Write) -> None:
    result = cli("curl", write("f.json", forecast()), "--action", ACTION)
    assert result.exit_code == 2
    assert result.stderr.startswith("no url: give it with --url, as OSCP_SEND_URL, or as url in ")


@pytest.mark.parametrize(
    "body", ["{}", "'", AWKWARD, "%s%n\\x41", pytest.param("x" * 200_000, id="long")]
)
def test_a_shell_reads_the_body_to_the_byte(body: str) -> None:
    auth = SNWS2Auth("token", "secret")
    kind = {"Content-Type": "application/json"}
    request = Request("POST", "https://h/p", data=body.encode(), headers=kind, auth=auth).prepare()
    command = command_line(request)
    # Stands in for curl, and gives back what curl would send.
    stand_in = (
        "curl() { for last; do :; done; "
        'if [ "$last" = @- ]; then cat; else printf %s "$last"; fi; }'
    )
    assert shell(f"{stand_in}\n{command}") == body.encode()
    assert "'Host: h:443'" in command

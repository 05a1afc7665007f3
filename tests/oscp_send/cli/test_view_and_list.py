"""`oscp-send view` and `oscp-send list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import responses
from responses import matchers

from tests.cases.payloads import forecast
from tests.oscp_send.cli.given import ACTION, BASE, VIEW, instruction, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_sim import Simulator
    from tests.oscp_send.cli.given import Cli, Write
    from tests.oscp_send.sender_world import Service

LIST = f"{BASE}/solaruser/api/v1/sec/instr"
DECLINED = {"resultParameters": {"error": "Unknown group identifier"}}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """SolarUser, with the answers that a test adds."""
    monkeypatch.setenv("OSCP_SEND_URL", BASE)
    monkeypatch.setenv("OSCP_SEND_TOKEN", "the-token")
    monkeypatch.setenv("OSCP_SEND_SECRET", "hunter2-hunter2")
    with responses.RequestsMock() as mock:
        yield mock


def test_view_shows_everything(cli: Cli, service: Service) -> None:
    service.get(VIEW, json=reply("Declined", expirationDate="2026-02-01 00:00:00Z", **DECLINED))
    result = cli("view", 5012345)
    assert result.exit_code == 0
    assert result.stdout == (
        "instruction 5012345\n"
        "  state         Declined\n"
        "  error         Unknown group identifier\n"
        "  node          1\n"
        "  topic         OSCP_v20\n"
        "  created       2026-01-02 03:04:05.123456Z\n"
        "  state since   2026-01-02 03:04:05Z\n"
        "  expires       2026-02-01 00:00:00Z\n"
        "  coId          1\n"
        "  cgIdentifier  foo-group\n"
        "  action        AdjustGroupCapacityForecast\n"
        f"  msg           {forecast()}  (181 UTF-16 units, 1 part)\n"
    )


def test_view_as_json(cli: Cli, service: Service) -> None:
    service.get(VIEW, json=reply("Declined", **DECLINED))
    shown = json.loads(cli("view", 5012345, "--format", "json").stdout)
    assert shown == {
        "id": 5012345,
        "nodeId": 1,
        "topic": "OSCP_v20",
        "state": "Declined",
        "created": "2026-01-02 03:04:05.123456Z",
        "instructionDate": "2026-01-02 03:04:05.1Z",
        "statusDate": "2026-01-02 03:04:05Z",
        "expirationDate": None,
        "parameters": {
            "coId": "1",
            "cgIdentifier": "foo-group",
            "action": ACTION,
            "msg": forecast(),
        },
        "resultParameters": {"error": "Unknown group identifier"},
        "error": "Unknown group identifier",
    }


def test_view_of_an_unknown_instruction_is_1(cli: Cli, service: Service) -> None:
    service.get(VIEW, json={"success": True})
    result = cli("view", 7)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("SolarUser does not know instruction 7; ")


@pytest.mark.parametrize("number", ["x", "1.5", ""])
def test_an_id_is_a_whole_number(cli: Cli, number: str) -> None:
    assert cli("view", number).exit_code == 2


def test_view_against_the_simulator(cli: Cli, write: Write, simulator: Simulator) -> None:
    body = {"nodeId": 1, "params": {"action": ACTION, "msg": forecast()}}
    body["params"] |= {"coId": "1", "cgIdentifier": "foo-group"}  # type: ignore[operator]
    sent = cli("send", write("r.json", json.dumps(body)))
    result = cli("view", sent.stdout.split()[0])
    assert result.exit_code == 0
    assert "\n  state         Completed\n" in result.stdout
    assert cli("view", 999).exit_code == 1


def test_list_is_a_line_for_each(cli: Cli, service: Service) -> None:
    found = [
        instruction("Completed", id=1),
        instruction("Declined", id=20, created="2026-01-02 03:04:05Z", **DECLINED),
        instruction("Queued", id=3, topic="Mock/Topic", parameters=[]),
    ]
    service.get(LIST, json={"success": True, "data": found})
    result = cli("list", "--node-id", 1)
    assert result.exit_code == 0
    assert result.stdout == (
        f"1  Completed  2026-01-02 03:04:05.123456Z  {ACTION} to foo-group\n"
        f"20  Declined   2026-01-02 03:04:05Z         {ACTION} to foo-group: Unknown group "
        "identifier\n"
        "3  Queued     2026-01-02 03:04:05.123456Z  Mock/Topic\n"
    )


def test_list_asks_for_what_is_given(cli: Cli, service: Service) -> None:
    wanted = {
        "nodeIds": "1,2",
        "instructionIds": "9",
        "states": "Queuing,Declined",
        "startDate": "2026-03-01T00:15:00Z",
        "endDate": "2026-03-01T22:00:00Z",
    }
    service.get(LIST, json={"success": True}, match=[matchers.query_param_matcher(wanted)])
    result = cli(
        *("list", "--node-id", 1, "--node-id", 2, "--id", 9, "--state", "Queuing"),
        *("--state", "Declined", "--start", "2026-03-01T00:15:00Z"),
        *("--end", "2026-03-02T00:00:00+02:00"),
    )
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "no instruction matches\n"


def test_list_of_none_as_json(cli: Cli, service: Service) -> None:
    service.get(LIST, json={"success": True})
    result = cli("list", "--node-id", 1, "--format", "json")
    assert json.loads(result.stdout) == []
    assert result.stderr == ""


def test_list_takes_the_node_of_the_configuration(cli: Cli, write: Write, service: Service) -> None:
    write("oscp-send.toml", "node_id = 5\n")
    only = matchers.query_param_matcher({"nodeIds": "5"})
    service.get(LIST, json={"success": True}, match=[only])
    assert cli("list").exit_code == 0


def test_list_without_nodes_is_wrong_usage(cli: Cli, service: Service) -> None:
    result = cli("list")
    assert result.exit_code == 2
    assert "give --node-id, or --id" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--start", "yesterday", "is not a date and time such as 2026-03-01T00:15:00Z"),
        ("--end", "2026-03-01T00:15:00", "lacks its offset from UTC"),
        ("--state", "queuing", "is not one of"),
    ],
)
def test_list_refuses_what_it_cannot_read(cli: Cli, option: str, value: str, words: str) -> None:
    result = cli("list", "--node-id", 1, option, value)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())

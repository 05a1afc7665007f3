"""The commands that only show: `view`, `list`, `chunks` and `schema`."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from responses import matchers

import oscp_schemas
from oscp_send.cli.show import bundled
from oscp_send.testing import Sample, damaged, messages
from tests.cases.payloads import forecast
from tests.cases.table import CASES
from tests.oscp_send.cli.given import ACTION, instruction, params, reply, request_body
from tests.oscp_send.sender_world import BASE, VIEW

if TYPE_CHECKING:
    from oscp_sim import Simulator
    from tests.cases.case import Case
    from tests.oscp_send.cli.given import Cli, Write
    from tests.oscp_send.sender_world import Service

LIST = f"{BASE}/solaruser/api/v1/sec/instr"
DECLINED = {"resultParameters": {"error": "Unknown group identifier"}}


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


# Chunks: where SolarUser cuts, and what it cuts through.


SMILE = "\U0001f600"


def test_a_bare_message_is_cut_and_its_boundaries_are_marked(cli: Cli, write: Write) -> None:
    text = "a" * 256 + "b" * 256 + "c"
    result = cli("chunks", write("m.json", text))
    assert result.exit_code == 0
    assert result.stdout == (
        "msg: 513 UTF-16 units in 3 parts\n"
        f"  1  256  |{'a' * 256}|\n"
        f"  2  256  |{'b' * 256}|\n"
        "  3    1  |c|\n"
    )


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (255, [255]),
        (256, [256]),
        (257, [256, 1]),
        (511, [256, 255]),
        (512, [256, 256]),
        (513, [256, 256, 1]),
    ],
)
def test_boundary_lengths(cli: Cli, write: Write, length: int, sizes: list[int]) -> None:
    result = cli("chunks", write("m.json", "x" * length + "\n"), "--format", "json")
    (parameter,) = json.loads(result.stdout)
    assert parameter["units"] == length
    assert [part["units"] for part in parameter["parts"]] == sizes
    assert "".join(part["text"] for part in parameter["parts"]) == "x" * length


def test_a_cut_character_is_pointed_out(cli: Cli, write: Write) -> None:
    file = write("m.json", "a" * 255 + SMILE + "b")
    result = cli("chunks", file)
    assert result.stdout == (
        "msg: 258 UTF-16 units in 2 parts\n"
        f"  1  256  |{'a' * 255}\\ud83d|\n"
        "  2    2  |\\ude00b|\n"
        f"  {SMILE} (U+1F600) is cut between parts 1 and 2: it is delivered whole, but "
        "SolarUser's own replies show ?? for it\n"
    )
    (parameter,) = json.loads(cli("chunks", file, "--format", "json").stdout)
    assert parameter["cut"] == [{"after_part": 1, "character": SMILE}]
    assert [part["units"] for part in parameter["parts"]] == [256, 2]


def test_a_character_beside_a_boundary_is_not_cut(cli: Cli, write: Write) -> None:
    for text in ("a" * 254 + SMILE + "b", "a" * 256 + SMILE):
        result = cli("chunks", write("m.json", text), "--format", "json")
        assert json.loads(result.stdout)[0]["cut"] == []


def test_line_ends_are_shown_as_escapes(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("m.json", '{\n\t"a":1}'))
    assert '|{\\n\\t"a":1}|' in result.stdout


def test_it_is_reported_when_blanks_cost_parts(cli: Cli, write: Write) -> None:
    value = json.loads(forecast(comment="a b  c"))
    value["forecasted_blocks"] *= 3
    compact = cli("chunks", write("c.json", json.dumps(value, separators=(",", ":"))))
    pretty = cli("chunks", write("p.json", json.dumps(value, indent=4)))
    assert "without blanks" not in compact.stdout
    count = compact.stdout.splitlines()[0].rpartition(" in ")[2]
    last = pretty.stdout.splitlines()[-1]
    assert last == f"  without blanks between its values it would be {count}"


def test_every_parameter_of_a_request_body_is_cut(cli: Cli, write: Write) -> None:
    body = request_body(cgIdentifier="g" * 300, correlationId="", coId=1)
    result = cli("chunks", write("r.json", body), "--format", "json")
    found = {
        each["name"]: [part["units"] for part in each["parts"]]
        for each in json.loads(result.stdout)
    }
    assert found == {"cgIdentifier": [256, 44], "action": [27], "msg": [len(forecast())]}


def test_a_message_that_is_cut_beforehand_is_shown_as_it_is_stored(cli: Cli, write: Write) -> None:
    listed = [{"name": "msg", "value": "a" * 300}, {"name": "msg", "value": "b"}]
    result = cli("chunks", write("r.json", json.dumps({"nodeId": 1, "params": listed})))
    sizes = [line.split()[1] for line in result.stdout.splitlines()[1:4]]
    assert sizes == ["256", "44", "1"]


def test_what_is_no_json_is_cut_all_the_same(cli: Cli, write: Write) -> None:
    assert cli("chunks", write("m.json", "{oops")).exit_code == 0


def test_what_solaruser_does_not_understand_is_1(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("r.json", json.dumps({"nodeId": 1, "params": params(msg={})})))
    assert result.exit_code == 1
    assert result.stderr.startswith("r.json: Malformed JSON: Trailing token")


def test_what_is_no_utf8_is_1_with_its_place(cli: Cli, write: Write) -> None:
    result = cli("chunks", write("m.json", b'{\n"a\xff'))
    assert result.exit_code == 1
    assert result.stderr == "m.json: line 2, column 3: expected UTF-8, found the byte 0xFF\n"


def test_a_missing_file_is_2(cli: Cli) -> None:
    result = cli("chunks", "m.json")
    assert (result.exit_code, result.stderr) == (2, "m.json: there is no such file\n")


def test_standard_input(cli: Cli) -> None:
    assert (
        cli("chunks", "-", stdin="{}").stdout == "msg: 2 UTF-16 units in 1 part\n  1    2  |{}|\n"
    )


# Schema: the documents as they are, or as one that is complete.


by_action = pytest.mark.parametrize("action", oscp_schemas.ACTIONS)


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if "$ref" in value else []
    return own + [found for item in value.values() for found in references(item)]


@cache
def validator_of(action: str) -> Draft7Validator:
    return Draft7Validator(bundled(oscp_schemas.schema(action)))


@by_action
def test_it_is_the_document(cli: Cli, action: str) -> None:
    result = cli("schema", action)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == oscp_schemas.schema(action)


@by_action
def test_a_bundle_is_complete(cli: Cli, action: str) -> None:
    bundle = json.loads(cli("schema", action, "--bundle").stdout)
    Draft7Validator.check_schema(bundle)
    named = {f"#/definitions/{name}" for name in bundle.get("definitions", {})}
    assert set(references(bundle)) == named
    for inner in bundle.get("definitions", {}).values():
        assert "$id" not in inner
    assert bundle["$id"] == oscp_schemas.schema(action)["$id"]
    assert bundle["examples"] == oscp_schemas.schema(action)["examples"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_bundle_judges_the_judged_payloads(case: Case) -> None:
    try:
        value = oscp_schemas.read(case.text).value
    except oscp_schemas.JsonError:
        return
    assert validator_of(case.action).is_valid(value) == case.nf


@given(messages(sound=False), st.data())
def test_a_bundle_judges_as_the_documents_do(sample: Sample, data: st.DataObject) -> None:
    action, message = sample
    validator = validator_of(action)
    assert validator.is_valid(message)
    _, changed = data.draw(damaged(st.just(sample)))
    if not validator.is_valid(changed):
        assert oscp_schemas.judge(action, changed) != []


def test_an_unknown_action_is_2_and_recognised(cli: Cli) -> None:
    result = cli("schema", "handshak")
    assert result.exit_code == 2
    assert "did you mean Handshake?" in result.stderr


def test_the_help_names_every_action(cli: Cli) -> None:
    helped = " ".join(cli("schema", "--help").stdout.split())
    for action in oscp_schemas.ACTIONS:
        assert action in helped

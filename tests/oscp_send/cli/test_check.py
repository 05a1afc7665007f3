"""`oscp-send check`: what is said of a file, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cases.payloads import compliance, forecast, handshake, one_block
from tests.cases.table import CASES
from tests.oscp_send.cli.given import ACTION, pretty, request_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cases.case import Case
    from tests.oscp_send.cli.given import Cli, Write

BACKWARDS = {"start_time": "2031-03-01T18:00:00Z", "end_time": "2031-03-01T17:45:00Z"}


def test_the_feel_of_it(cli: Cli, write: Write) -> None:
    value = json.loads(pretty(unit="kW"))
    value["forecasted_blocks"][1] |= BACKWARDS
    file = write("forecast.json", json.dumps(value, indent=2))
    result = cli("check", file, "--action", ACTION)
    assert result.exit_code == 1
    assert result.stderr == ""
    assert result.stdout == (
        "forecast.json: SolarUser would decline this (schema)\n"
        "\n"
        '  /forecasted_blocks/0/unit       "kW" is not one of A, W, KW, WH, KWH     [enum]\n'
        '  forecast.json:8:15              units are upper case on the wire: "KW"\n'
        "  /forecasted_blocks/1/end_time   ends before it starts (18:00 to 17:45)   meaning [S1]\n"
        "  forecast.json:17:19             SolarNetwork would let this through; a grid operator "
        "will not\n"
        "\n"
        "1 refusal, 1 warning\n"
        "oscp-send explain enum S1 says more\n"
    )


def test_a_good_message_is_one_line(cli: Cli, write: Write) -> None:
    result = cli("check", write("forecast.json", pretty()), "--action", ACTION)
    assert result.exit_code == 0
    assert result.stdout == "forecast.json: good: SolarUser would queue it (2 parts)\n"


def test_a_good_request_names_its_action(cli: Cli, write: Write) -> None:
    result = cli("check", write("request.json", request_body()))
    assert result.exit_code == 0
    assert result.stdout == (
        "request.json: good: SolarUser would queue it (AdjustGroupCapacityForecast, 1 part)\n"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_exit_code_agrees_with_the_judged_payloads(cli: Cli, write: Write, case: Case) -> None:
    file = write("case.json", case.text.encode("utf-8", "surrogatepass"))
    result = cli("check", file, "--action", case.action, "--fidelity", "observed")
    assert result.exit_code == (0 if case.su == "Q" else 1)


def test_a_warning_fails_only_where_it_is_strict(cli: Cli, write: Write) -> None:
    file = write("forecast.json", one_block(**BACKWARDS))
    lenient = cli("check", file, "--action", ACTION)
    assert lenient.exit_code == 0
    assert lenient.stdout.startswith("forecast.json: SolarUser would queue it (1 part)\n")
    assert lenient.stdout.endswith("\n1 warning\noscp-send explain S1 says more\n")
    strict = cli("check", file, "--action", ACTION, "--strict")
    assert strict.exit_code == 1
    assert "SolarUser would queue it (1 part), --strict does not let it pass\n" in strict.stdout


def test_what_explains_them_is_said_of_five_names(cli: Cli, write: Write) -> None:
    value = {"forecasted_blocks": [{"capacity": "1", "unit": "kW", "start_time": 1}], "a": 1}
    result = cli("check", write("f.json", json.dumps(value)), "--action", ACTION)
    last = result.stdout.splitlines()[-1]
    assert last == "oscp-send explain required type enum unknown-property says more"


def test_blocks_are_past_only_for_who_says_what_time_it_is(cli: Cli, write: Write) -> None:
    file, request = write("f.json", one_block()), write("r.json", request_body())
    assert "past-blocks" not in cli("check", file, "--action", ACTION).stdout
    for asked in ((file, "--action", ACTION), (request,)):
        early = cli("check", *asked, "--now", "2031-03-01T00:14:59Z", "--strict")
        assert (early.exit_code, "past-blocks" in early.stdout) == (0, False)
        late = cli("check", *asked, "--now", "2031-03-01T02:00:00+01:00", "--strict")
        assert late.exit_code == 1
        assert "every block has ended, the last at 2031-03-01 00:15 UTC" in late.stdout
    assert cli("check", file, "--action", ACTION, "--now", "now").exit_code == 0


@pytest.mark.parametrize("time", ["noon", "", "2031-03-01T12:00:00"])
def test_a_time_that_is_none_is_wrong_usage(cli: Cli, write: Write, time: str) -> None:
    result = cli("check", write("f.json", one_block()), "--action", ACTION, "--now", time)
    assert result.exit_code == 2
    assert f'"{time}" is not a time: write it as 2031-03-01T12:00:00Z, or now' in result.stderr


def test_a_note_never_fails(cli: Cli, write: Write) -> None:
    file = write("energy.json", one_block(unit="KWH"))
    result = cli("check", file, "--action", ACTION, "--strict")
    assert result.exit_code == 0
    assert "note, meaning [S7]" in result.stdout
    assert result.stdout.startswith("energy.json: good: ")
    assert result.stdout.endswith("\n1 note\noscp-send explain S7 says more\n")


def test_fidelity_decides(cli: Cli, write: Write) -> None:
    file = write("f.json", one_block(start_time="2031-03-01T00:00:00.123456Z"))
    documented = cli("check", file, "--action", ACTION)
    assert documented.exit_code == 0
    assert "warning, as observed [date_times]" in documented.stdout
    observed = cli("check", file, "--action", ACTION, "--fidelity", "observed")
    assert observed.exit_code == 1
    assert "SolarUser would decline this (decode)" in observed.stdout


def test_refusals_come_first_then_warnings_then_notes(cli: Cli, write: Write) -> None:
    value = json.loads(forecast(comment="x"))
    value["forecasted_blocks"] *= 3
    value["forecasted_blocks"][0] = {**value["forecasted_blocks"][0], "unit": "KWH"}
    value["forecasted_blocks"][2] = {**value["forecasted_blocks"][2], "unit": "kW"}
    result = cli("check", write("f.json", json.dumps(value)), "--action", ACTION)
    order = [
        result.stdout.index(word) for word in ('"kW" is not', '"comment" is not', "meaning [S7]")
    ]
    assert order == sorted(order)
    totals, explained = result.stdout.splitlines()[-2:]
    assert totals == "1 refusal, 1 warning, 1 note"
    assert explained == "oscp-send explain enum unknown-property S7 says more"


def test_findings_of_one_kind_stand_in_the_order_of_the_file(cli: Cli, write: Write) -> None:
    value = json.loads(pretty(unit="kW", capacity=-1))
    value["forecasted_blocks"][1]["phase"] = "all"
    value["type"] = "x"
    result = cli("check", write("f.json", json.dumps(value, indent=1)), "--action", ACTION)
    pointers = ("/type", "/0/capacity", "/0/unit", "/1/phase")
    order = [result.stdout.index(pointer) for pointer in pointers]
    assert order == sorted(order)


def test_the_order_is_not_that_in_which_they_are_found(cli: Cli, write: Write) -> None:
    value = json.loads(pretty(**BACKWARDS))
    value["forecasted_blocks"][1]["note"] = "found before the times are compared"
    result = cli("check", write("f.json", json.dumps(value, indent=1)), "--action", ACTION)
    assert result.stdout.index("/0/end_time") < result.stdout.index("/1/note")
    body = json.loads(request_body(coId=1)) | {"comment": "found before the parameters"}
    result = cli("check", write("r.json", json.dumps(body)))
    assert result.stdout.index("/params/coId") < result.stdout.index("/comment")


# Inside a request body.


def test_a_finding_in_the_message_is_placed_at_its_parameter(cli: Cli, write: Write) -> None:
    file = write("request.json", request_body(msg=one_block(unit="kW")))
    result = cli("check", file)
    assert result.exit_code == 1
    assert result.stdout.startswith("request.json: SolarUser would decline this (schema)\n")
    assert "\n  msg /forecasted_blocks/0/unit   " in result.stdout
    assert "\n  request.json:7:12  " in result.stdout


def test_a_finding_in_the_request_is_placed(cli: Cli, write: Write) -> None:
    result = cli("check", write("request.json", request_body(coId=1)))
    assert result.exit_code == 1
    assert "(parameters)" in result.stdout
    assert "\n  /params/coId        coId is the number 1: " in result.stdout
    assert '\n  request.json:4:13   write "1"\n' in result.stdout


def test_a_request_that_is_refused_as_a_whole(cli: Cli, write: Write) -> None:
    result = cli("check", write("request.json", request_body(msg={"a": 1})))
    assert result.exit_code == 1
    first = result.stdout.splitlines()[0]
    assert first == "request.json: SolarUser would answer this with HTTP 422 (request)"


def test_a_compliance_error_without_correlation_id_is_warned_of(cli: Cli, write: Write) -> None:
    body = request_body(action="GroupCapacityComplianceError", msg=compliance())
    file = write("request.json", body)
    assert "meaning [S15]" in cli("check", file).stdout
    assert cli("check", file).exit_code == 0
    assert cli("check", file, "--strict").exit_code == 1


# What a file is.


@pytest.mark.parametrize(
    "text", ['{"nodeId":1}', '{"params":{}}', '{"parameters":[]}', '\ufeff{"nodeId":1}']
)
def test_a_request_body_is_recognised(cli: Cli, write: Write, text: str) -> None:
    for options in ((), ("--action", "Handshake")):
        result = cli("check", write("f.json", text), *options, "--format", "json")
        assert json.loads(result.stdout)["files"][0]["is"] == "request"


def test_a_bare_message_needs_its_action(cli: Cli, write: Write) -> None:
    result = cli("check", write("forecast.json", forecast()))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("forecast.json: it is not a whole request body (a JSON object ")
    assert "--action" in result.stderr
    assert ACTION in result.stderr


def test_what_is_no_json_is_a_refusal_with_its_place(cli: Cli, write: Write) -> None:
    text = '{\n  "group_id": "foo-group",\n}'
    for options in (("--action", ACTION), ()):
        result = cli("check", write("f.json", text), *options)
        assert result.exit_code == 1
        assert "not JSON: line 3, column 1: " in result.stdout
        assert "f.json:3:1" in result.stdout


def test_what_is_no_utf8_is_a_refusal_with_its_place(cli: Cli, write: Write) -> None:
    for options in (("--action", ACTION), ()):
        result = cli("check", write("f.json", b'{\n "group_id": "\xe9"}'), *options)
        assert result.exit_code == 1
        assert "expected UTF-8, found the byte 0xE9" in result.stdout
        assert "f.json:2:15" in result.stdout


def test_a_message_with_a_byte_order_mark_is_refused(cli: Cli, write: Write) -> None:
    result = cli("check", write("f.json", "\ufeff" + handshake()), "--action", "Handshake")
    assert result.exit_code == 1
    assert "byte-order mark" in result.stdout


def test_the_line_end_of_a_file_is_no_part_of_the_message(cli: Cli, write: Write) -> None:
    text = json.dumps({"message": "m" * (256 - len('{"message": ""}'))})
    assert len(text) == 256
    for end in ("", "\n", "\r\n"):
        result = cli(
            "check", write("m.json", text + end), "--action", "GroupCapacityComplianceError"
        )
        assert "(1 part)" in result.stdout


def test_a_misspelt_action_is_recognised(cli: Cli, write: Write) -> None:
    result = cli("check", write("f.json", forecast()), "--action", "AdjustGroupCapacityForcast")
    assert result.exit_code == 1
    assert f'did you mean "{ACTION}"?' in result.stdout


# Files that cannot be judged.


def test_a_missing_file_is_reported_and_the_others_are_judged(cli: Cli, write: Write) -> None:
    good, bad = write("good.json", request_body()), write("bad.json", request_body(coId=1))
    result = cli("check", "missing.json", good, bad)
    assert result.exit_code == 2
    assert result.stderr == "missing.json: there is no such file\n"
    assert "good.json: good: " in result.stdout
    assert "bad.json: SolarUser would decline this" in result.stdout
    assert result.stdout.splitlines()[-2] == "3 files: 1 refusal, 1 file not read"


def test_a_folder_is_shown_how_to_be_named(cli: Cli, folder: Path) -> None:
    (folder / "payloads").mkdir()
    result = cli("check", "payloads")
    assert result.exit_code == 2
    assert result.stderr == (
        "payloads: it is a directory; name the files in it, such as payloads/*.json\n"
    )
    result = cli("chunks", "payloads")
    assert result.exit_code == 2
    assert result.stderr == "payloads: it is a directory; name a file in it\n"


@pytest.mark.parametrize("content", [b"", b" \n\t"])
def test_an_empty_file_is_reported(cli: Cli, write: Write, content: bytes) -> None:
    result = cli("check", write("f.json", content), "--action", ACTION)
    assert result.exit_code == 2
    assert result.stderr.startswith("f.json: it is empty; expected ")


def test_a_file_that_may_not_be_read_is_reported(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    result = cli("check", "f.json")
    assert result.exit_code == 2
    assert result.stderr == "f.json: it cannot be read: permission denied\n"


def test_standard_input(cli: Cli) -> None:
    result = cli("check", "-", "--action", ACTION, stdin=one_block(unit="kW"))
    assert result.exit_code == 1
    assert result.stdout.startswith("stdin: SolarUser would decline this (schema)\n")
    assert "stdin:1:" in result.stdout
    assert cli("check", "-", stdin="").stderr.startswith("stdin: it is empty")


def test_no_file_is_wrong_usage(cli: Cli) -> None:
    result = cli("check")
    assert result.exit_code == 2
    assert "Missing argument 'FILE...'" in result.stderr


def test_several_good_files(cli: Cli, write: Write) -> None:
    files = [write(name, request_body()) for name in ("a.json", "b.json")]
    result = cli("check", *files)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "2 files: all good"

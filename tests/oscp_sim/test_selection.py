"""Which scenarios a command line asks for, and what it is told when there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_sim.cli.main import main
from oscp_sim.scenario.selection import BadExpression, parse_keywords

if TYPE_CHECKING:
    from click.testing import Result

GOOD = '{node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}'
CLOCK = "clock: {start: '2026-05-04T12:00:00Z'}"
BAD = GOOD.replace("foo-group", "bar-group")


def file(path: str, *names: str, bad: tuple[str, ...] = ()) -> None:
    """Write a scenario file, in which some of its scenarios fail."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"  - scenario: {each}\n    steps:\n      - send: {BAD if each in bad else GOOD}\n"
        for each in names
    ]
    Path(path).write_text(f"{CLOCK}\nscenarios:\n" + "".join(lines))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file("s/day.yaml", "day-ahead", "day-after", "night")
    file("s/loop.yaml", "loop-of-two", "night-shift")
    return tmp_path


def rehearse(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rehearse", *arguments])


def ran(result: Result) -> list[str]:
    return re.findall(r"^  (?:ok  |FAIL)  (\S+)", result.stdout, re.MULTILINE)


def test_a_shell_that_completes_a_line_is_told_nothing_else() -> None:
    completing = {
        "_OSCP_SIM_COMPLETE": "bash_complete",
        "COMP_WORDS": "oscp-sim rehearse --rep",
        "COMP_CWORD": "2",
    }
    result = CliRunner(env=completing).invoke(main, prog_name="oscp-sim")
    assert (result.stdout, result.stderr) == ("plain,--report\n", "")


class TestExpression:
    @pytest.mark.parametrize(
        ("text", "holds"),
        [
            ("loop", True),
            ("LOO", True),
            ("slow", True),
            ("day", False),
            ("not day", True),
            ("not not loop", True),
            ("loop and day", False),
            ("loop or day", True),
            ("day and day or loop", True),
            ("loop or day and day", True),
            ("(loop or day) and day", False),
            ("not (day or night) and slow", True),
            ("not day or loop and night", True),
            ("((two))", True),
            ("loop-of", True),
            ("two[a=1]", True),
        ],
    )
    def test_it_holds(self, text: str, holds: bool) -> None:
        assert parse_keywords(text)(("loop-of-two[a=1]", "group", "slow")) == holds

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "column 1: expected a word, not, or (, but it ends"),
            ("a and", "column 6: expected a word, not, or (, but it ends"),
            ("and a", "column 1: expected a word, not, or (, but there is and"),
            ("a b", "column 3: expected and, or, or the end, but there is b"),
            ("(a or b", "column 8: expected and, or, or ), but it ends"),
            ("a)", "column 2: expected and, or, or the end, but there is )"),
            ("not", "column 4: expected a word, not, or (, but it ends"),
        ],
    )
    def test_where_it_makes_no_sense(self, text: str, told: str) -> None:
        with pytest.raises(BadExpression) as error:
            parse_keywords(text)
        assert str(error.value) == f'"{text}", {told}'


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["s", "-k", "day"], ["day-ahead", "day-after", "night"]),  # the heading is day, too
        (["s", "-k", "night and not loop"], ["night"]),
        (["s/day.yaml::night"], ["night"]),
        (["s/loop.yaml::night-shift", "s/day.yaml::night"], ["night-shift", "night"]),
        (["s::*night*"], ["night", "night-shift"]),
        (["s::day-*", "-k", "ahead"], ["day-ahead"]),
        (["./s/day.yaml::night", "s/day.yaml::night"], ["night"]),
    ],
)
def test_only_what_is_asked_for_is_run(arguments: list[str], names: list[str]) -> None:
    result = rehearse(*arguments)
    assert (result.exit_code, ran(result)) == (0, names)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["s/day.yaml::nihgt"], "no scenario of s/day.yaml is called nihgt; did you mean night?"),
        (["s::daay-*"], "no scenario of s is called daay-*; did you mean day-ahead?"),
        (
            ["s/loop.yaml::x"],
            "no scenario of s/loop.yaml is called x; there is loop-of-two, night-shift",
        ),
        (["s", "-k", "lopp"], 'no scenario matches -k "lopp"; did you mean loop?'),
        (["s", "-k", "shfit"], 'no scenario matches -k "shfit"; did you mean night-shift?'),
        (
            ["s", "-k", "ahead and loop"],
            'no scenario matches -k "ahead and loop", though each of its words is in one',
        ),
        (["s", "--tag", "slow"], "no scenario has the tag slow; there is none"),
    ],
)
def test_2_where_nothing_is_left(arguments: list[str], told: str) -> None:
    result = rehearse(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{told}\n")


@pytest.mark.parametrize("deep", ["(" * 2000 + "day" + ")" * 2000, "not " * 2001 + "day"])
def test_2_for_an_expression_that_is_too_deep(deep: str) -> None:
    result = rehearse("s", "-k", deep)
    assert result.exit_code == 2
    assert "expected at most 50 parentheses or nots in one another, but there is" in result.stderr
    assert rehearse("s", "-k", "(" * 49 + "night" + ")" * 49).exit_code == 0


@pytest.mark.parametrize("path", ["scenarios/a.yaml", "scenarios/b/c/one.yaml", "elsewhere/a.yaml"])
def test_a_file_that_is_named_has_the_heading_that_it_has_in_the_usual_folder(path: str) -> None:
    file(path, "x")
    folder = "elsewhere" if path.startswith("elsewhere") else "scenarios"
    headings = {
        tuple(line for line in rehearse(each).stdout.splitlines()[2:3])
        for each in (f"{path}::x", path, folder)
    }
    assert len(headings) == (2 if folder == "elsewhere" else 1)


def test_2_for_a_bad_expression() -> None:
    result = rehearse("s", "-k", "day and")
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'Invalid value for -k: "day and", column 8: expected a word' in result.stderr


class TestFailFast:
    def test_what_did_not_run_is_told(self) -> None:
        file("s/bad.yaml", "a", "b", "c", bad=("b",))
        result = rehearse("s", "--fail-fast")
        assert (result.exit_code, ran(result)) == (1, ["a", "b"])
        assert "8 scenarios, 1 passed, 1 failed, 6 not run in " in result.stdout


class TestLastFailed:
    def test_only_what_failed_is_run_again(self) -> None:
        file("s/bad.yaml", "a", "b", "c", bad=("b", "c"))
        assert rehearse("s").exit_code == 1
        assert json.loads(Path(".oscp-sim/last-failed.json").read_text()) == {
            "failed": ["s/bad.yaml::b", "s/bad.yaml::c"]
        }
        assert Path(".oscp-sim/.gitignore").read_text() == "*\n"
        result = rehearse("s", "--last-failed")
        assert (result.exit_code, ran(result)) == (1, ["b", "c"])
        file("s/bad.yaml", "a", "b", "c", bad=("c",))
        assert ran(rehearse("s", "--last-failed")) == ["b", "c"]
        assert ran(rehearse("s", "--last-failed")) == ["c"]

    def test_what_did_not_run_is_still_remembered(self) -> None:
        file("s/bad.yaml", "a", "b", bad=("a", "b"))
        rehearse("s")
        rehearse("s", "-k", "night")
        assert ran(rehearse("s", "--last-failed", "--fail-fast")) == ["a"]
        assert ran(rehearse("s", "--last-failed")) == ["a", "b"]

    def test_everything_is_run_where_nothing_failed(self) -> None:
        result = rehearse("s", "--last-failed")
        assert len(ran(result)) == 5
        assert result.stderr == "none of these failed last time: all of them are run\n"
        assert not Path(".oscp-sim").exists()

    def test_what_is_not_there_any_more_is_forgotten(self) -> None:
        file("s/bad.yaml", "a", "b", bad=("a",))
        rehearse("s")
        file("s/bad.yaml", "b")
        assert rehearse("s").exit_code == 0
        assert json.loads(Path(".oscp-sim/last-failed.json").read_text()) == {"failed": []}

    @pytest.mark.parametrize("text", ["", "[1", "[]", '{"failed": 1}', "\xff"])
    def test_what_cannot_be_read_is_ignored(self, text: str) -> None:
        Path(".oscp-sim").mkdir()
        Path(".oscp-sim/last-failed.json").write_text(text, encoding="latin-1")
        assert len(ran(rehearse("s", "--last-failed"))) == 5

    def test_what_cannot_be_written_is_ignored(self) -> None:
        Path(".oscp-sim").write_text("a file")
        file("s/bad.yaml", "a", bad=("a",))
        result = rehearse("s")
        assert (result.exit_code, result.stderr) == (1, "")

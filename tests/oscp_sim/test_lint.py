"""`oscp-sim lint`, `list` and `schema`: what is said of scenario files without a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_sim.cli.main import main
from oscp_sim.faults import faults_schema
from oscp_sim.scenario.read import editor_schema
from oscp_sim.world import world_schema
from tests.oscp_sim.rehearsing import sim, write

if TYPE_CHECKING:
    pass

SEND = '{node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}'
GOOD = (
    f"scenario: hello\nabout: It says hello.\nsteps:\n  - send: {SEND}\n    expect: {{parts: 1}}\n"
)
INDENTED = GOOD.replace("\n", "\n    ").rstrip(" ")


pytestmark = pytest.mark.usefixtures("folder")


def of_steps(*steps: str) -> str:
    return "scenario: s\nsteps:\n" + "".join(f"  - {step}\n" for step in steps)


def sent(change: str = "", to: str = "", expect: str = "parts: 1") -> str:
    return f"send: {SEND.replace(change, to)}\n    expect: {{{expect}}}"


class TestLint:
    def test_0_where_all_is_good(self) -> None:
        write("s/a.yaml", GOOD)
        result = sim("lint", "s")
        assert (result.exit_code, result.stdout) == (0, "1 scenario in 1 file: good\n")

    def test_the_pack_is_good_and_nobody_takes_it_for_their_own(self) -> None:
        result = sim("lint", "--strict")
        assert result.exit_code == 0, result.stdout
        assert result.stdout.endswith(": good\n")
        assert result.stderr == (
            "no scenarios/ here: these are the scenarios that come with oscp-sim\n"
        )
        write("scenarios/a.yaml", GOOD)
        assert sim("lint").stderr == ""

    def test_2_for_what_rehearse_would_refuse(self) -> None:
        write("s/a.yaml", GOOD.replace("optimizer", "optimiser"))
        write("s/b.yaml", GOOD.replace("hello", "hello there"))
        told, refused = sim("lint", "s"), sim("rehearse", "s")
        assert (told.exit_code, refused.exit_code) == (2, 2)
        *lines, last = told.stdout.splitlines()
        assert lines == refused.stderr.splitlines()
        assert last == "2 errors"

    @pytest.mark.parametrize("at", ["    ", ""], ids=["step", "scenario"])
    def test_that_nothing_comes_is_an_expectation(self, at: str) -> None:
        none = f"{at}expect_none: [{{to: capacity_optimizer}}]\n"
        write("a.yaml", f"{of_steps(f'send: {SEND}')}\n{none}")
        assert sim("lint", "a.yaml").stdout == "1 scenario in 1 file: good\n"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (of_steps(f"send: {SEND}"), "1:11: nothing is expected, so it passes as long as each "),
            (of_steps("wait: 1s"), "1:11: nothing is expected, so it passes whatever happens: "),
            (of_steps("pause: 1s"), "1:11: nothing is expected, so it passes whatever happens: "),
            (
                f"faults: []\nscenarios:\n  - faults: []\n    {INDENTED}",
                '1:1: "faults" is never used: each scenario has its own; leave this out',
            ),
            (
                of_steps(sent("node: 1", "node: 9")),
                "3:18: there is no node 9 in the world; there is 1",
            ),
            (
                of_steps(sent("optimizer: 1", "optimizer: 7", "state: Completed")),
                "3:32: user 42 has no Capacity Optimizer 7; there is 1: expect Declined if ",
            ),
            (
                of_steps(sent("foo-", "fo-")),
                "3:42: user 42 has no Capacity Group fo-group; there is foo-group: expect ",
            ),
            (
                of_steps("heartbeat: {provider: 9}\n    expect: {status: 204}"),
                "3:27: there is no Capacity Provider 9 in the world; there is 3",
            ),
            (
                of_steps("adjust: {optimizer: 9, capacities: [1]}\n    expect: {status: 204}"),
                "3:25: there is no Capacity Optimizer 9 in the world; there is 1",
            ),
            (
                f"fidelity: observed\nscenarios:\n  - fidelity: documented\n    {INDENTED}",
                '1:1: "fidelity" is never used: each scenario has its own; leave this out',
            ),
        ],
    )
    def test_a_warning(self, text: str, told: str) -> None:
        write("a.yaml", text)
        result = sim("lint", "a.yaml")
        place, _, message = told.partition(": ")
        assert result.stdout.startswith(f"a.yaml:{place}: warning: {message}")
        assert result.stdout.endswith("\n1 warning, 1 scenario in 1 file\n")
        assert (result.exit_code, sim("lint", "a.yaml", "--strict").exit_code) == (0, 1)

    @pytest.mark.parametrize(
        "step",
        [
            sent("node: 1", "node: 9", "sender: NotAuthorised"),
            sent("foo-", "fo-", "state: Declined"),
            sent("foo-", "fo-", "reason: {starts_with: Unknown}"),
            sent("optimizer: 1", 'optimizer: "+01"'),
            "wait: 1s\n    expect: {exchanges: nothing}",
        ],
    )
    def test_no_warning_of_what_is_meant(self, step: str) -> None:
        write("a.yaml", of_steps(step))
        assert sim("lint", "a.yaml").stdout == "1 scenario in 1 file: good\n"

    def test_worlds_and_payloads_that_nobody_names(self) -> None:
        world = "users:\n  - {id: 1}\n"
        write("s/a.yaml", GOOD.replace('text: "{}"', "file: payloads/a.json"))
        write("s/b.yaml", GOOD.replace("hello", "other") + "world: worlds/a.yaml\n")
        for path, text in (("payloads/a", "{}"), ("payloads/b", "{}")):
            write(f"s/{path}.json", text)
        for name in "abc":
            write(f"s/worlds/{name}.yaml", world if name != "c" else world.replace("id: 1", "i: 1"))
        result = sim("lint", "s")
        lines = result.stdout.splitlines()
        what = "warning: no scenario names it: name it, or delete it"
        assert result.exit_code == 2
        assert [each for each in lines if each.endswith(what)] == [
            f"s/{each}: {what}" for each in ("payloads/b.json", "worlds/b.yaml", "worlds/c.yaml")
        ]
        assert lines[0].startswith('s/worlds/c.yaml:2:5: "id" is missing')

    def test_with_another_world(self) -> None:
        write("a.yaml", GOOD)
        write("world.yaml", "users:\n  - {id: 1, nodes: [2]}\n")
        result = sim("lint", "a.yaml", "--world", "world.yaml")
        assert "there is no node 1 in the world; there is 2" in result.stdout

    def test_of_a_scenario_its_file_is_read(self) -> None:
        write("a.yaml", GOOD)
        assert sim("lint", "a.yaml::hello", "a.yaml").stdout == "1 scenario in 1 file: good\n"

    def test_for_a_program(self) -> None:
        write("a.yaml", of_steps(f"send: {SEND}"))
        told = json.loads(sim("lint", "a.yaml", "--format", "json").stdout)
        (warning,) = told["warnings"]
        assert (told["scenarios"], told["errors"]) == (1, [])
        assert (warning["file"], warning["line"], warning["column"]) == ("a.yaml", 1, 11)


class TestList:
    def test_for_a_person(self) -> None:
        write("s/a.yaml", GOOD)
        write("s/more/b.yaml", GOOD.replace("hello", "a-longer-name", 1))
        result = sim("list", "s", "--color", "never")
        assert (result.exit_code, result.stdout.splitlines()) == (
            0,
            [
                "a",
                "  hello          s/a.yaml:1",
                "      It says hello.",
                "more",
                "  a-longer-name  s/more/b.yaml:1",
                "      It says hello.",
                "",
                "2 scenarios",
            ],
        )

    def test_what_a_terminal_lacks_is_escaped(self) -> None:
        write("s/a.yaml", GOOD.replace("It says hello", "Grüße"))
        runner = CliRunner(charset="ascii")
        result = runner.invoke(main, ["list", "s", "--color", "never"])
        assert (result.exit_code, result.stdout.splitlines()[2]) == (0, r"      Gr\xfc\xdfe.")

    def test_for_a_program(self) -> None:
        write("s/a.yaml", GOOD)
        (listed,) = json.loads(sim("list", "s", "--format", "json").stdout)["scenarios"]
        assert listed == {
            "id": "s/a.yaml::hello",
            "group": "a",
            "name": "hello",
            "tags": [],
            "about": "It says hello.",
            "file": "s/a.yaml",
            "line": 1,
            "steps": 1,
        }

    def test_what_it_lists_can_be_run(self) -> None:
        write("s/a.yaml", GOOD)
        write("s/more/b.yaml", GOOD)
        listed = json.loads(sim("list", "s", "--format", "json").stdout)["scenarios"]
        for each in listed:
            assert "1 scenario, 1 passed" in sim("rehearse", each["id"]).stdout

    def test_only_what_is_asked_for(self) -> None:
        write("s/a.yaml", GOOD)
        assert sim("list", "s", "-k", "hello").stdout.endswith("\n1 scenario\n")
        result = sim("list", "s", "-k", "helo")
        assert (result.exit_code, result.stderr) == (
            2,
            'no scenario matches -k "helo"; did you mean hello?\n',
        )


@pytest.mark.parametrize(
    ("kind", "schema"),
    [("scenario", editor_schema()), ("world", world_schema()), ("faults", faults_schema())],
    ids=["scenario", "world", "faults"],
)
def test_schema(kind: str, schema: dict[str, object]) -> None:
    assert json.loads(sim("schema", kind).stdout) == schema


def test_schema_of_what_is_not_there() -> None:
    result = sim("schema", "wordl")
    assert result.exit_code == 2
    assert "'wordl' is not one of 'scenario', " in result.stderr


def test_github_shows_what_is_found_beside_the_lines() -> None:
    write("a.yaml", of_steps("wait: 1s"))
    result = sim("lint", "a.yaml", "--format", "github")
    told, *rest = result.stdout.splitlines()
    assert told.startswith("::warning file=a.yaml,line=1,col=11,title=oscp-sim lint::nothing is ")
    assert (result.exit_code, len(rest)) == (0, 2)
    write("a.yaml", of_steps("wiat: 1s"))
    result = sim("lint", "a.yaml", "--format", "github")
    assert result.stdout.startswith("::error file=a.yaml,line=3,col=5,title=oscp-sim lint::unkn")
    assert result.exit_code == 2

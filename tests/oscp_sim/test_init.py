"""`oscp-sim init`: a folder that can be rehearsed at once, and nothing of the reader's is lost."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.oscp_sim.rehearsing import sim

if TYPE_CHECKING:
    pass

WORKFLOW = ".github/workflows/oscp-rehearsal.yaml"
WRITTEN = {
    WORKFLOW,
    "scenarios/day-ahead.yaml",
    "scenarios/schemas/scenario.schema.json",
    "scenarios/schemas/world.schema.json",
    "scenarios/worlds/depot.yaml",
    "scenarios/wrong-group.yaml",
}


pytestmark = pytest.mark.usefixtures("folder")


def files() -> dict[str, str]:
    return {str(each): each.read_text() for each in Path().rglob("*") if each.is_file()}


def commands_of_workflow() -> list[str]:
    workflow: Any = yaml.safe_load(Path(WORKFLOW).read_text())
    return [step["run"] for step in workflow["jobs"]["rehearse"]["steps"] if "run" in step]


def test_what_is_written_can_be_rehearsed_at_once() -> None:
    result = sim("init")
    assert result.exit_code == 0
    assert files().keys() >= WRITTEN
    told = result.stdout
    assert {line for line in told.splitlines() if line.startswith("wrote")} >= {
        f"wrote  {path}" for path in WRITTEN
    }
    assert "  cd " not in told
    next_ones = re.findall(r"^  oscp-sim (.*?) +#", told, re.MULTILINE)
    in_ci = [each.removeprefix("oscp-sim ") for each in commands_of_workflow()[1:]]
    assert len(next_ones) == 4
    for command in [*in_ci, *(each for each in next_ones if not each.startswith("serve"))]:
        ended = sim(*shlex.split(command))
        assert ended.exit_code == 0, ended.output
    assert "2 scenarios, 2 passed" in ended.stdout


def test_what_the_page_shows_works_one_after_the_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rehearsing.md").read_text()
    shown = re.findall(r"^\$ oscp-sim (init|lint|rehearse|list)( .*)?$", page, re.MULTILINE)
    assert [name for name, _ in shown] == ["init", "lint", "rehearse", "list"]
    for name, arguments in shown:
        ended = sim(name, *shlex.split(arguments, comments=True))
        assert ended.exit_code == 0, ended.output


def test_an_editor_finds_the_schema_of_each_file() -> None:
    sim("init")
    checked = 0
    for path in map(Path, WRITTEN):
        if path.suffix == ".yaml" and path.parts[0] == "scenarios":
            line = path.read_text().partition("\n")[0]
            schema = path.parent / line.removeprefix("# yaml-language-server: $schema=")
            Draft7Validator(json.loads(schema.read_text())).validate(
                yaml.load(path.read_text(), _Loader)  # noqa: S506
            )
            assert schema.read_text() == sim("schema", schema.name.partition(".")[0]).stdout
            checked += 1
    assert checked == 3


class _Loader(yaml.SafeLoader):
    """As an editor: date-times are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def test_what_is_there_stays_as_it_is() -> None:
    Path("scenarios/worlds").mkdir(parents=True)
    Path("scenarios/worlds/depot.yaml").write_text("mine")
    result = sim("init")
    assert "kept   scenarios/worlds/depot.yaml, which was there\n" in result.stdout
    assert Path("scenarios/worlds/depot.yaml").read_text() == "mine"
    before = files()
    again = sim("init")
    assert (again.exit_code, files()) == (0, before)
    assert "wrote" not in again.stdout


def test_in_another_folder() -> None:
    result = sim("init", "my project")
    assert "wrote  my project/scenarios/day-ahead.yaml\n" in result.stdout
    assert "\nNext:\n  cd 'my project'\n" in result.stdout
    assert {f"my project/{each}" for each in WRITTEN} <= files().keys()


def test_2_where_it_cannot_be_written() -> None:
    Path("file").write_text("")
    result = sim("init", "file")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "file/scenarios: cannot be written: not a directory\n"


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, "oscp-rehearsal==9.9"),
        ({"url": "file:///home/me/oscp-rehearsal", "dir_info": {}}, "./oscp-rehearsal"),
        (
            {"url": "https://git.example/o.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            "oscp-rehearsal @ git+https://git.example/o.git@c0ffee",
        ),
    ],
)
def test_ci_installs_it_from_where_it_came(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    origin: dict[str, object] | None,
    requirement: str,
) -> None:
    installed = tmp_path / "site" / "oscp_rehearsal-9.9.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: oscp-rehearsal\nVersion: 9.9\n")
    if origin is not None:
        (installed / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(str(installed.parent))
    sim("init")
    assert commands_of_workflow()[0] == f'pip install "{requirement}"'

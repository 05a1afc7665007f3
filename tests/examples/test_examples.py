"""The snippets that README.md shows are these files, and they work."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

from oscp_send.fidelity import DIFFERENCES, Difference
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.world import load_world
from tests.examples.rehearse_in_pytest import rehearse
from tests.examples.whole_loop import rehearse_the_loop

_HERE = Path(__file__).parent
_README = (_HERE.parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_rehearsal_works() -> None:
    rehearse()


def test_the_loop_works() -> None:
    rehearse_the_loop()


@pytest.mark.parametrize("name", ["send_adjustment.py", "rehearse_in_pytest.py", "whole_loop.py"])
def test_the_readme_shows_the_snippet_as_it_is(name: str) -> None:
    assert (_HERE / name).read_text(encoding="utf-8").strip() in _README


def test_the_readmes_scenario_passes_in_the_readmes_world(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", _README, re.DOTALL)
    world = next(block for block in shown if block.startswith("users:"))
    scenario = next(block for block in shown if block.startswith("scenario:"))
    (tmp_path / "evening.yaml").write_text(scenario, encoding="utf-8")
    scenarios = load_scenarios([tmp_path])
    assert run(scenarios, Rehearsal(world=load_world(world, "README.md")))


def test_the_readmes_capacity_provider_can_stand_in_a_world() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", _README, re.DOTALL)
    provider = next(block for block in shown if block.startswith("capacity_providers:"))
    user = "users:\n  - id: 42\n" + indent(provider, "    ")
    (found,) = load_world(user, "README.md").users[0].capacity_providers
    assert (found.behaviour.answer, found.behaviour.limit) == ("trim", 40)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.name)
def test_the_readme_shows_each_difference_in_fidelity(difference: Difference) -> None:
    sides = f"{difference.documented} | {difference.observed}"
    assert (
        f"| `{difference.name}` | {sides} | {difference.default or 'of the fidelity'} |" in _README
    )

"""Read scenario files, or say by file, line and column why they cannot be rehearsed."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from simulator.scenario.find import find_scenario_files, shown
from simulator.scenario.model import Scenario
from simulator.scenario.read import FileReader
from simulator.yaml_source import SourceError, SourceProblem, read_yaml, validate

__all__ = ["load_scenarios", "scenario_schema"]


def load_scenarios(paths: Iterable[Path | str]) -> tuple[Scenario, ...]:
    """Read all scenarios of files and folders, in the order of paths, files and lines.

    Args:
        paths: Files, and folders to be searched all the way down (see `find_scenario_files`).

    Raises:
        SourceError: Every problem of every file: it cannot be read, is not YAML, breaks the schema,
            names a payload or world that is not there or wrong, or a name that its folder has
            already.
    """
    schema = scenario_schema()
    problems: list[SourceProblem] = []
    scenarios: list[tuple[Path, Scenario]] = []
    for file in find_scenario_files(map(Path, paths)):
        try:
            document = read_yaml(file.path, shown(file.path))
        except SourceError as error:
            problems += error.problems
            continue
        if broken := validate(document, schema):
            problems += broken
            continue
        reader = FileReader(file, document)
        scenarios += [(file.path.resolve().parent, each) for each in reader.scenarios()]
        problems += reader.problems
    problems += _repeated_names(scenarios)
    if problems:
        raise SourceError(dict.fromkeys(problems))
    return tuple(scenario for _, scenario in scenarios)


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, a fresh copy."""
    text = files("simulator.scenario").joinpath("scenario.schema.json").read_bytes()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _repeated_names(scenarios: Iterable[tuple[Path, Scenario]]) -> list[SourceProblem]:
    first: dict[tuple[Path, str], Scenario] = {}
    problems = []
    for folder, scenario in scenarios:
        known = first.setdefault((folder, scenario.name), scenario)
        if known is not scenario:
            place = known.source.place("/scenario")
            message = f'the name "{scenario.name}" stands in this folder already, at {place}'
            problems.append(scenario.source.problem("/scenario", message))
    return problems

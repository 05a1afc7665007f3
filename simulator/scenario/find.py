"""Find the scenario files below the paths that somebody names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from simulator.yaml_source import SourceError, SourceProblem

__all__ = ["ScenarioFile", "find_scenario_files", "shown"]

_SUFFIXES = frozenset({".yaml", ".yml"})
# What scenario files name lies beside them, and is none itself.
_NOT_SCENARIOS = frozenset({"payloads", "worlds"})


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario file and where it was found.

    Attributes:
        path: Of the file.
        folder: Of the file, relative to what was named; empty where it is that itself.
    """

    path: Path
    folder: str


def find_scenario_files(paths: Iterable[Path]) -> list[ScenarioFile]:
    """Return each scenario file once, sorted within each folder named.

    Folders are searched all the way down for `*.yaml` and `*.yml`, but for those called `worlds` or
    `payloads` and hidden ones. A file that is named itself is always taken.

    Raises:
        SourceError: A path that is not there, or a folder without any scenario file.
    """
    found: dict[Path, ScenarioFile] = {}
    problems = []
    for path in paths:
        files = [ScenarioFile(path, path.resolve().parent.name)] if path.is_file() else []
        files += _below(path)
        if not files:
            what = (
                "no scenario file (*.yaml) in here" if path.is_dir() else "no such file or folder"
            )
            problems.append(SourceProblem(shown(path), what))
        for file in files:
            found.setdefault(file.path.resolve(), file)
    if problems:
        raise SourceError(problems)
    return list(found.values())


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the working directory where it is below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _below(folder: Path) -> Iterator[ScenarioFile]:
    for path in sorted(folder.rglob("*")):
        above = path.relative_to(folder).parent
        if path.suffix in _SUFFIXES and path.is_file() and not _left_out(above):
            yield ScenarioFile(path, "" if above == Path() else above.as_posix())


def _left_out(folder: PurePath) -> bool:
    return any(part in _NOT_SCENARIOS or part.startswith(".") for part in folder.parts)

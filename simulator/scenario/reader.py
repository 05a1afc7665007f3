"""Reading one scenario file part by part, collecting all that is wrong with it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from simulator.scenario.find import ScenarioFile, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simulator.yaml_source import SourceProblem, YamlDocument

__all__ = ["PartReader"]

_Value = TypeVar("_Value")


class PartReader:
    """What reading any part of a scenario file needs.

    Args:
        file: The file, which gives paths their beginning.

    Attributes:
        problems: What was found wrong so far; with any, what is read is of no use.
    """

    def __init__(self, file: ScenarioFile) -> None:
        self.problems: list[SourceProblem] = []
        self._file = file

    def beside(self, part: YamlDocument, pointer: str) -> Path | None:
        """Return the file that a path names, relative to the scenario file."""
        named: str = part.at(pointer).value
        path = self._file.path.parent / named
        if path.is_file():
            return path
        there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, set(there) - {path.name}, n=1, cutoff=0.8)
        hint = f'; did you mean "{near[0]}"?' if near else "; the path is relative to this file"
        self.complain(part, pointer, f'there is no file "{named}"{hint}')
        return None

    def text_of(self, part: YamlDocument, pointer: str) -> tuple[str, str | None]:
        """Return what a file that a path names holds, and the name that messages give it."""
        path = self.beside(part, pointer)
        if path is None:
            return "", None
        try:
            return path.read_bytes().decode("utf-8"), shown(path)
        except (OSError, UnicodeDecodeError) as error:
            problem = f"{shown(path)} cannot be read as UTF-8 text: {error}"
            self.complain(part, pointer, problem)
            return "", None

    def attempt(
        self,
        part: YamlDocument,
        pointer: str,
        read: Callable[[str], _Value],
        otherwise: _Value,
    ) -> _Value:
        """Read a text, or note the problem and go on to find more of them."""
        try:
            return read(part.at(pointer).value)
        except ValueError as error:
            self.complain(part, pointer, str(error))
            return otherwise

    def complain(
        self, part: YamlDocument, pointer: str, message: str, *, key: bool = False
    ) -> None:
        """Note a problem."""
        self.problems.append(part.problem(pointer, message, key=key))

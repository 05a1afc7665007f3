"""Which scenarios: of which files, and by name, expression, tags, or by what failed last time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Final, Self

from oscp_schemas.show import nearest
from oscp_sim.scenario.events import (
    Event,
    RehearsalFinished,
    ScenarioFinished,
    ScenarioId,
    ScenarioStarted,
)
from oscp_sim.scenario.model import Scenario
from oscp_sim.yaml_source import SourceError, SourceProblem

_SEPARATOR: Final = "::"
_MOST_SHOWN: Final = 8


# Where the scenario files are.

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
# Folders of what scenario files refer to.
_NOT_SCENARIOS: Final = frozenset({"payloads", "worlds"})


# A scenario file, the folder that is its group, and the folder in which it may name files.
FoundFile = tuple[Path, str, Path]


def scenario_files(paths: Iterable[Path]) -> Iterable[FoundFile]:
    """Return each scenario file once, with its folder below the path that was named, and that.

    Raises:
        SourceError: A path is not there, or is a folder without any scenario file.
    """
    found: dict[Path, FoundFile] = {}
    problems = []
    for path in paths:
        named = (path, _heading(path), path.parent)
        there = [named] if path.is_file() else list(_below(path))
        if not there:
            what = "no scenario file (*.yaml) in here" if path.is_dir() else _missing(path)
            problems.append(SourceProblem(shown_path(path), what))
        for file in there:
            found.setdefault(file[0].resolve(), file)
    if problems:
        raise SourceError(problems)
    return found.values()


# The folder that is rehearsed where none is named.
_USUAL: Final = Path("scenarios")


def _heading(path: Path) -> str:
    """Return the group of a file that is named itself: below the usual folder, as from there."""
    folder, usual = path.resolve().parent, _USUAL.resolve()
    if not folder.is_relative_to(usual):
        return folder.name
    return "" if folder == usual else folder.relative_to(usual).as_posix()


def _missing(path: Path) -> str:
    there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, there)
    return f"no such file or folder{f'; did you mean {path.with_name(near)}?' if near else ''}"


def _below(folder: Path) -> Iterator[FoundFile]:
    for path in sorted(folder.rglob("*")):
        above = path.relative_to(folder).parent
        if path.suffix in _SUFFIXES and path.is_file() and not is_left_out(above):
            yield path, "" if above == Path() else above.as_posix(), folder


def is_left_out(folder: PurePath) -> bool:
    """Return whether what is in a folder is no scenario file, whatever it looks like."""
    return any(part in _NOT_SCENARIOS or part.startswith(".") for part in folder.parts)


def shown_path(path: Path) -> str:
    """Return a path as messages show it: relative to the working directory where it is below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


# By what somebody asks for.


def identifier(scenario: Scenario) -> str:
    """Return `file::name`, by which a scenario can be named on a command line."""
    return f"{scenario.source.name}{_SEPARATOR}{scenario.name}"


class NothingSelected(ValueError):
    """Raised where no scenario is left; its text says by what, and what was probably meant."""


@dataclass(frozen=True, slots=True)
class NamedPath:
    """A file or folder, and perhaps which of its scenarios: a name, or a pattern as `day-*`."""

    path: Path
    name: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read `folder`, `file.yaml`, `file.yaml::name` or `folder::pattern`."""
        path, separator, name = text.rpartition(_SEPARATOR)
        return cls(Path(path), name) if separator and path and name else cls(Path(text))

    def takes(self, scenario: Scenario) -> bool:
        """Return whether a scenario is one of these."""
        return self._is_below(scenario) and (self.name is None or _fits(scenario.name, self.name))

    def not_found(self, scenarios: Iterable[Scenario]) -> str:
        """Return why nothing is taken, with the name that was probably meant."""
        names = [each.name for each in scenarios if self._is_below(each)]
        where = f"no scenario of {self.path} is called {self.name}"
        return f"{where}; {_meant(self.name or '', names)}"

    def _is_below(self, scenario: Scenario) -> bool:
        return Path(scenario.source.name).resolve().is_relative_to(self.path.resolve())


def _fits(name: str, wanted: str) -> bool:
    """Return whether a name is the one that is wanted, a variant of it, or fits its pattern."""
    return name == wanted or name.startswith(f"{wanted}[") or fnmatchcase(name, wanted)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which scenarios are wanted: those that all of these take.

    Attributes:
        paths: At least one; a scenario must be in one of them.
        tags: A scenario must have one of them, if there are any.
    """

    paths: tuple[NamedPath, ...]
    expression: str | None = None
    tags: tuple[str, ...] = ()

    def of(self, scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
        """Return the scenarios that are wanted, in their order.

        Raises:
            NothingSelected: Of a path, a tag or all together there is none.
            BadExpression: The expression is not one.
        """
        matches = (lambda _: True) if self.expression is None else parse_keywords(self.expression)
        chosen = [each for each in scenarios if any(path.takes(each) for path in self.paths)]
        for path in self.paths:
            if not any(map(path.takes, scenarios)):
                raise NothingSelected(path.not_found(scenarios))
        if self.tags:
            chosen = _tagged(chosen, self.tags)
        left = [each for each in chosen if matches(_words(each))]
        if not left:
            raise NothingSelected(_no_match(self.expression or "", chosen))
        return tuple(left)


def _tagged(scenarios: Sequence[Scenario], tags: Sequence[str]) -> list[Scenario]:
    known = dict.fromkeys(tag for each in scenarios for tag in each.tags)
    for tag in tags:
        if tag not in known:
            message = f"no scenario has the tag {tag}; {_meant(tag, list(known))}"
            raise NothingSelected(message)
    return [each for each in scenarios if not set(tags).isdisjoint(each.tags)]


def _words(scenario: Scenario) -> tuple[str, ...]:
    """Return what `-k` looks at."""
    return scenario.name, scenario.group, *scenario.tags


def _no_match(expression: str, scenarios: Sequence[Scenario]) -> str:
    """Return why nothing matches an expression, by the first word that nothing has in it."""
    known = list(dict.fromkeys(word for each in scenarios for word in _words(each)))
    for word, _ in _tokens(expression):
        if word not in _SIGNS and not any(word.casefold() in each.casefold() for each in known):
            return f'no scenario matches -k "{expression}"; {_meant(word, known)}'
    return f'no scenario matches -k "{expression}", though each of its words is in one'


def _meant(wanted: str, known: Sequence[str]) -> str:
    """Return what was probably meant, by the whole of it or by a word in it, or what there is."""
    if not known:
        return "there is none"
    parts = {part: each for each in reversed(known) for part in re.split(r"[^A-Za-z0-9]", each)}
    near = nearest(wanted, known) or parts.get(nearest(wanted, filter(None, parts)) or "")
    if near:
        return f"did you mean {near}?"
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return f"there is {', '.join(known[:_MOST_SHOWN])}{more}"


# The expression of -k: words with and, or, not and parentheses.

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_SIGNS: Final = frozenset({"and", "or", "not", "(", ")"})
_DEEPEST: Final = 50
_Matches = Callable[[Sequence[str]], bool]


class BadExpression(ValueError):
    """Raised for an expression that makes no sense; its text says where and why."""


def parse_keywords(text: str) -> Callable[[Sequence[str]], bool]:
    """Return a function that says whether an expression holds of some words.

    A word holds if it is part of any of them, whatever the case: `loop and not (slow or retry)`.

    Raises:
        BadExpression: It is not such an expression.
    """
    parser = _Parser(text)
    found = parser.any_of()
    if parser.sign is not None:
        raise parser.complaint("expected and, or, or the end")
    return found


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    for found in _TOKEN.finditer(text):
        yield found[0], found.start()


class _Parser:
    """Reads an expression from left to right: `or` binds less than `and`, and that than `not`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._left = list(_tokens(text))[::-1]

    @property
    def sign(self) -> str | None:
        """What comes next; None at the end."""
        return self._left[-1][0] if self._left else None

    def complaint(self, expected: str) -> BadExpression:
        column = self._left[-1][1] if self._left else len(self._text)
        got = "it ends" if self.sign is None else f"there is {self.sign}"
        return BadExpression(f'"{self._text}", column {column + 1}: {expected}, but {got}')

    def any_of(self) -> _Matches:
        parts = [self._all_of()]
        while self._takes("or"):
            parts.append(self._all_of())
        return lambda words: any(part(words) for part in parts)

    def _all_of(self) -> _Matches:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return lambda words: all(part(words) for part in parts)

    def _one(self) -> _Matches:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.complaint(f"expected at most {_DEEPEST} parentheses or nots in one another")
        found = self._word_or_more()
        self._depth -= 1
        return found

    def _word_or_more(self) -> _Matches:
        if self._takes("not"):
            inner = self._one()
            return lambda words: not inner(words)
        if self._takes("("):
            inner = self.any_of()
            if not self._takes(")"):
                raise self.complaint("expected and, or, or )")
            return inner
        if self.sign is None or self.sign in _SIGNS:
            raise self.complaint("expected a word, not, or (")
        wanted = self._left.pop()[0].casefold()
        return lambda words: any(wanted in word.casefold() for word in words)

    def _takes(self, sign: str) -> bool:
        if self.sign != sign:
            return False
        self._left.pop()
        return True


# What failed last time.

_LAST_FAILED: Final = Path(".oscp-sim/last-failed.json")


class LastFailed:
    """A listener that remembers in the current folder which scenarios failed.

    One that did not run is remembered as before. What cannot be written is not remembered.

    Args:
        scenarios: All that were read, whether they are run or not.
    """

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._file = _LAST_FAILED
        self._known = frozenset(map(identifier, scenarios))
        self._running: dict[ScenarioId, str] = {}
        self._passed: dict[str, bool] = {}

    def __call__(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, ScenarioStarted):
            file = event.where.rpartition(":")[0]
            self._running[event.scenario] = f"{file}{_SEPARATOR}{event.scenario.name}"
        elif isinstance(event, ScenarioFinished) and event.scenario in self._running:
            self._passed[self._running.pop(event.scenario)] = event.passed
        elif isinstance(event, RehearsalFinished):
            self._write()

    def read(self) -> frozenset[str]:
        """Return the identifiers of the scenarios that failed last time."""
        try:
            remembered = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return frozenset()
        failed = remembered.get("failed") if isinstance(remembered, Mapping) else None
        return frozenset(map(str, failed if isinstance(failed, list) else ()))

    def _write(self) -> None:
        before = self.read()
        still = {each for each in before if each not in self._passed and self._is_there(each)}
        failed = still | {each for each, passed in self._passed.items() if not passed}
        if failed == before:
            return
        with suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            # No version control is to take it along.
            (self._file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            text = json.dumps({"failed": sorted(failed)}, indent=2, ensure_ascii=False)
            self._file.write_text(f"{text}\n", encoding="utf-8")

    def _is_there(self, failed: str) -> bool:
        """Return whether a scenario is still in its file, as far as that was read."""
        file = failed.rpartition(_SEPARATOR)[0] + _SEPARATOR
        was_read = any(each.startswith(file) for each in self._known)
        return failed in self._known or not was_read

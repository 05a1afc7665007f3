"""What the marker `oscp` of a test says: how its simulator is made, or why that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, cast

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_schemas.show import nearest
from oscp_send.fidelity import Behaviour
from oscp_sim.clock import Clock, FrozenClock
from oscp_sim.entry import ALL_PARTIES, PartyName, check_value
from oscp_sim.faults import Rule, load_faults
from oscp_sim.scenario.model import ClockSetting
from oscp_sim.scenario.read import read_clock
from oscp_sim.shared import Limits
from oscp_sim.world import World, load_world

if TYPE_CHECKING:
    from _pytest.nodes import Node

Settings = dict[str, Any]
_Reader = Callable[[Any], object]

# Characters of a value that is quoted.
_LONGEST: Final = 60
_RUNS: Final[tuple[Literal["frozen", "fast", "real"], ...]] = ("frozen", "fast", "real")
_ANY_RULE: Final = {"where": "solaruser", "fault": "no_answer"}


class Marked:
    """Reads the markers of a test, of its class and of its module.

    Args:
        item: The test.
        world_of: Returns the world of a file, the built-in one for None.
    """

    def __init__(self, item: pytest.Item, world_of: Callable[[Path | None], World]) -> None:
        self._item = item
        self._world_of = world_of
        self._readers: Mapping[str, _Reader] = {
            "world": self._world,
            "seed": _seed,
            "clock": _clock,
            "fidelity": _fidelity,
            "plays": _plays,
            "limits": _limits,
            "faults": self._faults,
            "strict_dates": _strict_dates,
        }

    def settings(self) -> Settings:
        """Return what `Simulator` is to be given; fail the test where a word makes no sense."""
        given: dict[str, tuple[object, Node]] = {}
        # The farthest first: a nearer one says it better.
        for node, marker in reversed(list(self._item.iter_markers_with_node("oscp"))):
            if marker.args:
                why = f"give {_shown(marker.args[0])} a name, as world=... or clock='frozen'"
                self._refuse("...", node, why)
            given |= {word: (value, node) for word, value in marker.kwargs.items()}
        made = {word: self._made(word, value, node) for word, (value, node) in given.items()}
        return made if "world" in made else {**made, "world": self._world_of(None)}

    def _made(self, word: str, value: object, node: Node) -> object:
        try:
            return self._reader(word)(value)
        except (ValueError, TypeError, OSError) as error:
            why = str(error)
        return self._refuse(f"{word}=...", node, why)

    def _reader(self, word: str) -> _Reader:
        if word in self._readers:
            return self._readers[word]
        near = nearest(word, self._readers)
        hint = f"did you mean {near}?" if near else f"there is {', '.join(self._readers)}"
        raise ValueError(f"there is no {word}; {hint}")

    def _refuse(self, words: str, node: Node, why: str) -> NoReturn:
        """Fail the test, and say which marker of which test is meant."""
        of = "" if node is self._item else f" of {node.name}"
        marker = f"@pytest.mark.oscp({words}){of} at {place_of(self._item)}"
        pytest.fail(f"{marker}: {why}", pytrace=False)

    def _world(self, given: object) -> World:
        match given:
            case None:
                return self._world_of(None)
            case World():
                return given
            case Mapping():
                return load_world(given)
            case str() if "\n" in given:
                return load_world(given)
            case str() | Path():
                return self._world_of(self._file("world", given))
        raise _wrong("world", "the name of a file, its text or values, or a World", given)

    def _faults(self, given: object) -> tuple[Rule, ...]:
        """Return rules of a list, as `faults:` of a file has it, or of such a file."""
        if isinstance(given, str | Path):
            return load_faults(self._file("faults", given))
        rules = _list_of("faults", "rules, or the name of a file with one", given)
        # One that is made already stands in its place, so that the others are counted as they are.
        values = [_ANY_RULE if isinstance(each, Rule) else each for each in rules]
        read = load_faults({"faults": values})
        pairs = zip(rules, read, strict=True)
        return tuple(given if isinstance(given, Rule) else made for given, made in pairs)

    def _file(self, word: str, given: str | Path) -> Path:
        """Return a file that is named from the folder of the test, or from the root directory."""
        folders = dict.fromkeys([self._item.path.parent, self._item.config.rootpath])
        for folder in folders:
            if (folder / given).is_file():
                return folder / given
        is_text = any(mark in str(given) for mark in ":{")
        hint = "; the text of a file ends each of its lines, also a single one" if is_text else ""
        named = given if str(given).strip() else repr(given)
        places = " or ".join(map(str, folders))
        raise ValueError(f"{word}: there is no file {named} in {places}{hint}")


def place_of(item: pytest.Item) -> str:
    """Return file and line of a test."""
    path, line, _ = item.location
    return f"{path}:{1 if line is None else line + 1}"


def _wrong(word: str, wanted: str, given: object) -> TypeError:
    return TypeError(f"{word} is {wanted}, not {_shown(given)}")


def _shown(given: object) -> str:
    """Return a value as it stands in the marker; of a larger one only what it is."""
    if isinstance(given, type):
        return f"the class {given.__name__}"
    is_plain = given is None or isinstance(given, str | bool | int | float | bytes)
    if not is_plain and not (isinstance(given, Collection) and not given):
        return f"a {type(given).__name__}"
    text = repr(given)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _list_of(word: str, what: str, given: object) -> Collection[Any]:
    """Return a list, or what can be gone through as often: a marker may be of several tests."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Collection):
        raise _wrong(word, f"a list of {what}", given)
    return given


def _seed(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise _wrong("seed", "a whole number", given)


def _strict_dates(given: object) -> bool:
    if isinstance(given, bool):
        return given
    raise _wrong("strict_dates", "True or False", given)


def _fidelity(given: object) -> Behaviour:
    if isinstance(given, Behaviour):
        return given
    if isinstance(given, str):
        return Behaviour(cast("Fidelity", given))
    raise _wrong("fidelity", "'documented' or 'observed', or a Behaviour", given)


def _clock(given: object) -> Clock:
    """Return a clock of a test's own: tests that share one would move it for one another."""
    if given in _RUNS:
        return ClockSetting(given).make()
    if isinstance(given, datetime):
        return FrozenClock(given)
    if isinstance(given, Mapping) and given:
        return read_clock(given).make()
    near = nearest(given, _RUNS) if isinstance(given, str) else None
    if near:
        known = "'frozen', 'fast' or 'real'"
        raise ValueError(f"clock is {known}, not {given!r}; did you mean {near!r}?")
    wanted = (
        "'frozen', 'fast', 'real', an aware datetime at which it stands, or a mapping as "
        "{'runs': 'fast', 'start': '2031-03-01T00:00:00Z', 'speed': 60}"
    )
    raise _wrong("clock", wanted, given)


def _plays(given: object) -> tuple[PartyName, ...]:
    if isinstance(given, str):
        raise TypeError(f"plays is a list of parties, as [{given!r}]")
    parties = _list_of("plays", f"parties, of {', '.join(ALL_PARTIES)}", given)
    for party in parties:
        if not isinstance(party, str):
            raise TypeError(f"plays is a list of names of parties; {_shown(party)} is not one")
        check_value("party", party)
    return tuple(parties)


def _limits(given: object) -> Limits:
    if not isinstance(given, Limits):
        raise _wrong("limits", "a Limits of oscp_sim.shared, as Limits(journal=100)", given)
    for name, most in asdict(given).items():
        is_count = isinstance(most, int) and not isinstance(most, bool) and most > 0
        if most is not None and not is_count:
            raise _wrong(f"limits: {name}", "a whole number from 1, or None for all", most)
    return given

"""A journal as a file of JSON Lines: what it was kept under, and an entry a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import jsonschema_rs

from oscp_send.fidelity import Behaviour
from oscp_sim.entry import Entry
from oscp_sim.keep import replace_file
from oscp_sim.shared import Shared
from oscp_sim.world import load_world
from oscp_sim.yaml_source import SourceError, SourceProblem

#: The version of the format; it grows where an older reader would misread.
VERSION: Final = 1
_FORMAT: Final = "oscp-sim journal"
_FOR_ALL: Final = 0o666
# What a recording reads of a world; the rest is judged when it is played.
_NAMED: Final = {"type": "array", "items": {"type": "object", "required": ["id"]}}
_WORLD: Final = {
    "type": ["object", "null"],
    "required": ["users"],
    "properties": {
        "users": {
            **_NAMED,
            "items": {
                "type": "object",
                "properties": dict.fromkeys(
                    ("tokens", "capacity_providers", "capacity_optimizers"), _NAMED
                ),
            },
        }
    },
}


_SAVED: Final = "save a journal with oscp-sim serve --save-journal"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a journal was kept under; the same makes the same happen again.

    Attributes:
        behaviour: Which side of each difference in fidelity was followed.
        world: Who existed at the start, without secrets, as a world file has it; None for the
            built-in world.
    """

    seed: int = 1
    behaviour: Behaviour = field(default_factory=lambda: Behaviour.of("documented"))
    world: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, shared: Shared) -> Self:
        """Return the setting of a simulator."""
        world = (shared.first_world or shared.world).summary()
        is_built_in = world == load_world().summary()
        return cls(shared.seed, shared.behaviour, None if is_built_in else world)

    def to_dict(self) -> dict[str, Any]:
        """Return the first line of a file as JSON values."""
        return {
            "format": _FORMAT,
            "version": VERSION,
            "seed": self.seed,
            "fidelity": self.behaviour.fidelity,
            "settings": dict(self.behaviour.settings),
            "world": self.world,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the first line of a file.

        Raises:
            ValueError: It is not one, or of a later version; the text says what to do.
            TypeError: Its seed is none.
        """
        if not isinstance(values, Mapping) or values.get("format") != _FORMAT:
            message = f'not a saved journal: its first line has no {{"format": "{_FORMAT}", ...}}'
            raise ValueError(message)
        if values.get("version") != VERSION:
            message = f"it has version {values.get('version')}; this program reads {VERSION}"
            raise ValueError(message)
        world = values.get("world")
        error = next(iter(jsonschema_rs.Draft7Validator(_WORLD).iter_errors(world)), None)
        if error is not None:
            place = "".join(f"/{each}" for each in error.instance_path)
            message = (
                f"/world{place} is not as it was saved: {error.message}; save the journal anew"
            )
            raise ValueError(message)
        seed = values.get("seed", 1)
        if not isinstance(seed, int):
            message = f"its seed is {seed!r}, which is no whole number; save the journal anew"
            raise TypeError(message)
        behaviour = Behaviour(values.get("fidelity", "documented"), values.get("settings") or {})
        return cls(seed, behaviour, world)


@dataclass(frozen=True, slots=True)
class SavedJournal:
    """What happened, and what it happened under."""

    setting: Setting
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, shared: Shared) -> Self:
        """Return all that a simulator's journal has."""
        return cls(Setting.of(shared), shared.journal.entries())

    def lines(self) -> Iterator[str]:
        """Yield the lines of a file, each with its end; there is no secret in them."""
        yield _line(self.setting.to_dict())
        for entry in self.entries:
            yield _line(entry.to_dict())

    def save(self, path: Path) -> None:
        """Write a file, in one go.

        Raises:
            OSError: It cannot be written.
        """
        replace_file(path, "".join(self.lines()).encode(), _FOR_ALL)


def open_journal(path: Path) -> SavedJournal:
    """Read a file that was saved.

    Raises:
        SourceError: It cannot be read, or is not a saved journal; it says in which line and why.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or f"it is not UTF-8 text: {error}"
        raise SourceError([SourceProblem(str(path), why)]) from None
    lines = text.split("\n")
    if not text.strip():
        why = f"it is empty; {_SAVED}"
        raise SourceError([SourceProblem(str(path), why)])
    values = [
        (number, _json(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()
    ]
    try:
        setting = Setting.from_dict(values[0][1])
    except (ValueError, TypeError, AttributeError) as error:
        raise SourceError([SourceProblem(str(path), str(error), 1, 1)]) from None
    return SavedJournal(setting, tuple(_entries(path, values[1:])))


def _json(path: Path, number: int, line: str) -> Any:  # noqa: ANN401 - JSON of any kind
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        why = f"not JSON: {error}; each line is one JSON object"
        if number == 1:
            why += f"; this is to be a saved journal: {_SAVED}"
        if number == 1 and path.suffix in {".yaml", ".yml"}:
            why = f"a scenario file, not a saved journal: oscp-sim replay plays it; {_SAVED}"
        raise SourceError([SourceProblem(str(path), why, number, 1)]) from None


def _entries(path: Path, values: Iterable[tuple[int, Any]]) -> Iterator[Entry]:
    for number, each in values:
        try:
            yield Entry.from_dict(each)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            why = f"not an entry of a journal: {what}"
            raise SourceError([SourceProblem(str(path), why, number, 1)]) from None


def _line(values: Mapping[str, Any]) -> str:
    # In ASCII: no reader takes a line separator of Unicode for the end of a line.
    return json.dumps(values, default=str, separators=(",", ":")) + "\n"

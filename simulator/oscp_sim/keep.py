"""Keeping what the simulated systems must not forget, in a file, while they are served."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from uuid import uuid4

from oscp_schemas import JsonError, read
from oscp_sim.world import (
    SIMULATED,
    CapacityOptimizer,
    CapacityProvider,
    Simulated,
    SystemSettings,
    User,
    World,
)

__all__ = ["Keeper", "PersistenceError", "SeatKey", "learned", "load", "save", "taught"]


# § Keeping over a restart what a registered system must not forget: where, with which tokens,
# what.
#
# A Capacity Provider that forgets is locked out: the token that it was given in a Register is
# known to nobody else (oscp20.md §5.3). The file therefore holds tokens, and is its owner's
# alone.

#: User id, kind (`capacity_provider` or `capacity_optimizer`) and id of the system.
SeatKey: TypeAlias = tuple[int, str, int]

_VERSION: Final = 1
_OWNER_ONLY: Final = 0o600
_MEMBERS: Final = {"user": int, "kind": str, "id": int, "remembered": dict}


class PersistenceError(ValueError):
    """A file of remembered systems cannot be read or written; the text names it, never a secret."""


def save(path: str | Path, seats: Mapping[SeatKey, Mapping[str, Any]]) -> None:
    """Writes what systems remember to a file that only its owner can read.

    The file is replaced as a whole: whenever the machine stops, it is there as before or as after.

    Args:
        path: The file; its directory must be there.
        seats: JSON values by system.

    Raises:
        PersistenceError: The file cannot be written, or a value is not JSON.
    """
    text = json.dumps(
        {"version": _VERSION, "seats": list(_entries(Path(path), seats))}, indent=1, allow_nan=False
    )
    try:
        # A link stays one: what it leads to is replaced.
        _replace(Path(path).resolve(), text.encode() + b"\n")
    except (OSError, RuntimeError) as error:
        raise PersistenceError(f"{path}: cannot be written: {_reason(error)}") from None


def load(path: str | Path) -> dict[SeatKey, dict[str, Any]]:
    """Answers with what systems remember, as it was saved; nothing where there is no file yet.

    Raises:
        PersistenceError: The file cannot be read, or is not one that `save` has written.
    """
    try:
        document = read(Path(path).read_bytes()).value
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PersistenceError(f"{path}: cannot be read: {_reason(error)}") from None
    except JsonError as error:
        # Its own text might quote the file.
        raise PersistenceError(
            f"{path}:{error.line}:{error.column}: is not JSON: {_remedy()}"
        ) from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != _VERSION or isinstance(version, bool | float):
        shown = f"of version {version}" if isinstance(version, int) else "of no known version"
        raise PersistenceError(f"{path}: is {shown}, {_VERSION} is expected: {_remedy()}")
    return _seats(Path(path), document.get("seats"))


def _entries(
    path: Path, seats: Mapping[SeatKey, Mapping[str, Any]]
) -> Iterator[Mapping[str, object]]:
    for user, kind, system in sorted(seats):
        remembered = dict(seats[user, kind, system])
        for name, value in remembered.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError):
                where = f"{kind} {system} of user {user}"
                raise PersistenceError(
                    f'{path}: cannot be written: "{name}" of {where} is no JSON value'
                ) from None
        yield {"user": user, "kind": kind, "id": system, "remembered": remembered}


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        # Made by us and for us alone: nobody can have put a file or a link there before.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as to:
            to.write(content)
            to.flush()
            os.fsync(to.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _seats(path: Path, listed: object) -> dict[SeatKey, dict[str, Any]]:
    if not isinstance(listed, list):
        raise PersistenceError(f"{path}: /seats is no list: {_remedy()}")
    seats: dict[SeatKey, dict[str, Any]] = {}
    for index, entry in enumerate(listed):
        key, remembered = _seat(f"{path}: /seats/{index}", entry)
        if key in seats:
            raise PersistenceError(f"{path}: /seats/{index} is there twice: {_remedy()}")
        seats[key] = remembered
    return seats


def _seat(place: str, entry: object) -> tuple[SeatKey, dict[str, Any]]:
    if not isinstance(entry, dict):
        raise PersistenceError(f"{place} is no object: {_remedy()}")
    for name, kind in _MEMBERS.items():
        value = entry.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise PersistenceError(f"{place}/{name} is missing or unusable: {_remedy()}")
    return (entry["user"], entry["kind"], entry["id"]), entry["remembered"]


def _remedy() -> str:
    return "give the file that was written here, or remove it and register again"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


# § What registrations and handshakes have changed in the world, kept apart from its file.
#
# The real Flexibility Provider has a database for that; the simulated one begins with its world
# file each time, and would not know the tokens any more that it has given out.

Remembered = dict[tuple[int, str, int], dict[str, Any]]
System = "CapacityProvider | CapacityOptimizer"

# Beside what the systems remember of the Flexibility Provider: what it remembers of them.
_KINDS: Final = {True: "capacity_provider_known", False: "capacity_optimizer_known"}
_PLAIN: Final = ("token", "oscp_version", "registration_status", "flexibility_provider_token")
_DATES: Final = ("heartbeat_date", "offline_date")


def learned(first: World, world: World) -> Remembered:
    """Answers with what the Flexibility Provider has learned since the world began; with secrets.

    Args:
        first: The world as it began.
        world: As it is now.
    """
    before = dict(_systems(first))
    return {
        key: _written(system)
        for key, system in _systems(world)
        if key in before and _written(before[key]) != _written(system)
    }


def taught(world: World, remembered: Mapping[tuple[int, str, int], Mapping[str, Any]]) -> World:
    """Answers with a world in which the Flexibility Provider knows again what it had learned.

    What the world does not have any more is left out.

    Raises:
        ValueError: What is remembered is not what `learned` had answered with.
    """
    for key, system in _systems(world):
        known = remembered.get(key)
        user = world.user(key[0])
        if known is not None and user is not None:
            world = world.with_user(user.with_system(_known_again(key, system, known)))
    return world


def _systems(
    world: World,
) -> Iterator[tuple[tuple[int, str, int], CapacityProvider | CapacityOptimizer]]:
    for user in world.users:
        for system in user.systems:
            yield _key(user, system), system


def _key(user: User, system: CapacityProvider | CapacityOptimizer) -> tuple[int, str, int]:
    return user.id, _KINDS[isinstance(system, CapacityProvider)], system.id


def _written(system: CapacityProvider | CapacityOptimizer) -> dict[str, Any]:
    written: dict[str, Any] = {name: getattr(system, name) for name in _PLAIN}
    for name in _DATES:
        date: datetime | None = getattr(system, name)
        written[name] = None if date is None else date.isoformat()
    is_simulated = isinstance(system.base_url, Simulated)
    written["base_url"] = None if is_simulated else system.base_url
    written["simulated"] = is_simulated
    settings = system.settings
    written["settings"] = settings and {
        "heartbeat_seconds": settings.heartbeat_seconds,
        "measurement_styles": list(settings.measurement_styles),
    }
    return written


def _known_again(
    key: tuple[int, str, int],
    system: CapacityProvider | CapacityOptimizer,
    known: Mapping[str, Any],
) -> CapacityProvider | CapacityOptimizer:
    try:
        settings, dates = known["settings"], {name: known[name] for name in _DATES}
        changes: Any = {
            **{name: known[name] for name in _PLAIN},
            **{name: each and datetime.fromisoformat(each) for name, each in dates.items()},
            "base_url": SIMULATED if known["simulated"] else known["base_url"],
            "settings": settings
            and SystemSettings(
                settings["heartbeat_seconds"], tuple(settings["measurement_styles"])
            ),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Its values are secrets.
        message = (
            f"what is kept of {key[1]} {key[2]} of user {key[0]} cannot be used "
            f"({type(error).__name__}): remove the file and register again"
        )
        raise ValueError(message) from None
    return replace(system, **changes)


if TYPE_CHECKING:
    Kept = Mapping[SeatKey, Mapping[str, Any]]


_LOG = logging.getLogger(__name__)

# What is remembered changes a few times in a day: with each registration.
_LOOK_EVERY_SECONDS: Final = 0.5


class Keeper:
    """Writes what systems remember whenever it has changed, and once more at the end.

    A context manager.

    Args:
        path: The file; it need not be there yet.
        remembered: Answers with what they remember now.
        recall: Makes them remember it.

    Raises:
        PersistenceError: The file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        remembered: Callable[[], Kept],
        recall: Callable[[Kept], None],
    ) -> None:
        self._path = path
        self._remembered = remembered
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._saved: Kept = load(path)
        try:
            recall(self._saved)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Its values are secrets, which the error's own text might show.
            raise PersistenceError(
                f"{path}: what is kept in it cannot be used ({type(error).__name__}); "
                "remove the file and register again"
            ) from None

    def keep(self) -> None:
        """Writes what is remembered, if it has changed.

        Raises:
            PersistenceError: The file cannot be written.
        """
        remembered = self._remembered()
        if remembered != self._saved:
            save(self._path, remembered)
            self._saved = remembered

    def __enter__(self) -> Self:
        # Whoever cannot write wants to know at the beginning.
        save(self._path, self._saved)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.keep()

    def _keep(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            try:
                self.keep()
            except PersistenceError as error:
                _LOG.warning("%s", error)

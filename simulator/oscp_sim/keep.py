"""The file that keeps over a restart what the simulated parties must not forget.

A Capacity Provider that forgets is locked out: the token that it was given in a Register is known
to nobody else (docs/protocol/oscp20.md §5.3). The real Flexibility Provider has a database; the
simulated one begins with its world file each time, and would not know the tokens that it has given
out. The file therefore holds tokens, and only its owner can read it.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import uuid4

from oscp_schemas import JsonError, read
from oscp_sim.world import (
    SIMULATED,
    AnySystem,
    Simulated,
    SystemSettings,
    World,
)

_LOG = logging.getLogger(__name__)

_Key: TypeAlias = tuple[int, str, int]
#: JSON values by user id, kind (as `capacity_provider`) and id of the system.
State: TypeAlias = Mapping[_Key, Mapping[str, Any]]

_VERSION: Final = 1
_OWNER_ONLY: Final = 0o600
_MEMBERS: Final = {"user": int, "kind": str, "id": int, "remembered": dict}
_REMEDY: Final = "give the file that was written here, or remove it and register again"
_NEW: Final = re.compile("[0-9a-f]{32}")
# What changes with each heartbeat is written by the way.
_LOOK_EVERY_SECONDS: Final = 0.5


class StateFileError(ValueError):
    """A state file cannot be read, used or written; the text names it, and never a secret."""


class StateFile:
    """A file with the state of the simulated parties; it need not exist yet, its directory must."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._last: State = {}
        self._lock = threading.Lock()

    def read(self) -> dict[_Key, dict[str, Any]]:
        """Return the state as it was written; an empty one where there is no file yet.

        Raises:
            StateFileError: The file cannot be read, or `write` has not written it.
        """
        state = self._read()
        self._last = state
        return state

    def write(self, state: State) -> None:
        """Write the state to the file, readable by its owner only.

        The file is replaced as a whole: a crash leaves the old one or the new one.

        Raises:
            StateFileError: The file cannot be written, or a value is not a JSON value.
        """
        document = {"version": _VERSION, "seats": list(self._entries(state))}
        text = json.dumps(document, indent=1, allow_nan=False)
        try:
            # A link stays one: what it leads to is replaced.
            replace_file(self._path.resolve(), text.encode() + b"\n", _OWNER_ONLY)
        except (OSError, RuntimeError) as error:
            raise StateFileError(f"{self._path}: cannot be written: {_reason(error)}") from None
        self._last = state

    def update(self, state: State) -> None:
        """Write the state, if it is not the one that was last read or written.

        Raises:
            StateFileError: As `write`.
        """
        if state != self._last:
            self.write(state)

    @contextmanager
    def kept(
        self, remembered: Callable[[], State], recall: Callable[[State], None]
    ) -> Iterator[Callable[[], None]]:
        """Recall the state, then write it whenever it has changed, and once more at the end.

        What it returns writes at once what registrations and handshakes have changed: called before
        an answer confirms that, nothing of it is lost, however the process ends.

        Raises:
            StateFileError: The file cannot be read, used or written.
        """
        state = self.read()
        try:
            recall(state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The values are secrets, which the error's own text might show.
            raise StateFileError(
                f"{self._path}: its content cannot be used ({type(error).__name__}); "
                "remove the file and register again"
            ) from None
        # Fail now rather than at the first change.
        self.write(state)
        self._tidy()
        ended = threading.Event()
        thread = threading.Thread(
            target=self._watch, args=(remembered, ended), name="state-file", daemon=True
        )
        thread.start()
        try:
            yield lambda: self._keep(remembered, _undated)
        finally:
            ended.set()
            thread.join()
            with self._lock:
                self.update(remembered())

    def _watch(self, remembered: Callable[[], State], ended: threading.Event) -> None:
        while not ended.wait(_LOOK_EVERY_SECONDS):
            self._keep(remembered, lambda state: state)

    def _keep(self, remembered: Callable[[], State], seen: Callable[[State], State]) -> None:
        """Write the state, if what is seen of it has changed."""
        # Looked up under the lock, too: an older state must not be written over a newer one.
        with self._lock:
            state = remembered()
            if seen(state) == seen(self._last):
                return
            try:
                self.write(state)
            except StateFileError as error:
                _LOG.warning("%s", error)

    def _tidy(self) -> None:
        """Remove what a process that was killed has left half written."""
        path = self._path.resolve()
        for each in path.parent.glob(f".{glob.escape(path.name)}.*"):
            if _NEW.fullmatch(each.name.removeprefix(f".{path.name}.")):
                each.unlink(missing_ok=True)

    def _read(self) -> dict[_Key, dict[str, Any]]:
        try:
            document = read(self._path.read_bytes()).value
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateFileError(f"{self._path}: cannot be read: {_reason(error)}") from None
        except JsonError as error:
            # Its own text might quote the file.
            raise StateFileError(
                f"{self._path}:{error.line}:{error.column}: is not JSON: {_REMEDY}"
            ) from None
        version = document.get("version") if isinstance(document, dict) else None
        if version != _VERSION or isinstance(version, bool | float):
            shown = f"version {version}" if isinstance(version, int) else "an unknown version"
            raise StateFileError(
                f"{self._path}: has {shown}, expected version {_VERSION}: {_REMEDY}"
            )
        return self._state(document.get("seats"))

    def _state(self, listed: object) -> dict[_Key, dict[str, Any]]:
        if not isinstance(listed, list):
            raise StateFileError(f"{self._path}: /seats is not a list: {_REMEDY}")
        state: dict[_Key, dict[str, Any]] = {}
        for index, entry in enumerate(listed):
            place = f"{self._path}: /seats/{index}"
            key, remembered = _entry(place, entry)
            if key in state:
                raise StateFileError(f"{place} is a duplicate: {_REMEDY}")
            state[key] = remembered
        return state

    def _entries(self, state: State) -> Iterator[Mapping[str, object]]:
        for user, kind, system in sorted(state):
            remembered = dict(state[user, kind, system])
            for name, value in remembered.items():
                try:
                    json.dumps(value, allow_nan=False)
                except (TypeError, ValueError, RecursionError):
                    where = f"{kind} {system} of user {user}"
                    raise StateFileError(
                        f'{self._path}: cannot be written: "{name}" of {where} is not a JSON value'
                    ) from None
            yield {"user": user, "kind": kind, "id": system, "remembered": remembered}


def _undated(state: State) -> State:
    return {
        key: {name: value for name, value in known.items() if name not in _DATES}
        for key, known in state.items()
    }


def _entry(place: str, entry: object) -> tuple[_Key, dict[str, Any]]:
    if not isinstance(entry, dict):
        raise StateFileError(f"{place} is not an object: {_REMEDY}")
    for name, kind in _MEMBERS.items():
        value = entry.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise StateFileError(f"{place}/{name} is missing or unusable: {_REMEDY}")
    return (entry["user"], entry["kind"], entry["id"]), entry["remembered"]


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that its reader sees all of it or none, with a mode as the umask allows.

    Raises:
        OSError: It cannot be written.
    """
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        # Created by us: nobody can have put a file or a link there before.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as to:
            to.write(content)
            to.flush()
            os.fsync(to.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


# What registrations and handshakes have changed in the world, beside what the systems themselves
# remember.

_PLAIN: Final = ("token", "oscp_version", "registration_status", "flexibility_provider_token")
_DATES: Final = ("heartbeat_date", "offline_date")


def learned(first: World, world: World) -> dict[_Key, dict[str, Any]]:
    """Return what the Flexibility Provider has learned of its systems; with secrets."""
    before = dict(_systems(first))
    return {
        key: _written(system)
        for key, system in _systems(world)
        if key in before and _written(before[key]) != _written(system)
    }


def taught(world: World, state: State) -> World:
    """Return a world in which the Flexibility Provider knows again what it had learned.

    Systems that the world no longer has are left out.

    Raises:
        ValueError: `learned` has not returned this state.
    """
    for key, system in _systems(world):
        user = world.user(key[0])
        if key in state and user is not None:
            world = world.with_system(user.id, _known_again(key, system, state[key]))
    return world


def _systems(world: World) -> Iterator[tuple[_Key, AnySystem]]:
    for user, system in world.systems:
        yield (user.id, f"{system.party}_known", system.id), system


def _written(system: AnySystem) -> dict[str, Any]:
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


def _known_again(key: _Key, system: AnySystem, known: Mapping[str, Any]) -> AnySystem:
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
        raise ValueError(
            f"what is kept of {key[1]} {key[2]} of user {key[0]} cannot be used "
            f"({type(error).__name__}): remove the file and register again"
        ) from None
    return replace(system, **changes)

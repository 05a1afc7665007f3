"""Keeping over a restart what a registered system must not forget: where, with which tokens, what.

A Capacity Provider that forgets is locked out: the token that it was given in a Register is known
to nobody else (OSCP dossier §5.3). The file therefore holds tokens, and is its owner's alone.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

from schemas import JsonError, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PersistenceError", "SeatKey", "load", "save"]

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

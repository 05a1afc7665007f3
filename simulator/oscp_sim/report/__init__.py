"""The reports of a rehearsal, one small writer each, all from its events."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from oscp_schemas.show import nearest
from oscp_sim.report.result import Gathered, RehearsalResult
from oscp_sim.scenario.events import Listener

__all__ = ["KINDS", "listeners"]

#: The kinds of reports that are written to a file, and the module that makes each.
_FILES: Final[Mapping[str, str]] = MappingProxyType({"json": "oscp_sim.report.json_report"})
#: All kinds of reports.
KINDS: Final = tuple(_FILES)


def listeners(reports: Iterable[str]) -> list[Listener]:
    """Return a listener for each report that is asked for; it writes when the rehearsal ends.

    Args:
        reports: Each as `KIND=PATH`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    found: list[Listener] = []
    taken: set[Path] = set()
    for report in reports:
        kind, _, name = report.partition("=")
        module = _FILES.get(kind)
        if module is None:
            raise ValueError(_unknown(report, kind))
        path = _path(report, kind, name)
        if path in taken:
            raise ValueError(f"two reports would be written to {path}")
        taken.add(path)
        found.append(Gathered(partial(_write, module, path)))
    return found


def _unknown(report: str, kind: str) -> str:
    meant = nearest(kind, KINDS)
    hint = f'; did you mean "{meant}"?' if meant else ""
    return (
        f"{report!r} is not a report: write it as {' or '.join(f'{k}=PATH' for k in KINDS)}{hint}"
    )


def _path(report: str, kind: str, name: str) -> Path:
    """Return the path of a report's file; its folder is made when it is written."""
    if not name:
        raise ValueError(f"{report!r} does not say where to write it: {kind}=PATH")
    path = Path(name)
    if path.is_dir():
        raise ValueError(f"{name} is a folder: name a file in it")
    nearest_folder = next((each for each in path.absolute().parents if each.exists()), path)
    if not nearest_folder.is_dir():
        raise ValueError(f"{name} cannot be written: {nearest_folder} is not a folder")
    if not os.access(path if path.exists() else nearest_folder, os.W_OK):
        raise ValueError(f"{name} cannot be written: permission denied")
    return path


def _write(module: str, path: Path, result: RehearsalResult) -> None:
    # A rehearsal without reports does without what makes them.
    text = import_module(module).report(result)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise NotWritten(f"the report {path} cannot be written: {error.strerror}") from None


class NotWritten(click.ClickException):
    """Raised where a report cannot be written; a command ends with 2."""

    exit_code = 2

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

__all__ = ["WAYS", "listeners"]

#: The kinds of reports that are written to a file, and the module that makes each.
_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "junit": "oscp_sim.report.junit",
        "json": "oscp_sim.report.json_report",
        "html": "oscp_sim.report.html",
    }
)
_GITHUB: Final = "github"
#: How each kind is asked for.
WAYS: Final = ("junit=FILE", "json=FILE", "html=FOLDER", _GITHUB)
_PAGE: Final = "index.html"


def listeners(reports: Iterable[str]) -> list[Listener]:
    """Return a listener for each report that is asked for; it writes when the rehearsal ends.

    Args:
        reports: Each as `KIND=PATH`, or `github`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    found: list[Listener] = []
    taken: set[Path | str] = set()
    for report in reports:
        kind, equals, name = report.partition("=")
        target = _target(report, kind, name, is_named=bool(equals))
        if target in taken:
            raise ValueError(f"two reports would be written to {target}")
        taken.add(target)
        found.append(Gathered(partial(_write, kind, target)))
    return found


def _target(report: str, kind: str, name: str, *, is_named: bool) -> Path | str:
    """Return where a report is to be written."""
    if kind == _GITHUB:
        if is_named:
            raise ValueError(f"{report!r} takes no path: {_GITHUB} prints, and adds to the summary")
        return "the summary of the step"
    if kind not in _FILES:
        meant = nearest(kind, [*_FILES, _GITHUB])
        hint = f'; did you mean "{meant}"?' if meant else ""
        ways = f"{', '.join(WAYS[:-1])} or {WAYS[-1]}"
        raise ValueError(f"{report!r} is not a report: write it as {ways}{hint}")
    if not name:
        raise ValueError(f"{report!r} does not say where to write it: {kind}=PATH")
    path = Path(name)
    if kind == "html" and path.suffix.lower() not in {".html", ".htm"}:
        path /= _PAGE
    return _writable(path)


def _writable(path: Path) -> Path:
    """Return a path, where a file can be written there; its folder is made only then."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    folder = next((each for each in path.absolute().parents if each.exists()), path)
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ValueError(f"{path} cannot be written: permission denied")
    return path


def _write(kind: str, target: Path | str, result: RehearsalResult) -> None:
    try:
        if isinstance(target, str):
            from oscp_sim.report.github import write

            write(result)
            return
        # A rehearsal without reports does without what makes them.
        text = import_module(_FILES[kind]).report(result)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        where = error.filename or target
        raise NotWritten(f"the report {where} cannot be written: {error.strerror}") from None


class NotWritten(click.ClickException):
    """Raised where a report cannot be written; a command ends with 2."""

    exit_code = 2

"""The reports of a rehearsal, one small writer each, all from its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

from oscp_send.cli.ci import page_path, read_report, writable, write_report
from oscp_sim.report.result import Gathered, RehearsalResult
from oscp_sim.scenario.events import Listener

__all__ = ["WAYS", "listeners"]

#: How each kind of report is asked for.
WAYS: Final[Mapping[str, str]] = MappingProxyType(
    {"junit": "junit=FILE", "json": "json=FILE", "html": "html=FOLDER", "github": "github"}
)
# The module of each kind; a rehearsal without reports does without what makes them.
_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "junit": "oscp_sim.report.junit",
        "json": "oscp_sim.report.json_report",
        "html": "oscp_sim.report.html",
        "github": "oscp_sim.report.github",
    }
)


def listeners(reports: Iterable[str]) -> list[Listener]:
    """Return a listener for each report that is asked for; it writes when the rehearsal ends.

    Args:
        reports: Each as `KIND=PATH`, or `github`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    writers: dict[str, Callable[[RehearsalResult], None]] = {}
    for report in reports:
        kind, name = read_report(report, WAYS)
        path = None
        if name:
            path = page_path(name) if kind == "html" else writable(Path(name))
        target = str(path or kind)
        if target in writers:
            raise ValueError(f"{report!r} and a report before it would be written to one place")
        writers[target] = partial(_print, kind) if path is None else partial(_write, kind, path)
    return [Gathered(write) for write in writers.values()]


def _write(kind: str, path: Path, result: RehearsalResult) -> None:
    write_report(path, import_module(_MODULES[kind]).report(result))


def _print(kind: str, result: RehearsalResult) -> None:
    import_module(_MODULES[kind]).write(result)

"""The reports of a rehearsal, one small writer each, all from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

from oscp_send.cli.ci import asked_reports, write_report
from oscp_sim.report.result import Gathered, RehearsalResult
from oscp_sim.scenario.events import Listener

__all__ = ["listeners"]

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
    """Return a listener for each report, `KIND=PATH` or `github`; it writes when a rehearsal ends.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    return [Gathered(partial(_write, *asked)) for asked in asked_reports(reports)]


def _write(kind: str, path: Path | None, result: RehearsalResult) -> None:
    module = import_module(_MODULES[kind])
    if path is None:
        module.write(result)
    else:
        write_report(path, module.report(result))

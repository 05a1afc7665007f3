"""`oscp-sim init`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from oscp_send.cli.main import USAGE, printable
from oscp_sim.cli.scenarios import SCHEMAS, schema_text

# What is written, and the file of this package that it is made of.
_FILES: Final = (
    ("scenarios/day-ahead.yaml", "day-ahead.yaml"),
    ("scenarios/wrong-group.yaml", "wrong-group.yaml"),
    ("scenarios/worlds/depot.yaml", "depot.yaml"),
    (".github/workflows/oscp-rehearsal.yaml", "workflow.yaml"),
)
_NEXT: Final = (
    ("oscp-sim lint", "what is wrong with the files"),
    ("oscp-sim rehearse", "run them"),
    ("oscp-sim rehearse --sequence", "see what the parties send one another"),
    ("oscp-sim serve --world scenarios/worlds/depot.yaml", "the same world, for your own program"),
)


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a folder to begin with: a world, two scenarios, their schemas, a CI workflow.

    FOLDER is the top of your project, here where not given. What is there already stays as it is.
    The schemas let an editor with the YAML language server complete and check what you type; after
    an upgrade write them again with `oscp-sim schema`.

    Exits with 2 when a file cannot be written.
    """
    try:
        for path, text in _contents():
            _write(folder / path, text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        click.echo(printable(f"{error.filename}: cannot be written: {reason.lower()}"), err=True)
        sys.exit(USAGE)
    click.echo("\nNext:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    width = max(len(command) for command, _ in _NEXT)
    for command, what in _NEXT:
        click.echo(f"  {command:<{width}}  # {what}")


def _contents() -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each file."""
    starter = files("oscp_sim.scenario").joinpath("starter")
    for path, name in _FILES:
        text = starter.joinpath(name).read_text(encoding="utf-8")
        yield path, text.replace("OSCP_REHEARSAL", _requirement())
    for kind, (_, name) in SCHEMAS.items():
        yield f"scenarios/schemas/{name}", schema_text(kind)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        click.echo(printable(f"kept   {path}, which was there"))
    else:
        click.echo(printable(f"wrote  {path}"))


def _requirement() -> str:
    """Return what pip is to install: this version, from where this one came."""
    try:
        installed = distribution("oscp-rehearsal")
    except PackageNotFoundError:
        return "./oscp-rehearsal"
    origin = installed.read_text("direct_url.json")
    if origin is None:
        return f"oscp-rehearsal=={installed.version}"
    said = json.loads(origin)
    if "vcs_info" not in said:
        # A folder of this machine, which no other has.
        return "./oscp-rehearsal"
    vcs = said["vcs_info"]
    return f"oscp-rehearsal @ {vcs['vcs']}+{said['url']}@{vcs['commit_id']}"

"""`oscp-sim init`, `list`, `lint` and `schema`: about scenario files, without a run."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from oscp_send.cli.ci import Level, annotation
from oscp_send.cli.main import FAILED, USAGE, Colours, Palette, color_option, count, printable
from oscp_send.cli.options import format_option
from oscp_sim.cli.options import (
    Choice,
    choice_options,
    include_option,
    paths_argument,
    readable,
    world_option,
)

if TYPE_CHECKING:
    from oscp_sim.scenario.lint import Linted
    from oscp_sim.scenario.model import Scenario
    from oscp_sim.yaml_source import SourceProblem

#: Where the JSON Schema of each kind of file is: package, and name in it.
SCHEMAS: Final = {
    "scenario": ("oscp_sim.scenario", "scenario.schema.json"),
    "world": ("oscp_sim.world", "world.schema.json"),
    "faults": ("oscp_sim.faults", "faults.schema.json"),
}
_WIDTH: Final = 100
_INDENT: Final = " " * 6


@click.command()
@click.argument("kind", type=click.Choice(list(SCHEMAS)))
def schema(kind: str) -> None:
    """Print the JSON Schema (draft-07) of a kind of file, for an editor or a validator.

    An editor with the YAML language server completes and checks a file that begins with
    "# yaml-language-server: $schema=" and the path of the schema.
    """
    click.echo(schema_text(kind), nl=False)


def schema_text(kind: str) -> str:
    """Return the JSON Schema of a kind of file, as JSON text."""
    if kind == "scenario":
        from oscp_sim.scenario.read import editor_schema

        return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"
    package, name = SCHEMAS[kind]
    return files(package).joinpath(name).read_text(encoding="utf-8")


@click.command("list")
@choice_options
@format_option
@color_option
def list_scenarios(choice: Choice, style: str, colours: Colours) -> None:
    """List the scenarios that `rehearse` would run with the same PATHS, -k and --tag.

    Exits with 2 when a file cannot be read or no scenario is chosen.
    """
    chosen = choice.chosen(choice.load())
    if style == "json":
        listed = {"scenarios": [_values(each) for each in chosen]}
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    palette = Palette(sys.stdout, colours)
    for line in _listed(chosen, palette):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"\n{count(len(chosen), 'scenario')}\n")


def _values(scenario: Scenario) -> dict[str, Any]:
    from oscp_sim.scenario.selection import identifier

    return {
        "id": identifier(scenario),
        "group": scenario.group,
        "name": scenario.name,
        "tags": list(scenario.tags),
        "about": scenario.about,
        "file": scenario.source.name,
        "line": scenario.source.where("/scenario")[0],
        "steps": len(scenario.steps),
    }


def _listed(scenarios: Sequence[Scenario], palette: Palette) -> Iterator[str]:
    width = max(len(each.name) for each in scenarios)
    group = None
    for each in scenarios:
        if each.group != group:
            group = each.group
            yield printable(group)
        tags = f"  {palette.paint(printable(', '.join(each.tags)), 'cyan')}"
        place = palette.paint(printable(each.source.place("/scenario")), dim=True)
        yield f"  {printable(each.name):<{width}}  {place}{tags}".rstrip()
        if each.about:
            about = " ".join(printable(line) for line in each.about.split("\n"))
            yield textwrap.fill(about, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


@click.command()
@paths_argument
@include_option
@world_option
@click.option("--strict", is_flag=True, help="Let warnings fail as well.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For a person, for a program, or for GitHub, which shows it beside the lines.",
)
@color_option
def lint(
    paths: tuple[str, ...],
    include: tuple[Path, ...],
    world: Path | None,
    strict: bool,
    style: str,
    colours: Colours,
) -> None:
    """Read scenario files as `rehearse` would, run nothing, and say what is wrong with them.

    PATHS are as those of `rehearse`. An error keeps a file from being rehearsed. A warning is what
    is probably a mistake: nothing is expected, a key or a file is never used, a party or a group is
    not in the world.

    Exits with 0 when all is good, 1 when --strict finds a warning, 2 when there is an error.
    """
    from oscp_sim.scenario.lint import lint as look
    from oscp_sim.scenario.selection import NamedPath
    from oscp_sim.world import load_world

    with readable():
        given = load_world(world) if world else None
    # What is beside a scenario is read with it.
    named = [NamedPath.of(each).path for each in paths]
    found = look(dict.fromkeys(named), include, given)
    if style == "json":
        click.echo(json.dumps(_report(found), indent=2, ensure_ascii=False))
    else:
        lines = [] if style == "text" else list(_annotations(found))
        plain: Colours = colours if style == "text" else "never"
        # What GitHub takes for a command is not shown in the log of a step.
        for line in (*lines, *_told(found, Palette(sys.stdout, plain))):
            sys.stdout.write(f"{line}\n")
    failed = FAILED if strict and found.warnings else 0
    sys.exit(USAGE if found.errors else failed)


def _report(found: Linted) -> dict[str, Any]:
    return {
        "scenarios": len(found.scenarios),
        "errors": list(map(asdict, found.errors)),
        "warnings": list(map(asdict, found.warnings)),
    }


def _annotations(found: Linted) -> Iterator[str]:
    levels: tuple[tuple[Level, tuple[SourceProblem, ...]], ...] = (
        ("error", found.errors),
        ("warning", found.warnings),
    )
    for level, problems in levels:
        for each in problems:
            yield annotation(
                level, each.message, "oscp-sim lint", each.file, each.line, each.column
            )


def _told(found: Linted, palette: Palette) -> Iterator[str]:
    for each in found.errors:
        yield printable(str(each))
    for each in found.warnings:
        place, _, message = str(each).partition(": ")
        yield f"{printable(place)}: {palette.paint('warning', 'yellow')}: {printable(message)}"
    files = count(len({each.source.name for each in found.scenarios}), "file")
    good = f"{count(len(found.scenarios), 'scenario')} in {files}" if found.scenarios else ""
    errors = palette.paint(count(len(found.errors), "error"), "red") if found.errors else ""
    warnings = palette.paint(count(len(found.warnings), "warning"), "yellow")
    told = [errors, warnings if found.warnings else "", good]
    yield ", ".join(filter(None, told if errors or found.warnings else [f"{good}: good"]))


# What to begin with.

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

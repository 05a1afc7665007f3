"""`oscp-sim rehearse`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oscp_schemas.date_time import Fidelity
from oscp_sim.cli.options import (
    behaviour,
    fidelity_option,
    seat_option,
    seats,
    seed_option,
    set_option,
    world_option,
)

_FOLDER = Path("scenarios")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@world_option
@seed_option
@fidelity_option
@set_option
@seat_option
@click.option(
    "--include",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="A folder with worlds and payloads that scenario files may name beside those in the "
    "folder of theirs that PATHS name, or their own; may be given several times.",
)
@click.option(
    "--sequence",
    is_flag=True,
    help="Show what the parties sent one another in each scenario, not only in those that fail or "
    "say so themselves.",
)
def rehearse(
    paths: tuple[Path, ...],
    world: Path | None,
    seed: int,
    fidelity: Fidelity,
    settings: tuple[str, ...],
    seat: tuple[str, ...],
    include: tuple[Path, ...],
    sequence: bool,
) -> None:
    """Run scenario files, each in a simulator of its own, and report the results.

    PATHS are files or folders; without any, the folder scenarios/, or the scenarios that come with
    this program where there is no such folder.

    Exits with 0 when all pass, 1 when one fails, 2 when a file cannot be read.
    """
    from oscp_sim.matching import printable
    from oscp_sim.scenario.console import ConsoleReport
    from oscp_sim.scenario.read import load_scenarios
    from oscp_sim.scenario.run import Rehearsal, run
    from oscp_sim.world import load_world
    from oscp_sim.yaml_source import SourceError

    chosen, real = behaviour(fidelity, settings), seats(seat)
    try:
        common = Rehearsal(seed, chosen, load_world(world) if world else None, real)
        scenarios = load_scenarios(paths or [_default_folder()], include)
    except SourceError as error:
        for problem in error.problems:
            click.echo(printable(str(problem)), err=True)
        sys.exit(2)
    passed = run(scenarios, common, [ConsoleReport(sys.stdout, sequence=sequence)])
    sys.exit(0 if passed else 1)


def _default_folder() -> Path:
    """Return the folder `scenarios` here, if it has scenario files, or what the package ships."""
    if any(_FOLDER.rglob("*.yaml")):
        return _FOLDER
    package = Path(__file__).parent.parent
    shipped = package / "pack"
    return shipped if shipped.is_dir() else package.parent.parent / "scenarios"

"""The options that several commands of `oscp-sim` take."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from oscp_schemas.date_time import Fidelity
from oscp_send.cli.main import USAGE, printable
from oscp_send.cli.options import Command, gathered
from oscp_send.fidelity import Behaviour
from oscp_sim.scenario.real_parties import RealParties, parse_seat

# Only a command that reads scenarios needs what they bring along.
if TYPE_CHECKING:
    from oscp_sim.scenario.events import Listener
    from oscp_sim.scenario.model import Scenario
    from oscp_sim.scenario.selection import Selection
    from oscp_sim.world import World

EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE_TO_WRITE: Final = click.Path(dir_okay=False, path_type=Path)
PORT: Final = click.IntRange(0, 65535)
fidelity_option = click.option(
    "--fidelity",
    type=click.Choice(["documented", "observed"]),
    default="documented",
    show_default=True,
    help="Follow the public guide, or what the running services do, where the two differ.",
)
set_option = click.option(
    "--set",
    "settings",
    metavar="NAME=SIDE",
    multiple=True,
    help="Follow SIDE, documented or observed, in one difference; `oscp-sim fidelity` lists them.",
)
seed_option = click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Makes every identifier that is invented.",
)
seat_option = click.option(
    "--seat",
    metavar="NAME[:ID]=URL",
    multiple=True,
    help="A party that is real, and its base URL: solaruser, flexibility_provider, "
    "capacity_provider:ID or capacity_optimizer:ID. The simulator plays the others.",
)
world_option = click.option(
    "--world",
    type=EXISTING_FILE,
    help="YAML file of who exists; the built-in world where not given.",
)
others_option = click.option(
    "--others",
    type=click.Choice(["pass", "refuse"]),
    help="What becomes of requests that the proxy is given for other hosts: they go where they are "
    "for, or they are refused with 403. Passed on where not given.",
)
report_option = click.option(
    "--report",
    "reports",
    metavar="KIND=PATH",
    multiple=True,
    help="Also write a report: junit=FILE, json=FILE, html=FOLDER, or github for annotations and "
    "the summary of a GitHub step. May be given several times.",
)


def seconds(_: click.Context, __: click.Parameter, given: float | None) -> float | None:
    """Return a number of seconds that an option was given, as its callback."""
    if given is not None and math.isnan(given):
        raise click.BadParameter("nan is not a number of seconds")
    return given


@contextmanager
def bad_parameters(option: str) -> Iterator[None]:
    """Turn a ValueError into one line about an option; the command ends with 2."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def end(why: object, code: int = USAGE) -> NoReturn:
    """End a command with an exit code, once the standard error has its name and why."""
    name = click.get_current_context().info_name
    for line in str(why).splitlines():
        click.echo(printable(f"oscp-sim {name}: {line}"), err=True)
    sys.exit(code)


@contextmanager
def readable() -> Iterator[None]:
    """Turn a file that cannot be used into a line for each of its problems, and exit code 2."""
    from oscp_sim.yaml_source import SourceError

    try:
        yield
    except SourceError as error:
        for problem in error.problems:
            click.echo(printable(str(problem)), err=True)
        sys.exit(USAGE)


def behaviour(fidelity: Fidelity, settings: tuple[str, ...]) -> Behaviour:
    """Return what `--fidelity` and each `--set` ask for together.

    Raises:
        click.BadParameter: A setting makes no sense.
    """
    chosen: dict[str, str] = {}
    with bad_parameters("--set"):
        for setting in settings:
            name, equals, side = setting.partition("=")
            if not equals:
                raise ValueError(
                    f"{setting!r} has no side; write it as {name}=documented or {name}=observed"
                )
            if chosen.setdefault(name, side) != side:
                raise ValueError(f"{name!r} is set twice")
        return Behaviour(fidelity, chosen)


def seats(given: tuple[str, ...]) -> RealParties:
    """Return what each `--seat` asks for, together.

    Raises:
        click.BadParameter: One makes no sense.
    """
    together = RealParties()
    with bad_parameters("--seat"):
        for seat in given:
            together = together.under(parse_seat(seat))
    return together


def listeners(reports: tuple[str, ...]) -> list[Listener]:
    """Return who writes each `--report` that is asked for.

    Raises:
        click.BadParameter: One makes no sense, or cannot be written.
    """
    if not reports:
        return []
    # Imported where one is asked for: nobody waits longer for a server than for this.
    from oscp_sim.report import listeners as writers

    with bad_parameters("--report"):
        return writers(reports)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a simulator is made of, as a command line says it."""

    world: Path | None
    seed: int
    fidelity: Fidelity
    settings: tuple[str, ...]
    seat: tuple[str, ...]
    reports: tuple[str, ...]

    def behaviour(self) -> Behaviour:
        """Return which side of each difference is followed."""
        return behaviour(self.fidelity, self.settings)

    def placed_world(self) -> World:
        """Return the world, with the real parties where they are.

        Exits with 2, after each problem on a line, if it cannot be read.

        Raises:
            click.BadParameter: A real party makes no sense, or is not in it.
        """
        from oscp_sim.world import load_world

        real = seats(self.seat)
        with readable():
            world = load_world(self.world)
        with bad_parameters("--seat"):
            return real.placed(world)


def setup_options(command: Command) -> Command:
    """Give a command the options of a `Setup`, as its argument `setup`."""
    options = (world_option, seed_option, fidelity_option, set_option, seat_option, report_option)
    return gathered(command, options, "setup", Setup)


# Which scenarios.

_SCENARIOS: Final = Path("scenarios")


def _or_usual(
    context: click.Context, _param: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the paths; else the folder `scenarios` here, or what the package ships."""
    # A shell that completes a command line is told nothing.
    if given or context.resilient_parsing:
        return given
    if any(_SCENARIOS.rglob("*.yaml")):
        return (str(_SCENARIOS),)
    # Nobody is to take these for their own.
    click.echo("no scenarios/ here: these are the scenarios that come with oscp-sim", err=True)
    package = Path(__file__).parent.parent
    shipped = package / "pack"
    return (str(shipped if shipped.is_dir() else package.parent.parent / "scenarios"),)


paths_argument = click.argument("paths", nargs=-1, metavar="[PATHS]...", callback=_or_usual)
include_option = click.option(
    "--include",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="A folder with more worlds and payloads for scenario files to name. Without it they may "
    "name those in the folder that PATHS has, or in their own where PATHS has the file itself. "
    "May be given several times.",
)
_CHOICES: Final = (
    paths_argument,
    include_option,
    click.option(
        "-k",
        "expression",
        metavar="EXPRESSION",
        help="Only scenarios whose name, heading or tag has these words in it, as "
        '"loop and not (slow or retry)".',
    ),
    click.option(
        "--tag",
        "tags",
        metavar="TAG",
        multiple=True,
        help="Only scenarios with this tag; given several times, with one of them.",
    ),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which scenarios a command line asks for."""

    paths: tuple[str, ...]
    include: tuple[Path, ...]
    expression: str | None
    tags: tuple[str, ...]

    def selection(self) -> Selection:
        """Return it as a selection."""
        from oscp_sim.scenario.selection import NamedPath, Selection

        return Selection(tuple(map(NamedPath.of, self.paths)), self.expression, self.tags)

    def reader(self) -> Callable[[], tuple[Scenario, ...]]:
        """Return a function that reads all scenarios of its paths, asked for or not."""
        from oscp_sim.scenario.read import load_scenarios

        paths = tuple(dict.fromkeys(each.path for each in self.selection().paths))
        return partial(load_scenarios, paths, self.include)

    def load(self) -> tuple[Scenario, ...]:
        """Return all scenarios of its paths, those included that it does not ask for.

        Exits with 2, after each problem on a line, if they cannot be read.
        """
        with readable():
            return self.reader()()

    def chosen(self, scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
        """Return those of the scenarios that it asks for.

        Exits with 2 if there is none.

        Raises:
            click.BadParameter: The expression is not one.
        """
        from oscp_sim.scenario.selection import BadExpression, NothingSelected

        try:
            return self.selection().of(scenarios)
        except BadExpression as error:
            raise click.BadParameter(str(error), param_hint="-k") from None
        except NothingSelected as error:
            click.echo(printable(str(error)), err=True)
            sys.exit(USAGE)


def choice_options(command: Command) -> Command:
    """Give a command PATHS and the options of a `Choice`, as its argument `choice`."""
    return gathered(command, _CHOICES, "choice", Choice)
